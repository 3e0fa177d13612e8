"""A `Chart`, `Heat`, `Contours` or `Animation` as a matplotlib figure."""

from collections.abc import Sequence
from itertools import cycle
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import BoundaryNorm, LinearSegmentedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from src.plots.chart import Animation, Chart, Contours, Heat, Level, Line, Path, Picture, Points, Region, series
from src.plots.contours import levels, visible
from src.plots.extent import extent
from src.plots.palette import (
    CLOUD,
    FAINT,
    GRID,
    INK,
    MISSING,
    NEUTRAL,
    PAPER,
    REFERENCE_DASHES,
    TERRAIN,
    Look,
    Looks,
    looks,
)

HALO: Any = {"fontsize": 8, "path_effects": [withStroke(linewidth=2.5, foreground=PAPER)]}
# a file is the same each time it is written
STYLE: Any = {
    "svg.hashsalt": "descent-lab",
    "svg.fonttype": "path",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": CLOUD,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "savefig.facecolor": "white",
}


def figure(picture: Picture, known: Looks | None = None) -> Figure:
    """A picture as a matplotlib figure; an animation as it ends.

    Args:
        picture: what to draw.
        known: looks of series by name.
    """
    known = looks(series([picture])) if known is None else known
    with mpl.rc_context(STYLE):
        match picture:
            case Chart():
                return _chart(picture, known)
            case Heat():
                return _heat(picture)
            case Contours():
                return _contours(picture, known)
            case Animation():
                return _contours(picture.contours, known)


def plain(text: str) -> str:
    """A text that matplotlib neither reads as mathematics nor, beginning with `_`, keeps out of a legend."""
    return f"{' ' if text.startswith('_') else ''}{text}".replace("$", r"\$")


def _figure(title: str, width: float, height: float, above: int = 0) -> tuple[Figure, Axes]:
    drawn = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(drawn)
    axes = drawn.add_subplot()
    axes.set_title(plain(title), loc="left", fontsize=12, fontweight="bold", pad=6 + min(6.5 * above, 54))
    return drawn, axes


def legend(axes: Axes) -> None:
    """Every name once, beside the axes."""
    handles, names = axes.get_legend_handles_labels()
    unique = dict(zip(reversed(names), reversed(handles), strict=True))
    names = [name for name in dict.fromkeys(names) if name]
    if names:
        # beside the axes, where it covers nothing however many there are
        where: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0), "borderaxespad": 0.0}
        axes.legend([unique[name] for name in names], names, fontsize=9, handlelength=2.6, **where)


# --- charts ----------------------------------------------------------------------------------------------------------


def _chart(chart: Chart, known: Looks) -> Figure:
    drawn, axes = _figure(chart.title, 8.2, 4.4, above=len(chart.regions))
    for which, axis in (("x", chart.x), ("y", chart.y)):
        getattr(axes, f"set_{which}label")(plain(axis.label))
        if axis.log:
            getattr(axes, f"set_{which}scale")("log", nonpositive="mask")
        getattr(axes, f"set_{which}lim")(*extent(chart, which, axis.log))
    axes.grid(color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    for points in chart.points:
        _points(axes, points, known)
    dashes = cycle(REFERENCE_DASHES)
    for line in chart.lines:
        if line.role == "series":
            _series(axes, line, known.get(line.name, NEUTRAL))
        else:
            axes.plot(line.x, line.y, color=INK, linewidth=1.3, linestyle=next(dashes)[1], label=plain(line.name))
    upright = sorted({level.at for level in chart.levels if level.axis == "x"})
    for level in chart.levels:
        # by turns below and above: the critical and the best rate often lie side by side
        _level(axes, level, known, below=level.axis == "y" or upright.index(level.at) % 2 == 0)
    _regions(axes, chart.regions, known)
    legend(axes)
    return drawn


def _series(axes: Axes, line: Line, look: Look) -> None:
    x = np.asarray(line.x, dtype=np.float64)
    every = 1 if line.markers else max(1, len(x) // 8)
    style: dict[str, Any] = {"color": look.colour, "linestyle": look.dash[1], "linewidth": 1.8}
    drawstyle = "steps-post" if line.stairs else "default"
    marker: dict[str, Any] = {"marker": look.marker[1], "markersize": 5, "markevery": every}
    axes.plot(x, np.asarray(line.y), label=plain(line.name), drawstyle=drawstyle, **style, **marker)
    if line.low is not None and line.high is not None:
        step: Literal["post"] | None = "post" if line.stairs else None
        low, high = (np.asarray(edge, dtype=np.float64) for edge in (line.low, line.high))
        if axes.get_yscale() == "log":
            low = np.where(low > 0, low, axes.get_ylim()[0])
        axes.fill_between(x, low, high, color=look.colour, alpha=0.16, linewidth=0, step=step)


def _points(axes: Axes, points: Points, known: Looks) -> None:
    x, y = np.asarray(points.x), np.asarray(points.y)
    if points.role == "data":
        axes.scatter(x, y, s=14, color=CLOUD, alpha=0.7, linewidths=0, label=plain(points.name))
    elif points.role == "mark":
        axes.scatter(x, y, s=90, color=INK, marker="*", zorder=5, label=plain(points.name))
    else:
        look = known.get(points.name, NEUTRAL)
        axes.scatter(x, y, s=26, color=look.colour, marker=look.marker[1], zorder=4, label=plain(points.name))


def _level(axes: Axes, level: Level, known: Looks, below: bool) -> None:
    colour = known[level.of].colour if level.of in known else INK
    edges = axes.get_xlim() if level.axis == "x" else axes.get_ylim()
    log = (axes.get_xscale() if level.axis == "x" else axes.get_yscale()) == "log"
    if not edges[0] <= level.at <= edges[1] or (log and level.at <= 0):
        return
    style = (0, (1.5, 2)) if level.dotted else (0, (5, 3))
    if level.axis == "x":
        axes.axvline(level.at, color=colour, linewidth=1.1, linestyle=style)
        height: dict[str, Any] = {"y": 0.02, "va": "bottom"} if below else {"y": 0.94, "va": "top"}
        place: dict[str, Any] = {"x": level.at, "rotation": 90, "ha": "right", **height}
        axes.text(**place, s=plain(level.name), color=colour, **HALO, transform=axes.get_xaxis_transform())
    else:
        axes.axhline(level.at, color=colour, linewidth=1.1, linestyle=style)
        place = {"x": 0.01, "y": level.at, "ha": "left", "va": "bottom"}
        axes.text(**place, s=plain(level.name), color=colour, **HALO, transform=axes.get_yaxis_transform())


def _regions(axes: Axes, regions: Sequence[Region], known: Looks) -> None:
    """Each in a light shade, with a bar of its own colour above the axes."""
    low, high = axes.get_xlim()
    for index, region in enumerate(regions):
        colour = known[region.of].colour if region.of in known else FAINT
        start, end = max(low, region.start or low), min(high, high if region.end is None else region.end)
        if start >= end:
            continue
        axes.axvspan(start, end, color=colour, alpha=0.05, linewidth=0)
        each = min(0.024, 0.2 / len(regions))
        place = 1.008 + each * (len(regions) - 1 - index)
        box = Rectangle((start, place), end - start, each * 2 / 3, transform=axes.get_xaxis_transform())
        box.set(facecolor=colour, alpha=0.85, linewidth=0, clip_on=False)
        axes.add_patch(box)
        if not region.of:
            corner: dict[str, Any] = {"x": start, "y": 0.98, "ha": "left", "va": "top", "fontsize": 8, "color": FAINT}
            axes.text(**corner, s=f" {plain(region.name)}", transform=axes.get_xaxis_transform())


# --- matrices --------------------------------------------------------------------------------------------------------


def _heat(heat: Heat) -> Figure:
    rows, columns = heat.values.shape
    texts = isinstance(heat.x[0], str) if len(heat.x) else True
    width = min(14.0, max(6.0, 3.0 + 0.42 * columns)) if texts else 8.2
    downwards = isinstance(heat.y[0], str) if len(heat.y) else True
    drawn, axes = _figure(heat.title, width, min(14.0, max(2.6, 1.6 + 0.34 * rows)) if downwards else 4.4)
    values = heat.values.astype(np.float64)
    shown = np.isfinite(values) & ((values > 0) if heat.log else True)
    masked = np.ma.array(values, mask=~shown)
    low, high = (float(masked.min()), float(masked.max())) if shown.any() else (1.0, 10.0)
    norm = LogNorm(low, high if high > low else low * 10) if heat.log else Normalize(low, high)
    axes.set_facecolor(MISSING)
    x, y = _middles(heat.x), _middles(heat.y)
    mesh = axes.pcolormesh(x, y, masked, cmap="cividis", norm=norm, rasterized=True)
    if texts and downwards:
        axes.plot(*(np.argwhere(~shown)[:, ::-1].T), "x", color=FAINT, markersize=6)
    _ticks(axes, heat)
    if downwards:
        axes.invert_yaxis()
    axes.set_xlabel(plain(heat.x_label + f"   (×: {heat.missing})" * (texts and not shown.all())))
    axes.set_ylabel(plain(heat.y_label))
    drawn.colorbar(mesh, ax=axes, label=plain(heat.value_label))
    return drawn


def _middles(labels: Sequence[str] | Sequence[float]) -> NDArray[np.float64]:
    texts = any(isinstance(label, str) for label in labels)
    return np.arange(len(labels), dtype=np.float64) if texts else np.array(labels, dtype=np.float64)


def _ticks(axes: Axes, heat: Heat) -> None:
    for which, labels in (("x", heat.x), ("y", heat.y)):
        if labels and isinstance(labels[0], str):
            every = max(1, -(-len(labels) // 30))
            places = range(0, len(labels), every)
            getattr(axes, f"set_{which}ticks")(list(places), [plain(str(labels[place])) for place in places])
    if heat.x and isinstance(heat.x[0], str) and len(heat.x) * max(map(len, map(str, heat.x))) > 60:
        axes.tick_params("x", rotation=60)


# --- surfaces --------------------------------------------------------------------------------------------------------


def _contours(contours: Contours, known: Looks) -> Figure:
    drawn, axes = ground(contours)
    for path in contours.paths:
        steps, x, y = visible(path, contours)
        way(axes, path, known.get(path.name, NEUTRAL)).set_data(x, y)
        if len(steps):
            look = known.get(path.name, NEUTRAL)
            axes.plot(x[-1:], y[-1:], look.marker[1], color=look.colour, markersize=7, markeredgecolor="white")
    legend(axes)
    return drawn


def ground(contours: Contours) -> tuple[Figure, Axes]:
    """A surface without its paths."""
    drawn, axes = _figure(contours.title, 7.6, 5.4)
    x, y = np.asarray(contours.grid_x), np.asarray(contours.grid_y)
    edges = levels(contours)
    heights = np.clip(np.nan_to_num(contours.heights, nan=edges[-1]), edges[0], edges[-1])
    if edges[-1] > edges[0]:
        shades = LinearSegmentedColormap.from_list("terrain", list(TERRAIN), len(edges) - 1)
        norm = BoundaryNorm(edges, shades.N)
        axes.contourf(x, y, heights, edges, cmap=shades, norm=norm)
        axes.contour(x, y, heights, edges, colors=CLOUD, linewidths=0.4)
    axes.set_xlim(contours.x.limits or (x[0], x[-1]))
    axes.set_ylim(contours.y.limits or (y[0], y[-1]))
    axes.set_xlabel(plain(contours.x.label))
    axes.set_ylabel(plain(contours.y.label))
    dashes = cycle(REFERENCE_DASHES)
    for line in contours.axes:
        axes.plot(line.x, line.y, color=FAINT, linewidth=1.1, linestyle=next(dashes)[1], label=plain(line.name))
    for marks in contours.marks:
        _points(axes, marks, {})
    return drawn, axes


def way(axes: Axes, path: Path, look: Look) -> Any:
    """The line of a path, still empty."""
    style: dict[str, Any] = {"color": look.colour, "linestyle": look.dash[1], "linewidth": 1.8}
    return axes.plot([], [], label=plain(path.name), **style)[0]
