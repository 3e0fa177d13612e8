"""When a run stops before its last step because of what is measured at validations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from src.engine.outcome import Cause
from src.errors import LabError


@dataclass(frozen=True)
class EarlyStopping:
    """Stop at a target, or after `patience` validations at which the metric has not become better.

    The arguments are those of Lightning's callback of this name that decide something, and so are the decisions; it
    counts at multiples of `trainer.val_every_n_steps` only, and each member of a stack for itself.

    Args:
        monitor: the metric, such as val/loss.
        mode: whether "min" or "max" of it is best.
        patience: validations in a row without improvement.
        min_delta: a smaller change is no improvement.
        check_finite: stop where the metric is not finite.
        stopping_threshold: the target: stop once the metric is better.
        divergence_threshold: stop once the metric is worse.
    """

    monitor: str = "val/loss"
    mode: Literal["min", "max"] = "min"
    patience: int = 3
    min_delta: float = 0.0
    check_finite: bool = True
    stopping_threshold: float | None = None
    divergence_threshold: float | None = None

    def __post_init__(self) -> None:
        if self.mode not in ("min", "max"):
            raise LabError(f"callbacks.early_stopping.mode={self.mode}: it is min or max")


class Patience:
    """What early stopping knows of each member.

    Attributes:
        rule: the same for all.
        best: the best metric so far, `[P]` float64.
        waited: validations since then, `[P]` int64.
    """

    def __init__(self, rule: EarlyStopping, members: int) -> None:
        self.rule = rule
        self._sign = 1.0 if rule.mode == "min" else -1.0
        self.best = torch.full((members,), self._sign * torch.inf, dtype=torch.float64)
        self.waited = torch.zeros(members, dtype=torch.long)

    def stops(self, metric: Tensor) -> list[Cause | None]:
        """Who stops at this validation, and why; the metric is `[P]`."""
        rule, sign = self.rule, self._sign
        value, best = sign * metric, sign * self.best
        better = value + abs(rule.min_delta) < best
        stopped: list[Cause | None] = [None] * len(metric)
        over = torch.zeros_like(better)

        def stop(which: Tensor, cause: Cause) -> None:
            nonlocal over
            for index in (which & ~over).nonzero()[:, 0].tolist():
                stopped[index] = cause
            over = over | which

        if rule.check_finite:
            stop(~metric.isfinite(), "metric")
        if rule.stopping_threshold is not None:
            stop(value < sign * rule.stopping_threshold, "threshold")
        if rule.divergence_threshold is not None:
            stop(-metric < -rule.divergence_threshold if sign > 0 else -metric > -rule.divergence_threshold, "metric")
        self.best = torch.where(better & ~over, metric, self.best)
        self.waited = torch.where(better & ~over, 0, torch.where(over, self.waited, self.waited + 1))
        stop(~better & (self.waited >= rule.patience), "patience")
        return stopped

    @property
    def of(self) -> list[str]:
        """The metric that `best` and `waited` are of, and its mode."""
        return [self.rule.monitor, self.rule.mode]

    def values(self) -> dict[str, Tensor]:
        """What changes along a run, each `[P]`: the tensors themselves, which are never written into."""
        return {"best": self.best, "waited": self.waited}

    def select(self, keep: Sequence[int]) -> Patience:
        """That of some members, in this order."""
        some = Patience(self.rule, 0)
        some.load_state_dict(self.state_dict(), keep)
        return some

    def state_dict(self) -> dict[str, Any]:
        """The values, and the metric that they are of; never the other numbers of the rule."""
        return {"of": self.of, **self.values()}

    def load_state_dict(self, state: Mapping[str, Any] | None, keep: Sequence[int]) -> None:
        """Go on from `of` and the values of these members of it, if they are of the same metric."""
        if state is not None and state["of"] == self.of:
            self.best, self.waited = state["best"][list(keep)], state["waited"][list(keep)]
