"""`Contours` in Vega-Lite: a surface from above in pale colours, the paths over it, and where each of them is."""

import json
import math
from collections.abc import Iterator
from itertools import pairwise

import contourpy
import numpy as np
from numpy.typing import NDArray

from src.plots.chart import Contours, Path
from src.plots.contours import levels, visible
from src.plots.palette import CLOUD, FAINT, NEUTRAL, PAPER, ROLES, TERRAIN, Look, Looks, references
from src.plots.spec import (
    FULL,
    PARAMS,
    SHOWN,
    ZOOM,
    Spec,
    by_looks,
    calculated,
    flattened,
    numbers,
    quantity,
    told,
    tooltip,
    whole,
)

HEIGHT, WIDEST = 460, 900
HOVERED = 120
SMALLEST = 2e-5
"""Of the window: where a valley is narrower than the grid its floor falls into pieces, which say nothing."""
DIGITS = 9
"""Of places, whose window may be as small as the last bit of a way."""


def surface(contours: Contours, looks: Looks, legend: bool = False) -> Spec:
    """The spec; a unit is as long upwards as across, however wide the page is."""
    (left, right), (low, high) = contours.window
    styles = _styles(contours, looks)
    in_legend = {"title": None, **FULL} if legend and styles else None
    colour, shape, dash = by_looks(styles)
    wide, tall = right - left, high - low
    last = contours.frames[-1] if contours.frames else max((path.steps[-1] for path in contours.paths), default=0)
    ranges = {"x": [0, {"expr": f"each * {wide!r}"}], "y": [{"expr": "height"}, {"expr": f"height - each * {tall!r}"}]}
    return whole(
        min(HEIGHT, WIDEST * tall / wide),
        params=[
            *PARAMS,
            {"name": "step", "value": last},
            {"name": "each", "expr": f"min(width / {wide!r}, height / {tall!r})"},
        ],
        encoding={
            "x": quantity("x", contours.x, {"linear": [left, right]}, range=ranges["x"]),
            "y": quantity("y", contours.y, {"linear": [low, high]}, range=ranges["y"]),
        },
        layer=[
            _ground(contours, clip=not legend or not _covered(contours)),
            _axes(contours, colour, dash | {"legend": None}),
            *_paths(contours, colour, shape, dash | {"legend": None}, legend),
            _points(contours, colour | {"legend": in_legend}, shape | {"legend": in_legend}),
            *([] if legend else [_margin()]),
        ],
        usermeta={"extents": {}},
    )


def _styles(contours: Contours, looks: Looks) -> dict[str, Look]:
    """How everything looks that has a name, in the order of the legend."""
    return {
        **{path.name: looks.get(path.name, NEUTRAL) for path in contours.paths},
        **{points.name: ROLES[points.role] for points in contours.points},
        **references((line.name for line in contours.axes), FAINT),
    }


# --- the ground ------------------------------------------------------------------------------------------------------


def _ground(contours: Contours, clip: bool) -> Spec:
    """Every ring of every level filled with the colour inside of it, the large ones first: what lies in one is above it
    and so covers it, be it a basin or a peak."""
    edges = levels(contours.heights)
    decimals = 3 - math.floor(math.log10(max(end - start for start, end in contours.window)))
    (left, right), (low, high) = contours.window
    least = SMALLEST * (right - left) * (high - low)
    rings = sorted(_rings(contours, edges), key=lambda ring: -_area(ring[1]))
    rings = [ring for ring in rings if _area(ring[1]) > least]
    rows = [
        {"ring": index, "band": band, "x": np.round(x, decimals).tolist(), "y": np.round(y, decimals).tolist()}
        for index, (band, (x, y)) in enumerate(rings)
    ]
    shade = {"domain": [round(one, 2) for one in np.linspace(0, len(edges) - 2, len(TERRAIN))], "range": list(TERRAIN)}
    return {
        "data": {"values": rows},
        "transform": [*flattened(["x", "y"]), {"window": [{"op": "row_number", "as": "at"}]}],
        "mark": {"type": "line", "filled": True, "stroke": CLOUD, "strokeWidth": 0.4, "clip": clip},
        "encoding": {
            "order": {"field": "at"},
            "detail": {"field": "ring"},
            "fill": {"field": "band", "type": "quantitative", "scale": shade, "legend": None},
        },
    }


def _covered(contours: Contours) -> bool:
    """Whether the grid ends where the window does, so that no ring leaves it: clips cost a file's picture a second."""
    ends = [[np.min(grid), np.max(grid)] for grid in (contours.grid_x, contours.grid_y)]
    return np.allclose(ends, contours.window, atol=0)


def _rings(
    contours: Contours, edges: NDArray[np.float64]
) -> Iterator[tuple[int, tuple[NDArray[np.float64], NDArray[np.float64]]]]:
    """Closed lines with the number of the band inside: around all that is below a level, and around holes in that."""
    heights = np.ma.masked_invalid(contours.heights)
    generator = contourpy.contour_generator(
        contours.grid_x, contours.grid_y, heights, fill_type=contourpy.FillType.OuterOffset
    )
    for level in range(1, len(edges)):
        # the highest point too is below the last level
        above = edges[level] if level < len(edges) - 1 else np.inf
        for places, offsets in zip(*generator.filled(-np.inf, above), strict=True):
            for hole, (start, end) in enumerate(pairwise(offsets)):
                yield level - (not hole), (places[start:end, 0], places[start:end, 1])


def _area(ring: tuple[NDArray[np.float64], NDArray[np.float64]]) -> float:
    x, y = (one - one[0] for one in ring)
    return abs(float(x[:-1] @ y[1:] - x[1:] @ y[:-1])) / 2


def _axes(contours: Contours, colour: Spec, dash: Spec) -> Spec:
    rows = [{"series": line.name, "x": numbers(line.x, DIGITS), "y": numbers(line.y, DIGITS)} for line in contours.axes]
    return {
        "data": {"values": rows},
        "transform": flattened(["x", "y"]),
        "mark": {"type": "line", "strokeWidth": 1.2, "clip": True, "tooltip": {"expr": "datum.series"}},
        "encoding": {"color": colour, "strokeDash": dash},
    }


def _margin() -> Spec:
    """Covers what leaves the window, where there is more room than this needs."""
    corners = calculated(
        x="domain('x')[datum.right]",
        x2="invert('x', width)",
        y="domain('y')[1 - datum.right]",
        y2="invert('y', 0)",
    )
    mark = {"type": "rect", "color": PAPER, "clip": True}
    encoding = {"x2": {"field": "x2"}, "y2": {"field": "y2"}}
    return {"data": {"values": [{"right": 1}, {"right": 0}]}, "transform": corners, "mark": mark, "encoding": encoding}


# --- what lies on it -------------------------------------------------------------------------------------------------


def _paths(contours: Contours, colour: Spec, shape: Spec, dash: Spec, alone: bool) -> list[Spec]:
    """Each up to the step that is shown, what can be hovered over, and where it is then."""
    told_of = {contours.x.label: told("x"), contours.y.label: told("y")}
    height = f"isValid(datum.height) ? {{{json.dumps(contours.height_label)}: {told('height')}}} : {{}}"
    note = "datum.note ? {' ': datum.note} : {}"
    shown = tooltip("datum.series", told_of, f"merge({note}, {{step: format(datum.step, ',')}}, {height})")
    line = {"type": "line", "strokeWidth": 2.2, "clip": True, "strokeJoin": "round"}
    dot = {"type": "point", "filled": True, "clip": True, "tooltip": shown}
    hovered = {
        "transform": [{"filter": "datum.dot"}],
        "mark": dot | {"opacity": 0, "size": 60},
        "encoding": {"color": colour},
    }
    last = {"joinaggregate": [{"op": "max", "field": "step", "as": "last"}], "groupby": ["series"]}
    return [
        {
            "data": {"values": [_path(contours, path) for path in contours.paths]},
            "transform": [
                *flattened(["step", "x", "y", "height", "dot"]),
                {"filter": f"{SHOWN} && datum.step <= step"},
            ],
            "layer": [
                {
                    "params": [ZOOM],
                    "mark": line,
                    "encoding": {"color": colour, "strokeDash": dash, "order": {"field": "step"}},
                },
                *([] if alone else [hovered]),
                {
                    "transform": [last, {"filter": "datum.step === datum.last"}],
                    "mark": dot | {"size": 90, "stroke": PAPER, "strokeWidth": 1.2},
                    "encoding": {"color": colour, "shape": shape},
                },
            ],
        }
    ]


def _path(contours: Contours, path: Path) -> Spec:
    steps, x, y = visible(path, contours)
    every = max(1, len(steps) // HOVERED)
    return {
        "series": path.name,
        "note": path.hover,
        "step": steps.tolist(),
        "x": numbers(x, DIGITS),
        "y": numbers(y, DIGITS),
        "height": numbers(np.asarray(path.values)[: len(steps)], 4),
        "dot": [int(not at % every) for at in range(len(steps))],
    }


def _points(contours: Contours, colour: Spec, shape: Spec) -> Spec:
    rows = [
        {"series": one.name, "note": one.hover, "x": numbers(one.x, DIGITS), "y": numbers(one.y, DIGITS)}
        for one in contours.points
    ]
    shown = tooltip("datum.note", {contours.x.label: told("x"), contours.y.label: told("y")})
    return {
        "data": {"values": rows},
        "transform": flattened(["x", "y"]),
        "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1, "clip": True, "tooltip": shown},
        "encoding": {"color": colour, "shape": shape},
    }
