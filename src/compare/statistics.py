"""What seeds and settings say, as pure functions of numbers: intervals, what they tell apart, how hard tuning was.

Losses throughout: less is better, and one that diverged is infinite.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from src.compare.selection import RESAMPLES, interquartile_mean

Numbers = NDArray[np.float64]
ENDS = (2.5, 97.5)
"""Percentiles between which 95 % lie."""


@dataclass(frozen=True)
class Estimate:
    """A number with the 95 % interval of its bootstrap; None where one seed leaves nothing to resample."""

    value: float
    interval: tuple[float, float] | None


# --- over seeds ------------------------------------------------------------------------------------------------------


def over_seeds(values: Numbers, resamples: int = RESAMPLES) -> tuple[Numbers, Numbers, Numbers]:
    """Interquartile mean and percentile bootstrap (Agarwal et al. 2021, section 4) of many settings or steps at once.

    What is resampled are the ranks of the seeds, by the same draws for every row: then each mean of a resample is the
    sorted row times a row of weights, and all of them are one product of matrices.

    Args:
        values: `[S, n]`, a row of `n` seeds each.
        resamples: how many.

    Returns:
        Means, lower and upper ends, each `[S]`. A row that is not all finite is infinite and has no interval (NaN), nor
        has a row of one seed.
    """
    means, low, high = np.full((3, len(values)), np.nan)
    whole = np.isfinite(values).all(1)
    means[:] = np.inf
    if not whole.any():
        return means, low, high
    ordered = np.sort(values[whole], 1)
    means[whole] = interquartile_mean(ordered)
    if values.shape[1] > 1:
        # around the mean: a product of matrices would lose a spread that is small beside it
        weights = _weights(values.shape[1], resamples)
        at_once = max(1, 20_000_000 // resamples)
        ends = [
            np.percentile((part - part[:, :1]) @ weights.T, ENDS, axis=1) + part[:, 0]
            for part in (ordered[first : first + at_once] for first in range(0, len(ordered), at_once))
        ]
        low[whole], high[whole] = np.concatenate(ends, 1)
    return means, low, high


def _weights(seeds: int, resamples: int) -> Numbers:
    """What each rank weighs in the interquartile mean of each resample, `[R, n]`; every row adds up to 1."""
    ranks = np.random.default_rng(0).integers(0, seeds, (resamples, seeds))
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
    generator = np.random.default_rng(0)
    draws = [generator.integers(0, len(stratum), (resamples, len(stratum))) for stratum in strata]
    drawn = np.concatenate([stratum[draw] for stratum, draw in zip(strata, draws, strict=True)], 1)
    return Estimate(value, _ends(interquartile_mean(drawn)))


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
    generator = np.random.default_rng(0)
    means = [score[generator.integers(0, len(score), (resamples, len(score)))].mean(1) for score in scores]
    return Estimate(value, _ends(np.mean(means, 0)))


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
    known = {index: one for index, one in enumerate(intervals) if one is not None}
    sets: list[frozenset[int]] = []
    for start in sorted({low for low, _ in known.values()}):
        overlapping = frozenset(index for index, (low, high) in known.items() if low <= start <= high)
        sets = [*(one for one in sets if not one <= overlapping), overlapping]
    told = [""] * len(intervals)
    for number, one in enumerate(sets):
        for index in one:
            told[index] += _letter(number)
    return told


def _letter(number: int) -> str:
    """a to z, then a1 to z1."""
    turn, place = divmod(number, 26)
    return chr(ord("a") + place) + (str(turn) if turn else "")


# --- over settings ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Width:
    """How wide the range of good rates is.

    Attributes:
        low: where it begins.
        high: where it ends.
        open_low: whether it may begin lower: nothing was tried there, or it diverged.
        open_high: whether it may end higher.
    """

    low: float
    high: float
    open_low: bool
    open_high: bool

    @property
    def decades(self) -> float:
        """Its width in powers of ten."""
        return math.log10(self.high / self.low)

    @property
    def at_least(self) -> bool:
        """Whether it may be wider."""
        return self.open_low or self.open_high


def width(rates: Numbers, losses: Numbers, within: float = 1.1) -> Width | None:
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
    return Width(10**low, 10**high, open_low, open_high)


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
    place = np.searchsorted(steps, at, side="right") - 1
    return np.where(place >= 0, values[place.clip(0)], np.nan)


def first_below(steps: Numbers, values: Numbers, level: float) -> float:
    """The first recorded step with a value of at most `level`; infinite where there is none."""
    reached = values <= level
    return float(steps[reached.argmax()]) if reached.any() else math.inf


def thinned(steps: Numbers, most: int) -> Numbers:
    """At most about `most` of them, both evenly spaced and evenly in their logarithm, first and last among them."""
    if len(steps) <= most:
        return steps
    places = np.concatenate([np.linspace(0, len(steps) - 1, most // 2), np.geomspace(1, len(steps), most // 2) - 1])
    return steps[np.unique(places.round().astype(int))]
