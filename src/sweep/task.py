"""What one worker trains: a stack, or a run that goes alone, from plain data to plain outcomes.

`train_task` is a plain function of a plain value, so any library that calls functions elsewhere can spread stacks.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from src.config.schema import Config
from src.errors import FULL_ERROR, LabError, one_line, unwritable
from src.run_directory import Result, RunDirectory
from src.sweep.ledger import Outcome, outcome_of

if TYPE_CHECKING:
    from src.engine.choice import Choice

Tell = Callable[[int, int], None]
"""Takes how many runs have ended and how many run-steps were taken since it was last called."""

End = Outcome | str | None
"""How a run ended: its outcome, or why it failed; None where its result was there before."""

PROGRESS = "ProgressBar"


def silent(runs: int, steps: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Task:
    """A stack as a worker gets it.

    Attributes:
        stack: which one of the sweep.
        configs: of its members.
        directories: of its members' runs.
        finished: which of them have their results already.
        choice: of the stepper.
        state: where the stack keeps what it goes on from.
        command: what was typed.
    """

    stack: int
    configs: tuple[Config, ...]
    directories: tuple[str, ...]
    finished: tuple[bool, ...]
    choice: Choice
    state: str
    command: str


def train_task(task: Task, tell: Tell = silent) -> list[End]:
    """Train a stack; one entry a member. What a worker that died has finished of it is taken as it is.

    Raises:
        LabError: nothing can be written any more: the disk is full, say.
        KeyboardInterrupt: it was interrupted.
    """
    try:
        return _trained(task, tell)
    except LabError:
        raise
    except Exception as error:  # whatever a stack stumbles over, the others go on
        if isinstance(error, OSError) and _of_the_sweep(error, task):
            raise LabError(unwritable(error)) from None
        if FULL_ERROR:
            raise
        return failed(task, f"{type(error).__name__}: {one_line(error)}")


def _of_the_sweep(error: OSError, task: Task) -> bool:
    """Whether a full disk or the sweep directory is to blame, not a file of the user's own code."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    sweep = Path(task.directories[0]).absolute().parent
    return bool(error.filename) and Path(str(error.filename)).absolute().is_relative_to(sweep)


def failed(task: Task, reason: str) -> list[End]:
    """How the members of a stack ended that cannot go on: those that have no result have failed."""
    return [reason if end is None and not was else end for end, was in zip(_there(task), task.finished, strict=True)]


def _there(task: Task) -> list[End]:
    """The outcomes of members that have their results by now, and had none when the task was made."""
    runs = [RunDirectory(Path(directory)) for directory in task.directories]
    return [outcome_of(run) if run.finished and not was else None for run, was in zip(runs, task.finished, strict=True)]


def _trained(task: Task, tell: Tell) -> list[End]:
    """Train those that have no result yet."""
    from src.run.build import RunSpec
    from src.run.train import train

    there = _there(task)
    left = [index for index, (was, end) in enumerate(zip(task.finished, there, strict=True)) if not was and end is None]
    if not left:
        Path(task.state).unlink(missing_ok=True)
        return there
    specs = [RunSpec(_of_a_sweep(task.configs[index]), Path(task.directories[index]), task.command) for index in left]
    one = RunDirectory(specs[0].directory)
    went_on = task.choice.stepper == "torch" and one.last_checkpoint.is_file()
    ends = train(specs, task.choice, kept=Path(task.state), tell=tell)
    if went_on and isinstance(ends[0], LabError):  # its checkpoint is cut short, or not its own: it begins anew
        _clear(one)
        ends = train(specs, task.choice, kept=Path(task.state), tell=tell)
    for index, end in zip(left, ends, strict=True):
        there[index] = _end(end)
    return there


def _of_a_sweep(config: Config) -> Config:
    """Without what a sweep has for all its runs: the bar, and TensorBoard's files unless every run is to have them."""
    bars = [name for name, part in config.callbacks.items() if part and part.target_.endswith(PROGRESS)]
    boards = [name for name, part in config.logger.items() if part and part.runs == "best"]
    callbacks, logger = config.callbacks | dict.fromkeys(bars), config.logger | dict.fromkeys(boards)
    return config.model_copy(update={"callbacks": callbacks, "logger": logger})


def _end(end: Result | LabError) -> End:
    if isinstance(end, Result):
        return Outcome(end.status, end.reason, end.steps, end.metrics, end.fingerprint)
    return str(end)


def _clear(where: RunDirectory) -> None:
    """Take away what a run has left that could not go on; its `.hydra/` stays."""
    for path in where.path.iterdir():
        if path.name != ".hydra":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
