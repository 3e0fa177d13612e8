"""One line on the terminal: how far, how fast, the loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lightning as L
from lightning.pytorch.callbacks import ProgressBar as LightningProgressBar
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

if TYPE_CHECKING:
    from src.run.module import Descent


class Speed(ProgressColumn):
    """Optimizer steps a second."""

    def render(self, task: Task) -> Text:
        """The speed over the last updates, or over the whole once it is finished."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} steps/s", style="progress.data.speed")


class ProgressBar(LightningProgressBar):
    """Counts optimizer steps, where Lightning's own bars count blocks. Silent where there is no terminal."""

    def __init__(self) -> None:
        super().__init__()
        self._progress: Progress | None = None
        self._enabled = True

    def disable(self) -> None:
        """Lightning calls it in every process but the first."""
        self._enabled = False

    def enable(self) -> None:
        """And this one in the first."""
        self._enabled = True

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the bar at the step that a resumed run goes on from."""
        console = Console(stderr=True)
        if not (self._enabled and console.is_terminal):
            return
        columns = (BarColumn(), MofNCompleteColumn(), Speed(), TextColumn("{task.fields[loss]}"), TimeRemainingColumn())
        # stopping waits for up to one refresh, so refresh often
        self._progress = Progress(*columns, console=console, refresh_per_second=10, transient=True)
        self._task = self._progress.add_task("train", total=trainer.max_steps, completed=trainer.global_step, loss="")
        self._progress.start()

    def on_train_batch_end(  # type: ignore[override]
        self, trainer: L.Trainer, pl_module: Descent, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move the bar by a block of steps, with the loss before the last one."""
        if self._progress is not None:
            loop = pl_module.loop
            loss = "" if loop.last_loss is None else f"loss {float(loop.last_loss[0]) * float(loop.unit[0]):.4g}"
            self._progress.update(self._task, completed=trainer.global_step, loss=loss)

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
