"""Successive halving: which settings go on at a rung, as a function of the losses there."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import zip_longest
from typing import NamedTuple

import numpy as np

from src.compare.statistics import over_seeds


class End(NamedTuple):
    """How a run ended: `cut` at a rung or by itself, after how many steps, in what loss; infinite where it diverged."""

    cut: bool
    step: int
    loss: float


@dataclass(frozen=True)
class Halving:
    """The settings of one optimizer on one problem that share a stack, and the rungs at which some of them leave it.

    Settings are raced, not runs: at a rung they are ranked by their loss there, `val/loss` over all rows (`train/loss`
    without validation rows), the geometric mean over seeds, infinite where one has diverged. Of n settings the best
    `ceil(keep^i n)` go on at the i-th rung, with all of their seeds; of equally good ones the earlier. A run that has
    ended before, by itself, keeps the loss it ended in (Jamieson and Talwalkar 2016; Li et al. 2018).

    Attributes:
        rungs: optimizer steps, ascending, as they were asked for.
        keep: a fraction, "1/3".
        after: the step from which on they are trained: 0, or the rung at which they were cut before.
        settings: the numbers of the runs of each, in the order of their first jobs.
        parts: of each rung ahead the number of the stack that those are who are cut there, should they ever go on.
        mates: of each setting the runs that were raced before seeds were added, which go as far as these did.
    """

    rungs: list[int]
    keep: str
    after: int = 0
    settings: list[list[int]] = field(default_factory=list)
    parts: list[int] = field(default_factory=list)
    mates: list[list[int]] = field(default_factory=list)

    def asks_as(self, other: "Halving | None") -> bool:
        """Whether the rungs and the share are the same."""
        return other is not None and (self.rungs, self.keep) == (other.rungs, other.keep)

    @property
    def ahead(self) -> list[int]:
        """The rungs that are not behind them yet."""
        return [rung for rung in self.rungs if rung > self.after]

    @property
    def runs(self) -> set[int]:
        """The numbers of all runs, without mates."""
        return {run for runs in self.settings for run in runs}

    @property
    def everyone(self) -> list[list[int]]:
        """The runs of each setting, mates included."""
        return [[*mates, *runs] for mates, runs in zip_longest(self.mates, self.settings, fillvalue=())]

    def part(self, rung: int) -> int:
        """The stack of those who are cut there."""
        return self.parts[self.ahead.index(rung)]

    def most(self, rung: int) -> int:
        """How many settings go on at most."""
        return math.ceil(Fraction(self.keep) ** (self.ahead.index(rung) + 1) * len(self.settings))

    def steps(self, max_steps: int) -> int:
        """Run-steps that are taken at most."""
        sizes, ends = sorted(map(len, self.settings), reverse=True), [r for r in self.ahead if r < max_steps]
        going = [len(sizes), *(self.most(rung) for rung in ends)]
        pieces = zip(going, [self.after, *ends], [*ends, max_steps], strict=True)
        return sum(sum(sizes[:most]) * (end - start) for most, start, end in pieces)

    def behind(self, rung: int, losses: Mapping[int, float], ended: Mapping[int, End]) -> tuple[set[int], int, int]:
        """Who leaves.

        Args:
            rung: the step.
            losses: of the runs that are still trained, by their numbers.
            ended: the others, as far as they left a result: with runs that come to a rung which others of their
                setting have passed, or were cut at, it is decided as it was then.

        Returns:
            the runs; how many of the settings that were still trained go on; how many those were.
        """
        cut = {run for run, end in ended.items() if end.cut and end.step <= rung}
        passed = {run for run, end in ended.items() if end.step > rung}
        known = {**{run: end.loss for run, end in ended.items()}, **losses}
        settings = self.everyone
        means = over_seeds([np.array([known.get(run, math.inf) for run in runs]) for runs in settings])[0].tolist()
        there = [index for index, runs in enumerate(settings) if cut.isdisjoint(runs)]
        order = sorted(there, key=lambda index: (passed.isdisjoint(settings[index]), means[index]))
        on = {run for index in order[: self.most(rung)] for run in settings[index]}
        just = {run for run in cut if ended[run].step == rung}
        racing = [runs for runs in settings if not (losses.keys() | just).isdisjoint(runs)]
        return losses.keys() - on, sum(not on.isdisjoint(runs) for runs in racing), len(racing)
