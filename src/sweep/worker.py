"""What one worker trains: a stack, or a run that goes alone, from plain data to plain outcomes.

`work` is a plain function of a plain value, so any library that calls functions elsewhere can spread stacks. Nothing
here imports torch before it is called.
"""

from __future__ import annotations

import errno
import shutil
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import chdir, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from src.errors import FULL_ERROR, LabError, OwnCheckpointError, raised, unwritable
from src.run_directory import RunDirectory
from src.sweep.ledger import Outcome, outcome_of

if TYPE_CHECKING:
    from src.compare.halving import Halving
    from src.engine.choose_stepper import Choice
    from src.run.build import RunSpec
    from src.run.train import Tell

End = Outcome | str
"""How a run ended, or the reason why it failed."""

EVERY = 0.5
"""Seconds between two writes of a heartbeat, and between two looks at one."""


@dataclass(frozen=True)
class StackTask:
    """A stack as a worker gets it; it can be pickled.

    Attributes:
        number: of the stack in its sweep.
        specs: of its runs that are not finished; their directories are absolute.
        choice: of the stepper.
        kept: the file that the stack goes on from, `<sweep>/.stacks/<number>.ckpt`, absolute; beside it lie the stack's
            lock and heartbeat.
        cwd: where the command was typed, which relative paths in configs start from.
        sys_path: where Python looks for modules there, such as a user's own optimizer; absolute.
        halving: at which rungs settings leave; None: all are trained to the end.
        few: its runs are kept in columns, without a directory each.
    """

    number: int
    specs: tuple[RunSpec, ...]
    choice: Choice
    kept: str
    cwd: str
    sys_path: tuple[str, ...]
    halving: Halving | None = None
    few: bool = False


class Stopped(BaseException):
    """The command that has asked for a stack waits for it no longer. No `Exception`: no stack takes it for its own."""


@dataclass
class Heartbeat:
    """Tells how far a stack is through a file of the command's, and stops the worker once that file is gone.

    Attributes:
        path: of the file; each command names its own, so that the worker of one that was killed stops.
        runs: that have ended.
        steps: run-steps that were taken.
    """

    path: Path
    runs: int = 0
    steps: int = 0
    _written: float = 0.0

    def __call__(self, runs: int, steps: int) -> None:
        """So many more runs have ended, so many more run-steps were taken.

        Raises:
            Stopped: the file is gone.
            OSError: it cannot be written.
        """
        self.runs, self.steps = self.runs + runs, self.steps + steps
        if not runs and time.monotonic() - self._written < EVERY:
            return
        self._written = time.monotonic()
        try:
            with self.path.open("r+") as file:
                file.write(f"{self.runs:>12} {self.steps:>20}\n")
        except FileNotFoundError:
            raise Stopped from None


def attempt(task: StackTask, heartbeat: Tell) -> list[End] | LabError:
    """`work` as executors call it; what ends a sweep is a value, as not every library hands exceptions over intact.

    What is raised is the library's own, or under HYDRA_FULL_ERROR=1 what a stack stumbled over.
    """
    with suppress(Stopped):
        try:
            return work(task, heartbeat)
        except LabError as error:
            return error
    return LabError(f"a worker does not see {Path(task.kept).parent}, which all machines have to share")


_ONE_AT_A_TIME = threading.Lock()
"""A worker of several threads still trains one stack: torch and Lightning keep things that all threads share."""


def work(task: StackTask, heartbeat: Tell) -> list[End]:
    """Train a stack as if it were where the command was typed, once no other worker does: one that was thought dead, or
    has not noticed yet that it is to stop.

    Returns:
        one entry a spec. What a worker that died has finished is taken as it is.

    Raises:
        LabError: nothing can be written any more: the disk is full, say.
        Stopped: by the heartbeat.
        KeyboardInterrupt: it was interrupted.
        Exception: whatever the stack stumbled over, under HYDRA_FULL_ERROR=1; else it is the reason of its runs.
    """
    kept = Path(task.kept)
    lock = FileLock(kept.with_suffix(".lock"), poll_interval=EVERY / 5)
    typed = chdir(task.cwd) if Path(task.cwd).is_dir() else nullcontext()  # it is not needed if no path is relative
    sys.path += [path for path in task.sys_path if path not in sys.path]

    def waiting() -> bool:
        heartbeat(0, 0)
        return False

    waiting()  # a lock would make the directory where it is not
    try:
        with _ONE_AT_A_TIME, typed, lock.acquire(cancel_check=waiting):
            return ends(task, _train(task, heartbeat))
    except Exception as error:  # whatever a stack stumbles over, the others go on
        if isinstance(error, OSError):
            own = error.filename and Path(str(error.filename)).absolute().is_relative_to(kept.parent.parent)
            if own or error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise LabError(unwritable(error)) from None
        if FULL_ERROR or isinstance(error, LabError):
            raise
        return ends(task, {}, raised(error))


def ends(task: StackTask, reasons: Mapping[Path, str], otherwise: str = "it was not trained") -> list[End]:
    """How the runs of a stack ended: those without a result have failed, for the reason of their directory."""
    runs = [RunDirectory(spec.directory) for spec in task.specs]
    return [outcome_of(run) if run.finished else reasons.get(run.path, otherwise) for run in runs]


def _train(task: StackTask, heartbeat: Tell) -> dict[Path, str]:
    """Train the runs that have no result yet; of those that fail the reason, by directory."""
    from src.run.train import train

    specs, kept = [spec for spec in task.specs if not RunDirectory(spec.directory).finished], Path(task.kept)
    if not specs:
        kept.unlink(missing_ok=True)
        return {}
    alone = RunDirectory(specs[0].directory)
    found = train(specs, task.choice, kept=kept, halving=task.halving, few=task.few, tell=heartbeat)
    if isinstance(found[0], OwnCheckpointError):  # of a run by itself, which begins anew
        for path in set(alone.path.iterdir()) - {alone.path / ".hydra"}:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        found = train(specs, task.choice, kept=kept, halving=task.halving, tell=heartbeat)
    return {spec.directory: str(end) for spec, end in zip(specs, found, strict=True) if isinstance(end, LabError)}
