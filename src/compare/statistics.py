"""What seeds and settings say, as pure functions of numbers: intervals, what they tell apart, how hard tuning was.

Losses throughout: less is better, and one that diverged is infinite.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from src.compare.student import quantile

Numbers = NDArray[np.float64]
FEWEST = 3
"""Seeds that an interval can be given of: of two it would be wider than what it is about."""
ROUNDING = 1e-16
WITHIN = 1.1
"""Times the best loss: what is as good as it."""


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval; None where there are too few seeds for one."""

    value: float
    interval: tuple[float, float] | None


def rounding(losses: Numbers) -> float:
    """The loss below which all are the same: `ROUNDING` of the one that three quarters of the finite ones come below.

    Not of the largest: a run that flew off with its last step has a loss of 1e20, and says nothing of others' digits.
    """
    found = np.abs(losses[np.isfinite(losses)])
    return ROUNDING * float(np.quantile(found, 0.75)) if len(found) else 0.0


# --- over seeds ------------------------------------------------------------------------------------------------------


def over_seeds(values: Sequence[Numbers] | Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Geometric mean and its 95 % interval, Student's of the logarithms, of many settings or steps at once.

    Losses of seeds differ by factors, so in the logarithm they are far less skewed; and the ratio of two such means is
    the mean ratio on the same seeds, which `src.compare.pairs` tests. `tests/bench/intervals.py` has what is covered.
    Where a value is not above 0 it is the mean, and the interval that of the values themselves.

    Args:
        values: `S` of them, `[n]` each, one a seed.

    Returns:
        Means, lower and upper ends, each `[S]`. What is not all finite is infinite and has no interval (NaN), nor have
        fewer than `FEWEST` seeds.
    """
    means, low, high = np.full((3, len(values)), np.nan)
    seeds = np.array([len(one) for one in values])
    for n in np.unique(seeds):
        index = np.flatnonzero(seeds == n)
        ordered = np.sort(np.stack([values[int(one)] for one in index]), 1)
        whole = np.isfinite(ordered).all(1)
        means[index[~whole]] = np.inf
        for log in (True, False):
            now = whole & ((ordered[:, 0] > 0) == log)
            there, first = ordered[now], ordered[now][:, :1]
            # around the least, so that a spread that is small beside it is kept
            spread = np.log1p((there - first) / first) if log else there - first
            half = quantile(0.975, n - 1) * spread.std(1, ddof=1) / math.sqrt(n) if n >= FEWEST else math.nan
            for found, away in ((means, 0.0), (low, -half), (high, half)):
                from_least = spread.mean(1) + away
                found[index[now]] = first[:, 0] * np.exp(from_least) if log else first[:, 0] + from_least
    return means, low, high


def above(losses: Numbers, exact: Numbers | float) -> Numbers:
    """How far losses are above exact ones, as far as their digits tell: those of single precision have fewer.

    In a table's units they are no such numbers any more; then that one is below an exact one tells.
    """
    there = np.isfinite(losses)
    single = bool((losses[there] == losses[there].astype(np.float32)).all())
    single = single or bool(((exact - losses)[there] > 2.0**-40 * np.abs(exact * np.ones_like(losses))[there]).any())
    digits = 2.0**-23 if single else 2.0**-52
    return np.maximum(losses - exact, digits * np.abs(exact))


def stratified(strata: Sequence[Numbers]) -> Estimate:
    """Geometric mean over problems, each of which counts as much, of that over its seeds; with its interval.

    Problems are given and seeds are drawn: the variance is that of the seeds within each, and the interval Student's
    with the degrees of freedom of Welch and Satterthwaite.

    Args:
        strata: scores above 0 of a problem's seeds each, `[n]`; they have to be comparable between problems.
    """
    if not all(np.isfinite(stratum).all() for stratum in strata):
        return Estimate(math.inf, None)
    logs = [np.log(stratum) for stratum in strata]
    middle = float(np.mean([one.mean() for one in logs]))
    if any(len(one) < FEWEST for one in logs):
        return Estimate(math.exp(middle), None)
    parts = np.array([one.var(ddof=1) / len(one) for one in logs]) / len(logs) ** 2
    freedom = parts.sum() ** 2 / max(sum(parts**2 / [len(one) - 1 for one in logs]), 1e-300)
    half = quantile(0.975, max(1.0, float(freedom))) * math.sqrt(parts.sum())
    return Estimate(math.exp(middle), (math.exp(middle - half), math.exp(middle + half)))


# --- over settings ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Width:
    """How wide the range of good rates is.

    Attributes:
        low: where it begins.
        high: where it ends.
        at_least: whether it may be wider: nothing was tried beyond an end, or it diverged there.
    """

    low: float
    high: float
    at_least: bool

    @property
    def decades(self) -> float:
        """Its width in powers of ten."""
        return math.log10(self.high / self.low)


def width(rates: Numbers, losses: Numbers, within: float = WITHIN) -> Width | None:
    """The range around the best rate in which the loss is at most `within` times the best one.

    Between two rates the loss is taken to be linear in the logarithm of the rate; beside one that diverged the range
    ends at the last rate that did not.

    Args:
        rates: `[N]`, ascending and above 0.
        losses: `[N]`, infinite where it diverged.
        within: of the best loss.

    Returns:
        None where no loss is finite, or the best one is not above 0, so that no share of it can be taken.
    """
    if not np.isfinite(losses).any():
        return None
    best = int(np.nanargmin(losses))
    if losses[best] <= 0:
        return None
    logs, level = np.log10(rates), within * losses[best]
    low, open_low = _reach(logs[best::-1], losses[best::-1], level)
    high, open_high = _reach(logs[best:], losses[best:], level)
    return Width(10**low, 10**high, open_low or open_high)


def _reach(logs: Numbers, losses: Numbers, level: float) -> tuple[float, bool]:
    """How far the loss stays below `level`, from the first one on; whether it may be further."""
    for index in range(1, len(logs)):
        if not losses[index] <= level:
            inside, outside = losses[index - 1], losses[index]
            if not np.isfinite(outside):
                return float(logs[index - 1]), True
            share = (level - inside) / (outside - inside)
            return float(logs[index - 1] + share * (logs[index] - logs[index - 1])), False
    return float(logs[-1]), True


def ranks_of_best(settings: int, draws: Sequence[int]) -> Numbers:
    """The chance that the best of `k` settings, drawn without replacement, is the one of rank i of all of them.

    `C(n - i, k - 1) / C(n, k)` of rank i = 1 (best) to n. Weights of sorted losses that sum to the expected lowest one
    of `k` settings without bias (Tang et al. 2020), which draws with replacement (Dodge et al. 2019) have.

    Args:
        settings: n.
        draws: the k, `[K]`, all of them where one is more than there are.

    Returns:
        `[K, n]`.
    """
    k, behind = np.minimum(draws, settings)[:, None], np.arange(settings, -1, -1)
    logs = np.concatenate([[0.0], np.log(np.arange(1.0, settings + 1)).cumsum()])  # of the factorials
    with np.errstate(over="ignore"):
        all_behind = np.exp(logs[behind] - logs[np.maximum(behind - k, 0)] - logs[settings] + logs[settings - k])
    survive = np.where(behind >= k, all_behind, 0.0)  # that all k are of rank i + 1 or worse, [K, n + 1]
    chances: Numbers = survive[:, :-1] - survive[:, 1:]
    return chances


def ratios(losses: Numbers) -> Numbers:
    """Each loss over the best on its problem (Dolan and Moré 2002, section 2).

    Args:
        losses: `[problems, optimizers]`; infinite where it did not come through, not below 0.

    Returns:
        The same shape; of a best loss of 0, 1 for those that have it and infinite for others.
    """
    best = losses.min(1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        over: Numbers = losses / best
    over[(losses == best) & np.isfinite(losses)] = 1.0
    return np.where(np.isnan(over), np.inf, over)


def profile(over: Numbers) -> tuple[Numbers, Numbers]:
    """Share of problems on which a loss is within a factor of the best one (Dolan and Moré 2002).

    Args:
        over: `ratios` of one optimizer, `[problems]`.

    Returns:
        The factors at which the share grows, from 1 on, and the share from there on, `[N]` each.
    """
    steps = np.unique(np.append(over[np.isfinite(over)], 1.0))
    return steps, (over[:, None] <= steps).mean(0)


def area(over: Numbers, most: float = 4.0) -> float:
    """The area under `profile` from 1 to `most`, 1 for one that is the best on all problems (Dahl et al. 2023).

    Args:
        over: `ratios` of one optimizer, `[problems]`.
        most: a ratio from which on it counts for nothing.
    """
    return float((most - np.minimum(over, most)).mean() / (most - 1))


def mean_ranks(losses: Numbers, within: float) -> Numbers:
    """Ranks from 1 (lowest), those that are practically equal sharing theirs, and their mean over seeds.

    Args:
        losses: `[optimizers, seeds, T]`.
        within: the share of the larger of two within which they are practically equal.

    Returns:
        `[optimizers, T]`: 1 and for every other one that is lower 1, for every one that is equal 1/2.
    """
    ours, theirs = losses[:, None], losses[None]
    with np.errstate(invalid="ignore"):
        far = np.abs(ours - theirs) > within * np.maximum(np.abs(ours), np.abs(theirs))
        equal = (ours == theirs) | (~far & np.isfinite(ours) & np.isfinite(theirs))
    behind = np.where(equal, 0.5, ours > theirs)
    ranks: Numbers = 0.5 + behind.sum(1).mean(1)  # each is equal to itself
    return ranks


# --- along a run -----------------------------------------------------------------------------------------------------


def carried(steps: Numbers, values: Numbers, at: Numbers) -> Numbers:
    """The value that was last recorded at or before each of `at`; NaN before the first one."""
    index = np.searchsorted(steps, at, side="right") - 1
    return np.where(index >= 0, values[index.clip(0)], np.nan)


def settled(steps: Numbers, values: Numbers, level: float) -> float:
    """The first recorded step from which on no value is above `level`; infinite where the last one is."""
    above = np.flatnonzero(~(values <= level))
    first = int(above[-1]) + 1 if len(above) else 0
    return float(steps[first]) if first < len(steps) else math.inf


def thinned(steps: Numbers, most: int) -> Numbers:
    """At most about `most` of them, both evenly spaced and evenly in their logarithm, first and last among them."""
    if len(steps) <= most:
        return steps
    index = np.concatenate([np.linspace(0, len(steps) - 1, most // 2), np.geomspace(1, len(steps), most // 2) - 1])
    return steps[np.unique(index.round().astype(int))]
