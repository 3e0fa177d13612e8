"""Lightning's Trainer and what it calls: callbacks and loggers from their sections, and `Trainer.fit`."""

import logging
import signal
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning as L
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback, ProgressBar
from lightning.pytorch.callbacks import Checkpoint as LightningCheckpoint
from lightning.pytorch.loggers import Logger

from src.config.schema import TENSORBOARD, Config
from src.engine.devices import on_gpu
from src.engine.early_stopping import EarlyStopping
from src.engine.watchers import Watcher
from src.errors import LabError, one_line
from src.interrupts import held
from src.run.callbacks.checkpoint import Sealed
from src.run.parts import build_part
from src.seeds import seeded


def build_parts(config: Config) -> list[Any]:
    """What `callbacks` names and is not null: callbacks of Lightning, watchers, early stopping."""
    kinds = (Callback, Watcher, EarlyStopping)
    return [build_part(part.arguments(), f"callbacks.{name}", kinds) for name, part in config.callbacks.items() if part]


def build_loggers(config: Config, directory: Path, again_from: int | None = None) -> list[Logger]:
    """The loggers that are not null.

    Args:
        config: of the run.
        directory: of the run.
        again_from: the step after which what TensorBoard's old file there holds comes again, and is to be hidden.
    """
    directory.mkdir(parents=True, exist_ok=True)
    built = []
    for name, part in config.logger.items():
        if part is not None:
            more = {} if again_from is None or part.target_ != TENSORBOARD else {"purge_step": again_from + 1}
            built.append(build_logger({**part.arguments(), **more}, f"logger.{name}"))
    return built


def build_logger(section: Mapping[str, Any], key: str, opened: bool = True) -> Logger:
    """One of them, with its writer, which is made when it is first asked for, if it is to be opened."""
    logger: Logger = build_part(section, key, (Logger,), opened)
    return logger


def log_whole(config: Config, rows: Mapping[int, Mapping[str, float]], shown: Mapping[str, Any]) -> None:
    """Give the loggers besides TensorBoard's a run that has ended: what they take of a run by itself along the way.

    Args:
        config: of the run.
        rows: of its curves, by step.
        shown: its hyperparameters, flat.
    """
    for name, part in config.logger.items():
        if part is not None and part.target_ != TENSORBOARD:
            logger = build_logger(part.arguments(), f"logger.{name}")
            logger.log_hyperparams(dict(shown))
            for step in sorted(rows):
                logger.log_metrics(dict(rows[step]), step=step)
            logger.save()
            logger.finalize("success")
            close([logger])


def close(loggers: Sequence[Logger]) -> None:
    """End what is one of a kind in a process, as a run of wandb's is: the next logger would go on with it."""
    for logger in loggers:
        finish = getattr(getattr(logger, "experiment", None), "finish", None)
        if callable(finish):
            finish()


def build_trainer(
    config: Config, directory: Path, callbacks: Sequence[Callback] = (), loggers: Sequence[Logger] = ()
) -> L.Trainer:
    """The Trainer: `max_steps` optimizer steps, a validation at the end of every pass of the loader."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    knobs = config.trainer
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return L.Trainer(
            accelerator="cuda" if on_gpu(config) else "cpu",
            devices=knobs.devices,
            strategy=knobs.strategy,
            max_steps=knobs.max_steps,
            max_epochs=-1,
            callbacks=list(callbacks),
            logger=list(loggers) or False,
            profiler=knobs.profiler,
            default_root_dir=directory,
            enable_checkpointing=any(isinstance(callback, LightningCheckpoint) for callback in callbacks),
            enable_progress_bar=any(isinstance(callback, ProgressBar) for callback in callbacks),
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            plugins=[Sealed()],
        )


def fit(
    trainer: L.Trainer, module: L.LightningModule, data: L.LightningDataModule, ckpt_path: str | None, seed: int
) -> None:
    """`Trainer.fit`, with streams of random numbers of its own, and sentences for what it refuses.

    Raises:
        LabError: Lightning refuses.
        KeyboardInterrupt: it was interrupted; it says after how many steps.
    """
    handler = signal.getsignal(signal.SIGINT)  # Lightning ignores it once it was pressed
    with warnings.catch_warnings(), seeded(seed), held():
        # what Lightning warns of is about epochs, workers and samplers, which blocks do not have
        warnings.filterwarnings("ignore", module="lightning.*")
        warnings.filterwarnings("ignore", category=FutureWarning)
        try:
            trainer.fit(module, datamodule=data, ckpt_path=ckpt_path, weights_only=True)
        except MisconfigurationException as error:
            raise LabError(f"Lightning refuses: {one_line(error)}") from error
        except SystemExit:  # Lightning's answer to Ctrl-C
            if not trainer.interrupted:
                raise
            signal.signal(signal.SIGINT, handler)
            raise KeyboardInterrupt(f"interrupted after {trainer.global_step:,} steps") from None
