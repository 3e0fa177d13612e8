"""Pictures of one run: its losses, its data and the lines through them, its way over the loss, its histograms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from src.plots.chart import Axis, Chart, Contours, Heat, Level, Line, Numbers, Path, Points

Curve = tuple[Numbers, Numbers]
"""Steps and values, `[N]` each."""
TAKEN = {"train/loss": "training", "val/loss": "validation"}
FORESEEN = {"predicted_loss": "predicted by theory", "noise_floor": "floor of mini-batches"}
BINS = 60
POINTS = 121


def losses(taken: Mapping[str, Curve], foreseen: Mapping[str, Curve], exact: float | None) -> Chart | None:
    """Losses against steps; None where there are none.

    Args:
        taken: the run's own curves, by the names of `TAKEN`; others are left alone.
        foreseen: by the names of `FORESEEN`.
        exact: the least training loss there is, where theory knows it.
    """
    lines = [
        Line(told, *taken[name], markers=len(taken[name][0]) <= 30)
        for name, told in TAKEN.items()
        if name in taken and len(taken[name][0])
    ]
    if not lines:
        return None
    lines += [Line(told, *foreseen[name], role="reference") for name, told in FORESEEN.items() if name in foreseen]
    positive = any((np.asarray(line.y) > 0).any() for line in lines)
    levels = [Level(f"exact loss {exact:.4g}", exact, "y")] if exact is not None else []
    x, y = Axis("step", switch=True), Axis("loss", log=positive, switch=positive)
    return Chart("loss", "Loss", x, y, lines=lines, levels=levels)


@dataclass(frozen=True)
class Straight:
    """`y = weight x + bias`, in the units of the data."""

    name: str
    weight: float
    bias: float


def fit(
    rows: tuple[Numbers, Numbers], fitted: Curve, known: Sequence[Straight], names: tuple[str, str] = ("x", "y")
) -> Chart:
    """Data with one feature, and the lines through them.

    Args:
        rows: features and targets, `[N]` each.
        fitted: the model's predictions over ascending features.
        known: the exact line and the true one, where they are known.
        names: of the feature and the target.
    """
    grid = np.asarray(fitted[0])
    lines = [Line("fitted", *fitted)]
    lines += [Line(one.name, grid, one.weight * grid + one.bias, role="reference") for one in known]
    data = Points("training data", *rows, role="data")
    return Chart("fit", "Data and lines", Axis(names[0]), Axis(names[1]), lines=lines, points=[data])


# --- the way over the loss -------------------------------------------------------------------------------------------


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

    @property
    def hessian(self) -> NDArray[np.float64]:
        """`[2, 2]`, of weight and bias: 2 XᵀX / n in that unit."""
        design = np.stack([self.x, np.ones_like(self.x)], 1)
        return np.asarray(2 * self.unit * design.T @ design / len(self.x), dtype=np.float64)

    @property
    def lowest(self) -> NDArray[np.float64]:
        """`[2]`: the weight and bias of least squares, of many the one of least norm."""
        design = np.stack([self.x, np.ones_like(self.x)], 1)
        return np.asarray(np.linalg.lstsq(design, self.y, rcond=None)[0], dtype=np.float64)

    def losses(self, weight: NDArray[np.float64], bias: NDArray[np.float64]) -> NDArray[np.float64]:
        """The loss at every place of two arrays of one shape."""
        rest = np.square(self.x * self.lowest[0] + self.lowest[1] - self.y)
        away = np.stack([weight - self.lowest[0], bias - self.lowest[1]], -1)
        heights: NDArray[np.float64] = self.unit * rest.mean() + 0.5 * np.einsum(
            "...i,ij,...j", away, self.hessian, away
        )
        return heights


def way(valley: Valley, steps: Sequence[int], weight: Numbers, bias: Numbers, name: str = "path") -> Contours:
    """The loss over weight and bias, the path taken, and the valley's axes: the eigenvectors of its Hessian.

    Args:
        valley: the loss.
        steps: `[N]`, at which the parameters are known.
        weight: `[N]`.
        bias: `[N]`.
        name: of the path.
    """
    weight, bias, lowest = np.asarray(weight, np.float64), np.asarray(bias, np.float64), valley.lowest
    x, y = (np.linspace(*ends, POINTS) for ends in _window(weight, bias, lowest))
    heights = valley.losses(*np.meshgrid(x, y))
    values, vectors = np.linalg.eigh(valley.hessian)
    reach = 2 * max(float(np.ptp(x)), float(np.ptp(y)))
    axes = []
    for told, value, vector in zip(("flattest", "steepest"), values, vectors.T, strict=True):
        along = lowest[:, None] + vector[:, None] * [-reach, reach]
        axes.append(Line(f"{told} axis (λ = {value:.4g})", along[0], along[1], role="reference"))
    marks = [Points("exact", lowest[:1], lowest[1:], f"loss {float(valley.losses(*lowest)):.4g}", role="mark")]
    taken = Path(name, steps, weight, bias, values=valley.losses(weight, bias))
    limits = [(float(ends[0]), float(ends[-1])) for ends in (x, y)]
    across, upwards = Axis("weight", limits=limits[0]), Axis("bias", limits=limits[1])
    caption = "Loss on the training rows over weight and bias. The axes of the valley are the Hessian's eigenvectors."
    return Contours(
        "way", "The way over the loss", across, upwards, x, y, heights, "loss", True, [taken], marks, axes, caption
    )


def _window(
    weight: NDArray[np.float64], bias: NDArray[np.float64], lowest: NDArray[np.float64]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """What holds the path and the lowest place; of a path that runs away, as far as three times its start."""
    away = np.hypot(weight - lowest[0], bias - lowest[1])
    near = away <= 3 * max(float(away[0]), 1e-6)
    ends = []
    for places, centre in ((weight, lowest[0]), (bias, lowest[1])):
        held = np.append(places[near], centre)
        low, high = float(held.min()), float(held.max())
        ends.append((low, high))
    widest = max(high - low for low, high in ends) or 1.0
    return tuple(_wider(low, high, widest) for low, high in ends)  # type: ignore[return-value]


def _wider(low: float, high: float, widest: float) -> tuple[float, float]:
    half, middle = max(0.65 * (high - low), 0.25 * widest), (low + high) / 2
    return middle - half, middle + half


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
    held = [edge for one in taken for edge in one.edges[_held(one)]]
    low, high = min(held), max(held)
    pad = 0.01 * (high - low) or 0.5 * max(abs(low), 1.0)  # the ends lie inside, whole
    edges = np.linspace(low - pad, high + pad, BINS + 1)
    shares = []
    for one in taken:
        below = np.concatenate([[0.0], np.cumsum(one.counts)]) / one.counts.sum()
        shares.append(np.diff(np.interp(edges, one.edges, below)))
    middles = ((edges[1:] + edges[:-1]) / 2).tolist()
    steps = [float(one.step) for one in taken]
    return Heat(name, title, "step", what, steps, middles, np.array(shares).T, "share of values")


def _held(one: Histogram) -> NDArray[np.bool_]:
    """Edges of bins that hold anything."""
    full = one.counts > 0
    return np.concatenate([full, [False]]) | np.concatenate([[False], full])
