"""Squared error per member, and its derivative by hand."""

from dataclasses import dataclass
from typing import Literal

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
        return squares.sum((1, 2)) if self.reduction == "sum" else squares.sum((1, 2)) / self._count(predictions, rows)

    def by_hand(self, predictions: Tensor, targets: Tensor, rows: int | None = None) -> tuple[Tensor, Tensor]:
        """Losses `[P]` and their derivatives `[P, B, O]` by the predictions: `2 (prediction - target) / n`."""
        error = predictions - targets
        if self.reduction == "sum":
            return error.square().sum((1, 2)), error * 2
        count = self._count(predictions, rows)
        return error.square().sum((1, 2)) / count, error * (2 / count)

    @staticmethod
    def _count(predictions: Tensor, rows: int | None) -> int:
        return (predictions.shape[1] if rows is None else rows) * predictions.shape[2]
