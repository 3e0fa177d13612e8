"""What tests of stacks in other processes share: sweeps long enough to be disturbed, and how to wait for a moment."""

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from src.run_directory import RunDirectory
from src.sweep.ledger import STACKS, Ledger
from tests.run.runs import numbers

LONG = (
    *("data=teacher", "model=two_layer", "optimizer=sgd,adam", "seed=0,1", "trainer.max_steps=6000"),
    *("trainer.val_every_n_steps=1000", "callbacks.checkpoint.every_n_steps=250", "trainer.stepper=rules"),
)
"""Two stacks of about a second (as C they would be over before), with checkpoints from the first moment on."""

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


def kill_worker(stack: int, sweep: Path) -> None:
    """Kill the process that trains a stack in its middle: once it has a checkpoint, and none of its runs has ended."""
    lock = sweep / STACKS / f"{stack}.lock"
    until((sweep / STACKS / f"{stack}.ckpt").exists)
    holding = [int(file.parent.parent.name) for file in Path("/proc").glob("[0-9]*/fd/*") if _is(file, lock)]
    assert holding != [os.getpid()]
    for pid in holding:
        os.kill(pid, signal.SIGKILL)
    assert len(holding) == 1
    assert not RunDirectory(sweep / str(Ledger.read(sweep).stacks[stack][0])).finished


def _is(link: Path, path: Path) -> bool:
    try:
        return link.readlink() == path
    except OSError:
        return False
