"""From which step on a distance that swings stays small: the last time that it is above a limit, not one of the times.

Along every eigenvector descent with momentum obeys x_{k+2} = T x_{k+1} - D x_k, so x_k = c z^k + c' z'^k with the roots
of z² - T z + D. Its swings are bounded by what falls from step to step, |c| |z|^k + |c'| |z'|^k; a search finds where
that bound is below the limit, and from there one goes back, step by step, to where the distance itself is above it.
"""

import numpy as np
from numpy.typing import NDArray

FARTHEST = 40
"""Of the power of two that is the last step looked at, the first above 10¹²."""
WORK = 2**18
"""Distances along single eigenvectors that are computed on the way back, at most."""
AT_ONCE = 2**14
"""So many of them at a time."""
APART = 1e-6
"""Roots that are nearer to each other, relative to their distance from 1, are taken for that far apart: the sequence
depends on the square of this."""

Numbers = NDArray[np.float64]


class Swings:
    """Sequences x_0, x_1, ... `[d]` with x_{k+2} = T x_{k+1} - D x_k, both roots inside the unit circle.

    Args:
        first: x_0 `[d]`.
        second: x_1 `[d]`.
        at_one: 1 - T + D, the characteristic polynomial at 1: it may be far below the rounding of T and D.
        twice: 2 - T, above 0.
    """

    def __init__(self, first: Numbers, second: Numbers, at_one: Numbers, twice: Numbers) -> None:
        # in y = 1 - z it is y² - (2 - T) y + (1 - T + D), whose small root is not 1 less a number next to 1
        square = twice**2 - 4 * at_one
        square = np.where(np.abs(square) < (APART * twice) ** 2, (APART * twice) ** 2, square)
        root = np.sqrt(square.astype(complex))
        large = (twice + root) / 2
        small = at_one / large
        self.logs = np.stack([_log_of_one_less(small), _log_of_one_less(large)])
        amplitude = (second - (1 - large) * first) / root
        self.amplitudes = np.stack([amplitude, first - amplitude])
        self._first, self._change = np.abs(first), np.abs(second - (1 - small) * first)
        self._radius = np.minimum(self.logs.real.max(0), -np.finfo(np.float64).tiny)

    def at(self, steps: Numbers) -> Numbers:
        """x_k `[K, d]` for k in `steps [K]`."""
        powers = np.exp(steps[:, None, None] * self.logs)
        values: Numbers = (self.amplitudes * powers).sum(1).real
        return values

    def bound(self, steps: Numbers) -> Numbers:
        """What |x_j| is at most for all j from k on, `[K, d]`, for k in `steps [K]`.

        By the roots' own sizes, or where they are nearly equal, and amplitudes large, by another way to write it,
        x_k = z^k x_0 + (x_1 - z x_0) (z^k - z'^k)/(z - z'), whose last factor is at most k r^(k-1): that is largest at
        k = -1/log r.
        """
        apart = (np.abs(self.amplitudes) * np.exp(steps[:, None, None] * self.logs.real)).sum(1)
        later = np.maximum(steps[:, None], -1 / self._radius)
        double = self._first * np.exp(steps[:, None] * self._radius)
        double += self._change * later * np.exp((later - 1) * self._radius)
        return np.minimum(apart, double)


def last_above(swings: Swings, weights: Numbers, limit: float) -> int | None:
    """The last k at which √Σ w x_k² is above `limit`, -1 where it never is; None where that may be beyond 2^`FARTHEST`.

    Where the way back is too long it is a k from which on it is certainly not above.

    Args:
        swings: of `d` sequences.
        weights: w `[d]`.
        limit: above 0.
    """

    def bounded(steps: Numbers) -> NDArray[np.bool_]:
        return np.sqrt(swings.bound(steps) ** 2 @ weights) <= limit

    steps = np.concatenate([[0], 2.0 ** np.arange(FARTHEST + 1)])
    found = bounded(steps)
    if not found[-1]:
        return None
    index = int(found.argmax())
    low, high = (int(steps[index - 1]), int(steps[index])) if index else (-1, 0)
    while low + 1 < high:
        steps = (low + (high - low) * np.arange(1, 34) // 33).astype(np.float64)
        found = bounded(steps)
        found[-1] = True  # it was at `high`, and is but for rounding
        index = int(found.argmax())
        low, high = int(steps[index - 1]) if index else low, int(steps[index])
    looked, chunk = 0, 16
    while high > 0 and looked < WORK:
        steps = np.arange(max(0, high - chunk), high, dtype=np.float64)
        above = np.sqrt(swings.at(steps) ** 2 @ weights) > limit
        if above.any():
            return int(steps[-1 - int(above[::-1].argmax())])
        high, looked = int(steps[0]), looked + len(steps) * len(weights)
        chunk = max(chunk, min(4 * chunk, AT_ONCE // len(weights)))
    return high - 1


def _log_of_one_less(y: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """log(1 - y), without cancellation where y is small; far below 0 where y is 1."""
    with np.errstate(divide="ignore"):
        size = 0.5 * np.log1p(np.maximum(np.abs(y) ** 2 - 2 * y.real, -1.0))
    return np.maximum(size, -1e3) + 1j * np.arctan2(-y.imag, 1 - y.real)
