"""The update beside weights and gradient, against descent in numpy."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from numpy.linalg import norm

from src.run_directory import Result, read_rows

Train = Callable[..., Result]


def test_a_step_with_momentum(train: Train) -> None:
    """From the parameters at every step, and the rows that `fit.csv` shows; the last step is one that is looked at."""
    words = ["experiment=noisy_line", "model.dtype=float64", "optimizer=momentum", "optimizer.lr=0.02"]
    words += ["callbacks=[update,parameters]", "trainer.max_steps=10"]
    words += ["callbacks.update.every_n_steps=4", "callbacks.parameters.every_n_steps=1"]
    directory = train("run", *words).directory
    rows = dict(read_rows(directory / "metrics.csv"))
    x, y = pl.read_csv(directory / "fit.csv").filter(pl.col("kind") == "train").select("x", "y").to_numpy().T
    design = np.stack([x, np.ones_like(x)], 1)
    assert [k for k, row in rows.items() if "update_ratio" in row] == [4, 8, 10]
    for k in (4, 8, 10):
        after, before = (np.array([rows[at]["weight"], rows[at]["bias"]]) for at in (k, k - 1))
        step, gradient = after - before, 2 * design.T @ (design @ before - y) / len(x)
        assert rows[k]["update_ratio"] == pytest.approx(norm(step) / norm(before), rel=1e-9)
        cosine = -step @ gradient / norm(step) / norm(gradient)
        assert rows[k]["update_cosine"] == pytest.approx(cosine, rel=1e-9)
    assert rows[10]["update_cosine"] < 0.999  # momentum goes elsewhere than down
