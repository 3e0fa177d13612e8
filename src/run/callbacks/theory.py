"""What theory foresees, beside the curves in TensorBoard."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import lightning as L
from lightning.pytorch.callbacks import Callback

from src.plots.one_run import MEASURED, Curve, losses
from src.run.callbacks.boards import show, show_together, tensorboards
from src.run_directory import numbers_of, read_rows
from src.theory.prediction import Answer, lines

if TYPE_CHECKING:
    from src.run.module import Descent


class Theory(Callback):
    """The predicted loss curve, the exact loss and the floor of mini-batches, as curves and as a figure.

    Attributes:
        seconds: that the figure took, which are none of the descent's.
    """

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.seconds = 0.0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """The curves are known before the first step."""
        show_together(trainer)
        for board in tensorboards(trainer):
            for name, line in lines(self.answer, trainer.max_steps).items():
                for step, loss in line:
                    board.experiment.add_scalar(f"theory/{name}", loss, step)

    def on_train_end(self, trainer: L.Trainer, pl_module: Descent) -> None:  # type: ignore[override]
        """The figure, with what theory foresaw dashed."""
        boards, began, curve = tensorboards(trainer), time.perf_counter(), pl_module.file
        if not boards or curve is None:
            return
        later = [(step, numbers_of(row)) for step, row in sorted(curve.pending.items())]
        rows = [*(read_rows(curve.path) if curve.path.is_file() else []), *later]
        measured = {name: _curve([(step, row[name]) for step, row in rows if name in row]) for name in MEASURED}
        found = lines(self.answer, max(1, trainer.global_step))
        exact = found["exact_loss"][0][1] if "exact_loss" in found else None
        if chart := losses(measured, {name: _curve(line) for name, line in found.items()}, exact):
            for board in boards:
                show(board, "loss", chart, trainer.global_step)
        self.seconds = time.perf_counter() - began


def _curve(line: Sequence[tuple[int, float]]) -> Curve:
    return [step for step, _ in line], [loss for _, loss in line]
