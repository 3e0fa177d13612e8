"""Huber's loss: squares of small errors, absolute values of large ones; and its derivatives by hand."""

import torch
from torch import Tensor

from src.losses.loss import Loss
from src.losses.squared_error import unit_of_squares


class Huber(Loss):
    """The mean, or the sum, of `½ e²` where `|e| ≤ δ` and `δ (|e| - ½ δ)` beyond, with `e = prediction - target`.

    Huber (1964), "Robust Estimation of a Location Parameter", equation (1.2); the same as `torch.nn.HuberLoss`. With
    c the error cut to ±δ it is `c (e - ½ c)`, and c its derivative.

    Args:
        delta: δ above 0, in the units that descent sees: of a standardized target in its standard deviations.
        reduction: see `Loss`.
    """

    name = "huber"
    convex = True
    in_c = ("delta",)

    def __init__(self, delta: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.delta = delta

    def each(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """`[P, B, O]`."""
        return self.each_and_slopes(predictions, targets)[0]  # torch's own rounds otherwise at the end of a tensor

    def each_and_slopes(self, predictions: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """`[P, B, O]` both."""
        error = predictions - targets
        cut = error.clamp(-self.delta, self.delta)
        return cut * torch.sub(error, cut, alpha=0.5), cut

    def curvature(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """`[P, B, O, O]`, diagonal: 1 where `|e| ≤ δ`, else 0."""
        inside = ((predictions - targets).abs() <= self.delta).to(predictions)
        return torch.diag_embed(inside / self._divisor(inside, None))

    def unit(self, target_scale: Tensor) -> float | None:
        """As of squares: with errors s times as large, and δ too, it is s² times as large."""
        return unit_of_squares(target_scale)
