"""Several processes for one run (ddp): started by torch's own elastic launcher, on this machine.

`torch.multiprocessing.spawn` would do with less, but it imports the main module anew in every process: a script that
calls `src.run.run` outside `if __name__ == "__main__"` would start itself over and over.
"""

import logging
import os
import pickle
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from src.errors import FULL_ERROR, LabError
from src.run.build import Member, RunSpec


def launched() -> bool:
    """Whether this process is one of several already, started here or by torchrun."""
    return "LOCAL_RANK" in os.environ and "WORLD_SIZE" in os.environ


def first_process() -> bool:
    """Whether this process writes and talks: it is the first of several, or alone."""
    return int(os.environ.get("RANK", 0)) == 0


def check_shared(one: Member) -> None:
    """Refuse a module or a loss that several processes cannot share.

    Raises:
        LabError: the module has buffers, or the loss is not written per member.
    """
    if one.config.trainer.strategy != "ddp":
        return
    if not one.loss.per_member:
        raise LabError(
            f"trainer=ddp: {one.config.loss.target_} is one number of a batch, and losses of its shards do not add up "
            "to it; a src.losses.loss.Loss's do"
        )
    if any(True for _ in one.model.buffers()):
        raise LabError(
            "trainer=ddp: a module with buffers (BatchNorm, say) sees only its own process's rows, "
            "so two processes cannot have the curve of one"
        )


def launch(processes: int, spec: RunSpec) -> None:
    """Train a run in so many processes and wait for them.

    Raises:
        LabError: one of them failed.
        KeyboardInterrupt: they were interrupted.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    settings = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=spec.directory.name,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
    )
    with _as_it_was(), tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "run.pickle")  # ten thousand listed points are too long for an argument
        path.write_bytes(pickle.dumps(spec))
        if not FULL_ERROR:  # a command sets it for itself; here the processes are to tell a mistake in a sentence
            os.environ.pop("HYDRA_FULL_ERROR", None)
        try:
            elastic_launch(settings, sys.executable)("-m", "src.run.one_process", str(path))
        except ChildFailedError as error:
            rank, failure = error.get_first_failure()
            raise LabError(
                f"process {rank} of {processes} failed with exit code {failure.exitcode}; see above"
            ) from None
        except SignalException:
            raise KeyboardInterrupt from None


@contextmanager
def _as_it_was() -> Iterator[None]:
    """Put back the environment and the signal handlers, which the launcher keeps for itself."""
    environment = dict(os.environ)
    names = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
    main = threading.current_thread() is threading.main_thread()
    handlers = {name: signal.getsignal(name) for name in names} if main else {}
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(environment)
        for name, handler in handlers.items():
            signal.signal(name, handler)
