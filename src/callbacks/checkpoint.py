"""Checkpoints: the last state, enough to go on from bit for bit, and the best by a chosen metric."""

from pathlib import Path
from typing import Any, Literal

import lightning as L
from lightning.pytorch.callbacks import Checkpoint as LightningCheckpoint

from src.descent import Descent


class Checkpoint(LightningCheckpoint):
    """`checkpoints/last.ckpt` at multiples of `every_n_steps` and at the final step; `best.ckpt` at validations.

    Lightning's ModelCheckpoint can miss the final step, and saves a step that is also a validation mark before the
    validation, which going on from there would then skip; this one saves after it.

    Args:
        every_n_steps: optimizer steps between two states of `last.ckpt`.
        monitor: the metric that `best.ckpt` is best by, such as val/loss; None for no `best.ckpt`.
        mode: whether "min" or "max" of it is best.
    """

    def __init__(
        self, every_n_steps: int = 1000, monitor: str | None = "val/loss", mode: Literal["min", "max"] = "min"
    ) -> None:
        self.every_n_steps, self.monitor, self.mode = every_n_steps, monitor, mode
        self.best: float | None = None
        self._saved = -1

    def state_dict(self) -> dict[str, Any]:
        """The best value so far."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from it."""
        self.best = state_dict["best"]

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """At a multiple inside a pass; at the end of a pass the validation comes first."""
        inside = not trainer.is_last_batch and not trainer.should_stop
        if inside and trainer.global_step % self.every_n_steps == 0:
            self._save(trainer, pl_module, "last")

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """At the end of a pass, which is a validation mark or the end of training."""
        step = trainer.global_step
        if self._better(trainer):
            self._save(trainer, pl_module, "best")
        if step % self.every_n_steps == 0 or step >= trainer.max_steps or trainer.should_stop:
            self._save(trainer, pl_module, "last")

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """The final step, whatever ended the run."""
        if self._saved != trainer.global_step:
            self._save(trainer, pl_module, "last")

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """The curve up to here, of a run that was interrupted."""
        assert isinstance(pl_module, Descent)
        for curves in pl_module.curves:
            curves.write()

    def _better(self, trainer: L.Trainer) -> bool:
        metric = trainer.callback_metrics.get(self.monitor) if self.monitor else None
        if metric is None or not metric.isfinite():
            return False
        value = float(metric)
        better = self.best is None or (value < self.best if self.mode == "min" else value > self.best)
        self.best = value if better else self.best
        return better

    def _save(self, trainer: L.Trainer, module: L.LightningModule, name: str) -> None:
        assert isinstance(module, Descent)
        path = Path(trainer.default_root_dir) / "checkpoints" / f"{name}.ckpt"
        for curves in module.curves:
            curves.write(before=trainer.global_step)
        half = path.with_suffix(".part")  # a kill in the middle must leave the last good one
        with module.driven.evaluating():
            trainer.save_checkpoint(half)
        if trainer.is_global_zero:
            half.replace(path)
        if name == "last":
            self._saved = trainer.global_step
