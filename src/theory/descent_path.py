"""How full-batch gradient descent goes: in every eigenvector's direction a linear map of its own, step after step."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from src.optim.rules import Rule
from src.theory.least_squares import Exact


@dataclass(frozen=True)
class Method:
    """Gradient descent with constant numbers: `v <- β v + (1 - τ) g;  w <- w - a v`.

    With `nesterov` it is `w <- w - a (g + β v)`, and τ is 0.

    Attributes:
        lr: a.
        momentum: β.
        dampening: τ.
        nesterov: Nesterov's form, as torch's SGD has it.
        first_whole: the first velocity is the whole gradient, whatever τ is (torch's SGD); else v starts at 0.
    """

    lr: float
    momentum: float = 0.0
    dampening: float = 0.0
    nesterov: bool = False
    first_whole: bool = True

    @classmethod
    def of(cls, rule: Rule | None, numbers: Mapping[str, Any]) -> "Method | None":
        """The optimizer with these numbers, where its step on all rows is one linear map; else None."""
        if rule is None or rule.linear_map is None:
            return None
        parts: dict[str, Any] = {
            part: numbers[name] if isinstance(name, str) else name for part, name in rule.linear_map.items()
        }
        return cls(float(numbers["lr"]), **parts)

    @property
    def factor(self) -> float:
        """What the critical learning rate of plain gradient descent is multiplied by.

        1 + β for the heavy ball (Polyak 1964), (1 + β)/(1 + 2 β) for Nesterov's form: the rate at which the map along
        λmax gets the eigenvalue -1 (Jury's conditions on its characteristic polynomial). 0 from β = 1 on, where no
        learning rate converges.
        """
        if self.momentum >= 1:
            return 0.0
        if self.nesterov:
            return (1 + self.momentum) / (1 + 2 * self.momentum)
        return (1 + self.momentum) / (1 - self.dampening) if self.momentum else 1.0

    @property
    def formula(self) -> str:
        """How the critical learning rate is written."""
        beta = f"{self.momentum:g}"
        if self.momentum >= 1:
            return f"0, for momentum {beta} is not below 1"
        if not self.momentum:
            return "2/λmax"
        if self.nesterov:
            return f"2(1 + {beta})/((1 + 2·{beta}) λmax)"
        damped = f"((1 - {self.dampening:g}) λmax)" if self.dampening else "λmax"
        return f"2(1 + {beta})/{damped}"

    def maps(self, eigenvalues: Tensor) -> Tensor:
        """What a step does to (distance, a v) along each of `eigenvalues [d]`: `[d, 2, 2]`."""
        pull, beta = self.lr * eigenvalues, torch.full_like(eigenvalues, self.momentum)
        if self.nesterov:
            entries = [1 - pull * (1 + beta), -beta.square(), pull, beta]
        else:
            pull = pull * (1 - self.dampening)
            entries = [1 - pull, -beta, pull, beta]
        return torch.stack(entries, 1).view(-1, 2, 2)


@dataclass(frozen=True)
class Path:
    """Descent by `method` on the squared error of `exact` from `start [d, O]`."""

    exact: Exact
    method: Method
    start: Tensor

    @property
    def critical_lr(self) -> float:
        """Descent by this method diverges above."""
        return self.method.factor * self.exact.critical_lr

    def _modes(self, steps: Tensor) -> Tensor:
        """The distance from t* along every eigenvector after each of `steps [K]`, `[K, d, O]`."""
        exact, method = self.exact, self.method
        start = exact.eigenvectors.mT @ (self.start.double() - exact.solution)
        steps = steps.double()[:, None]
        if not method.momentum:
            return (1 - method.lr * exact.eigenvalues)[None, :].pow(steps)[:, :, None] * start
        powers = _powers(method.maps(exact.eigenvalues), (steps[:, 0].long() - 1).clamp(min=0))
        first = method.lr * exact.eigenvalues * (1 if method.first_whole else 1 - method.dampening)
        kept = 1 - first * (1 + method.momentum if method.nesterov else 1)
        after_one = torch.stack([kept, first], 1)
        later = (powers @ after_one[None, :, :, None])[:, :, 0]
        return torch.where(steps[:, :, None] > 0, later, 1.0) * start

    def parameters(self, steps: Tensor) -> Tensor:
        """`[K, d, O]` after each of `steps [K]`: t_k = t* + U M^k Uᵀ (t_0 - t*)."""
        return self.exact.solution + self.exact.eigenvectors @ self._modes(steps)

    def losses(self, steps: Tensor) -> Tensor:
        """Squared errors `[K]` of the parameters after each of `steps [K]`."""
        return self.exact.loss_at(self._modes(steps))

    def steps_within(self, tolerance: float = 0.01) -> int | None:
        """Steps until the distance to where descent ends is `tolerance` of what it was at the start.

        None where it never is: at or past the critical rate, or beyond 10¹² steps. Found by a search between powers of
        two; with momentum the distance swings, and this is one of the steps at which it passes.
        """
        moving = (self.exact.eigenvalues > 0)[:, None]

        def first_within(steps: Tensor) -> int | None:
            """The index of the first of `steps` at which it is."""
            within = self._modes(steps).where(moving, 0.0).norm(dim=(1, 2)) <= limit
            return int(within.int().argmax()) if bool(within.any()) else None

        limit = tolerance * float(self._modes(torch.zeros(1))[0].where(moving, 0.0).norm())
        if limit == 0 or tolerance >= 1:
            return 0
        if not self.method.lr < self.critical_lr:
            return None
        for powers in (2 ** torch.arange(12), 2 ** torch.arange(12, 40)):  # most are there in the first thousands
            if (index := first_within(powers)) is not None:
                break
        else:
            return None
        high = int(powers[index])
        low = high // 2
        while low + 1 < high:
            between = torch.linspace(low, high, min(34, high - low + 1), dtype=torch.float64)[1:].long().unique()
            found = first_within(between)
            if found is None:  # rounding, where it passes right at `high`
                return high
            low, high = int(between[found - 1]) if found else low, int(between[found])
        return high

    @cached_property
    def steps_within_1_percent(self) -> int | None:
        """`steps_within` of its default, searched once."""
        return self.steps_within()


def _powers(maps: Tensor, counts: Tensor) -> Tensor:
    """Matrices `maps [d, 2, 2]` to the power of each of `counts [K]`: `[K, d, 2, 2]`, by repeated squaring.

    Through eigenvalues it would fail where they coincide, as at Polyak's best pair.
    """
    result = torch.eye(2, dtype=maps.dtype).expand(len(counts), len(maps), 2, 2)
    odd = (counts[:, None] >> torch.arange(int(counts.max()).bit_length())).T % 2 == 1
    for bit in odd[:, :, None, None, None]:
        result = torch.where(bit, result @ maps, result)
        maps = maps @ maps
    return result
