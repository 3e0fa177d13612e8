"""Data with one feature, and the lines that go through it."""

from collections.abc import Callable

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from src.data.problem import Problem, Scaling

# Okabe and Ito's colours, which the colour-blind can tell apart
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"


def fitted_line(problem: Problem, predict: Callable[[Tensor], Tensor], title: str = "") -> Figure:
    """A figure of `draw_fit`, with a title above it."""
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.add_subplot()
    draw_fit(axes, problem, predict)
    axes.set_title(title)
    return figure


def draw_fit(axes: Axes, problem: Problem, predict: Callable[[Tensor], Tensor]) -> None:
    """Training rows, the fitted line and the true one, in the units of the data.

    Args:
        axes: where to draw.
        problem: one feature, one target.
        predict: inputs `[N, 1]` as descent sees them to predictions `[N, 1]`.
    """
    scaling = problem.scaling or Scaling.identity(1, 1)
    inputs, targets = problem.train.inputs.double(), problem.train.targets.double()
    grid = torch.linspace(float(inputs.min()), float(inputs.max()), 200, dtype=torch.float64)[:, None]

    def shown(values: Tensor) -> list[float]:
        return (values * scaling.input_scale + scaling.input_mean)[:, 0].tolist()

    def heights(values: Tensor) -> list[float]:
        return scaling.predictions(values)[:, 0].tolist()

    axes.scatter(shown(inputs), heights(targets), s=14, color="#888888", alpha=0.6, label="training data")
    axes.plot(shown(grid), heights(predict(grid)), color=ORANGE, linewidth=2, label="fitted")
    if "weight" in problem.truth:
        true = grid @ problem.truth["weight"].double() + problem.truth["bias"].double()
        axes.plot(shown(grid), true[:, 0].tolist(), color=GREEN, linestyle="--", label="true")
    axes.set_xlabel(problem.features[0])
    axes.set_ylabel(problem.targets[0])
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
