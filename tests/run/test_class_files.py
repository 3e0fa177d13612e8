"""What a page draws of classes over one feature, written and read back, against the formulas of the probabilities."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import expit, softmax

from src.data.problem import Problem, Rows, Scaling
from src.losses.cross_entropy import CrossEntropy
from src.losses.logistic import Logistic
from src.plots.one_run import classes
from src.report.run_files import Run
from src.run.class_files import write_classes

X = np.array([10.0, 20.0, 40.0, 90.0])


def of_one_feature(targets: list[list[float]], names: list[str]) -> Problem:
    """Standardized features, and targets as they are."""
    x, y = torch.tensor(X)[:, None], torch.tensor(targets, dtype=torch.float64)
    scaling = Scaling(x.mean(0), x.std(0), torch.zeros(y.shape[1]), torch.ones(y.shape[1]), False)
    return Problem(scaling.forward(Rows(x, y)), None, None, ["radius"], ["kind"], scaling=scaling, classes=names)


def test_of_two_classes_the_second_has_a_curve(tmp_path: Path) -> None:
    problem = of_one_feature([[0], [1], [0], [1]], ['be"nign', "10"])
    exact = {"weight": [[0.1]], "bias": [-3.0]}
    write_classes(tmp_path, problem, lambda z: 2 * z - 1, Logistic(), exact)
    found = Run(tmp_path).fitted_classes
    assert {name: x.tolist() for name, (x, _) in found["train"].items()} == {'be"nign': [10, 40], "10": [20, 90]}
    x, fitted = found["fitted"]["10"]
    assert (x[0], x[-1]) == pytest.approx((10, 90))
    assert fitted == pytest.approx(expit(2 * (x - X.mean()) / X.std(ddof=1) - 1))
    assert found["exact"]["10"][1] == pytest.approx(expit(0.1 * x - 3))
    chart = classes(
        {name: x for name, (x, _) in found["train"].items()}, found["fitted"], found["exact"], ["x", "kind"]
    )
    assert [(line.name, line.role) for line in chart.lines] == [("10", "series"), ("exact, 10", "reference")]
    assert {points.name: set(points.y) for points in chart.points} == {'be"nign': {0.0}, "10": {1.0}}
    assert chart.caption.startswith("The probability that kind is 10;")


def test_of_several_each_has_one_and_probabilities_add_up(tmp_path: Path) -> None:
    weight = torch.tensor([[1.0, 0.0, -2.0]], dtype=torch.float64)
    problem = of_one_feature(np.eye(3)[[0, 1, 2, 1]].tolist(), ["a", "b", "c"])
    write_classes(tmp_path, problem, lambda z: z @ weight, CrossEntropy(), {"not_applicable": {}})
    found = Run(tmp_path).fitted_classes
    assert list(found) == ["train", "fitted"]
    z = (found["fitted"]["a"][0] - X.mean()) / X.std(ddof=1)
    probabilities = np.stack([found["fitted"][name][1] for name in "abc"], 1)
    assert probabilities == pytest.approx(softmax(z[:, None] @ weight.numpy(), axis=1))
    chart = classes({name: x for name, (x, _) in found["train"].items()}, found["fitted"], {}, ["x", "kind"])
    assert len({points.y[0] for points in chart.points}) == 3
    assert max(points.y[0] for points in chart.points) < 0


@pytest.mark.parametrize("names", [[], [str(k) for k in range(11)]])
def test_of_numbers_and_of_many_classes_there_is_no_file(tmp_path: Path, names: list[str]) -> None:
    write_classes(tmp_path, of_one_feature([[0.0]] * 4, names), lambda z: z, Logistic(), {})
    assert Run(tmp_path).fitted_classes == {}
