"""How full-batch gradient descent goes: in every eigenvector's direction a linear map of its own, step after step."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from src.optim.rules import Rule
from src.theory.last_passage import Swings, last_above
from src.theory.least_squares import LeastSquares


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
    def stuck(self) -> str | None:
        """Why no learning rate converges, in words; None where some do."""
        if self.momentum >= 1 and not self.nesterov:
            return f"momentum {self.momentum:g} is not below 1"
        if self.momentum and self.dampening >= 1:
            return f"dampening {self.dampening:g} is not below 1"
        return None

    @property
    def factor(self) -> float:
        """What the critical learning rate of plain gradient descent is multiplied by.

        (1 + β)/(1 - τ) for the heavy ball (Polyak 1964), (1 + β)/(1 + 2 β) for Nesterov's form: the rate at which the
        map along λmax gets the eigenvalue -1 (Jury's conditions on its characteristic polynomial). 0 where no learning
        rate converges.
        """
        if self.stuck:
            return 0.0
        if self.nesterov:
            return (1 + self.momentum) / (1 + 2 * self.momentum)
        return (1 + self.momentum) / (1 - self.dampening) if self.momentum else 1.0

    @property
    def least(self) -> float:
        """What aλ has to be above along every eigenvector: 0 but for Nesterov's form with β > 1, whose map has the
        determinant β (1 - aλ)."""
        return max(0.0, 1 - 1 / self.momentum) if self.nesterov and self.momentum else 0.0

    @property
    def formula(self) -> str:
        """How the critical learning rate is written."""
        beta = f"{self.momentum:g}"
        if self.stuck:
            return f"0, for {self.stuck}"
        if not self.momentum:
            return "2/λmax"
        if self.nesterov:
            return f"2(1 + {beta})/((1 + 2·{beta}) λmax)"
        damped = f"((1 - {self.dampening:g}) λmax)" if self.dampening else "λmax"
        return f"2(1 + {beta})/{damped}"

    @property
    def new(self) -> float:
        """What a gradient is multiplied by in the velocity: 1 - τ, but without momentum all of it."""
        return 1 - self.dampening if self.momentum else 1.0

    def maps(self, eigenvalues: Tensor) -> Tensor:
        """What a step does to (distance, a v) along each of `eigenvalues [d]`: `[d, 2, 2]`."""
        pull, beta = self.lr * eigenvalues, torch.full_like(eigenvalues, self.momentum)
        if self.nesterov:
            entries = [1 - pull * (1 + beta), -beta.square(), pull, beta]
        else:
            pull = pull * self.new
            entries = [1 - pull, -beta, pull, beta]
        return torch.stack(entries, 1).view(-1, 2, 2)

    def after_one(self, eigenvalues: Tensor) -> tuple[Tensor, Tensor]:
        """(distance, a v) after the first step from a distance of 1 along each of `eigenvalues [d]`, `[d]` each."""
        velocity = self.lr * eigenvalues * (1 if self.first_whole else self.new)
        return 1 - velocity * (1 + self.momentum if self.nesterov else 1), velocity

    def swings(self, eigenvalues: Tensor) -> Swings:
        """Distances along each of `eigenvalues [d]` from the first step on, of 1 at the start; where it converges."""
        pull = self.lr * eigenvalues * self.new
        twice = 1 - self.momentum + pull * (1 + self.momentum if self.nesterov else 1)  # 2 - trace of `maps`
        maps, (first, velocity) = self.maps(eigenvalues), self.after_one(eigenvalues)
        second = maps[:, 0, 0] * first + maps[:, 0, 1] * velocity
        return Swings(*(part.numpy() for part in (first, second, pull, twice)))


@dataclass(frozen=True)
class Path:
    """Descent by `method` on the squared error of `exact` from `start [d, O]`."""

    exact: LeastSquares
    method: Method
    start: Tensor

    @property
    def critical_lr(self) -> float:
        """What the learning rate has to be below to converge."""
        return self.method.factor * self.exact.critical_lr

    def _modes(self, steps: Tensor) -> Tensor:
        """The distance from t* along every eigenvector after each of `steps [K]`, `[K, d, O]`."""
        exact, method = self.exact, self.method
        start = exact.eigenvectors.mT @ (self.start.double() - exact.solution)
        steps = steps.double()[:, None]
        if not method.momentum:
            return (1 - method.lr * exact.eigenvalues)[None, :].pow(steps)[:, :, None] * start
        powers = _powers(method.maps(exact.eigenvalues), (steps[:, 0].long() - 1).clamp(min=0))
        after_one = torch.stack(method.after_one(exact.eigenvalues), 1)
        later = (powers @ after_one[None, :, :, None])[:, :, 0]
        return torch.where(steps[:, :, None] > 0, later, 1.0) * start

    def parameters(self, steps: Tensor) -> Tensor:
        """`[K, d, O]` after each of `steps [K]`: t_k = t* + U M^k Uᵀ (t_0 - t*)."""
        return self.exact.solution + self.exact.eigenvectors @ self._modes(steps)

    def losses(self, steps: Tensor) -> Tensor:
        """Squared errors `[K]` of the parameters after each of `steps [K]`."""
        return self.exact.loss_at(self._modes(steps))

    @property
    def converges(self) -> bool:
        """Whether it comes to an exact answer from wherever it starts."""
        return self.method.lr < self.critical_lr and self.method.lr * self.exact.smallest >= self.method.least

    def steps_within(self, tolerance: float = 0.01) -> int | None:
        """Steps from which on the distance to where descent ends stays within `tolerance` of what it was at the start.

        With momentum the distance swings, and this is its last passage. None where descent does not converge, or takes
        more than 10¹² steps.

        Args:
            tolerance: below 1.
        """
        moving = self.exact.eigenvalues > 0
        weights = self._modes(torch.zeros(1))[0, moving].square().sum(1)
        limit = tolerance * float(weights.sum().sqrt())
        if limit == 0:
            return 0
        if not self.converges:
            return None
        last = last_above(self.method.swings(self.exact.eigenvalues[moving]), weights.numpy(), limit)
        return None if last is None else last + 2  # the swings begin with step 1

    def moved(self, share: float) -> "Path":
        """From a start that rounding has moved, along every eigenvector by `share` of what is there or to be there."""
        size = max(float(self.start.double().norm()), float(self.exact.solution.norm()))
        modes = torch.full_like(self.exact.solution, share * size)
        return Path(self.exact, self.method, self.start.double() + self.exact.eigenvectors @ modes)

    def first_above(self, limit: float, steps: int) -> int | None:
        """About the first of `steps` after which the loss is above `limit`, or not finite; None where it never is."""
        tried = torch.linspace(0, math.log2(max(2, steps)), 256, dtype=torch.float64).exp2().round().clamp(max=steps)
        for _ in range(2):  # among a few of all, then among all between two of those
            above = ~(self.losses(tried) <= limit)
            if not bool(above.any()):
                return None
            index = int(above.int().argmax())
            first, before = int(tried[index]), int(tried[index - 1]) if index else 0
            tried = torch.linspace(before + 1, first, min(first - before, 256), dtype=torch.float64).round()
        return first

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
