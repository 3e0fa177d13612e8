"""A `Parallel` in Vega-Lite: settings across parallel axes and, below them, their curves; one lights up the others."""

import json
import math
from collections.abc import Iterator

from src.plots.chart import Axis, Chart, Line, Parallel, Setting
from src.plots.extent import extents
from src.plots.palette import CLOUD, FAINT, INK, NEUTRAL, Looks
from src.plots.spec import (
    PARAMS,
    SHOWN,
    Spec,
    between_ends,
    by_name,
    calculated,
    flattened,
    haloed,
    numbers,
    quantity,
    round_between,
    whole,
)

HEIGHT, TOP, BOTTOM, CURVES = 560, 24, 230, 285
"""In pixels: of all, where the axes begin and end, and where the curves begin."""
NONE = -0.12
"""Where a setting crosses an axis on which it has no value: 0 is its foot, 1 its head."""


def parallel(picture: Parallel, looks: Looks, alone: bool) -> Spec:
    """The spec; `brush` chooses by dragging along an axis, `picked` and `taken` by a click on a line or a curve.

    Args:
        picture: what to draw.
        looks: of series, by name.
        alone: outside a page, where nobody chooses.
    """
    names = list(dict.fromkeys(setting.name for setting in picture.settings))
    colour = by_name(names, [looks.get(name, NEUTRAL).colour for name in names], legend=None)
    lines = [Line(one.name, one.steps, one.losses) for one in picture.settings if len(one.steps)]
    ends = extents(Chart(picture.name, picture.title, picture.curve_x, picture.curve_y, lines=lines))
    rows = [_row(picture, index, one) for index, one in enumerate(picture.settings)]
    encoding = {
        "x": quantity("x", picture.curve_x, ends["x"]),
        "y": quantity("y", picture.curve_y, ends["y"], range=[{"expr": "height"}, CURVES]),
    }
    encoding["x"]["axis"]["grid"] = False  # it would cross the settings too
    return whole(
        HEIGHT,
        params=PARAMS,
        data={"values": rows},
        transform=[{"filter": SHOWN}],
        encoding=encoding,
        resolve={"scale": {"x": "independent", "y": "independent"}},
        layer=[_curves(len(picture.axes), colour, alone), _plane(picture, colour, alone)],
        usermeta={"extents": ends},
    )


def _row(picture: Parallel, index: int, one: Setting) -> Spec:
    """A setting; a text an axis for its tooltip."""
    told_of = {
        axis.label: axis.names[round(value)] if axis.names else f"{value:.4g}"
        for axis, value in zip(picture.axes, one.values, strict=True)
        if value is not None
    }
    places = [
        NONE if value is None else _place(axis, value) for axis, value in zip(picture.axes, one.values, strict=True)
    ]
    return {
        "id": index,
        "series": one.name,
        "run": one.run,
        "told": told_of,
        "places": places,
        "x": numbers(one.steps),
        "y": numbers(one.losses),
    }


def _place(axis: Axis, value: float) -> float:
    """How far up an axis, from 0 to 1."""
    low, high = axis.limits or (value, value)
    scale = math.log if axis.log else float
    return round((scale(value) - scale(low)) / (scale(high) - scale(low)), 4) if high > low else 0.5


def _lit(number: int) -> str:
    """Whether a setting is chosen, or none is: a brush chooses along the axis that it is nearest to."""
    nearest = f"datum.places[clamp(round((brush.at[0] + brush.at[1]) / 2), 0, {number - 1})]"
    brushed = f"isValid(brush.place) && inrange({nearest}, brush.place)"
    clicked = [f"(isValid({one}.id) && indexof({one}.id, datum.id) >= 0)" for one in ("picked", "taken")]
    none = "!isValid(brush.place) && !isValid(picked.id) && !isValid(taken.id)"
    return " || ".join([f"({none})", f"({brushed})", *clicked])


def _both(number: int, click: str, transform: list[Spec], colour: Spec, order: str, alone: bool) -> list[Spec]:
    """All in grey, which takes clicks, and over them those that are lit; outside a page all in their colours."""
    # each clip and each layer of opacity costs a file's picture a hundredth of a second
    line = {"type": "line", "clip": not alone, "strokeJoin": "round"}
    common = {"detail": {"field": "id"}, "order": {"field": order, "type": "quantitative"}}
    tip = {"expr": "merge({title: datum.series}, datum.run ? {run: datum.run} : {}, datum.told)"}
    if alone:
        mark = line | {"strokeWidth": 1.5, "opacity": 1, "strokeOpacity": 0.8}
        return [{"transform": transform, "mark": mark, "encoding": common | {"color": colour}}]
    return [
        {
            "params": [{"name": click, "select": {"type": "point", "fields": ["id"]}}],
            "transform": transform,
            "mark": line | {"color": CLOUD, "strokeWidth": 2.5, "opacity": 0.3, "tooltip": tip, "cursor": "pointer"},
            "encoding": common,
        },
        {
            "transform": [{"filter": _lit(number)}, *transform],
            "mark": line | {"strokeWidth": 1.5, "opacity": 0.8},
            "encoding": common | {"color": colour},
        },
    ]


def _curves(number: int, colour: Spec, alone: bool) -> Spec:
    seen = "isFinite(scale('curves_x', datum.x)) && isFinite(scale('curves_y', datum.y))"
    transform = [*flattened(["x", "y"]), *calculated(y=f"isValid(datum.y) && {seen} ? datum.y : null")]
    return {"name": "curves", "layer": _both(number, "taken", transform, colour, "x", alone)}


def _plane(picture: Parallel, colour: Spec, alone: bool) -> Spec:
    """The axes, their ticks, and a line a setting."""
    number = len(picture.axes)
    across = {"domain": [0, max(1, number - 1)], "range": [60, {"expr": "width - 60"}], "nice": False}
    upwards = {"domain": [0, 1], "range": [BOTTOM, TOP], "nice": False}
    places = {
        "x": {"field": "at", "type": "quantitative", "scale": across, "axis": None},
        "y": {"field": "place", "type": "quantitative", "scale": upwards, "axis": None},
    }
    transform = [*calculated(at=json.dumps(list(range(number))), place="datum.places"), *flattened(["at", "place"])]
    ticks = [
        {"at": index, "place": place, "name": name}
        for index, axis in enumerate(picture.axes)
        for place, name in _ticks(axis, any(one.values[index] is None for one in picture.settings))
    ]
    heads = [{"at": index, "place": 1, "foot": 0, "name": axis.label} for index, axis in enumerate(picture.axes)]
    brush = {"name": "brush", "select": {"type": "interval", "encodings": ["x", "y"]}}
    rule = {"type": "rule", "color": FAINT, "strokeWidth": 1.2}
    name: Spec = {"align": "center", "baseline": "bottom", "dy": -10, "limit": {"expr": f"(width - 60) / {number}"}}
    return {
        "name": "plane",
        "encoding": places,
        "layer": [
            *_both(number, "picked", transform, colour, "at", alone),
            {
                "data": {"values": heads},
                "params": [brush],
                "mark": rule,
                "encoding": {"y2": {"field": "foot"}},
            },
            {
                "data": {"values": ticks},
                "layer": haloed({"field": "name"}, {"align": "left", "dx": 5, "color": FAINT, "fontSize": 10}, {}),
            },
            {"data": {"values": heads}, "layer": haloed({"field": "name"}, name | {"color": INK, "fontSize": 12}, {})},
        ],
    }


def _ticks(axis: Axis, lacks: bool) -> Iterator[tuple[float, str]]:
    """Places and texts; of numbers the ends and round ones between them, on a logarithmic axis powers of ten."""
    if lacks:
        yield NONE, "none"
    low, high = axis.limits or (0.0, 0.0)
    if axis.names:
        every = -(-len(axis.names) // 12)
        yield from ((_place(axis, index), name) for index, name in enumerate(axis.names) if not index % every)
        return
    ends = [low, high] if high > low else [low]
    yield from ((_place(axis, end), f"{end:.3g}") for end in ends)
    if high > low:
        between = between_ends(low, high) if axis.log else round_between(low, high)
        yield from ((_place(axis, value), f"{value:.3g}") for value in between)
