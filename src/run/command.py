"""A run from words: what `python -m src.train` does once it has checked them, and `src.run.run` without a shell."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from hydra._internal.callbacks import Callbacks
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import run_job
from hydra.types import HydraContext
from omegaconf import DictConfig

from src.config.check_run import check_run
from src.config.compose import compose, composing
from src.config.overrides import python_command, quote_texts
from src.config.resumed_words import with_checkpoint
from src.config.schema import check
from src.engine.choose_stepper import choose_stepper
from src.errors import LabError, writing
from src.run.build import RunSpec
from src.run.train import train
from src.run_directory import Result


def from_words(overrides: Sequence[str]) -> Result:
    """What `src.run.run` does."""
    if isinstance(overrides, str):
        raise LabError(f"run({overrides!r}): give a list of overrides, such as run([{overrides!r}])")
    composed = compose(with_checkpoint(quote_texts(overrides)))
    return run_composed(composed, check_run(composed))


def run_composed(composed: DictConfig, existed: bool, configure_logging: bool = False) -> Result:
    """Train one run, as Hydra's own `run` does with the words of a shell, without composing them a second time.

    Args:
        composed: its config, Hydra's node included.
        existed: whether its directory was there before; one that is made for nothing is taken away again.
        configure_logging: set Python's logging up as the config says.

    Raises:
        LabError: a mistake of the user's.
    """
    with composing() as hydra, writing():
        context = HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks(composed))
        done = run_job(task, composed, "hydra.run.dir", None, context, configure_logging=configure_logging)
    if isinstance(done.return_value, LabError):
        assert done.hydra_cfg is not None
        _discard(Path(done.hydra_cfg.hydra.runtime.output_dir), existed)
        raise done.return_value
    assert isinstance(done.return_value, Result)
    return done.return_value


def _discard(directory: Path, existed: bool) -> None:
    """Take away what a run that never began has left: its config, and its directory if it was made for it."""
    if any(path.name != ".hydra" for path in directory.iterdir()):
        return
    shutil.rmtree(directory / ".hydra", ignore_errors=True)
    if not existed:
        directory.rmdir()


def task(composed: DictConfig) -> Result | LabError:
    """What Hydra calls with a composed config, once it has made the run directory.

    A user's mistake is returned, not raised: Hydra would put words of its own before the sentence.
    """
    hydra = HydraConfig.get()
    words = [*hydra.overrides.hydra, *hydra.overrides.task]
    command = python_command([word for word in words if not word.startswith("hydra.mode=")])
    try:
        with writing():
            spec = RunSpec(check(composed), Path(hydra.runtime.output_dir), command)
            return train([spec], choose_stepper(spec.config, alone=True))[0]
    except LabError as error:
        return error
