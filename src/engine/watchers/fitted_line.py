"""The line that fits so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from src.data.problem import Problem, Scaling
from src.engine.watchers.watcher import Watcher

if TYPE_CHECKING:
    from src.engine.loop import Loop

Xy = tuple[list[float], list[float]]
POINTS = 200


@dataclass(frozen=True)
class Drawn:
    """Data with one feature and one target, in their own units, and what a model makes of them.

    Attributes:
        rows: training rows, x and y `[N]` each.
        fitted: x ascending over their range, and the predictions there.
        true: the predictions of what made the data there; None where that is not known to be a line.
    """

    rows: Xy
    fitted: Xy
    true: Xy | None

    @classmethod
    def of(cls, problem: Problem, predict: Callable[[Tensor], Tensor]) -> Drawn:
        """Rows and lines of a problem with one feature and one target.

        Args:
            problem: it.
            predict: inputs `[N, 1]` as descent sees them to predictions `[N, 1]`.
        """
        scaling = problem.scaling or Scaling.identity(1, 1)
        inputs, targets = problem.train.inputs.double(), problem.train.targets.double()
        grid = grid_of(problem)

        def own(values: Tensor) -> list[float]:
            return (values * scaling.input_scale + scaling.input_mean)[:, 0].tolist()

        def heights(values: Tensor) -> list[float]:
            return scaling.predictions(values)[:, 0].tolist()

        true = None
        if "weight" in problem.truth:
            line = grid @ problem.truth["weight"].double() + problem.truth["bias"].double()
            true = own(grid), line[:, 0].tolist()
        with torch.no_grad():
            fitted = own(grid), heights(predict(grid))
        return cls((own(inputs), heights(targets)), fitted, true)


def grid_of(problem: Problem) -> Tensor:
    """Inputs `[POINTS, 1]`, evenly over the range of the training rows, as descent sees them; float64."""
    inputs = problem.train.inputs.double()
    return torch.linspace(float(inputs.min()), float(inputs.max()), POINTS, dtype=torch.float64)[:, None]


class FittedLine(Watcher):
    """What is expected over the range of the training rows, for data with one feature and one target.

    The profile `fitted_line/TARGET` is what `Loss.expected` makes of predictions, in the units of the data; TensorBoard
    shows it as a figure, with the data and the true line.
    """

    profiles = "fitted_line"

    def curves(self, loop: Loop) -> Mapping[str, Tensor]:
        """Profiles `[P, 2 + POINTS]`; nothing of data with more than one feature or target."""
        problems = loop.stepper.data.problems[: loop.stepper.size]
        if problems[0].inputs != 1 or problems[0].outputs != 1:
            return {}
        grids = torch.stack([grid_of(one) for one in problems])
        lines = loop.stepper.loss.expected(loop.stepper.predictions(grids))
        profiles = list[Tensor]()
        for problem, grid, line in zip(problems, grids, lines, strict=True):
            scaling = problem.scaling or Scaling.identity(1, 1)
            ends = grid[[0, -1]] * scaling.input_scale + scaling.input_mean
            profiles.append(torch.cat([ends, scaling.predictions(line)])[:, 0])
        return {f"fitted_line/{problems[0].targets[0]}": torch.stack(profiles)}

    def curves_of(self, parameters: int) -> int:
        """The heights of one line."""
        return 2 + POINTS

    def summary(self, name: str, profile: Sequence[float], problem: Problem, step: int) -> Any:
        """A figure."""
        from torch.utils.tensorboard.summary import image

        from src.plots.files import pixels  # its engine takes a while to start
        from src.plots.one_run import fit

        drawn = Drawn.of(problem, lambda grid: grid)
        others = {"true": drawn.true} if drawn.true is not None else {}
        names, line = (problem.features[0], problem.targets[0]), (drawn.fitted[0], list(profile[2:]))
        picture = fit(drawn.rows, line, others, names, f"after {step:,} steps")
        return image("fitted_line", pixels(picture), dataformats="HWC")
