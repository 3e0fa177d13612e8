"""TensorBoard, as callbacks write to it."""

import threading
from collections.abc import Callable
from typing import Any

import lightning as L
from lightning.pytorch.loggers import TensorBoardLogger

from src.plots.chart import Picture
from src.run.tensorboard import TOGETHER


def tensorboards(trainer: L.Trainer) -> list[TensorBoardLogger]:
    """The TensorBoard loggers of the process that logs."""
    boards = [logger for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)]
    return boards if trainer.is_global_zero else []


def _in_a_thread(raised: threading.ExceptHookArgs, otherwise: Callable[[Any], Any] = threading.excepthook) -> None:
    """What a writer's thread stumbles over it keeps, and whoever writes next is told; it is not to be printed too."""
    if getattr(raised.thread, "exception", None) is not raised.exc_value:
        otherwise(raised)


threading.excepthook = _in_a_thread


def show_together(trainer: L.Trainer) -> None:
    """Have TensorBoard show `TOGETHER`; a chart without curves stays empty."""
    for board in tensorboards(trainer):
        board.experiment.add_custom_scalars(TOGETHER)


def show(board: TensorBoardLogger, tag: str, picture: Picture, step: int) -> None:
    """Log a picture as an image."""
    from src.plots.files import pixels  # its engine takes a while to start

    board.experiment.add_image(tag, pixels(picture), step, dataformats="HWC")
