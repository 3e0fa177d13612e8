"""Successive halving in a stack: who leaves at a rung, to which bits the others and those that go on later come."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from src.compare.halving import Halving
from src.engine.loop import Loop
from src.errors import LabError
from src.run import train as training
from src.run.member_directories import write_members
from src.run.resume import load_stack
from src.run_directory import RunDirectory, read_rows
from src.sweep.call import ask
from src.sweep.jobs import Composer
from src.sweep.ledger import STACKS, Ledger
from src.sweep.options import Launching
from src.sweep.planning import Plan, plan
from src.sweep.sweep import check_rungs
from src.sweep.worker import StackTask, work
from tests.run.runs import members, numbers
from tests.sweep.conftest import Multirun, snapshot
from tests.sweep.test_launcher import table
from tests.sweep.test_planning import OPTIONS
from tests.sweep.test_worker import silent, stack

RATES, SEEDS, RUNGS = ("0.01", "1e9", "0.3", "0.1", "0.03", "0.5"), (0, 1), [4, 9]
WORDS = ["data.batch_size=100", "trainer.max_steps=20", "trainer.val_every_n_steps=2", "logger=none"]
JOBS = [(f"optimizer.lr={rate}", f"seed={seed}") for rate in RATES for seed in SEEDS]
SETTINGS = [[2 * index, 2 * index + 1] for index in range(len(RATES))]


def train(root: Path, *words: str, halving: Halving | None = None) -> StackTask:
    task = replace(stack(root, members(root, [*WORDS, *words], JOBS)), halving=halving)
    work(task, silent)
    return task


def halving(keep: str = "1/2") -> Halving:
    return Halving(RUNGS, keep, settings=SETTINGS, parts=[1, 2])


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs that were never raced."""
    root = tmp_path_factory.mktemp("plain")
    train(root)
    return root


@pytest.fixture(scope="module")
def raced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half of six settings at step 4, a quarter at step 9, which is no multiple of the validations'."""
    root = tmp_path_factory.mktemp("raced")
    train(root, halving=halving())
    return root


def ends(root: Path) -> list[tuple[str, int]]:
    results = [RunDirectory(root / str(run)).read_result() for run in range(len(JOBS))]
    return [(one["status"], one["steps"]) for one in results]


def test_those_behind_are_cut_and_the_others_are_as_if_they_were_never_raced(
    plain: Path, raced: Path, tmp_path: Path
) -> None:
    at_4 = [dict(read_rows(plain / str(run) / "metrics.csv")).get(4, {}).get("val/loss") for run in range(len(JOBS))]
    train(tmp_path, "trainer.max_steps=9")
    at_9 = [RunDirectory(tmp_path / str(run)).read_result()["metrics"]["val/loss"] for run in range(len(JOBS))]

    def ranked(losses: Sequence[float | None], among: Sequence[int]) -> list[int]:
        of_seeds = {s: [losses[run] for run in SETTINGS[s]] for s in among}
        products = {s: math.inf if None in each else math.prod(filter(None, each)) for s, each in of_seeds.items()}
        return sorted(among, key=products.__getitem__)

    first = ranked(at_4, range(len(RATES)))
    second = ranked(at_9, first[:3])
    known = dict.fromkeys(first[3:], ("cut", 4)) | dict.fromkeys(second[2:], ("cut", 9))
    known |= dict.fromkeys(second[:2], ("completed", 20))
    assert ends(plain)[2:4] == [("diverged", 1)] * 2 == ends(raced)[2:4]
    known[1] = ("diverged", 1)
    assert ends(raced) == [known[run // 2] for run in range(len(JOBS))]
    for run, (status, _) in enumerate(ends(raced)):
        if status != "cut":
            assert numbers(raced / str(run)) == numbers(plain / str(run))
    reason = RunDirectory(raced / str(SETTINGS[second[2]][0])).read_result()["reason"]
    assert reason == "cut at step 9: 2 of 3 settings went on"


def test_one_that_evaluates_other_parameters_than_it_trains_is_not_moved_by_the_look_at_a_rung(tmp_path: Path) -> None:
    words = ["optimizer=schedule_free_adamw", "model=two_layer", "model.hidden=200", "trainer.max_steps=12"]
    for name, asked in (("plain", None), ("raced", halving())):
        train(tmp_path / name, *words, "data.rows=100", halving=asked)
    on = [run for run, (status, _) in enumerate(ends(tmp_path / "raced")) if status == "completed"]
    assert len(on) >= 2
    for run in on:
        assert numbers(tmp_path / "raced" / str(run)) == numbers(tmp_path / "plain" / str(run))


@pytest.mark.parametrize("rung", [1, 2])
def test_a_race_that_is_killed_while_it_writes_who_is_cut_ends_in_the_same_bits(
    raced: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rung: int
) -> None:
    left, begun = [rung], list[int]()

    def killed(loop: Loop, some: Sequence[Any], *rest: Any) -> Any:
        """Those that have diverged are written first."""
        left[0] -= 1
        if left[0] == -1:
            write_members(loop.select([0]), some[:1], *rest)
            raise KeyboardInterrupt
        return write_members(loop, some, *rest)

    def watched(loop: Loop, *rest: Any) -> None:
        load_stack(loop, *rest)
        begun.append(loop.step)

    monkeypatch.setattr(training, "write_members", killed)
    monkeypatch.setattr(training, "load_stack", watched)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, halving=halving())
    train(tmp_path, halving=halving())
    assert begun == [0, 0 if rung == 1 else 4]
    for run in range(len(JOBS)):
        assert numbers(tmp_path / str(run)) == numbers(raced / str(run))
    assert {path.name for path in (tmp_path / STACKS).glob("*.ckpt")} == {"1.ckpt", "2.ckpt"}


def test_what_was_cut_goes_on_under_other_rungs_as_if_it_was_never_raced(
    multirun: Multirun, plain: Path, raced: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    begun = list[tuple[int, int]]()

    def watched(loop: Loop, *rest: Any) -> None:
        load_stack(loop, *rest)
        begun.append((loop.step, len(loop.ids)))

    monkeypatch.setattr(training, "load_stack", watched)
    words = [*WORDS, f"optimizer.lr={','.join(RATES)}", f"seed={','.join(map(str, SEEDS))}"]
    few, raced_words = "hydra.launcher.files=few", [*words, "hydra.sweeper.rungs=[4,9]", "hydra.sweeper.keep=0.5"]
    assert multirun("sweep", *raced_words, few) == 0
    assert "settings were cut at steps 4 and 9" in capfd.readouterr().out
    for run in range(len(JOBS)):
        assert numbers(tmp_path / "sweep" / str(run)) == numbers(raced / str(run))
    before = snapshot(tmp_path / "sweep")
    assert multirun("sweep", *raced_words) == 0
    runs = {path for path in before if Path(path).parent.name == "columns"}
    after = snapshot(tmp_path / "sweep")
    assert all(after[path] == before[path] for path in runs)
    assert begun == [(0, 12)]
    at_4, at_9 = (ends(tmp_path / "sweep").count(("cut", rung)) for rung in RUNGS)
    assert multirun("sweep", *raced_words, "seed=0,1,2") == 0  # new seeds go as far as the others
    rows = table(tmp_path / "sweep")
    first, third = ([row["steps"] for row in rows if row["seed"] == seed] for seed in "02")
    assert third == first
    assert multirun("sweep", *words, few) == 0
    assert begun[1:] == [(0, 6), (4, at_4), (9, at_9)]
    for run in range(len(JOBS)):
        assert numbers(tmp_path / "sweep" / str(run)) == numbers(plain / str(run))
    ledger = Ledger.read(tmp_path / "sweep")
    assert len(ledger.parts()) == 2  # of the third seeds, which were not asked for


# --- how settings are put into stacks ---


def planned(root: Path, jobs: Sequence[Sequence[str]], asked: Halving, **options: Any) -> Plan:
    found, call = ask(
        jobs, ["optimizer=a,b", "optimizer.lr=1,2", "seed=0,1", "data.noise=1,2"], {}, Composer(["logger=none"])
    )
    ledger = Ledger(root)
    entries = ledger.enter(found, ledger.begin(call))
    return plan(found, entries, ledger, Launching.model_validate(OPTIONS | options), 2, asked)


def test_a_stack_has_the_settings_of_one_optimizer_on_one_problem(tmp_path: Path) -> None:
    """Whether it has a rule or not; a stack that must be small has whole settings."""
    seeds = [("seed=0",), ("seed=1",)]
    jobs = [
        (f"optimizer={name}", f"optimizer.lr={rate}", f"data.noise={noise}", *seed)
        for noise in (1, 2) for name in ("sgd", "adam", "lbfgs") for rate in (1, 2, 3) for seed in seeds
    ]  # fmt: skip
    found = planned(tmp_path, jobs, Halving([30, 100], "1/3"))
    raced = [stack for stack in found.stacks if stack.halving]
    assert [stack.runs for stack in raced] == [tuple(range(n, n + 6)) for n in range(0, 36, 6)]
    assert [stack.halving.settings for stack in raced if stack.halving][1] == [[6, 7], [8, 9], [10, 11]]
    numbers = [number for stack in raced for number in (stack.number, *(stack.halving.parts if stack.halving else ()))]
    assert len(set(numbers)) == len(numbers) == 6 * 3
    assert raced == found.stacks
    large = ("data=teacher", "data.rows=20000", "model=two_layer")
    wide = [(*large, f"optimizer.lr={rate}", *seed) for rate in (1, 2, 3, 4, 5) for seed in seeds]
    of_memory = {
        memory: planned(tmp_path, wide, Halving([30], "1/3"), memory=memory).stacks for memory in (1, 30, 1024)
    }
    assert [len(stack.runs) for stack in of_memory[1024]] == [10]
    assert [len(stack.runs) for stack in of_memory[30]] == [4, 6]
    assert of_memory[30][0].remark == "5 settings are raced in 2 stacks of hydra.launcher.memory, each by itself"
    assert all(stack.halving is None for stack in of_memory[1])
    assert of_memory[1][0].remark.endswith("does not hold two settings: all are trained to the end")


def test_rungs_that_no_run_comes_to() -> None:
    check_rungs(Halving([30, 100], "1/3"), 100)
    with pytest.raises(LabError, match=r"rungs=\[30, 100\]: rungs lie before the end of a run, and the longest has 60"):
        check_rungs(Halving([30, 100], "1/3"), 60)
