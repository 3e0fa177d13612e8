"""What a worker does: it takes one stack at a time, tells how far it is through a file, and stops when that is gone."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from src.errors import LabError, unwritable
from src.sweep.task import End, Task, train_task

EVERY = 0.5
"""Seconds between two writes of a slip, and between two looks at one."""

SLIP = ".slip"


@dataclass(frozen=True)
class Order:
    """A stack on its way to a worker.

    Attributes:
        task: the stack.
        slip: the file in which the worker tells how far it is; when it is taken away the order is withdrawn.
        directory: where the command was typed, which relative paths in configs start from.
        paths: where Python looks for modules there, such as a user's own optimizer.
    """

    task: Task
    slip: str
    directory: str
    paths: tuple[str, ...]


class Withdrawn(BaseException):
    """The order is withdrawn: nobody waits for its result. Not an `Exception`, so that no stack takes it for one."""


class Slip:
    """Tells of a stack through its order's file.

    Args:
        path: of the file, which the one who gave the order has made.
        runs: that have ended.
        steps: run-steps that were taken.
    """

    def __init__(self, path: str, runs: int = 0, steps: int = 0) -> None:
        self.path = Path(path)
        self.runs, self.steps = runs, steps
        self._written = 0.0

    def tell(self, runs: int, steps: int) -> None:
        """So many more runs have ended, so many more run-steps were taken.

        Raises:
            Withdrawn: it is.
        """
        self.runs, self.steps = self.runs + runs, self.steps + steps
        if time.monotonic() - self._written > EVERY:
            self.write()

    def write(self) -> None:
        """Tell it now.

        Raises:
            Withdrawn: it is.
        """
        self._written = time.monotonic()
        try:
            with self.path.open("r+") as file:
                file.write(f"{self.runs:>12} {self.steps:>20}\n")
        except FileNotFoundError:
            raise Withdrawn from None
        except OSError:  # a stack does not fail for what only a bar needs
            return


def withdraw(task: Task) -> None:
    """Tell whoever trains this stack to stop: for this command, or for an earlier one that was killed."""
    state = Path(task.state)
    for slip in state.parent.glob(f"{state.name}.*{SLIP}"):
        slip.unlink(missing_ok=True)


def read_slip(path: Path) -> tuple[int, int] | None:
    """The runs that have ended and the run-steps that were taken; None: it cannot be read just now."""
    try:
        runs, steps = path.read_text().split()
        return int(runs), int(steps)
    except (OSError, ValueError):
        return None


_ONE_AT_A_TIME = threading.Lock()
"""A worker of several threads still trains one stack: torch and Lightning keep things that all threads share."""


def work(order: Order) -> list[End] | LabError | None:
    """Train a stack.

    Returns:
        One entry a member; or the reason why nothing can be written any more, as a value, because not every library
        hands an exception over as it was; None where the order was withdrawn.
    """
    slip = Slip(order.slip)
    try:
        with _ONE_AT_A_TIME, _as_where_it_was_typed(order), _alone_with(order.task, slip):
            ends = train_task(order.task, slip.tell)
            with suppress(Withdrawn):  # it is done
                slip.write()
            return ends
    except LabError as error:
        return error
    except Withdrawn:
        return None


@contextmanager
def _as_where_it_was_typed(order: Order) -> Iterator[None]:
    before = Path.cwd()
    sys.path += [path for path in order.paths if path not in sys.path]
    if not Path(order.slip).exists() and not Path(order.slip).parent.is_dir():
        here = Path(order.slip).parent.parent
        raise LabError(f"a worker does not see {here}: the sweep directory has to be there on every machine")
    with suppress(OSError):  # it need not be there if no path is relative
        os.chdir(order.directory)
    try:
        yield
    finally:
        os.chdir(before)


@contextmanager
def _alone_with(task: Task, slip: Slip) -> Iterator[None]:
    """Wait until no other worker trains this stack: one that was thought dead, or has not noticed yet that it is."""
    lock = FileLock(lock_of(task))
    try:
        while not lock.is_locked:
            slip.write()
            with suppress(Timeout):
                lock.acquire(timeout=EVERY)
    except OSError as error:
        raise LabError(unwritable(error)) from None
    with lock:
        slip.write()
        yield
    lock.release()


def lock_of(task: Task) -> Path:
    """Held by the worker that trains the stack."""
    return Path(f"{task.state}.lock")
