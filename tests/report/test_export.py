"""`python -m src.report export`: the files that it writes, and what it refuses."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from src.compare import load
from src.report.__main__ import main
from tests.report.sweeps import grid, run, sweep

JOBS = grid({("sgd", 0.1): [1.0, 2.0], ("adam", 0.1): [3.0, 4.0]})


@pytest.mark.parametrize(
    ("ending", "reader"),
    [("parquet", pl.read_parquet), ("arrow", pl.read_ipc), ("feather", pl.read_ipc), ("csv", pl.read_csv)],
)
def test_the_ending_says_what_is_written(
    tmp_path: Path, ending: str, reader: Callable[[Path], pl.DataFrame], capsys: pytest.CaptureFixture[str]
) -> None:
    there = sweep(tmp_path / "mine", [*JOBS[:3], {**JOBS[3], "status": "unfinished"}])
    out, points = tmp_path / f"out.{ending}", tmp_path / f"points.{ending}"
    for _ in range(2):  # what is there is written anew, like a page
        main(["export", str(there), str(out), "--curves", str(points)])
    known = [f"{out}: 3 runs", f"{points}: 33 points of their curves", "1 more run has not ended, and is left out"]
    assert capsys.readouterr().out.splitlines() == known * 2
    runs = reader(out)
    assert runs["val/loss"].to_list() == [1.0, 2.0, 3.0]
    assert ("curve" in runs.columns) == (ending != "csv")
    curves = reader(points)
    assert curves.filter(pl.col("run").cast(pl.String) == "2").select("step", "val/loss").rows()[-1] == (100, 3.0)


def test_runs_of_any_origin(tmp_path: Path) -> None:
    """Of a folder of another launcher, and single ones beside a sweep."""
    for number, job in enumerate(JOBS):
        run(tmp_path / "folder" / str(number), job)
    main(["export", str(tmp_path / "folder"), str(tmp_path / "out.parquet")])
    found = load(str(tmp_path / "out.parquet"))
    assert found.runs["optimizer"].to_list() == ["sgd", "sgd", "adam", "adam"]
    there = sweep(tmp_path / "mine", JOBS)
    main(["export", str(there), str(tmp_path / "folder" / "1"), str(tmp_path / "out.csv")])
    assert pl.read_csv(tmp_path / "out.csv")["run"].to_list() == ["mine/0", "mine/1", "mine/2", "mine/3", "folder/1"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nowhere", "out.csv"], "nowhere is not there"),
        (["mine", "out.xlsx"], "out.xlsx: the ending says what is written, one of .parquet, .arrow, .feather, .csv"),
        (["mine", "no/out.csv"], "no/out.csv cannot be written: there is no directory no"),
        (["mine", "folder.csv"], "folder.csv cannot be written: it is a directory"),
        (["mine", "out.csv", "--curves", "points"], "points: the ending says what is written"),
        (["mine", "out.csv", "--curves", "./out.csv"], "--curves ./out.csv is the file of the runs"),
        (["mine", "./mine", "out.csv"], "mine is given twice: give every directory once"),
    ],
)
def test_what_cannot_be_exported_is_a_sentence(
    words: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    sweep(tmp_path / "mine", JOBS)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(SystemExit) as ended:
        main(["export", *words])
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith(f"error: {sentence}")
    assert not (tmp_path / "out.csv").exists()


def test_a_run_of_a_sweep_is_not_all_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The others are not unfinished, and an earlier comparison beside them was not asked for."""
    there, out = sweep(tmp_path / "mine", JOBS), str(tmp_path / "out.parquet")
    (there / "sweep.json").write_text('{"format": 3, "calls": [], "stacks": {}, "jobs": [{}, {}, {}, {}]}')
    main(["export", str(there), str(tmp_path / "earlier.parquet")])
    (there / "baseline.parquet").write_bytes((tmp_path / "earlier.parquet").read_bytes())
    capsys.readouterr()
    main(["export", str(there / "3"), out])
    assert capsys.readouterr().out == f"{out}: 1 run\n"
