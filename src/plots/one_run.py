"""Pictures of one run: its losses, its data and what it makes of them, its path over the loss, what was watched."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from src.plots.chart import Axis, Chart, Contours, Heat, Level, Line, Numbers, Path, Points

Curve = tuple[Numbers, Numbers]
"""x (steps, features) and y, `[N]` each."""
MEASURED = {"train/loss": "training", "val/loss": "validation"}
PARTS = {"train": "training", "val": "validation"}
PREDICTED = {"predicted_loss": "predicted by theory", "noise_floor": "floor of mini-batches"}
SHARPNESS = {"lambda_max": "λmax", "2_over_lr": "2/learning rate", "edge": "the edge with momentum"}
TITLES = {
    "sharpness": "Sharpness",
    "gradient_norm": "Norm of the gradient",
    "lr": "Learning rate",
    "update_ratio": "Update over weights",
    "update_cosine": "Cosine with the way down",
}
CAPTIONS = {
    "gradient_norm": "Of the loss over all training rows.",
    "update_ratio": "The length of the last update over that of the weights before it, all parameters together.",
    "update_cosine": "Of the angle between the last update and minus the gradient over all training rows: 1 is "
    "straight down, 0 across, below 0 uphill.",
}
LINEAR = ("lr", "update_cosine")
"""What is drawn on a linear axis though it may be above 0 throughout."""
BINS = 60
POINTS = 121
FAR = 10
"""Times the height of the window: a line that goes as far out of it would squeeze the data into another."""


def losses(
    measured: Mapping[str, Curve],
    predicted: Mapping[str, Curve],
    exact: float | None,
    best: float | None = None,
    decayed: bool = False,
) -> Chart | None:
    """Losses against steps; None where there are none.

    Args:
        measured: the run's own curves, by the names of `MEASURED`; others are left alone.
        predicted: by the names of `PREDICTED`; others are left alone.
        exact: the training loss of the exact answer, where theory knows it.
        best: the step to be marked as that of the lowest validation loss.
    """
    lines = [
        Line(label, *measured[name], markers=len(measured[name][0]) <= 30)
        for name, label in MEASURED.items()
        if name in measured and len(measured[name][0])
    ]
    if not lines:
        return None
    last = max(float(line.x[-1]) for line in lines)  # theory goes on where a run was stopped
    for name, label in PREDICTED.items():
        x, y = map(np.asarray, predicted.get(name, ((), ())))
        lines += [Line(label, x[x <= last], y[x <= last], role="reference")] if name in predicted else []
    positive = any((np.asarray(line.y) > 0).any() for line in lines)
    levels = (
        [Level(f"{'at the exact answer' if decayed else 'exact loss'} {exact:.4g}", exact, "y")]
        if exact is not None and (exact > 0 or not positive)
        else []
    )
    levels += [Level(f"lowest validation loss, step {best:,.0f}", best, "x")] if best is not None else []
    across, upwards = Axis("step", switch=True), Axis("loss", log=positive, switch=positive)
    return Chart("loss", "Loss", across, upwards, lines=lines, levels=levels)


def above(training: Curve, predicted: Curve | None, exact: float) -> Chart:
    """How far the training loss is above the exact one, against steps.

    Args:
        training: the loss of all rows less the exact one.
        predicted: the same by theory; None where it foresees nothing.
        exact: the least loss there is.
    """
    lines = [Line(MEASURED["train/loss"], *training, markers=len(training[0]) <= 30)]
    if predicted is not None:
        x, y = map(np.asarray, predicted)
        there = (x <= training[0][-1]) & (y >= np.min(training[1]))  # theory has no rounding
        lines.append(Line(PREDICTED["predicted_loss"], x[there], y[there], role="reference"))
    across, upwards = Axis("step", switch=True), Axis("training loss above the exact one", log=True, switch=True)
    flat = int(np.count_nonzero(training[1] == np.min(training[1])) > 1)
    caption = f"The exact loss is {exact:.6g}." + " Flat at the bottom is rounding." * flat
    return Chart("loss_above", "Training loss above the exact one", across, upwards, caption, lines)


def accuracy(validation: Curve) -> Chart:
    """The share of validation rows whose class is predicted, against steps."""
    line = Line(MEASURED["val/loss"], *validation, markers=len(validation[0]) <= 30)
    return Chart("accuracy", "Accuracy", Axis("step", switch=True), Axis.of_shares("accuracy", [line.y]), lines=[line])


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
    low, high = _ends([rows[1], *(line[1] for line in others.values())])
    heights, limits, caption = np.asarray(fitted[1], np.float64), None, ""
    far = np.abs(heights - (low + high) / 2) > FAR * (high - low)
    if far.any():
        ends, limits = heights[np.isfinite(heights)], (low, high)
        caption = f"The fitted line goes from {ends[0]:.4g} to {ends[-1]:.4g}, far out of this window."
        heights = np.where((low <= heights) & (heights <= high), heights, np.nan)
    lines = [Line("fitted", fitted[0], heights)]
    lines += [Line(name, *line, role="reference") for name, line in others.items()]
    data = Points("training data", *rows, role="data")
    return Chart("fit", title, Axis(names[0]), Axis(names[1], limits=limits), caption, lines=lines, points=[data])


def classes(
    rows: Mapping[str, Numbers],
    fitted: Mapping[str, Curve],
    exact: Mapping[str, Curve],
    names: Sequence[str],
) -> Chart:
    """Rows of classes over one feature, and their probabilities.

    Args:
        rows: the features of each class's training rows, `[N]`.
        fitted: the model's probabilities of each class over ascending features; of two classes the second's.
        exact: the same of the exact answer, as far as there is one.
        names: of the feature and the target.
    """
    binary = len(fitted) == 1
    lines = [Line(name, *curve, markers=None) for name, curve in fitted.items()]
    lines += [Line(f"exact, {name}", *curve, role="reference") for name, curve in exact.items()]
    order = list(dict.fromkeys([*fitted, *rows]))
    heights = {name: float(name in fitted) if binary else -0.05 * (1 + k) for k, name in enumerate(order)}
    points = [Points(name, x, np.full(len(x), heights[name])) for name, x in rows.items()]
    where = "at 0 and at 1" if binary else "below 0, a line each"
    caption = f"The probability of each {names[1]}; training rows {where}."
    if binary:
        caption = f"The probability that {names[1]} is {next(iter(fitted))}; training rows {where}."
    low = min(heights.values())
    limits = (low - 0.05, 1.05)
    return Chart(
        "classes", "Data and classes", Axis(names[0]), Axis("probability", limits=limits), caption, lines, points
    )


def _ends(columns: Sequence[Numbers]) -> tuple[float, float]:
    """What holds all of their finite values, with some room; something where there is none."""
    values = np.concatenate([np.asarray(one, np.float64) for one in columns])
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 0.0)
    room = 0.05 * (high - low) or 0.5 * max(abs(low), 1.0)
    return low - room, high + room


def predicted(name: str, target: str, parts: Mapping[str, Curve], log: bool) -> Chart:
    """Predicted against actual values.

    Args:
        name: of the picture.
        target: what is predicted.
        parts: predicted and actual values, by the names of `PARTS`.
        log: whether its logarithm is fitted.
    """
    ends = _ends([column for pair in parts.values() for column in pair])
    if log:  # of what is above 0
        least = min(float(np.nanmin(column)) for pair in parts.values() for column in pair)
        ends = 0.9 * least, ends[1]
    points = [Points(PARTS[part], pair[1], pair[0]) for part, pair in parts.items()]
    diagonal = Line("predicted = actual", ends, ends, role="reference")
    x, y = (Axis(f"{how} {target}", log=log, switch=log, limits=ends) for how in ("actual", "predicted"))
    caption = "The nearer to the dashed line, the better; above it the prediction is too high."
    return Chart(name, f"Predicted against actual {target}", x, y, caption, lines=[diagonal], points=points)


def residuals(name: str, target: str, parts: Mapping[str, Curve], log: bool) -> Chart:
    """What predictions leave over, against them; arguments as of `predicted`."""

    def left(own: Numbers, actual: Numbers) -> Numbers:
        with np.errstate(invalid="ignore", divide="ignore"):  # of what has no logarithm nothing is drawn
            return np.subtract(np.log(actual), np.log(own)) if log else np.subtract(actual, own)

    points = [Points(PARTS[part], own, left(own, actual)) for part, (own, actual) in parts.items()]
    caption = (
        "A cloud around 0 without shape is all that one can ask; a curve is what the model misses, a funnel noise that "
        "grows with the prediction."
    )
    x = Axis(f"predicted {target}", log=log, switch=log)
    y = Axis(f"{'logarithm of ' * log}{target}: actual less predicted")
    return Chart(name, f"Residuals of {target}", x, y, caption, points=points, levels=[Level("no error", 0.0, "y")])


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


# --- what was watched ------------------------------------------------------------------------------------------------


def watched(curves: Mapping[str, Curve]) -> list[Chart]:
    """Whatever else was recorded against steps, a picture for all that have the same prefix.

    Args:
        curves: by name, such as `gradient_norm`, `sharpness/lambda_max`, `weight[0]`; one whose value never changes has
            no picture of its own.
    """
    groups: dict[str, dict[str, Curve]] = {}
    for name, curve in curves.items():
        group = re.split(r"[/\[]", name)[0]
        groups.setdefault(group, {})[name.removeprefix(f"{group}/")] = curve
    return [
        _sharpness(of_one) if group == "sharpness" and "lambda_max" in of_one else _watched(group, of_one)
        for group, of_one in groups.items()
        if any(np.ptp(values) > 0 for _, values in of_one.values())
    ]


def _watched(group: str, curves: Mapping[str, Curve]) -> Chart:
    title = TITLES.get(group, group)
    positive = group not in LINEAR and all((np.asarray(values) > 0).all() for _, values in curves.values())
    lines = [Line(title if name == group else name, *curve) for name, curve in curves.items()]
    y = Axis(title[0].lower() + title[1:], log=positive, switch=positive)
    name = f"watched_{re.sub('[^a-z0-9]', '_', group.lower())}"
    return Chart(name, title, Axis("step", switch=True), y, CAPTIONS.get(group, ""), lines)


def _sharpness(curves: Mapping[str, Curve]) -> Chart:
    """λmax beside the edge of stability: a level where the rate is constant, else a line."""
    steps, largest = (np.asarray(one) for one in curves["lambda_max"])
    edge = next((name for name in ("edge", "2_over_lr") if name in curves), None)
    lines, levels, caption = [Line(SHARPNESS["lambda_max"], steps, largest)], list[Level](), ""
    low, high = float(largest.min()), float(largest.max())
    if edge is not None:
        at, heights = (np.asarray(one) for one in curves[edge])
        if np.ptp(heights) > 0:
            lines.append(Line(SHARPNESS[edge], at, heights, role="reference"))
        else:
            levels.append(Level(f"{SHARPNESS[edge]} = {heights[0]:.4g}", float(heights[0]), "y"))
        low, high = min(low, float(heights.min())), max(high, float(heights.max()))
        there = np.isin(steps, at)
        share, most = largest[there][-1] / heights[-1], float((largest[there] / heights).max())
        caption = (
            f"λmax came up to {most:.2g} of {SHARPNESS[edge]}, and ended at {share:.2g} of it. Above it "
            "descent is unstable; networks climb up to there and stay, at the edge of stability (Cohen et al. 2021). "
        )
    log = low > 0 and high > 20 * low  # a schedule that ends near 0 moves the edge far up
    limits = (low / 1.5, 1.5 * high) if log else (min(0.95 * low, 0.0), 1.05 * high)
    return Chart(
        "watched_sharpness",
        "Sharpness",
        Axis("step", switch=True),
        Axis("largest eigenvalue", log, low > 0, limits),
        f"{caption}λmax is the largest eigenvalue of the Hessian of the loss over all training rows.",
        lines,
        levels=levels,
    )


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
