"""A sweep over a table: read once, told once, refused before anything is written."""

import csv
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from src.data import kept
from src.data.problem import Problem
from src.data.table import Table
from src.predict import predict
from src.tables import reading
from src.tables.account import Account
from tests.sweep.conftest import Multirun

WORDS = ["data=table", "data.target=price", "optimizer=sgd,adam", "optimizer.lr=0.01,0.1"]


@pytest.fixture
def houses(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    area, rooms = random.uniform(50, 200, 40), random.integers(1, 6, 40)
    price = 3000.0 * area + 15000.0 * rooms + random.normal(0, 5000, 40)
    path = tmp_path / "houses.csv"
    pl.DataFrame({"area": area, "rooms": rooms, "price": price}).write_csv(path)
    return path


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that are read, as often as they are; every problem of theirs has an account."""
    names, read, made = list[str](), reading.read_table, Table.problem

    def read_table(path: Path, how: reading.Reading | None = None) -> reading.ReadTable:
        names.append(Path(path).name)
        return read(path, how)

    def problem(self: Table) -> Problem:
        found = made(self)
        parts = {name: len(part) for name, part in (("train", found.train), ("val", found.val)) if part}
        split = {"train": np.arange(1, parts["train"] + 1) * 2, "val": np.arange(parts["val"]) * 2 + 1}
        return replace(found, table=Account("houses.csv", 40, ["told of houses"], numbers=["area"], split=split))

    monkeypatch.setattr(reading, "read_table", read_table)
    monkeypatch.setattr(Table, "problem", problem)
    return names


def results(directory: Path) -> list[dict[str, str]]:
    with (directory / "results.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_table_is_read_once_and_told_once(
    multirun: Multirun, houses: Path, reads: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*WORDS, f"data.path={houses}", "data.write_split=true", "trainer.max_steps=10"]
    assert multirun("sweep", *words) == 0
    assert reads == ["houses.csv"]
    told = capsys.readouterr().out
    assert told.startswith("houses.csv: 40 rows; 1 column of numbers (area)\ntold of houses\n")
    assert told.count("told of houses") == 1
    assert kept._problems == {}  # nothing is in memory any more
    rows, sweep = results(houses.parent / "sweep"), houses.parent / "sweep"
    assert len(rows) == 4
    for row in rows:
        assert float(row["test/rmse"]) == pytest.approx(float(row["test/loss"]) ** 0.5)
        assert float(row["val/r2"]) < 1
        result = json.loads((sweep / row["job"] / "result.json").read_text(encoding="utf-8"))
        assert result["table"]["told"] == ["told of houses"]
        assert "split" not in result["table"]
        assert (sweep / row["job"] / "split.csv").read_text().split()[:4] == ["row,part", "1,val", "2,train", "3,val"]
    again = multirun("sweep", *words)
    assert (again, reads) == (0, ["houses.csv"])  # all of it is finished
    made = predict(sweep / "0", [f"data.path={houses}"])
    assert made.table["prediction"].len() == 40


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["data.target=pric"], r"has no column pric; did you mean price\? .*\(all 4 jobs\)$"),
        (["data.features=[area,price]"], r"the target price is also among data.features.*\(all 4 jobs\)$"),
        (["data.batch_size=5,30"], r"data.batch_size=30 is more than the 28 training rows \(4 of 8 jobs\)$"),
    ],
)
def test_a_mistake_is_one_error_before_anything_is_written(
    multirun: Multirun, houses: Path, capsys: pytest.CaptureFixture[str], words: Sequence[str], told: str
) -> None:
    given = [word for word in WORDS if word.partition("=")[0] not in {one.partition("=")[0] for one in words}]
    assert multirun("sweep", *given, *words, f"data.path={houses}") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(told, line)
    assert not (houses.parent / "sweep").exists()


def test_a_dry_run_knows_the_sizes_and_tells_the_table(
    multirun: Multirun, houses: Path, reads: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert multirun("sweep", *WORDS, f"data.path={houses}", "hydra.launcher.dry_run=true") == 0
    assert "told of houses" in capsys.readouterr().out
    assert not (houses.parent / "sweep").exists()


def test_seeds_whose_training_rows_lack_a_category_are_in_other_stacks(multirun: Multirun, tmp_path: Path) -> None:
    """The first seed's have one value of `pool`, and so no such feature; others have two."""
    x = np.arange(60.0)
    houses = pl.DataFrame({"area": x, "pool": ["yes" if one == 3 else "no" for one in x], "price": x % 7})
    houses.write_csv(tmp_path / "pools.csv")
    words = ["data=table", f"data.path={tmp_path / 'pools.csv'}", "data.target=price", "seed=range(1,5)"]
    assert multirun("sweep", *words) == 0
    read = [json.loads((tmp_path / f"sweep/{job}/result.json").read_text(encoding="utf-8")) for job in range(4)]
    assert [one["features"] for one in read] == [["area"], *[["area", "pool=yes"]] * 3]
    assert [one["stack_size"] for one in read] == [1, 3, 3, 3]
