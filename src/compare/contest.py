"""A sweep as a contest: on each problem its contenders, the best one first, and how surely it is better."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from src.compare.grid_edges import by_logarithm
from src.compare.rows import Row, Words, number, short
from src.compare.selection import RATE, Contender, contenders
from src.compare.statistics import Estimate, Numbers, improvement, stratified

FEWEST = 6
"""Pairs that can tell two apart: 2 * 0.5 ** 6 is below 0.05 (the sign test)."""


@dataclass(frozen=True)
class Problem:
    """What several contenders were tried on.

    Attributes:
        label: what tells it from other problems; empty where there is but one.
        words: that make it, by key.
        contenders: the best one first; those that are not confirmed come after those that are.
        number: from 1; 0 where there is but one problem.
    """

    label: str
    words: Words
    contenders: tuple[Contender, ...]
    number: int = 0

    def comparable(self, one: Contender) -> bool:
        """Whether a contender's figure can be held against the best one's: both confirmed, neither, or lost."""
        return not one.came_through or one.confirmed == self.contenders[0].confirmed

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


def contest(rows: Sequence[Row]) -> list[Problem]:
    """The problems of a sweep, in the order of the first jobs of the settings that won on them.

    Args:
        rows: the runs of a sweep, in any order.
    """
    problems: dict[tuple[tuple[str, str], ...], list[Contender]] = {}
    for one in contenders(rows):
        problems.setdefault(tuple(one.problem.items()), []).append(one)
    labels = _labels([dict(words) for words in problems])
    several = len(problems) > 1
    return [
        Problem(label, dict(words), tuple(sorted(of_one, key=_rank)), number if several else 0)
        for number, (label, (words, of_one)) in enumerate(zip(labels, problems.items(), strict=True), 1)
    ]


def _rank(one: Contender) -> tuple[bool, float]:
    return one.came_through and not one.confirmed, one.figure.value


def _labels(problems: Sequence[Words]) -> list[str]:
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


@dataclass(frozen=True)
class Pair:
    """How probably one optimizer ends in a lower loss than another on the same seed.

    Attributes:
        first: label of the better one.
        second: of the other.
        estimate: the probability.
        seeds: pairs of runs.
        problems: on which there are such.
    """

    first: str
    second: str
    estimate: Estimate
    seeds: int
    problems: int

    @property
    def apart(self) -> bool | None:
        """Whether the first is better beyond chance; None where there is no interval."""
        interval = self.estimate.interval
        return None if interval is None else interval[0] > 0.5 and self.seeds >= FEWEST


def pairs(problems: Sequence[Problem]) -> list[Pair]:
    """Of every two contenders that share two seeds or more; the better one first."""
    by_label = [{one.label: one for one in problem.contenders} for problem in problems]
    found = []
    for first, second in itertools.combinations(_ranked(problems), 2):
        both = [_paired(one[first], one[second]) for one in by_label if first in one and second in one]
        shared = [pair for pair in both if len(pair[0]) > 1]
        if not shared:
            continue
        estimate, labels = improvement(shared), (first, second)
        if estimate.value < 0.5:
            estimate, labels = improvement([(theirs, ours) for ours, theirs in shared]), (second, first)
        found.append(Pair(*labels, estimate, sum(len(ours) for ours, _ in shared), len(shared)))
    return found


def _by_seed(one: Contender) -> dict[tuple[str | None, ...], float]:
    """The losses that count."""
    return {row.seed: row.loss(one.figure.metric) for row in one.counted}


def _paired(first: Contender, second: Contender) -> tuple[Numbers, Numbers]:
    """Losses of both on the seeds that both have; none where one is confirmed and the other is not, or one is lost."""
    ours, theirs = _by_seed(first), _by_seed(second)
    alike = first.confirmed == second.confirmed and first.came_through and second.came_through
    seeds = [seed for seed in ours if alike and seed in theirs]
    return np.array([ours[seed] for seed in seeds]), np.array([theirs[seed] for seed in seeds])


# --- all problems together -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Standing:
    """How a contender fares over problems.

    Attributes:
        label: of it.
        ratio: its runs' losses over the best one of their problem.
        won: on how many problems it was the best.
    """

    label: str
    ratio: Estimate
    won: int


def standings(problems: Sequence[Problem]) -> tuple[list[Standing], int]:
    """How those contenders fare that were tried on all problems that have a best loss above 0, the best one first.

    Returns:
        Nothing where there are fewer than two such contenders or problems; and how many problems there are.
    """
    usable = [problem for problem in problems if 0 < problem.contenders[0].figure.value < math.inf]
    labels = everywhere(usable)
    of_all = [[one for one in problem.contenders if one.label in labels] for problem in usable]
    of_all = [of_one for of_one in of_all if any(one.came_through for one in of_one)]
    if len(of_all) < 2 or len(labels) < 2:
        return [], len(of_all)
    won, ratios = dict.fromkeys(labels, 0), {label: list[Numbers]() for label in labels}
    for of_one in of_all:
        best = min(one.figure.value for one in of_one)
        for one in of_one:
            ratios[one.label].append(np.array(list(_by_seed(one).values())) / best)
            won[one.label] += one.figure.value == best
    found = [Standing(label, stratified(ratios[label]), won[label]) for label in labels]
    return sorted(found, key=lambda one: one.ratio.value), len(of_all)


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
