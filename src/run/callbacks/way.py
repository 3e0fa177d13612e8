"""The way of a run whose model has two numbers, which a page draws over its loss: `way.csv`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lightning as L
import numpy as np
from lightning.pytorch.callbacks import Callback

from src.engine.watchers import Parameters
from src.run_directory import MetricsFile

if TYPE_CHECKING:
    from src.run.module import Descent

FIRST, LATER = 50, 100


def way_steps(max_steps: int) -> frozenset[int]:
    """The first `FIRST` steps, in which most of a way is gone, and from there to the last evenly in the logarithm."""
    later = np.geomspace(1, max_steps, LATER).round().astype(int).tolist()
    return frozenset([*range(min(FIRST, max_steps) + 1), *later])


class Way(Callback):
    """Records both parameters at `way_steps`, in the units of the data; cuts no block, and nothing of another model.

    Args:
        file: that they are written to.
        max_steps: of the run.
    """

    def __init__(self, file: MetricsFile, max_steps: int) -> None:
        self.file, self.steps, self.watcher = file, way_steps(max_steps), Parameters(1, most=2)

    def on_train_start(self, trainer: L.Trainer, pl_module: Descent) -> None:  # type: ignore[override]
        """Look at every step from here on; a run that goes on has seen its start."""
        if not self.watcher.curves(pl_module.loop):
            return
        if trainer.global_step == 0:
            self._take(pl_module, 0)
        pl_module.loop.looks, pl_module.loop.look = self.steps, lambda step: self._take(pl_module, step)

    def _take(self, module: Descent, step: int) -> None:
        values = self.watcher.curves(module.loop)
        self.file.record(step, {name: float(value[0]) for name, value in values.items()})

    def on_validation_end(self, trainer: L.Trainer, pl_module: Descent) -> None:  # type: ignore[override]
        """Write what is there, but for the last step, which may come to be of other parameters at the end."""
        self._write(pl_module, before=pl_module.loop.step)

    def on_save_checkpoint(  # type: ignore[override]
        self, trainer: L.Trainer, pl_module: Descent, checkpoint: dict[str, Any]
    ) -> None:
        """A run that goes on from here goes on from these rows too."""
        self._write(pl_module, before=pl_module.loop.step)

    def on_train_end(self, trainer: L.Trainer, pl_module: Descent) -> None:  # type: ignore[override]
        """The end, in the parameters that are kept."""
        if not pl_module.loop.looks:
            return
        with pl_module.loop.stepper.evaluating():
            self._take(pl_module, pl_module.loop.step)
        self._write(pl_module)

    def _write(self, module: Descent, before: int | None = None) -> None:
        """Write rows, but none of steps that were taken back: of a block in which the loss has diverged."""
        for step in [step for step in self.file.pending if step > module.loop.step]:
            del self.file.pending[step]
        if any(before is None or step < before for step in self.file.pending):
            self.file.write(before)
