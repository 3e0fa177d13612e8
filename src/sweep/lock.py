"""Whether a directory is for this sweep, and for this process alone."""

from pathlib import Path

from filelock import FileLock, Timeout

from src.config.check_run import check_writable
from src.errors import LabError, unwritable
from src.run_directory import RunDirectory
from src.sweep.ledger import NAME, numbered

LOCK = ".lock"
_HELD: dict[Path, FileLock] = {}
"""Locks of this process; a process that ends, however it ends, gives them back."""


def check_place(directory: Path) -> None:
    """Refuse a directory that is something else than this launcher's sweep, or empty.

    Raises:
        LabError: it is a file, cannot be written to, or holds a run or the sweep of another launcher.
    """
    check_writable(directory, "hydra.sweep.dir")
    if (directory / NAME).is_file():
        return
    if (
        RunDirectory(directory).finished
        or (directory / ".hydra").exists()
        or RunDirectory(directory).checkpoints.exists()
    ):
        raise LabError(f"{directory} holds a run; choose another hydra.sweep.dir")
    if (directory / "multirun.yaml").exists() or holds_runs(directory):
        raise LabError(
            f"{directory} holds another sweep, which was not trained as stacks; choose another hydra.sweep.dir"
        )


def holds_runs(directory: Path) -> bool:
    """Whether there is a numbered run directory in it."""
    return any((path / "result.json").exists() or (path / ".hydra").exists() for path in numbered(directory))


def claim(directory: Path) -> None:
    """Make the directory, and keep other processes out of it until this one ends.

    Raises:
        LabError: one is at work in it, or it cannot be made.
    """
    path = directory.resolve() / LOCK
    if path in _HELD:
        return
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        lock.acquire(blocking=False)
    except Timeout:
        raise LabError(
            f"another process is at work in {directory}: wait for its end, or choose another hydra.sweep.dir"
        ) from None
    except OSError as error:
        raise LabError(unwritable(error)) from None
    _HELD[path] = lock
