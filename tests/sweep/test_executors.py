"""Stacks that are spread over processes: the same bits as in one, processes that die or are stopped, and refusals."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from src.config.compose import CONF
from src.engine.choose_stepper import Choice
from src.errors import LabError
from src.sweep import executors
from src.sweep.executors import BACKENDS, DEATHS, Workers, loky
from src.sweep.executors import _trained as trained
from src.sweep.ledger import STACKS, Outcome
from src.sweep.options import Launching, checked
from src.sweep.worker import Heartbeat, StackTask
from tests.sweep.conftest import Multirun, Sequential
from tests.sweep.waiting import LONG, everything, kill_worker, until

TWO = "hydra.launcher.workers=2"
LOCAL = "+hydra.launcher.submitit={cluster:local}"


# --- the same bits ---


def installed(backend: str) -> None:
    """Skip a test of what is not."""
    if find_spec(BACKENDS[backend][0]) is None:
        pytest.skip(f"{backend} is not installed")


@pytest.mark.parametrize(
    ("backend", "workers"), [("loky", 2), pytest.param("dask", 1, marks=pytest.mark.long), ("ray", 2)]
)
def test_the_same_bits_wherever_stacks_are_trained(
    multirun: Multirun, sequential: Sequential, tmp_path: Path, backend: str, workers: int
) -> None:
    """LBFGS has no rule for stacks: each of its runs goes alone."""
    installed(backend)
    jobs = ["optimizer=sgd,adam,lbfgs", "optimizer.lr=0.01,0.1", "seed=0,1"]
    options = [f"hydra.launcher.backend={backend}", f"hydra.launcher.workers={workers}"]
    assert multirun("there", *jobs, *options) == 0
    assert everything(tmp_path / "there") == sequential(jobs)
    assert not (tmp_path / "there" / STACKS).exists()


# --- processes that die, or are stopped ---


@pytest.mark.parametrize(
    ("backend", "options"),
    [
        ("loky", [TWO]),
        pytest.param("dask", [TWO], marks=pytest.mark.long),  # a cluster's worker is killed in test_cluster
        ("ray", [TWO]),
        ("submitit", [TWO, LOCAL]),
    ],
)
def test_a_worker_that_is_killed_costs_time_and_nothing_else(
    multirun: Multirun,
    sequential: Sequential,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    backend: str,
    options: list[str],
) -> None:
    """In the middle of a stack: once it has a checkpoint, and none of its runs has ended."""
    installed(backend)
    if backend == "submitit":  # it waits so long for the result of a process that has ended, in seconds
        monkeypatch.setattr("submitit.core.core.Job._results_timeout_s", 0)
    # where workers share no pool, what becomes of another stack is no question
    words = [word.replace("sgd,adam", "sgd") for word in LONG] if backend == "submitit" else LONG
    sweep = tmp_path / "there"
    with ThreadPoolExecutor() as threads:
        killing = threads.submit(kill_worker, 0, sweep)
        assert multirun("there", *words, f"hydra.launcher.backend={backend}", *options) == 0
        killing.result()
    assert everything(sweep) == sequential(words)
    assert not (sweep / STACKS).exists()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_processes_end_with_their_command_and_the_sweep_goes_on_elsewhere(
    multirun: Multirun, sequential: Sequential, tmp_path: Path, how: signal.Signals
) -> None:
    """Ctrl-C goes to every process of a terminal; a kill to the command alone, which can do nothing about it."""
    sweep = tmp_path / "there"
    typed = [*LONG, "logger=none", "trainer.val_every_n_steps=1000", f"hydra.sweep.dir={sweep}"]
    command = subprocess.Popen(
        [sys.executable, "-m", "src.train", "-m", *typed, "hydra.launcher.backend=loky", TWO],
        cwd=CONF.parent,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    until(lambda: command.poll() is not None or len(list(sweep.glob(f"{STACKS}/*.ckpt"))) == 2)
    (os.killpg if how == signal.SIGINT else os.kill)(command.pid, how)
    told = command.communicate()[1]
    if how == signal.SIGINT:
        assert command.returncode == 130
        begins = "interrupted: 0 of 4 runs are finished, steps of others are kept; go on with: python -m src.train -m "
        assert told.startswith(begins)
        assert told.count("\n") == 1
    until(lambda: not _group_is_there(command.pid))
    assert len(list(sweep.glob(f"{STACKS}/*.ckpt"))) == 2
    assert multirun("there", *LONG) == 0
    assert everything(sweep) == sequential(LONG)
    assert not (sweep / STACKS).exists()


def _group_is_there(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


# --- how stacks are given to workers, which do what a test says ---


class DiedError(Exception):
    """Of a scripted worker."""


class Scripted:
    """Workers that do what is written down for each stack: a value is the answer, an error is raised, a callable is
    called with the heartbeat.
    """

    def __init__(self, folder: Path, scripts: dict[int, list[Any]], width: int = 2) -> None:
        self.folder, self.scripts, self.width = folder, scripts, width
        self.begun = list[int]()
        self.threads = ThreadPoolExecutor()

    def submit(self, call: Any, task: StackTask, heartbeat: Heartbeat) -> Future[Any]:
        self.begun.append(task.number)
        return self.threads.submit(self.play, self.scripts[task.number].pop(0), heartbeat)

    def play(self, script: Any, heartbeat: Heartbeat) -> Any:
        found = script(heartbeat) if callable(script) else script
        if isinstance(found, DiedError):
            raise found
        return found

    def trained(self, tasks: Any, tell: Any = lambda *told: None) -> Any:
        return trained(Workers(self.submit, self.width, DiedError), iter(tasks), self.folder, tell)


def task(sweep: Path, number: int = 0) -> StackTask:
    """A stack without runs: nothing here trains it."""
    return StackTask(number, (), Choice("rules"), str(sweep / STACKS / f"{number}.ckpt"), str(sweep), ())


OUTCOME = Outcome("completed", "all steps", 5, {"val/loss": 1.0}, "0123")


def test_stacks_are_taken_when_there_is_room(tmp_path: Path) -> None:
    taken = list[int]()

    def tasks() -> Iterator[StackTask]:
        for number in range(5):
            taken.append(number)
            yield task(tmp_path, number)

    workers = Scripted(tmp_path, {number: [[OUTCOME]] for number in range(5)})
    for count, (one, ends) in enumerate(workers.trained(tasks()), start=1):
        assert ends == [OUTCOME]
        assert len(taken) == min(count + 1, 5)
        assert one.number in taken
    assert sorted(workers.begun) == [0, 1, 2, 3, 4]


def test_a_stack_whose_workers_die_again_and_again_has_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dask's own error says how often it has tried already."""
    tried = DiedError()
    tried.allowed_failures = 3  # type: ignore[attr-defined]
    monkeypatch.setattr(executors, "ends", lambda one, reasons, reason: [reason])
    workers = Scripted(tmp_path, {0: [DiedError()] * DEATHS, 1: [DiedError(), [OUTCOME]], 2: [tried]})
    ends = {one.number: end for one, (end,) in workers.trained(task(tmp_path, number) for number in range(3))}
    assert str(ends[0]).startswith("its worker died 3 times")
    assert ends[1] == OUTCOME
    assert str(ends[2]).startswith("its worker died 4 times")
    assert [workers.begun.count(number) for number in range(3)] == [3, 2, 1]


def test_progress_is_told_as_workers_write_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that takes over from one that died begins to count anew, and the difference is taken back."""
    monkeypatch.setattr(executors, "EVERY", 0.01)
    told = list[tuple[int, int, int]]()

    def is_told(runs: int, steps: int) -> bool:
        return (sum(one[1] for one in told), sum(one[2] for one in told)) == (runs, steps)

    def dies(heartbeat: Heartbeat) -> Any:
        heartbeat(0, 100)
        until(lambda: is_told(0, 100))
        heartbeat(2, 150)
        until(lambda: is_told(2, 250))
        return DiedError()

    def lives(heartbeat: Heartbeat) -> Any:
        heartbeat(1, 40)
        until(lambda: is_told(1, 40))
        heartbeat(2, 260)
        until(lambda: is_told(3, 300))
        return [OUTCOME]

    workers = Scripted(tmp_path, {7: [dies, lives]}, width=1)
    ((_, ends),) = workers.trained([task(tmp_path, 7)], lambda *now: told.append(now))
    assert ends == [OUTCOME]
    assert {stack for stack, _, _ in told} == {7}


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        (LabError("0/metrics.csv cannot be written (No space left on device)"), "^0/metrics.csv .*No space left"),
        (lambda heartbeat: 1 / 0, r"^no worker can take a stack \(ZeroDivisionError: division by zero\)"),
    ],
)
def test_what_stops_one_worker_stops_the_sweep(tmp_path: Path, script: Any, sentence: str) -> None:
    ends = Scripted(tmp_path, {0: [[OUTCOME]], 1: [script]}, width=1).trained([task(tmp_path, 0), task(tmp_path, 1)])
    assert next(ends)[0].number == 0
    with pytest.raises(LabError, match=sentence):
        next(ends)


def test_a_sweep_that_is_left_stops_its_workers(
    multirun: Multirun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a new one those of an earlier command that was killed; the environment is as it was."""
    before = dict(os.environ)
    workers = Scripted(tmp_path, {0: [[OUTCOME]], 1: [lambda heartbeat: until(lambda: not heartbeat.path.exists())]})
    ended = list[str]()

    def start(options: Any, scratch: Path, at_end: Any) -> Workers:
        at_end.callback(ended.append, "the workers")
        return Workers(workers.submit, 2, DiedError)

    monkeypatch.setattr(loky, "start", start)
    tasks = [task(tmp_path, number) for number in range(2)]
    earlier = tmp_path / STACKS / f"0123{executors.SCRATCH}" / "7"
    earlier.parent.mkdir(parents=True)
    earlier.touch()
    with closing(executors.spread(tasks, launching("loky"), lambda *told: None)) as ends:
        next(ends)
        assert not earlier.exists()
        assert sorted(path.name for path in (tmp_path / STACKS).rglob("[0-9]")) == ["0", "1"]
    assert list((tmp_path / STACKS).iterdir()) == []
    assert ended == ["the workers"]
    assert dict(os.environ) == before


def launching(backend: str) -> Launching:
    """Options of the launcher, as conf/ has them."""
    options = OmegaConf.to_container(OmegaConf.load(CONF / "hydra" / "launcher" / "stack.yaml"))
    assert isinstance(options, dict)
    given = {str(key): value for key, value in options.items() if key != "_target_"}
    return checked(Launching, {**given, "backend": backend}, "hydra.launcher")


def test_a_bug_is_told_whole_when_it_is_asked_for(multirun: Multirun, monkeypatch: pytest.MonkeyPatch) -> None:
    """HYDRA_FULL_ERROR=1, which Hydra's own way of a multirun answers with a traceback as well."""
    for module in ("src.run.train", "src.sweep.worker"):
        monkeypatch.setattr(f"{module}.FULL_ERROR", True)
    monkeypatch.setattr("src.run.build.build_rule_stepper", lambda *given: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        multirun("sweep", "seed=0,1")


def test_a_bug_in_another_process_is_told_whole_when_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the library hands it over, which has the traceback of the worker."""
    monkeypatch.setattr(executors, "FULL_ERROR", True)
    workers = Scripted(tmp_path, {0: [lambda heartbeat: 1 / 0]})
    with pytest.raises(ZeroDivisionError):
        next(workers.trained([task(tmp_path, 0)]))


# --- what is refused, and GPUs ---


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["backend=dusk"], "hydra.launcher.backend=dusk: must be one of inline, loky, dask, ray, submitit; did you"),
        (["workers=2"], "hydra.launcher.workers has no meaning for backend=inline: hydra.launcher.backend=loky|dask"),
        (["backend=loky", "address=tcp://127.0.0.1:1"], "hydra.launcher.address has no meaning for backend=loky"),
        (["backend=dask", "address=nonsense"], "hydra.launcher.address=nonsense: no Dask scheduler answers there ("),
        (["backend=dask", "address=tcp://127.0.0.1:1"], "start one with: dask scheduler"),
        (["backend=submitit", "+submitit={cluster:local,colour:red}"], "colour"),
    ],
)
def test_backends_that_are_refused(
    multirun: Multirun,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    sentence: str,
) -> None:
    monkeypatch.setattr("src.sweep.executors.PATIENCE", 0.2)
    typed = [f"+hydra.launcher.{word[1:]}" if word[0] == "+" else f"hydra.launcher.{word}" for word in words]
    assert multirun("sweep", "seed=0,1", *typed) == 1
    told = capfd.readouterr().err
    assert told.startswith("error: ")
    assert sentence in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("backend", ["dask", "ray", "submitit"])
def test_a_package_that_is_missing_is_told_with_how_to_get_it(
    multirun: Multirun, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    monkeypatch.setattr(executors, "find_spec", lambda name: None)
    assert multirun("sweep", "seed=0,1", f"hydra.launcher.backend={backend}") == 1
    assert f"which is not installed: pip install 'descent-lab[{backend}]'" in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_processes_are_dealt_over_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert [loky.card(slot)["CUDA_VISIBLE_DEVICES"] for slot in range(5)] == ["0", "1", "0", "1", "0"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-7")
    assert [loky.card(slot)["CUDA_VISIBLE_DEVICES"] for slot in range(3)] == ["3", "GPU-7", "3"]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert loky.card(0) == {}
