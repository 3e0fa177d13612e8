"""The files that a page is made from, against closed forms, numpy and the parameters of `result.json`."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, softmax

from src.data.line import Line
from src.data.problem import Problem, Rows, Scaling
from src.engine.checkpoint import model_of, read
from src.engine.watchers.fitted_line import Drawn
from src.losses.cross_entropy import CrossEntropy
from src.losses.logistic import Logistic
from src.losses.loss import Loss
from src.losses.squared_error import SquaredError
from src.plots.one_run import classes
from src.report.run_files import Run
from src.run.page_files import MOST_ROWS, moments, write_classes, write_fit, write_predictions
from src.run_directory import Result
from tests.kinds import data_of

Train = Callable[..., Result]
LINE = ["experiment=noisy_line", "model.dtype=float64"]


def theory(directory: Path) -> pl.DataFrame:
    return pl.read_csv(directory / "theory.csv")


def fit(directory: Path, kind: str) -> np.ndarray:
    """x, y, rows `[N, 3]` of a kind."""
    return pl.read_csv(directory / "fit.csv").filter(pl.col("kind") == kind).drop("kind").to_numpy()


def a_problem(x: np.ndarray, y: np.ndarray, **more: object) -> Problem:
    columns = (torch.as_tensor(column, dtype=torch.float64)[:, None] for column in (x, y))
    return Problem(Rows(*columns), None, None, ["x"], ["y"], **more)  # type: ignore[arg-type]


# --- theory ----------------------------------------------------------------------------------------------------------


def test_predicted_losses_are_those_of_descent_in_numpy(train: Train) -> None:
    """Gradient descent by hand on the rows that `fit.csv` shows, all 100 of them, from 0 and 0."""
    directory = train("run", *LINE).directory
    x, y, _ = fit(directory, "train").T
    weight, bias, losses = 0.0, 0.0, []
    for _ in range(101):
        error = weight * x + bias - y
        losses.append(float(np.mean(error**2)))
        weight, bias = weight - 0.01 * np.mean(2 * error * x), bias - 0.01 * np.mean(2 * error)
    table = theory(directory)
    assert table.columns == ["step", "predicted_loss", "exact_loss", "noise_floor"]
    assert table["step"].to_list() == list(range(101))
    assert table["predicted_loss"].to_numpy() == pytest.approx(np.array(losses), rel=1e-9)
    design = np.stack([x, np.ones_like(x)], 1)
    least = float(np.linalg.lstsq(design, y, rcond=None)[1][0]) / 100
    assert table["exact_loss"].drop_nulls().to_list() == pytest.approx([least, least], rel=1e-12)
    assert table["exact_loss"].is_not_null().arg_true().to_list() == [0, 100]
    assert table["noise_floor"].null_count() == 101


def test_mini_batches_have_a_floor_and_no_path(train: Train) -> None:
    result = train("run", *LINE, "data.batch_size=10", "optimizer.lr=0.005")
    table = theory(result.directory)
    assert table["step"].to_list() == [0, 100]
    assert table["predicted_loss"].null_count() == 2
    assert table["noise_floor"].to_list() == [result.exact["noise_floor"]] * 2


def test_of_a_network_theory_leaves_no_file(train: Train) -> None:
    directory = train("run", "model=two_layer", "trainer.max_steps=3").directory
    assert not (directory / "theory.csv").exists()
    assert (directory / "fit.csv").exists()


def test_a_prediction_ends_where_a_run_would_have_diverged(train: Train) -> None:
    """At 1e8 times the first loss; the run itself ends with it, and its file is written all the same."""
    result = train("run", *LINE, "optimizer.lr=0.2")
    assert result.status == "diverged"
    predicted = theory(result.directory)["predicted_loss"].drop_nulls().to_numpy()
    assert predicted.max() <= 1e8 * predicted[0] < predicted[-1] * (predicted[-1] / predicted[-2])


# --- data ------------------------------------------------------------------------------------------------------------


def test_a_line_is_that_of_the_parameters(train: Train) -> None:
    result = train("run", *LINE)
    weight, bias = result.parameters["weight"][0][0], result.parameters["bias"][0]
    x, y, _ = fit(result.directory, "fitted").T
    assert (x[0], x[-1]) == (0, 10)
    assert y == pytest.approx(weight * x + bias, rel=1e-12)
    # 100 times evenly from 0 to 10, y = 2x + 1 + 2ε, drawn in float32
    noise = torch.randn(100, 1, generator=torch.Generator().manual_seed(42))[:, 0].double().numpy()
    x, y, rows = fit(result.directory, "train").T
    assert x == pytest.approx(np.linspace(0, 10, 100), rel=1e-6)
    assert y == pytest.approx(2 * x + 1 + 2 * noise, rel=1e-5)
    assert (rows == 1).all()


def test_a_network_is_that_of_its_checkpoint(train: Train) -> None:
    """Two layers in numpy, of the weights that the checkpoint keeps."""
    words = ["data=line", "model=two_layer", "model.dtype=float64", "trainer.max_steps=50", "model.activation=tanh"]
    directory = train("run", *words).directory
    kept = torch.load(directory / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    state = {name.removeprefix("model."): value[0].numpy() for name, value in kept.items()}
    x, y, _ = fit(directory, "fitted").T
    hidden = np.tanh(x[:, None] @ state["weight1"] + state["bias1"])
    assert y == pytest.approx((hidden @ state["weight2"] + state["bias2"])[:, 0], rel=1e-12)


def test_a_module_of_ones_own_that_takes_no_other_rows_is_left_out(tmp_path: Path) -> None:
    def picky(inputs: torch.Tensor) -> torch.Tensor:
        if len(inputs) != 3:
            raise RuntimeError("three rows, please")
        return inputs

    problem = a_problem(np.arange(600.0), np.arange(600.0))
    for predict in (picky, lambda inputs: inputs[:, :0]):
        write_predictions(tmp_path, problem, predict, SquaredError())
    assert not (tmp_path / "predictions.csv").exists()
    write_fit(tmp_path, a_problem(np.arange(3.0), np.arange(3.0)), picky)
    assert np.isnan(fit(tmp_path, "fitted")[:, 1].astype(float)).all()
    assert len(fit(tmp_path, "train")) == 3


def test_a_module_of_ones_own_predicts_as_its_checkpoint_does(train: Train) -> None:
    """The predictions of `src.predict`'s model, in float32."""
    words = ["data=teacher", "data.inputs=1", "model=custom", "model._target_=tests.models.own.Dropping"]
    directory = train("run", *words, "trainer.max_steps=20").directory
    model = model_of(read(directory / "checkpoints" / "last.ckpt")).eval()
    x, y, _ = fit(directory, "fitted").T
    with torch.no_grad():
        told = model(torch.tensor(x, dtype=torch.float32)[None, :, None])[0, :, 0]
    assert y == pytest.approx(told.double().numpy(), rel=1e-5, abs=1e-6)


def test_a_table_is_in_its_own_units(tmp_path: Path) -> None:
    """y = 20 x - 100 exactly, which is the identity in standardized units."""
    x, y = torch.tensor([[10.0], [20.0], [30.0]]), torch.tensor([[100.0], [300.0], [500.0]])
    scaling = Scaling.of(x.double(), y.double())
    problem = Problem(scaling.forward(Rows(x, y)), None, None, ["area"], ["price"], scaling=scaling)
    write_fit(tmp_path, problem, lambda z: z)
    assert fit(tmp_path, "train")[:, :2] == pytest.approx(np.array([[10, 100], [20, 300], [30, 500]]))
    x_fitted, y_fitted, _ = fit(tmp_path, "fitted").T
    assert y_fitted == pytest.approx(20 * x_fitted - 100)
    write_predictions(tmp_path, problem, lambda z: z + scaling.forward(Rows(x, y)).targets.std(), SquaredError())
    table = pl.read_csv(tmp_path / "predictions.csv")
    assert table["actual"].to_list() == pytest.approx([100, 300, 500])
    # one standard deviation of the rows, n - 1
    assert table["predicted"].to_list() == pytest.approx([300, 500, 700])
    assert table.rows()[0][:2] == ("train", "price")


@pytest.mark.parametrize(
    ("loss", "predicted", "targets", "rows"),
    [
        (Logistic(), [[2.0], [-1.0], [0.0]], [[1], [1], [0]], [("b", "b", 2), ("a", "b", 1), ("a", "a", 0)]),
        (
            CrossEntropy(),
            [[0, 2.0], [1.0, 0], [3, 3.0]],
            [[0, 1], [0, 1], [1, 0]],
            [("b", "b", 2), ("a", "b", 1), ("a", "a", 0)],
        ),
    ],
)
def test_classes_are_named_with_the_probability_of_the_predicted_one(
    tmp_path: Path, loss: Loss, predicted: list[list[float]], targets: list[list[int]], rows: list[tuple[str, str, int]]
) -> None:
    """`1 / (1 + exp(-d))`, of log-odds d, whatever the classes are called."""
    names = {"a": 'a "dog", small', "b": "β"}
    data = Rows(torch.zeros(3, 1), torch.tensor(targets))
    problem = Problem(data, data, None, ["x"], ["pet, or not"], classes=list(names.values()))
    write_predictions(tmp_path, problem, lambda z: torch.tensor(predicted).double(), loss)
    table = pl.read_csv(tmp_path / "predictions.csv")
    assert table.columns == ["part", "target", "predicted", "actual", "probability"]
    made = [(a, b, pytest.approx(1 / (1 + np.exp(-odds)))) for a, b, odds in rows]
    assert table.rows() == [
        (part, "pet, or not", names[a], names[b], p) for part in ("train", "val") for a, b, p in made
    ]


def test_the_true_line_is_known_of_data_that_a_line_made() -> None:
    line = data_of(Line, rows=20, val=0, test=0, slope=3.0, intercept=1.0, noise=0.1, low=0.0, high=2.0, spacing="even")
    drawn = Drawn.of(line.problem(), lambda x: 2 * x)
    assert drawn.true is not None
    (x, true), (_, fitted) = (np.array(one) for one in (drawn.true, drawn.fitted))
    assert true == pytest.approx(3 * x + 1, rel=1e-6)
    assert fitted == pytest.approx(2 * x, rel=1e-6)


def test_many_rows_are_thinned_but_counted(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(3, 2, 12_345)
    y = x**2 + draw.normal(size=len(x))
    write_fit(tmp_path, a_problem(x, y), lambda z: z)
    shown = fit(tmp_path, "train")
    assert MOST_ROWS / 2 < len(shown) <= MOST_ROWS
    assert shown[:, 0] == pytest.approx(x[:: round(len(x) / len(shown))])
    points = fit(tmp_path, "moments")
    assert points[:, 2].sum() == 12_345
    for weight, bias in ((0.0, 0.0), (6.0, -5.0), (-1.0, 40.0)):
        loss = np.mean((weight * points[:, 0] + bias - points[:, 1]) ** 2)
        assert loss == pytest.approx(np.mean((weight * x + bias - y) ** 2), rel=1e-12)


@given(st.lists(st.tuples(*[st.floats(-1e6, 1e6)] * 2), min_size=1, max_size=20))
def test_moments_are_those_of_the_rows(rows: list[tuple[float, float]]) -> None:
    x, y = map(list, zip(*rows, strict=True))
    points = np.array(moments(x, y))
    size = float(np.abs(rows).max()) or 1.0
    assert points.mean(0) == pytest.approx(np.mean(rows, 0), abs=1e-12 * size)
    ours, theirs = (np.cov(np.transpose(one), bias=True) for one in (points, rows))
    assert ours == pytest.approx(theirs, abs=1e-12 * size**2)


def test_what_is_not_finite_is_an_empty_cell(tmp_path: Path) -> None:
    write_fit(tmp_path, a_problem(np.arange(3.0), np.arange(3.0)), lambda z: z * np.nan)
    assert (tmp_path / "fit.csv").read_text().splitlines()[-1] == "fitted,2.0,,"


def test_several_features_leave_no_file(train: Train) -> None:
    assert not (train("run", "data=random", "trainer.max_steps=2").directory / "fit.csv").exists()


# --- classes over one feature, against the formulas of the probabilities ---------------------------------------------

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


def test_a_feature_of_many_digits_keeps_them(tmp_path: Path) -> None:
    """Seconds since 1970: in float32 they are 128 apart."""
    x, y = torch.tensor([[1.7e9 + k] for k in range(4)], dtype=torch.float64), torch.tensor([[0.0], [1], [0], [1]])
    problem = Problem(Rows(x, y), None, None, ["time"], ["kind"], classes=["a", "b"])
    write_classes(tmp_path, problem, lambda z: z, Logistic(), {"weight": [[1.0]], "bias": [-1.7e9 - 1.5]})
    at, exact = Run(tmp_path).fitted_classes["exact"]["b"]
    assert exact == pytest.approx(expit(at - 1.7e9 - 1.5))


@pytest.mark.parametrize("names", [[], [str(k) for k in range(11)]])
def test_of_numbers_and_of_many_classes_there_is_no_file(tmp_path: Path, names: list[str]) -> None:
    write_classes(tmp_path, of_one_feature([[0.0]] * 4, names), lambda z: z, Logistic(), {})
    assert Run(tmp_path).fitted_classes == {}
