"""What a training goes on from: a run's own checkpoint, the one that its config names, or a stack's."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.config.schema import Config
from src.engine.checkpoint import FORMAT, KEY, read
from src.engine.loop import Loop
from src.errors import LabError, OwnCheckpointError
from src.run_directory import MetricsFile, RunDirectory, numbers_of, read_profiles
from src.run_directory.checkpoint_file import loaded

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger


@dataclass(frozen=True)
class Resume:
    """The checkpoint that a run by itself goes on from, and what it takes over beside the state.

    Attributes:
        path: where it is.
        checkpoint: what it holds.
        in_place: an unfinished run whose command was typed again goes on in its own directory.
        start: the checkpoint in which its descent started, for theory; None: the initial weights.
        changed: whether it was written under another config, whose best state is no state of this run's.
    """

    path: str
    checkpoint: Mapping[str, Any]
    in_place: bool
    start: Mapping[str, Any] | None
    changed: bool = False

    @classmethod
    def of(cls, config: Config, directory: Path) -> Resume | None:
        """From the run's own checkpoint, else from the one that its config names; None: it begins.

        Raises:
            LabError: the one that its config names cannot be read.
            OwnCheckpointError: its own cannot be read, or is of a run with another config.
        """
        own, named = RunDirectory(directory).last_checkpoint, config.ckpt_path
        before = read(named) if named else None
        if not own.is_file():
            if before is None:
                return None
            changed = before[KEY]["any_length"] != config.fingerprint(length=False)
            return cls(str(named), before, False, before, changed)
        with own_checkpoint():
            checkpoint = read(own)
        if checkpoint[KEY]["any_length"] != config.fingerprint(length=False):
            raise OwnCheckpointError(
                f"{directory} holds an unfinished run of another config, or on another table: choose another "
                f"hydra.run.dir, or go on from it with ckpt_path={own}"
            )
        return cls(str(own), checkpoint, True, before)

    @property
    def step(self) -> int:
        """Optimizer steps taken."""
        return int(self.checkpoint["global_step"])

    @property
    def over(self) -> bool:
        """Whether the run had ended by itself, and only its result is left to be written."""
        return self.in_place and self.checkpoint[KEY]["ended"] is not None

    def file(self, path: Path) -> MetricsFile:
        """The curves so far, to go on in this file: what was written then, and what the checkpoint kept."""
        file = self.rows(path)
        for step, profile in read_profiles(self._directory, self.step):
            file.record(step, profile)
        for step, values in self.checkpoint[KEY]["pending"].items():
            file.record(step, values)
        return file

    def rows(self, path: Path, columns: Sequence[str] = ("train/loss",)) -> MetricsFile:
        """The rows so far of a file of this name, to go on in this one."""
        return MetricsFile(path, self._directory / path.name, self.step, columns)

    def carry_over(
        self, where: RunDirectory, file: MetricsFile, loggers: Sequence[Logger], best_of: Sequence[str]
    ) -> None:
        """Log the old curve again, and keep the best so far, if it is best by the same metric."""
        from lightning.pytorch.loggers import TensorBoardLogger  # loggers are of a run by itself, and stacks resume too

        for step, values in sorted(file.pending.items()):
            for logger in loggers:
                if not (self.in_place and isinstance(logger, TensorBoardLogger)):  # its old file is still there
                    logger.log_metrics(numbers_of(values), step=step)
        best = self.checkpoint[KEY]["best"]
        same = best is not None and best["of"] == list(best_of) and not self.changed
        old, new = Path(self.path).resolve().parent / "best.ckpt", where.checkpoints / "best.ckpt"
        if self.in_place and new.is_file() and not (same and read(new)["global_step"] <= self.step):
            new.unlink()  # of another metric, or of a step that comes again
        elif not self.in_place and same and old.is_file():
            where.checkpoints.mkdir(exist_ok=True)
            shutil.copy(old, new)

    @property
    def _directory(self) -> Path:
        return Path(self.path).resolve().parent.parent


@contextmanager
def own_checkpoint() -> Iterator[None]:
    """What is wrong here is wrong with the checkpoint in the run's own directory."""
    try:
        yield
    except LabError as error:
        raise OwnCheckpointError(str(error)) from None


def load_stack(loop: Loop, path: Path, any_length: Mapping[str, str]) -> None:
    """Let a stack go on from its checkpoint; one that is cut short, or not of these runs, is deleted.

    Args:
        loop: at its start.
        path: of the checkpoint.
        any_length: the fingerprint of each member without its length, by its id.

    Raises:
        Exception: it cannot go on from there; the checkpoint is deleted.
    """
    if not path.is_file():
        return
    try:
        kept = loaded(path.read_bytes(), str(path))
        whole = kept["format"] == FORMAT and any_length.items() <= kept["any_length"].items()
        whole = whole and kept["step"] < loop.intervals.max_steps
    except Exception:  # cut short or damaged: the stack starts anew
        whole = False
    if not whole:
        path.unlink()
        return
    try:
        loop.load_state_dict(kept)
    except Exception:
        path.unlink()
        raise
