"""Steps by theory against descent that is carried out, and who is ahead, of curves written out."""

from pathlib import Path

import numpy as np
import pytest

from src.compare.contest import contest
from src.report.opened_runs import opened
from src.report.reading import Sweep, read
from src.report.steps import ranks, steps_within
from tests.report.sweeps import grid, sweep


@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_steps_within_are_those_of_descent(momentum: float) -> None:
    """Along each of three eigenvectors from 1; a heavy ball's swings are those of its slowest root but for a factor."""
    eigenvalues, rates = np.array([0.3, 1.0, 4.0]), np.array([0.01, 0.1, 0.3, 0.45, 0.8])
    found, needed = steps_within(rates, eigenvalues, momentum, 1e-6), np.zeros(5)
    at, velocity = np.ones((5, 3)), np.zeros((5, 3))
    for step in range(1, 3001):
        velocity = momentum * velocity + eigenvalues * at
        at = np.clip(at - rates[:, None] * velocity, -1e9, 1e9)
        needed[(at**2).max(1) > 1e-6] = step + 1
    converge = rates < 2 * (1 + momentum) / 4
    np.testing.assert_array_equal(np.isfinite(found), converge)
    np.testing.assert_allclose(found[converge], needed[converge], atol=0 if momentum == 0 else 5)
    assert (needed[~converge] == 3001).all()


def test_who_is_ahead(tmp_path: Path) -> None:
    """b overtakes a after step 20, on one of two seeds before; c is behind, then practically equal to a."""
    jobs = grid({("a", 0.1): [1.0, 1.0], ("b", 0.1): [0.5, 0.5], ("c", 0.1): [1.0, 1.0]})
    curves = ["9 5 3 2 1", "9 5 3 2 1", "9 6 2 1 0.5", "9 6 4 1 0.5", "9 8 7 6 1.001", "9 8 7 6 1"]
    sweep(tmp_path, jobs)
    for number, curve in enumerate(curves):
        lines = "".join(f"{10 * index},{loss},{loss}\n" for index, loss in enumerate(curve.split()))
        (tmp_path / str(number) / "metrics.csv").write_text(f"step,train/loss,val/loss\n{lines}")
    one = read(tmp_path)
    assert isinstance(one, Sweep)
    ([shown], _) = opened(one, contest(one.rows))
    picture = ranks(shown, 0.01)
    assert picture is not None
    assert {line.name: list(line.y) for line in picture.lines} == {
        "a": [1.0, 1.5, 2.0, 2.5], "b": [2.0, 1.5, 1.0, 1.0], "c": [3.0, 3.0, 3.0, 2.5],
    }  # fmt: skip
    assert [(points.x, points.hover) for points in picture.points] == [((30.0,), ("b leads",))]
