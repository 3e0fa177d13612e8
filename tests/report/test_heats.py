"""Two keys at once, of losses that are worked out by hand."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from src.compare.contest import contest, exact_by_seed
from src.compare.rows import Row
from src.errors import LabError
from src.plots.chart import Heat
from src.report.heats import of_problem, over_problems
from src.report.opened_runs import Shown, opened
from src.report.reading import Sweep, read
from src.report.run_files import Run
from tests.compare.sweeps import run
from tests.report.sweeps import sweep

Losses = Mapping[str, float | None]


def drawn(losses: Losses, exact: float | None = None, keys: tuple[str, str] | None = None) -> list[Heat]:
    """The maps of runs of one problem, whose directories are not there."""
    rows = [
        replace(run(job, words, loss, "diverged" if loss is None else "completed"), name=str(job))
        for job, (words, loss) in enumerate(losses.items())
    ]
    if exact is not None:
        rows = [Row(row.job, row.words, row.status, 10, {"train/loss": row.metrics["val/loss"]}) for row in rows]
    (problem,) = contest(rows)
    whole = Sweep("of mine", tuple(rows), {row.job: Run(Path("nowhere")) for row in rows})
    known = exact_by_seed(problem.contenders, lambda row: exact)
    return of_problem(whole, Shown(problem, {}, exact=known), keys)


def by_rate(levels: Mapping[str, Sequence[float | None]]) -> dict[str, float | None]:
    rates = ("0.01", "0.1", "1")
    return {
        f"optimizer={name} optimizer.lr={rate}": loss
        for name, three in levels.items()
        for rate, loss in zip(rates, three, strict=True)
    }


def test_losses_above_the_lowest() -> None:
    """The lowest is 1: what is practically equal to it, within a hundredth, is as good as it."""
    tried = by_rate({"adam": [4.0, 1.005, None], "sgd": [1.5, 1.0, 2.0]})
    [heat] = drawn({**tried, "optimizer=sgd optimizer.lr=2": 9.0})
    assert (list(heat.x), list(heat.y)) == (["0.01", "0.1", "1", "2"], ["sgd", "adam"])
    np.testing.assert_allclose(heat.values, [[0.5, 0.01, 1, 8], [3, 0.01, np.nan, np.nan]])
    assert heat.log
    assert heat.value_label == "final val/loss above the lowest (1)"
    # crossed out is what diverged; what was never tried is not
    assert heat.lost is not None
    assert heat.lost.tolist() == [[False] * 4, [False, False, True, False]]
    assert (heat.hover[1][2], heat.hover[1][3]) == ("diverged or failed, run 2", "not tried")
    assert heat.hover[0][1] == "final loss 1, run 4"
    assert list(heat.best) == [1, 1]


def test_losses_above_the_exact_one() -> None:
    """Of 0.25 nine tenths are 0.225: a hundredth of the rest, 0.00025, is told apart from nothing."""
    [heat] = drawn(by_rate({"sgd": [0.25, 0.26, 2.25], "adam": [0.2501, 1.25, 0.35]}), exact=0.25)
    np.testing.assert_allclose(heat.values, [[0.00025, 0.01, 2], [0.00025, 1, 0.1]])
    assert heat.value_label == "final train/loss above the exact one"
    assert "within 0.00025 of the exact one" in heat.caption


def test_what_is_compared_is_in_its_own_order() -> None:
    sizes = {"64": 1.0, "full": 2.0, "8": 3.0, "1": 4.0}
    [heat] = drawn({f"data.batch_size={b} optimizer.lr={r}": loss * r for b, loss in sizes.items() for r in (1, 2)})
    assert (list(heat.y), heat.y_label, heat.title) == (
        ["1", "8", "64", "full"],
        "batch size",
        "Batch size and learning rate",
    )


def two_numbers() -> Losses:
    return {
        f"optimizer.lr={rate} optimizer.momentum={beta}": rate + beta for rate in (0.1, 0.2) for beta in (0.0, 0.5, 0.9)
    }


def test_two_numbers_of_one_optimizer() -> None:
    [heat] = drawn(two_numbers())
    assert (heat.x_label, heat.y_label) == ("learning rate", "momentum")
    above = np.maximum(np.add.outer([0.0, 0.5, 0.9], [0.1, 0.2]) - 0.1, 0.001)
    np.testing.assert_allclose(heat.values, above)
    [asked] = drawn(two_numbers(), keys=("optimizer.lr", "optimizer.momentum"))
    np.testing.assert_allclose(asked.values, above.T)


def test_rates_of_different_ranges_share_cells_without_gaps() -> None:
    [heat] = drawn(
        {
            f"optimizer={name} optimizer.lr={rate:.12g}": rate
            for name, low in (("sgd", -4.0), ("adam", -3.3))
            for rate in np.logspace(low, low + 4, 20)
        }
    )
    for row, low in zip(heat.values, (-4.0, -3.3), strict=True):
        there = np.flatnonzero(np.isfinite(row))
        assert np.diff(there).max() == 1
        # the best of a cell is its lowest rate here, and the first cell's that of the range
        assert row[there[0]] == pytest.approx(max(10**low - 1e-4, 1e-6))


def test_a_loss_of_zero_has_a_colour() -> None:
    [heat] = drawn(by_rate({"sgd": [0.0, 1.0, 2.0], "adam": [2.0, 3.0, 4.0]}))
    assert heat.log
    assert heat.values.min() > 0


def test_an_outlier_has_the_colour_of_the_start_and_steps_have_a_map(tmp_path: Path) -> None:
    """Straight from 10 to e in 100 steps: 1.1 times the lowest e, 1, is reached at its last step alone."""
    losses = {("0.1", "0"): 1.0, ("0.2", "0"): 1.05, ("0.1", "0.9"): 3.0, ("0.2", "0.9"): 1e6}
    jobs = [
        {"words": {"optimizer.lr": rate, "optimizer.momentum": beta}, "losses": [loss, loss]}
        for (rate, beta), loss in losses.items()
    ]
    one = read(sweep(tmp_path, jobs))
    assert isinstance(one, Sweep)
    problems = contest(one.rows)
    shown, _ = opened(one, problems)
    loss, steps = of_problem(one, shown[0])
    assert loss.cap == 10 - 1.0
    assert loss.caption.endswith("So has what ends higher than it started.")
    assert steps.title == "Steps to the target, momentum and learning rate of sgd"
    np.testing.assert_array_equal(steps.values, [[100, 100], [math.nan] * 2])
    assert steps.lost is not None
    assert (steps.lost.tolist(), steps.lost_label) == ([[False] * 2, [True] * 2], "not reached")
    assert list(steps.best) == [0, None]


def test_what_ends_above_the_start_is_told_where_no_other_colour_is(tmp_path: Path) -> None:
    losses = {("0.1", "0"): 1.0, ("0.2", "0"): 1.05, ("0.1", "0.9"): 3.0, ("0.2", "0.9"): 1e6}
    jobs = [
        {"words": {"optimizer.lr": rate, "optimizer.momentum": beta}, "losses": [loss]}
        for (rate, beta), loss in losses.items()
    ]
    one = read(sweep(tmp_path, jobs))
    assert isinstance(one, Sweep)
    (problem,) = contest(one.rows)
    known = exact_by_seed(problem.contenders, lambda row: 0.5)
    loss = of_problem(one, Shown(problem, {}, exact=known))[0]
    assert loss.caption == "What ends higher than it started has one colour."


def test_losses_of_different_kinds_share_no_map() -> None:
    rows = [
        run(job, f"data.rows={rows} data.noise={noise} optimizer.lr=1", None if job else rows * noise)
        for job, (rows, noise) in enumerate((rows, noise) for rows in (10, 20) for noise in (1, 2))
    ]
    several = contest(rows)
    assert {one.metric for one in several} == {"train/loss", "val/loss"}
    assert over_problems(several) == []


def test_keys_of_the_problem() -> None:
    rows = [
        run(job, f"data.rows={rows} data.noise={noise} optimizer.lr=1", rows * noise)
        for job, (rows, noise) in enumerate((rows, noise) for rows in (10, 20) for noise in (1, 2))
    ]
    [heat] = over_problems(contest(rows))
    assert heat.values.tolist() == [[10, 20], [20, 40]]
    with pytest.raises(LabError, match=r"--heat data\.rows lr: lr is not swept; there are optimizer, data\.rows"):
        over_problems(contest(rows), ("data.rows", "lr"))
    with pytest.raises(LabError, match=r"--heat data\.rows data\.rows: give two keys"):
        over_problems(contest(rows), ("data.rows", "data.rows"))
