"""Callbacks that act at multiples of a number of optimizer steps; blocks are cut there."""

from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback

from src.descent import Descent


class EveryNSteps(Callback):
    """Acts at the start, at every multiple of `every_n_steps` and at the end.

    Args:
        every_n_steps: optimizer steps.
    """

    def __init__(self, every_n_steps: int) -> None:
        self.every_n_steps = every_n_steps
        self._acted = -1

    def act(self, trainer: L.Trainer, module: Descent, step: int) -> None:
        """What is done after `step` optimizer steps."""
        raise NotImplementedError

    def _act_once(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        assert isinstance(module, Descent)
        if trainer.global_step != self._acted:
            self._acted = trainer.global_step
            self.act(trainer, module, trainer.global_step)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Before the first step of all; a resumed run has acted at its start before."""
        if trainer.global_step == 0:
            self._act_once(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """After a block, when it ends at a multiple."""
        if trainer.global_step % self.every_n_steps == 0:
            self._act_once(trainer, pl_module)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """After the last step, with the parameters that are kept."""
        assert isinstance(pl_module, Descent)
        pl_module.driven.eval()
        self._act_once(trainer, pl_module)
