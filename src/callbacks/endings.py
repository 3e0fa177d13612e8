"""What may end a run before its last step."""

from typing import Any

import lightning as L
from lightning.pytorch.callbacks import EarlyStopping as LightningEarlyStopping
from lightning.pytorch.callbacks import Timer


class EarlyStopping(LightningEarlyStopping):
    """Lightning's, but only at validation marks: the last pass of a run that is gone on from may end anywhere.

    Its arguments are Lightning's: monitor, mode, patience (in validations), min_delta, stopping_threshold, ...
    """

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """At a multiple of `trainer.val_every_n_steps`."""
        interval = trainer.datamodule.val_every_n_steps  # type: ignore[attr-defined]
        if trainer.global_step and trainer.global_step % interval == 0:
            super().on_train_epoch_end(trainer, pl_module)


class TimeLimit(Timer):
    """Lightning's Timer, for this session only: time spent before a resume does not count.

    Args:
        duration: DD:HH:MM:SS, or a mapping such as {seconds: 30}.
    """

    def state_dict(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing."""
