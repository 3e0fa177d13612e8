"""What settings had come to after so many steps, of curves written out."""

import math
from pathlib import Path

import numpy as np

from src.compare.contest import contest
from src.report.all_curves import tried
from src.report.reading import Sweep, read
from tests.report.sweeps import grid, sweep


def test_what_was_said_after_so_many_steps(tmp_path: Path) -> None:
    """Every 10 of 100 steps; adam at 0.2 diverged after 40 steps, and sgd ends in what `results.csv` says."""
    jobs = grid({("sgd", 0.1): [1.0, 2.0], ("adam", 0.1): [3.0, 3.0], ("adam", 0.2): [None, 4.0]})
    jobs[4] |= {"steps": 40}
    sweep(tmp_path, jobs)
    for number in range(6):
        last = 40 if number == 4 else 100
        lines = "".join(f"{step},{9 - number},{9 - step / 20}\n" for step in range(0, last + 1, 10))
        (tmp_path / str(number) / "metrics.csv").write_text(f"step,train/loss,val/loss\n{lines}")
    one = read(tmp_path)
    assert isinstance(one, Sweep)
    (problem,) = contest(one.rows)
    found = tried(one, problem, True)
    assert found is not None
    # evenly in the logarithm from 10 to 100: 10, 16, 25, 40, 63 and 100
    assert list(found.steps) == [10, 20, 30, 40, 60, 100]
    assert found.given_up == 7.5  # the median of the best settings' 9, 8, 7 and 6 is where they start
    sgd, adam = found.losses["sgd"], found.losses["adam"]
    along = 9 - np.array(found.steps[:-1]) / 20
    np.testing.assert_allclose(sgd[:-1, 0], np.stack([along, along], 1))
    np.testing.assert_allclose(sgd[-1, 0], [1.0, 2.0])
    np.testing.assert_allclose(adam[:, 1, 0], [*along[:3], math.inf, math.inf, math.inf])
    assert (found.seeds, found.most, found.metric) == (2, 2, "val/loss")


def test_where_steps_are_not_steps_there_is_but_the_end(tmp_path: Path) -> None:
    jobs = grid({("sgd", 0.1): [1.0], ("adam", 0.1): [1.0]})
    one = read(sweep(tmp_path, [{**job, "words": {"data.batch_size": "8", **job["words"]}} for job in jobs]))
    assert isinstance(one, Sweep)
    found = tried(one, contest(one.rows)[0], True)
    assert found is not None
    assert list(found.steps) == [100]
