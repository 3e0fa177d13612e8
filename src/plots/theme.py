"""What all plotly figures share: axes, texts that are shown as they were typed, numbers that JSON can hold, points."""

import html
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from src.plots.chart import Chart, Contours, Line, Numbers, Points
from src.plots.palette import CLOUD, GRID, INK, NEUTRAL, PAPER, Looks

Plotly = dict[str, Any]
DIGITS = 10
"""Of places on a surface, whose window may be as small as the last bit of a way."""


def plain(values: Numbers, digits: int = 6) -> list[float | None]:
    """Numbers to so many digits, and None where they are not finite: JSON knows neither nan nor infinity."""
    return [float(f"{value:.{digits}g}") if math.isfinite(value) else None for value in np.asarray(values).tolist()]


def texts(typed: Sequence[str] | str) -> list[str] | str:
    """Texts whose markup is shown as it was typed."""
    return html.escape(typed) if isinstance(typed, str) else [html.escape(text) for text in typed]


def hover(name: str, x: str, y: str, named: bool) -> str:
    """A template for the text at a point; with `named`, the data's own `text` stands in it."""
    shown = [f"<b>{still(name)}</b>", *(["%{text}"] if named else [])]
    shown += [f"{still(x)} %{{x:.4~g}}", f"{still(y)} %{{y:.4~g}}"]
    return "<br>".join(shown) + "<extra></extra>"


def still(text: str) -> str:
    """A text that stands in a template without being one."""
    return html.escape(text).replace("%{", "%&#123;")


def axis(label: str, **others: Any) -> Plotly:
    """An axis as all have it, and what this one has besides."""
    return {
        "title": {"text": html.escape(label), "standoff": 8},
        "gridcolor": GRID,
        "zeroline": False,
        "linecolor": CLOUD,
        "showline": True,
        "ticks": "outside",
        "tickcolor": CLOUD,
        "automargin": True,
        **others,
    }


def layout(**others: Any) -> Plotly:
    """A layout as all have it, and what this one has besides."""
    return {
        "paper_bgcolor": PAPER,
        "plot_bgcolor": PAPER,
        "font": {"color": INK, "size": 12, "family": "system-ui, sans-serif"},
        "hoverlabel": {"bgcolor": PAPER, "bordercolor": CLOUD, "font": {"color": INK}, "align": "left"},
        "hovermode": "closest",
        "dragmode": "zoom",
        "showlegend": False,
        "margin": {"l": 8, "r": 12, "t": 30, "b": 8},
        **others,
    }


def trace(chart: Chart | Contours, of: Line | Points) -> Plotly:
    """What a line and points have in common: numbers, and the text that is shown at each."""
    digits = DIGITS if isinstance(chart, Contours) else 6
    return {
        "type": "scatter",
        "name": html.escape(of.name),
        "x": plain(of.x, digits),
        "y": plain(of.y, digits),
        "text": texts(of.hover),
        "hovertemplate": hover(of.name, chart.x.label, chart.y.label, bool(of.hover)),
    }


def points_of(chart: Chart | Contours, points: Points, looks: Looks) -> Plotly:
    """Points over the axes of a chart or a surface."""
    look = looks.get(points.name, NEUTRAL)
    marker = {
        "data": {"color": f"{CLOUD}b0", "size": 5},
        "star": {"color": INK, "symbol": "star", "size": 13},
        "start": {"color": INK, "symbol": "circle-open", "size": 12, "line": {"width": 2}},
        "saddle": {"color": INK, "symbol": "x-thin", "size": 9, "line": {"color": INK, "width": 2}},
        "series": {"color": look.colour, "symbol": look.marker[0], "size": 8},
    }[points.role]
    drawn = trace(chart, points) | {"mode": "markers", "marker": marker}
    return drawn | ({"legendgroup": points.name} if points.role == "series" else {})
