"""What is private to Lightning and touched all the same (tried with 2.6.6; pyproject holds it below 2.7), and why."""

import lightning as L
from lightning.pytorch.callbacks import ModelCheckpoint


def count(trainer: L.Trainer, steps: int) -> None:
    """Tell the Trainer how many optimizer steps a block took.

    Under manual optimization it counts calls of its own wrapper around the optimizer, which costs a step as much again
    as the step itself. `global_step` and `max_steps` go by these counters.
    """
    progress = trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress
    for tracker in (progress.total, progress.current):
        tracker.ready += steps
        tracker.completed += steps


def go_on_from(trainer: L.Trainer, step: int, passes: int) -> None:
    """Start at a step, with so many passes of the loader behind it.

    The state that Lightning's loops keep of themselves is of batches and would end a pass a second time;
    checkpoints hold none of it. Steps and passes are all that a fresh pass needs.
    """
    count(trainer, step)
    progress = trainer.fit_loop.epoch_progress
    for tracker in (progress.total, progress.current):
        for name in ("ready", "started", "processed", "completed"):
            setattr(tracker, name, passes)
    trainer.fit_loop.epoch_loop._batches_that_stepped = step  # what LearningRateMonitor calls the step


def leave_signals(trainer: L.Trainer) -> None:
    """Have signals go where they went before `fit`, see `src.interrupts`.

    Lightning ends a run on SIGTERM between a validation and what it decides, and of several processes each waits for
    the others first.
    """
    trainer._signal_connector.teardown()


def saves_by_batches(callback: ModelCheckpoint) -> bool:
    """Whether it looks after every batch, and not at validations only; it has no public word for it."""
    return bool(callback._every_n_train_steps) or callback._train_time_interval is not None
