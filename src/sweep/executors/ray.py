"""A Ray cluster: one that has an address, or processes of this machine."""

import logging
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import ray
from loky import cpu_count
from ray.exceptions import NodeDiedError, OutOfMemoryError, WorkerCrashedError

from src.engine.devices import on_gpu
from src.sweep.executors import Workers, reaching
from src.sweep.options import Launching


def count(options: Launching) -> int:
    """As many as the cluster has cores, unless the options say.

    Raises:
        LabError: nothing answers at the address.
    """
    if options.address is None:
        return options.workers or int(cpu_count())
    _connect(options.address)
    return options.workers or max(int(ray.cluster_resources().get("CPU", 1)), 1)


def start(options: Launching, scratch: Path, at_end: ExitStack) -> Workers:
    """Those of a cluster, which is left as it was; or of one that is started here, and ends."""
    if options.address is None:
        _connect("local", num_cpus=count(options), include_dashboard=False)
    width = count(options)
    at_end.callback(ray.shutdown)

    def submit(*call: Any) -> Future[Any]:
        config = call[1].specs[0].config
        wants = ray.cluster_resources().get("GPU") and (config.trainer.accelerator == "auto" or on_gpu(config))
        task = ray.remote(num_cpus=1, num_gpus=1 if wants else 0, max_retries=0)(call[0]).remote(*call[1:])
        at_end.callback(ray.cancel, task, force=True)  # which has no effect on one that has ended
        return task.future()

    return Workers(submit, width, (WorkerCrashedError, NodeDiedError, OutOfMemoryError))


def _connect(address: str, **local: Any) -> None:
    port = None if address in ("auto", "local") else 10001
    if not ray.is_initialized():
        with reaching(address, port, "Ray cluster", "ray start --head"):
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **local)
