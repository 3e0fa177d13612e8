"""Which runs of a sweep are shown."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.board.choice import Choice, shares, thinned
from src.report.reading import Sweep
from src.report.run_files import Run
from src.sweep.winners import Row


def row(job: int, words: dict[str, str], loss: float | None, confirms: int | None = None) -> Row:
    return Row(job, words, "diverged" if loss is None else "completed", 10, {"val/loss": loss}, confirms)


def sweep(tmp_path: Path, rows: list[Row], runs: str = "best") -> Choice:
    for one in rows:
        (tmp_path / str(one.job) / ".hydra").mkdir(parents=True)
        config = f"logger: {{tensorboard: {{runs: {runs}}}}}"
        (tmp_path / str(one.job) / ".hydra" / "config.yaml").write_text(config)
    return Choice(tmp_path, Sweep("a", tuple(rows), {one.job: Run(tmp_path / str(one.job)) for one in rows}))


ROWS = [
    row(0, {"optimizer": "sgd", "optimizer.lr": "0.1", "seed": "0"}, 0.5),
    row(1, {"optimizer": "sgd", "optimizer.lr": "0.1", "seed": "1"}, 0.3),
    row(2, {"optimizer": "sgd", "optimizer.lr": "0.421696503429", "seed": "0"}, 0.1),
    row(3, {"optimizer": "sgd", "optimizer.lr": "0.421696503429", "seed": "1"}, 0.9),
    row(4, {"optimizer": "mine.opt.Own", "optimizer.lr": "0.1", "seed": "0"}, None),
    row(5, {"optimizer": "mine.opt.Own", "optimizer.lr": "0.1", "seed": "1"}, 0.2),
    row(16, {"optimizer": "sgd", "optimizer.lr": "0.1", "seed": "2"}, 0.01, confirms=0),
]


def test_the_best_run_of_the_best_setting_of_each_optimizer_has_its_curves(tmp_path: Path) -> None:
    """By hand: lr 0.1 has the lower mean over seeds (0.4, not 0.5), and seed 1 the lower loss there."""
    choice = sweep(tmp_path, ROWS)
    shown = choice.shown(100)
    assert {name for name, run in shown.items() if run.directory} == {"sgd lr=0.1, run 1", "Own lr=0.1, run 5"}
    assert shown["sgd lr=0.1, run 1"].directory == tmp_path / "1"
    assert {name for name in shown if "table" in name} == {f"table/{job:02}" for job in (0, 2, 3, 4, 16)}
    assert shown["table/16"].session.words == {**ROWS[6].words, "confirms": "0"}
    assert shown["table/04"].session.status == "diverged"
    assert choice.told(100) == f"{tmp_path}: the best run of each of 2 optimizers; all 7 runs in HParams"


def test_every_run_has_its_curves_where_the_config_says_so(tmp_path: Path) -> None:
    choice = sweep(tmp_path, ROWS, runs="all")
    shown = choice.shown(0)
    assert len(shown) == 7
    assert {run.directory for run in shown.values()} == {tmp_path / str(one.job) for one in ROWS}
    assert choice.told(0) == f"{tmp_path}: all 7 runs"


def test_a_table_that_is_too_long_is_thinned_and_says_so(tmp_path: Path) -> None:
    choice = sweep(tmp_path, ROWS)
    assert {name for name in choice.shown(3) if "table" in name} == {"table/00", "table/03", "table/16"}
    assert "5 of 7 runs in HParams, because TensorBoard slows down (all: python -m src.report" in choice.told(3)


@pytest.mark.parametrize("value", ["a/b", "ü" * 300, "[1,2]"])
def test_a_name_can_be_one_of_a_directory(tmp_path: Path, value: str) -> None:
    choice = sweep(tmp_path / "sweep", [row(0, {"optimizer": "sgd", "data.path": value}, 0.5)])
    (name,) = choice.shown(1)
    (tmp_path / name).mkdir()


@given(sizes=st.lists(st.integers(0, 50), max_size=6), total=st.integers(-5, 200))
def test_shares_leave_nothing_over_that_somebody_wants(sizes: list[int], total: int) -> None:
    given_ = shares(sizes, total)
    assert sum(given_) == min(sum(sizes), max(0, total))
    for size, one in zip(sizes, given_, strict=True):
        # who gets less than it wants gets as much as anybody, up to what cannot be halved
        assert one == size or one >= max(given_) - 1


@given(number=st.integers(0, 40), most=st.integers(-1, 50))
def test_thinned_keeps_the_ends_and_no_row_twice(number: int, most: int) -> None:
    rows = [row(job, {}, 0.0) for job in range(number)]
    kept = [one.job for one in thinned(rows, most)]
    assert len(kept) == len(set(kept)) == min(number, max(0, most))
    if number and most > 1:
        assert (kept[0], kept[-1]) == (0, number - 1)
