"""Student's distribution, central and not, for intervals of a mean and of how often one thing exceeds another.

scipy has it, but its import takes longer than many a sweep.
"""

import math
from collections.abc import Callable
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

_ERF: Callable[[NDArray[np.float64]], NDArray[np.object_]] = np.frompyfunc(math.erf, 1, 1)


def normal_cdf(z: float) -> float:
    """Φ(z)."""
    return 0.5 * math.erfc(-z / math.sqrt(2))


def below(t: float, freedom: float, shift: float = 0.0) -> float:
    """Probability that a noncentral t is at most `t`: the mean of Φ(t s - shift) over s = sqrt(χ² / freedom).

    Johnson, Kotz and Balakrishnan 1995, chapter 31, equation 31.10; Gauss-Legendre over s.

    Args:
        t: where.
        freedom: degrees of it, from 1 on, whole or not.
        shift: the noncentrality; 0 for Student's own.
    """
    scale, density = _chi(freedom)
    phi = 0.5 * (1 + _ERF((t * scale - shift) / math.sqrt(2)).astype(np.float64))
    return float(phi @ density)


@cache
def _legendre() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Nodes and weights of Gauss and Legendre; they take 50 ms."""
    return np.polynomial.legendre.leggauss(200)


@lru_cache
def _chi(freedom: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values of sqrt(χ² / freedom) and their probabilities."""
    spread = 12 / math.sqrt(2 * freedom)
    low, high = max(0.0, 1 - spread), 1 + spread
    nodes, weights = _legendre()
    scale = low + (high - low) * (nodes + 1) / 2
    logs = (freedom - 1) * np.log(scale) - freedom * scale**2 / 2
    density = weights * np.exp(logs - logs.max())
    return scale, density / density.sum()


@lru_cache
def quantile(probability: float, freedom: float) -> float:
    """Of Student's distribution, of a probability above one half."""
    return _root(lambda t: below(t, freedom) - probability, 0.0, 1e4)


def p_value(t: float, freedom: float) -> float:
    """Two-sided."""
    return min(1.0, 2 * below(-abs(t), freedom))


def above_zero(t: float, seeds: int, level: float) -> tuple[float, float]:
    """Between which a normal variable's probability to be above 0 lies, from the t of `seeds` draws of it.

    It is Φ(δ / sqrt(seeds)) of the δ under which so large and so small a t come with a probability of half the level
    each (Reiser and Guttman 1986): the lower end is above one half just where the two-sided t-test rejects.
    """
    freedom, root = seeds - 1, math.sqrt(seeds)
    t = min(max(t, -1e3), 1e3)
    wide = 2 * abs(t) + 40
    low = _root(lambda shift: 1 - below(t, freedom, shift) - level / 2, t - wide, t + wide)
    high = _root(lambda shift: level / 2 - below(t, freedom, shift), t - wide, t + wide)
    return normal_cdf(low / root), normal_cdf(high / root)


def _root(rising: Callable[[float], float], low: float, high: float) -> float:
    """Where a rising function crosses 0, by halving."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return (low + high) / 2
