"""What theory predicts of a run: the exact answer in the data's units, the curve of its loss; where it is silent."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from src.config.surfaces import Function
from src.data.problem import Scaling
from src.theory.descent_path import Method, Path
from src.theory.exact import Exact, Many

Line = list[tuple[int, float]]
"""Steps and losses."""
MOST = 1e8
"""Times the first loss: a predicted curve ends there, as a run does that diverges."""


@dataclass(frozen=True)
class Answer:
    """The exact answer of a run and where its descent starts.

    Attributes:
        exact: in the coordinates that descent sees; None where there is none.
        scaling: of a table, to its own units.
        unit: what a loss of descent is multiplied by to be in the data's units.
        many: why there are other exact answers; empty where there is no other.
        method: of gradient descent with constant numbers, in mini-batches or not; of anything else None.
        path: of it on all rows, where theory knows where it starts.
        first: the step that the path starts at.
        last: the run's last step, if nothing stops it.
        limit: a loss above has diverged.
        stops: whether something may stop the run before.
        rounding: of the run's numbers, relative.
        floor: the loss at which mini-batches settle.
        decayed: weight decay moves the exact answer away from the lowest training loss, so runs may be below its loss.
        silent: what theory has nothing to say of, and why.
        surface: what is gone down, where that is no model.
    """

    exact: Exact | None
    scaling: Scaling | None = None
    unit: float = 1.0
    many: Sequence[Many] = ()
    method: Method | None = None
    path: Path | None = None
    first: int = 0
    last: int = 0
    limit: float = math.inf
    stops: bool = False
    rounding: float = 0.0
    floor: float | None = None
    decayed: bool = False
    silent: Mapping[str, str] = field(default_factory=dict)
    surface: Function | None = None

    @property
    def critical_lr(self) -> float | None:
        """What the run's learning rate has to be below; None where theory knows no such rate."""
        return None if self.exact is None or self.method is None else self.method.factor * self.exact.critical_lr

    def as_json(self, point: Tensor | None = None) -> dict[str, Any]:
        """What `result.json` holds under `exact`: losses and parameters in the data's units, rates in descent's.

        Args:
            point: where a descent on a surface ended, `[1, 2]`.
        """
        if self.surface is not None:
            return _of_surface(self.surface, point)
        silent = {"not_applicable": dict(self.silent)} if self.silent else {}
        if self.exact is None:
            return silent
        exact, scaling = self.exact, self.scaling
        weight, bias = exact.weight, exact.intercept
        if scaling is not None:
            weight, bias = scaling.weight(weight), scaling.bias(weight, bias)
        lr, momentum = exact.heavy_ball if exact.smallest else (None, None)
        steps = None if self.path is None or self.first else self.path.steps_within_1_percent
        return {
            "weight": weight.tolist(),
            **({} if bias is None else {"bias": bias.tolist()}),
            "train/loss": exact.loss * self.unit,
            **({"decayed": True} if self.decayed else {}),
            **exact.evidence(self.unit),
            "hessian_eigenvalues": exact.eigenvalues.tolist(),
            "rank": exact.rank,
            "columns": len(exact.solution),
            "unique": not self.many,
            "many": list(self.many),
            "condition_number": exact.condition_number,
            "critical_lr": exact.critical_lr if self.critical_lr is None else self.critical_lr,
            "critical_lr_formula": "2/λmax" if self.method is None else self.method.formula,
            "optimal_lr": exact.optimal_lr,
            "optimal_rate": exact.optimal_rate,
            "heavy_ball": {"lr": lr, "momentum": momentum},
            **({} if steps is None else {"steps_within_1_percent": steps}),
            **({} if self.floor is None else {"noise_floor": self.floor * self.unit}),
            **silent,
        }

    @property
    def too_fast(self) -> str | None:
        """Why descent by these numbers converges from nowhere but an exact answer; None where it converges."""
        method, exact = self.method, self.exact
        if method is None or exact is None or self.critical_lr is None:
            return None
        if method.stuck:
            return method.stuck
        if method.lr > self.critical_lr:
            where = "of this data" if exact.quadratic else "at the exact answer"
            return f"{method.lr:g} is above {method.formula} = {self.critical_lr:.4g} {where}"
        if 0 < method.lr * exact.smallest < method.least:
            low = f"(1 - 1/{method.momentum:g})/λmin = {method.least / exact.smallest:.4g}"
            return f"{method.lr:g} is below {low} of this data, and momentum {method.momentum:g} above 1"
        return None

    def warning(self) -> str | None:
        """Before a run: that its numbers do not converge, and what that comes to within its steps."""
        why, path, stuck = self.too_fast, self.path, self.method is not None and self.method.stuck
        if why is None:
            return None
        if self.exact is not None and not self.exact.quadratic:
            return f"gradient descent will not settle: {why}"
        if path is None:
            return f"gradient descent {'will not converge' if stuck else 'may diverge'}: {why}"
        steps, rounded = self.last - self.first, path.moved(self.rounding)
        at, also = path.first_above(self.limit, steps), rounded.first_above(self.limit, steps)
        if at and also and abs(at - also) <= 1 + 0.02 * at:
            unless = " unless something stops it before" if self.stops else ""
            number = at + self.first
            return f"gradient descent will diverge, after about {number:,} step{'s' * (number > 1)}{unless}: {why}"
        if at or also:  # what grows is no more than rounding now
            return f"gradient descent may diverge: {why}"
        first, last = (path.losses(torch.tensor([0, steps])) * self.unit).tolist()
        if first == last:  # it starts at an exact answer
            return None
        off = abs(float(rounded.losses(torch.tensor([steps]))) * self.unit - last)
        goes = f"goes from {first:.4g} to about {last:.2g} in {steps:,} steps" if off < 0.05 * last else "may grow"
        return f"{'gradient descent will not converge: ' if stuck else ''}{why}; the loss {goes}"

    def outlook(self, steps: int) -> str | None:
        """After a run: from which step on it stays within 1 % of its start's distance, if it took fewer."""
        if self.path is None or self.first or not self.path.converges:
            return None
        needed = self.path.steps_within_1_percent
        if needed is not None and needed <= steps:
            return None
        about = "more than 10¹²" if needed is None else f"about {needed:,}"
        sentence = f"{steps:,} steps are not enough: at this learning rate it takes {about} to stay within 1 % of "
        sentence += "the start's distance"
        best = Path(self.path.exact, Method(self.path.exact.optimal_lr), self.path.start)
        fewer = best.steps_within_1_percent
        if fewer is None or (needed is not None and fewer >= needed):
            return sentence
        plain = "the best fixed one" if not self.path.method.momentum else "the best without momentum"
        return f"{sentence} ({fewer:,} at {best.method.lr:.4g}, {plain} whatever the start)"


def _of_surface(surface: Function, point: Tensor | None) -> dict[str, Any]:
    """Its minima, and the one nearest to where a descent ended."""
    found = {
        "formula": surface.formula,
        "source": surface.source,
        "minima": [list(minimum) for minimum in surface.minima],
        "saddles": [list(saddle) for saddle in surface.saddles],
        "train/loss": 0.0,
        **({} if surface.away is None else {"away": surface.away}),
    }
    if point is None:
        return found
    nearest, distance = surface.nearest(*point[0].tolist())
    return {**found, "nearest": list(nearest), "distance": distance}


def lines(answer: Answer, max_steps: int) -> dict[str, Line]:
    """What theory foresees, in the data's units: `predicted_loss`, `exact_loss`, `noise_floor` as far as there are.

    Args:
        answer: of the run.
        max_steps: the run's last step, if it neither diverges nor stops.
    """
    found = dict[str, Line]()
    if answer.path is not None:
        steps = curve_steps(max(1, max_steps - answer.first))
        losses = (answer.path.losses(steps) * answer.unit).tolist()
        points = zip((steps + answer.first).tolist(), losses, strict=True)
        # of a descent that diverges, no more than a run may show: its end would flatten all else
        found["predicted_loss"] = [(step, loss) for step, loss in points if loss <= MOST * losses[0]]
    levels = {"exact_loss": answer.exact.loss if answer.exact else None, "noise_floor": answer.floor}
    for name, level in levels.items():
        if level is not None:
            found[name] = [(0, level * answer.unit), (max_steps, level * answer.unit)]
    return {name: line for name, line in found.items() if line and math.isfinite(line[0][1])}


@lru_cache(maxsize=64)  # members of a stack are mostly of one length
def curve_steps(max_steps: int, most: int = 100) -> Tensor:
    """Steps at which a predicted curve is drawn: evenly spaced and evenly in their logarithm, `[K]`."""
    even = torch.linspace(0, max_steps, most)
    late = torch.logspace(0, math.log10(max_steps), most)
    return torch.cat([even, late]).round().long().clamp(max=max_steps).unique()
