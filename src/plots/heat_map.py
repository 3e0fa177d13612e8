"""A `Heat` in Vega-Lite: a matrix as colours, with what is lost crossed out and what was not tried left empty."""

import json
from collections.abc import Sequence

import numpy as np

from src.plots.chart import Heat, are_texts
from src.plots.palette import CLASSES, GRID, INK, MISSING, PAPER
from src.plots.spec import PARAMS, Spec, between_ends, calculated, flattened, named_ticks, numbers, whole

ROW_HEIGHT, HEIGHT, MOST_HEIGHT = 30, 340, 640
MOST_LETTERS, MOST_ASLANT = 36, 8
"""So many letters stand beside each other below the narrowest picture, twice as many in a file, more of them aslant;
below a matrix, which shares its row, more names than that upright. Not by the width there is: it is known after the
height is, and what is below would be cut off."""
FIELDS = "at", "value", "state", "hover", "best"


def heat_map(heat: Heat, alone: bool = False) -> Spec:
    """The spec; each cell is a row of the data, whose `state` is "value", "lost" or "missing".

    Args:
        heat: what to draw.
        alone: whether it is outside of a page, where it is wide.
    """
    shown, lost = heat.shown, np.zeros(heat.values.shape, bool) if heat.lost is None else heat.lost
    states = np.where(lost, "lost", np.where(shown, "value", "missing"))
    edges_x, edges_y = _edges(heat.x), _edges(heat.y)
    columns, rows = _names(heat.x), _names(heat.y)
    names = dict(heat.classes)
    cells = [
        {
            "row": rows[index],
            "y": edges_y[index],
            "y2": edges_y[index + 1],
            "at": list(range(len(columns))),
            "value": [names.get(value) for value in values] if names else numbers(values),
            "state": states[index].tolist(),
            "hover": list(heat.hover[index]) if len(heat.hover) else [],
            "best": [at == heat.best[index] for at in range(len(columns))] if len(heat.best) else [],
        }
        for index, values in enumerate(np.where(states == "value", heat.values, np.nan).tolist())
    ]
    down = are_texts(heat.y)
    ends_y = [edges_y[-1], edges_y[0]] if down else [edges_y[0], edges_y[-1]]
    told = "datum.state === 'value' ? " + ("datum.value" if names else "format(datum.value, '.4~g')")
    told += f" : datum.state === 'lost' ? {json.dumps(heat.lost_label)} : {json.dumps(heat.missing)}"
    of_a_cell = f"{{title: datum.hover || datum.row + ', ' + names[datum.at], {json.dumps(heat.value_label)}: {told}}}"
    cell = {
        "type": "rect",
        "stroke": PAPER,
        "strokeWidth": 1 if len(columns) < 60 else 0,
        "tooltip": {"expr": of_a_cell},
    }
    corners = {"x2": {"field": "x2"}, "y2": {"field": "y2"}}
    return whole(
        min(MOST_HEIGHT, max(60, ROW_HEIGHT * len(rows))) if down else HEIGHT,
        params=[*PARAMS, {"name": "edges", "value": edges_x}, {"name": "names", "value": columns}],
        data={"values": cells},
        transform=[*flattened(FIELDS), *calculated(x="edges[datum.at]", x2="edges[datum.at + 1]")],
        encoding={
            "x": _below(
                heat, _axis("x", [heat.x_label, *_key(heat, states)], heat.x, [edges_x[0], edges_x[-1]]), alone
            ),
            "y": _axis("y", [heat.y_label], heat.y, ends_y),
        },
        layer=[
            {
                "transform": [{"filter": "datum.state !== 'value'"}],
                "mark": cell | {"color": {"expr": f"datum.state === 'lost' ? '{MISSING}' : '{PAPER}'"}, "stroke": GRID},
                "encoding": corners,
            },
            {
                "transform": [{"filter": "datum.state === 'value'"}],
                "mark": cell,
                "encoding": corners | {"color": _colour(heat, shown & ~lost)},
            },
            _sign("datum.state === 'lost'", {"type": "text", "text": "×", "fontSize": 15, "color": INK}),
            _sign("datum.best", {"type": "point", "size": 55, "fill": PAPER, "stroke": INK, "strokeWidth": 1.5}),
        ],
        usermeta={"extents": {}},
    )


def _names(labels: Sequence[str] | Sequence[float]) -> list[str]:
    return [one if isinstance(one, str) else f"{one:,.4g}" for one in labels]


def _edges(labels: Sequence[str] | Sequence[float]) -> list[float]:
    """Where cells begin and end, one more than there are; texts are evenly spaced, the first in the middle of its cell
    at 0."""
    middles = np.arange(len(labels)) if are_texts(labels) else np.array(labels, dtype=np.float64)
    if len(middles) < 2:
        return [-0.5, 0.5] if not len(middles) else [float(middles[0]) - 0.5, float(middles[0]) + 0.5]
    inner = (middles[1:] + middles[:-1]) / 2
    return [float(one) for one in (2 * middles[0] - inner[0], *inner, 2 * middles[-1] - inner[-1])]


def _axis(which: str, title: list[str], labels: Sequence[str] | Sequence[float], ends: list[float]) -> Spec:
    axis: Spec = {"title": [line for line in title if line] or None, "grid": False}
    if are_texts(labels):
        axis |= named_ticks([str(label) for label in labels]) | {"ticks": False, "domain": False}
        axis["labelOverlap"] = len(labels) > 40
    scale = {"type": "linear", "domain": ends, "nice": False}
    return {"field": which, "type": "quantitative", "scale": scale, "axis": axis}


def _below(heat: Heat, columns: Spec, alone: bool) -> Spec:
    """The axis of columns with their names turned, where they would overlap."""
    letters = len(heat.x) * max(map(len, map(str, heat.x)), default=0)
    if are_texts(heat.x) and letters > MOST_LETTERS * (2 if alone else 1):
        upright = bool(heat.classes) and len(heat.x) > MOST_ASLANT and not alone
        turned = {"labelAngle": -90, "labelBaseline": "middle"} if upright else {"labelAngle": -40}
        columns["axis"] |= {"labelAlign": "right", **turned}
    return columns


def _key(heat: Heat, states: np.ndarray) -> list[str]:
    """What signs mean, as far as there are any; below the name of the columns."""
    key = [f"× {heat.lost_label}"] if (states == "lost").any() else []
    key += ["○ best of its row"] if any(best is not None for best in heat.best) else []
    key += [f"empty: {heat.missing}"] if (states == "missing").any() else []
    return [" · ".join(key)] if key else []


def _colour(heat: Heat, shown: np.ndarray) -> Spec:
    legend: Spec = {"title": heat.value_label or None}
    if heat.classes:
        scale: Spec = {"domain": [name for _, name in heat.classes], "range": list(CLASSES[: len(heat.classes)])}
        legend = {"title": None, "orient": "top", "offset": 6}  # beside the cells it would leave them little width
        return {"field": "value", "type": "nominal", "scale": scale, "legend": legend}
    values = heat.values[shown]
    low, high = (float(values.min()), float(values.max())) if len(values) else (1.0, 10.0)
    if heat.cap is not None and high > heat.cap > low:
        high = heat.cap
        legend |= {"labelExpr": f"datum.label + (datum.value >= {high!r} ? ' and more' : '')"}
    if not high > low:
        high = low * 10 if heat.log else low + 1
    if heat.log:
        legend["values"] = [low, *between_ends(low, high), high]
    legend |= {"gradientLength": {"expr": "clamp(height, 60, 200)"}, "format": ".3~g"}
    scale = {"type": "log" if heat.log else "linear", "domain": [low, high], "scheme": "cividis", "clamp": True}
    return {"field": "value", "type": "quantitative", "scale": scale | {"nice": False}, "legend": legend}


def _sign(test: str, mark: Spec) -> Spec:
    """Something in the middle of each cell that passes a test."""
    middle = calculated(x="(datum.x + datum.x2) / 2", y="(datum.y + datum.y2) / 2")
    return {"transform": [{"filter": test}, *middle], "mark": mark}
