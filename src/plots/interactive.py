"""A `Chart`, `Heat` or `Contours` as a plotly figure: a dictionary that its script draws in a page.

Every trace and shape of a series has the series' name as its `legendgroup`, by which the page hides it; colours are
those on white, and the page puts `palette.DARK` in their place where it is dark. `layout.meta` holds what plotly
has no word for: `extents` of both scales of each axis, and of an animation its `paths` and its `last` step.
"""

import html
import math
from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
from numpy.typing import NDArray

from src.plots.chart import Axis, Chart, Contours, Heat, Line, Picture, series
from src.plots.extent import extent
from src.plots.fields import heat_map, surface
from src.plots.palette import INK, NEUTRAL, REFERENCE_DASHES, Look, Looks, assign_looks
from src.plots.theme import Plotly, axis, layout, plain, points_of, still, texts, trace


def figure(picture: Picture, looks: Looks | None = None) -> Plotly:
    """A picture as plotly's `data` and `layout`; plain values, none of them infinite or not a number.

    Args:
        picture: what to draw; markup in its texts is shown as it was typed.
        looks: of series, by name; by default those of this picture alone.
    """
    looks = assign_looks(series([picture])) if looks is None else looks
    match picture:
        case Chart():
            return _chart(picture, looks)
        case Heat():
            return heat_map(picture)
        case Contours():
            return surface(picture, looks)
    raise TypeError(f"{picture.name}: it is not drawn yet")


def _chart(chart: Chart, looks: Looks) -> Plotly:
    data = [points_of(chart, points, looks) for points in chart.points if points.role == "data"]
    dashes = cycle(REFERENCE_DASHES)
    bands = [band for line in chart.lines if (band := _band(chart, line, looks))]
    for line in chart.lines:
        dash = line.role == "reference" and next(dashes)[0]
        data.append(_line(chart, line, looks.get(line.name, NEUTRAL), dash or None))
    data += [points_of(chart, points, looks) for points in chart.points if points.role != "data"]
    bars, shades = _regions(chart, looks)
    meta = {"extents": {which: _extents(chart, which) for which in ("x", "y")}}
    axes = {f"{which}axis": _scaled(getattr(chart, which), meta["extents"][which]) for which in ("x", "y")}
    if bars:
        top = round(1 - min(0.024 * len(bars), 0.2), 4)
        axes["yaxis"]["domain"] = [0, top]
        axes["yaxis2"] = {"domain": [top, 1], "range": [0, 1], "fixedrange": True, "visible": False, "anchor": "x"}
    shapes = [*shades, *_levels(chart, looks)]
    return {"data": [*bands, *data, *bars], "layout": layout(**axes, shapes=shapes, meta=meta)}


def _scaled(own: Axis, extents: Mapping[str, Sequence[float]]) -> Plotly:
    """An axis as it starts; plotly wants the ends of a logarithmic one as exponents."""
    if own.log:
        return axis(own.label, type="log", range=[math.log10(end) for end in extents["log"]])
    named = {"tickvals": list(range(len(own.names))), "ticktext": texts(own.names)} if own.names else {}
    return axis(own.label, type="linear", range=list(extents["linear"]), **named)


def _extents(chart: Chart, which: str) -> Plotly:
    own: Axis = getattr(chart, which)
    scales = ("linear", "log") if own.switch else ("log",) if own.log else ("linear",)
    return {scale: list(extent(chart, which, scale == "log")) for scale in scales}


def _line(chart: Chart, line: Line, look: Look, dash: str | None) -> Plotly:
    drawn = trace(chart, line) | {"connectgaps": False}
    style = {"color": look.colour, "width": 2, "dash": look.dash[0], "shape": "hv" if line.stairs else "linear"}
    if dash is not None:
        return drawn | {"mode": "lines", "line": style | {"color": INK, "width": 1.5, "dash": dash}}
    marker = {"color": look.colour, "symbol": look.marker[0], "size": 7}
    if not line.markers:
        marker["maxdisplayed"] = 8
    return drawn | {
        "mode": "lines" if line.markers is None else "lines+markers",
        "line": style,
        "marker": marker,
        "legendgroup": line.name,
    }


def _band(chart: Chart, line: Line, looks: Looks) -> Plotly | None:
    """The band as one closed outline, broken where an edge is not finite."""
    if line.low is None or line.high is None:
        return None
    x, low, high = (np.asarray(part, dtype=np.float64) for part in (line.x, line.low, line.high))
    if chart.y.log or chart.y.switch:  # an edge at 0 is not on a logarithmic axis: down to the bottom, then
        bottom = extent(chart, "y", True)[0]
        low = np.where((low <= 0) & (np.asarray(line.y) > 0), bottom, low)
    outline_x, outline_y = list[float | None](), list[float | None]()
    for part in _pieces(np.isfinite(x) & np.isfinite(low) & np.isfinite(high)):
        gap: list[float | None] = [None] if outline_x else []
        outline_x += gap + plain(np.concatenate([x[part], x[part][::-1]]))
        outline_y += gap + plain(np.concatenate([high[part], low[part][::-1]]))
    return {
        "type": "scatter",
        "mode": "lines",
        "name": html.escape(line.name),
        "legendgroup": line.name,
        "x": outline_x,
        "y": outline_y,
        "fill": "toself",
        "fillcolor": f"{looks.get(line.name, NEUTRAL).colour}29",
        "line": {"width": 0},
        "hoverinfo": "skip",
    }


def _pieces(good: NDArray[np.bool_]) -> list[slice]:
    """Where it is true without a break."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], good, [False]]).astype(np.int8)))
    return [slice(int(start), int(end)) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def _levels(chart: Chart, looks: Looks) -> list[Plotly]:
    shapes = []
    for level in chart.levels:
        if not math.isfinite(level.at):
            continue
        colour = looks.get(level.of, NEUTRAL).colour
        at, across = ("x", "y") if level.axis == "x" else ("y", "x")
        label = {"text": html.escape(level.name), "font": {"size": 11, "color": colour}, "padding": 4}
        label["textposition"] = "start" if at == "y" or chart.named_below(level) else "end"
        if at == "x":
            label["xanchor"] = "left" if chart.named_below(level) else "right"
        ends = {f"{at}0": level.at, f"{at}1": level.at, f"{at}ref": at, f"{across}ref": f"{across} domain"}
        line = {"color": colour, "width": 1.2, "dash": "2px,3px" if level.dotted else "5px,3px"}
        shape = {"type": "line", **ends, f"{across}0": 0, f"{across}1": 1, "line": line, "label": label}
        shapes.append(shape | ({"legendgroup": level.of} if level.of else {}))
    return shapes


def _regions(chart: Chart, looks: Looks) -> tuple[list[Plotly], list[Plotly]]:
    """Bars at the top that can be hovered over, and light shades below them."""
    lows, highs = zip(*_extents(chart, "x").values(), strict=True)
    low, high = min(lows), max(highs)
    bars, shades = [], []
    for index, region in enumerate(chart.regions):
        colour = looks.get(region.of, NEUTRAL).colour
        start = low if region.start is None else region.start
        end = high if region.end is None else region.end
        bars.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": plain(np.geomspace(start, end, 20) if start > 0 else np.linspace(start, end, 20)),
                "y": [round(1 - (index + 0.5) / len(chart.regions), 4)] * 20,
                "yaxis": "y2",
                "line": {"color": colour, "width": 5},
                "name": html.escape(region.name),
                "hovertemplate": f"{still(region.name)}<extra></extra>",
                "legendgroup": region.of,
            }
        )
        shade = {"type": "rect", "x0": start, "x1": end, "yref": "y domain", "y0": 0, "y1": 1, "layer": "below"}
        shades.append(shade | {"fillcolor": f"{colour}0d", "line": {"width": 0}, "legendgroup": region.of})
    return bars, shades
