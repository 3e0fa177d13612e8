"""Of a surface its levels, and as much of a path over it as can be seen."""

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
    """Steps, x and y of a path, `[K]` each, until it is not finite or far out of the window.

    Where it leaves, the last point is on its way there, three windows out: libraries draw none that is much further.
    """
    places = np.array([path.x, path.y], dtype=np.float64)
    ends = np.array(contours.window)
    middle, reach = ends.mean(1)[:, None], 3.5 * np.ptp(ends, axis=1)[:, None]
    gone = ~(np.abs(places - middle) < reach).all(0)
    until = int(gone.argmax()) if gone.any() else len(gone)
    if 0 < until < len(gone) and np.isfinite(places[:, until]).all():
        inside, step = places[:, until - 1], places[:, until] - places[:, until - 1]
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = (middle[:, 0] + np.sign(step) * reach[:, 0] - inside) / step
        places[:, until] = inside + np.nanmin(shares) * step
        until += 1
    return np.asarray(path.steps, dtype=np.int64)[:until], places[0, :until], places[1, :until]
