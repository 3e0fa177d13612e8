"""A sweep on a real Dask cluster: a scheduler and two workers, processes of their own, one of which is killed."""

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from distributed import Client

from src.sweep.ledger import STACKS
from tests.sweep.conftest import Multirun, Sequential
from tests.sweep.waiting import LONG, everything, kill_worker, until

MINE = """
import torch

class Plain(torch.optim.Optimizer):
    def __init__(self, params, lr=0.1):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter -= group["lr"] * parameter.grad
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a scheduler on loopback with two workers, started somewhere else than the sweep."""
    place = tmp_path_factory.mktemp("cluster")
    file = place / "scheduler.json"
    workers = ["worker", "--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1"]
    scheduler = ["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    processes = list[subprocess.Popen[bytes]]()
    try:
        for part in (scheduler, workers, workers):
            typed = [sys.executable, "-m", "dask", *part, "--scheduler-file", str(file)]
            log = (place / f"{len(processes)}.log").open("wb")
            processes.append(subprocess.Popen(typed, cwd=place, stdout=log, stderr=log))
            until(file.is_file)
        address = str(json.loads(file.read_text())["address"])
        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
        yield address
    finally:
        for process in reversed(processes):
            process.kill()
            process.wait()


def test_a_worker_of_a_cluster_that_is_killed_costs_time_and_nothing_else(
    multirun: Multirun, sequential: Sequential, cluster: str, tmp_path: Path
) -> None:
    with ThreadPoolExecutor() as threads:
        killing = threads.submit(kill_worker, 0, tmp_path / "there")
        assert multirun("there", *LONG, "hydra.launcher.backend=dask", f"hydra.launcher.address={cluster}") == 0
        killing.result()
    assert everything(tmp_path / "there") == sequential(LONG)
    assert not (tmp_path / "there" / STACKS).exists()


def test_a_cluster_finds_a_class_and_a_table_where_the_command_was_typed(
    multirun: Multirun, cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine_for_clusters.py").write_text(MINE)
    (tmp_path / "table.csv").write_text("x,y\n" + "".join(f"{x},{2 * x + 1}\n" for x in range(40)))
    monkeypatch.syspath_prepend(tmp_path)
    words = [
        "data=table",
        "data.path=table.csv",
        "data.target=y",
        "optimizer._target_=mine_for_clusters.Plain,torch.optim.SGD",
    ]
    assert multirun("here", *words) == 0
    assert multirun("there", *words, "hydra.launcher.backend=dask", f"hydra.launcher.address={cluster}") == 0
    assert everything(tmp_path / "there") == everything(tmp_path / "here")
