"""What all Vega-Lite specs share: numbers that JSON can hold, looks as scales, labels that keep apart, one theme."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from src.plots.chart import Axis, Numbers
from src.plots.palette import CLOUD, FAINT, GRID, INK, PAPER, Looks

Spec = dict[str, Any]
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
LABELLED = 7
"""So many lines have their names written where they end."""
LINE_HEIGHT = 14
POWERS = (
    "datum.label && datum.value && !inrange(abs(datum.value), [1e-4, 99999])"
    " ? replace(format(datum.value, '~e'), '+', '') : datum.label"
)
"""Of a tick: 1e6 for 1000000, and 1e-5 for 0.00001."""
SHOWN = "indexof(hidden, datum.series) < 0"
FADED = "indexof(faded, datum.series) >= 0"
FULL: Spec = {"encoding": {"symbols": {"opacity": {"value": 1}}}}
"""Of a legend, which would else be as pale as the palest mark."""
ZOOM: Spec = {
    "name": "zoom",
    "select": {"type": "interval", "zoom": "wheel![event.shiftKey]"},
    "bind": "scales",
}
"""Of one layer: dragging moves the axes, the wheel changes them while shift is held, for a page scrolls by it."""
PARAMS: list[Spec] = [
    {"name": "hidden", "value": []},
    {"name": "faded", "value": []},
    {"name": "labelled", "value": LABELLED},
]


def numbers(values: Numbers, digits: int = 6) -> list[float | None]:
    """To so many digits, and None where they are not finite: JSON knows neither nan nor infinity."""
    return [float(f"{value:.{digits}g}") if math.isfinite(value) else None for value in np.asarray(values).tolist()]


def flattened(fields: Iterable[str]) -> list[Spec]:
    """Turns rows that hold a list a field, which are short to write, into a row an entry."""
    return [{"flatten": list(fields)}]


def calculated(**formulas: str) -> list[Spec]:
    """A field for every formula."""
    return [{"calculate": formula, "as": name} for name, formula in formulas.items()]


def tooltip(title: str, shown: Mapping[str, str], more: str = "") -> Spec:
    """What is told of a mark under the mouse: a formula for the title, and one for each labelled line.

    Args:
        title: of the name.
        shown: formulas by their label, which is shown as it is typed.
        more: of an object whose entries come before these.
    """
    entries = ", ".join(f"{json.dumps(label)}: {formula}" for label, formula in shown.items())
    return {"expr": f"merge({{title: {title}}}, {more or '{}'}, {{{entries}}})"}


def told(field: str) -> str:
    """A formula for a number as a tooltip tells it."""
    return f"format(datum.{field}, '.4~g')"


def apart(group: str = "true") -> list[Spec]:
    """Moves rows from `place`, pixels along y, until they are a line of text apart from others of their group.

    Pushed down, the n-th from above is at the largest of (place - n lines) up to it, plus n lines; pushed up, likewise
    at the smallest from it on. Between the two all keep apart; at last those below the axis are pushed up.
    """
    lines = f"{LINE_HEIGHT} * datum.rank"

    def pushed(at: str, result: str, pick: str) -> list[Spec]:
        frame = [None, 0] if pick == "max" else [0, None]
        pick_one = {"op": pick, "field": "free", "as": "free"}
        return [
            *calculated(free=f"{at} - {lines}"),
            {"window": [pick_one], "frame": frame, "sort": [{"field": "rank"}], "groupby": ["group"]},
            *calculated(**{result: f"datum.free + {lines}"}),
        ]

    return [
        *calculated(group=group),
        {"window": [{"op": "row_number", "as": "rank"}], "sort": [{"field": "place"}], "groupby": ["group"]},
        *pushed("datum.place", "below", "max"),
        *pushed("datum.place", "above", "min"),
        *pushed("min(height, (datum.below + datum.above) / 2)", "place", "min"),
    ]


def haloed(text: Spec, mark: Spec, encoding: Spec) -> list[Spec]:
    """A text that can be read over lines: first its outline in the colour of the paper."""
    common = {"type": "text", "clip": False, "fontSize": 11, **mark}
    halo = {"mark": common | {"stroke": PAPER, "strokeWidth": 3, "strokeJoin": "round", "color": PAPER}}
    bare = {name: channel for name, channel in encoding.items() if name != "color"}
    return [halo | {"encoding": {"text": text, **bare}}, {"mark": common, "encoding": {"text": text, **encoding}}]


def by_name(names: Sequence[str], values: Sequence[Any], **others: Any) -> Spec:
    """An encoding of the field `series` by a value for every name."""
    return {"field": "series", "type": "nominal", "scale": {"domain": list(names), "range": list(values)}, **others}


def by_looks(looks: Looks) -> Iterator[Spec]:
    """Encodings of `series` by colour, by marker and by dashes."""
    for what in ("colour", "shape", "strokes"):
        yield by_name(list(looks), [getattr(look, what) for look in looks.values()])


def quantity(which: str, own: Axis, ends: Mapping[str, Sequence[float]], **scale: Any) -> Spec:
    """The encoding of x or y by the field of that name, as the axis starts.

    Args:
        which: "x" or "y".
        own: the axis.
        ends: by the kind of scale, "linear" or "log".
        scale: what the scale has besides.
    """
    kind = "log" if own.log else "linear"
    axis: Spec = {"title": own.label or None}
    if own.names:
        axis |= named_ticks(own.names) | {"grid": False}
    elif own.log:
        axis |= {"format": "~g", "labelExpr": POWERS}
    if own.whole:  # as many as there are whole numbers, for tickMinStep does nothing where the number is a formula
        axis["tickCount"] = {"expr": f"min(max(2, width / 90), domain('{which}')[1] - domain('{which}')[0])"}
    shown = {"type": kind, "domain": list(ends[kind]), "nice": False, **scale}
    return {"field": which, "type": "quantitative", "scale": shown, "axis": axis}


def named_ticks(names: Sequence[str]) -> Spec:
    """Of an axis on which 0, 1, 2 and so on are called something."""
    every = {"values": list(range(len(names))), "tickCount": len(names), "labelOverlap": False}
    return every | {"labelExpr": f"{json.dumps(list(names))}[datum.value]", "labelLimit": 200, "labelColor": INK}


def between_ends(low: float, high: float) -> list[float]:
    """Powers of ten that stand well apart from the ends and each other, for a scale on which the ends are told."""
    decades = math.log10(high / low)
    every = max(1, math.ceil(decades / 6))
    powers = range(math.ceil(math.log10(low) + decades / 8), math.floor(math.log10(high) - decades / 8) + 1, every)
    return [10.0**power for power in powers]


def round_between(low: float, high: float) -> list[float]:
    """The likes of it on a linear scale: two or three round numbers."""
    rough = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    several = np.arange(math.ceil(low / step), math.floor(high / step) + 1) * step
    return [float(one) for one in several if min(one - low, high - one) > (high - low) / 10]


def whole(picture_height: Any, **parts: Any) -> Spec:
    """A spec as all are, as wide as what it stands in."""
    return {
        "$schema": SCHEMA,
        "width": "container",
        "height": picture_height,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "background": PAPER,
        **parts,
        "config": THEME,
    }


THEME: Spec = {
    "font": "system-ui, 'DejaVu Sans', sans-serif",
    "aria": False,
    "view": {"stroke": None},
    "point": {"opacity": 1},
    "axis": {
        "labelColor": FAINT,
        "labelFontSize": 11,
        "titleColor": INK,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 8,
        "titleLimit": 600,
        "gridColor": GRID,
        "domainColor": CLOUD,
        "tickColor": CLOUD,
    },
    "axisX": {"tickCount": {"expr": "max(2, width / 90)"}},
    "axisY": {"tickCount": {"expr": "max(2, height / 50)"}, "titleLimit": {"expr": "height"}},
    "legend": {
        "labelColor": INK,
        "labelFontSize": 11,
        "labelLimit": 220,
        "titleColor": INK,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "titleLimit": 260,
        "symbolSize": 60,
        "layout": {"top": {"anchor": "end"}},
    },
    "title": {"anchor": "start", "frame": "group", "color": INK, "fontSize": 15, "offset": 12, "limit": 760},
}
