"""The squared error, and its derivative by hand."""

import torch
from torch import Tensor

from src.losses.loss import Loss, numbers


class SquaredError(Loss):
    """The mean, or the sum, of `(prediction - target)²` over rows and outputs."""

    name = "squares"
    least_squares = convex = True
    in_c = ()

    def __init_subclass__(cls) -> None:
        if cls.value is SquaredError.value and cls.each is not Loss.each:
            cls.value = Loss.value  # type: ignore[method-assign]  # the value here makes no use of `each`
        super().__init_subclass__()

    def value(self, predictions: Tensor, targets: Tensor, rows: int | None = None) -> Tensor:
        """Losses `[P]`."""
        # the operator itself, without the checks around it: with a mean over two axes the cheapest way through autograd
        squares = torch.ops.aten.mse_loss.default(predictions, targets, 0)
        if self.reduction == "mean" and rows is None:
            return squares.mean((1, 2))
        return squares.sum((1, 2)) if self.reduction == "sum" else squares.sum((1, 2)) / numbers(predictions, rows)

    def derivative(self, predictions: Tensor, targets: Tensor, rows: int | None = None) -> tuple[Tensor, Tensor]:
        """Losses `[P]` and their derivatives `[P, B, O]` by the predictions: `2 (prediction - target) / n`."""
        error = predictions - targets
        if self.reduction == "sum":
            return error.square().sum((1, 2)), error * 2
        count = numbers(predictions, rows)
        return error.square().sum((1, 2)) / count, error * (2 / count)

    def difference(self, above: Tensor, below: Tensor, targets: Tensor) -> tuple[float, float]:
        """As `Loss.difference`, taken row by row, `(p - q)(p + q - 2y)`: large targets do not drown it."""
        count = above.numel() if self.reduction == "mean" else 1
        both = above + below - 2 * targets
        # every prediction is off by about ε of itself, one up, another down
        rounding = torch.finfo(above.dtype).eps * (torch.maximum(above.abs(), below.abs()) * both).norm() / count
        return float(((above - below) * both).sum() / count), float(rounding)

    def unit(self, target_scale: Tensor) -> float | None:
        """The square of the targets', where all have the same: a mean over several units has none."""
        return unit_of_squares(target_scale)


def unit_of_squares(target_scale: Tensor) -> float | None:
    """See `SquaredError.unit`."""
    same = bool((target_scale == target_scale[0]).all())
    return float(target_scale[0].square()) if same else None
