"""The bar, on a terminal of its own; without one, lines."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from src.run.callbacks import progress
from src.run.callbacks.progress import ProgressBar


def test_the_bar_counts_optimizer_steps(tmp_path: Path) -> None:
    leader, follower = pty.openpty()
    words = ["trainer.max_steps=8000", "logger=none", "optimizer.lr=0.01", f"hydra.run.dir={tmp_path / 'run'}"]
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"}
    process = subprocess.Popen(
        [sys.executable, "-m", "src.train", *words], stdout=subprocess.DEVNULL, stderr=follower, env=environment
    )
    os.close(follower)
    text = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:  # how a terminal whose other end is closed ends on Linux
            break
        text += piece
    assert process.wait() == 0
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text.decode())
    assert re.search(r"\d+/8000", shown)
    assert re.search(r"[\d,]+ steps/s", shown)
    assert re.search(r"loss \d", shown)


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
