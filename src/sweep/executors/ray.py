"""A Ray cluster: one that has an address, or processes of this machine."""

import logging
import socket
from typing import Any
from urllib.parse import urlsplit

import ray
from loky import cpu_count

from src.errors import LabError, one_line
from src.run.devices import on_gpu
from src.sweep.executors.pool import Answer, Pool, WorkerDiedError
from src.sweep.executors.work import Order, work
from src.sweep.options import Launching

PATIENCE = 8
"""Seconds until an address is given up; Ray itself waits for minutes."""


def check(options: Launching) -> None:
    """Refuse an address where nothing answers.

    Raises:
        LabError: so it is.
    """
    if options.address is None or options.address in ("auto", "local"):
        return
    place = urlsplit(options.address if "://" in options.address else f"ray://{options.address}")
    try:
        socket.create_connection((place.hostname or "", place.port or 10001), timeout=PATIENCE).close()
    except (OSError, ValueError) as error:
        told = f"no Ray cluster answers there ({one_line(error)}): start one with: ray start --head"
        raise LabError(f"hydra.launcher.address={options.address}: {told}") from None


def number(options: Launching) -> int:
    """Stacks at once: as many as the cluster has cores, unless the options say."""
    if options.workers or options.address is None:
        return options.workers or int(cpu_count())
    _connect(options)
    return max(int(ray.cluster_resources().get("CPU", 1)), 1)


def _connect(options: Launching) -> None:
    if ray.is_initialized():
        return
    local = {"num_cpus": number(options), "include_dashboard": False} if options.address is None else {}
    try:
        ray.init(address=options.address or "local", log_to_driver=False, logging_level=logging.ERROR, **local)
    except Exception as error:  # Ray has many ways to say so
        raise LabError(f"Ray cannot be started or reached ({type(error).__name__}: {one_line(error)})") from None


class Workers(Pool):
    """The workers of a cluster.

    Args:
        options: of the launcher.
    """

    def __init__(self, options: Launching) -> None:
        _connect(options)
        self.width = number(options)
        self._refs = set[Any]()

    def start(self, order: Order) -> Any:
        """Give a stack to the cluster, with a GPU if it wants one."""
        cards = 1 if ray.cluster_resources().get("GPU") and _wants_card(order) else 0
        ref = ray.remote(num_cpus=1, num_gpus=cards, max_retries=0)(work).remote(order)
        self._refs.add(ref)
        return ref

    def done(self, handle: Any) -> bool:
        """Whether it has ended."""
        return bool(ray.wait([handle], timeout=0)[0])

    def answer(self, handle: Any) -> Answer:
        """How it has ended."""
        self._refs.discard(handle)
        try:
            return ray.get(handle)
        except (
            ray.exceptions.WorkerCrashedError,
            ray.exceptions.NodeDiedError,
            ray.exceptions.OutOfMemoryError,
        ):
            raise WorkerDiedError from None
        except ray.exceptions.RayError as error:
            raise LabError(f"no Ray worker can take a stack ({type(error).__name__}: {one_line(error)})") from None

    def close(self) -> None:
        """Kill what is under way, and leave the cluster, which ends if it was started here."""
        for ref in self._refs:
            ray.cancel(ref, force=True)
        ray.shutdown()


def _wants_card(order: Order) -> bool:
    config = order.task.configs[0]
    return config.trainer.accelerator == "auto" or on_gpu(config)
