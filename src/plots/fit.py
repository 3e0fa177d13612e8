"""Data with one feature, and the lines that go through it."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from src.plots.chart import Numbers

# Okabe and Ito's colours, which the colour-blind can tell apart
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
Line = tuple[Numbers, Numbers]
"""x and y, `[N]` each."""


def fitted_line(rows: Line, fitted: Line, true: Line | None, names: Sequence[str], title: str = "") -> Figure:
    """A figure of `draw_fit`, with a title above it."""
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.add_subplot()
    draw_fit(axes, rows, fitted, true, names)
    axes.set_title(title)
    return figure


def draw_fit(axes: Axes, rows: Line, fitted: Line, true: Line | None, names: Sequence[str]) -> None:
    """Training rows, the fitted line and the true one, in the units of the data.

    Args:
        axes: where to draw.
        rows: features and targets.
        fitted: the model's predictions over ascending features.
        true: what made the data; None where that is not known.
        names: of the feature and the target.
    """
    axes.scatter(*rows, s=14, color="#888888", alpha=0.6, label="training data")
    axes.plot(*fitted, color=ORANGE, linewidth=2, label="fitted")
    if true is not None:
        axes.plot(*true, color=GREEN, linestyle="--", label="true")
    axes.set_xlabel(names[0])
    axes.set_ylabel(names[1])
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
