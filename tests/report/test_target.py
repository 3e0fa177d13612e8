"""When runs came to the target and stayed there, of curves written out."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from src.compare.contest import contest
from src.compare.verdict import Reach
from src.report.reading import Sweep, read
from src.report.target import reaches
from tests.report.sweeps import grid, sweep

Curve = Mapping[int, tuple[float, float | None]]
"""Training and validation loss by step."""


def reached(directory: Path, curves: Sequence[Curve], jobs: Sequence[Mapping[str, object]]) -> dict[str, Reach]:
    """Of a sweep whose runs have these curves."""
    sweep(directory, jobs)
    for number, curve in enumerate(curves):
        lines = [f"{step},{train},{'' if val is None else val}\n" for step, (train, val) in curve.items()]
        (directory / str(number) / "metrics.csv").write_text("step,train/loss,val/loss\n" + "".join(lines))
    one = read(directory)
    assert isinstance(one, Sweep)
    (problem,) = contest(one.rows)
    return reaches(one, problem)


def both(*losses: float) -> Curve:
    """Training and validation loss alike, every 10 steps."""
    return {10 * index: (loss, loss) for index, loss in enumerate(losses)}


def test_it_has_to_stay(tmp_path: Path) -> None:
    """1.1 is the target: sgd is there from step 10 on but for step 30, adam from 20 on."""
    jobs = grid({("sgd", 0.1): [1.0], ("adam", 0.1): [1.0]})
    found = reached(tmp_path, [both(9, 1, 1, 2, 1, 1), both(9, 2, 1, 1, 1, 1)], jobs)
    assert {label: (reach.steps, reach.reached) for label, reach in found.items()} == {
        "sgd": (40.0, 1), "adam": (20.0, 1),
    }  # fmt: skip


def test_each_is_tuned_for_it(tmp_path: Path) -> None:
    """Losses tie but for the last digits, which the slower setting has lower: what counts is the faster one."""
    jobs = grid({("sgd", 0.1): [1.0, 1.0], ("sgd", 0.2): [1.0000001, 1.0], ("adam", 0.1): [3.0, 3.0]})
    curves = [
        both(9, 9, 9, 1),
        both(9, 9, 9, 1),
        both(9, 1, 1, 1),
        both(9, 9, 1, 1),
        both(9, 9, 3, 3),
        both(9, 3, 3, 3),
    ]
    found = reached(tmp_path, curves, jobs)
    assert (found["sgd"].steps, found["sgd"].setting.tuned) == (15.0, {"optimizer.lr": "0.2"})
    assert (found["adam"].steps, found["adam"].reached) == (math.inf, 0)


def test_a_seed_that_missed_counts_as_infinite(tmp_path: Path) -> None:
    jobs = grid({("sgd", 0.1): [1.0, 1.0, 5.0], ("adam", 0.1): [1.0, 1.0, 1.0]})
    curves = [both(9, 1, 1), both(9, 9, 1), both(9, 9, 5), both(9, 1, 1), both(9, 1, 1), both(9, 1, 1)]
    found = reached(tmp_path, curves, jobs)
    assert (found["sgd"].steps, found["sgd"].reached, found["sgd"].seeds) == (20.0, 2, 3)


def test_between_validations_the_training_loss_says_when(tmp_path: Path) -> None:
    """Validated every 40 steps, the losses are those of 10: at 20 the training loss is where it stays."""
    jobs = grid({("sgd", 0.1): [1.0], ("adam", 0.1): [1.0]})  # trained to 0.5
    rare = {
        0: (9, 9.0),
        10: (2, None),
        20: (0.5, None),
        30: (0.52, None),
        40: (0.5, 1.0),
        50: (0.5, None),
        80: (0.5, 1.0),
    }
    rings = {**rare, 50: (0.9, None), 60: (0.5, None)}
    found = reached(tmp_path, [rare, dict(sorted(rings.items()))], jobs)
    assert {label: reach.steps for label, reach in found.items()} == {"sgd": 20.0, "adam": 60.0}


@pytest.mark.parametrize(("data", "found"), [("${seed}", {}), ("5", {"sgd": math.inf, "adam": 10.0})])
def test_runs_alone_on_their_seeds_share_a_target_where_their_data_are_the_same(
    tmp_path: Path, data: str, found: dict[str, float]
) -> None:
    """Sgd ends at 3.4 on its seed, adam at 0.03 on another: of the same data that is the best of all."""
    jobs = grid({("sgd", 0.1): [3.4]})
    jobs += [{**job, "words": {**job["words"], "seed": "9"}} for job in grid({("adam", 0.1): [0.03]})]
    jobs = [{**one, "config": f"seed: {one['words']['seed']}\ndata:\n  seed: {data}\n"} for one in jobs]
    reach = reached(tmp_path, [both(9, 3.4), both(9, 0.03)], jobs)
    assert {label: one.steps for label, one in reach.items()} == found


def test_settings_of_one_contender_are_not_beside_each_other_for_others(tmp_path: Path) -> None:
    """Two settings of sgd share a seed, on which adam was not trained."""
    jobs = grid({("sgd", 0.1): [3.4], ("sgd", 0.2): [3.5], ("adam", 0.1): [0.03]})
    jobs[2]["words"]["seed"] = "9"
    assert reached(tmp_path, [both(9, 3.4), both(9, 3.5), both(9, 0.03)], jobs) == {}


def test_where_batches_differ_epochs_are_counted(tmp_path: Path) -> None:
    """Of 100 rows: batches of 30 make 4 steps an epoch, all rows one."""
    jobs = [
        {"words": {"data.batch_size": size, "seed": "0"}, "losses": [1.0, 1.0], "config": "data:\n  rows: 100\n"}
        for size in ("30", "full")
    ]
    found = reached(tmp_path / "rows", [both(9, 9, 1, 1), both(9, 1, 1, 1)], jobs)
    assert {label: (one.steps, one.unit) for label, one in found.items()} == {
        "batch_size=30": (5.0, "epoch"), "batch_size=full": (10.0, "epoch"),
    }  # fmt: skip
    unknown = [{**job, "config": ""} for job in jobs]
    assert reached(tmp_path / "unknown", [both(9, 9, 1, 1), both(9, 1, 1, 1)], unknown) == {}


def test_of_mini_batches_the_training_loss_is_no_target(tmp_path: Path) -> None:
    config = "data:\n  batch_size: 8\noptimizer:\n  _target_: torch.optim.SGD\n"
    jobs = [{**job, "losses": [1.0], "config": config} for job in grid({("sgd", 0.1): [1.0], ("adam", 0.1): [1.0]})]
    assert reached(tmp_path, [both(9, 1), both(9, 1)], jobs) == {}
