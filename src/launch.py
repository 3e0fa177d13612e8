"""Several processes for one run (ddp): started by torch's own elastic launcher, on this machine."""

import logging
import os
import sys
from pathlib import Path

from src.errors import LabError


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
    """
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    settings = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=directory.name,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
    )
    try:
        elastic_launch(settings, sys.executable)("-m", "src.run", config, str(directory), command)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        raise LabError(f"process {rank} of {processes} failed with exit code {failure.exitcode}; see above") from None
