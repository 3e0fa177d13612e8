"""A Dask cluster: one whose scheduler has an address, or processes of this machine."""

import asyncio
import logging
import signal
import uuid
from typing import Any

import dask
from distributed import Client, KilledWorker, LocalCluster, Worker, WorkerPlugin
from distributed.comm import connect
from loky import cpu_count

from src.errors import LabError, one_line
from src.sweep.executors.pool import DEATHS, Answer, Pool, WorkerDiedError
from src.sweep.executors.work import Order, work
from src.sweep.options import Launching

PATIENCE = 5
"""Seconds until an address is given up."""


def check(options: Launching) -> None:
    """Refuse an address where no scheduler answers, or one without workers.

    Raises:
        LabError: so it is.
    """
    if options.address is not None and not number(options):
        told = f"start some with: dask worker {options.address}, or say hydra.launcher.workers=N to wait for them"
        raise LabError(f"hydra.launcher.address={options.address}: the scheduler has no workers yet; {told}")


def number(options: Launching) -> int:
    """Workers: those that are there, unless the options say."""
    if options.address is None:
        return options.workers or int(cpu_count())
    with _client(options.address) as client:
        return options.workers or _count(client)


def _client(address: str) -> Client:
    try:
        asyncio.run(_knock(address))  # a client that finds nobody would go on looking for longer than its timeout
        return Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:  # of a tls address without certificates
        told = f"no Dask scheduler answers there ({one_line(error)}): start one with: dask scheduler"
        raise LabError(f"hydra.launcher.address={address}: {told}") from None


async def _knock(address: str) -> None:
    await (await connect(address, timeout=PATIENCE)).close()


def _count(client: Client) -> int:
    return len(client.scheduler_info(n_workers=-1)["workers"])


class Workers(Pool):
    """The workers of a cluster; Dask gives the stack of a worker that has died to another.

    Args:
        options: of the launcher.
    """

    def __init__(self, options: Launching) -> None:
        self._cluster = _local(number(options)) if options.address is None else None
        self._client = _client(self._cluster.scheduler_address if self._cluster else str(options.address))
        if self._cluster is not None:
            self._client.register_plugin(_Deaf())
        self.width = options.workers or _count(self._client)

    def start(self, order: Order) -> Any:
        """Give a stack to the cluster."""
        return self._client.submit(work, order, pure=False, key=f"stack-{order.task.stack}-{uuid.uuid4().hex}")

    def done(self, handle: Any) -> bool:
        """Whether it has ended."""
        return bool(handle.done())

    def answer(self, handle: Any) -> Answer:
        """How it has ended."""
        try:
            return handle.result()
        except KilledWorker as death:
            raise WorkerDiedError(death.allowed_failures + 1) from None
        except Exception as error:  # it cannot import this project, say, or the scheduler is gone
            raise LabError(f"no Dask worker can take a stack ({type(error).__name__}: {one_line(error)})") from error

    def close(self) -> None:
        """Leave the cluster as it was, or end it if it was started here."""
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()


class _Deaf(WorkerPlugin):
    """Ctrl-C is for the command, which ends its workers."""

    def setup(self, worker: Worker) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _local(workers: int) -> LocalCluster:
    dask.config.set({"distributed.scheduler.allowed-failures": DEATHS - 1})
    return LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        memory_limit=0,  # stacks are cut to their memory
        dashboard_address=None,
        silence_logs=logging.CRITICAL,
    )
