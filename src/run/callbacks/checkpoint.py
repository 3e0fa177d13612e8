"""Checkpoints: the last state, enough to go on from bit for bit, and the best by a chosen metric."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning as L
from lightning.pytorch.callbacks import Checkpoint as LightningCheckpoint
from lightning.pytorch.plugins import TorchCheckpointIO

from src.interrupts import asked
from src.run import parts
from src.run.callbacks.boards import tensorboards
from src.run_directory.checkpoint_file import save

if TYPE_CHECKING:
    from src.run.module import Descent


class Sealed(TorchCheckpointIO):
    """Writes every checkpoint that Lightning is asked for as `checkpoint_file` does: whole, and sealed."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """A kill in the middle leaves the last good one."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        save(Path(path), checkpoint)


class Checkpoint(parts.Checkpoint, LightningCheckpoint):
    """`checkpoints/last.ckpt` at multiples of `every_n_steps`, where it is interrupted, and at the final step;
    `best.ckpt` at validations.

    Lightning's ModelCheckpoint can miss the final step, and saves a step that is also a validation before the
    validation, which going on from there would then skip; this one saves after what is decided at the validation.
    """

    _saved = -1

    def on_train_batch_end(  # type: ignore[override]
        self, trainer: L.Trainer, pl_module: Descent, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """At a multiple inside a pass; at the end of a pass the validation comes first."""
        inside = not trainer.is_last_batch and not trainer.should_stop
        if inside and (trainer.global_step % self.every_n_steps == 0 or asked()):
            self._save(trainer, pl_module, "last")

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: Descent) -> None:  # type: ignore[override]
        """At the end of a pass, which is a validation or the end of training."""
        step, best = trainer.global_step, pl_module.loop.best
        if best is not None and int(best.state.step[0]) == step:
            self._save(trainer, pl_module, "best")
        if step % self.every_n_steps == 0 or step >= trainer.max_steps or trainer.should_stop or asked():
            self._save(trainer, pl_module, "last")

    def on_train_end(self, trainer: L.Trainer, pl_module: Descent) -> None:  # type: ignore[override]
        """The final step, whatever ended the run."""
        if self._saved != trainer.global_step:
            self._save(trainer, pl_module, "last")

    def on_exception(self, trainer: L.Trainer, pl_module: Descent, exception: BaseException) -> None:  # type: ignore[override]
        """The curve up to here, of a run that was interrupted; not where a file could not be written."""
        if pl_module.file is not None and not isinstance(exception, OSError):
            pl_module.file.write()

    def _save(self, trainer: L.Trainer, module: Descent, name: str) -> None:
        path = Path(trainer.default_root_dir) / "checkpoints" / f"{name}.ckpt"
        if module.file is not None:
            module.file.write(before=trainer.global_step)
        with module.loop.stepper.evaluating():
            trainer.save_checkpoint(path)
        if name == "last":
            self._saved = trainer.global_step
            for board in tensorboards(trainer):  # what the curves there hold must not end before the checkpoint
                board.experiment.flush()
