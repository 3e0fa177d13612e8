"""Sweeps as frames, against tables written by hand."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from src.compare import load
from src.compare.baseline import beside
from src.compare.contest import contest
from src.compare.frames import read
from src.compare.rows import read_results
from src.compare.selection import contenders
from src.errors import LabError
from tests.compare.sweeps import run
from tests.report.sweeps import grid, sweep

JOBS = grid({("sgd", 0.1): [1.0, 2.0], ("adam", 0.01): [3.0, None]}, exact={"train/loss": 0.25})
CONFIRMING = {"words": {"optimizer": "sgd", "optimizer.lr": "0.1", "seed": "2"}, "losses": [1.0, 4.0], "confirms": 0}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Two optimizers, one rate each, on seeds 0 and 1, and one run that confirms the first."""
    return sweep(tmp_path / "mine", [*JOBS, CONFIRMING])


def test_a_row_a_run(directory: Path) -> None:
    runs = load(str(directory)).runs
    assert runs.select("run", "status", "optimizer", "setting", "optimizer.lr", "seed", "val/loss", "exact").rows() == [
        ("0", "completed", "sgd", "optimizer.lr=0.1", 0.1, 0, 1.0, 0.25),
        ("1", "completed", "sgd", "optimizer.lr=0.1", 0.1, 1, 2.0, 0.25),
        ("2", "completed", "adam", "optimizer.lr=0.01", 0.01, 0, 3.0, 0.25),
        ("3", "diverged", "adam", "optimizer.lr=0.01", 0.01, 1, None, 0.25),
        ("4", "completed", "sgd", "optimizer.lr=0.1", 0.1, 2, 4.0, None),
    ]
    assert runs.row(4, named=True) | {"reason": ""} == {
        **{"sweep": "mine", "run": "4", "directory": str(directory / "4"), "status": "completed", "reason": ""},
        **{"steps": 100, "problem": "", "optimizer": "sgd", "setting": "optimizer.lr=0.1", "optimizer.lr": 0.1},
        **{"seed": 2, "train/loss": 1.0, "val/loss": 4.0, "test/loss": None, "exact": None, "seconds": 1.0, "stack": 8},
        **{"fingerprint": f"{4:016}", "confirms": "0", "words": "optimizer=sgd optimizer.lr=0.1 seed=2"},
    }


def test_a_row_a_curve_point(directory: Path) -> None:
    """Straight from 10 to half the validation loss."""
    curves = load(str(directory)).curves
    assert curves.columns == ["run", "step", "train/loss", "val/loss"]
    assert curves.filter(run="1", step=50).rows() == [("1", 50, 5.5, None)]
    assert curves.filter(run="1", step=100).rows() == [("1", 100, 1.0, 2.0)]
    assert len(curves) == 4 * 11  # that of the diverged run is broken
    (directory / "1" / "metrics.csv").write_text("step,train/loss,val/loss\n0,low,\n", encoding="utf-8")
    (directory / "2" / "metrics.csv").unlink()
    assert load(str(directory)).curves["run"].unique().sort().to_list() == ["0", "4"]


def test_what_was_exported_is_what_was_there(directory: Path, tmp_path: Path) -> None:
    there = load(str(directory))
    there.write(tmp_path / "out.parquet")
    again = load(str(tmp_path / "out.parquet"))
    assert again.runs.equals(there.runs)
    assert again.curves.equals(there.curves)
    assert again.about == there.about
    (problem,) = again.problems()
    rows, _ = read_results(directory / "results.csv")
    (known,) = contest(rows, exact=lambda row: None if row.confirms == 0 else 0.25)
    assert [(one.label, one.figure) for one in problem.contenders] == [(o.label, o.figure) for o in known.contenders]
    assert [one.confirms for one in again.rows] == [None] * 4 + [0]
    # anybody's polars: a list in a column, row by row
    points = pl.read_parquet(tmp_path / "out.parquet").select("run", "curve").explode("curve").unnest("curve")
    assert points.drop_nulls("step").equals(there.curves)


def test_without_curves_there_are_only_runs(directory: Path, tmp_path: Path) -> None:
    for path in directory.glob("*/metrics.csv"):
        path.unlink()
    load(str(directory)).write(tmp_path / "out.parquet")
    assert load(str(tmp_path / "out.parquet")).curves.rows() == []


@pytest.mark.parametrize(
    ("words", "column", "kind"),
    [
        (["1", "20"], [1, 20], pl.Int64),
        (["1e-4", "2"], [1e-4, 2.0], pl.Float64),
        (["null", "0.5"], [None, 0.5], pl.Float64),
        (["full", "8"], ["full", "8"], pl.String),
    ],
)
def test_numbers_are_numbers(tmp_path: Path, words: list[str], column: list[object], kind: pl.DataType) -> None:
    """A key that is called as a column of its own is told from it by its sign."""
    for key, name in (("data.batch_size", "data.batch_size"), ("stack", "+stack")):
        jobs = [{"words": {key: word}, "losses": [1.0, 1.0]} for word in words]
        runs = load(str(sweep(tmp_path / key, jobs))).runs
        assert (runs[name].to_list(), runs[name].dtype) == (column, kind)


def test_what_all_runs_share(directory: Path) -> None:
    for job, seed in ((0, 5), (1, 6), (4, 7)):
        text = f"seed: {seed}\ndata:\n  noise: 0.1\ntrainer:\n  max_steps: 100\n  threads: {job}\noptimizer:\n  lr: 1\n"
        (directory / str(job) / ".hydra" / "config.yaml").write_text(text, encoding="utf-8")
    for job in (2, 3):
        (directory / str(job) / ".hydra" / "config.yaml").unlink()
    about = load(str(directory)).about
    assert about.config == {"seed": [5, 6], "data.noise": [0.1], "trainer.max_steps": [100]}
    assert about.environment["torch"] == "2.13.0"
    assert about.shared == []


def test_of_one_optimizer_the_name_is_known_though_it_was_not_swept(tmp_path: Path) -> None:
    runs = load(sweep(tmp_path / "s", [{"words": {"optimizer.lr": "0.1"}, "losses": [1.0, 1.0]}])).runs
    assert runs.select("optimizer", "setting", "words").rows() == [
        ("sgd", "optimizer.lr=0.1", "optimizer=sgd optimizer.lr=0.1")
    ]


@pytest.mark.parametrize("content", [None, "{", '{"status": "completed", "stack_size": "x", "exact": 3}'])
def test_of_a_broken_result_there_is_what_the_table_says(directory: Path, content: str | None) -> None:
    path = directory / "0" / "result.json"
    path.unlink() if content is None else path.write_text(content, encoding="utf-8")
    (directory / "0" / ".hydra" / "overrides.yaml").write_text("- {a: b}\n- seed=0\n", encoding="utf-8")
    (directory / "1" / ".hydra" / "config.yaml").write_text("data: [", encoding="utf-8")
    runs = load(directory).runs
    assert runs.row(0, named=True) | {"exact": None, "seconds": None, "stack": None} == runs.row(0, named=True)
    assert runs["val/loss"][0] == 1.0


def test_where_something_else_is_compared_the_optimizer_is_what_it_was(tmp_path: Path) -> None:
    jobs = [{"words": {"data.batch_size": size, "optimizer.lr": "0.1"}, "losses": [1.0, 1.0]} for size in ("8", "full")]
    runs = load(sweep(tmp_path / "s", jobs)).runs
    assert runs.select("optimizer", "setting", "data.batch_size").rows() == [
        ("sgd", "data.batch_size=8 optimizer.lr=0.1", "8"),
        ("sgd", "data.batch_size=full optimizer.lr=0.1", "full"),
    ]


def test_several_sweeps_bear_their_names(directory: Path, tmp_path: Path) -> None:
    other = sweep(tmp_path / "other" / "mine", JOBS[:2])
    runs = load(str(directory), str(other)).runs
    assert [name.removeprefix(str(tmp_path)) for name in runs["run"][4:]] == [
        "/mine/4",
        "/other/mine/0",
        "/other/mine/1",
    ]
    third = load(str(directory), str(sweep(tmp_path / "third", JOBS[:1])))
    assert third.runs["run"].to_list()[4:] == ["mine/4", "third/0"]
    assert third.runs["confirms"][4] == "mine/0"
    assert len(third.curves.filter(run="third/0")) == 11


def test_what_has_not_ended_is_told(tmp_path: Path) -> None:
    jobs = [JOBS[0], {**JOBS[1], "status": "unfinished"}]
    with pytest.warns(UserWarning, match="1 more run has not ended, and is left out"):
        assert len(load(str(sweep(tmp_path / "half", jobs))).runs) == 1


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("nowhere", r"nowhere is not there: give the directory of a sweep"),
        ("nowhere.csv", r"nowhere\.csv is not there: give the directory of a sweep, or a \.parquet that"),
        ("text.csv", r"text\.csv: of the files that are exported only a \.parquet tells what the runs share"),
        ("empty", r"empty holds no results\.csv: .*src\.report export .*empty out\.parquet"),
        ("unfinished", r"holds no run that has ended \(1 unfinished\)"),
        ("text.parquet", r"text\.parquet cannot be read as a \.parquet"),
        (
            "foreign.parquet",
            r"foreign\.parquet holds no runs of a sweep: give a file that python -m src\.report export",
        ),
        ("other.parquet", r"was exported by another version"),
        ("less.parquet", r"lacks val/loss, words"),
    ],
)
def test_what_is_none(tmp_path: Path, directory: Path, name: str, sentence: str) -> None:
    (tmp_path / "empty").mkdir()
    sweep(tmp_path / "unfinished", [{**JOBS[0], "status": "unfinished"}])
    for ending in ("parquet", "csv"):
        (tmp_path / f"text.{ending}").write_text("a,b\n", encoding="utf-8")
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "foreign.parquet")
    load(str(directory)).write(tmp_path / "out.parquet")
    about, runs = pl.read_parquet_metadata(tmp_path / "out.parquet"), pl.read_parquet(tmp_path / "out.parquet")
    runs.drop("val/loss", "words").write_parquet(tmp_path / "less.parquet", metadata=about)
    about["descent_lab"] = about["descent_lab"].replace('"format": 1', '"format": 2')
    runs.write_parquet(tmp_path / "other.parquet", metadata=about)
    with pytest.raises(LabError, match=sentence):
        load(str(tmp_path / name))


def test_a_file_is_read_alone(directory: Path, tmp_path: Path) -> None:
    load(str(directory)).write(tmp_path / "out.parquet")
    with pytest.raises(LabError, match=r"out\.parquet is a file: load it alone"):
        load(str(directory), str(tmp_path / "out.parquet"))
    with pytest.raises(LabError, match=r"mine is given twice: give every directory once"):
        load(directory, directory)
    with pytest.raises(LabError, match=r"load\(\) is given a list: .* load\(\*paths\)"):
        load([directory])  # type: ignore[arg-type]
    with pytest.raises(LabError, match=r"nowhere\.parquet is not there"):
        read(tmp_path / "nowhere.parquet")


def test_a_notebook_corrects_for_looks_as_the_page_does(directory: Path, tmp_path: Path) -> None:
    (directory / "sweep.json").write_text('{"calls": [], "jobs": [], "looks": [1, 2]}', encoding="utf-8")
    there = load(directory)
    there.write(tmp_path / "out.parquet")
    assert list(there.about.looks) == list(read(tmp_path / "out.parquet").about.looks) == [1, 2]
    jobs = grid({("sgd", 0.1): [1.0, 1.1], ("adam", 0.1): [1.2, 1.3]})
    words = {"optimizer.lr": "0.1", "seed": "2"}
    fresh = [
        {"words": {"optimizer": name, **words}, "losses": [1.0, 1.0 + at], "confirms": at}
        for name, at in (("sgd", 0), ("adam", 2))
    ]
    looked = sweep(tmp_path / "looked", [*jobs, *fresh])
    (looked / "sweep.json").write_text('{"calls": [], "jobs": [], "looks": [1, 2]}', encoding="utf-8")
    assert [pair.look for problem in load(looked).problems() for pair in problem.pairs] == [1]


def test_who_confirms_a_run_that_is_gone_confirms_none_of_another_sweep(directory: Path) -> None:
    there = load(directory)
    left = replace(there, runs=there.runs.filter(run="4"))
    own = [run(0, "optimizer=mine optimizer.lr=1 seed=0")]
    assert all(not one.confirmed for one in contenders([*own, *beside(own, left.rows)]))
