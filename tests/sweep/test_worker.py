"""What a worker does with a stack: where, alone, until it is told to stop, and what it takes over from a dead one."""

import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from src.config.compose import CONF
from src.engine.checkpoint import read_member
from src.engine.choose_stepper import Choice
from src.engine.loop import Loop
from src.errors import LabError
from src.run.build import RunSpec
from src.run_directory import RunDirectory
from src.sweep import worker
from src.sweep.ledger import STACKS, Outcome
from src.sweep.worker import Heartbeat, StackTask, attempt, work
from tests.run.runs import members, numbers
from tests.sweep.waiting import until

Train = Callable[[StackTask, Heartbeat], dict[Path, str]]


def stack(root: Path, specs: Sequence[RunSpec], stepper: Any = "rules") -> StackTask:
    """A stack of runs below `root`."""
    (root / STACKS).mkdir(parents=True, exist_ok=True)
    return StackTask(0, tuple(specs), Choice(stepper), str(root / STACKS / "0.ckpt"), str(root), ())


def silent(runs: int, steps: int) -> None:
    """Tell nobody."""


def heartbeat(task: StackTask) -> Heartbeat:
    """Of a command that waits for the stack."""
    path = Path(task.kept).with_suffix(".0123.beat")
    path.write_text("0 0\n")
    return Heartbeat(path)


@pytest.fixture
def task(tmp_path: Path) -> StackTask:
    """A stack without runs, of which a test says how it is trained."""
    return stack(tmp_path, ())


def test_a_worker_imports_torch_when_it_works() -> None:
    code = "import sys, src.sweep.worker; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=CONF.parent, check=True)


def test_a_worker_trains_as_if_it_were_where_the_command_was_typed(
    task: StackTask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = list[Any]()

    def training(one: StackTask, tell: Heartbeat) -> dict[Path, str]:
        found.extend([Path.cwd(), sys.path[-1]])
        tell(0, 50)
        tell(1, 20)
        return {}

    monkeypatch.setattr(worker, "_train", training)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before, beat = Path.cwd(), heartbeat(task)
    (tmp_path / "typed").mkdir()
    typed = replace(task, cwd=str(tmp_path / "typed"), sys_path=(*sys.path, str(tmp_path / "modules")))
    assert attempt(typed, beat) == []
    assert found == [tmp_path / "typed", str(tmp_path / "modules")]
    assert Path.cwd() == before
    assert beat.path.read_text().split() == ["1", "70"]


def test_a_worker_stops_in_the_middle_when_its_command_has_ended(
    task: StackTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    beat = heartbeat(task)

    def training(one: StackTask, tell: Heartbeat) -> dict[Path, str]:
        beat.path.unlink()
        try:
            until(lambda: tell(0, 1))
        except Exception as error:  # as a stack does, which takes errors for its own
            raise AssertionError("it takes this for an error") from error
        raise AssertionError("it goes on")

    monkeypatch.setattr(worker, "_train", training)
    assert isinstance(attempt(task, beat), LabError)
    assert not beat.path.exists()


def test_two_workers_never_train_one_stack(task: StackTask, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that waits for another is stopped while it waits, or begins when the other has ended."""
    begun, beat = threading.Event(), heartbeat(task)

    def training(*rest: Any) -> dict[Path, str]:
        begun.set()
        return {}

    monkeypatch.setattr(worker, "_train", training)
    monkeypatch.setattr(worker, "EVERY", 0.01)

    def wait() -> None:
        until(lambda: beat.path.read_text().split() == ["0", "0"] and beat.path.stat().st_size > 4)

    with ThreadPoolExecutor() as threads:
        with FileLock(Path(task.kept).with_suffix(".lock")):
            first = threads.submit(attempt, task, beat)
            wait()
            beat.path.unlink()
            assert isinstance(first.result(), LabError)
            assert not begun.is_set()
            beat.path.write_text("0 0\n")
            second = threads.submit(attempt, task, Heartbeat(beat.path))
            wait()
            assert not begun.is_set()
        assert second.result() == []


@pytest.mark.parametrize("error", [LabError("full"), worker.Stopped(), KeyboardInterrupt(), ZeroDivisionError()])
def test_the_next_worker_need_not_wait_for_one_that_has_stumbled(
    task: StackTask, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def stumbling(*rest: Any) -> Any:
        raise error

    monkeypatch.setattr(worker, "FULL_ERROR", True)
    monkeypatch.setattr(worker, "_train", stumbling)
    with pytest.raises(type(error)) as raised:
        work(task, silent)
    with FileLock(Path(task.kept).with_suffix(".lock"), blocking=False):
        assert raised.value is error  # whose traceback keeps alive whatever has held the lock


def test_a_worker_that_does_not_see_the_sweep_says_so(task: StackTask, tmp_path: Path) -> None:
    elsewhere = replace(task, kept=str(tmp_path / "other" / STACKS / "0.ckpt"))
    found = attempt(elsewhere, Heartbeat(tmp_path / "other" / STACKS / "0.0123.beat"))
    assert str(found) == (f"a worker does not see {tmp_path / 'other' / STACKS}, which all machines have to share")
    assert not (tmp_path / "other").exists()


# --- a stack that is tried again ---


def test_what_a_dead_worker_has_finished_is_taken_as_it_is(tmp_path: Path) -> None:
    """Of three runs one has its result, as it lies there; the others are trained without it, and get the same."""
    jobs = [[f"seed={seed}", "trainer.max_steps=20"] for seed in range(3)]
    ends: dict[str, Sequence[Any]] = {}
    for name in ("whole", "again"):
        one = stack(tmp_path / name, members(tmp_path / name, ["logger=none"], jobs))
        ends[name] = work(one, silent)
    written = {job: RunDirectory(tmp_path / "again" / str(job)).result_path.stat().st_mtime_ns for job in range(3)}
    for job in (0, 2):
        RunDirectory(tmp_path / "again" / str(job)).result_path.unlink()
    assert work(one, silent) == ends["again"] == ends["whole"]
    assert RunDirectory(tmp_path / "again" / "1").result_path.stat().st_mtime_ns == written[1]
    assert numbers(tmp_path / "again" / "2") == numbers(tmp_path / "whole" / "2")
    Path(one.kept).write_text("of a worker that died between its last result and its answer")
    assert work(one, silent) == ends["whole"]
    assert not Path(one.kept).exists()


def test_a_lone_run_begins_anew_only_where_its_checkpoint_is_no_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table that is away for now says nothing against it."""
    words = ["optimizer=lbfgs", "logger=none", "trainer.val_every_n_steps=10"]
    (member,) = members(tmp_path, words, [["trainer.max_steps=8"]])
    one, run = stack(tmp_path, [member], "torch"), RunDirectory(member.directory)
    work(one, silent)
    run.result_path.unlink()
    before = run.last_checkpoint.read_bytes()

    def away(*rest: Any) -> Any:
        raise LabError("it cannot be read now")

    (longer,) = members(tmp_path, words, [["trainer.max_steps=20"]])
    with monkeypatch.context() as patch:
        patch.setattr("src.run.build.build_problem", away)
        assert work(replace(one, specs=(longer,)), silent) == ["it cannot be read now"]
    assert run.last_checkpoint.read_bytes() == before
    (other,) = members(tmp_path, words, [["trainer.max_steps=8", "seed=7"]])
    (whole,) = members(tmp_path / "whole", words, [["trainer.max_steps=8", "seed=7"]])
    ends = work(stack(tmp_path / "whole", [whole], "torch"), silent)
    for content in (before, before[:100]):
        run.result_path.unlink(missing_ok=True)
        run.last_checkpoint.write_bytes(content)
        assert work(replace(one, specs=(other,)), silent) == ends
        assert numbers(run.path) == numbers(whole.directory)


def test_a_lone_run_whose_worker_died_goes_on_from_its_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["optimizer=lbfgs", "data=teacher", "model=two_layer", "logger=none", "trainer.val_every_n_steps=10"]
    for name, steps in (("whole", 20), ("killed", 8)):
        (member,) = members(tmp_path / name, words, [[f"trainer.max_steps={steps}"]])
        (member.directory / ".hydra").mkdir()
        one = stack(tmp_path / name, [member], "torch")
        ends = work(one, silent)
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
    (end,) = work(replace(one, specs=(member,)), silent)
    assert gone_on == [8]
    assert isinstance(end, Outcome)
    assert isinstance(whole[0], Outcome)
    assert end.metrics == whole[0].metrics
    assert (killed.path / ".hydra").is_dir()
    assert work(one, silent) == [end]  # it is finished now
