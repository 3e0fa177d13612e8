"""What both ways of drawing a surface share: its levels, and as much of a path as can be seen."""

import numpy as np
from numpy.typing import NDArray

from src.plots.chart import Contours, Path

NUMBER = 22


def levels(contours: Contours) -> NDArray[np.float64]:
    """Ascending heights of the contour lines; a single one for a surface that is level."""
    heights = contours.heights[np.isfinite(contours.heights)]
    if not len(heights):
        return np.zeros(1)
    low, high = float(heights.min()), float(heights.max())
    if not high > low:
        return np.array([low])
    if not contours.log:
        return np.linspace(low, high, NUMBER)
    rise = heights - low
    # the grid hardly ever meets the minimum: the lowest ring holds a two-hundredth of the window
    first = max(float(np.quantile(rise, 0.005)), 1e-9 * (high - low))
    return low + np.concatenate([[0.0], np.geomspace(first, high - low, NUMBER)])


def visible(path: Path, contours: Contours) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Steps and places of a path, up to the first place that is not finite or far out of the window."""
    x, y = np.asarray(path.x, dtype=np.float64), np.asarray(path.y, dtype=np.float64)
    gone = np.zeros(len(x), dtype=bool)
    for places, axis, grid in ((x, contours.x, contours.grid_x), (y, contours.y, contours.grid_y)):
        low, high = axis.limits or (float(np.min(grid)), float(np.max(grid)))
        span = high - low
        gone |= ~((places > low - 3 * span) & (places < high + 3 * span))
    until = int(gone.argmax()) if gone.any() else len(x)
    return np.asarray(path.steps, dtype=np.int64)[:until], x[:until], y[:until]
