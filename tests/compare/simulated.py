"""Losses of optimizers whose truth is known, and how often a page tells them apart."""

import itertools
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from src.compare.pairs import EQUAL_WITHIN, corrected, differences, ordered

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
    unknown, margin = np.full(losses.shape[1], np.nan), float(np.log1p(EQUAL_WITHIN))
    pairs = [
        ordered(str(i), str(j), differences(losses[i], losses[j], unknown, losses.max()), margin, True)
        for i, j in itertools.combinations(range(len(losses)), 2)
    ]
    return [(one.first, one.second) for one in corrected(pairs) if one.relation == "better"]
