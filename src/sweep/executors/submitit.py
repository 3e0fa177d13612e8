"""SLURM, through submitit: each stack is a job of its own, which goes on after a time limit or a preemption."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from loky import cpu_count
from submitit import AutoExecutor, Job
from submitit.core.utils import FailedJobError, UncompletedJobError
from submitit.helpers import DelayedSubmission

from src.errors import LabError, one_line
from src.sweep.executors.pool import Answer, Pool, WorkerDiedError
from src.sweep.executors.work import Order, work
from src.sweep.options import Launching

QUEUED = 100
"""Jobs that wait in the queue at once: more of them would not start earlier."""

MINUTES = {"slurm": 60, "local": 7 * 24 * 60}
"""Time limits where none is given; submitit's own are 5 minutes."""


def check(options: Launching) -> None:
    """Refuse parameters that submitit does not know, and SLURM where there is none.

    Raises:
        LabError: so it is.
    """
    with tempfile.TemporaryDirectory() as folder:
        _executor(Path(folder), options)


def number(options: Launching) -> int:
    """Jobs at once, where the options say; else the queue takes as many as there are, and none is cut for it."""
    return options.workers or (int(cpu_count()) if options.submitit.get("cluster") == "local" else 1)


def _executor(folder: Path, options: Launching) -> AutoExecutor:
    given = {"name": "descent-lab", **options.submitit}
    cluster = given.pop("cluster", None)
    try:
        executor = AutoExecutor(folder=folder, cluster=cluster)
        executor.update_parameters(**{"timeout_min": MINUTES.get(executor.cluster, MINUTES["slurm"]), **given})
    except Exception as error:  # it has many ways to say so
        raise LabError(f"hydra.launcher.submitit={options.submitit}: {one_line(error)}") from None
    return executor


class _Stack:
    """A stack as submitit calls it."""

    def __call__(self, order: Order) -> Answer:
        return work(order)

    def checkpoint(self, order: Order) -> DelayedSubmission:
        """What to do once the time is over: the same again, which goes on from the stack's own checkpoint."""
        return DelayedSubmission(_Stack(), order)


class Workers(Pool):
    """Jobs in a queue.

    Args:
        options: of the launcher.
    """

    def __init__(self, options: Launching) -> None:
        self._options = options
        self._executor: AutoExecutor | None = None
        self._jobs = list[Job[Answer]]()
        self._folder: Path | None = None
        self.width = options.workers or (number(options) if options.submitit.get("cluster") == "local" else QUEUED)

    def start(self, order: Order) -> Any:
        """Put a stack into the queue."""
        if self._executor is None:
            self._folder = Path(order.task.state).parent / "submitit"
            self._executor = _executor(self._folder, self._options)
        self._jobs.append(self._executor.submit(_Stack(), order))
        return self._jobs[-1]

    def done(self, handle: Any) -> bool:
        """Whether it has ended."""
        return bool(handle.done())

    def answer(self, handle: Any) -> Answer:
        """How it has ended."""
        self._jobs.remove(handle)
        try:
            return handle.result()
        except FailedJobError as error:
            raise LabError(f"no job of submitit can take a stack: {str(error).strip().splitlines()[-1]}") from error
        except UncompletedJobError:
            raise WorkerDiedError from None

    def close(self) -> None:
        """Take the jobs out of the queue, and their logs away."""
        for job in self._jobs:
            job.cancel()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
