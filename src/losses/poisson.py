"""The Poisson loss of counts, and its derivatives by hand."""

import torch
from torch import Tensor

from src.losses.loss import Loss


class Poisson(Loss):
    """The mean, or the sum, of `exp(p) - y + y (log y - p)`, half the deviance of a count y from its mean `exp(p)`.

    It is the negative logarithm of the probability of y, less that at the best of all means, y itself: so it is never
    below 0, and `log y! - y log y + y` less than the whole one, whatever p is. McCullagh and Nelder (1989), Generalized
    Linear Models, section 2.3; what scikit-learn's PoissonRegressor minimizes, and statsmodels' `deviance / 2`.
    """

    name = "poisson"
    convex = True
    in_c = ()
    targets = "counts"

    def each(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """`[P, B, O]`."""
        return self.each_and_slopes(predictions, targets)[0]

    def each_and_slopes(self, predictions: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """`[P, B, O]` both: the slope is `exp(p) - y`."""
        slopes = predictions.exp() - targets
        # of 0 the logarithm of 1, which is multiplied by 0
        return torch.addcmul(slopes, targets, targets.clamp(min=1).log() - predictions), slopes

    def curvature(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """`[P, B, O, O]`, diagonal: `exp(p)`."""
        means = predictions.exp()
        return torch.diag_embed(means / self._divisor(means, None))

    def margins(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """`[..., 2 O]`: of a count above 0 both p and -p, so that p has to stay; of 0 -p."""
        return torch.cat([-predictions, predictions * (targets > 0)], -1)

    def constant(self, targets: Tensor) -> Tensor:
        """The logarithm of the mean; of counts that are all 0 the lowest number there is, not -inf."""
        return targets.mean(0).clamp(min=torch.finfo(targets.dtype).tiny).log()

    def expected(self, predictions: Tensor) -> Tensor:
        """`exp(p)`."""
        return predictions.exp()
