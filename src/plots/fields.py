"""Matrices and surfaces as plotly figures: what has a value everywhere, seen from above."""

import html
import math
from collections.abc import Callable, Sequence
from itertools import cycle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src.plots.chart import Contours, Heat
from src.plots.contours import levels, visible
from src.plots.palette import CLOUD, FAINT, MISSING, NEUTRAL, PAPER, REFERENCE_DASHES, TERRAIN, Looks
from src.plots.theme import Plotly, axis, hover, layout, plain, points_of, still

CIVIDIS = ("#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838")


def heat_map(heat: Heat) -> Plotly:
    """A matrix as colours."""
    values = np.asarray(heat.values, dtype=np.float64)
    shown = np.isfinite(values) & ((values > 0) if heat.log else True)
    scaled = np.log10(values, where=shown, out=np.full(values.shape, np.nan)) if heat.log else values
    x, y = ([_label(one) for one in labels] for labels in (heat.x, heat.y))
    named = heat.hover or [[f"{row}, {column}" for column in map(_short, heat.x)] for row in map(_short, heat.y)]
    texts = [[html.escape(text) for text in row] for row in named]
    cells = [plain(row, 4) for row in np.where(shown, values, np.nan)]
    scale = [[index / (len(CIVIDIS) - 1), colour] for index, colour in enumerate(CIVIDIS)]
    bar: Plotly = {
        "title": {"text": html.escape(heat.value_label), "side": "right"},
        "thickness": 12,
        "outlinewidth": 0,
    }
    if heat.log:
        bar |= _log_ticks(scaled[shown])
    template = f"%{{text}}<br>{still(heat.value_label)} %{{customdata:.4~g}}<extra></extra>"
    colours = {"colorscale": scale, "colorbar": bar, "xgap": 1, "ygap": 1} if isinstance(x[0], str) else {}
    colours = {"colorscale": scale, "colorbar": bar} | colours
    main: Plotly = {"type": "heatmap", "x": x, "y": y, "z": [plain(row) for row in np.where(shown, scaled, np.nan)]}
    main |= {"customdata": cells, "text": texts, "hovertemplate": template, "hoverongaps": False, **colours}
    data = [main]
    if not shown.all():
        data.insert(0, _missing(heat, x, y, ~shown, texts))
    across = axis(heat.x_label, **({"type": "category"} if isinstance(x[0], str) else {}), showgrid=False)
    down = axis(heat.y_label, **({"type": "category", "autorange": "reversed"} if isinstance(y[0], str) else {}))
    height = max(220, 110 + 30 * len(y)) if isinstance(y[0], str) else 420
    return {"data": data, "layout": layout(xaxis=across, yaxis=down | {"showgrid": False}, height=height)}


def _label(label: str | float) -> str | float:
    return html.escape(label) if isinstance(label, str) else float(label)


def _short(label: str | float) -> str:
    return label if isinstance(label, str) else f"{label:.4g}"


def _missing(heat: Heat, x: Sequence[Any], y: Sequence[Any], where: NDArray[np.bool_], texts: Sequence[Any]) -> Plotly:
    """Grey cells with a cross in them, below the others."""
    crosses: Plotly = {"texttemplate": "×", "textfont": {"color": FAINT, "size": 13}} if isinstance(x[0], str) else {}
    return {
        "type": "heatmap",
        "x": list(x),
        "y": list(y),
        "z": [[0 if missing else None for missing in row] for row in where.tolist()],
        "text": texts,
        "hovertemplate": f"%{{text}}<br>{still(heat.missing)}<extra></extra>",
        "hoverongaps": False,
        "colorscale": [[0, MISSING], [1, MISSING]],
        "showscale": False,
        "xgap": 1,
        "ygap": 1,
        **crosses,
    }


def _log_ticks(scaled: NDArray[np.float64]) -> Plotly:
    if not len(scaled):
        return {}
    low, high = float(scaled.min()), float(scaled.max())
    steps = (1, 2, 5) if high - low < 2 else (1,)
    every = max(1, math.ceil((high - low) / 8))
    decades = range(math.floor(low), math.ceil(high) + 1, every)
    values = [step * 10.0**decade for decade in decades for step in steps]
    return {"tickvals": [math.log10(value) for value in values], "ticktext": [f"{value:.3g}" for value in values]}


# --- surfaces --------------------------------------------------------------------------------------------------------


def surface(contours: Contours, known: Looks, frames: Sequence[int] | None) -> Plotly:
    """A surface from above with its paths; `frames` of an animation are told in `layout.meta`."""
    edges = levels(contours)
    drawn = [_ground(contours, edges), *_straight(contours)]
    moving: list[Plotly] = []
    for path in contours.paths:
        look = known.get(path.name, NEUTRAL)
        steps, x, y = visible(path, contours)
        values = list(path.values)[: len(steps)]
        heights = ["" if (height := _at(values, i)) is None else f", height {height:.4g}" for i in range(len(steps))]
        text = [f"step {step:,}{height}" for step, height in zip(steps.tolist(), heights, strict=True)]
        named = f"{path.name}, {path.hover}" if path.hover else path.name
        template = hover(named, contours.x.label, contours.y.label, True)
        common = {"type": "scatter", "legendgroup": path.name, "name": html.escape(path.name)}
        way = {"mode": "lines", "line": {"color": look.colour, "width": 2.2, "dash": look.dash[0]}}
        edge = {"line": {"color": PAPER, "width": 1.2}}
        head = {"mode": "markers", "marker": {"color": look.colour, "symbol": look.marker[0], "size": 11, **edge}}
        whole = {"x": plain(x), "y": plain(y), "text": text, "hovertemplate": template}
        end = {"x": plain(x[-1:]), "y": plain(y[-1:]), "text": text[-1:], "hovertemplate": template}
        moving.append({"traces": [len(drawn), len(drawn) + 1], "steps": steps.tolist()})
        drawn += [common | way | whole, common | head | end]
    drawn += [points_of(contours, marks, {}) for marks in contours.marks]
    axes = {}
    for which, own, grid in (("x", contours.x, contours.grid_x), ("y", contours.y, contours.grid_y)):
        ends = own.limits or (float(np.min(grid)), float(np.max(grid)))
        axes[f"{which}axis"] = axis(own.label, range=list(ends), showgrid=False)
    meta = {} if frames is None else {"paths": moving, "frames": list(frames)}
    return {"data": drawn, "layout": layout(**axes, height=480, meta=meta)}


def _at(values: Sequence[float], index: int) -> float | None:
    return values[index] if index < len(values) and math.isfinite(values[index]) else None


def _ground(contours: Contours, edges: NDArray[np.float64]) -> Plotly:
    """Heights by the number of the level they lie between, so that levels need not be evenly spaced."""
    heights = np.asarray(contours.heights, dtype=np.float64)
    places = np.interp(np.clip(heights, edges[0], edges[-1]), edges, np.arange(len(edges)))
    top = max(len(edges) - 1, 1)
    return {
        "type": "contour",
        "x": plain(contours.grid_x, 5),
        "y": plain(contours.grid_y, 5),
        "z": [plain(row, 4) for row in np.where(np.isfinite(heights), places, np.nan)],
        "customdata": [plain(row, 4) for row in heights],
        "hovertemplate": f"{still(contours.height_label)} %{{customdata:.4~g}}<extra></extra>",
        "colorscale": [[index / (len(TERRAIN) - 1), colour] for index, colour in enumerate(TERRAIN)],
        "showscale": False,
        "zmin": 0,
        "zmax": top,
        "autocontour": False,
        "contours": {"start": 0, "end": top, "size": 1},
        "line": {"color": f"{CLOUD}66", "width": 0.6},
    }


def _straight(contours: Contours) -> list[Plotly]:
    dashes: Callable[[], Any] = cycle(REFERENCE_DASHES).__next__
    return [
        {
            "type": "scatter",
            "mode": "lines",
            "name": html.escape(line.name),
            "x": plain(line.x),
            "y": plain(line.y),
            "line": {"color": FAINT, "width": 1.2, "dash": dashes()[0]},
            "hovertemplate": f"{still(line.name)}<extra></extra>",
        }
        for line in contours.axes
    ]
