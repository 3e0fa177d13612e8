import json
import math
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from src.engine.checkpoint import FORMAT
from src.engine.choose_stepper import Choice, choose_stepper
from src.engine.compiled import compiler
from src.errors import LabError
from src.run import run
from src.run.build import RunSpec
from src.run.step_time import rehearse
from src.run.train import tell_once, train
from src.run_directory import Result, RunDirectory, read_rows
from src.run_directory.checkpoint_file import save
from src.sweep.stacking import program
from tests.conftest import LONG_TESTS
from tests.run.runs import RULES, alone, members, numbers, stacked, train_alone, train_stack

# of each optimizer the learning rates that neither stand still nor leave everything at once; textbook_adam and
# textbook_rmsprop, which forget soon how large gradients were, make rounding grow past 1e-9 at any
RATES = {
    "sgd": (1e-3, 0.3),
    "momentum": (1e-4, 0.05),
    "nesterov": (1e-4, 0.05),
    "adagrad": (1e-3, 0.1),  # at 0.2 a network jumps out of its valley, and rounding grows with it
    "rmsprop": (1e-4, 1e-2),
    "adadelta": (1e-2, 1.0),  # at 2.8 it jumps, and rounding grows a millionfold in twenty steps
    "adam": (1e-4, 0.1),
    "adamw": (1e-4, 0.1),
    "adamax": (1e-4, 0.1),
    "nadam": (1e-4, 0.1),
    "radam": (1e-4, 0.1),
    "asgd": (1e-3, 0.1),
    "rprop": (1e-4, 0.1),
    "textbook_momentum": (1e-3, 0.1),
    "textbook_adagrad": (1e-3, 0.1),
}
PROBLEMS = (
    ["data=line", "model=linear"],
    ["data=features", "data.inputs=3", "model=linear"],
    ["data=line", "model=linear", "model.bias=false", "model.loss=sum", "data.rows=20"],
    ["data=teacher", "data.inputs=3", "data.rows=64", "model=two_layer", "model.hidden=5"],
    ["data=teacher", "data.inputs=2", "data.rows=48", "model=two_layer", "model.hidden=4", "model.activation=tanh"],
    ["model=surface", "model.function=ravine", "data.rows=48"],
)
SCHEDULES = ("none", "cosine", "step", "exponential", "plateau", "warmup_cosine", "one_cycle")


@st.composite
def stacks(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    """Words that three jobs share, and those of each."""
    optimizer, schedule = draw(st.sampled_from(sorted(RATES))), draw(st.sampled_from(SCHEDULES))
    problem = draw(st.sampled_from(PROBLEMS))
    shared = [
        *problem,
        f"optimizer={optimizer}",
        f"data.batch_size={draw(st.sampled_from(['full', 'full', '7', '16']))}",
        "model.dtype=float64",
        "trainer.max_steps=200",
        f"trainer.val_every_n_steps={draw(st.sampled_from([200, 60]))}",
        f"trainer.block_size={draw(st.sampled_from([500, 33]))}",
        "callbacks.checkpoint.every_n_steps=80",
        "logger=none",
    ]
    if schedule in ("cosine", "step", "exponential", "plateau") or (
        schedule != "none" and optimizer not in ("rprop", "adadelta", "asgd", "textbook_momentum")
    ):
        shared.append(f"scheduler={schedule}")
    if draw(st.booleans()):
        shared.append(f"trainer.gradient_clip_algorithm={draw(st.sampled_from(['norm', 'value']))}")
    clipped = "gradient_clip" in shared[-1]
    low, high = RATES[optimizer]
    if "model.loss=sum" in problem:
        low, high = low / 40, high / 40
    jobs = []
    for _ in range(3):
        rate = low * (high / low) ** draw(st.floats(0, 1))
        job = [
            f"optimizer.lr={rate:.6g}",
            f"seed={draw(st.integers(0, 999))}",
            f"data.noise={draw(st.floats(0, 1)):.3f}",
        ]
        if clipped:
            job.append(f"trainer.gradient_clip_val={draw(st.floats(0.1, 5)):.3f}")
        jobs.append(job)
    return shared, jobs


@settings(
    max_examples=60 if LONG_TESTS else 8,
    derandomize=not LONG_TESTS,
    phases=[Phase.generate],  # to shrink an example takes minutes
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(drawn=stacks())
def test_random_jobs_are_the_lone_runs_and_the_same_bits_in_any_stack(
    drawn: tuple[list[str], list[list[str]]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    shared, jobs = drawn
    root = tmp_path_factory.mktemp("stack")
    together = stacked(root / "together", shared, jobs)
    assert len({program(one.config) for one in members(root / "together", shared, jobs)}) == 1
    # in another order, at other places, one of them alone (with a copy)
    stacked(root / "turned", shared, [jobs[2], jobs[0]])
    stacked(root / "single", shared, [jobs[1]])
    for number, (other, place) in enumerate((("turned", 1), ("single", 0), ("turned", 0))):
        assert numbers(root / "together" / str(number)) == numbers(root / other / str(place))
    for number, (job, one) in enumerate(zip(jobs, together, strict=True)):
        lone = alone(root / f"lone{number}", shared, job)
        assert (one.status, one.steps) == (lone.status, lone.steps)
        here, there = (dict(read_rows(RunDirectory(each.directory).curves_path)) for each in (one, lone))
        assert {step: set(row) for step, row in here.items()} == {step: set(row) for step, row in there.items()}
        first = there[0]["train/loss"]
        for name, loss in lone.metrics.items():
            assert close(one.metrics[name], loss, first), (name, one.metrics[name], loss)
        assert all(close(here[step][name], there[step][name], first) for step in there for name in there[step])
        assert one.as_json().keys() == lone.as_json().keys()
        mine, its = dict(one.exact), dict(lone.exact)
        # of a surface: how far the end is from the minimum
        assert close(mine.pop("distance", None), its.pop("distance", None), 1e3)
        assert mine == its


def close(ours: float | None, lone: float | None, first: float) -> bool:
    """Within 1e-9 of the loss and 1e-12 of the first."""
    if ours is None or lone is None:
        return ours is lone
    return ours == lone or math.isclose(ours, lone, rel_tol=1e-9, abs_tol=1e-12 * first)


SHARED = ["model.dtype=float64", "trainer.max_steps=300", "data.rows=40"]
WATCHED = ["callbacks=[learning_rate,gradient_norm,parameters]", "callbacks.learning_rate.every_n_steps=25"]
EVERY_50 = ["callbacks.checkpoint.every_n_steps=50", "logger=none"]
# with SGD one diverges at once, one late, the others do not
RUNS = [["optimizer.lr=0.1"], ["optimizer.lr=30", "seed=1"], ["optimizer.lr=0.9", "seed=2"], ["optimizer.lr=0.3"]]


def events(directory: Path) -> dict[str, list[tuple[int, float]]]:
    accumulator = EventAccumulator(str(directory), size_guidance={"scalars": 0})
    accumulator.Reload()
    return {
        tag: [(event.step, event.value) for event in accumulator.Scalars(tag)] for tag in accumulator.Tags()["scalars"]
    }


def structure(value: Any) -> Any:
    """Keys, types and shapes."""
    if isinstance(value, dict):
        return {key: structure(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [structure(inner) for inner in value]
    return (str(value.dtype), list(value.shape)) if isinstance(value, torch.Tensor) else type(value)


@pytest.mark.parametrize("extra", [WATCHED, ["optimizer=adam", "scheduler=cosine", "data.batch_size=16"]])
def test_a_member_leaves_the_files_of_a_lone_run(tmp_path: Path, extra: Sequence[str]) -> None:
    shared = [*SHARED, *extra, "logger.tensorboard.runs=all"]
    together = stacked(tmp_path / "stack", shared, RUNS)
    for number, (job, one) in enumerate(zip(RUNS, together, strict=True)):
        lone = alone(tmp_path / f"lone{number}", shared, job)

        def files(directory: Path) -> set[str]:
            found = (path.relative_to(directory).as_posix() for path in directory.rglob("*"))
            return {name.partition(".tfevents")[0] for name in found}

        # a picture of the data is drawn of a run alone; of a thousand it would take longer than their training
        assert files(one.directory) == files(lone.directory) - {"fit.csv", "predictions.csv", "way.csv"}
        assert (one.directory / "hparams.yaml").read_text() == (lone.directory / "hparams.yaml").read_text()
        assert (one.directory / "theory.csv").read_text() == (lone.directory / "theory.csv").read_text()
        ours, theirs = events(one.directory), events(lone.directory)
        assert ours.keys() == theirs.keys()
        for tag, points in theirs.items():
            assert [step for step, _ in ours[tag]] == [step for step, _ in points]
            assert [value for _, value in ours[tag]] == pytest.approx(
                [value for _, value in points], rel=1e-5, nan_ok=True
            )
        checkpoints = sorted(path.name for path in RunDirectory(lone.directory).checkpoints.glob("*"))
        for name in checkpoints:
            mine, its = (
                torch.load(RunDirectory(each.directory).checkpoints / name, weights_only=True) for each in (one, lone)
            )
            assert mine["global_step"] == its["global_step"]
            assert mine["epoch"] == its["epoch"]
            for part in ("state_dict", "optimizer_states", "lr_schedulers", "callbacks"):
                assert structure(mine[part]) == structure(its[part]), part
            assert mine["descent_lab"].keys() == its["descent_lab"].keys()
            for key, value in its["state_dict"].items():
                torch.testing.assert_close(mine["state_dict"][key], value, rtol=1e-9, atol=1e-12)
    diverged = [one.status for one in together].count("diverged")
    assert diverged == (0 if "optimizer=adam" in extra else 2)


def test_a_lone_run_goes_on_from_a_members_checkpoint(tmp_path: Path) -> None:
    shared = ["optimizer=adam", "model.dtype=float64", "trainer.max_steps=200", "data.batch_size=16", "logger=none"]
    (one, _) = stacked(tmp_path / "stack", shared, [["seed=3"], ["seed=4"]])
    checkpoint = RunDirectory(one.directory).last_checkpoint
    words = [*shared[:2], *shared[3:], "seed=3", "trainer.max_steps=350"]
    (member,) = members(tmp_path / "on", words, [[f"ckpt_path={checkpoint}"]])
    gone_on = train_alone(member)
    whole = alone(tmp_path / "whole", words, [])
    assert gone_on.steps == whole.steps == 350
    assert gone_on.metrics["train/loss"] == pytest.approx(whole.metrics["train/loss"], rel=1e-9)


class Kill(BaseException):
    """What a test stops a stack with."""


@pytest.mark.parametrize(
    "extra",
    [
        [
            "callbacks=[early_stopping]",
            "callbacks.early_stopping.patience=1",
            "callbacks.early_stopping.min_delta=1e-4",
        ],
        ["optimizer=nadam", "scheduler=plateau", "scheduler.patience=0", "data.batch_size=16"],
        ["optimizer=asgd", "trainer.zero_grad_every_n_steps=3", "scheduler=warmup_cosine"],
        ["model=two_layer", "data=teacher", "callbacks=[histograms,update]", "callbacks.update.every_n_steps=50"],
    ],
)
@pytest.mark.parametrize("at", [2, 5, 9])
def test_a_killed_stack_goes_on_to_the_same_bits(tmp_path: Path, extra: Sequence[str], at: int) -> None:
    shared = [*SHARED, "trainer.val_every_n_steps=50", "callbacks.checkpoint.every_n_steps=30", "logger=none", *extra]
    stacked(tmp_path / "whole", shared, RUNS)
    blocks = 0

    def stop(runs: int, steps: int) -> None:
        nonlocal blocks
        blocks += steps > 0
        if blocks == at:
            raise Kill

    some, state = members(tmp_path / "killed", shared, RUNS), tmp_path / "killed" / "stack.ckpt"
    with pytest.raises(Kill):
        train_stack(some, state, stop)
    assert state.is_file()
    taken = 0

    def count(runs: int, steps: int) -> None:
        nonlocal taken
        taken += steps

    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "killed").glob("*/result.json")}
    left = [one for one in some if not (one.directory / "result.json").exists()]
    outcomes = train_stack(left, state, count)
    assert not state.exists()
    assert taken < 300 * len(RUNS)
    assert all(path.stat().st_mtime_ns == then for path, then in before.items())
    assert all(isinstance(one, Result) for one in outcomes)
    for number in range(len(RUNS)):
        assert numbers(tmp_path / "whole" / str(number)) == numbers(tmp_path / "killed" / str(number))


@pytest.mark.parametrize("damaged", ["cut short", "a flipped bit"])
def test_a_broken_stack_checkpoint_is_no_use_and_no_harm(tmp_path: Path, damaged: str) -> None:
    shared, state = [*SHARED, *EVERY_50], tmp_path / "stack.ckpt"
    stacked(tmp_path / "a", shared, RUNS[:2])
    some = members(tmp_path / "b", shared, RUNS[:2])
    killed(some, state, 3)
    whole = state.read_bytes()
    place = whole.index(torch.load(state, weights_only=True)["state"]["flat"].numpy().tobytes())
    flipped = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
    state.write_bytes(whole[:1000] if damaged == "cut short" else flipped)
    train_stack(some, state)
    assert numbers(tmp_path / "a" / "0") == numbers(tmp_path / "b" / "0")


def test_a_stack_that_fails_keeps_what_it_can_go_on_from(tmp_path: Path) -> None:
    """A passing lack of memory says nothing against the checkpoint."""
    shared = [*SHARED, *EVERY_50]
    stacked(tmp_path / "a", shared, [RUNS[0], RUNS[3]])
    some, state, taken = members(tmp_path / "b", shared, [RUNS[0], RUNS[3]]), tmp_path / "b" / "stack.ckpt", [0]

    def lacking(runs: int, steps: int) -> None:
        taken[0] += steps
        if taken[0] > 2 * 100:
            raise MemoryError("DefaultCPUAllocator: can't allocate memory")

    failed = train_stack(some, state, lacking)
    assert all("can't allocate memory" in str(one) for one in failed)
    assert state.is_file()
    taken[0] = -2 * 300  # steps that are left, and no more
    assert all(isinstance(one, Result) for one in train_stack(some, state, lacking))
    assert -2 * 300 < taken[0] <= -2 * 100
    assert not state.exists()
    for number in range(2):
        assert numbers(tmp_path / "a" / str(number)) == numbers(tmp_path / "b" / str(number))


def test_a_stack_that_fails_is_raised_where_full_errors_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(runs: int, steps: int) -> None:
        raise ArithmeticError("no such number")

    some = members(tmp_path, [*SHARED, "logger=none"], RUNS[:2])
    for one in train_stack(some, tmp_path / "a.ckpt", failing):
        assert re.fullmatch(r"the stack failed: ArithmeticError at test_stack\.py:\d+: no such number", str(one))
    monkeypatch.setattr("src.run.train.FULL_ERROR", True)
    with pytest.raises(ArithmeticError):
        train_stack(some, tmp_path / "a.ckpt", failing)


def test_a_lone_run_tells_of_every_step_once(tmp_path: Path) -> None:
    counts = [0, 0]

    def tell(runs: int, steps: int) -> None:
        counts[0] += runs
        counts[1] += steps

    (spec,) = members(tmp_path, [*SHARED, "logger=none"], RUNS[:1])
    (one,) = train([spec], choose_stepper(spec.config, alone=True), tell=tell)
    assert isinstance(one, Result)
    assert counts == [1, one.steps]


def test_a_checkpoint_that_a_stack_cannot_go_on_from_goes(tmp_path: Path) -> None:
    some, state = members(tmp_path, [*SHARED, "logger=none"], RUNS[:2]), tmp_path / "stack.ckpt"
    any_length = {one.directory.name: one.config.fingerprint(length=False, curves=True) for one in some}
    save(state, {"format": FORMAT, "any_length": any_length, "step": 50})
    assert all(isinstance(one, LabError) for one in train_stack(some, state))
    assert not state.exists()


def killed(some: Sequence[RunSpec], state: Path, at: int, choice: Choice = RULES) -> None:
    """Train a stack until it is killed in this block, after its first checkpoint."""
    blocks = 0

    def stop(runs: int, steps: int) -> None:
        nonlocal blocks
        blocks += steps > 0
        if blocks == at:
            raise Kill

    with pytest.raises(Kill):
        train_stack(some, state, stop, choice)
    assert state.is_file()


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_a_stack_that_was_begun_as_c_goes_on_by_rules_where_there_is_no_compiler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shared, jobs = [*SHARED, *EVERY_50], [RUNS[0], RUNS[3]]
    whole = stacked(tmp_path / "whole", shared, jobs)
    some, state = members(tmp_path / "killed", shared, jobs), tmp_path / "killed" / "stack.ckpt"
    killed(some, state, 2, Choice("compiled"))
    compiler.library.cache_clear()
    tell_once.cache_clear()
    monkeypatch.setenv("CC", "nonsense")
    taken = list[int]()
    found = train_stack(some, state, lambda runs, steps: taken.append(steps), Choice("compiled"))
    assert sum(taken) < 300 * len(jobs)
    assert capsys.readouterr().err.count("CC=nonsense is no command here") == 1
    for one, expected in zip(found, whole, strict=True):
        assert isinstance(one, Result)
        assert (one.stepper["name"], one.stepper["chosen"], one.steps) == ("rules", "compiled", expected.steps)
        assert one.metrics == pytest.approx(expected.metrics, rel=1e-9)


@pytest.mark.parametrize("other", [["data.noise=0.7"], ["trainer.max_steps=40"], ["trainer.log_every_n_steps=7"]])
def test_a_stack_does_not_go_on_from_the_checkpoint_of_other_configs(tmp_path: Path, other: list[str]) -> None:
    """Directories have the same names, but a file of options has changed since; nor from one past the new end."""
    shared = [*SHARED, *EVERY_50]
    stacked(tmp_path / "a", [*shared, *other], [RUNS[0], RUNS[3]])
    state = tmp_path / "b" / "stack.ckpt"
    killed(members(tmp_path / "b", shared, [RUNS[0], RUNS[3]]), state, 2)
    train_stack(members(tmp_path / "b", [*shared, *other], [RUNS[0], RUNS[3]]), state)
    assert not state.exists()
    for number in range(2):
        assert numbers(tmp_path / "a" / str(number)) == numbers(tmp_path / "b" / str(number))


def test_a_stack_of_which_none_can_be_built_keeps_its_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some, state = members(tmp_path, [*SHARED, *EVERY_50], [RUNS[0], RUNS[3]]), tmp_path / "stack.ckpt"
    killed(some, state, 2)
    before = state.read_bytes()

    def away(*rest: Any) -> Any:
        raise LabError("it cannot be read now")

    with monkeypatch.context() as patch:
        patch.setattr("src.run.build.build_problem", away)
        assert [str(one) for one in train_stack(some, state)] == ["it cannot be read now"] * 2
    assert state.read_bytes() == before


def test_finished_members_are_not_trained_again(tmp_path: Path) -> None:
    """Those that are left go on from the stack's checkpoint, in which the finished ones are still."""
    shared = [*SHARED, *EVERY_50]
    stacked(tmp_path / "a", shared, RUNS[:3])
    some, state = members(tmp_path / "b", shared, RUNS[:3]), tmp_path / "b" / "stack.ckpt"
    killed(some, state, 2)
    taken = 0

    def count(runs: int, steps: int) -> None:
        nonlocal taken
        taken += steps

    outcomes = train_stack([some[0], some[2]], state, count)
    assert [type(one) for one in outcomes] == [Result, Result]
    assert taken == 2 * 250 or taken < 2 * 250
    for number in (0, 2):
        assert numbers(tmp_path / "a" / str(number)) == numbers(tmp_path / "b" / str(number))


def test_one_that_cannot_be_built_fails_alone(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("x,y\n" + "\n".join(f"{k},{2 * k + 1}" for k in range(20)))
    shared = ["data=table", f"data.path={table}", "data.target=y", "trainer.max_steps=20", "logger=none"]
    some = members(tmp_path, shared, [[], ["data.path=nowhere.csv"], ["seed=2"]])
    first, second, third = train_stack(some, tmp_path / "stack.ckpt")
    assert isinstance(first, Result)
    assert isinstance(third, Result)
    assert isinstance(second, LabError)
    assert "nowhere.csv" in str(second)
    lone = alone(tmp_path / "lone", shared, [])
    assert first.parameters["weight"][0][0] == pytest.approx(lone.parameters["weight"][0][0], rel=1e-5)
    assert first.metrics["val/loss"] == pytest.approx(lone.metrics["val/loss"], rel=1e-5)


def test_every_run_and_every_step_is_told(tmp_path: Path) -> None:
    told = [0, 0]

    def tell(runs: int, steps: int) -> None:
        told[0] += runs
        told[1] += steps

    results = stacked(tmp_path, [*SHARED, "logger=none"], RUNS, tell=tell)
    assert told == [len(RUNS), sum(one.steps for one in results)]
    assert sum(one.seconds["fit"] for one in results) > 0
    assert {one.stack_size for one in results} == {len(RUNS)}


def test_a_rehearsal_writes_nothing(tmp_path: Path) -> None:
    some = members(tmp_path, SHARED, RUNS)
    assert 0 < rehearse(some, Choice("rules"), steps=3) < 10
    assert [list(one.directory.iterdir()) for one in some] == [[]] * len(RUNS)


def test_what_cannot_be_stacked_says_why(tmp_path: Path) -> None:
    reasons = {
        "optimizer=lbfgs": "LBFGS has no per-member rule",
        "optimizer._target_=tests.optim.own.Plain": "Plain has no per-member rule",
        "callbacks=[time_limit]": "the callback TimeLimit acts on one run",
        "trainer.create_graph=true": "graphs",
        "check_gradients=true": "check_gradients",
        "trainer.profiler=simple": "profiler",
    }
    for word, why in reasons.items():
        (member,) = members(tmp_path, [], [[word]])
        assert why in choose_stepper(member.config).reason, word
    (member,) = members(tmp_path, [], [["logger.tensorboard.runs=all", "logger.tensorboard.name=mine"]])
    assert choose_stepper(member.config).reason == "logger.tensorboard is not as conf/logger has it"
    for words in ([], ["logger.tensorboard.name=mine"]):  # of which a sweep has one for all its runs
        (member,) = members(tmp_path, [], [words])
        assert choose_stepper(member.config).stepper == "rules"


def test_a_watcher_of_ones_own_watches_every_member(tmp_path: Path) -> None:
    watch = ["+callbacks.mine._target_=tests.own.LastLoss", "+callbacks.mine.every_n_steps=4"]
    shared = [*SHARED, "trainer.max_steps=10", "trainer.log_every_n_steps=1", "logger=none", *watch]
    (member, *_) = members(tmp_path / "plan", shared, [RUNS[0], RUNS[3]])
    assert choose_stepper(member.config).stepper == "rules"
    stacked(tmp_path, shared, [RUNS[0], RUNS[3]])
    for number in range(2):
        rows = dict(read_rows(tmp_path / str(number) / "metrics.csv"))
        watched = {step: row["last_loss"] for step, row in rows.items() if "last_loss" in row}
        assert watched == {step: rows[step - 1]["train/loss"] for step in (4, 8, 10)}


def test_a_run_by_itself_has_no_copy_in_its_results(tmp_path: Path) -> None:
    (one,) = stacked(tmp_path, SHARED, [["seed=5"]])
    assert one.stack_size == 1
    assert json.loads((one.directory / "result.json").read_text())["environment"]["command"] == "the command"
    again = run([*SHARED, "seed=5", f"hydra.run.dir={tmp_path / 'lone'}"])
    assert one.fingerprint == again.fingerprint


@pytest.mark.parametrize("optimizer", [*sorted(RATES), "textbook_adam", "textbook_rmsprop"])
def test_one_that_diverges_at_once_leaves_the_others_alone(tmp_path: Path, optimizer: str) -> None:
    shared = [f"optimizer={optimizer}", "model.dtype=float64", "trainer.max_steps=20", "logger=none"]
    if optimizer != "rprop":
        shared.append("scheduler=cosine")
    bad, good = stacked(tmp_path / "stack", shared, [["optimizer.lr=1e200"], ["optimizer.lr=1e-3", "seed=1"]])
    lone = alone(tmp_path / "lone", shared, ["optimizer.lr=1e-3", "seed=1"])
    same = alone(tmp_path / "bad", shared, ["optimizer.lr=1e200"])
    assert (bad.status, bad.steps) == (same.status, same.steps)
    assert good.metrics["train/loss"] == pytest.approx(lone.metrics["train/loss"], rel=1e-9)


def test_the_best_checkpoint_knows_what_early_stopping_knew_then(tmp_path: Path) -> None:
    shared = [
        *("callbacks=early_stopping", "callbacks.early_stopping.patience=4", "trainer.val_every_n_steps=10"),
        *("data.batch_size=4", "data.noise=2", "model.dtype=float64", "logger=none"),
    ]
    both = stacked(tmp_path / "stack", shared, [["optimizer.lr=0.3"], ["optimizer.lr=0.5"]])
    lone = alone(tmp_path / "lone", shared, ["optimizer.lr=0.3"])
    for name in ("best.ckpt", "last.ckpt"):
        ours, theirs = (
            torch.load(RunDirectory(one.directory).checkpoints / name, weights_only=True)["callbacks"]
            for one in (both[0], lone)
        )
        for key in theirs:
            for part in ("wait_count", "stopped_epoch", "best"):
                assert ours[key].get(part) == pytest.approx(theirs[key].get(part))
