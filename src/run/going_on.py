"""What a run alone goes on from: the checkpoint it is told, or its own, and what it takes over beside the state."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger, TensorBoardLogger

from src.engine import checkpoint as checkpoints
from src.errors import LabError
from src.run.build import RunSpec
from src.run.theory_files import carry_histograms
from src.run_directory import MetricsFile, RunDirectory


@dataclass(frozen=True)
class GoingOn:
    """The checkpoint of a run that goes on.

    Attributes:
        path: of it.
        checkpoint: what it holds.
        in_place: an unfinished run whose command was typed again goes on in its own directory.
        start: the checkpoint in which its descent started, for theory; None: the initial weights.
    """

    path: str
    checkpoint: Mapping[str, Any]
    in_place: bool
    start: Mapping[str, Any] | None

    @classmethod
    def of(cls, spec: RunSpec) -> GoingOn | None:
        """From its own checkpoint, else from the one that its config names; None: it begins.

        Raises:
            LabError: it cannot be read, or is of a run with another config.
        """
        own, told = RunDirectory(spec.directory).last_checkpoint, spec.config.ckpt_path
        if own.is_file():
            kept = checkpoints.read(own)
            if kept[checkpoints.KEY]["any_length"] != spec.config.fingerprint(length=False):
                raise LabError(
                    f"{spec.directory} holds an unfinished run of another config, or on another table: choose another "
                    f"hydra.run.dir, or go on from it with ckpt_path={own}"
                )
            return cls(str(own), kept, True, checkpoints.read(told) if told else None)
        if told is None:
            return None
        kept = checkpoints.read(told)
        return cls(told, kept, False, kept)

    @property
    def _own(self) -> Mapping[str, Any]:
        own: Mapping[str, Any] = self.checkpoint[checkpoints.KEY]
        return own

    def file(self, path: Path) -> MetricsFile:
        """The curves so far, to go on in this file: what was written then, and what the checkpoint kept."""
        step = int(self.checkpoint["global_step"])
        file = MetricsFile(path, carried=Path(self.path).resolve().parent.parent / path.name, until=step)
        for at, values in self._own["pending"].items():
            file.record(at, values)
        return file

    @property
    def over(self) -> bool:
        """Whether the run had ended by itself, and only its result is left to be written."""
        return self.in_place and self._own["ended"] is not None

    def _before(self, best: Path) -> bool:
        """Whether the best is of a step that this run has behind it; one from later it will come to again."""
        return int(checkpoints.read(best)["global_step"]) <= int(self.checkpoint["global_step"])

    def carry_over(
        self, where: RunDirectory, file: MetricsFile, loggers: Sequence[Logger], best_by: Sequence[str] | None
    ) -> None:
        """Tell loggers the old curve again, and keep the best so far, if it is best by the same metric."""
        for step, values in sorted(file.pending.items()):
            for logger in loggers:
                if not (self.in_place and isinstance(logger, TensorBoardLogger)):  # its old file is still there
                    logger.log_metrics(values, step=step)
        carry_histograms(Path(self.path).resolve().parent.parent, where.path, int(self.checkpoint["global_step"]))
        same = self._own["best"] is not None and best_by is not None and self._own["best"]["of"] == list(best_by)
        old, new = Path(self.path).resolve().parent / "best.ckpt", where.checkpoints / "best.ckpt"
        if self.in_place and new.is_file() and not (same and self._before(new)):
            new.unlink()
        elif not self.in_place and same and old.is_file():
            where.checkpoints.mkdir(exist_ok=True)
            shutil.copy(old, new)
