"""Runs of a sweep as rows, and the file that holds them."""

import math
from pathlib import Path

import pytest

from src.compare.rows import Row, by_setting, number, read_results, short
from src.errors import LabError
from tests.compare.sweeps import run

HEAD = "job,status,reason,+optimizer.rho,seed,steps,train/loss,confirms,fingerprint\n"


def results(directory: Path, *lines: str) -> Path:
    path = directory / "results.csv"
    path.write_text(HEAD + "".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def test_rows_of_a_file(tmp_path: Path) -> None:
    rows, unfinished = read_results(
        results(
            tmp_path, '7,completed,"all, ""every""",0.5,3,10,1.5,,a', "8,failed,why,,4,,,7,b", "9,unfinished,,,,,,,c"
        )
    )
    assert rows == [
        Row(
            7,
            {"optimizer.rho": "0.5", "seed": "3"},
            "completed",
            10,
            {"train/loss": 1.5},
            None,
            "7",
            reason='all, "every"',
        ),
        Row(8, {"seed": "4"}, "failed", 0, {"train/loss": None}, 7, "8", reason="why"),
    ]
    assert unfinished == 1


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (["0,won,,1,1,1,1,,a"], "a status 'won'"),
        (["0,completed,,1,1,1,1,,a"] * 2, "a job is there twice"),
        (["0,completed,,1,1,1"], "a row of 6 cells under 9 columns"),
        (["0,completed,,1,1,1,low,,a"], "could not convert string to float: 'low'"),
    ],
)
def test_a_broken_file_is_told(tmp_path: Path, lines: list[str], why: str) -> None:
    with pytest.raises(LabError, match=rf"results\.csv cannot be read as the results of a sweep \({why}\)"):
        read_results(results(tmp_path, *lines))


def test_a_run_that_did_not_come_through_has_no_finite_loss() -> None:
    assert run(0, "seed=1", 2.0).loss("val/loss") == 2.0
    assert run(0, "seed=1", None).loss("val/loss") == math.inf
    assert run(0, "seed=1", 2.0, "failed").loss("val/loss") == math.inf


def test_settings_are_words_without_seeds() -> None:
    rows = [run(i, f"optimizer.lr={lr} +data.seed={i}") for i, lr in enumerate((1, 2, 1))]
    assert [[row.job for row in of_one] for of_one in by_setting(rows)] == [[0, 2], [1]]
    assert by_setting([run(0, "seed=1", confirms=3)]) == []


def test_words_in_short() -> None:
    assert short({"lr": "0.00215443469003", "note": "0.1.2.3.4.5"}) == "lr=0.002154 note=0.1.2.3.4.5"
    assert (number("1e-3"), number("nan"), number("adam")) == (0.001, None, None)
