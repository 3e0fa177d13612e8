"""What theory foresees, beside the curves in TensorBoard."""

import math
import time

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from src.answer import Answer
from src.callbacks.boards import show_together, tensorboards
from src.descent import Descent
from src.plots.loss import loss_curve
from src.results import read_rows

MOST = 1e8
"""Times the first loss: a predicted curve ends there, as a run does that diverges."""


class Theory(Callback):
    """The predicted loss curve, the exact loss and the floor of mini-batches, as curves and as a figure.

    Attributes:
        seconds: that the figure took, which are none of the descent's.
    """

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.seconds = 0.0

    def lines(self, max_steps: int) -> dict[str, list[tuple[int, float]]]:
        """Steps and losses, in the data's units: `predicted_loss`, `exact_loss`, `noise_floor`."""
        answer, lines = self.answer, dict[str, list[tuple[int, float]]]()
        if answer.path is not None:
            steps = curve_steps(max(1, max_steps - answer.first))
            losses = (answer.path.losses(steps) * answer.unit).tolist()
            lines["predicted_loss"] = list(zip((steps + answer.first).tolist(), losses, strict=True))
        levels = {"exact_loss": answer.exact.loss if answer.exact else None, "noise_floor": answer.floor}
        for name, level in levels.items():
            if level is not None:
                lines[name] = [(0, level * answer.unit), (max_steps, level * answer.unit)]
        if "predicted_loss" in lines:
            # of a descent that diverges, no more than a run may show: its end would flatten all else
            first = lines["predicted_loss"][0][1]
            lines["predicted_loss"] = [point for point in lines["predicted_loss"] if point[1] <= MOST * first]
        return {name: line for name, line in lines.items() if line and math.isfinite(line[0][1])}

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """The curves are known before the first step."""
        show_together(trainer)
        for board in tensorboards(trainer):
            for name, line in self.lines(trainer.max_steps).items():
                for step, loss in line:
                    board.experiment.add_scalar(f"theory/{name}", loss, step)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """The figure, with what theory foresaw dashed."""
        assert isinstance(pl_module, Descent)
        boards, began = tensorboards(trainer), time.perf_counter()
        if not boards or not pl_module.curves:
            return
        curve = pl_module.curves[0]
        rows = [*(read_rows(curve.path) if curve.path.is_file() else []), *sorted(curve.pending.items())]
        taken = {
            name: [(step, row[name]) for step, row in rows if math.isfinite(row.get(name, math.inf))]
            for name in ("train/loss", "val/loss")
        }
        figure = loss_curve(taken, self.lines(max(1, trainer.global_step)))
        for board in boards:
            board.experiment.add_figure("loss", figure, trainer.global_step)
        self.seconds = time.perf_counter() - began


def curve_steps(max_steps: int, most: int = 100) -> Tensor:
    """Steps at which a predicted curve is drawn: evenly spaced and evenly in their logarithm, `[K]`."""
    even = torch.linspace(0, max_steps, most)
    late = torch.logspace(0, math.log10(max_steps), most)
    return torch.cat([even, late]).round().long().clamp(max=max_steps).unique()
