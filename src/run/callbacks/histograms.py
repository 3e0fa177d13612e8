"""Histograms of parameters and gradients along a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import lightning as L

from src.run.callbacks.boards import tensorboards
from src.run.callbacks.every import EveryNSteps
from src.run.theory_files import add_histograms

if TYPE_CHECKING:
    from src.run.module import Descent


class Histograms(EveryNSteps):
    """Histograms of every parameter and of its gradient over all training rows: `histograms.csv`, and TensorBoard."""

    def act(self, trainer: L.Trainer, module: Descent, step: int) -> None:
        """Write histograms of what is finite; the first of several processes does."""
        if not trainer.is_global_zero:
            return
        gradients = module.stepper.gradients("train")
        found = [
            (f"{kind}/{name}", value.detach())
            for (name, parameter), gradient in zip(module.stepper.named(), gradients, strict=True)
            for kind, value in (("parameters", parameter), ("gradients", gradient))
            if value is not None and bool(value.isfinite().all())
        ]
        add_histograms(Path(trainer.default_root_dir), step, found)
        for board in tensorboards(trainer):
            for name, value in found:
                board.experiment.add_histogram(name, value, step)
