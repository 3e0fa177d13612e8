"""What seeds and settings say, as pure functions of numbers: intervals, what they tell apart, how hard tuning was.

Losses throughout: less is better, and one that diverged is infinite.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_lowercase

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
RESAMPLES = 9_999
ENDS = (2.5, 97.5)
"""Percentiles between which 95 % lie."""
WITHIN = 1.1
"""Times the best loss: what is as good as it."""


@dataclass(frozen=True)
class Estimate:
    """A number with the 95 % interval of its bootstrap; None where one seed leaves nothing to resample."""

    value: float
    interval: tuple[float, float] | None


# --- over seeds ------------------------------------------------------------------------------------------------------


def interquartile_mean(values: Numbers) -> Numbers:
    """Mean along the last axis without the lowest and the highest quarter, rounded down to whole values.

    Of fewer than 4 values the mean. Agarwal et al. 2021, section 4.3; it is `scipy.stats.trim_mean(values, 0.25)`,
    whose import takes longer than many a sweep.
    """
    cut = values.shape[-1] // 4
    kept: Numbers = np.sort(values, axis=-1)[..., cut : values.shape[-1] - cut].mean(-1)
    return kept


def over_seeds(values: Sequence[Numbers] | Numbers, resamples: int = RESAMPLES) -> tuple[Numbers, Numbers, Numbers]:
    """Interquartile mean and percentile bootstrap (Agarwal et al. 2021, section 4) of many settings or steps at once.

    What is resampled are the ranks of the seeds, so that their order does not matter, by the same draws for all of as
    many seeds: then each mean of a resample is the sorted values times a row of weights, and all of them are one
    product of matrices. The generator is seeded: the same values have the same interval.

    Args:
        values: `S` of them, `[n]` each, one a seed.
        resamples: how many; 0 for no intervals.

    Returns:
        Means, lower and upper ends, each `[S]`. What is not all finite is infinite and has no interval (NaN), nor has
        one seed.
    """
    means, low, high = np.full((3, len(values)), np.nan)
    seeds = np.array([len(one) for one in values])
    for n in np.unique(seeds):
        index = np.flatnonzero(seeds == n)
        ordered = np.sort(np.stack([values[int(one)] for one in index]), 1)
        whole = np.isfinite(ordered).all(1)
        means[index] = np.where(whole, interquartile_mean(ordered), np.inf)
        if n > 1 and resamples and whole.any():
            ordered, index = ordered[whole], index[whole]
            # around the least: a product of matrices would lose a spread that is small beside the mean
            spread, generator = ordered - ordered[:, :1], np.random.default_rng(0)
            at_once = max(1, 5_000_000 // n)
            sizes = [min(at_once, resamples - first) for first in range(0, resamples, at_once)]
            drawn = np.concatenate([spread @ _weights(generator, n, size).T for size in sizes], 1)
            low[index], high[index] = np.percentile(drawn, ENDS, axis=1) + ordered[:, 0]
    return means, low, high


def _weights(generator: np.random.Generator, seeds: int, resamples: int) -> Numbers:
    """What each rank weighs in the interquartile mean of each resample, `[R, n]`; every row adds up to 1."""
    ranks = generator.integers(0, seeds, (resamples, seeds))
    counts = np.zeros((resamples, seeds))
    np.add.at(counts, (np.arange(resamples)[:, None], ranks), 1)
    cut, upto = seeds // 4, counts.cumsum(1)
    # of a resample in order, the values of a rank are those from upto - counts to upto; kept are those from cut on
    kept: Numbers = np.minimum(upto, seeds - cut) - np.maximum(upto - counts, cut)
    return kept.clip(0) / (seeds - 2 * cut)


def stratified(strata: Sequence[Numbers], resamples: int = RESAMPLES) -> Estimate:
    """Interquartile mean over all seeds of all problems, with its stratified bootstrap interval.

    Seeds are resampled within each problem (Agarwal et al. 2021, section 4.1).

    Args:
        strata: scores of a problem's seeds each, `[n]`; they have to be comparable between problems.
        resamples: how many.
    """
    value = float(interquartile_mean(np.concatenate(strata)))
    if any(len(stratum) < 2 for stratum in strata):
        return Estimate(value, None)
    return Estimate(value, _ends(interquartile_mean(np.concatenate(_resampled(strata, resamples), 1))))


def improvement(pairs: Sequence[tuple[Numbers, Numbers]], resamples: int = RESAMPLES) -> Estimate:
    """Probability that the first of two optimizers ends in the lower loss; equal losses count half.

    Agarwal et al. 2021, section 4.3, but on the same seeds: the mean over problems of the share of seeds on which it is
    lower. The interval is the stratified bootstrap's, of pairs.

    Args:
        pairs: of each problem the losses of both, `[n]` each, in the same order of seeds.
        resamples: how many.
    """
    scores = [(first < second) + 0.5 * (first == second) for first, second in pairs]
    value = float(np.mean([score.mean() for score in scores]))
    if any(len(score) < 2 for score in scores):
        return Estimate(value, None)
    return Estimate(value, _ends(np.mean([drawn.mean(1) for drawn in _resampled(scores, resamples)], 0)))


def _resampled(strata: Sequence[Numbers], resamples: int) -> list[Numbers]:
    """Of each stratum its resamples, `[R, n]`, whatever order its values come in."""
    generator = np.random.default_rng(0)
    return [np.sort(one)[generator.integers(0, len(one), (resamples, len(one)))] for one in strata]


def _ends(means: Numbers) -> tuple[float, float]:
    """The ends of the interval; between two infinite means an end is infinite."""
    with np.errstate(invalid="ignore"):
        low, high = np.percentile(means, ENDS)
    return (float(low) if not np.isnan(low) else math.inf), (float(high) if not np.isnan(high) else math.inf)


def letters(intervals: Sequence[tuple[float, float] | None]) -> list[str]:
    """Which of these the intervals cannot tell apart: two whose intervals overlap share a letter, others share none.

    The letters are the largest sets of intervals that have a point in common, from low to high: a compact letter
    display (Piepho 2004). Without interval there is none.
    """
    there = {index: one for index, one in enumerate(intervals) if one is not None}
    sets: list[frozenset[int]] = []
    for start in sorted({low for low, _ in there.values()}):
        overlapping = frozenset(index for index, (low, high) in there.items() if low <= start <= high)
        sets = [*(one for one in sets if not one <= overlapping), overlapping]
    names = (
        f"{letter}{turn or ''}" for turn in itertools.count() for letter in ascii_lowercase
    )  # a to z, then a1 to z1
    named = list(zip(sets, names, strict=False))
    return ["".join(name for one, name in named if index in one) for index in range(len(intervals))]


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


def expected_best(losses: Numbers, draws: Sequence[int]) -> Numbers:
    """Expected lowest loss of `k` settings drawn at random, with replacement, from those that were tried.

    Dodge et al. 2019, section 3: with the n losses in descending order of rank i = 1 (best) to n,
    `E = Σ_i l_i [((n - i + 1) / n)^k - ((n - i) / n)^k]`.

    Args:
        losses: `[n]`, finite.
        draws: the k, `[K]`.

    Returns:
        `[K]`.
    """
    n, k = len(losses), np.asarray(draws, dtype=np.float64)[:, None]
    survive = (np.arange(n, -1, -1) / n) ** k  # that all k draws are of rank i + 1 or worse, [K, n + 1]
    expected: Numbers = (np.sort(losses) * (survive[:, :-1] - survive[:, 1:])).sum(1)
    return expected


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


# --- along a run -----------------------------------------------------------------------------------------------------


def carried(steps: Numbers, values: Numbers, at: Numbers) -> Numbers:
    """The value that was last recorded at or before each of `at`; NaN before the first one."""
    index = np.searchsorted(steps, at, side="right") - 1
    return np.where(index >= 0, values[index.clip(0)], np.nan)


def first_below(steps: Numbers, values: Numbers, level: float) -> float:
    """The first recorded step with a value of at most `level`; infinite where there is none."""
    reached = values <= level
    return float(steps[reached.argmax()]) if reached.any() else math.inf


def thinned(steps: Numbers, most: int) -> Numbers:
    """At most about `most` of them, both evenly spaced and evenly in their logarithm, first and last among them."""
    if len(steps) <= most:
        return steps
    index = np.concatenate([np.linspace(0, len(steps) - 1, most // 2), np.geomspace(1, len(steps), most // 2) - 1])
    return steps[np.unique(index.round().astype(int))]
