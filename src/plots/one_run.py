"""Pictures of one run: its losses, its data and the lines through them, its path over the loss, its histograms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from src.plots.chart import Axis, Chart, Contours, Heat, Level, Line, Numbers, Path, Points

Curve = tuple[Numbers, Numbers]
"""x (steps, features) and y, `[N]` each."""
MEASURED = {"train/loss": "training", "val/loss": "validation"}
PREDICTED = {"predicted_loss": "predicted by theory", "noise_floor": "floor of mini-batches"}
BINS = 60
POINTS = 121


def losses(measured: Mapping[str, Curve], predicted: Mapping[str, Curve], exact: float | None) -> Chart | None:
    """Losses against steps; None where there are none.

    Args:
        measured: the run's own curves, by the names of `MEASURED`; others are left alone.
        predicted: by the names of `PREDICTED`; others are left alone.
        exact: the least training loss there is, where theory knows it.
    """
    lines = [
        Line(label, *measured[name], markers=len(measured[name][0]) <= 30)
        for name, label in MEASURED.items()
        if name in measured and len(measured[name][0])
    ]
    if not lines:
        return None
    lines += [Line(label, *predicted[name], role="reference") for name, label in PREDICTED.items() if name in predicted]
    positive = any((np.asarray(line.y) > 0).any() for line in lines)
    levels = [Level(f"exact loss {exact:.4g}", exact, "y")] if exact is not None else []
    x, y = Axis("step", switch=True), Axis("loss", log=positive, switch=positive)
    return Chart("loss", "Loss", x, y, lines=lines, levels=levels)


def fit(
    rows: Curve, fitted: Curve, others: Mapping[str, Curve], names: Sequence[str], title: str = "Data and lines"
) -> Chart:
    """Data with one feature, and the lines through them.

    Args:
        rows: features and targets, `[N]` each.
        fitted: the model's predictions over ascending features.
        others: the exact line and the true one, as far as there are.
        names: of the feature and the target.
        title: above the axes.
    """
    lines = [Line("fitted", *fitted)]
    lines += [Line(name, *line, role="reference") for name, line in others.items()]
    data = Points("training data", *rows, role="data")
    return Chart("fit", title, Axis(names[0]), Axis(names[1]), lines=lines, points=[data])


# --- the path over the loss ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Valley:
    """`loss(weight, bias)` of a line on one feature: a quadratic, given by its data or points with their moments.

    Attributes:
        x: `[N]`.
        y: `[N]`.
        unit: what the mean of the squares is multiplied by: 1, or where the loss is their sum the number of all rows.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    unit: float = 1

    @cached_property
    def hessian(self) -> NDArray[np.float64]:
        """`[2, 2]`, of weight and bias: 2 XᵀX / n in that unit."""
        design = np.stack([self.x, np.ones_like(self.x)], 1)
        return np.asarray(2 * self.unit * design.T @ design / len(self.x), dtype=np.float64)

    @cached_property
    def lowest(self) -> NDArray[np.float64]:
        """`[2]`: the weight and bias of least squares, of many the one of least norm."""
        design = np.stack([self.x, np.ones_like(self.x)], 1)
        return np.asarray(np.linalg.lstsq(design, self.y, rcond=None)[0], dtype=np.float64)

    def losses(self, weight: NDArray[np.float64], bias: NDArray[np.float64]) -> NDArray[np.float64]:
        """The loss at every pair of two arrays of one shape, in that shape."""
        rest = np.square(self.x * self.lowest[0] + self.lowest[1] - self.y)
        away = np.stack([weight - self.lowest[0], bias - self.lowest[1]], -1)
        heights: NDArray[np.float64] = self.unit * rest.mean() + 0.5 * np.einsum(
            "...i,ij,...j", away, self.hessian, away
        )
        return heights


def loss_surface(valley: Valley, steps: Sequence[int], weight: Numbers, bias: Numbers) -> Contours:
    """The loss over weight and bias, the path taken, and the valley's axes: the eigenvectors of its Hessian.

    Args:
        valley: the loss.
        steps: `[N]`, at which the parameters were recorded.
        weight: `[N]`.
        bias: `[N]`.
    """
    weight, bias, lowest = np.asarray(weight, np.float64), np.asarray(bias, np.float64), valley.lowest
    ends = _window(weight, bias, lowest)
    x, y = (np.linspace(low, high, POINTS) for low, high in ends)
    heights = valley.losses(*np.meshgrid(x, y))
    values, vectors = np.linalg.eigh(valley.hessian)
    reach = 2 * max(float(np.ptp(x)), float(np.ptp(y)))
    axes = []
    for label, value, vector in zip(("flattest", "steepest"), values, vectors.T, strict=True):
        along = lowest[:, None] + vector[:, None] * [-reach, reach]
        axes.append(Line(f"{label} axis (λ = {value:.4g})", along[0], along[1], role="reference"))
    exact = Points("exact", lowest[:1], lowest[1:], f"loss {float(valley.losses(*lowest)):.4g}", role="star")
    start = [Points("start", weight[:1], bias[:1], role="start")] if len(steps) > 1 else []
    path = Path("path", steps, weight, bias, values=valley.losses(weight, bias))
    caption = "Loss on the training rows over weight and bias. The axes of the valley are the Hessian's eigenvectors."
    across, upwards = Axis("weight", limits=ends[0]), Axis("bias", limits=ends[1])
    return Contours(
        "way", "The way over the loss", across, upwards, x, y, heights, "loss", [path], [exact, *start], axes, caption
    )


def _window(
    weight: NDArray[np.float64], bias: NDArray[np.float64], lowest: NDArray[np.float64]
) -> list[tuple[float, float]]:
    """Ends of weight and bias: what holds the path and the lowest point; of a path that runs away, three times as far
    as its start."""
    away = np.hypot(weight - lowest[0], bias - lowest[1])
    near = away <= 3 * max(float(away[0]), 1e-6)
    held = np.column_stack([lowest, [weight[near], bias[near]]])
    low, high = held.min(1), held.max(1)
    half = np.maximum(0.65 * (high - low), 0.25 * (np.max(high - low) or 1.0))
    middle = (low + high) / 2
    return list(zip((middle - half).tolist(), (middle + half).tolist(), strict=True))


# --- histograms ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Histogram:
    """How many values lay where after a step.

    Attributes:
        step: of the optimizer.
        edges: `[M + 1]`, ascending.
        counts: `[M]`.
    """

    step: int
    edges: NDArray[np.float64]
    counts: NDArray[np.float64]


def histograms(name: str, title: str, what: str, taken: Sequence[Histogram]) -> Heat:
    """How a parameter's values, or its gradient's, moved along a run: the share of them in each bin.

    Each histogram has bins of its own; its counts are spread evenly inside them, onto the bins that all have here.

    Args:
        name: of the picture.
        title: of it.
        what: is counted.
        taken: at least one.
    """
    low = min(one.edges[:-1][one.counts > 0].min() for one in taken)
    high = max(one.edges[1:][one.counts > 0].max() for one in taken)
    pad = 0.01 * (high - low) or 0.5 * max(abs(low), 1.0)  # the ends lie inside, whole
    edges = np.linspace(low - pad, high + pad, BINS + 1)
    shares = []
    for one in taken:
        below = np.concatenate([[0.0], np.cumsum(one.counts)]) / one.counts.sum()
        shares.append(np.diff(np.interp(edges, one.edges, below)))
    middles = ((edges[1:] + edges[:-1]) / 2).tolist()
    steps = [float(one.step) for one in taken]
    return Heat(name, title, "step", what, steps, middles, np.array(shares).T, "share of values")
