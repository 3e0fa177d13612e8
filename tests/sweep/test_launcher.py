"""Multiruns that are trained as stacks: what they write, refuse, resume and tell."""

import csv
import errno
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from src.config.compose import CONF
from src.config.schema import Config
from src.engine.checkpoint import read_member
from src.engine.loop import Loop
from src.errors import LabError
from src.run.train import train as trained
from src.run_directory import Result, read_rows
from src.sweep.ledger import Ledger
from tests.sweep.conftest import Multirun, snapshot

Train = Callable[..., Result]
NUMBERS = ("status", "steps", "metrics", "parameters", "exact", "fingerprint")


def results(sweep: Path) -> dict[int, dict[str, Any]]:
    """Every result of a sweep, by number."""
    return {int(path.parent.name): json.loads(path.read_text()) for path in sweep.glob("*/result.json")}


def numbers(sweep: Path) -> dict[int, dict[str, Any]]:
    """What is the same, bit for bit, however a sweep came to its end."""
    return {number: {key: result[key] for key in NUMBERS} for number, result in results(sweep).items()}


def table(sweep: Path) -> list[dict[str, str]]:
    with (sweep / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def stop_after(monkeypatch: pytest.MonkeyPatch, runs: int) -> None:
    """Ctrl-C once so many runs have been told of."""
    left = [runs]

    def interrupted(specs: Any, choice: Any, tell: Callable[[int, int], None], **more: Any) -> Any:
        def count(ended: int, steps: int) -> None:
            tell(ended, steps)
            left[0] -= ended
            if left[0] <= 0:
                raise KeyboardInterrupt

        return trained(specs, choice, tell=count, **more)

    monkeypatch.setattr("src.run.train.train", interrupted)


# --- what is written ---


def test_a_sweep_leaves_the_run_directories_of_its_jobs(multirun: Multirun, train: Train, tmp_path: Path) -> None:
    """Beside lone runs with torch's own classes: the same files, and in float64 the same numbers but for rounding."""
    words = ["model.dtype=float64", "logger=tensorboard", "logger.tensorboard.runs=all"]
    assert multirun("sweep", "optimizer=sgd,adam", "seed=range(0,3)", *words) == 0
    jobs = [(optimizer, seed) for optimizer in ("sgd", "adam") for seed in range(3)]
    lines = table(tmp_path / "sweep")
    for job, (optimizer, seed) in enumerate(jobs):
        alone = train(
            *(str(job), f"optimizer={optimizer}", f"seed={seed}", *words),
            *("trainer.max_steps=20", "trainer.val_every_n_steps=10"),
        )
        there = tmp_path / "sweep" / str(job)
        names = [
            {str(path.relative_to(where)).partition(".tfevents")[0] for path in where.rglob("*")}
            for where in (there, alone.directory)
        ]
        assert names[0] == names[1] - {"fit.csv", "predictions.csv", "way.csv"}  # which only a run alone leaves
        found = results(tmp_path / "sweep")[job]
        assert found.keys() == {*alone.as_json(), "files", "digest"}
        assert found["metrics"] == pytest.approx(alone.metrics, rel=1e-9)
        assert (found["fingerprint"], found["stack_size"]) == (alone.fingerprint, 3)
        row = lines[job]
        assert (row["job"], row["optimizer"], row["seed"], row["steps"]) == (str(job), optimizer, str(seed), "20")
        assert float(row["val/loss"]) == found["metrics"]["val/loss"]
    assert {path.name for path in (tmp_path / "sweep").iterdir()} == {
        *map(str, range(6)), "multirun.yaml", "sweep.json", "results.csv", "tensorboard", ".lock",
    }  # fmt: skip


def test_stacks_are_cut_to_the_memory_they_may_take(multirun: Multirun, tmp_path: Path) -> None:
    words = ["data=teacher", "data.rows=20000", "model=two_layer", "trainer.max_steps=1", "seed=range(0,7)"]
    assert multirun("sweep", *words, "hydra.launcher.memory=8", "trainer.val_every_n_steps=1") == 0
    stacks = list(Ledger.read(tmp_path / "sweep").stacks.values())
    assert len(stacks) > 1
    assert [run for stack in stacks for run in stack] == list(range(7))
    sizes = [len(stack) for stack in stacks for _ in stack]
    assert [results(tmp_path / "sweep")[number]["stack_size"] for number in range(7)] == sizes


def test_a_dry_run_writes_nothing(multirun: Multirun, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ["optimizer=adam,lbfgs", "seed=range(0,4)", "hydra.launcher.dry_run=true"]
    assert multirun("sweep", *words) == 0
    assert list(tmp_path.iterdir()) == []
    out = capfd.readouterr().out
    assert "8 runs (Linear, Line, 20 steps); nothing is trained" in out
    assert out.count("1 of 4") == 2
    assert "LBFGS has no per-member rule" in out


def test_a_dry_run_tells_apart_what_trains_one_by_one(multirun: Multirun, capfd: pytest.CaptureFixture[str]) -> None:
    words = ["optimizer=sgd,momentum", "model=linear,two_layer", "trainer.stepper=torch", "hydra.launcher.dry_run=true"]
    assert multirun("sweep", *words) == 0
    out = capfd.readouterr().out
    assert "4 runs (Line, 20 steps); nothing is trained" in out
    rows = [[cell.strip() for cell in line.split("│")[1:4]] for line in out.splitlines() if "? " in line]
    assert rows[:4] == [[name, model, "1"] for name in ("sgd", "momentum") for model in ("Linear", "TwoLayer")]


# --- resuming ---


def test_an_interrupted_sweep_ends_in_the_same_bits(
    multirun: Multirun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["optimizer=sgd,adam,adagrad", "seed=range(0,3)", "data.batch_size=100"]
    assert multirun("whole", *words) == 0
    with monkeypatch.context() as patch:
        stop_after(patch, 4)
        assert multirun("sweep", *words) == 130
    told = capfd.readouterr().err
    assert "interrupted: 6 of 9 runs are finished; go on with: python -m src.train -m " in told
    assert f"hydra.sweep.dir={tmp_path / 'sweep'}" in told
    assert [row["status"] for row in table(tmp_path / "sweep")] == [*["completed"] * 6, *["unfinished"] * 3]
    before = snapshot(tmp_path / "sweep")
    assert multirun("sweep", *words) == 0
    assert numbers(tmp_path / "sweep") == numbers(tmp_path / "whole")
    after = snapshot(tmp_path / "sweep")
    finished = {path for path in before if path.endswith("result.json")}
    assert len(finished) == 6
    assert all(after[path] == before[path] for path in before if str(Path(path).parent / "result.json") in finished)
    for number in range(9):
        curves = [read_rows(tmp_path / name / str(number) / "metrics.csv") for name in ("whole", "sweep")]
        assert curves[0] == curves[1]


def test_what_is_finished_is_not_trained_along(multirun: Multirun, tmp_path: Path) -> None:
    """A run that was lost ends in the same numbers in a stack of its own, and nothing of the others is written."""
    assert multirun("sweep", "seed=range(0,4)") == 0
    known, before = numbers(tmp_path / "sweep"), snapshot(tmp_path / "sweep")
    shutil.rmtree(tmp_path / "sweep" / "2")
    assert multirun("sweep", "seed=range(0,4)") == 0
    assert numbers(tmp_path / "sweep") == known
    after = snapshot(tmp_path / "sweep")
    kept = [path for path in before if Path(path).parent.name in "013" and Path(path).parent.parent.name == "sweep"]
    assert len(kept) >= 6
    assert all(after[path] == before[path] for path in kept)


def test_a_larger_grid_trains_only_what_is_new(multirun: Multirun, tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    assert multirun("sweep", "optimizer.lr=0.1,0.2", "seed=0,1") == 0
    before = snapshot(sweep / "0") | snapshot(sweep / "3")
    assert multirun("sweep", "seed=0,1,2", "optimizer.lr=0.05,0.1,0.2") == 0
    assert snapshot(sweep / "0") | snapshot(sweep / "3") == before
    rows = [(row["job"], row["optimizer.lr"], row["seed"]) for row in table(sweep)]
    assert rows[:4] == [("0", "0.1", "0"), ("1", "0.1", "1"), ("2", "0.2", "0"), ("3", "0.2", "1")]
    assert [row[1:] for row in rows[4:]] == [
        ("0.05", "0"), ("0.05", "1"), ("0.05", "2"), ("0.1", "2"), ("0.2", "2"),
    ]  # fmt: skip
    assert Ledger.read(sweep).stacks == {0: [0, 1, 2, 3], 1: [4, 5, 6, 7, 8]}


def test_a_sweep_of_something_else_writes_nothing(
    multirun: Multirun, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert multirun("sweep", "seed=0,1") == 0
    before = snapshot(tmp_path / "sweep")
    assert multirun("sweep", "seed=0,1,2", "data.rows=100", "optimizer=adam") == 1
    told = capfd.readouterr().err
    assert "differs in what neither sweeps: data.rows (500 then, 100 now), optimizer._target_ (torch.optim.SGD" in told
    assert snapshot(tmp_path / "sweep") == before
    assert multirun("sweep", "seed=0,1", "hydra/launcher=basic") == 1
    assert "already holds a sweep" in capfd.readouterr().err
    assert snapshot(tmp_path / "sweep") == before


def test_a_lone_run_goes_on_from_its_own_checkpoint(
    multirun: Multirun, train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """With a callback that acts on one run. One that was killed after 8 steps, as it would lie there."""
    words = ["optimizer=lbfgs", "data=teacher", "model=two_layer", "callbacks=time_limit"]
    assert multirun("sweep", *words, "seed=1,2") == 0
    assert capfd.readouterr().out.count("2 runs train one by one: the callback TimeLimit acts on one run") == 1
    known, run = numbers(tmp_path / "sweep"), tmp_path / "sweep" / "1"
    shutil.rmtree(run)
    killed = train("killed", *words, "seed=2", "trainer.max_steps=8", "trainer.val_every_n_steps=10")
    shutil.copytree(killed.directory, run)
    (run / "result.json").unlink()
    begun = list[int]()

    def watched(loop: Loop, kept: Mapping[str, Any], in_place: bool) -> None:
        read_member(loop, kept, in_place)
        begun.append(loop.step)

    monkeypatch.setattr("src.run.module.read_member", watched)
    assert multirun("sweep", *words, "seed=1,2") == 0
    assert begun == [8]
    assert numbers(tmp_path / "sweep") == known
    assert not (tmp_path / "sweep" / ".stacks").exists()


def stop_at_step(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """Ctrl-C once so many run-steps were taken."""
    left = [steps]

    def interrupted(specs: Any, choice: Any, tell: Callable[[int, int], None], **more: Any) -> Any:
        def count(ended: int, steps: int) -> None:
            tell(ended, steps)
            left[0] -= steps
            if left[0] <= 0:
                raise KeyboardInterrupt

        return trained(specs, choice, tell=count, **more)

    monkeypatch.setattr("src.run.train.train", interrupted)


def test_an_option_of_ones_own_that_changes_after_an_interruption_is_trained_from_the_start(
    multirun: Multirun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A stack had a checkpoint of the old slope; what is finished is not mixed with the new one."""
    (tmp_path / "mine" / "experiment").mkdir(parents=True)

    def write(name: str, slope: int) -> None:
        text = f"# @package _global_\ndata:\n  slope: {slope}\n"
        (tmp_path / "mine" / "experiment" / f"{name}.yaml").write_text(text)

    write("a", 1)
    write("b", 2)
    words = ["experiment=a,b", f"hydra.searchpath=[file://{tmp_path / 'mine'}]", "data.batch_size=100"]
    words += ["callbacks.checkpoint.every_n_steps=10"]
    with monkeypatch.context() as patch:
        stop_at_step(patch, 30)
        assert multirun("sweep", *words) == 130
    assert (tmp_path / "sweep" / ".stacks" / "0.ckpt").is_file()
    write("b", 5)
    assert multirun("sweep", *words) == 0
    assert multirun("straight", *words) == 0
    assert numbers(tmp_path / "sweep") == numbers(tmp_path / "straight")
    assert [row["status"] for row in table(tmp_path / "sweep")] == ["completed"] * 2
    write("a", 7)
    assert multirun("sweep", *words) == 1
    assert "what run 0 was trained with has changed since (the table, or an option of your own)" in (
        capfd.readouterr().err
    )


def test_what_cannot_be_imported_any_more_is_told_before_anything_is_written(
    multirun: Multirun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Of runs that the directory has already, but not finished."""
    (tmp_path / "gone_later.py").write_text("from torch.optim import SGD\n\n\nclass Mine(SGD):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    words = ["optimizer._target_=gone_later.Mine", "seed=1,2"]
    with monkeypatch.context() as patch:
        stop_at_step(patch, 10)
        assert multirun("sweep", *words) == 130
    before = snapshot(tmp_path / "sweep")
    (tmp_path / "gone_later.py").unlink()
    monkeypatch.delitem(sys.modules, "gone_later")
    assert multirun("sweep", *words) == 1
    assert "optimizer._target_=gone_later.Mine cannot be imported" in capfd.readouterr().err
    assert snapshot(tmp_path / "sweep") == before


# --- mistakes and failures ---


def test_every_wrong_value_is_told_at_once_and_nothing_is_written(
    multirun: Multirun, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert multirun("sweep", "optimizer=sgd,adma", "optimizer.lr=-1,0.1", "seed=range(0,3)", "data.rows=0,10") == 1
    told = capfd.readouterr().err
    assert "optimizer=adma: there is no such choice; did you mean adam?" in told
    assert "(12 of 24 jobs)" in told
    assert "optimizer.lr=-1: must be greater than 0 (6 of 24 jobs)" in told
    assert "data.rows=0: must be greater than 0 (6 of 24 jobs)" in told
    assert told.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["seed=range(0,200)", "hydra.launcher.max_runs=100"], "200 runs are more than hydra.launcher.max_runs=100"),
        (["seed=range(0,2000000)"], "these are more than 1,000,000 values"),
        (["hydra.launcher.max_runs=0"], "hydra.launcher.max_runs=0: must be greater than 0"),
        (["hydra.launcher.backend=lokyy"], "hydra.launcher.backend=lokyy: must be one of "),
        (["hydra.launcher.dry_run=maybe"], "hydra.launcher.dry_run='maybe': must be a valid boolean"),
        (["hydra.job.chdir=true"], "hydra.job.chdir=true: stacks train in one process, which stays where it is"),
        (["hydra.sweep.subdir=mine"], "hydra.sweep.subdir=mine: stacks number their run directories"),
        (["hydra/sweeper=basic", "hydra.launcher.dry_run=true"], "needs the jobs beforehand"),
        (["hydra/launcher=basic", "hydra.sweeper.rungs=[5]"], "rungs needs hydra/launcher=stack"),
        (["hydra/sweeper=basic", "confirm_seeds=2"], "needs hydra/sweeper=grid: hydra/sweeper=basic"),
        (["seed=${nothing},1"], "seed: Interpolation key 'nothing' not found (1 of 2 jobs)"),
    ],
)
def test_what_is_refused(
    multirun: Multirun, tmp_path: Path, capfd: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    assert multirun("sweep", *words) == 1
    assert sentence in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_what_fails_is_kept_and_tried_again_when_asked(
    multirun: Multirun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    good, late = tmp_path / "good.csv", tmp_path / "late.csv"
    for path in (good, late):
        path.write_text("x,y\n" + "".join(f"{x},{2 * x + 1}\n" for x in range(20)))
    words = ["data=table", f"data.path={late},{good}", "data.target=y", "seed=0,1"]

    def away(config: Config, problem: Any, loss: Any) -> None:
        """The tables were there when the sweep began, and one is gone when its stack does."""
        path = config.data.arguments()["path"]
        if path == str(late):
            raise LabError(f"data.path={path}: it cannot be read")

    with monkeypatch.context() as patch:
        patch.setattr("src.run.build._check_watched", away)
        assert multirun("sweep", *words) == 1
    told = capfd.readouterr().err
    assert told.startswith("error: 2 of 4 runs failed: ")
    assert "late.csv" in told
    assert "(jobs 0, 1); fix that and try them again with hydra.launcher.retry_failed=true" in told
    assert [row["status"] for row in table(tmp_path / "sweep")] == ["failed", "failed", "completed", "completed"]
    assert "late.csv" in table(tmp_path / "sweep")[0]["reason"]
    known = numbers(tmp_path / "sweep")
    assert multirun("sweep", *words) == 1
    assert numbers(tmp_path / "sweep") == known
    assert multirun("sweep", *words, "hydra.launcher.retry_failed=true") == 0
    assert set(results(tmp_path / "sweep")) == {0, 1, 2, 3}
    assert {number: numbers(tmp_path / "sweep")[number] for number in known} == known


def test_a_bug_in_a_stack_takes_no_other_with_it(
    multirun: Multirun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def stumbling(specs: Any, *rest: Any, **knobs: Any) -> Any:
        if specs[0].config.optimizer.target_.endswith("Adam"):
            raise MemoryError("out of memory")
        return trained(specs, *rest, **knobs)

    monkeypatch.setattr("src.run.train.train", stumbling)
    assert multirun("sweep", "optimizer=adam,sgd", "seed=0,1") == 1
    told = capfd.readouterr().err
    assert re.search(r"2 of 4 runs failed: MemoryError at test_launcher.py:\d+: out of memory \(jobs 0, 1\)", told)
    assert set(results(tmp_path / "sweep")) == {2, 3}


def test_on_a_full_disk_what_is_finished_stays(
    multirun: Multirun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def full(specs: Any, *rest: Any, **knobs: Any) -> Any:
        if specs[0].config.optimizer.target_.endswith("Adam"):
            raise OSError(errno.ENOSPC, "No space left on device", "5/metrics.csv")
        return trained(specs, *rest, **knobs)

    with monkeypatch.context() as patch:
        patch.setattr("src.run.train.train", full)
        assert multirun("sweep", "optimizer=sgd,adam,adagrad", "seed=0,1") == 1
    told = capfd.readouterr().err
    assert "No space left on device); 2 of 6 runs are finished; go on with: python -m src.train -m" in told
    known = numbers(tmp_path / "sweep")
    assert set(known) == {0, 1}
    assert multirun("sweep", "optimizer=sgd,adam,adagrad", "seed=0,1") == 0
    assert {number: numbers(tmp_path / "sweep")[number] for number in known} == known
    assert len(numbers(tmp_path / "sweep")) == 6


# --- other sweepers, and what comes after ---


def test_batches_of_another_sweeper(multirun: Multirun, tmp_path: Path) -> None:
    """Hydra's own hands over two jobs at a time, as Optuna does: each batch is a stack, in one directory."""
    words = ["optimizer.lr=0.1,0.2", "seed=0,1,2", "hydra/sweeper=basic"]
    assert multirun("sweep", *words, "hydra.sweeper.max_batch_size=2") == 0
    ledger = Ledger.read(tmp_path / "sweep")
    assert ledger.stacks == {0: [0, 1], 1: [2, 3], 2: [4, 5]}
    assert len(ledger.calls) == 1
    rows = [(row["optimizer.lr"], row["seed"]) for row in table(tmp_path / "sweep")]
    assert rows == [(lr, seed) for lr in ("0.1", "0.2") for seed in ("0", "1", "2")]
    before = snapshot(tmp_path / "sweep" / "4")
    # the grid of the project's own sweeper goes on in the same directory
    assert multirun("sweep", "optimizer.lr=0.1,0.2", "seed=0,1,2,3") == 0
    assert len(table(tmp_path / "sweep")) == 8
    assert snapshot(tmp_path / "sweep" / "4") == before


def test_what_a_sweeper_is_given_to_minimize(
    multirun: Multirun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from src.sweep.launcher import StackLauncher

    given, launch = list[Any](), StackLauncher.launch

    def watched(launcher: StackLauncher, *words: Any, **numbers: Any) -> Any:
        given.extend(launch(launcher, *words, **numbers))
        return given

    monkeypatch.setattr(StackLauncher, "launch", watched)
    assert multirun("sweep", "optimizer.lr=0.1,1e30,0.2") == 0
    found = results(tmp_path / "sweep")
    assert [job.return_value for job in given] == [
        found[0]["metrics"]["val/loss"], float("inf"), found[2]["metrics"]["val/loss"],
    ]  # fmt: skip
    assert found[1]["status"] == "diverged"


def test_winners_are_confirmed_on_fresh_seeds(
    multirun: Multirun, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["optimizer=sgd,adam", "optimizer.lr=0.01,0.1", "seed=0,1", "confirm_seeds=3"]
    assert multirun("sweep", *words) == 0
    rows = table(tmp_path / "sweep")
    searched, confirming = rows[:8], rows[8:]

    def loss(optimizer: str, lr: str) -> float:
        of_one = [row for row in searched if (row["optimizer"], row["optimizer.lr"]) == (optimizer, lr)]
        return sum(float(row["val/loss"]) for row in of_one) / len(of_one)

    best = {optimizer: min(("0.01", "0.1"), key=lambda lr: loss(optimizer, lr)) for optimizer in ("sgd", "adam")}
    assert [(row["optimizer"], row["optimizer.lr"], row["seed"]) for row in confirming] == [
        (optimizer, best[optimizer], seed) for optimizer in ("sgd", "adam") for seed in ("2", "3", "4")
    ]
    for row in confirming:
        winner = searched[int(row["confirms"])]
        assert (winner["optimizer"], winner["optimizer.lr"], winner["seed"]) == (
            row["optimizer"],
            row["optimizer.lr"],
            "0",
        )
    assert "test/loss" in capfd.readouterr().out
    before = snapshot(tmp_path / "sweep" / "8")
    assert multirun("sweep", *words) == 0
    assert len(table(tmp_path / "sweep")) == 14
    assert snapshot(tmp_path / "sweep" / "8") == before


def test_the_plugin_is_found_by_hydra_alone() -> None:
    """The stub is executed at every start, so it must not import torch."""
    code = (
        "import sys; import src.train as t; sys.path.append(str(t.PLUGINS)); from hydra.core.plugins import Plugins; "
        "names = Plugins.instance().class_name_to_class; assert 'torch' not in sys.modules; "
        "print(*[name for name in names if 'descent_lab' in name])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=CONF.parent, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [
        "hydra_plugins.descent_lab.GridSweeper", "hydra_plugins.descent_lab.StackLauncher",
    ]  # fmt: skip


def test_stacks_import_neither_lightning_nor_torchs_compiler(tmp_path: Path) -> None:
    """They take as long as all else that a sweep of 1,000 lines does, and torch's own optimizers import the latter."""
    words = ["-m", "seed=1,2", "optimizer=adam,textbook_momentum", "scheduler=cosine", "trainer.max_steps=3"]
    words += ["logger=none", "hydra.sweeper.report=false"]
    code = (
        f"import sys, src.train; sys.argv = ['train.py', *{words}]; src.train.main(); "
        "print(sorted({'lightning', 'torch._dynamo', 'torch'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(CONF.parent)}
    line = [sys.executable, "-c", code]
    done = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "['torch']"
    assert len(list(tmp_path.glob("outputs/sweeps/*/*/result.json"))) == 4


@pytest.mark.parametrize("inside", ["conf", "null"])
def test_where_hydra_writes_is_what_others_read(
    inside: str, multirun: Multirun, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Runs that train one by one could not, and no retry helped; without `.hydra/` nothing can go on."""
    assert multirun("sweep", "optimizer=lbfgs", "seed=1,2", f"hydra.output_subdir={inside}") == 1
    sentence = capfd.readouterr().err
    assert (
        f"hydra.output_subdir={inside}: leave it out; a resume and the report read a run's config in .hydra/"
        in sentence
    )
    assert list(tmp_path.iterdir()) == []
