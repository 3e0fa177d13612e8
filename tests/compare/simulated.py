"""Losses of optimizers whose truth is known, and how often a page tells them apart."""

import itertools
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from src.compare.looks import FIRST, following, look
from src.compare.pairs import EQUAL_WITHIN, Pair, corrected, differences, ordered
from src.compare.statistics import rounding

Numbers = NDArray[np.float64]
LOSSES: Mapping[str, Callable[[np.random.Generator, tuple[int, ...]], Numbers]] = {
    "normal": lambda random, shape: 3 + 0.3 * random.normal(size=shape),
    "log-normal": lambda random, shape: random.lognormal(size=shape),
    "heavy tails": lambda random, shape: np.exp(random.standard_t(2, size=shape).clip(-300, 300)),
    "two minima": lambda random, shape: 10.0 ** (random.random(shape) < 0.5) * random.lognormal(0, 0.02, shape),
}
"""By what they are: seeds that differ a little, by factors, now and then by orders, and by where a run ends up."""

SETTINGS: Mapping[str, Callable[[np.random.Generator, tuple[int, ...]], Numbers]] = {
    "valley": lambda random, shape: np.exp(np.minimum(7, 3 * random.uniform(-2, 2, shape) ** 2)),
    "even": lambda random, shape: 1 + random.random(shape),
    "log-normal": lambda random, shape: random.lognormal(0, 1.5, shape),
}
"""What settings come to that are drawn at random: of rates around a best one, between two ends, by factors."""


def told_apart(losses: Numbers) -> list[tuple[str, str]]:
    """Which of the optimizers of a page are, the better one first.

    Args:
        losses: `[optimizers, seeds]`.
    """
    return _better(_pairs(losses, [losses.shape[1]] * len(losses), []))


def told_apart_at_any_look(losses: Numbers) -> list[tuple[str, str]]:
    """The same where seeds come in until there are no more, of those that are not beaten."""
    seeds, looks, found = [FIRST] * len(losses), list[int](), list[tuple[str, str]]()
    number: int | None = FIRST
    while number is not None:
        looks.append(number)
        found = _better(_pairs(losses, seeds, looks))
        beaten = {int(second) for _, second in found}
        number = following(number, losses.shape[1])
        seeds = [one if index in beaten else number or one for index, one in enumerate(seeds)]
    return found


def _pairs(losses: Numbers, seeds: Sequence[int], looks: Sequence[int]) -> list[Pair]:
    margin, found = float(np.log1p(EQUAL_WITHIN)), []
    for i, j in itertools.combinations(range(len(losses)), 2):
        shared = min(seeds[i], seeds[j])
        apart = differences(losses[i, :shared], losses[j, :shared], np.full(shared, np.nan), rounding(losses))
        found.append(ordered(str(i), str(j), apart, margin, True, look(shared, looks)))
    return corrected(found)


def _better(pairs: Sequence[Pair]) -> list[tuple[str, str]]:
    return [(one.first, one.second) for one in pairs if one.relation == "better"]
