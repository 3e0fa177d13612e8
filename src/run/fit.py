"""`Trainer.fit`, with what has to be around it."""

import signal
import warnings
from collections.abc import Callable

import lightning as L
from lightning.fabric.utilities.exceptions import MisconfigurationException

from src.errors import LabError, one_line
from src.seeds import seeded


def fit(
    trainer: L.Trainer,
    module: L.LightningModule,
    data: L.LightningDataModule,
    ckpt_path: str | None,
    seed: int,
    how_to_go_on: Callable[[], str],
) -> None:
    """`Trainer.fit`, with streams of random numbers of its own, and sentences for what it refuses.

    Raises:
        LabError: Lightning refuses.
        KeyboardInterrupt: it was interrupted; it says how to go on.
    """
    handler = signal.getsignal(signal.SIGINT)  # Lightning ignores it once it was pressed
    with warnings.catch_warnings(), seeded(seed):
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
            raise KeyboardInterrupt(f"interrupted after {trainer.global_step:,} steps{how_to_go_on()}") from None
