"""Stacks that are spread over processes: the same bits as in one, processes that die or are stopped, and refusals."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock

from src.config.compose import CONF
from src.engine.checkpoint import read_member
from src.engine.choice import Choice
from src.engine.loop import Loop
from src.errors import LabError
from src.run_directory import RunDirectory
from src.sweep import executors
from src.sweep.executors import loky, work
from src.sweep.executors.pool import DEATHS, Answer, Pool, WorkerDiedError, trained
from src.sweep.executors.work import Order, lock_of, read_slip
from src.sweep.ledger import STACKS, Outcome
from src.sweep.task import Task, train_task
from tests.run.runs import members, numbers
from tests.sweep.conftest import Multirun
from tests.sweep.waiting import LONG, everything, until

Sequential = Callable[[Sequence[str]], dict[int, Any]]
TWO = "hydra.launcher.workers=2"
KNOWN: dict[tuple[str, ...], dict[int, Any]] = {}


@pytest.fixture
def sequential(multirun: Multirun, tmp_path_factory: pytest.TempPathFactory) -> Sequential:
    """The numbers of a sweep that was trained in this process, one stack after the other."""

    def _sequential(words: Sequence[str]) -> dict[int, Any]:
        if tuple(words) not in KNOWN:
            where = tmp_path_factory.mktemp("sequential")
            assert multirun(str(where), *words) == 0
            KNOWN[tuple(words)] = everything(where)
        return KNOWN[tuple(words)]

    return _sequential


# --- the same bits ---


@pytest.mark.parametrize(
    ("backend", "options"),
    [
        ("loky", [TWO]),
        ("dask", ["hydra.launcher.workers=1"]),
        ("ray", [TWO]),
        ("submitit", ["hydra.launcher.workers=6", "+hydra.launcher.submitit={cluster:local}"]),
    ],
)
def test_the_same_bits_wherever_stacks_are_trained(
    multirun: Multirun, sequential: Sequential, tmp_path: Path, backend: str, options: list[str]
) -> None:
    """LBFGS has no rule for stacks: each of its runs goes alone."""
    if find_spec(executors.PACKAGES[backend]) is None:
        pytest.skip(f"{backend} is not installed")
    jobs = ["optimizer=sgd,adam,lbfgs", "optimizer.lr=0.01,0.1", "seed=0,1"]
    if backend == "submitit":  # a process for every stack
        jobs = ["optimizer=sgd", "seed=0,1"]
    assert multirun("there", *jobs, f"hydra.launcher.backend={backend}", *options) == 0
    assert everything(tmp_path / "there") == sequential(jobs)
    assert not (tmp_path / "there" / STACKS).exists()


# --- processes that die, or are stopped ---


def test_a_process_that_is_killed_costs_time_and_nothing_else(
    multirun: Multirun, sequential: Sequential, tmp_path: Path
) -> None:
    """In the middle of a stack: once it has a checkpoint, and none of its runs has ended."""
    sweep = tmp_path / "there"

    def kill() -> list[int]:
        until((sweep / STACKS / "0.ckpt").exists)
        killed = [process.pid for process in multiprocessing.active_children() if process.pid]
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        assert not RunDirectory(sweep / "0").finished
        return killed

    with ThreadPoolExecutor() as threads:
        killing = threads.submit(kill)
        assert multirun("there", *LONG, "hydra.launcher.backend=loky", "hydra.launcher.workers=1") == 0
        assert len(killing.result()) == 1
    assert everything(sweep) == sequential(LONG)
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
        begins = "interrupted: 0 of 4 runs are finished; go on with: python -m src.train -m data=teacher"
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


# --- what a pool does, with workers that do what a test says ---


@dataclass
class Scripted(Pool):
    """Its workers answer what is written down for each stack; a callable is called with the order first."""

    answers: dict[int, list[Any]]
    width: int = 2
    started: list[int] = field(default_factory=list)
    closed: bool = False

    def start(self, order: Order) -> Order:
        self.started.append(order.task.stack)
        return order

    def done(self, handle: Order) -> bool:
        """Not before it was looked at while it was under way."""
        now = self.answers[handle.task.stack]
        if callable(now[0]):
            now.pop(0)(handle)
            return False
        return True

    def answer(self, handle: Order) -> Answer:
        found = self.answers[handle.task.stack].pop(0)
        if isinstance(found, WorkerDiedError):
            raise found
        return found

    def close(self) -> None:
        self.closed = True


def task(sweep: Path, stack: int = 0, **changes: Any) -> Task:
    """A stack of one run, without a config: nothing here trains it."""
    run = sweep / str(stack)
    run.mkdir(parents=True, exist_ok=True)
    (sweep / STACKS).mkdir(exist_ok=True)
    return replace(
        Task(stack, (), (str(run),), (False,), Choice("rules"), str(sweep / STACKS / f"{stack}.ckpt"), ""), **changes
    )


OUTCOME = Outcome("completed", "all steps", 5, {"val/loss": 1.0}, "0123")


def silent(stack: int, runs: int, steps: int) -> None:
    """Tell nobody."""


def test_stacks_are_taken_when_there_is_room(tmp_path: Path) -> None:
    taken = list[int]()

    def tasks() -> Iterator[Task]:
        for stack in range(5):
            taken.append(stack)
            yield task(tmp_path, stack)

    pool = Scripted({stack: [[OUTCOME]] for stack in range(5)})
    for count, (one, ends) in enumerate(trained(lambda: pool, tasks(), silent), start=1):
        assert ends == [OUTCOME]
        assert len(taken) == min(count + 1, 5)
        assert one.stack in taken
    assert sorted(pool.started) == [0, 1, 2, 3, 4]
    assert pool.closed
    assert list((tmp_path / STACKS).iterdir()) == []


def test_a_stack_whose_workers_die_again_and_again_has_failed(tmp_path: Path) -> None:
    deaths = [WorkerDiedError() for _ in range(DEATHS)]
    pool = Scripted({0: [*deaths], 1: [WorkerDiedError(), [OUTCOME]], 2: [WorkerDiedError(times=4)]})
    ends = dict(trained(lambda: pool, [task(tmp_path, stack) for stack in range(3)], silent))
    reasons = {one.stack: end for one, (end,) in ends.items()}
    assert str(reasons[0]).startswith("its worker died 3 times")
    assert reasons[1] == OUTCOME
    assert str(reasons[2]).startswith("its worker died 4 times")
    assert [pool.started.count(stack) for stack in range(3)] == [3, 2, 1]


def test_progress_is_told_as_workers_write_it(tmp_path: Path) -> None:
    """A worker that takes over from one that died begins to count anew, and the difference is taken back."""

    def write(runs: int, steps: int) -> Callable[[Order], None]:
        return lambda order: work.Slip(order.slip, runs, steps).write()

    pool = Scripted({7: [write(0, 100), write(2, 250), write(1, 40), write(3, 300), [OUTCOME]]}, width=1)
    told = list[tuple[int, int, int]]()
    list(trained(lambda: pool, [task(tmp_path, 7)], lambda *now: told.append(now)))
    assert {stack for stack, _, _ in told} == {7}
    assert sum(runs for _, runs, _ in told) == 3
    assert sum(steps for _, _, steps in told) == 300


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (LabError("0/metrics.csv cannot be written (No space left on device)"), "No space left on device"),
        (None, "which all machines have to share"),
    ],
)
def test_what_stops_one_worker_stops_the_sweep(tmp_path: Path, answer: Answer, sentence: str) -> None:
    pool = Scripted({0: [[OUTCOME]], 1: [answer]})
    ends = trained(lambda: pool, [task(tmp_path, 0), task(tmp_path, 1)], silent)
    assert next(ends)[0].stack == 0
    with pytest.raises(LabError, match=sentence):
        next(ends)
    assert pool.closed


def test_a_sweep_that_is_left_withdraws_its_stacks(tmp_path: Path) -> None:
    pool = Scripted({0: [[OUTCOME]], 1: [[OUTCOME]]})
    with closing(trained(lambda: pool, [task(tmp_path, 0), task(tmp_path, 1)], silent)) as ends:
        next(ends)
        assert len(list(tmp_path.glob(f"{STACKS}/1.ckpt.*.slip"))) == 1
    assert list(tmp_path.glob(f"{STACKS}/*.slip")) == []
    assert pool.closed


# --- what a worker does ---


@pytest.fixture
def order(tmp_path: Path) -> Order:
    (tmp_path / "typed").mkdir()
    slip = tmp_path / STACKS / "0.ckpt.1234.slip"
    one = task(tmp_path)
    slip.write_text("0 0\n")
    return Order(one, str(slip), str(tmp_path / "typed"), (*sys.path, str(tmp_path / "modules")))


def test_a_worker_trains_as_if_it_were_where_the_command_was_typed(
    order: Order, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = list[Any]()

    def training(one: Task, tell: Callable[[int, int], None]) -> list[Outcome]:
        found.extend([Path.cwd(), sys.path[-1]])
        tell(1, 50)
        tell(0, 20)
        return [OUTCOME]

    monkeypatch.setattr(work, "train_task", training)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = Path.cwd()
    assert work.work(order) == [OUTCOME]
    assert found == [tmp_path / "typed", str(tmp_path / "modules")]
    assert Path.cwd() == before
    assert read_slip(Path(order.slip)) == (1, 70)


def test_an_order_that_is_withdrawn_ends_in_its_middle(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    def training(one: Task, tell: Callable[[int, int], None]) -> list[Outcome]:
        Path(order.slip).unlink()
        try:
            until(lambda: tell(0, 1))
        except Exception as error:  # as a stack does, which takes errors for its own
            return [replace(OUTCOME, reason=str(error))]
        return [OUTCOME]

    monkeypatch.setattr(work, "train_task", training)
    assert work.work(order) is None
    assert not Path(order.slip).exists()


def test_two_workers_never_train_one_stack(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that waits for another is withdrawn while it waits, or begins when the other has ended."""
    begun = threading.Event()

    def training(one: Task, tell: Callable[[int, int], None]) -> list[Outcome]:
        begun.set()
        return [OUTCOME]

    monkeypatch.setattr(work, "train_task", training)
    with ThreadPoolExecutor() as threads:
        with FileLock(lock_of(order.task)):
            first = threads.submit(work.work, order)
            until(lambda: read_slip(Path(order.slip)) == (0, 0) and Path(order.slip).stat().st_size > 4)  # it waits
            Path(order.slip).unlink()
            assert first.result() is None
            assert not begun.is_set()
            Path(order.slip).write_text("0 0\n")
            second = threads.submit(work.work, order)
            until(lambda: Path(order.slip).stat().st_size > 4)
            assert not begun.is_set()
        assert second.result() == [OUTCOME]


def test_a_worker_that_does_not_see_the_sweep_says_so(order: Order, tmp_path: Path) -> None:
    elsewhere = replace(order, slip=str(tmp_path / "other" / STACKS / "0.ckpt.1.slip"))
    found = work.work(elsewhere)
    assert isinstance(found, LabError)
    assert f"does not see {tmp_path / 'other'}" in str(found)


# --- a task that is repeated ---


def test_what_a_dead_worker_has_finished_is_taken_as_it_is(tmp_path: Path) -> None:
    """Of three runs one has its result, as it lies there; the others are trained along with it, and get the same."""
    jobs = [[f"seed={seed}", "trainer.max_steps=20"] for seed in range(3)]
    ends: dict[str, Sequence[Any]] = {}
    for name in ("whole", "again"):
        runs = members(tmp_path / name, ["logger=none"], jobs)
        one = Task(
            0,
            tuple(run.config for run in runs),
            tuple(str(run.directory) for run in runs),
            (False,) * 3,
            Choice("rules"),
            str(tmp_path / name / "0.ckpt"),
            "",
        )
        ends[name] = train_task(one)
    written = {job: RunDirectory(tmp_path / "again" / str(job)).result_path.stat().st_mtime_ns for job in range(3)}
    for job in (0, 2):
        RunDirectory(tmp_path / "again" / str(job)).result_path.unlink()
    assert train_task(one) == ends["again"] == ends["whole"]
    assert RunDirectory(tmp_path / "again" / "1").result_path.stat().st_mtime_ns == written[1]
    assert numbers(tmp_path / "again" / "2") == numbers(tmp_path / "whole" / "2")
    Path(one.state).write_text("of a worker that died between its last result and its answer")
    assert train_task(one) == ends["whole"]
    assert not Path(one.state).exists()


def test_a_lone_run_whose_worker_died_goes_on_from_its_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["optimizer=lbfgs", "data=teacher", "model=two_layer", "logger=none", "trainer.val_every_n_steps=10"]
    for name, steps in (("whole", 20), ("killed", 8)):
        (member,) = members(tmp_path / name, words, [[f"trainer.max_steps={steps}"]])
        (member.directory / ".hydra").mkdir()
        one = Task(
            0, (member.config,), (str(member.directory),), (False,), Choice("torch"), str(tmp_path / "0.ckpt"), ""
        )
        ends = train_task(one)
        if name == "whole":
            whole = ends
    killed = RunDirectory(tmp_path / "killed" / "0")
    killed.result_path.unlink()
    (member,) = members(tmp_path / "killed", words, [["trainer.max_steps=20"]])
    gone_on = list[int]()

    def watched(loop: Loop, kept: Mapping[str, Any], in_place: bool) -> None:
        read_member(loop, kept, in_place)
        gone_on.append(loop.step)

    monkeypatch.setattr("src.run.module.read_member", watched)
    (end,) = train_task(replace(one, configs=(member.config,)))
    assert gone_on == [8]
    assert isinstance(end, Outcome)
    assert isinstance(whole[0], Outcome)
    assert end.metrics == whole[0].metrics
    assert (killed.path / ".hydra").is_dir()
    assert train_task(one) == [end]  # it is finished now


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
    monkeypatch.setattr("src.sweep.executors.dask.PATIENCE", 0.2)
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
    assert [loky._card(slot)["CUDA_VISIBLE_DEVICES"] for slot in range(5)] == ["0", "1", "0", "1", "0"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-7")
    assert [loky._card(slot)["CUDA_VISIBLE_DEVICES"] for slot in range(3)] == ["3", "GPU-7", "3"]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert loky._card(0) == {}
