"""Which callbacks cannot work here, and which need blocks of one step because they take a batch for a step."""

import sys
from collections.abc import Sequence
from typing import Any

from lightning.pytorch import callbacks as lightnings
from lightning.pytorch.callbacks import Callback

from src.errors import LabError
from src.run.lightning_private import saves_by_batches

REFUSED = {
    "GradientAccumulationScheduler": "the lab takes its own optimizer steps: trainer.zero_grad_every_n_steps adds up",
    "LearningRateFinder": "it trains before the run does; a multirun over optimizer.lr finds the rate",
    "BatchSizeFinder": "it would train with another batch size than data.batch_size says",
    "StochasticWeightAveraging": "its schedule steps under automatic optimization only; EMAWeightAveraging works",
}
"""Lightning's own that cannot work where the module takes its optimizer steps itself, and what to do instead."""

UNCALLED = ("on_before_backward", "on_after_backward", "on_before_optimizer_step", "on_before_zero_grad")
"""Hooks of automatic optimization."""

STEPLESS = (lightnings.ProgressBar, lightnings.Timer, lightnings.EarlyStopping, lightnings.ModelSummary)
"""Lightning's own that go by time, by validations, or only show how far it is."""


def check_callbacks(parts: Sequence[Any]) -> list[str]:
    """Find the callbacks that need blocks of one step, because they take a batch for a step.

    A class that goes by `trainer.global_step` says so with `counts_steps = True`.

    Returns:
        the names of their classes.

    Raises:
        LabError: one of them cannot work here at all.
    """
    callbacks = [part for part in parts if isinstance(part, Callback)]
    for callback in callbacks:
        for kind in type(callback).__mro__:
            if kind.__module__.startswith("lightning.") and kind.__name__ in REFUSED:
                raise LabError(f"{kind.__name__} cannot work here: {REFUSED[kind.__name__]}")
        idle = [hook for hook in UNCALLED if _own(callback, hook)]
        if idle and not type(callback).__module__.startswith("lightning."):
            raise LabError(
                f"{type(callback).__name__}.{idle[0]} would never be called: the lab takes optimizer steps itself; use "
                "on_train_batch_end"
            )
    return [type(callback).__name__ for callback in callbacks if _takes_batches_for_steps(callback)]


def print_price(names: Sequence[str]) -> None:
    """Say on standard error which callbacks make a run slower, and by how much."""
    if names:
        why = "is called after every batch, so each holds one optimizer step only, which is slower"
        price = "a step of a small model costs about ten times as much"
        print(
            f"{', '.join(names)} {why}: {price} (a class that needs no such says counts_steps = True)", file=sys.stderr
        )


def _takes_batches_for_steps(callback: Callback) -> bool:
    if getattr(callback, "counts_steps", False) or type(callback).__module__.startswith("src."):
        return False
    if isinstance(callback, lightnings.ModelCheckpoint):
        return saves_by_batches(callback)
    if isinstance(callback, lightnings.LearningRateMonitor):
        return callback.logging_interval != "epoch"
    return any(_own(callback, hook) for hook in ("on_train_batch_start", "on_train_batch_end"))


def _own(callback: Callback, hook: str) -> bool:
    """Whether a hook is overridden, by a class that is not one of `STEPLESS`."""
    definer = next(kind for kind in type(callback).__mro__ if hook in kind.__dict__)
    lightnings_own = definer.__module__.startswith("lightning.") and issubclass(definer, STEPLESS)
    return definer is not Callback and not lightnings_own
