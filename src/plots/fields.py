"""Matrices and surfaces as plotly figures: what has a value everywhere, seen from above."""

import html
import math
from itertools import cycle

import numpy as np
from numpy.typing import NDArray

from src.plots.chart import Contours, Heat, Path, are_texts
from src.plots.contours import levels, visible
from src.plots.palette import CLOUD, FAINT, MISSING, NEUTRAL, PAPER, REFERENCE_DASHES, TERRAIN, Looks
from src.plots.theme import DIGITS, Plotly, axis, hover, layout, plain, points_of, still, texts


def heat_map(heat: Heat) -> Plotly:
    """A matrix as colours; below it, where values are missing, grey cells with a cross in them."""
    shown, across, down = heat.shown, are_texts(heat.x), are_texts(heat.y)
    values = np.where(shown, heat.values, np.nan)
    scaled = np.log10(values) if heat.log else values
    x, y = (texts(of) if are_texts(of) else list(map(float, of)) for of in (heat.x, heat.y))  # type: ignore[arg-type]
    rows, columns = ([one if isinstance(one, str) else f"{one:.4g}" for one in of] for of in (heat.y, heat.x))
    named = heat.hover or [[f"{row}, {column}" for column in columns] for row in rows]
    gaps = {"xgap": 1, "ygap": 1}
    common: Plotly = {"type": "heatmap", "x": x, "y": y, "text": [texts(row) for row in named], "hoverongaps": False}
    main = common | {
        "z": [plain(row) for row in scaled],
        "customdata": [plain(row, 4) for row in values],
        "hovertemplate": f"%{{text}}<br>{still(heat.value_label)} %{{customdata:.4~g}}<extra></extra>",
        "colorscale": "Cividis",
        "colorbar": {
            "title": {"text": html.escape(heat.value_label), "side": "right"},
            "thickness": 12,
            "outlinewidth": 0,
            **(_log_ticks(scaled[shown]) if heat.log else {}),
        },
        **(gaps if across else {}),
    }
    missing = common | {
        "z": [[None if one else 0 for one in row] for row in shown.tolist()],
        "hovertemplate": f"%{{text}}<br>{still(heat.missing)}<extra></extra>",
        "colorscale": [[0, MISSING], [1, MISSING]],
        "showscale": False,
        **gaps,
        **({"texttemplate": "×", "textfont": {"color": FAINT, "size": 13}} if across else {}),
    }
    axes = {
        "xaxis": axis(heat.x_label, showgrid=False, **({"type": "category"} if across else {})),
        "yaxis": axis(heat.y_label, showgrid=False, **({"type": "category", "autorange": "reversed"} if down else {})),
    }
    height = max(220, 110 + 30 * len(y)) if down else 420
    return {"data": [main] if shown.all() else [missing, main], "layout": layout(**axes, height=height)}


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


def surface(contours: Contours, looks: Looks) -> Plotly:
    """A surface from above with its paths; of an animation `layout.meta` holds the last step and each path's traces."""
    drawn = [_ground(contours), *_axes(contours)]
    paths: list[Plotly] = []
    for path in contours.paths:
        traces, steps = _path(contours, path, looks)
        paths.append({"traces": [len(drawn), len(drawn) + 1], "steps": steps})
        drawn += traces
    drawn += [points_of(contours, points, {}) for points in contours.points]
    window = zip(("xaxis", "yaxis"), (contours.x, contours.y), contours.window, strict=True)
    axes = {name: axis(own.label, range=list(ends), showgrid=False) for name, own, ends in window}
    axes["yaxis"] |= {"scaleanchor": "x"}
    for one in axes.values():
        one["constrain"] = "domain"
    meta = {"paths": paths, "last": contours.frames[-1]} if contours.frames else {}
    (left, right), (low, high) = contours.window
    height = round(min(560, 120 + 1100 * (high - low) / (right - left)))
    return {"data": drawn, "layout": layout(**axes, height=height, meta=meta)}


def _path(contours: Contours, path: Path, looks: Looks) -> tuple[list[Plotly], list[int]]:
    """The line of a path, the marker at its end, and the step of each of its points."""
    look, (steps, x, y) = looks.get(path.name, NEUTRAL), visible(path, contours)
    heights = np.full(len(steps), np.nan) if not len(path.values) else path.values
    text = [
        f"step {step:,}" + (f", height {height:.4g}" if math.isfinite(height) else "")
        for step, height in zip(steps.tolist(), heights, strict=False)
    ]
    named = f"{path.name}, {path.hover}" if path.hover else path.name
    common: Plotly = {
        "type": "scatter",
        "legendgroup": path.name,
        "name": html.escape(path.name),
        "hovertemplate": hover(named, contours.x.label, contours.y.label, True),
    }
    marker: Plotly = {
        "color": look.colour,
        "symbol": look.marker[0],
        "size": 11,
        "line": {"color": PAPER, "width": 1.2},
    }
    whole: Plotly = {"mode": "lines", "line": {"color": look.colour, "width": 2.2, "dash": look.dash[0]}}
    whole |= {"x": plain(x, DIGITS), "y": plain(y, DIGITS), "text": text}
    end: Plotly = {
        "mode": "markers",
        "marker": marker,
        "x": plain(x[-1:], DIGITS),
        "y": plain(y[-1:], DIGITS),
        "text": text[-1:],
    }
    return [common | whole, common | end], steps.tolist()


def _ground(contours: Contours) -> Plotly:
    """Heights by the number of the level they lie between, so that levels need not be evenly spaced."""
    heights = np.asarray(contours.heights, dtype=np.float64)
    edges = levels(heights)
    between = np.interp(np.clip(heights, edges[0], edges[-1]), edges, np.arange(len(edges)))
    top = max(len(edges) - 1, 1)
    return {
        "type": "contour",
        "x": plain(contours.grid_x, 12),
        "y": plain(contours.grid_y, 12),
        "z": [plain(row, 4) for row in np.where(np.isfinite(heights), between, np.nan)],
        "customdata": [plain(row, 4) for row in heights],
        "hovertemplate": f"{still(contours.height_label)} %{{customdata:.4~g}}<extra></extra>",
        "colorscale": [[index / (len(TERRAIN) - 1), colour] for index, colour in enumerate(TERRAIN)],
        "showscale": False,
        "zmin": 0,
        "zmax": top,
        "autocontour": False,
        "contours": {"start": 0, "end": top, "size": 1},
        "line": {"color": f"{CLOUD}a0", "width": 0.8},
    }


def _axes(contours: Contours) -> list[Plotly]:
    return [
        {
            "type": "scatter",
            "mode": "lines",
            "name": html.escape(line.name),
            "x": plain(line.x, DIGITS),
            "y": plain(line.y, DIGITS),
            "line": {"color": FAINT, "width": 1.2, "dash": dash},
            "hovertemplate": f"{still(line.name)}<extra></extra>",
        }
        for line, (dash, _) in zip(contours.axes, cycle(REFERENCE_DASHES), strict=False)
    ]
