"""The real data set through the whole project, against scikit-learn."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression

from src.config.compose import compose
from src.config.schema import check
from src.run.build import build_problem
from src.run_directory import Result

Train = Callable[..., Result]


@pytest.mark.parametrize("source", ["diabetes", "table"])
def test_descent_finds_the_regression_of_scikit_learn(train: Train, tmp_path: Path, source: str) -> None:
    bunch = load_diabetes(scaled=False)
    words = ["data=diabetes"]
    if source == "table":
        frame = pl.DataFrame(bunch.data, schema=list(bunch.feature_names)).with_columns(y=pl.Series(bunch.target))
        frame.write_parquet(tmp_path / "diabetes.parquet")
        words = ["data=table", f"data.path={tmp_path / 'diabetes.parquet'}", "data.target=y"]
    # the largest Hessian eigenvalue of the standardized rows is 8, the smallest 0.017
    descent = ["optimizer.lr=0.2", "model.gradient=by_hand", "model.dtype=float64", "trainer.max_steps=8000"]
    result = train("run", *words, *descent)
    problem = build_problem(check(compose([*words, "logger=none"])))
    assert problem.scaling is not None
    # the rows that the run was trained on, back in the table's units
    x = problem.train.inputs * problem.scaling.input_scale + problem.scaling.input_mean
    y = problem.scaling.predictions(problem.train.targets)
    known = LinearRegression().fit(x.numpy(), y.numpy())
    np.testing.assert_allclose(np.array(result.parameters["weight"])[:, 0], known.coef_[0], rtol=1e-6)
    np.testing.assert_allclose(result.parameters["bias"], known.intercept_, rtol=1e-6)
    loss = float(((known.predict(x.numpy()) - y.numpy()) ** 2).mean())
    assert result.metrics["train/loss"] == pytest.approx(loss, rel=1e-9)
    assert result.features == list(bunch.feature_names)
