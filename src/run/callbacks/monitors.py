"""What TensorBoard is shown along a run beside curves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import lightning as L

from src.plots.one_run import fit
from src.plots.static import figure
from src.run.callbacks.boards import tensorboards
from src.run.callbacks.every import EveryNSteps
from src.run.theory_files import Drawn, add_histograms

if TYPE_CHECKING:
    from src.run.module import Descent


class Histograms(EveryNSteps):
    """Histograms of every parameter and of its gradient over all training rows: `histograms.csv`, and TensorBoard."""

    def act(self, trainer: L.Trainer, module: Descent, step: int) -> None:
        """Write them."""
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


class FittedLine(EveryNSteps):
    """Data, the line that fits so far and the true line, as a figure in TensorBoard; for data with one feature."""

    def act(self, trainer: L.Trainer, module: Descent, step: int) -> None:
        """Draw and log it."""
        boards = tensorboards(trainer)
        datamodule = trainer.datamodule  # type: ignore[attr-defined]
        if not boards or datamodule.problem.inputs != 1 or datamodule.problem.outputs != 1:
            return
        problem = datamodule.problem
        drawn, names = Drawn.of(problem, module.predict_rows), (problem.features[0], problem.targets[0])
        others = {"true": drawn.true} if drawn.true is not None else {}
        picture = figure(fit(drawn.rows, drawn.fitted, others, names, f"after {step:,} steps"))
        for board in boards:
            board.experiment.add_figure("fitted_line", picture, step)
