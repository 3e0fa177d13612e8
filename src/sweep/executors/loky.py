"""The cores and GPUs of this machine: a process for every stack that is under way."""

import itertools
import os
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from loky import ProcessPoolExecutor, cpu_count
from loky.process_executor import BrokenProcessPool

from src.run.processes import end_with
from src.sweep.executors import Workers
from src.sweep.options import Launching


def count(options: Launching) -> int:
    """As many as there are GPUs, or else cores, unless the options say."""
    return options.workers or torch.cuda.device_count() or int(cpu_count())


def start(options: Launching, scratch: Path, at_end: ExitStack) -> Workers:
    """A pool of one process for each stack that is under way: one that dies breaks no other's pool."""
    pools, calls = dict[int, ProcessPoolExecutor](), dict[int, Future[Any]]()

    def submit(*call: Any) -> Future[Any]:
        slot = next(slot for slot in itertools.count() if slot not in calls or calls[slot].done())
        if slot not in calls or isinstance(calls[slot].exception(), BrokenProcessPool):
            end = {"initializer": end_with, "initargs": (os.getpid(),)}
            pools[slot] = ProcessPoolExecutor(1, env=card(slot), timeout=None, **end)
            at_end.callback(pools[slot].shutdown, kill_workers=True)  # what they have finished is on disk
        calls[slot] = pools[slot].submit(*call)
        return calls[slot]

    return Workers(submit, count(options), BrokenProcessPool)


def card(slot: int) -> dict[str, str]:
    """The environment of a process: slots are dealt over the GPUs, and each sees its own only."""
    cards = torch.cuda.device_count()
    if not cards:
        return {}
    seen = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    names = [name for name in seen.split(",") if name] or [str(card) for card in range(cards)]
    return {"CUDA_VISIBLE_DEVICES": names[slot % cards]}
