"""The loss along a run, and beside it, dashed, what theory foresaw."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from src.plots.fit import BLUE, GREEN, ORANGE

Line = Sequence[tuple[int, float]]
FORESEEN = {
    "predicted_loss": ("predicted", "#000000", (0, (2, 2))),
    "exact_loss": ("exact", GREEN, (0, (6, 3))),
    "noise_floor": ("floor of mini-batches", "#CC79A7", (0, (6, 2, 1, 2))),
}
TAKEN = {"train/loss": ("training", BLUE), "val/loss": ("validation", ORANGE)}


def loss_curve(taken: Mapping[str, Line], foreseen: Mapping[str, Line]) -> Figure:
    """A figure of `draw_losses`."""
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    draw_losses(figure.add_subplot(), taken, foreseen)
    return figure


def draw_losses(axes: Axes, taken: Mapping[str, Line], foreseen: Mapping[str, Line]) -> None:
    """Losses against steps on a logarithmic axis.

    Args:
        axes: where to draw.
        taken: the run's own, by the names of `TAKEN`.
        foreseen: dashed, by the names of `FORESEEN`.
    """
    for name, (label, colour) in TAKEN.items():
        if taken.get(name):
            axes.plot(*zip(*taken[name], strict=True), color=colour, linewidth=2, label=label)
    for name, (label, colour, dashes) in FORESEEN.items():
        if foreseen.get(name):
            # a level may lie out of sight, so it is told
            told = label if name == "predicted_loss" else f"{label}: {foreseen[name][-1][1]:.4g}"
            axes.plot(*zip(*foreseen[name], strict=True), color=colour, linestyle=dashes, linewidth=1.5, label=told)
    values = [loss for line in (*taken.values(), *foreseen.values()) for _, loss in line]
    if values and max(values) > 0:
        # an exact loss of 0, or of rounding, would squeeze everything else into the upper edge
        own = [loss for line in taken.values() for _, loss in line if loss > 0]
        axes.set_yscale("log")
        axes.set_ylim(bottom=0.5 * max(min(own, default=max(values)) / 10, min(v for v in values if v > 0)))
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
