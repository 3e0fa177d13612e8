"""What one worker trains: a stack, or a run that goes alone, from plain data to plain outcomes.

`train_task` is a plain function of a plain value, so any library that calls functions elsewhere can spread stacks.
"""

import errno
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from src.config import Config
from src.errors import FULL_ERROR, LabError, one_line, unwritable
from src.results import Result, RunDirectory
from src.sweep.ledger import Outcome, outcome_of

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
        alone: whether this is one run that cannot be in a stack.
        state: where the stack keeps what it goes on from.
        command: what was typed.
    """

    stack: int
    configs: tuple[Config, ...]
    directories: tuple[str, ...]
    finished: tuple[bool, ...]
    alone: bool
    state: str
    command: str


def train_task(task: Task, tell: Tell = silent) -> list[End]:
    """Train a stack; one entry a member. What a worker that died has finished of it is taken as it is.

    Raises:
        LabError: nothing can be written any more: the disk is full, say.
        KeyboardInterrupt: it was interrupted.
    """
    try:
        return _alone(task, tell) if task.alone else _together(task, tell)
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


def _together(task: Task, tell: Tell) -> list[End]:
    from src.stack.train import Member, train_stack

    there = _there(task)
    finished = [was or end is not None for was, end in zip(task.finished, there, strict=True)]
    if all(finished):
        Path(task.state).unlink(missing_ok=True)
        return there
    members = [
        Member(config, Path(directory), task.command, done)
        for config, directory, done in zip(task.configs, task.directories, finished, strict=True)
    ]
    ends = train_stack(members, Path(task.state), tell)
    return [known or _end(end) for known, end in zip(there, ends, strict=True)]


def _end(end: Result | LabError | None) -> End:
    if isinstance(end, Result):
        return Outcome(end.status, end.reason, end.steps, end.metrics, end.fingerprint)
    return None if end is None else str(end)


def _alone(task: Task, tell: Tell) -> list[End]:
    from src.run import train

    (config,), where = task.configs, RunDirectory(Path(task.directories[0]))
    config = _of_a_sweep(config)
    before = RunDirectory(Path(task.state))
    if where.finished:
        return _there(task)
    _put_aside_again(where, before)
    try:
        result = None
        if before.last_checkpoint.is_file() and config.ckpt_path is None:
            try:
                result = train(_going_on(config, before), where.path, task.command)
            except LabError:  # cut short, or at its end: it begins anew
                _clear(where)
        result = result or train(config, where.path, task.command)
    except LabError as error:
        return [str(error)]
    finally:
        if where.finished:
            shutil.rmtree(before.path, ignore_errors=True)
    tell(1, result.steps)
    return [_end(result)]


def _of_a_sweep(config: Config) -> Config:
    """Without what a sweep has for all its runs: the bar, and TensorBoard's files unless every run is to have them."""
    bars = [name for name, part in config.callbacks.items() if part and part.target_.endswith(PROGRESS)]
    boards = [name for name, part in config.logger.items() if part and part.runs == "best"]
    callbacks, logger = config.callbacks | dict.fromkeys(bars), config.logger | dict.fromkeys(boards)
    return config.model_copy(update={"callbacks": callbacks, "logger": logger})


def _going_on(config: Config, before: RunDirectory) -> Config:
    return config.model_copy(update={"ckpt_path": str(before.last_checkpoint)})


def _clear(where: RunDirectory) -> None:
    """Take away what a run has left that could not go on; its `.hydra/` stays."""
    for path in where.path.iterdir():
        if path.name != ".hydra":
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _put_aside_again(where: RunDirectory, before: RunDirectory) -> None:
    """Where a worker has died of this run: its checkpoint goes where the run goes on from; its `.hydra/` stays."""
    if where.path.exists() and all(path.name == ".hydra" for path in where.path.iterdir()):
        return
    put_aside(where, before.path)
    shutil.copytree(before.path / ".hydra", where.path / ".hydra")


def put_aside(where: RunDirectory, state: Path) -> None:
    """Before a run that goes alone, which begins in an empty directory: move what an interrupted one has left.

    Args:
        where: the run.
        state: where to put it; what lies there is kept if the run got no further since.
    """
    if not where.path.exists() or where.finished:
        return
    if where.last_checkpoint.is_file() or not state.exists():
        shutil.rmtree(state, ignore_errors=True)
        state.parent.mkdir(parents=True, exist_ok=True)
        where.path.replace(state)
    else:
        shutil.rmtree(where.path)
