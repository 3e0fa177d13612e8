"""RMSE and R² of runs on tables, against scikit-learn on the same rows."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from sklearn.metrics import accuracy_score, r2_score, root_mean_squared_error
from torch import Tensor

from src.data.problem import Problem, Rows, Scaling
from src.losses.loss import Loss
from src.run_directory import Result
from tests.run.runs import alone, stacked

SHARED = ["logger=none", "trainer.max_steps=30", "trainer.val_every_n_steps=10", "model.dtype=float64"]
KINDS = {
    "mean": [],
    "sum": ["model.loss=sum", "optimizer.lr=1e-3"],
    "batches": ["data.batch_size=7"],
    "own": ["loss=custom", f"loss._target_={__name__}.AbsoluteError"],
}
SCALES = torch.tensor([0.3, 20.0], dtype=torch.float64)


class AbsoluteError(Loss):
    """Of one's own: it is no squared error, and has no unit."""

    def each(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return (predictions - targets).abs()


def split(seed: int, targets: int) -> list[Rows]:
    """60, 25 and 15 rows with targets above 0, in the units of a table."""
    random = np.random.default_rng(seed)
    x = random.normal(3, [2, 5], (100, 2))
    y = (
        np.exp(x @ random.normal(0, 0.1, (2, targets)) + random.normal(0, 0.2, (100, targets)))
        * SCALES.numpy()[:targets]
    )
    rows = torch.from_numpy(x), torch.from_numpy(y)
    return [Rows(*parts) for parts in zip(*(part.split([60, 25, 15]) for part in rows), strict=True)]


def table(targets: int, log: bool, seed: int) -> Problem:
    """`data._target_=`: those, standardized."""
    parts = split(seed, targets)
    scaling = Scaling.of(parts[0].inputs, parts[0].targets, log)
    train, val, test = (scaling.forward(part) for part in parts)
    return Problem(train, val, test, ["a", "b"], ["price", "rent"][:targets], scaling=scaling)


def data(targets: int, log: bool) -> list[str]:
    keys = [f"+data.targets={targets}", f"+data.log={str(log).lower()}"]
    return [*SHARED, "data=custom", f"data._target_={__name__}.table", *keys, "optimizer.lr=0.1"]


def expected(weights: dict[str, Any], seed: int, targets: int, log: bool) -> dict[str, float]:
    """By scikit-learn, from weights and bias in the table's units."""
    found = dict[str, float]()
    for name, rows in zip(("train", "val", "test"), split(seed, targets), strict=True):
        predicted, known = rows.inputs.numpy() @ np.array(weights["weight"]) + weights["bias"], rows.targets.numpy()
        kinds = (
            {"": (known, np.exp(predicted)), "_log": (np.log(known), predicted)} if log else {"": (known, predicted)}
        )
        for kind, ends in kinds.items():
            for output, target in enumerate(["[price]", "[rent]"] if targets > 1 else [""]):
                pair = [end[:, output] for end in ends]
                found[f"{name}/rmse{kind}{target}"] = root_mean_squared_error(*pair)
                found[f"{name}/r2{kind}{target}"] = r2_score(*pair)
    return found


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("targets", [1, 2])
@pytest.mark.parametrize("words", KINDS.values(), ids=KINDS)
def test_they_are_those_of_scikit_learn(tmp_path: Path, words: Sequence[str], targets: int, log: bool) -> None:
    shared = [*data(targets, log), *words]
    results = stacked(tmp_path / "stack", shared, [[f"seed={seed}"] for seed in (0, 1)])
    results.append(alone(tmp_path / "alone", shared, ["seed=2"]))
    for seed, result in enumerate(results):
        found = {name: value for name, value in result.metrics.items() if not name.endswith("/loss")}
        assert found == pytest.approx(expected(dict(result.parameters), seed, targets, log), rel=1e-9)
        if "weight" in result.exact:
            exact = {name: value for name, value in result.exact.items() if "/r" in name}
            wanted = expected(dict(result.exact), seed, targets, log)
            assert exact == pytest.approx({n: v for n, v in wanted.items() if n.startswith("train/")}, rel=1e-9)


def test_they_do_not_depend_on_the_stack(tmp_path: Path) -> None:
    jobs = [[f"seed={seed}"] for seed in range(3)]
    three, two = stacked(tmp_path / "three", data(2, True), jobs), stacked(tmp_path / "two", data(2, True), jobs[:2])
    assert [one.metrics for one in three[:2]] == [one.metrics for one in two]


def kinds_of(seed: int, two: bool) -> Problem:
    """`data._target_=`: 40 training rows and 20 for validation, of three classes or two."""
    random = np.random.default_rng(seed)
    x = random.normal(0, 1, (60, 2))
    kinds = np.digitize(x[:, 0] + random.normal(0, 0.5, 60), [-0.3, 0.6])
    rows = torch.from_numpy(x), torch.from_numpy(np.minimum(kinds, 1) if two else kinds)[:, None]
    train, val = (Rows(*parts) for parts in zip(*(part.split([40, 20]) for part in rows), strict=True))
    return Problem(train, val, None, ["a", "b"], ["kind"], classes=["ant", "bee", "cow"][: 2 if two else 3])


@pytest.mark.parametrize("two", [False, True])
def test_accuracies_are_those_of_scikit_learn_alone_and_in_a_stack(tmp_path: Path, two: bool) -> None:
    loss = "logistic" if two else "cross_entropy"
    shared = [*SHARED, "data=custom", f"data._target_={__name__}.kinds_of", f"+data.two={two}", f"loss={loss}"]
    results = stacked(tmp_path / "stack", shared, [[f"seed={seed}"] for seed in (0, 1)])
    results.append(alone(tmp_path / "alone", shared, ["seed=2"]))
    for seed, one in enumerate(results):
        problem = kinds_of(seed, two)
        for part, rows in {"train": problem.train, "val": problem.val}.items():
            assert rows is not None
            scores = rows.inputs.numpy() @ np.array(one.parameters["weight"]) + one.parameters["bias"]
            predicted = scores[:, 0] > 0 if two else scores.argmax(1)
            known = accuracy_score(rows.targets.numpy()[:, 0], predicted)
            assert one.metrics[f"{part}/accuracy"] == pytest.approx(known, rel=1e-12)
        assert set(one.metrics) == {f"{part}/{name}" for part in ("train", "val") for name in ("loss", "accuracy")}
        assert one.classes == problem.classes
        curves = pl.read_csv(one.directory / "metrics.csv")["val/accuracy"].drop_nulls()
        assert len(curves) == 3
        assert curves[-1] == one.metrics["val/accuracy"]


def losses_of(result: Result) -> list[float | None]:
    return [result.metrics[f"{part}/loss"] for part in ("train", "val", "test")]


def test_the_loss_of_targets_in_several_units_has_none(tmp_path: Path) -> None:
    """The mean of their standardized squared errors, everywhere the same."""
    one = alone(tmp_path, data(2, False), ["seed=0"])
    scaling = table(2, False, 0).scaling
    assert scaling is not None
    for part in ("train", "val", "test"):
        squares = [one.metrics[f"{part}/rmse[{name}]"] ** 2 for name in one.targets]  # type: ignore[operator]
        assert one.metrics[f"{part}/loss"] == pytest.approx(np.mean(squares / scaling.loss_scale().numpy()), rel=1e-9)
    exact = [one.exact[f"train/rmse[{name}]"] ** 2 for name in one.targets]
    assert one.exact["train/loss"] == pytest.approx(np.mean(exact / scaling.loss_scale().numpy()), rel=1e-9)
    assert one.exact["noise_variance"] == pytest.approx(one.exact["train/loss"] * 60 / 57, rel=1e-9)
    assert one.loss == {
        "name": "squares",
        "least_squares": True,
        "reduction": "mean",
        "units": "standardized",
        "logarithm": False,
    }
    assert one.reason.endswith("losses are over 2 standardized targets: they have no unit")
    curves = (one.directory / "metrics.csv").read_text().splitlines()
    assert float(curves[-1].split(",")[1]) == pytest.approx(one.metrics["train/loss"], rel=1e-12)


def test_the_loss_of_a_logarithm_is_of_it(tmp_path: Path) -> None:
    one = alone(tmp_path, data(1, True), ["seed=0"])
    assert losses_of(one) == pytest.approx([one.metrics[f"{p}/rmse_log"] ** 2 for p in ("train", "val", "test")])  # type: ignore[operator]
    assert one.reason.endswith("losses and parameters are of the logarithm of price")
    assert one.loss["logarithm"]


def test_there_is_no_r2_over_targets_that_are_constant(tmp_path: Path) -> None:
    words = ["logger=none", "data=diabetes", "data.val=1", "data.test=20", "trainer.max_steps=2"]
    metrics = alone(tmp_path, words, []).metrics
    assert "val/r2" not in metrics
    assert math.isfinite(metrics["val/rmse"] or math.nan)
    assert metrics["test/r2"] is not None


def test_where_there_is_no_table_there_are_none(tmp_path: Path) -> None:
    assert set(alone(tmp_path, SHARED, []).metrics) == {"train/loss", "val/loss", "test/loss"}
