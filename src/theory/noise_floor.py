"""How near to the exact loss mini-batches let descent come: noise that a fixed learning rate does not average away."""

import torch
from torch import Tensor

from src.data.design_matrix import Design
from src.data.problem import Rows
from src.theory.least_squares import Exact

POSITIONS = 4096
"""At most so many steps of an epoch are averaged over."""


def noise_floor(rows: Rows, exact: Exact, lr: float, batch_size: int, reduction: str = "mean") -> float | None:
    """The loss over all rows around which plain mini-batch descent settles, to leading order in the learning rate.

    Along an eigenvector with eigenvalue λ the distance obeys δ <- (1 - aλ) δ - a ξ, with the gradient noise ξ at the
    solution. Were batches independent, with noise of variance c, its variance would settle at a c/(λ (2 - aλ)), so the
    loss at a tr(C)/4 above the exact one (Mandt, Hoffman, Blei 2017, equations 12 and 13). Batches of a shuffled epoch
    are not: drawn without replacement from n rows of variance s, a batch of b has noise of variance
    s (n - b)/(b (n - 1)), and any two of an epoch have covariance -s/(n - 1) (Cochran 1977, section 2.5; Gürbüzbalaban,
    Ozdaglar, Parrilo 2021). With ρ = 1 - aλ, S1(j) = Σ ρ^i and S2(j) = Σ ρ^(2i) over i < j,

        V(j) = ρ^(2j) V(0) + a² s ((n - b)/(b (n - 1)) S2(j) - (S1(j)² - S2(j))/(n - 1)),        V(m) = V(0),

    is the variance after j of the m steps of an epoch, whose last batch holds what is left of the rows; the floor is
    its mean over the epoch, ½ Σ λ V. Noise that grows with the distance itself is of the next order and left out.

    Args:
        rows: that `exact` was solved for.
        exact: without ridge.
        lr: a.
        batch_size: b.
        reduction: of the squared errors of a batch.

    Returns:
        None where plain descent at this rate does not settle, and for sums of batches that are not of one size: a short
        one takes a shorter step.
    """
    count, outputs = len(rows), exact.outputs
    unit = count * outputs if reduction == "sum" else 1
    if reduction == "sum":  # the sum over a batch is b O times its mean
        lr = lr * batch_size * outputs
    eigenvalues = exact.eigenvalues / unit
    if batch_size >= count:
        return exact.loss
    if not lr * float(eigenvalues[-1]) < 2 or (reduction == "sum" and count % batch_size):
        return None
    scatter = Design(rows.inputs, rows.targets, exact.bias).gradient_scatter(exact.solution)
    per_row = 4 / (outputs**2 * count) * (exact.eigenvectors * (scatter @ exact.eigenvectors)).sum(0)
    moving = eigenvalues > 0
    variance = _mean_variance(lr * eigenvalues[moving], count, batch_size) * lr**2 * per_row[moving]
    floor = exact.loss + unit * 0.5 * float((eigenvalues[moving] * variance).sum())
    return floor if torch.tensor(floor).isfinite() else None


def _mean_variance(pull: Tensor, rows: int, batch: int) -> Tensor:
    """V over a² s, on average over an epoch, for each aλ in `pull [d]`."""
    batches = -(-rows // batch)
    last = rows - (batches - 1) * batch
    positions = torch.linspace(0, batches - 1, min(batches, POSITIONS), dtype=torch.float64).round()
    pull = pull[:, None]
    singles, squares = _sums(pull, positions)
    within = _noise(rows, batch) * squares - (singles.square() - squares) / (rows - 1)
    before, beside = _sums(pull, torch.tensor([batches - 1.0], dtype=torch.float64))
    kept = 1 - pull
    # the noise of the last batch, which may be a short one, is the only one that no later step has shrunk
    both = (kept * before + 1).square() - (kept.square() * beside + 1)
    epoch = _noise(rows, batch) * kept.square() * beside + _noise(rows, last) - both / (rows - 1)
    start = epoch / -_power_minus_one(pull, torch.tensor([2.0 * batches], dtype=torch.float64))
    return ((1 + _power_minus_one(pull, 2 * positions)) * start + within).mean(1)


def _noise(rows: int, batch: int) -> float:
    """The variance of the mean of a batch over that of single rows."""
    return (rows - batch) / (batch * (rows - 1))


def _sums(pull: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
    """S1 and S2 for j in `steps [J]`, `[d, J]`."""
    return -_power_minus_one(pull, steps) / pull, -_power_minus_one(pull, 2 * steps) / (pull * (2 - pull))


def _power_minus_one(pull: Tensor, exponent: Tensor) -> Tensor:
    """(1 - aλ)^k - 1, without cancellation where aλ is small."""
    small = torch.expm1(exponent * torch.log1p(-pull.clamp(max=0.5)))
    return torch.where(pull < 0.5, small, (1 - pull).pow(exponent) - 1)
