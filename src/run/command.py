"""A run from words: what `python -m src.train` hands to Hydra, and `src.run.run` does without the shell."""

from collections.abc import Sequence
from pathlib import Path

from hydra._internal.callbacks import Callbacks
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import run_job
from hydra.types import HydraContext
from omegaconf import DictConfig

from src.config.compose import check_run, compose, composing, with_checkpoint, writing
from src.config.schema import check
from src.engine.choice import choose_stepper
from src.errors import LabError
from src.run.build import RunSpec
from src.run.train import train
from src.run_directory import Result, discard, python_command


def from_words(overrides: Sequence[str]) -> Result:
    """What `src.run.run` does."""
    if isinstance(overrides, str):
        raise LabError(f"run({overrides!r}): give a list of overrides, such as run([{overrides!r}])")
    overrides = with_checkpoint(overrides)
    composed = compose(overrides)
    existed = check_run(composed)
    with composing() as hydra:
        # as Hydra's own run does with the words of a shell, without composing them a second time
        context = HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks(composed))
        with writing():
            job = run_job(task, composed, "hydra.run.dir", None, context, configure_logging=False)
    if isinstance(job.return_value, LabError):
        discard(job.return_value, existed)
        raise job.return_value
    assert isinstance(job.return_value, Result)
    return job.return_value


def task(composed: DictConfig) -> Result | LabError:
    """What Hydra calls with a composed config, once it has made the run directory.

    A user's mistake is returned, not raised: Hydra would put words of its own before the sentence.
    """
    hydra = HydraConfig.get()
    words = [*hydra.overrides.hydra, *hydra.overrides.task]
    command = python_command([word for word in words if not word.startswith("hydra.mode=")])
    directory = Path(hydra.runtime.output_dir)
    try:
        spec = RunSpec(check(composed), directory, command)
        (outcome,) = train([spec], choose_stepper(spec.config, alone=True))
    except LabError as error:
        outcome = error
    if isinstance(outcome, LabError):
        outcome.directory = directory
    return outcome
