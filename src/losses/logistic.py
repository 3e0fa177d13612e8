"""The logistic loss of targets 0 and 1, and its derivatives by hand."""

import torch
from torch import Tensor
from torch.nn import functional

from src.losses.loss import Loss


class Logistic(Loss):
    """The mean, or the sum, of `log(1 + exp(-m))` with the margin `m = (2y - 1) p`, y being 0 or 1.

    That is the negative logarithm of the probability of y where 1 has `σ(p) = 1 / (1 + exp(-p))`: Hastie, Tibshirani
    and Friedman (2009), The Elements of Statistical Learning, equations (4.20) and (10.18). Several outputs are as many
    questions of their own.
    """

    name = "logistic"
    convex = True
    in_c = ()
    targets = "binary"

    def each(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """`[P, B, O]`."""
        return -functional.logsigmoid((2 * targets - 1) * predictions)

    def each_and_slopes(self, predictions: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """`[P, B, O]` both: the slope is `-(2y - 1) / (1 + exp(m))`, which is `σ(p) - y`."""
        sign = 2 * targets - 1
        margin = sign * predictions
        # exp may overflow to a slope of 0; torch.sigmoid would round otherwise at the end of a tensor
        return -functional.logsigmoid(margin), -sign / (1 + margin.exp())

    def curvature(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """`[P, B, O, O]`, diagonal: `σ(p) σ(-p)`."""
        odds = (-predictions.abs()).exp()  # of the less probable one
        return torch.diag_embed(odds / (1 + odds).square() / self._divisor(odds, None))

    def margins(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """`[..., O]`: m."""
        return (2 * targets - 1) * predictions

    def constant(self, targets: Tensor) -> Tensor:
        """The logarithm of the odds."""
        ones = targets.mean(0)
        return ones.log() - (1 - ones).log()

    def probabilities(self, predictions: Tensor) -> Tensor:
        """`[..., 2]`, of 0 and of 1; of O outputs `[..., 2 O]`, output by output."""
        return functional.logsigmoid(torch.stack((-predictions, predictions), -1)).exp().flatten(-2)

    def expected(self, predictions: Tensor) -> Tensor:
        """The probability of 1."""
        return functional.logsigmoid(predictions).exp()
