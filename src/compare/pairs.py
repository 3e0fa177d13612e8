"""Whether two optimizers are told apart: one paired test, one effect size, one margin, wherever two are compared.

Both train on the same seeds, so what is judged is the difference on each seed: the logarithm of the ratio of the two
losses. The test is Student's on those differences, each cut to at most three times their median size, so that one
seed that went wrong does not hide what the others say. The effect size is the probability that the first ends lower
on a new seed; better is who has at least 0.75 with the lower bound above one half (Bouthillier et al. 2021, section
6), and by more than the margin. Levels are Holm's over all pairs of a page, of what a look may spend
(`src.compare.looks`): `tests/bench/intervals.py` simulates how often optimizers that are the same are told apart.
"""

import itertools
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from string import ascii_lowercase
from typing import Literal

import numpy as np

from src.compare.looks import share
from src.compare.statistics import FEWEST, Numbers
from src.compare.student import above_zero, p_value, quantile

EQUAL_WITHIN = 0.01
"""Of the loss: two that differ by less are practically equal."""
FEWEST_APART = 5
"""Seeds that tell two apart: with fewer, two that fall into the same few minima are too often taken for different."""
LEVEL, MEANINGFUL, POWER = 0.05, 0.75, 0.8
MOST = 10_000

Relation = Literal["better", "equal", "unknown"]


@dataclass(frozen=True)
class Pair:
    """Two optimizers on one problem, the one with the lower loss first.

    Attributes:
        first: label of it.
        second: of the other.
        differences: of each seed that both have the logarithm of the first's loss over the second's; infinite where
            one of the two came to nothing.
        margin: the logarithm up to which two are practically equal.
        drawn: whether anything of the runs is, so that other seeds would be other runs.
        level: of the test, after Holm.
        look: of `src.compare.looks`, at which both were last tested; 0 where there is but one test.
    """

    first: str
    second: str
    differences: tuple[float, ...]
    margin: float
    drawn: bool = True
    level: float = LEVEL
    look: int = 0

    def seen_from(self, label: str) -> "Pair":
        """The same with that one first, though its loss may be the higher one."""
        if label == self.first:
            return self
        turned = tuple(-one for one in self.differences)
        return replace(self, first=self.second, second=self.first, differences=turned)

    @property
    def spent(self) -> float:
        """The level before Holm."""
        return LEVEL * share(self.look)

    @property
    def seeds(self) -> int:
        """How many there are."""
        return len(self.differences)

    @cached_property
    def cut(self) -> Numbers:
        """The differences, none larger than three times their median size."""
        found = np.array(self.differences)
        most = 3 * float(np.median(np.abs(found)))
        return np.sign(found) if math.isinf(most) else np.clip(found, -most, most)

    @property
    def _spread(self) -> float:
        return float(self.cut.std(ddof=1)) if self.seeds > 1 else math.nan

    @cached_property
    def t(self) -> float:
        """Student's t of the second's excess."""
        mean, error = -float(self.cut.mean()), self._spread / math.sqrt(self.seeds)
        return mean / error if error > 1e-12 * abs(mean) else math.copysign(1e3, mean) if mean else 0.0

    @cached_property
    def p(self) -> float | None:
        """Of the two-sided test, before Holm; None where there are too few seeds for it."""
        return p_value(self.t, self.seeds - 1) if self.seeds >= FEWEST_APART else None

    @property
    def ratio(self) -> float:
        """The second's loss over the first's, geometric mean over seeds; infinite where the second came to nothing."""
        return (
            math.exp(min(-float(np.mean(self.differences)), 700)) if np.isfinite(self.differences).all() else math.inf
        )

    @property
    def ratio_interval(self) -> tuple[float, float] | None:
        """Student's, the one that decides: of practically equal ones 95 % of it at one look, of others at Holm's level.

        Of two that are told apart though it holds 1, for a seed that went wrong, it is that of the differences as they
        were cut for the test. None where there are too few seeds, or one of them came to nothing.
        """
        ends = self._interval(self.spent if self.relation == "equal" else self.level)
        if ends is not None and self.relation == "better" and self.drawn and ends[1] >= 0:
            ends = self._interval(self.level, self.cut)
        return None if ends is None else (math.exp(-ends[1]), math.exp(-ends[0]))

    def _interval(self, level: float, cut: Numbers | None = None) -> tuple[float, float] | None:
        """Of the mean difference, or of that of the cut ones."""
        found = np.array(self.differences) if cut is None else cut
        if self.seeds < FEWEST or not np.isfinite(self.differences).all():
            return None
        half = quantile(1 - level / 2, self.seeds - 1) * float(found.std(ddof=1)) / math.sqrt(self.seeds)
        return float(found.mean()) - half, float(found.mean()) + half

    @property
    def probability(self) -> float:
        """That the first ends lower than the second on a new seed."""
        return math.erfc(-self.t / math.sqrt(2 * self.seeds)) / 2

    @cached_property
    def bounds(self) -> tuple[float, float] | None:
        """Of that probability, at Holm's level: above one half just where `p` is below it; None of too few seeds."""
        return None if self.p is None else above_zero(self.t, self.seeds, self.level)

    @property
    def lower(self) -> int:
        """On how many seeds the first is lower, by however little."""
        return sum(one < 0 for one in self.differences)

    @property
    def won(self) -> int:
        """On how many seeds the first is lower by more than the margin."""
        return sum(one < -self.margin for one in self.differences)

    @property
    def lost(self) -> int:
        """On how many the second is."""
        return sum(one > self.margin for one in self.differences)

    @cached_property
    def relation(self) -> Relation:
        """Whether the first is better, both are practically equal, or what was run cannot tell."""
        if not self.drawn:
            return "equal" if all(abs(one) <= self.margin for one in self.differences) else "better"
        # that several are all equal needs no Holm: they are only said to be if each of them is
        ends = self._interval(self.spent)
        if ends is not None and max(map(abs, ends)) <= self.margin:
            return "equal"
        apart = self.p is not None and self.p <= self.level and self.probability >= MEANINGFUL
        return "better" if apart and abs(float(self.cut.mean())) > self.margin else "unknown"

    @cached_property
    def needed(self) -> int | None:
        """Seeds with which four in five repetitions would tell, if the differences are what they seem to be.

        Either that the first is better, or that they are practically equal; None where too few seeds say how much they
        vary, or it would take more than `MOST`.
        """
        mean, spread = abs(float(self.cut.mean())), self._spread
        if self.seeds < FEWEST or not spread > 0:
            return None
        apart = mean / spread if mean > self.margin else 0.0
        # of what is not cut, as is the interval that has to lie within the margin
        found = np.array(self.differences)
        error = float(found.std(ddof=1)) if np.isfinite(found).all() else math.inf
        equal = (self.margin - abs(float(found.mean()))) / error if math.isfinite(error) else -math.inf

        def enough(seeds: int) -> bool:
            root, power = math.sqrt(seeds), quantile(POWER, seeds - 1)
            return (
                apart * root >= quantile(1 - self.level / 2, seeds - 1) + power
                or equal * root >= quantile(1 - self.spent / 2, seeds - 1) + power
            )

        low, high = max(FEWEST_APART, self.seeds), MOST
        if not enough(high):
            return None
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if enough(middle) else (middle + 1, high)
        return max(low, self.seeds + 1)


def differences(first: Numbers, second: Numbers, exact: Numbers, floor: float) -> Numbers:
    """Of each seed the logarithm of the first's loss over the second's, where the exact loss is known above that.

    What counts is then the loss above the exact one and a tenth of it: of two that are both within a hundredth of the
    exact answer none is a hundred times better, though its loss above it may be.

    Args:
        first: losses, `[n]`, infinite where it came to nothing.
        second: of the other on the same seeds.
        exact: the exact loss of each seed; NaN where it is not known.
        floor: below which all are the same, as `src.compare.statistics.rounding` says.

    Returns:
        `[n]`; 0 where both came to nothing. Where a loss is not above 0 the difference over the larger of the two.
    """
    base = np.where(np.isnan(exact), 0.0, exact - np.abs(exact) / 10)
    ours, theirs = first - base, second - base
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(np.maximum(ours, floor)) - np.log(np.maximum(theirs, floor))
        linear = (ours - theirs) / np.maximum(np.abs(ours), np.abs(theirs))
        found: Numbers = np.where((np.minimum(ours, theirs) >= 0) & (floor > 0), logs, linear)
    one = np.isinf(first) != np.isinf(second)
    found = np.where(one, np.where(np.isinf(first), np.inf, -np.inf), found)
    return np.where(np.isnan(found), 0.0, found)


def ordered(first: str, second: str, found: Numbers, margin: float, drawn: bool, look: int = 0) -> Pair:
    """The pair with the better one first."""
    pair = Pair(first, second, tuple(found.tolist()), margin, drawn, look=look)
    return pair if pair.cut.mean() <= 0 else pair.seen_from(second)


def corrected(pairs: Sequence[Pair]) -> list[Pair]:
    """The same with the levels of Holm 1979: at most so often is any of a page told apart wrongly.

    A level stays where the first one fails, so that a bound lies above one half just where Holm rejects.
    """
    tested = sorted((one for one in pairs if one.p is not None), key=lambda one: (one.p or 0.0) / one.spent)
    levels, rejected = dict[int, float](), 0
    for index, one in enumerate(tested):
        assert one.p is not None
        levels[id(one)] = one.spent / (len(tested) - rejected)
        rejected += rejected == index and one.p <= levels[id(one)]
    return [replace(one, level=levels.get(id(one), one.spent)) for one in pairs]


def letters(labels: Sequence[str], pairs: Iterable[Pair]) -> dict[str, str]:
    """Which of these what was run cannot tell apart: two that are not share a letter, others share none.

    The letters are the largest sets of which no two are told apart: a compact letter display (Piepho 2004).

    Args:
        labels: from low to high.
        pairs: of them; those that are in none that could be told apart have no letter.
    """
    pairs = [one for one in pairs if one.p is not None or not one.drawn]
    apart = {frozenset((one.first, one.second)) for one in pairs if one.relation == "better"}
    there = [label for label in labels if any(label in (one.first, one.second) for one in pairs)]
    sets = [frozenset(there)] if there else []
    for two in itertools.combinations(there, 2):
        if frozenset(two) in apart:
            sets = _largest([each for one in sets for each in _split(one, two)])
    sets.sort(key=lambda one: sorted(map(there.index, one)))
    names: Mapping[frozenset[str], str] = dict(zip(sets, _names(), strict=False))
    return {label: "".join(name for one, name in names.items() if label in one) for label in labels}


def _split(one: frozenset[str], two: tuple[str, str]) -> list[frozenset[str]]:
    return [one - {label} for label in two] if one >= set(two) else [one]


def _largest(sets: Collection[frozenset[str]]) -> list[frozenset[str]]:
    """Those that no other holds, each once."""
    return [one for one in dict.fromkeys(sets) if not any(one < other for other in sets)]


def _names() -> Iterable[str]:
    """The letters a to z, then a1 to z1."""
    return (f"{letter}{turn or ''}" for turn in itertools.count() for letter in ascii_lowercase)
