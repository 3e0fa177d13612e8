"""Every loss that looks at targets, what torch computes for it, and targets for each."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from src.losses.cross_entropy import CrossEntropy
from src.losses.huber import Huber
from src.losses.logistic import Logistic
from src.losses.loss import Loss
from src.losses.poisson import Poisson
from src.losses.squared_error import SquaredError

DELTA = 0.7
OF_TORCH: Mapping[str, Callable[[Tensor, Tensor, str], Tensor]] = {
    "squares": lambda p, y, how: F.mse_loss(p, y, reduction=how),
    "huber": lambda p, y, how: F.huber_loss(p, y, reduction=how, delta=DELTA),
    "logistic": lambda p, y, how: F.binary_cross_entropy_with_logits(p, y, reduction=how),
    "cross_entropy": lambda p, y, how: F.cross_entropy(p, y, reduction=how),
    # it leaves out what no prediction changes
    "poisson": lambda p, y, how: F.poisson_nll_loss(p, y, reduction=how) + getattr(torch.xlogy(y, y) - y, how)(),
}
"""By name, of predictions and targets `[B, O]`, and "mean" or "sum"."""


def loss_of(name: str, reduction: str = "mean") -> Loss:
    """The loss of this name."""
    if name == "huber":
        return Huber(DELTA, reduction)
    return {one.name: one for one in (SquaredError, Logistic, CrossEntropy, Poisson)}[name](reduction)


def plain_loss(loss: Loss, predictions: Tensor, targets: Tensor) -> Tensor:
    """Losses `[P]` by torch's own functions, member by member."""
    of = OF_TORCH[loss.name]
    return torch.stack([of(p, y, loss.reduction) for p, y in zip(predictions, targets, strict=True)])


def targets_for(loss: Loss, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Targets `[P, B, O]` that it takes, float64."""
    if loss.targets == "one_hot":
        return F.one_hot(torch.randint(shape[-1], shape[:-1], generator=generator), shape[-1]).double()
    if loss.targets == "numbers":
        return torch.randn(shape, generator=generator, dtype=torch.float64)
    return torch.randint(2 if loss.targets == "binary" else 5, shape, generator=generator).double()
