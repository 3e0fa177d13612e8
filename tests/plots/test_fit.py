"""The fitted line is drawn where the numbers are."""

from collections.abc import Callable

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from src.data import Line, Scaling
from src.data.problem import Problem, Rows
from src.plots.fit import fitted_line
from src.run.theory_files import Drawn


def drawn(figure: object, label: str) -> np.ndarray:
    [axes] = figure.axes  # type: ignore[attr-defined]
    [line] = [line for line in axes.lines if line.get_label() == label]
    return np.array(line.get_data()).T


def figure_of(problem: Problem, predict: Callable[[Tensor], Tensor], title: str = "") -> Figure:
    found = Drawn.of(problem, predict)
    return fitted_line(found.rows, found.fitted, found.true, (problem.features[0], problem.targets[0]), title)


def test_true_and_fitted_line() -> None:
    line = Line(seed=0, rows=20, val=0, test=0, slope=3.0, intercept=1.0, noise=0.1, low=0.0, high=2.0, spacing="even")
    figure = figure_of(line.problem(), lambda x: 2 * x, title="after 5 steps")
    true, fitted = drawn(figure, "true"), drawn(figure, "fitted")
    np.testing.assert_allclose(true[:, 1], 3 * true[:, 0] + 1, rtol=1e-6)
    np.testing.assert_allclose(fitted[:, 1], 2 * fitted[:, 0], rtol=1e-6)
    assert figure.axes[0].get_title() == "after 5 steps"


def test_a_table_is_drawn_in_its_own_units() -> None:
    x, y = torch.tensor([[10.0], [20.0], [30.0]]), torch.tensor([[100.0], [300.0], [500.0]])
    scaling = Scaling.of(x.double(), y.double())
    problem = Problem(scaling.forward(Rows(x, y)), None, None, ["area"], ["price"], scaling=scaling)
    # y = 20 x - 100 exactly, which is the identity in standardized units
    fitted = drawn(figure_of(problem, lambda z: z), "fitted")
    np.testing.assert_allclose(fitted[:, 1], 20 * fitted[:, 0] - 100, rtol=1e-9)
    assert fitted[0, 0] == 10
    assert fitted[-1, 0] == 30
