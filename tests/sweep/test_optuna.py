"""Optuna's sweeper asks, and each of its batches is a stack."""

import csv
import json
from pathlib import Path

import pytest

from tests.sweep.conftest import Multirun

pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
WORDS = (
    "hydra/sweeper=optuna",
    "optimizer=sgd,adam",
    "optimizer.lr=tag(log,interval(1e-3,1))",
    "hydra.sweeper.n_trials=6",
    "hydra.sweeper.n_jobs=3",
    "hydra.sweeper.sampler.seed=1",
)


def test_every_batch_is_trained_together_and_asked_again_nothing_is(multirun: Multirun, tmp_path: Path) -> None:
    assert multirun("s", *WORDS) == 0
    with (tmp_path / "s" / "results.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["status"] for row in rows] == ["completed"] * 6
    assert all(1e-3 <= float(row["optimizer.lr"]) <= 1 for row in rows)
    stacks = json.loads((tmp_path / "s" / "sweep.json").read_text(encoding="utf-8"))["stacks"]
    assert sorted(run for stack in stacks.values() for run in stack) == list(range(6))
    assert len(stacks) < 6
    results = {path: path.stat().st_mtime_ns for path in (tmp_path / "s").glob("*/result.json")}
    assert multirun("s", *WORDS) == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "s").glob("*/result.json")} == results


def test_a_sampler_without_a_seed_does_not_go_on(
    multirun: Multirun, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It would ask for other settings, and the directory would hold both."""
    words = [word for word in WORDS if "sampler.seed" not in word]
    assert multirun("s", *words) == 0
    before = (tmp_path / "s" / "results.csv").read_bytes()
    assert multirun("s", *words) == 1
    told = capfd.readouterr().err
    assert "a sampler without a seed asks for other settings each time: choose another" in told
    assert "(a sweep that is begun with hydra.sweeper.sampler.seed=1 goes on)" in told
    assert multirun("s", *words, "hydra.sweeper.sampler.seed=1") == 1
    assert (
        "whose sampler asks for other settings: hydra.sweeper.sampler.seed (null then, 1 now)" in capfd.readouterr().err
    )
    assert (tmp_path / "s" / "results.csv").read_bytes() == before


def test_another_study_is_refused_and_a_longer_one_goes_on(
    multirun: Multirun, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    begun = [word.replace("n_trials=6", "n_trials=3") for word in WORDS]
    assert multirun("s", *begun) == 0
    before = (tmp_path / "s" / "sweep.json").read_bytes()
    others = {
        "hydra.sweeper.sampler.seed=2": "hydra.sweeper.sampler.seed (1 then, 2 now)",
        "hydra.sweeper.n_jobs=2": "hydra.sweeper.n_jobs (3 then, 2 now)",
        "hydra/sweeper/sampler=random": "hydra.sweeper.sampler._target_ (optuna.samplers.TPESampler then, ",
        "optimizer.lr=interval(1e-3,1)": "optimizer.lr (tag(log,interval(1e-3,1)) then, interval(1e-3,1) now)",
    }
    for word, told in others.items():
        words = [one for one in begun if one.partition("=")[0] != word.partition("=")[0]]
        assert multirun("s", *words, word) == 1
        assert f"whose sampler asks for other settings: {told}" in capfd.readouterr().err
        assert (tmp_path / "s" / "sweep.json").read_bytes() == before
    assert multirun("s", *WORDS) == 0
    with (tmp_path / "s" / "results.csv").open(newline="", encoding="utf-8") as file:
        assert [row["job"] for row in csv.DictReader(file)] == list("012345")
