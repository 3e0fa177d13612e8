"""Hydra's launcher of this project: jobs that can share a tensor program are trained as one stack."""

from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from src.sweep.ledger import Entry
from src.sweep.options import Launching, checked
from src.sweep.sweep import Sweep


class StackLauncher(Launcher):
    """Trains jobs as stacks.

    Args:
        options: see conf/hydra/launcher/stack.yaml.
    """

    sweep: Sweep
    """From `setup` on, which Hydra calls before anything else."""

    def __init__(self, **options: Any) -> None:
        self.given = options

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take the sweep's own config.

        Raises:
            LabError: a directory that is not for this sweep, or options that are not allowed; in `__init__` Hydra would
                put words of its own before it.
        """
        self.sweep = Sweep(config, hydra_context.config_loader, checked(Launching, self.given, "hydra.launcher"))

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Train jobs, or show what that would take.

        Args:
            job_overrides: the words of each job.
            initial_job_idx: what Hydra would count from; the sweep directory has numbers of its own.

        Returns:
            Of each job what a sweeper minimizes: `val/loss`, or `train/loss` without it; infinite where there is none.

        Raises:
            LabError: a wrong value in any of them, another sweep in the directory, a full disk.
            KeyboardInterrupt: it was interrupted; it says how to go on.
        """
        if self.sweep.options.dry_run:
            from src.sweep.dry_run import show  # imported where it is used, as is whatever imports torch

            sweeper = self.sweep.config.hydra.sweeper
            most = sweeper.most_seeds if sweeper.get("until") else 0
            show(self.sweep.plan(job_overrides), self.sweep.config.confirm_seeds, most)
            return [_returned(words, None) for words in job_overrides]
        entries = self.sweep.train(job_overrides)
        return [_returned(words, entry) for words, entry in zip(job_overrides, entries, strict=True)]


def _returned(words: Sequence[str], entry: Entry | None) -> JobReturn:
    """What Hydra hands to a sweeper; never a failure, which would be raised there."""
    outcome = entry.outcome if entry is not None else None
    metrics = outcome.metrics if outcome is not None and outcome.status == "completed" else {}
    loss = metrics.get("val/loss", metrics.get("train/loss"))
    returned = JobReturn(overrides=list(words), status=JobStatus.COMPLETED)
    returned.return_value = float("inf") if loss is None else loss
    return returned
