"""A `Chart` in Vega-Lite: lines, bands, points, straight lines and shaded stretches over two axes of numbers.

What depends on pixels, such as labels that keep apart, is computed by the spec itself, so that it still holds where
the reader hides a series, switches an axis to its other scale, or drags.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from src.plots.chart import Chart, Line, Numbers, Points
from src.plots.extent import extents, overflows
from src.plots.palette import CLOUD, NEUTRAL, ROLES, Look, Looks, references
from src.plots.spec import (
    FADED,
    FULL,
    LABELLED,
    LINE_HEIGHT,
    PARAMS,
    SHOWN,
    ZOOM,
    Spec,
    apart,
    by_looks,
    calculated,
    flattened,
    haloed,
    numbers,
    quantity,
    told,
    tooltip,
    whole,
)

HEIGHT = 340
MOST_SEEN, MOST_HOVERED = 8, 60
"""How many points of a line without markers of its own have one, and how many can be hovered over."""
NEITHER, HOVERED, SEEN = 0, 1, 2
"""Of a point its `dot`: in a file only those are there that are seen."""
NAME_WIDTH = 190
RULE: Spec = {"type": "rule", "strokeWidth": 1.2, "clip": True, "tooltip": {"expr": "datum.name"}}
LEVEL_DASHES: Spec = {"condition": {"test": "datum.dotted", "value": [2, 3]}, "value": [5, 3]}
FIELDS = "x", "given", "foot", "high", "hover", "run", "dot"
# what is computed has another name than what it is computed from: Vega computes it anew, in place, when an axis moves
ON_AXES = "isValid(datum.given) && isFinite(scale('x', datum.x)) && isFinite(scale('y', datum.given))"


def lines(chart: Chart, looks: Looks, legend: bool = False) -> Spec:
    """The spec; `usermeta.extents` holds the ends of both scales of each axis, as far as a reader may choose them.

    Args:
        chart: what to draw.
        looks: of its series.
        legend: whether what is not named at its end is named below.
    """
    styles, named = _styles(chart, looks), _named_at_their_end(chart)
    written = {end["series"] for end in named[:LABELLED]} | set(chart.y.names)
    unwritten = [name for name in styles if name and name not in written]
    in_legend = (
        {"values": unwritten, "title": None, "orient": "bottom", "columns": 5, **FULL} if legend and unwritten else None
    )
    colour, shape, dash = by_looks(styles)
    ends = extents(chart)
    told_of = {chart.x.label: told("x"), chart.y.label: told("value")}
    shown = tooltip("datum.series", told_of, "(datum.hover || datum.note) ? {' ': datum.hover || datum.note} : {}")
    # nobody drags a file; its lines are clipped where the axes do not hold all, for each costs a picture's time
    clip = not legend or overflows(chart)
    return whole(
        max(120, 34 * len(chart.y.names)) if chart.y.names else HEIGHT,
        params=PARAMS,
        data={"values": [*_of_lines(chart), *map(_of_points, chart.points)]},
        transform=[
            *flattened(FIELDS),
            {"filter": SHOWN},
            *calculated(
                value="datum.high - datum.foot" if chart.stacked else "datum.given",
                # on a logarithmic axis a line breaks at 0, and a band goes down to the bottom
                y=f"{ON_AXES} ? datum.given : null",
                low="isFinite(scale('y', datum.foot)) ? datum.foot : domain('y')[0]",
            ),
        ],
        encoding={"x": quantity("x", chart.x, ends["x"]), "y": quantity("y", chart.y, ends["y"])},
        layer=[
            *_regions(chart, colour),
            _clouds(colour, shown),
            _bands(chart, colour, clip),
            _strokes(chart, colour, dash, clip, faded=True),
            _strokes(chart, colour, dash | {"legend": None}, clip, faded=False) | {"params": [ZOOM]},
            *_levels(chart, colour),
            _points(colour | {"legend": in_legend}, shape | {"legend": in_legend}, shown, SEEN if legend else HOVERED),
            *_names(chart, named, colour),
        ],
        usermeta={"extents": ends},
    )


def _styles(chart: Chart, looks: Looks) -> dict[str, Look]:
    """How everything looks that has a name, in the order of the legend."""
    foreseen = references(line.name for line in chart.lines if line.role == "reference")
    styles = {line.name: foreseen.get(line.name) or looks.get(line.name, NEUTRAL) for line in chart.lines}
    for points in chart.points:
        styles[points.name] = ROLES.get(points.role) or looks.get(points.name, NEUTRAL)
    for of in [*(level.of for level in chart.levels), *(region.of for region in chart.regions)]:
        styles.setdefault(of, looks.get(of, NEUTRAL))
    return styles


# --- what was measured -----------------------------------------------------------------------------------------------


def _of_lines(chart: Chart) -> Iterator[Spec]:
    below: Numbers = np.zeros(len(chart.lines[0].x) if chart.lines else 0)
    for line in chart.lines:
        row = _row("line", line, _dots_of(line, chart.stacked))
        if chart.stacked:
            above = np.asarray(below) + np.asarray(line.y)
            row |= {"given": numbers(above), "foot": numbers(below), "high": numbers(above)}
            below = above
        elif line.low is not None and line.high is not None:
            row |= {"foot": numbers(line.low), "high": numbers(line.high)}
        yield row


def _of_points(points: Points) -> Spec:
    return _row("cloud" if points.role == "data" else "points", points, [SEEN] * len(points.x))


def _row(kind: str, of: Line | Points, dots: list[int]) -> Spec:
    """All of a line's points in a row; a text that all share is there once."""
    told = {"note": of.hover, "hover": []} if isinstance(of.hover, str) else {"hover": list(of.hover)}
    places = {"x": numbers(of.x), "given": numbers(of.y), "foot": [], "high": []}
    return {"series": of.name, "kind": kind, **places, **told, "run": list(of.runs), "dot": dots}


def _dots_of(line: Line, stacked: bool) -> list[int]:
    number = len(line.x)
    hovered, seen = (1 if line.markers else max(1, number // most) for most in (MOST_HOVERED, MOST_SEEN))
    bare = line.markers is None or line.role == "reference" or stacked
    return [SEEN if not (bare or at % seen) else NEITHER if at % hovered else HOVERED for at in range(number)]


def _clouds(colour: Spec, shown: Spec) -> Spec:
    return {
        "transform": [{"filter": "datum.kind === 'cloud'"}],
        "mark": {"type": "point", "filled": True, "size": 22, "opacity": 0.7, "clip": True, "tooltip": shown},
        "encoding": {"color": colour},
    }


def _bands(chart: Chart, colour: Spec, clip: bool) -> Spec:
    return {
        "transform": [{"filter": f"datum.kind === 'line' && isValid(datum.high) && !({FADED})"}],
        "mark": {"type": "area", "clip": clip, "opacity": 1, "fillOpacity": 0.85 if chart.stacked else 0.16},
        "encoding": {"y": {"field": "low"}, "y2": {"field": "high"}, "color": colour},
    }


def _strokes(chart: Chart, colour: Spec, dash: Spec, clip: bool, faded: bool) -> Spec:
    stairs = any(line.stairs for line in chart.lines)
    mark = {"type": "line", "clip": clip, "interpolate": "step-after" if stairs else "linear", "strokeJoin": "round"}
    if faded:
        own: Spec = {"mark": mark | {"strokeWidth": 1, "color": CLOUD}}
        own["encoding"] = {"detail": {"field": "series"}}
    else:
        own = {"mark": mark | {"strokeWidth": 2}, "encoding": {"color": colour, "strokeDash": dash}}
    return {"transform": [{"filter": f"datum.kind === 'line' && {'' if faded else '!'}({FADED})"}], **own}


def _points(colour: Spec, shape: Spec, shown: Spec, least: int) -> Spec:
    """Markers, and what cannot be seen but hovered over; of a series that faded only the latter."""
    return {
        "transform": [{"filter": f"datum.kind !== 'cloud' && datum.dot >= {least} && isValid(datum.y)"}],
        "mark": {
            "type": "point",
            "filled": True,
            "clip": True,
            "opacity": {"expr": f"datum.dot === {SEEN} && !({FADED}) ? 1 : 0"},
            "size": {"expr": "datum.kind === 'points' ? 70 : 45"},
            "tooltip": shown,
        },
        "encoding": {"color": colour, "shape": shape},
    }


def _named_at_their_end(chart: Chart) -> list[Spec]:
    """Of each line its last point, where its name is written; of an area the middle there."""
    ends, below = [], 0.0
    for line in () if chart.y.names else chart.lines:
        x, y = (np.asarray(one, dtype=np.float64) for one in (line.x, line.y))
        there = np.flatnonzero(np.isfinite(x) & np.isfinite(y) & ((y > 0) | (not chart.y.log)))
        if len(there):
            end = float(y[there[-1]])
            height = below + end / 2 if chart.stacked else end
            below += end
            at = dict(zip(("x", "at"), numbers([x[there[-1]], height]), strict=True))
            ends.append({"series": line.name, "name": line.name, **at})
    return ends


def _names(chart: Chart, ends: Sequence[Spec], colour: Spec) -> list[Spec]:
    """Names where lines and levels end; of two that end far from each other neither moves the other.

    Where lines are not named, for there is no room, levels are at their left.
    """
    rows = [*ends, *(row | {"level": True} for row in _levels_along("y", chart))]
    if not rows:
        return []
    transform = [
        *_at_the_edge("y", "↓", "↑"),
        *calculated(
            text="datum.level ? datum.text : datum.name",
            across="scale('x', datum.level ? domain('x')[labelled ? 1 : 0] : datum.x)",
            place="max(0, scale('y', datum.level ? datum.y : datum.at))",
        ),
        {"filter": f"{SHOWN} && !({FADED}) && isFinite(datum.across) && isFinite(datum.place)"},
        {"window": [{"op": "row_number", "as": "number"}], "groupby": ["level"]},
        {"filter": "datum.level || datum.number <= labelled"},
        {"window": [{"op": "lag", "field": "across", "as": "before"}], "sort": [{"field": "across"}]},
        *calculated(new=f"datum.across - datum.before > {NAME_WIDTH} ? 1 : 0"),
        {"window": [{"op": "sum", "field": "new", "as": "group"}], "sort": [{"field": "across"}]},
        *apart("datum.group"),
    ]
    above = "datum.level && !labelled"
    mark = {"align": "left", "dx": 7, "dy": {"expr": f"{above} ? -8 : 0"}, "limit": NAME_WIDTH}
    place = {"x": {"field": "across", "scale": None}, "y": {"field": "place", "scale": None}, "color": colour}
    return [{"data": {"values": rows}, "transform": transform, "layer": haloed({"field": "text"}, mark, place)}]


# --- what stands behind ----------------------------------------------------------------------------------------------


def _levels(chart: Chart, colour: Spec) -> list[Spec]:
    """Dashed straight lines; one beyond its axis is told at the edge."""
    layers = []
    for axis, other, drawn in (("x", "y", _upright), ("y", "x", _level_with)):
        if rows := _levels_along(axis, chart):
            shown = [{"filter": SHOWN}, *calculated(**{other: f"domain('{other}')[0]"})]
            layers.append({"data": {"values": rows}, "transform": shown, "layer": drawn(chart, colour)})
    return layers


def _levels_along(axis: str, chart: Chart) -> list[Spec]:
    return [
        {"series": one.of, "name": one.name, "at": one.at, "dotted": one.dotted}
        for one in chart.levels
        if one.axis == axis and math.isfinite(one.at)
    ]


def _bars_height(chart: Chart) -> float:
    return min(40.0, 6.0 * len(chart.regions))


def _upright(chart: Chart, colour: Spec) -> list[Spec]:
    """Vertical lines up to their names above the axes, a row each, so that none lies upon another or on a curve.

    Of those on the right, whose names stand left of them, the first has the lowest row, else its line would cross
    the names of others; of those on the left it is the last.
    """
    middle = "datum.across > width / 2"
    rank = {"op": "row_number", "as": "rank"}
    places = [
        *calculated(across="scale('x', datum.x)", right=f"{middle} ? 1 : 0"),
        *calculated(order="datum.right ? datum.across : 2 * width - datum.across"),
        {"window": [rank], "sort": [{"field": "order"}]},
        *calculated(y=f"{-_bars_height(chart) - 2} - {LINE_HEIGHT} * datum.rank", y2="height"),
    ]
    pixels = {"y": {"field": "y", "scale": None}, "color": colour}
    rule = {
        "transform": [{"filter": "datum.name === datum.text"}],
        "mark": RULE | {"clip": False},
        "encoding": pixels | {"y2": {"field": "y2"}, "strokeDash": LEVEL_DASHES},
    }
    side = {"align": {"expr": "datum.right ? 'right' : 'left'"}, "dx": {"expr": "datum.right ? -4 : 4"}}
    name = {"type": "text", "baseline": "top", "fontSize": 11, "limit": 300, "clip": False, **side}
    layers = [rule, {"mark": name, "encoding": pixels | {"text": {"field": "text"}}}]
    return [{"transform": [*_at_the_edge("x", "←", "→"), *places], "layer": layers}]


def _at_the_edge(axis: str, before: str, beyond: str) -> list[Spec]:
    """Moves what lies outside an axis to its end, where `text` tells its value and whether it is before or beyond."""
    first, last, value = f"domain('{axis}')[0]", f"domain('{axis}')[1]", "format(datum.at, '.4~g')"
    arrow = f"datum.at < {first} ? ' {before}' : ' {beyond}'"
    outside = f"datum.name + (indexof(datum.name, {value}) < 0 ? ' ' + {value} : '') + ({arrow})"
    return calculated(
        text=f"inrange(datum.at, domain('{axis}')) ? datum.name : {outside}",
        **{axis: f"clamp(datum.at, {first}, {last})"},
    )


def _level_with(chart: Chart, colour: Spec) -> list[Spec]:
    """Horizontal lines, whose names stand among those of lines."""
    line = {
        "transform": [{"filter": "datum.name === datum.text"}, *calculated(x2="domain('x')[1]")],
        "mark": RULE,
        "encoding": {"x2": {"field": "x2"}, "strokeDash": LEVEL_DASHES, "color": colour},
    }
    return [{"transform": _at_the_edge("y", "↓", "↑"), "layer": [line]}]


def _regions(chart: Chart, colour: Spec) -> list[Spec]:
    """Stretches in a light shade, each with a bar of its own colour above the axes."""
    if not chart.regions:
        return []
    each = _bars_height(chart) / len(chart.regions)
    rows = [
        {"series": one.of, "name": one.name, "start": one.start, "end": one.end, "bar": -round(each * (index + 1), 2)}
        for index, one in enumerate(chart.regions)
    ]
    ends = calculated(
        x="max(isValid(datum.start) ? datum.start : domain('x')[0], domain('x')[0])",
        x2="min(isValid(datum.end) ? datum.end : domain('x')[1], domain('x')[1])",
        y="domain('y')[0]",
        y2="domain('y')[1]",
    )
    across = {"x2": {"field": "x2"}}
    # of many none is seen alone.
    shade = {
        "mark": {"type": "rect", "opacity": 1, "fillOpacity": min(0.06, 0.18 / len(rows))},
        "encoding": across | {"y2": {"field": "y2"}, "color": colour},
    }
    bar = {
        "mark": {"type": "rule", "strokeWidth": each - 1.5, "clip": False, "tooltip": {"expr": "datum.name"}},
        "encoding": across | {"y": {"field": "bar", "scale": None}, "color": colour},
    }
    transform = [{"filter": SHOWN}, *ends, {"filter": "datum.x < datum.x2"}]
    return [{"data": {"values": rows}, "transform": transform, "layer": [shade, bar]}]
