"""The race: every optimizer down one surface, each a stack, its whole path recorded."""

import csv
import json
import math
from pathlib import Path

import pytest

from src.config.compose import CONF
from src.config.surfaces import FUNCTIONS
from src.run_directory import read_rows
from tests.sweep.conftest import Multirun

NAMES = ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam"]


def test_it_is_a_stack_an_optimizer_and_every_step_is_recorded(multirun: Multirun, tmp_path: Path) -> None:
    words = ["sweep=race", "model.function=saddle", "trainer.max_steps=100", "trainer.val_every_n_steps=100"]
    assert multirun("race", *words, "hydra.sweeper.points=7") == 0
    with (tmp_path / "race" / "results.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["optimizer"] for row in rows] == [name for name in NAMES for _ in range(7)]
    paths = []
    for row in rows:
        directory = tmp_path / "race" / row["job"]
        result = json.loads((directory / "result.json").read_text(encoding="utf-8"))
        assert result["stack_size"] == 7
        assert result["exact"]["saddles"] == [[0.0, 0.0]]
        paths.append(read_rows(directory / "metrics.csv"))
        assert [step for step, _ in paths[-1]] == list(range(result["steps"] + 1))
        assert all({"train/loss", "point[0]", "point[1]"} == set(values) for _, values in paths[-1])
    _check_when_gradient_descent_gets_away([float(row["optimizer.lr"]) for row in rows[:7]], paths[:7])


def _check_when_gradient_descent_gets_away(rates: list[float], paths: list[list[tuple[int, dict[str, float]]]]) -> None:
    """By the linear map beside the saddle: y grows by 1 + 2 lr a step, up to where f is 0.45, and x dies out."""
    away = FUNCTIONS["saddle"].away
    assert away is not None
    for lr, path in zip(rates, paths, strict=True):
        left = next((step for step, values in path if values["train/loss"] < away), None)
        needed = math.log(math.sqrt(1 - math.sqrt(0.9)) / 0.001) / math.log(1 + 2 * lr)  # of (y² - 1)² / 2 = 0.45
        if needed > 100:
            assert left is None
        elif lr < 0.5:
            assert left == pytest.approx(needed, abs=1 + 0.05 * needed)
    assert sum(lr < 0.5 for lr in rates) == 6


def test_every_function_can_be_raced() -> None:
    for file in ("model/surface.yaml", "sweep/race.yaml"):
        text = (CONF / file).read_text(encoding="utf-8")
        assert [name for name in FUNCTIONS if name not in text] == []
