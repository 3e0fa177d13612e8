"""A Dask cluster: one whose scheduler has an address, or processes of this machine."""

import logging
from contextlib import ExitStack
from pathlib import Path

import dask
from distributed import Client, KilledWorker
from loky import cpu_count

from src.errors import LabError
from src.sweep.executors import PATIENCE, Workers, reaching
from src.sweep.options import Launching


def count(options: Launching) -> int:
    """Those that are there, or as many as cores, unless the options say.

    Raises:
        LabError: no scheduler answers at the address, or it has no workers.
    """
    if options.address is None:
        return options.workers or int(cpu_count())
    with _client(options.address) as client:
        if number := options.workers or len(client.scheduler_info(n_workers=-1)["workers"]):
            return number
    begin = f"start some with: dask worker {options.address}, or say hydra.launcher.workers=N to wait for them"
    raise LabError(f"hydra.launcher.address={options.address}: the scheduler has no workers yet; {begin}")


def start(options: Launching, scratch: Path, at_end: ExitStack) -> Workers:
    """Those of a cluster, which is left as it was; or of one that is started here, and ends."""
    number = count(options)
    dask.config.set({"distributed.scheduler.allowed-failures": 0})  # here, where deaths are counted by the sweep
    here = {"n_workers": number, "threads_per_worker": 1, "memory_limit": 0}  # stacks are cut to their memory
    quiet = {"dashboard_address": None, "silence_logs": logging.CRITICAL}
    client = at_end.enter_context(
        _client(options.address) if options.address else Client(**here, **quiet, set_as_default=False)
    )
    return Workers(client.get_executor(pure=False).submit, number, KilledWorker)


def _client(address: str) -> Client:
    with reaching(address, 8786, "Dask scheduler", "dask scheduler"):
        return Client(address, timeout=PATIENCE, set_as_default=False)
