"""Callbacks and a loss of a user's own, for the tests."""

from collections.abc import Mapping
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from src.engine.loop import Loop
from src.engine.watchers import Watcher
from src.losses.squared_error import SquaredError


class Crash(Callback):
    """Raises once a step is reached, as a power cut would end the run."""

    counts_steps = True

    def __init__(self, at: int) -> None:
        self.at = at

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *rest: Any) -> None:
        if trainer.global_step >= self.at:
            raise RuntimeError("power cut")


class OwnSquaredError(SquaredError):
    """Squared errors by another name."""


class LastLoss(Watcher):
    """Watches the loss before the last step, as the loop has it."""

    def curves(self, loop: Loop) -> Mapping[str, Tensor]:
        return {} if loop.last_loss is None else {"last_loss": loop.last_loss.double() * loop.unit}


class FullLoss(Watcher):
    """Watches the loss over all training rows."""

    def curves(self, loop: Loop) -> Mapping[str, Tensor]:
        return {"full_loss": loop.stepper.losses("train")}
