"""The cross-entropy of classes, and its derivatives by hand."""

import torch
from torch import Tensor

from src.losses.loss import Loss


class CrossEntropy(Loss):
    """The mean, or the sum, over rows of `log Σ_c exp(p_c) - p_k`, k being the row's class.

    That is the negative logarithm of the probability of k where that of each class is `exp(p_c) / Σ exp(p)` (softmax):
    Bishop (2006), Pattern Recognition and Machine Learning, equations (4.104), (4.108) and (4.109). The same number
    added to all of a row's predictions changes nothing.
    """

    name = "cross_entropy"
    convex = True
    in_c = ()
    targets = "one_hot"

    def each(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """`[P, B]`."""
        return -(_logarithms(predictions) * targets.mT).sum(-2)

    def each_and_slopes(self, predictions: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """`[P, B]` and `[P, B, O]`: the slopes are the probabilities less the targets."""
        logarithms = _logarithms(predictions)
        return -(logarithms * targets.mT).sum(-2), logarithms.exp().mT - targets

    def curvature(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """`[P, B, O, O]`: `diag(q) - q qᵀ` with the probabilities q of a row."""
        q = self.probabilities(predictions)
        return (torch.diag_embed(q) - q[..., :, None] * q[..., None, :]) / self._divisor(q[..., 0], None)

    def constant(self, targets: Tensor) -> Tensor:
        """The logarithms of the classes' shares; of one that is in no row the lowest number there is, not -inf."""
        return targets.mean(0).clamp(min=torch.finfo(targets.dtype).tiny).log()

    def margins(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """`[..., C]`: by how much the row's class is above each."""
        return (predictions * targets).sum(-1, keepdim=True) - predictions

    def probabilities(self, predictions: Tensor) -> Tensor:
        """`[..., C]`, a class an output."""
        return predictions.softmax(-1)


def _logarithms(predictions: Tensor) -> Tensor:
    """Of the probabilities, `[P, O, B]`: along a last axis of a few classes torch is twenty times slower."""
    return predictions.mT.contiguous().log_softmax(-2)
