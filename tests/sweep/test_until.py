"""`hydra.sweeper.until=told_apart`: fresh seeds come in, look by look."""

import json
from pathlib import Path

import pytest

from src.report.reading import Sweep, read
from tests.sweep.conftest import Multirun
from tests.sweep.test_launcher import numbers, stop_after, table

WORDS = (
    *("optimizer=sgd,momentum,adam", "optimizer.lr=0.01", "data.noise=5", "data.batch_size=1"),
    *("hydra.sweeper.until=told_apart", "hydra.sweeper.most_seeds=10", "confirm_seeds=5"),
)


def looks(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("look ") and "fresh" in line]


def test_an_interrupted_sweep_goes_through_the_same_looks(
    multirun: Multirun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert multirun("whole", *WORDS) == 0
    whole = capfd.readouterr().out
    first, second = looks(whole)
    assert first.startswith("look 1, 5 fresh seeds: ")
    assert first.endswith(": not told apart yet; next on 10")
    assert second.endswith(": not told apart; hydra.sweeper.most_seeds=20 would go on")
    assert "after two looks" in whole
    with monkeypatch.context() as patch:
        stop_after(patch, 3 + 15 + 2)
        assert multirun("sweep", *WORDS) == 130
    assert looks(capfd.readouterr().out) == [first]
    assert multirun("sweep", *WORDS) == 0
    assert looks(capfd.readouterr().out) == [first, second]
    assert numbers(tmp_path / "sweep") == numbers(tmp_path / "whole")
    assert table(tmp_path / "sweep") == table(tmp_path / "whole")
    seeds = [int(row["seed"]) for row in table(tmp_path / "sweep") if row["optimizer"] == "sgd" and row["confirms"]]
    assert seeds == list(range(1, 11))
    assert json.loads((tmp_path / "sweep" / "sweep.json").read_text())["looks"] == [5, 10]
    page = read(tmp_path / "sweep")
    assert isinstance(page, Sweep)
    assert page.looks == (5, 10)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["model=surface", "optimizer=sgd,adam"], "hydra.sweeper.until: nothing of these runs is drawn"),
        (["confirm_seeds=100"], "confirm_seeds=100 is more than hydra.sweeper.most_seeds: say"),
        (["hydra/launcher=basic"], "hydra.sweeper.until needs hydra/launcher=stack"),
        (["hydra/sweeper=optuna"], "hydra.sweeper.until=told_apart needs hydra/sweeper=grid"),
    ],
)
def test_what_is_refused(
    multirun: Multirun, tmp_path: Path, capfd: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    assert multirun("sweep", *words, "hydra.sweeper.until=told_apart") == 1
    assert sentence in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_one_optimizer_is_told_from_nobody(
    multirun: Multirun, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert multirun("sweep", "optimizer.lr=0.1,0.2", "hydra.sweeper.until=told_apart") == 0
    assert "fewer than two that can be compared came through" in capfd.readouterr().out
    assert len(table(tmp_path / "sweep")) == 2
