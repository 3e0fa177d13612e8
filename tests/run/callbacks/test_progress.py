"""The bar, on a terminal of its own; without one, lines."""

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from src.run.callbacks import progress
from src.run.callbacks.progress import ProgressBar
from src.run_directory import Result, read_rows


def test_the_bar_counts_optimizer_steps_and_python_takes_the_same(train: Callable[..., Result], tmp_path: Path) -> None:
    leader, follower = pty.openpty()
    words = ["trainer.max_steps=8000", "logger=none", "optimizer.lr=0.01", "seed=3"]
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"}
    line = [sys.executable, "-m", "src.train", *words, f"hydra.run.dir={tmp_path / 'command'}"]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=follower, env=environment)
    os.close(follower)
    text = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:  # how a terminal whose other end is closed ends on Linux
            break
        text += piece
    told = process.communicate()[0].decode()
    assert process.returncode == 0
    assert "completed: all 8,000 steps were taken" in told
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text.decode())
    assert re.search(r"\d+/8000", shown)
    assert re.search(r"[\d,]+ steps/s", shown)
    assert re.search(r"loss \d", shown)
    python, typed = train("python", *words).as_json(), json.loads((tmp_path / "command" / "result.json").read_text())
    for key in python.keys() - {"seconds", "environment"}:
        assert typed[key] == python[key]
    assert read_rows(tmp_path / "command" / "metrics.csv") == read_rows(tmp_path / "python" / "metrics.csv")
    assert all(word in typed["environment"]["command"].split() for word in ["-m", "src.train", *words])


def test_without_a_terminal_there_is_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    seconds = iter([0, 10, 31, 31, 50, 62, 62])
    monkeypatch.setattr(progress, "monotonic", lambda: next(seconds))
    monkeypatch.setattr(progress, "Console", lambda **given: Console(**given, force_terminal=False))
    trainer: Any = SimpleNamespace(max_steps=50_000, global_step=0)
    module: Any = SimpleNamespace(loop=SimpleNamespace(last_loss=None, unit=[4.0]))
    bar = ProgressBar()
    bar.on_train_start(trainer, module)
    for step, loss in ((500, None), (1000, None), (11_500, [0.003]), (12_000, [0.003075])):
        trainer.global_step, module.loop.last_loss = step, loss
        bar.on_train_batch_end(trainer, module, None, None, 0)
    bar.on_train_end(trainer, module)
    assert capfd.readouterr().err.splitlines() == ["step 1,000 of 50,000", "step 12,000 of 50,000, loss 0.0123"]
