"""What fewer tries and fewer steps come to: draws from the settings and seeds that were run.

Each contender gets `k` of the settings that were tried, drawn without replacement; the best of them is the one of the
lowest mean over seeds after so many steps. How far that mean may be off is Student's, as in
`src.compare.statistics.over_seeds`, drawn once for all contenders, which share their seeds. Chances are shares of such
draws (Sivaprasad et al. 2020), and between the ends of an interval lie 95 % of them: of few tries it is the luck of the
draw that makes it wide, of all settings it is that of seeds alone, the one that a table has. The expected loss is that
of Tang et al. 2020. All of it is of the settings that were tried: others may be lower. `tests/bench/intervals.py`
simulates what intervals hold.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from src.compare.contest import Problem
from src.compare.pairs import EQUAL_WITHIN
from src.compare.rows import Seed
from src.compare.selection import Setting
from src.compare.statistics import FEWEST, Numbers, ranks_of_best, rounding
from src.compare.student import quantile

DRAWS, TAILS = 2000, (0.025, 0.975)
"""Sweeps that are drawn, and the shares of them that lie below the ends of an interval."""


@dataclass(frozen=True)
class Tried:
    """What every setting had come to after so many steps.

    Attributes:
        metric: which loss.
        steps: `[S]`, ascending; the last is all of them.
        losses: of each contender, by its label, `[S, settings, seeds]`: infinite where it had diverged by then.
        given_up: what a setting counts that came to nothing, or ended above it.
        exact: `[seeds]`, what losses are counted above, as in `src.compare.pairs.differences`; NaN where that is not
            known.
        within: the share of a loss within which two are practically equal.
        drawn: whether anything of the runs is, so that other seeds would be other runs.
    """

    metric: str
    steps: Sequence[int]
    losses: Mapping[str, Numbers]
    given_up: float
    exact: Numbers
    within: float
    drawn: bool

    @property
    def seeds(self) -> int:
        """How many there are."""
        return len(self.exact)

    @property
    def most(self) -> int:
        """Settings of the contender that has the most."""
        return max(one.shape[1] for one in self.losses.values())

    @cached_property
    def base(self) -> Numbers:
        """What losses are counted above, `[seeds]`."""
        return np.where(np.isnan(self.exact), 0.0, self.exact - np.abs(self.exact) / 10)

    @cached_property
    def _floor(self) -> float:
        return rounding(np.concatenate([one.ravel() for one in self.losses.values()]))

    @cached_property
    def log(self) -> bool:
        """Whether means are geometric: where no loss is below what it is counted above."""
        return self._floor > 0 and all(bool((one >= self.base).all()) for one in self.losses.values())

    def scaled(self, losses: Numbers, base: Numbers | float) -> Numbers:
        """As they are averaged over seeds."""
        return np.log(np.maximum(losses - base, self._floor)) if self.log else losses

    def unscaled(self, means: Numbers) -> Numbers:
        """The other way round."""
        return np.exp(np.minimum(means, 700)) if self.log else means

    def near(self, means: Numbers, lowest: Numbers) -> NDArray[np.bool_]:
        """Whether they are practically equal to the lowest."""
        margin = math.log1p(self.within) if self.log else self.within * np.maximum(np.abs(means), np.abs(lowest))
        found: NDArray[np.bool_] = means - lowest <= margin
        return found


def shared(problem: Problem) -> tuple[list[Seed], dict[str, list[Setting]]]:
    """The seeds that all contenders have, and of each those settings that have ended on all of them, by label."""
    of_each = [{row.seed for row in one.best.rows} for one in problem.contenders]
    seeds = [row.seed for row in problem.contenders[0].best.rows if all(row.seed in own for own in of_each)]
    there = {
        one.label: [each for each in one.settings if {row.seed for row in each.rows} >= set(seeds)]
        for one in problem.contenders
    }
    return seeds, there


def final(problem: Problem, drawn: bool) -> Tried | None:
    """What was tried, after all steps; None where contenders share no seed, nothing came through, or some were cut.

    Args:
        problem: of `src.compare.contest.contest`.
        drawn: as there.
    """
    seeds, there = shared(problem)
    finite = [setting.loss for of_one in there.values() for setting in of_one if math.isfinite(setting.loss)]
    if not seeds or not finite or any(one.cut for one in problem.contenders):
        return None
    losses = {}
    for label, of_one in there.items():
        by_seed = [dict(zip((row.seed for row in one.rows), one.losses, strict=True)) for one in of_one]
        losses[label] = np.array([[[own[seed] for seed in seeds] for own in by_seed]])
    steps = max(row.steps for of_one in there.values() for one in of_one for row in one.rows)
    within = math.expm1(problem.pairs[0].margin) if problem.pairs else EQUAL_WITHIN
    return Tried(problem.metric, [steps], losses, max(finite), np.full(len(seeds), np.nan), within, drawn)


# --- draws -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcomes:
    """What so many tries and so many steps come to, `[contenders, S, K]` each.

    Attributes:
        loss: expected.
        low: where the interval begins; NaN where there is none.
        high: where it ends.
        first: the chance to be best; what is missing to one is that nothing comes through.
        near: that of being practically equal to the best, or that.
    """

    loss: Numbers
    low: Numbers
    high: Numbers
    first: Numbers
    near: Numbers


def outcomes(tried: Tried, tries: Sequence[int]) -> Outcomes:
    """What budgets come to.

    Args:
        tried: what there is.
        tries: numbers of settings, `[K]`; a contender that has fewer has all of its own.
    """
    random, seeds = np.random.default_rng(0), tried.seeds
    off = np.zeros((DRAWS, seeds))
    if tried.drawn and seeds > 1:  # of a deviation on each seed it makes Student's error of their mean
        off = random.standard_normal((DRAWS, seeds)) / math.sqrt(seeds * (seeds - 1))
        off /= np.sqrt(random.chisquare(seeds - 1, (DRAWS, 1)) / (seeds - 1))
    cap = float(tried.scaled(np.array(tried.given_up), float(tried.base.mean())))
    expected, values, ends = [], [], []
    for losses in tried.losses.values():
        order = random.permuted(np.tile(np.arange(losses.shape[1]), (DRAWS, 1)), axis=1)
        ranked = [_Ranked.of(tried, one, cap) for one in losses]
        values.append([one.best(off, order, tries) for one in ranked])
        chances = ranks_of_best(order.shape[1], tries)
        expected.append([tried.unscaled(np.minimum(one.means, cap)) @ chances.T for one in ranked])
        # of all settings there is but one best, whose interval needs no draws
        all_of_it = np.array(tries) >= order.shape[1]
        ends.append(
            [
                np.where(all_of_it, one.ends(tried.drawn)[:, None], np.quantile(np.minimum(best, cap), TAILS, axis=0))
                for one, best in zip(ranked, values[-1], strict=True)
            ]
        )
    drawn = np.array(values)  # [contenders, S, DRAWS, K]
    with np.errstate(invalid="ignore"):
        near = tried.near(drawn, drawn.min(0)) & np.isfinite(drawn)
    loss, (low, high), above = np.array(expected), np.moveaxis(tried.unscaled(np.array(ends)), 2, 0), tried.base.mean()
    if tried.drawn and seeds < FEWEST:
        low, high = np.full((2, *loss.shape), np.nan)
    return Outcomes(loss + above, low + above, high + above, (near / near.sum(0).clip(1)).mean(2), near.mean(2))


@dataclass(frozen=True)
class _Ranked:
    """A contender's settings after so many steps, the best one first.

    Attributes:
        means: over seeds, scaled; infinite where it came to nothing, `[n]`.
        seen: how far each seed is from it, `[n, seeds]`.
        cap: what counts instead of a mean above it.
    """

    means: Numbers
    seen: Numbers
    cap: float

    @classmethod
    def of(cls, tried: Tried, losses: Numbers, cap: float) -> "_Ranked":
        """Of losses `[n, seeds]`."""
        scaled = tried.scaled(losses, tried.base)
        lost = np.isinf(losses).max(1)
        means = np.where(lost, np.inf, scaled.mean(1))
        seen = np.where(lost[:, None], 0.0, scaled) - np.where(lost, 0.0, means)[:, None]
        order = means.argsort(kind="stable")
        return cls(means[order], seen[order], cap)

    def best(self, off: Numbers, order: NDArray[np.int_], tries: Sequence[int]) -> Numbers:
        """The mean of the best of so many settings, `[DRAWS, K]`, infinite where all of them came to nothing.

        Args:
            off: of each draw, `[DRAWS, seeds]`.
            order: in which settings are drawn, `[DRAWS, n]`.
            tries: `[K]`.
        """
        ranks = np.minimum.accumulate(order, 1)[:, np.minimum(tries, order.shape[1]) - 1]
        found = self.means[ranks] + np.einsum("ds,dks->dk", off, self.seen[ranks])
        return np.where(np.isinf(self.means[ranks]), np.inf, np.minimum(found, self.cap))

    def ends(self, drawn: bool) -> Numbers:
        """Student's interval of the best of all, `[2]`."""
        seeds, best = self.seen.shape[1], min(float(self.means[0]), self.cap)
        if not drawn or seeds < 2:
            return np.array([best, best])
        half = quantile(1 - TAILS[0], seeds - 1) * float(self.seen[0].std(ddof=1)) / math.sqrt(seeds)
        return np.minimum([best - half, best + half], self.cap)


@dataclass(frozen=True)
class Share:
    """A contender at one budget.

    Attributes:
        label: of it.
        loss: the expected loss of the best of the settings tried; what came to nothing counts as given up.
        low: between it and `high` 95 % of such sweeps end; NaN where there are too few seeds to tell.
        high: the other end.
        first: the chance that it is the best of all; those that are practically equal to the best share it.
        near: the chance that it is the best or practically equal to it.
    """

    label: str
    loss: float
    low: float
    high: float
    first: float
    near: float = 0.0


def shares(tried: Tried, found: Outcomes, s: int, k: int) -> list[Share]:
    """Those of a budget, the one first that is surest to be best or practically equal to it."""
    several = []
    for index, label in enumerate(tried.losses):
        several.append(Share(label, *(float(part[index, s, k]) for part in vars(found).values())))
    return sorted(several, key=lambda one: (-round(one.near, 2), one.loss))
