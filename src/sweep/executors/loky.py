"""The cores and GPUs of this machine: a process for every stack that is under way."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from loky import ProcessPoolExecutor, cpu_count
from loky.process_executor import BrokenProcessPool

from src.sweep.executors.pool import Answer, Pool, WorkerDiedError
from src.sweep.executors.work import Order, work
from src.sweep.options import Launching


def check(options: Launching) -> None:
    """There is nothing that could be refused."""


def number(options: Launching) -> int:
    """Processes: as many as there are GPUs, or else cores, unless the options say."""
    return options.workers or torch.cuda.device_count() or int(cpu_count())


@dataclass(frozen=True)
class _Handle:
    slot: int
    future: "Future[Answer]"


class Workers(Pool):
    """A pool of one process for every slot, so that a process that dies takes no other stack with it.

    Args:
        options: of the launcher.
    """

    def __init__(self, options: Launching) -> None:
        self.width = number(options)
        self._free = list(range(self.width))
        self._executors: dict[int, ProcessPoolExecutor] = {}

    def start(self, order: Order) -> _Handle:
        """Give a stack to a free process, a new one if need be."""
        slot = self._free.pop(0)
        with _deaf_to_interrupts():
            if slot not in self._executors:
                self._executors[slot] = ProcessPoolExecutor(
                    1, initializer=_end_with, initargs=(os.getpid(),), env=_card(slot), timeout=None
                )
            return _Handle(slot, self._executors[slot].submit(work, order))

    def done(self, handle: _Handle) -> bool:
        """Whether it has ended."""
        return handle.future.done()

    def answer(self, handle: _Handle) -> Answer:
        """How it has ended."""
        self._free.insert(0, handle.slot)
        try:
            return handle.future.result()
        except BrokenProcessPool:
            self._executors.pop(handle.slot).shutdown(kill_workers=True)
            raise WorkerDiedError from None

    def close(self) -> None:
        """Kill the processes: what they have finished is on disk."""
        while self._executors:
            self._executors.popitem()[1].shutdown(kill_workers=True)


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Processes and threads that are started meanwhile never hear Ctrl-C: it is for the command, which stops them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _card(slot: int) -> dict[str, str]:
    """The environment of a process: slots are dealt over the GPUs, and each sees its own only."""
    cards = torch.cuda.device_count()
    if not cards:
        return {}
    seen = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    names = [name for name in seen.split(",") if name] or [str(card) for card in range(cards)]
    return {"CUDA_VISIBLE_DEVICES": names[slot % cards]}


def _end_with(parent: int) -> None:
    """End this process when the command is killed, in the middle of a stack too."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
