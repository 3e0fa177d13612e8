"""Every row is measured at the size of a toy: its figures are there; what they say is nobody's to assert."""

import importlib
import json
import math
from dataclasses import replace
from operator import truediv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from src.errors import LabError
from tests.bench import growth, peak, sweeps
from tests.bench.__main__ import ROWS, cells, measured
from tests.bench.grid import LINES, NETWORKS, Grid
from tests.bench.measure import Command, Figure, Peer, command, in_turn, ratio, write
from tests.bench.sweeps import Swept, check_same

HERE: dict[str, dict[str, Any]] = {
    "one_run": {"steps": 200, "ordinary_steps": 4},
    "two_layer": {"steps": 5},
}
COMMANDS: dict[str, dict[str, Any]] = {
    "lines": {"grid": replace(LINES, optimizers=("sgd", "adam"), points=2, seeds=2, steps=50), "sample": 2},
    "networks": {"grid": replace(NETWORKS, points=2, seeds=2, steps=50)},
    "own": {"steps": 2, "sample": 1},
    "start_up": {},
    "growth": {"runs": (1, 2, 4), "networks": (1, 2, 4), "rows": (100, 200), "features": (1, 2, 4)},
    "crowd": {"seeds": 1, "steps": 20, "words": ("hydra.sweeper.points=3", "optimizer=sgd,adam")},
}
"""Rows that take seconds: they start commands, or train 200 runs."""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("row", [*HERE, *(pytest.param(row, marks=pytest.mark.long) for row in COMMANDS)])
def test_a_row_is_measured(row: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module = importlib.import_module(f"tests.bench.{row}")
    monkeypatch.setattr(module, "QUICK", {**HERE, **COMMANDS}[row], raising=False)
    monkeypatch.setattr(peak, "ROUNDS", 1000)
    monkeypatch.setattr(peak, "SIZE", 10)
    title, figures = measured(row, 1, "QUICK")
    assert title == module.TITLE
    missing = [one.about for one in figures if not one.values]
    assert all("not installed" in why or "CUDA" in why or "does not grow" in why for why in missing), missing
    assert any(one.values for one in figures)
    write(tmp_path / "bench.json", {row: figures})
    kept = json.loads((tmp_path / "bench.json").read_text())
    assert [one["values"] for one in kept["rows"][row]] == [list(one.values) for one in figures]
    assert kept["machine"]["cores"] >= 1


def test_every_row_has_its_test() -> None:
    assert {*HERE, *COMMANDS} == {*ROWS}


def test_ways_are_taken_in_turn() -> None:
    order = list[str]()

    def way(name: str, seconds: float) -> float:
        order.append(name)
        return seconds * len(order)

    taken = in_turn({"slow": lambda: way("slow", 6.0), "fast": lambda: way("fast", 1.0)}, 2)
    assert order == ["slow", "fast"] * 2
    one = ratio("slow / fast", taken, "slow", "fast", at_least=4.4, sampled=True)
    assert one.values == [6 / 2, 18 / 4]  # of each round
    assert cells(one) == ["3.75*", "3", "4.5", "≥ 4.4", "✗", "slow / fast", "slow 12, fast 3 s"]
    assert cells(replace(one, at_least=3.7))[4] == "✓"
    assert cells(Figure("it", [2.0], at_most=2.0))[:5] == ["2", "", "", "≤ 2", "✓"]
    assert cells(Figure("it", [], at_most=2.0, about="no card"))[:5] == ["not measured", "", "", "≤ 2", ""]


def test_the_exponent_of_what_grows_above_something_fixed() -> None:
    sizes = [10, 100, 1000]
    assert math.isclose(growth.above_fixed(sizes, [4 + 0.01 * size**1.3 for size in sizes]), 1.3)
    assert math.isnan(growth.above_fixed(sizes, [4.0, 4.0, 4.0]))
    assert math.isclose(growth.over_all(sizes, [size**0.5 for size in sizes]), 0.5)


def test_a_command_that_fails_is_told() -> None:
    took = command("-c", "bytearray(50_000_000)")
    assert took.seconds > 0
    assert took.memory > 50_000_000
    with pytest.raises(LabError, match="ended with 3: so it is"):
        command("-c", "print('so it is'); raise SystemExit(3)")


def test_another_computation_is_not_timed() -> None:
    grid = replace(LINES, optimizers=("sgd",), points=3, seeds=2)
    here = Swept(Command(1.0, 1.0, 1), 1.0, "rules", {("sgd", 1, rate): 0.5 for rate in grid.rates})
    losses = np.full((1, 2, 3, 4), 0.5)
    check_same(grid, here, losses)
    losses[0, 1, :2, -1] = 0.6
    with pytest.raises(LabError, match="does not compute the same"):
        check_same(grid, here, losses)


def test_a_card_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is one; what is swept there is stood in for."""
    asked = list[tuple[int, tuple[str, ...]]]()

    def swept(grid: Grid, *words: str) -> Swept:
        asked.append((len(grid), words))
        return Swept(Command(1.0, 1.0, 1), 4.0, "rules", {})

    monkeypatch.setattr(sweeps, "swept", swept)
    assert not sweeps.on_cuda(LINES, "lines", [1.0, 2.0]).values
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a card")
    one = sweeps.on_cuda(LINES, "lines", [1.0, 2.0], times=100)
    assert (one.values, one.sampled) == ([25.0, 50.0], True)
    assert one.about.endswith("a card")
    assert asked == [(100_000, ("trainer=gpu",))] * 3


def test_a_peer_goes_on_from_round_to_round() -> None:
    peer = Peer(map, truediv, [6, 3, 1], [3, 2, 0])
    try:
        assert [peer(), peer()] == [2.0, 1.5]
        with pytest.raises(LabError, match="a peer failed: ZeroDivisionError"):
            peer()
    finally:
        peer.close()
    with pytest.raises(LabError, match="has died"):
        peer()
