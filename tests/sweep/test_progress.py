"""The bar of a sweep counts runs and run-steps, and is silent without a terminal."""

import io
from typing import Any

import pytest
from rich.console import Console

from src.sweep import progress
from src.sweep.progress import SweepBar


def shown(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> str:
    """What is written on the way through 4 runs of 100 steps, of which one was finished and one diverged early."""
    file = io.StringIO()

    def console(**_: Any) -> Console:
        return Console(file=file, force_terminal=terminal, width=100)

    monkeypatch.setattr(progress, "Console", console)
    with SweepBar(runs=4, done=1, steps=300) as bar:
        bar.tell(0, 100)
        bar.tell(2, 60)
        bar._progress.refresh()
        bar.settle(3, 100)
        assert (bar.done, bar._progress.tasks[0].completed, bar._progress.tasks[0].total) == (3, 160, 260)
        bar.tell(1, 100)
        assert bar._progress.tasks[0].finished
        bar._progress.refresh()
    return file.getvalue()


def test_runs_and_run_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(monkeypatch, terminal=True)
    assert "1/4 runs" in text
    assert "4/4 runs" in text
    assert "run-steps/s" in text


def test_silent_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, terminal=False).strip() == ""
