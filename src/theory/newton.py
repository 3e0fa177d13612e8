"""The exact answer of a linear model with a convex loss, by Newton's method in float64."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from src.data.design_matrix import Design
from src.data.problem import Rows
from src.losses.loss import Loss
from src.theory.exact import Exact, Many
from src.theory.least_squares import orthogonal, svd
from src.theory.separation import NoMinimum, Rays, certified
from src.theory.weight_decay import barrier

MOST_UNKNOWNS = 1000
"""Weights and biases of all outputs; the time of a step grows with their third power."""
MOST_PRODUCTS = 1e10
"""Rows times squared unknowns: each of some ten steps, and of a few dozen where there is no minimum, takes a second."""
FIRST, MOST = 30, 300
"""Steps after which it is asked whether there is a minimum at all, where none was found; and steps at most."""
FAR = 1e3
"""Times where a minimum seems to be: if no row's loss rises by then, it may fall for ever."""
BESIDE = 1e-9
"""Of the largest prediction: beside a bend of the loss."""
CHUNK = 2**22
"""Numbers of rows' second derivatives that are held at once."""


@dataclass(frozen=True)
class Minimum(Exact):
    """Where a convex loss is lowest.

    Attributes:
        gradient_norm: of the loss and its decay there, in the coordinates that descent sees.
        decrement: Newton's, √(gᵀH⁻¹g): half its square is about how far the loss is above its minimum.
        iterations: Newton's steps.
        many: why there are other solutions; empty where there is no other.
    """

    gradient_norm: float
    decrement: float
    iterations: int
    many: Sequence[Many] = ()

    def evidence(self, unit: float) -> dict[str, Any]:
        """The certificate."""
        return {"certificate": {name: getattr(self, name) for name in ("gradient_norm", "decrement", "iterations")}}


Penalty = Callable[[Tensor], tuple[float, Tensor, Tensor]]
"""What coordinates `[r, q]` add to the loss, and its first and second derivatives by each of them."""


@dataclass(frozen=True)
class Objective:
    """A loss of predictions `Z u Aᵀ` and a penalty, both of coordinates u `[r, q]`.

    Attributes:
        design: Z, `[N, r]`.
        outputs: A, `[O, q]`, orthonormal.
        targets: `[N, O]`.
        loss: convex.
        penalty: of u.
    """

    design: Tensor
    outputs: Tensor
    targets: Tensor
    loss: Loss
    penalty: Penalty

    def predictions(self, at: Tensor) -> Tensor:
        """`[N, O]`."""
        return self.design @ (at @ self.outputs.mT)

    def value(self, predictions: Tensor) -> tuple[float, Tensor]:
        """The loss, and its slopes `[N, O]`."""
        value, slopes = self.loss.derivative(predictions[None], self.targets[None])
        return float(value), slopes[0]

    def along(self, predictions: Tensor, at: Tensor, more: Tensor, step: Tensor) -> Callable[[float], Sequence[float]]:
        """Height and slope, penalty included, so many times `step` away, which changes `predictions` by `more`."""

        def there(length: float) -> Sequence[float]:
            value, slopes = self.value(predictions + length * more)
            penalty, own, _ = self.penalty(at + length * step)
            return value + penalty, float((slopes * more).sum() + (own * step).sum())

        return there

    def hessian(self, predictions: Tensor, beside: float = 0.0) -> Tensor:
        """Of the loss, `[r q, r q]`; with each row's curvature so far `beside` its predictions, where that is less."""
        size, width = self.design.shape[1], self.outputs.shape[1]
        found = torch.zeros(width, width, size, size, dtype=torch.float64)
        rows = max(1, CHUNK // (len(self.outputs) * max(size, len(self.outputs))))
        parts = (self.design.split(rows), predictions.split(rows), self.targets.split(rows))
        for design, here, targets in zip(*parts, strict=True):
            share = len(design) / len(predictions) if self.loss.reduction == "mean" else 1.0
            curved = self.loss.curvature(here[None], targets[None])[0]
            for nudge in (beside, -beside) if beside else ():
                other = self.loss.curvature(here[None] + nudge, targets[None])[0]
                less = other.diagonal(dim1=1, dim2=2).sum(1) < curved.diagonal(dim1=1, dim2=2).sum(1)
                curved = torch.where(less[:, None, None], other, curved)
            curved = share * self.outputs.mT @ curved @ self.outputs
            for a in range(width):
                part = (curved[:, a, : a + 1, None] * design[:, None]).flatten(1)
                found[a, : a + 1] += (design.mT @ part).view(size, a + 1, size).transpose(0, 1)
        for a in range(width):
            found[:a, a] = found[a, :a]
        return found.permute(2, 0, 3, 1).reshape(size * width, size * width)


@dataclass(frozen=True)
class Place:
    """How far Newton's method came.

    Attributes:
        at: u, `[r, q]`.
        gradient: there, penalty included, `[r, q]`.
        factor: the lower Cholesky factor of the Hessian, penalty included.
        level: whether the Hessian is singular, so that something was added to it.
        decrement: √(gᵀH⁻¹g).
        converged: to rounding.
        iterations: steps.
    """

    at: Tensor
    gradient: Tensor
    factor: Tensor
    level: bool
    decrement: float
    converged: bool
    iterations: int


def solve(
    rows: Rows, loss: Loss, bias: bool = True, ridge: float = 0.0, box: tuple[float, float] | None = None
) -> Minimum | NoMinimum:
    """The exact answer for inputs `[N, I]` and targets `[N, O]`, or why there is none.

    Coordinates are those in which the design's columns are orthogonal, so columns of any unit, or that depend on each
    other, do no harm; of many solutions this is the one of least norm. Nothing is sought along what changes no loss,
    such as the same number added to the predictions of all classes.

    Args:
        rows: as descent sees them.
        loss: convex.
        bias: whether the model has one.
        ridge: weight decay in the loss, ½ ridge |t|² over all coordinates.
        box: ρ and ε of a decay beside Adam's steps (AdamW), in place of a ridge: see `weight_decay.barrier`.
    """
    design, targets = Design(rows.inputs, rows.targets, bias), rows.targets.double()
    if box is None:
        basis, back, weights = orthogonal(design, ridge)
        outputs = _outputs(loss, targets)
    else:
        basis = back = torch.eye(design.size, dtype=torch.float64)
        outputs, weights = torch.eye(design.outputs, dtype=torch.float64), basis.new_zeros(design.size)
    seen = torch.cat([chunk @ basis for chunk, _ in design.chunks()])
    objective = Objective(seen, outputs, targets, loss, quadratic(weights))
    at = basis.new_zeros(basis.shape[1], outputs.shape[1])
    place: Place | NoMinimum
    if box is not None:
        objective, place = _in_box(objective, at, *box)
    elif ridge:
        place = descend(objective, at)
    else:
        place = _descend_or_fall(objective, at, bias)
    if isinstance(place, NoMinimum) or not place.converged:
        return place if isinstance(place, NoMinimum) else NoMinimum.UNKNOWN
    predictions = objective.predictions(place.at)
    many: list[Many] = []
    if box is None and not ridge:
        # at a bend of the loss the Hessian of one side may hide that the other is level
        _, level = factored(objective.hessian(predictions, BESIDE * (float(predictions.abs().max()) or 1.0)))
        kinds: dict[Many, bool] = {
            "columns": basis.shape[0] > basis.shape[1],
            "outputs": len(outputs) > outputs.shape[1],
            "level": level,
        }
        many = [kind for kind, holds in kinds.items() if holds]
    value, _ = objective.value(predictions)
    solution = basis @ place.at @ outputs.mT
    return Minimum(
        solution=solution,
        loss=value,
        rank=basis.shape[1],
        bias=bias,
        eigenvalues=_eigenvalues(objective, place, back) + ridge,
        ridge=ridge,
        gradient_norm=float((back @ place.gradient).norm()),
        decrement=place.decrement,
        iterations=place.iterations,
        many=many,
    )


def quadratic(weights: Tensor) -> Penalty:
    """½ Σ weight u² with a weight for each row of u, `[r]`."""

    def penalty(at: Tensor) -> tuple[float, Tensor, Tensor]:
        pull = weights[:, None] * at
        return 0.5 * float((pull * at).sum()), pull, weights[:, None].expand_as(at)

    return penalty


def _in_box(objective: Objective, at: Tensor, decay: float, eps: float) -> tuple[Objective, Place]:
    """The minimum with the barrier, which is made steeper step by step."""
    _, slopes = objective.value(objective.predictions(at))
    softness = max(eps, float((objective.design.mT @ slopes).abs().max()))
    while True:
        objective = replace(objective, penalty=partial(barrier, decay=decay, eps=softness))
        place = descend(objective, at)
        if softness == eps:
            return objective, place
        at, softness = place.at, max(eps, softness / 10)


def _eigenvalues(objective: Objective, place: Place, back: Tensor) -> Tensor:
    """Of the loss's Hessian in the coordinates that descent sees, ascending, `[d O]`.

    It is M Mᵀ with M = `back` L, of the Hessian's factor L in orthogonal coordinates: its eigenvalues are M's squared
    singular values, of which small ones are as accurate as large ones.

    Args:
        objective: whose loss it is.
        place: where.
        back: of a gradient, to those coordinates, `[d, r]`.
    """
    hessian = objective.hessian(objective.predictions(place.at))
    half, level = factored(hessian)
    if level:
        values, vectors = torch.linalg.eigh(hessian)
        half = vectors[:, values > 1e-12 * values[-1]] * values[values > 1e-12 * values[-1]].sqrt()
    size, width = len(back), objective.outputs.shape[1]
    half = (back @ half.reshape(back.shape[1], width * half.shape[1])).view(size * width, half.shape[1])
    moving = svd(half)[1].square().flip(0)[-half.shape[1] :] if half.numel() else half.new_zeros(0)
    return torch.cat([moving.new_zeros(size * len(objective.outputs) - len(moving)), moving])


def _descend_or_fall(objective: Objective, at: Tensor, bias: bool) -> Place | NoMinimum:
    """The minimum, or that there is none."""
    loss, targets = objective.loss, objective.targets
    rays = Rays(loss, targets) if loss.margins(targets, targets) is not None else None
    if rays is None:
        place = descend(objective, at)
        predictions = objective.predictions(place.at)
        _, slopes = objective.value(FAR * predictions)
        rises = bool(((slopes * predictions).sum(1) > 0).any())
        return place if rises or not predictions.any() else NoMinimum.UNKNOWN
    if bias and rays.constant():
        return NoMinimum.CONSTANT
    place = descend(objective, at, FIRST, rays)
    if rays.all_fall(objective.predictions(place.at)):
        return NoMinimum.SEPARABLE
    if not place.level and certified(objective.design, objective.outputs, place.factor, place.decrement):
        return place if place.converged else descend(objective, place.at)
    direction = rays.separating(objective.design, objective.outputs)
    if direction is None:
        place = descend(objective, place.at)
        return NoMinimum.UNKNOWN if place.level else place
    return NoMinimum.SEPARABLE if rays.all_fall(direction) else NoMinimum.PARTLY_SEPARABLE


def descend(objective: Objective, at: Tensor, most: int = MOST, rays: Rays | None = None) -> Place:
    """Newton's steps from `at`, each to about the lowest point of its line.

    Args:
        objective: what is made small.
        at: u, `[r, q]`.
        most: steps.
        rays: it ends as soon as every row's loss falls for ever from 0 to there.
    """
    last, iterations = math.inf, 0
    while True:
        predictions = objective.predictions(at)
        value, slopes = objective.value(predictions)
        penalty, own, curved = objective.penalty(at)
        gradient = objective.design.mT @ (slopes @ objective.outputs) + own
        hessian = objective.hessian(predictions)
        hessian.diagonal().add_(curved.flatten())
        if not bool(hessian.isfinite().all()):
            return Place(at, gradient, hessian, True, math.inf, False, iterations)
        factor, level = factored(hessian)
        step = -torch.cholesky_solve(gradient.view(-1, 1), factor).view_as(at)
        squared = -float((gradient * step).sum())
        decrement = math.sqrt(max(0.0, squared))
        # near enough that every step squares what is left, until rounding is all that is
        near = squared <= 1e-12 * abs(value + penalty) or float(step.norm()) <= 1e-10 * float(at.norm())
        place = Place(at, gradient, factor, level, decrement, near, iterations)
        if decrement == 0 or (near and decrement > last / 2):
            return replace(place, converged=True)
        if iterations == most or (rays is not None and rays.all_fall(predictions)):
            return place
        length = 1.0
        if not near:
            more = objective.predictions(step)
            length = lowest(objective.along(predictions, at, more, step), value + penalty, -squared)
            if not length:
                return place
        at, last, iterations = at + length * step, decrement, iterations + 1


def lowest(along: Callable[[float], Sequence[float]], height: float, slope: float) -> float:
    """About where a convex function of one number, falling at 0, is lowest: where its slope is a tenth of that at 0.

    Args:
        along: to its height and slope there, which may be infinite.
        height: at 0.
        slope: at 0.

    Returns:
        0 where rounding lets it be no lower.
    """
    below, above, length = 0.0, math.inf, 1.0
    for _ in range(100):
        there, turned = along(length)
        if not (math.isfinite(there) and turned <= -0.1 * slope and there <= height + 1e-14 * abs(height)):
            above = length
        elif turned < 0.1 * slope:
            below = length
        else:
            return length
        length = 2 * length if above == math.inf else (below + above) / 2
    return below


def factored(hessian: Tensor) -> tuple[Tensor, bool]:
    """The lower Cholesky factor, of more on the diagonal where there is none; and whether the matrix is singular."""
    diagonal = hessian.diagonal()
    unit = float(diagonal.abs().max()) if len(hessian) else 1.0
    more = 0.0
    while True:
        added = hessian if not more else hessian + more * torch.eye(len(hessian)).double()
        factor, failed = torch.linalg.cholesky_ex(added)
        if not failed:
            rounding = len(hessian) * torch.finfo(torch.float64).eps * diagonal
            return factor, more > 0 or bool((factor.diagonal().square() <= rounding).any())
        more = max(10 * more, 1e-12 * (unit or 1.0))


def _outputs(loss: Loss, targets: Tensor) -> Tensor:
    """Orthonormal directions `[O, q]` of a row's predictions but those along which no loss ever changes."""
    count = targets.shape[1]
    there = targets[torch.arange(4 * count) % len(targets)]
    drawn = torch.randn(4 * count, count, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    # near the targets, too: far from them all of Huber's slopes may be alike
    slopes = torch.cat([loss.derivative(at[None], there[None])[1][0] for at in (drawn, there + drawn)])
    slopes = slopes / slopes.norm(dim=1, keepdim=True)
    _, singular, turned = torch.linalg.svd(slopes[slopes.isfinite().all(1)], full_matrices=False)
    return turned[singular > 1e-10 * singular[0]].mT
