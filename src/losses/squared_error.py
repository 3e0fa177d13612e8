"""What is made small, per member, and its derivative by hand: squared error, or the prediction itself."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor


@dataclass(frozen=True)
class SquaredError:
    """The mean, or the sum, of `(prediction - target)²` over rows and outputs, per member.

    Predictions and targets are `[P, B, O]`; a loss is `[P]`. With `rows` given, B is this
    process's shard of a batch of that many rows, and shards' losses and gradients add up to the whole batch's, however
    uneven the shards are.
    """

    reduction: Literal["mean", "sum"] = "mean"

    def value(self, predictions: Tensor, targets: Tensor, rows: int | None = None) -> Tensor:
        """Losses `[P]`."""
        # the operator itself, without the checks around it: with a mean over two axes the cheapest way through autograd
        squares = torch.ops.aten.mse_loss.default(predictions, targets, 0)
        if self.reduction == "mean" and rows is None:
            return squares.mean((1, 2))
        return squares.sum((1, 2)) if self.reduction == "sum" else squares.sum((1, 2)) / _count(predictions, rows)

    def by_hand(self, predictions: Tensor, targets: Tensor, rows: int | None = None) -> tuple[Tensor, Tensor]:
        """Losses `[P]` and their derivatives `[P, B, O]` by the predictions: `2 (prediction - target) / n`."""
        error = predictions - targets
        if self.reduction == "sum":
            return error.square().sum((1, 2)), error * 2
        count = _count(predictions, rows)
        return error.square().sum((1, 2)) / count, error * (2 / count)

    def difference(self, above: Tensor, below: Tensor, targets: Tensor) -> tuple[float, float]:
        """The loss at one of two predictions `[1, B, O]` less that at the other, and what rounding does to it.

        Taken row by row, `(p - q)(p + q - 2y)`: large targets do not drown it.
        """
        count = above.numel() if self.reduction == "mean" else 1
        both = above + below - 2 * targets
        # every prediction is off by about ε of itself, one up, another down
        rounding = torch.finfo(above.dtype).eps * (torch.maximum(above.abs(), below.abs()) * both).norm() / count
        return float(((above - below) * both).sum() / count), float(rounding)


@dataclass(frozen=True)
class Value:
    """The mean of the predictions themselves over rows and outputs, per member: what a surface's height is.

    Shapes and `rows` as of `SquaredError`; targets are not looked at.
    """

    reduction: ClassVar[Literal["mean"]] = "mean"

    def value(self, predictions: Tensor, targets: Tensor, rows: int | None = None) -> Tensor:
        """Losses `[P]`."""
        return predictions.mean((1, 2)) if rows is None else predictions.sum((1, 2)) / _count(predictions, rows)

    def by_hand(self, predictions: Tensor, targets: Tensor, rows: int | None = None) -> tuple[Tensor, Tensor]:
        """Losses `[P]` and their derivatives `[P, B, O]` by the predictions: `1 / n`."""
        slope = torch.full_like(predictions, 1 / _count(predictions, rows))
        return self.value(predictions, targets, rows), slope

    def difference(self, above: Tensor, below: Tensor, targets: Tensor) -> tuple[float, float]:
        """The loss at one of two predictions `[1, B, O]` less that at the other, and what rounding does to it."""
        rounding = torch.finfo(above.dtype).eps * torch.maximum(above.abs(), below.abs()).norm() / above.numel()
        return float((above - below).mean()), float(rounding)


Loss = SquaredError | Value


def loss_of(name: Literal["mean", "sum", "value"]) -> Loss:
    """The loss that `model.loss` names: mean or sum of squared errors, or the value of a surface."""
    return Value() if name == "value" else SquaredError(name)


def _count(predictions: Tensor, rows: int | None) -> int:
    """Numbers that a mean is taken over."""
    return (predictions.shape[1] if rows is None else rows) * predictions.shape[2]
