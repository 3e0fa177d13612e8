"""Several processes for one run (ddp): started by torch's own elastic launcher, on this machine."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from src.errors import FULL_ERROR, LabError
from src.results import RunDirectory


def launched() -> bool:
    """Whether this process is one of several already, started here or by torchrun."""
    return "LOCAL_RANK" in os.environ and "WORLD_SIZE" in os.environ


def launch(processes: int, config: str, directory: Path, command: str) -> None:
    """Run `src.run` in so many processes and wait for them.

    Args:
        processes: how many.
        config: of the run, as JSON.
        directory: of the run.
        command: what was typed, for the record.

    Raises:
        LabError: one of them failed.
        KeyboardInterrupt: they were interrupted; it says how to go on.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    settings = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=directory.name,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
    )
    with _as_it_was():
        if not FULL_ERROR:  # a command sets it for itself; here the processes are to tell a mistake in a sentence
            os.environ.pop("HYDRA_FULL_ERROR", None)
        try:
            elastic_launch(settings, sys.executable)("-m", "src.run", config, str(directory), command)
        except ChildFailedError as error:
            rank, failure = error.get_first_failure()
            raise LabError(
                f"process {rank} of {processes} failed with exit code {failure.exitcode}; see above"
            ) from None
        except SignalException:
            raise KeyboardInterrupt(f"interrupted{RunDirectory(directory).how_to_go_on()}") from None


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
