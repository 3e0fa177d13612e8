"""SLURM, through submitit: each stack is a job of its own, which goes on after a time limit or a preemption."""

import tempfile
from concurrent.futures import Future
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

from loky import cpu_count
from submitit import AutoExecutor, Job
from submitit.core.utils import UncompletedJobError
from submitit.helpers import DelayedSubmission

from src.errors import LabError, one_line
from src.sweep.executors import Workers
from src.sweep.options import Launching

QUEUED = 100
"""Jobs that wait in the queue at once: more of them would not start earlier."""

MINUTES = {"slurm": 60, "local": 7 * 24 * 60}
"""Time limits where none is given; submitit's own are 5 minutes."""


def count(options: Launching) -> int:
    """Jobs at once, where the options say; else the queue takes as many as there are, and none is cut for it.

    Raises:
        LabError: a parameter that submitit does not know, or no SLURM here.
    """
    with tempfile.TemporaryDirectory() as folder:
        cluster = _executor(Path(folder), options).cluster
    return options.workers or (int(cpu_count()) if cluster == "local" else 1)


def start(options: Launching, scratch: Path, at_end: ExitStack) -> Workers:
    """A queue; jobs that are still in it at the end are taken out, and all logs away."""
    executor = _executor(scratch, options)

    def submit(function: Any, *arguments: Any) -> Future[Any]:
        future, job = Future[Any](), executor.submit(Call(function), *arguments)
        at_end.callback(_cancel, job, future)
        Thread(target=_follow, args=(job, future), daemon=True).start()
        return future

    here = options.workers or executor.cluster == "local"
    return Workers(submit, count(options) if here else QUEUED, UncompletedJobError)


def _executor(folder: Path, options: Launching) -> AutoExecutor:
    given = {"name": "descent-lab", **options.submitit}
    cluster = given.pop("cluster", None)
    try:
        executor = AutoExecutor(folder=folder, cluster=cluster)
        executor.update_parameters(**{"timeout_min": MINUTES.get(executor.cluster, MINUTES["slurm"]), **given})
    except Exception as error:  # it has many ways to say so
        raise LabError(f"hydra.launcher.submitit={options.submitit}: {one_line(error)}") from None
    return executor


def _cancel(job: Job[Any], future: Future[Any]) -> None:
    if not future.done():
        job.cancel()


def _follow(job: Job[Any], future: Future[Any]) -> None:
    """Hand over how a job ended, once it has."""
    try:
        future.set_result(job.result())
    except Exception as error:
        future.set_exception(error)


class Call(partial[Any]):
    """After a time limit submitit makes it again, and the stack goes on from its checkpoint."""

    def checkpoint(self, *arguments: Any) -> DelayedSubmission:
        """What submitit does once the time is over."""
        return DelayedSubmission(self, *arguments)
