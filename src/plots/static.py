"""A `Chart`, `Heat` or `Contours` as a matplotlib figure."""

import math
from collections.abc import Callable, Sequence
from itertools import cycle
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import BoundaryNorm, LinearSegmentedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from src.plots.chart import Chart, Contours, Heat, Level, Line, Picture, Points, Region, are_texts, series
from src.plots.contours import levels, visible
from src.plots.extent import extent, level_label
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
    assign_looks,
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


def figure(picture: Picture, looks: Looks | None = None) -> Figure:
    """A picture as a matplotlib figure; an animation as it ends.

    Args:
        picture: what to draw.
        looks: of series, by name; by default those of this picture alone.
    """
    looks = assign_looks(series([picture])) if looks is None else looks
    with mpl.rc_context(STYLE):
        match picture:
            case Chart():
                drawn, axes = _figure(picture.title, 8.2, 4.4, above=len(picture.regions))
                draw(axes, picture, looks)
            case Heat():
                drawn = _heat(picture)
            case Contours():
                drawn, axes = ground(picture)
                draw_paths(axes, picture, looks)(math.inf)
                legend(axes)
    return drawn


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
    """Every name once, beside the axes, where it covers nothing however many there are."""
    handles, names = axes.get_legend_handles_labels()
    unique = dict(zip(reversed(names), reversed(handles), strict=True))
    names = [name for name in dict.fromkeys(names) if name]
    if names:
        where: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0), "borderaxespad": 0.0}
        axes.legend([unique[name] for name in names], names, fontsize=9, handlelength=2.6, **where)


# --- charts ----------------------------------------------------------------------------------------------------------


def draw(axes: Axes, chart: Chart, looks: Looks) -> None:
    """Draw a chart, without its title, into empty axes."""
    for which, axis in (("x", chart.x), ("y", chart.y)):
        getattr(axes, f"set_{which}label")(plain(axis.label))
        if axis.log:
            getattr(axes, f"set_{which}scale")("log", nonpositive="mask")
        getattr(axes, f"set_{which}lim")(*extent(chart, which, axis.log))
        if axis.names:
            getattr(axes, f"set_{which}ticks")(range(len(axis.names)), list(map(plain, axis.names)))
    axes.grid(color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    for points in chart.points:
        _points(axes, points, looks)
    dashes = cycle(REFERENCE_DASHES)
    for line in chart.lines:
        if line.role == "series":
            _series(axes, line, looks.get(line.name, NEUTRAL))
        else:
            axes.plot(line.x, line.y, color=INK, linewidth=1.3, linestyle=next(dashes)[1], label=plain(line.name))
    for level in chart.levels:
        _level(axes, chart, level, looks.get(level.of, NEUTRAL).colour)
    _regions(axes, chart.regions, looks)
    legend(axes)


def _series(axes: Axes, line: Line, look: Look) -> None:
    x = np.asarray(line.x, dtype=np.float64)
    every = 1 if line.markers else max(1, len(x) // 8)
    style: dict[str, Any] = {"color": look.colour, "linestyle": look.dash[1], "linewidth": 1.8}
    drawstyle = "steps-post" if line.stairs else "default"
    marker: dict[str, Any] = {"marker": look.marker[1], "markersize": 5, "markevery": every}
    marker = {} if line.markers is None else marker
    axes.plot(x, np.asarray(line.y), label=plain(line.name), drawstyle=drawstyle, **style, **marker)
    if line.low is not None and line.high is not None:
        low, high = (np.asarray(edge, dtype=np.float64) for edge in (line.low, line.high))
        if axes.get_yscale() == "log":
            low = np.where(low > 0, low, axes.get_ylim()[0])
        axes.fill_between(x, low, high, color=look.colour, alpha=0.16, linewidth=0)


def _points(axes: Axes, points: Points, looks: Looks) -> None:
    x, y = np.asarray(points.x), np.asarray(points.y)
    if points.role == "data":
        axes.scatter(x, y, s=14, color=CLOUD, alpha=0.7, linewidths=0, label=plain(points.name))
    elif points.role == "star":
        axes.scatter(x, y, s=90, color=INK, marker="*", zorder=5, label=plain(points.name))
    elif points.role == "start":
        axes.scatter(x, y, s=60, facecolors="none", edgecolors=INK, linewidths=1.5, zorder=5, label=plain(points.name))
    elif points.role == "saddle":
        axes.scatter(x, y, s=45, color=INK, marker="x", linewidths=1.5, zorder=5, label=plain(points.name))
    else:
        look = looks.get(points.name, NEUTRAL)
        axes.scatter(x, y, s=26, color=look.colour, marker=look.marker[1], zorder=4, label=plain(points.name))


def _level(axes: Axes, chart: Chart, level: Level, colour: str) -> None:
    style: dict[str, Any] = {"color": colour, "linewidth": 1.1}
    style["linestyle"] = (0, (1.5, 2)) if level.dotted else (0, (5, 3))
    text: dict[str, Any] = {"s": plain(level.name), "color": colour, **HALO}
    name = level_label(chart, level)
    if name != level.name:
        axes.plot([], [], label=plain(name), **style)
    elif level.axis == "x":
        axes.axvline(level.at, **style)
        y, va = (0.02, "bottom") if chart.named_below(level) else (0.94, "top")
        axes.text(level.at, y, rotation=90, ha="right", va=va, transform=axes.get_xaxis_transform(), **text)
    else:
        axes.axhline(level.at, **style)
        axes.text(0.01, level.at, ha="left", va="bottom", transform=axes.get_yaxis_transform(), **text)


def _regions(axes: Axes, regions: Sequence[Region], looks: Looks) -> None:
    """Each in a light shade, with a bar of its own colour above the axes."""
    low, high = axes.get_xlim()
    for index, region in enumerate(regions):
        colour = looks.get(region.of, NEUTRAL).colour
        start, end = max(low, region.start or low), min(high, high if region.end is None else region.end)
        if start >= end:
            continue
        axes.axvspan(start, end, color=colour, alpha=0.05, linewidth=0)
        each = min(0.024, 0.2 / len(regions))
        bottom = 1.008 + each * (len(regions) - 1 - index)
        box = Rectangle((start, bottom), end - start, each * 2 / 3, transform=axes.get_xaxis_transform())
        box.set(facecolor=colour, alpha=0.85, linewidth=0, clip_on=False)
        axes.add_patch(box)


# --- matrices --------------------------------------------------------------------------------------------------------


def _heat(heat: Heat) -> Figure:
    rows, columns = heat.values.shape
    across, down = are_texts(heat.x), are_texts(heat.y)
    width = min(14.0, max(6.0, 3.0 + 0.42 * columns)) if across else 8.2
    drawn, axes = _figure(heat.title, width, min(14.0, max(2.6, 1.6 + 0.34 * rows)) if down else 4.4)
    shown = heat.shown
    masked = np.ma.array(heat.values.astype(np.float64), mask=~shown)
    low, high = (float(masked.min()), float(masked.max())) if shown.any() else (1.0, 10.0)
    norm = LogNorm(low, high if high > low else low * 10) if heat.log else Normalize(low, high)
    axes.set_facecolor(MISSING)
    x, y = (np.arange(len(of)) if are_texts(of) else np.array(of, dtype=np.float64) for of in (heat.x, heat.y))
    mesh = axes.pcolormesh(x, y, masked, cmap="cividis", norm=norm, rasterized=True)
    if across and down:
        axes.plot(*(np.argwhere(~shown)[:, ::-1].T), "x", color=FAINT, markersize=6)
    for axis, labels in ((axes.xaxis, heat.x), (axes.yaxis, heat.y)):
        if labels and are_texts(labels):
            every = -(-len(labels) // 30)
            axis.set_ticks(range(0, len(labels), every), [plain(str(label)) for label in labels[::every]])
    if heat.x and across and len(heat.x) * max(map(len, map(str, heat.x))) > 60:
        axes.tick_params("x", rotation=60)
    if down:
        axes.invert_yaxis()
    axes.set_xlabel(plain(heat.x_label + f"   (×: {heat.missing})" * (across and not shown.all())))
    axes.set_ylabel(plain(heat.y_label))
    drawn.colorbar(mesh, ax=axes, label=plain(heat.value_label))
    return drawn


# --- surfaces --------------------------------------------------------------------------------------------------------


def ground(contours: Contours) -> tuple[Figure, Axes]:
    """A surface without its paths, and without a legend."""
    drawn, axes = _figure(contours.title, 7.6, 5.4)
    x, y = np.asarray(contours.grid_x), np.asarray(contours.grid_y)
    edges = levels(contours.heights)
    heights = np.clip(np.nan_to_num(contours.heights, nan=edges[-1]), edges[0], edges[-1])
    if edges[-1] > edges[0]:
        shades = LinearSegmentedColormap.from_list("terrain", list(TERRAIN), len(edges) - 1)
        norm = BoundaryNorm(edges, shades.N)
        axes.contourf(x, y, heights, edges, cmap=shades, norm=norm)
        axes.contour(x, y, heights, edges, colors=CLOUD, linewidths=0.4)
    ends_x, ends_y = contours.window
    axes.set_aspect("equal")
    axes.set_xlim(ends_x)
    axes.set_ylim(ends_y)
    axes.set_xlabel(plain(contours.x.label))
    axes.set_ylabel(plain(contours.y.label))
    dashes = cycle(REFERENCE_DASHES)
    for line in contours.axes:
        axes.plot(line.x, line.y, color=FAINT, linewidth=1.1, linestyle=next(dashes)[1], label=plain(line.name))
    for points in contours.points:
        _points(axes, points, {})
    return drawn, axes


def draw_paths(axes: Axes, contours: Contours, looks: Looks) -> Callable[[float], list[Artist]]:
    """Paths over a surface, each with a marker at its end.

    Returns:
        what moves them to a step, and returns all that it moved; before the first call they are empty.
    """
    trails = []
    for path in contours.paths:
        look = looks.get(path.name, NEUTRAL)
        style: dict[str, Any] = {"color": look.colour, "linestyle": look.dash[1], "linewidth": 1.8}
        (line,) = axes.plot([], [], label=plain(path.name), **style)
        (end,) = axes.plot([], [], look.marker[1], color=look.colour, markersize=7, markeredgecolor="white")
        trails.append((line, end, visible(path, contours)))

    def move(step: float) -> list[Artist]:
        for line, end, (steps, x, y) in trails:
            until = int(np.searchsorted(steps, step, side="right"))
            line.set_data(x[:until], y[:until])
            end.set_data(x[:until][-1:], y[:until][-1:])
        return [artist for line, end, _ in trails for artist in (line, end)]

    return move
