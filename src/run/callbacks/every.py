"""Callbacks that act at multiples of a number of optimizer steps; blocks are cut there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lightning as L
from lightning.pytorch.callbacks import Callback

if TYPE_CHECKING:
    from src.run.module import Descent


class EveryNSteps(Callback):
    """Acts at the start, at every multiple of `every_n_steps` and at the end.

    Args:
        every_n_steps: optimizer steps.
    """

    counts_steps = True

    def __init__(self, every_n_steps: int) -> None:
        self.every_n_steps = every_n_steps
        self._acted = -1

    def act(self, trainer: L.Trainer, module: Descent, step: int) -> None:
        """What is done after `step` optimizer steps."""
        raise NotImplementedError

    def _act_once(self, trainer: L.Trainer, module: Descent) -> None:
        if trainer.global_step != self._acted:
            self._acted = trainer.global_step
            self.act(trainer, module, trainer.global_step)

    def on_train_start(self, trainer: L.Trainer, pl_module: Descent) -> None:  # type: ignore[override]
        """Before the first step of all; a resumed run has acted at its start before."""
        if trainer.global_step == 0:
            self._act_once(trainer, pl_module)

    def on_train_batch_end(  # type: ignore[override]
        self, trainer: L.Trainer, pl_module: Descent, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """After a block, when it ends at a multiple."""
        if trainer.global_step % self.every_n_steps == 0:
            self._act_once(trainer, pl_module)

    def on_train_end(self, trainer: L.Trainer, pl_module: Descent) -> None:  # type: ignore[override]
        """After the last step, with the parameters that are kept."""
        with pl_module.loop.stepper.evaluating():
            self._act_once(trainer, pl_module)
