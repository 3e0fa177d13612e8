"""The line that fits so far, as a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lightning as L

from src.plots.one_run import fit
from src.run.callbacks.boards import show, tensorboards
from src.run.callbacks.every import EveryNSteps
from src.run.theory_files import Drawn

if TYPE_CHECKING:
    from src.run.module import Descent


class FittedLine(EveryNSteps):
    """Data, the line that fits so far and the true line, as a figure in TensorBoard; for data with one feature."""

    def act(self, trainer: L.Trainer, module: Descent, step: int) -> None:
        """Log the figure; nothing of data with more than one feature or target."""
        boards = tensorboards(trainer)
        datamodule = trainer.datamodule  # type: ignore[attr-defined]
        if not boards or datamodule.problem.inputs != 1 or datamodule.problem.outputs != 1:
            return
        problem = datamodule.problem
        drawn, names = Drawn.of(problem, module.expected_rows), (problem.features[0], problem.targets[0])
        others = {"true": drawn.true} if drawn.true is not None else {}
        picture = fit(drawn.rows, drawn.fitted, others, names, f"after {step:,} steps")
        for board in boards:
            show(board, "fitted_line", picture, step)
