"""Callbacks of the cases: one that writes down Lightning's hooks as it sees them, one that ends a run."""

import json
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback

FILE = "hooks.json"
"""In the run directory."""


class Recorder(Callback):
    """Writes "hook@global_step" for every hook it is called at, in order, into `hooks.json` of the run directory."""

    counts_steps = True

    def __init__(self) -> None:
        self.seen: list[str] = []

    def _see(self, hook: str, trainer: L.Trainer) -> None:
        self.seen.append(f"{hook}@{trainer.global_step}")

    def setup(self, trainer: L.Trainer, *rest: Any, **named: Any) -> None:
        self._see("setup", trainer)

    def on_fit_start(self, trainer: L.Trainer, *rest: Any) -> None:
        self._see("on_fit_start", trainer)

    def on_train_start(self, trainer: L.Trainer, *rest: Any) -> None:
        self._see("on_train_start", trainer)

    def on_train_epoch_start(self, trainer: L.Trainer, *rest: Any) -> None:
        self._see("on_train_epoch_start", trainer)

    def on_train_batch_start(self, trainer: L.Trainer, *rest: Any) -> None:
        self._see("on_train_batch_start", trainer)

    def on_train_batch_end(self, trainer: L.Trainer, *rest: Any) -> None:
        self._see("on_train_batch_end", trainer)

    def on_validation_start(self, trainer: L.Trainer, *rest: Any) -> None:
        self._see("on_validation_start", trainer)

    def on_validation_end(self, trainer: L.Trainer, *rest: Any) -> None:
        self._see("on_validation_end", trainer)

    def on_train_epoch_end(self, trainer: L.Trainer, *rest: Any) -> None:
        self._see("on_train_epoch_end", trainer)

    def on_save_checkpoint(self, trainer: L.Trainer, *rest: Any) -> None:
        self._see("on_save_checkpoint", trainer)

    def on_train_end(self, trainer: L.Trainer, *rest: Any) -> None:
        self._see("on_train_end", trainer)

    def teardown(self, trainer: L.Trainer, *rest: Any, **named: Any) -> None:
        self._see("teardown", trainer)
        Path(trainer.default_root_dir, FILE).write_text(json.dumps(self.seen), encoding="utf-8")


class Stop(Callback):
    """Ends the run at the first block past a step, as a callback of a user's own may."""

    counts_steps = True

    def __init__(self, at: int) -> None:
        self.at = at

    def on_train_batch_end(self, trainer: L.Trainer, *rest: Any) -> None:
        trainer.should_stop = trainer.should_stop or trainer.global_step >= self.at
