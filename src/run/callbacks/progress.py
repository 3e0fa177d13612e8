"""How far a run is, and its loss: one line on the terminal, a bar; where there is none, a line now and then."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

import lightning as L
from lightning.pytorch.callbacks import ProgressBar as LightningProgressBar
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

if TYPE_CHECKING:
    from src.engine.loop import Loop
    from src.run.module import Descent


EVERY = 30
"""Seconds between two lines where there is no terminal."""


class Speed(ProgressColumn):
    """Optimizer steps a second."""

    def render(self, task: Task) -> Text:
        """The speed over the last updates, or over the whole once it is finished."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} steps/s", style="progress.data.speed")


class ProgressBar(LightningProgressBar):
    """Counts optimizer steps, where Lightning's own bars count blocks."""

    def __init__(self) -> None:
        super().__init__()
        self._progress: Progress | None = None
        self._enabled = True
        self._console: Console | None = None
        self._told = 0.0

    def disable(self) -> None:
        """Lightning calls it in every process but the first."""
        self._enabled = False

    def enable(self) -> None:
        """And this one in the first."""
        self._enabled = True

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the bar at the step that a resumed run goes on from."""
        if not self._enabled:
            return
        self._console, self._told = Console(stderr=True, soft_wrap=True, highlight=False), monotonic()
        if not self._console.is_terminal:
            return
        columns = (BarColumn(), MofNCompleteColumn(), Speed(), TextColumn("{task.fields[loss]}"), TimeRemainingColumn())
        # stopping waits for up to one refresh, so refresh often
        self._progress = Progress(*columns, console=self._console, refresh_per_second=10, transient=True)
        self._task = self._progress.add_task("train", total=trainer.max_steps, completed=trainer.global_step, loss="")
        self._progress.start()

    def on_train_batch_end(  # type: ignore[override]
        self, trainer: L.Trainer, pl_module: Descent, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move the bar by a block of steps, with the loss before the last one."""
        loop, step = pl_module.loop, trainer.global_step
        if self._progress is not None:
            self._progress.update(self._task, completed=step, loss=_loss(loop))
        elif self._console is not None and monotonic() - self._told >= EVERY:
            self._told = monotonic()
            loss = f", {told}" if (told := _loss(loop)) else ""
            self._console.print(f"step {step:,} of {trainer.max_steps:,}{loss}")

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Take it away; the table at the end says how it went."""
        self._stop()

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Take the bar away before the error is printed."""
        self._stop()

    def _stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


def _loss(loop: Loop) -> str:
    return "" if loop.last_loss is None else f"loss {float(loop.last_loss[0]) * float(loop.unit[0]):.4g}"
