"""Settings across parallel axes, of sweeps whose numbers are known."""

import itertools
import math
from pathlib import Path
from typing import Any

import pytest

from src.compare.contest import contest
from src.plots.chart import Parallel
from src.report.opened_runs import opened
from src.report.parallel import picture
from src.report.reading import Sweep, read
from tests.report.sweeps import grid, sweep


def drawn(path: Path, jobs: list[dict[str, Any]], pictures: int = 1) -> Parallel | None:
    found = read(sweep(path, jobs))
    assert isinstance(found, Sweep)
    (shown,), _ = opened(found, contest(found.rows))
    return picture(shown, found, pictures)


def test_a_setting_is_a_line_that_ends_at_its_loss(tmp_path: Path) -> None:
    """Two seeds each: the geometric means are 2, 4 and 20, and one has diverged; runs are numbered as they come."""
    levels: dict[tuple[str, float], list[float | None]] = {
        ("sgd", 0.1): [1.0, 4.0],
        ("sgd", 1.0): [8.0, 2.0],
        ("adam", 0.1): [40.0, 10.0],
        ("adam", 1.0): [1.0, None],
    }
    found = drawn(tmp_path, grid(levels))
    assert found is not None
    optimizer, rate, loss = found.axes
    assert (list(optimizer.names), rate.label, rate.log, rate.limits) == (["sgd", "adam"], "lr", True, (0.1, 1.0))
    # three quarters of 2, 4, 20 lie below 12, and 1.5 times 20 is less than ten times that
    assert (loss.label, loss.limits) == ("final val/loss", (2.0, pytest.approx(30.0)))
    lines = [(one.name, list(one.values), one.run) for one in found.settings]
    assert lines == [
        ("sgd", [0, 0.1, pytest.approx(2.0)], "0"),
        ("sgd", [0, 1.0, pytest.approx(4.0)], "2"),
        ("adam", [1, 0.1, pytest.approx(20.0)], "4"),
        ("adam", [1, 1.0, pytest.approx(30.0)], "6"),
    ]
    assert (list(found.settings[0].steps), list(found.settings[0].losses)) == ([100], [1.0])
    assert "above 30 ends at the top" in found.caption
    # first seeds end in 1, 8, 40 and 1: three quarters below 16
    assert found.curve_y.limits == (1.0, 40.0)


def test_keys_that_advance_together_are_one_axis_and_words_are_names(tmp_path: Path) -> None:
    jobs = [
        {"words": {"optimizer": optimizer, "optimizer.lr": rate, "scheduler": name, "optimizer.momentum": momentum},
         "losses": [1.0, float(rate)]}
        for optimizer in ("sgd", "nesterov")
        for name, momentum in (("none", "0"), ("cosine", "0.9"))
        for rate in ("1", "2", "3")
    ]  # fmt: skip
    found = drawn(tmp_path, jobs)
    assert found is not None
    assert [(axis.label, axis.log, list(axis.names)) for axis in found.axes[:-1]] == [
        ("optimizer", False, ["sgd", "nesterov"]),
        ("lr", False, []),
        ("scheduler", False, ["none", "cosine"]),
    ]


def test_of_many_settings_the_best_and_some_of_the_others(tmp_path: Path) -> None:
    jobs = grid({(name, rate): [rate] for name in ("sgd", "adam") for rate in range(1, 51)})
    found = drawn(tmp_path, [{**job, "steps": 10} for job in jobs], pictures=6)
    assert found is not None
    ends = [float(one.values[-1] or 0) for one in found.settings]
    assert len(ends) == 50
    assert ends[:25] == [float(math.ceil(place / 2)) for place in range(1, 26)]
    assert ends[-1] == 50
    assert max(after - before for before, after in itertools.pairwise(ends)) <= 3


def test_one_key_is_no_map_and_nor_is_nothing(tmp_path: Path) -> None:
    assert drawn(tmp_path / "one", grid({("sgd", 0.1): [1.0], ("sgd", 1.0): [2.0]})) is None
    lost = {(name, rate): [None] for name in ("sgd", "adam") for rate in (0.1, 1.0)}
    assert drawn(tmp_path / "lost", grid(lost)) is None
