"""From where to where the axes of a chart go, on a linear and on a logarithmic scale."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from src.plots.chart import Axis, Chart, Numbers

LARGEST = 1e300  # drawing libraries overflow beyond


def extent(chart: Chart, axis: str, log: bool) -> tuple[float, float]:
    """The ends of the axis "x" or "y" of a chart.

    They hold all lines, bands and points, and straight lines unless these would squeeze everything else: an exact
    loss of rounding, say, on a logarithmic axis.
    """
    own: Axis = getattr(chart, axis)
    if own.limits is not None and (not log or own.limits[0] > 0):
        return own.limits
    levels = _usable([[level.at for level in chart.levels if level.axis == axis]], log)
    values = _usable(_values(chart, axis), log)
    if not len(values):
        values = levels if len(levels) else np.array([1.0])
    scale = np.log10 if log else np.asarray
    low, high = float(scale(values.min())), float(scale(values.max()))
    reach = max(high - low, 1.0) * (0.5 if log else 1.0)
    near = [level for level in np.asarray(scale(levels)) if low - reach <= level <= high + reach]
    low, high = min([low, *near]), max([high, *near])
    margin = 0.02 if axis == "x" else 0.05
    pad = margin * (high - low) or (0.5 if log else 0.5 * abs(high) or 0.5)
    low, high = low - pad, high + pad
    return (10.0 ** max(low, -305.0), 10.0 ** min(high, 305.0)) if log else (low, high)


def extents(chart: Chart) -> dict[str, dict[str, list[float]]]:
    """Of each axis the ends on both scales, or on its own where a reader may not change that."""
    found = {}
    for which, own in (("x", chart.x), ("y", chart.y)):
        scales = ("linear", "log") if own.switch else ("log",) if own.log else ("linear",)
        found[which] = {scale: list(extent(chart, which, scale == "log")) for scale in scales}
    return found


def overflows(chart: Chart) -> bool:
    """Whether something lies beyond the limits of an axis."""
    limited = [(which, axis.limits) for which, axis in (("x", chart.x), ("y", chart.y)) if axis.limits is not None]
    return any(
        len(values) and (values.min() < low or values.max() > high)
        for which, (low, high) in limited
        for values in [_usable(_values(chart, which), log=False)]
    )


def _usable(parts: Iterable[Numbers], log: bool) -> NDArray[np.float64]:
    """Those numbers of all parts that an axis can show."""
    arrays = [np.asarray(part, dtype=np.float64).ravel() for part in parts]
    values = np.concatenate([np.empty(0), *arrays])
    kept: NDArray[np.float64] = values[np.abs(values) < LARGEST]  # not of nan either
    return kept[kept > 0] if log else kept


def _values(chart: Chart, axis: str) -> list[Numbers]:
    """What is drawn along an axis, but for levels."""
    parts: list[Numbers] = [getattr(one, axis) for one in (*chart.lines, *chart.points)]
    if axis == "x":
        return [*parts, [end for region in chart.regions for end in (region.start, region.end) if end is not None]]
    return parts + [edge for line in chart.lines for edge in (line.low, line.high) if edge is not None]
