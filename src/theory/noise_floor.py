"""How near to the exact loss mini-batches let descent come: noise that a fixed learning rate does not average away."""

import math

import torch
from torch import Tensor

from src.data.design_matrix import Design
from src.data.problem import Rows
from src.theory.least_squares import LeastSquares

POSITIONS = 4096
"""At most so many steps of an epoch are averaged over."""
LEADING = 0.8
"""Share of the excess that the noise at the solution has to make up."""


def noise_floor(rows: Rows, exact: LeastSquares, lr: float, batch_size: int, reduction: str = "mean") -> float | None:
    """About the loss over all rows around which plain mini-batch descent settles.

    Along an eigenvector with eigenvalue λ the distance obeys δ <- (1 - aλ) δ - a ξ, with the gradient noise ξ at the
    solution. Were batches independent, with noise of variance c, its variance would settle at a c/(λ (2 - aλ)), so the
    loss at a tr(C)/4 above the exact one (Mandt, Hoffman, Blei 2017, equations 12 and 13). Batches of a shuffled epoch
    are not: drawn without replacement from n rows of variance s, a batch of b has noise of variance
    s (n - b)/(b (n - 1)), and any two of an epoch have covariance -s/(n - 1) (Cochran 1977, section 2.5; Gürbüzbalaban,
    Ozdaglar, Parrilo 2021). With ρ = 1 - aλ, S1(j) = Σ ρ^i and S2(j) = Σ ρ^(2i) over i < j,

        V(j) = ρ^(2j) V(0) + a² s ((n - b)/(b (n - 1)) S2(j) - (S1(j)² - S2(j))/(n - 1)),        V(m) = V(0),

    is the variance after j of the m steps of an epoch, whose last batch holds what is left of the rows; the floor is
    its mean over the epoch, ½ Σ λ V. Away from the solution gradients differ by more: along the i-th eigenvector, with
    x's coordinates z, rows have the variance s_i + Σ_j (E[z_i² z_j²] 4/O² - [i=j] λ_i²) V_j, which is put in the place
    of s_i: V = V₀ + K V. This takes the noise of one batch to be independent of the distance that earlier ones of the
    epoch have made; near the rate at which K V grows without end, where it is not, there is no answer. Of 286 random
    designs of 12 to 200 rows, with any batch size and rate, the excess was 0.8 to 1.15 of training's in all but one of
    very heavy tails (0.5), and within 5 % in most; without K it fell to 0.2.

    Args:
        rows: that `exact` was solved for.
        exact: without ridge.
        lr: a.
        batch_size: b.
        reduction: of the squared errors of a batch.

    Returns:
        None where plain descent at this rate does not settle, or noise that grows with the distance is more than a
        correction (`LEADING`), and for sums of batches that are not of one size: a short one takes a shorter step.
    """
    count, outputs = len(rows), exact.solution.shape[1]
    unit = count * outputs if reduction == "sum" else 1
    if reduction == "sum":  # the sum over a batch is b O times its mean
        lr = lr * batch_size * outputs
    eigenvalues = exact.eigenvalues / unit
    if batch_size >= count:
        return exact.loss
    if not lr * float(eigenvalues[-1]) < 2 or (reduction == "sum" and count % batch_size):
        return None
    moving, scale = eigenvalues > 0, 4 / (outputs**2 * count)
    noise, fourth = Design(rows.inputs, rows.targets, exact.bias).squares_along(exact.eigenvectors, exact.solution)
    eigenvalues, noise, fourth = eigenvalues[moving], scale * noise[moving], scale * fourth[moving][:, moving]
    unit_variance = _mean_variance(lr * eigenvalues, count, batch_size) * lr**2
    grows = unit_variance[:, None] * (fourth - eigenvalues.square().diag())
    leading = variance = unit_variance * noise
    for _ in range(12):  # each leaves at most 1 - `LEADING` of what was missing
        variance = leading + grows @ variance
    excess, whole = (0.5 * float(eigenvalues @ part) for part in (leading, variance))
    return exact.loss + unit * whole if math.isfinite(whole) and excess >= LEADING * whole else None


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
