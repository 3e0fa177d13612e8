"""A sweep as a contest: on each problem its contenders, the best one first, and how surely it is better."""

import itertools
import math
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from src.compare.grid_edges import by_logarithm
from src.compare.looks import look
from src.compare.pairs import EQUAL_WITHIN, Pair, corrected, differences, letters, ordered
from src.compare.roles import OPTIMIZER
from src.compare.rows import Row, Seed, Words, number, short
from src.compare.selection import RATE, Contender, contenders
from src.compare.statistics import Estimate, Numbers, above, over_seeds, rounding, stratified

TRAIN = "train/loss"
Exact = Callable[[Row], float | None]
"""The exact training loss of a run, where that is known."""
DIGITS = 1e-6
"""Of a loss in single precision."""


@dataclass(frozen=True)
class Problem:
    """What several contenders were tried on.

    Attributes:
        label: what tells it from other problems; empty where there is but one.
        words: that make it, by key.
        contenders: the best one first; those with fewer fresh seeds, who were beaten on these, come after the others.
        number: from 1; 0 where there is but one problem.
        pairs: of every two contenders that can be compared, the better one first.
    """

    label: str
    words: Words
    contenders: tuple[Contender, ...]
    number: int = 0
    pairs: tuple[Pair, ...] = ()

    def comparable(self, one: Contender) -> bool:
        """Whether a contender's figure can be held against the best one's: both confirmed, neither, or lost."""
        return not one.came_through or one.confirmed == self.contenders[0].confirmed

    @cached_property
    def _by_two(self) -> Mapping[frozenset[str], Pair]:
        return {frozenset((one.first, one.second)): one for one in self.pairs}

    def pair(self, one: str, other: str) -> Pair | None:
        """How two contenders compare, by their labels; None where they cannot."""
        return self._by_two.get(frozenset((one, other)))

    @cached_property
    def letters(self) -> Mapping[str, str]:
        """Which contenders are not told apart, by label: those share a letter."""
        return letters([one.label for one in self.contenders], self.pairs)

    def unbeaten(self, among: Container[str]) -> list[Contender]:
        """Those of these than which none of them is better, the best one first."""
        beaten = {one.second for one in self.pairs if one.relation == "better" and one.first in among}
        there = [one for one in self.contenders if one.came_through and self.comparable(one)]
        return [one for one in there if one.label in among and one.label not in beaten]

    @property
    def compared(self) -> str:
        """The key that tells contenders apart."""
        return self.contenders[0].compared

    @property
    def metric(self) -> str:
        """The loss by which settings were judged."""
        return self.contenders[0].metric

    @property
    def suffix(self) -> str:
        """What its pictures' titles end in."""
        return f": {self.label}" if self.label else ""

    def named(self, picture: str) -> str:
        """The name of a picture of it."""
        return f"{picture}_{self.number}" if self.number else picture

    @cached_property
    def tuned_key(self) -> str | None:
        """The key that pictures are drawn over: the learning rate, or the first one with several numbers."""
        keys = dict.fromkeys([RATE, *(key for one in self.contenders for key in one.best.tuned)])
        return next((key for key in keys if any(len(one.numbers(key)) > 1 for one in self.contenders)), None)

    def log_spaced(self, key: str) -> bool:
        """Whether the numbers of a key are spaced by factors."""
        numbers = sorted({one for contender in self.contenders for one in contender.numbers(key)})
        return len(numbers) > 1 and by_logarithm(numbers)


def contest(
    rows: Sequence[Row],
    within: float = EQUAL_WITHIN,
    drawn: bool = True,
    exact: Exact = lambda row: None,
    looks: Sequence[int] = (),
) -> list[Problem]:
    """The problems of a sweep, in the order of the first jobs of the settings that won on them.

    Args:
        rows: the runs of a sweep, in any order.
        within: the share of a loss within which two are practically equal.
        drawn: whether anything of the runs is, so that other seeds would be other runs.
        exact: what a run's training loss is counted above, where the settings were judged by that.
        looks: of a sweep until winners are told apart, the fresh seeds at each look.
    """
    problems: dict[tuple[tuple[str, str], ...], list[Contender]] = {}
    for one in contenders(rows):
        problems.setdefault(tuple(one.problem.items()), []).append(one)
    labels = problem_labels([dict(words) for words in problems])
    several = len(problems) > 1
    found = [
        Problem(label, dict(words), tuple(sorted(of_one, key=lambda one: one.rank)), number if several else 0)
        for number, (label, (words, of_one)) in enumerate(zip(labels, problems.items(), strict=True), 1)
    ]
    pairs = [_pairs(problem, math.log1p(within), drawn, exact, looks) for problem in found]
    of_all = iter(corrected([pair for of_one in pairs for pair in of_one]))
    return [
        replace(problem, pairs=tuple(itertools.islice(of_all, len(of_one))))
        for problem, of_one in zip(found, pairs, strict=True)
    ]


def problem_labels(problems: Sequence[Words]) -> list[str]:
    """What tells them apart: the words that not all have; nothing for one alone."""
    if len(problems) < 2:
        return [""]
    shared = set.intersection(*(set(words.items()) for words in problems))
    apart = [dict(item for item in words.items() if item not in shared) for words in problems]
    brief = [_without_section(words) for words in apart]
    whole = [" ".join(f"{key}={value}" for key, value in words.items()) for words in apart]
    return [(one if brief.count(one) == 1 else full) or "as it is" for one, full in zip(brief, whole, strict=True)]


def _without_section(words: Words) -> str:
    """`noise=0.5` of `data.noise=0.5`; of one option alone its name, `teacher` of `experiment=teacher`."""
    if len(words) == 1 and all("." not in key and number(value) is None for key, value in words.items()):
        return next(iter(words.values()))
    return short({key.rpartition(".")[2]: value for key, value in words.items()})


# --- two of them -----------------------------------------------------------------------------------------------------


def _pairs(problem: Problem, margin: float, drawn: bool, exact: Exact, looks: Sequence[int]) -> list[Pair]:
    """Of every two that came through, both confirmed or neither, and that share a seed."""
    floor = rounding(np.concatenate([setting.losses for one in problem.contenders for setting in one.settings]))
    there = [one for one in problem.contenders if one.came_through]
    known = {one.label: _known(one, exact) for one in there}
    found = []
    for first, second in itertools.combinations(there, 2):
        ours, theirs = _by_seed(first), _by_seed(second)
        seeds = [seed for seed in ours if seed in theirs]
        if seeds and first.confirmed == second.confirmed:
            one, other = (np.array([of_one[seed] for seed in seeds]) for of_one in (ours, theirs))
            # a penalty moves the answer: both are held against the lower one
            lower = np.array([np.fmin(known[first.label][seed], known[second.label][seed]) for seed in seeds])
            apart, number = differences(one, other, lower, floor), look(len(seeds), looks) if first.confirmed else 0
            found.append(ordered(first.label, second.label, apart, margin, drawn, number))
    return found


def _known(one: Contender, exact: Exact) -> dict[Seed, float]:
    """The exact loss of each seed; NaN where it is not known."""
    values = {row.seed: exact(row) if one.figure.metric == TRAIN else None for row in one.counted}
    return {seed: math.nan if value is None else value for seed, value in values.items()}


def _by_seed(one: Contender) -> dict[Seed, float]:
    """The losses that count."""
    return {row.seed: row.loss(one.figure.metric) for row in one.counted}


# --- above the exact loss --------------------------------------------------------------------------------------------


def exact_by_seed(contenders: Sequence[Contender], exact: Exact) -> dict[Seed, float]:
    """The exact training loss of each seed, which no run ends below.

    Optimizers go down one and the same loss. A penalty of some of them moves where they come to rest, and may hide it:
    what counts is the lowest that any of them knows. Of others, models say, each must know it, and all the same.

    Args:
        contenders: of one problem.
        exact: of a run.

    Returns:
        Nothing where it is not known, or is 0, so that a loss is above it what it is.
    """
    found, moves = dict[Seed, float](), contenders[0].compared == OPTIMIZER
    for row in (row for one in contenders for row in (*one.best.rows, *one.confirming) if row.status != "failed"):
        loss = exact(row)
        if not moves and (loss is None or abs(found.get(row.seed, loss) - loss) > 1e-9 * abs(loss)):
            return {}
        if loss is not None:
            found[row.seed] = min(loss, found.get(row.seed, math.inf))
    rows = [row for one in contenders for of_one in (*(s.rows for s in one.settings), one.confirming) for row in of_one]
    least = {seed: loss - DIGITS * abs(loss) for seed, loss in found.items()}
    known = all(row.status == "failed" or row.loss(TRAIN) >= least.get(row.seed, math.inf) for row in rows)
    return found if known and any(found.values()) else {}


def above_exact(one: Contender, known: Mapping[Seed, float]) -> float:
    """The training loss of the runs behind its figure less the exact one, geometric mean; NaN where that is not known.

    Args:
        one: a contender.
        known: as `exact_by_seed` finds it.
    """
    if not (one.came_through and known):
        return math.nan
    losses = np.array([row.loss(TRAIN) for row in one.counted])
    exact = np.array([known.get(row.seed, math.nan) for row in one.counted])
    return float(over_seeds([above(losses, exact)])[0][0])


# --- all problems together -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Standing:
    """How a contender fares over problems.

    Attributes:
        label: of it.
        ratio: its runs' losses over the best one of their problem.
        alone: on how many problems it was better than all others.
        shared: on how many more none was better.
    """

    label: str
    ratio: Estimate
    alone: int
    shared: int


def standings(problems: Sequence[Problem]) -> tuple[list[Standing], int]:
    """How those contenders fare that were tried on all problems that have a best loss above 0, the best one first.

    Returns:
        Nothing where there are fewer than two such contenders or problems; and how many problems there are.
    """
    usable = [problem for problem in problems if 0 < problem.contenders[0].figure.value < math.inf]
    labels = everywhere(usable)
    usable = [
        one for one in usable if any(each.figure.value < math.inf for each in one.contenders if each.label in labels)
    ]
    if len(usable) < 2 or len(labels) < 2:
        return [], len(usable)
    found = []
    for label in labels:
        ratios, unbeaten = list[Numbers](), list[int]()
        for problem in usable:
            (one,) = (each for each in problem.contenders if each.label == label)
            best = min(each.figure.value for each in problem.contenders if each.label in labels)
            ratios.append(np.array(list(_by_seed(one).values())) / best)
            there = [each.label for each in problem.unbeaten(labels)]
            unbeaten += [len(there)] if label in there else []
        found.append(Standing(label, stratified(ratios), unbeaten.count(1), len(unbeaten) - unbeaten.count(1)))
    return sorted(found, key=lambda one: one.ratio.value), len(usable)


def everywhere(problems: Sequence[Problem]) -> list[str]:
    """The labels of those contenders that can be held against the best one on every one of these problems."""
    there = [{one.label for one in problem.contenders if problem.comparable(one)} for problem in problems]
    return [label for label in _ranked(problems) if all(label in labels for labels in there)]


def _ranked(problems: Sequence[Problem]) -> list[str]:
    """The contenders' labels by their mean rank over the problems."""
    ranks: dict[str, list[int]] = {}
    for problem in problems:
        for rank, one in enumerate(problem.contenders):
            ranks.setdefault(one.label, []).append(rank)
    return sorted(ranks, key=lambda label: sum(ranks[label]) / len(ranks[label]))
