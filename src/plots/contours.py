"""What both ways of drawing a surface share: its levels, and as much of a path as can be seen."""

import numpy as np
from numpy.typing import NDArray

from src.plots.chart import Contours, Path

NUMBER = 22


def levels(heights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ascending heights of the contour lines, evenly spaced in the logarithm of the height above the lowest point.

    A surface that is level has a single one.
    """
    heights = heights[np.isfinite(heights)]
    if not len(heights):
        return np.zeros(1)
    low, high = float(heights.min()), float(heights.max())
    if not high > low:
        return np.array([low])
    rise = heights - low
    # the grid hardly ever meets the minimum: the lowest ring holds a two-hundredth of the window
    first = max(float(np.quantile(rise, 0.005)), 1e-9 * (high - low))
    return low + np.concatenate([[0.0], np.geomspace(first, high - low, NUMBER)])


def visible(path: Path, contours: Contours) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Steps, x and y of a path, `[K]` each, up to the first point that is not finite or far out of the window."""
    x, y = np.asarray(path.x, dtype=np.float64), np.asarray(path.y, dtype=np.float64)
    gone = np.zeros(len(x), dtype=bool)
    for positions, (low, high) in zip((x, y), contours.window, strict=True):
        span = high - low
        gone |= ~((positions > low - 3 * span) & (positions < high + 3 * span))
    until = int(gone.argmax()) if gone.any() else len(x)
    return np.asarray(path.steps, dtype=np.int64)[:until], x[:until], y[:until]
