"""What tests of stacks in other processes share: sweeps long enough to be disturbed, and how to wait for a moment."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from src.sweep.ledger import Ledger
from tests.run.runs import numbers

LONG = (
    *("data=teacher", "model=two_layer", "optimizer=sgd,adam", "seed=0,1", "trainer.max_steps=6000"),
    *("trainer.val_every_n_steps=1000", "callbacks.checkpoint.every_n_steps=250"),
)
"""Two stacks of about a second, with checkpoints from the first moment on."""

PATIENCE = 60
"""Seconds after which a test gives up waiting."""


def everything(sweep: Path) -> dict[int, Any]:
    """All numbers of all runs of a sweep: results, curves and checkpoints, bit for bit."""
    return {entry.number: numbers(sweep / str(entry.number)) for entry in Ledger.read(sweep).entries}


def until(happened: Callable[[], Any]) -> Any:
    """What it returns, once that is true."""
    pause, end = threading.Event(), time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := happened():
            return found
        pause.wait(0.01)
    raise AssertionError("it has not happened")
