"""What takes steps: states and selections change no bit, and the two kinds of stepper agree but for rounding."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from src.data.batch_order import Spans
from src.engine.loop import Loop
from src.engine.rule_stepper import RuleStepper
from src.engine.stepper import Leaf, State, Stepper
from src.engine.torch_stepper import TorchStepper
from src.run import build
from src.run.build import Member
from src.run.trainer import build_parts
from tests.run.runs import _plain as bits
from tests.run.runs import members as specs

# --- states ----------------------------------------------------------------------------------------------------------


def state(members: int, seed: int) -> State:
    generator = torch.Generator().manual_seed(seed)
    leaves: dict[str, Leaf] = {
        "flat": torch.randn(members, 4, generator=generator),
        "count": torch.randint(9, (members,), generator=generator),
        "opaque": tuple({"seed": seed, "of": index} for index in range(members)),
    }
    return State(torch.randint(100, (members,), generator=generator), leaves)


def plain(some: State) -> Any:
    """All of it, to the bit."""
    return bits({"step": some.step, **some.leaves})


@st.composite
def choices(draw: st.DrawFn) -> tuple[int, list[int], list[int]]:
    """How many members, some of them, and some of those."""
    members = draw(st.integers(1, 5))
    first = draw(st.lists(st.integers(0, members - 1), min_size=1, max_size=6))
    return members, first, draw(st.lists(st.integers(0, len(first) - 1), min_size=1, max_size=6))


@given(drawn=choices())
def test_a_selection_of_a_selection_is_a_selection(drawn: tuple[int, list[int], list[int]]) -> None:
    members, first, second = drawn
    whole = state(members, 0)
    assert plain(whole.select(range(members))) == plain(whole)
    assert plain(whole.select(first).select(second)) == plain(whole.select([first[index] for index in second]))
    assert whole.select(first).step.tolist() == [int(whole.step[index]) for index in first]
    assert whole.select(first).leaves["opaque"] == tuple(whole.leaves["opaque"][index] for index in first)


@given(take=st.lists(st.booleans(), min_size=1, max_size=5), data=st.data())
def test_each_member_is_of_one_state_or_of_the_other(take: list[bool], data: st.DataObject) -> None:
    members, mask = len(take), torch.tensor(take)
    new, old = state(members, 1), state(members, 2)
    both = new.where(mask, old)
    for index, own in enumerate(take):
        assert plain(both.select([index])) == plain((new if own else old).select([index]))
    assert plain(new.where(torch.ones_like(mask), old)) == plain(new)
    assert plain(new.where(torch.zeros_like(mask), old)) == plain(old)
    assert plain(new.where(mask, new)) == plain(new)
    keep = data.draw(st.permutations(range(members)))
    assert plain(both.select(keep)) == plain(new.select(keep).where(mask[keep], old.select(keep)))


def test_a_selection_is_a_copy() -> None:
    whole = state(3, 0)
    before = plain(whole)
    some = whole.select([0, 1, 2])
    flat = some.leaves["flat"]
    assert isinstance(flat, Tensor)
    flat.zero_()
    some.step.zero_()
    assert plain(whole) == before


# --- steppers --------------------------------------------------------------------------------------------------------

SHARED = ["model.dtype=float64", "logger=none", "data.rows=20", "trainer.max_steps=40"]
Make = Callable[[], Stepper]


def ready(root: Path, shared: Sequence[str], jobs: Sequence[Sequence[str]]) -> list[Member]:
    """Members, newly built."""
    found = build.build_members(specs(root, [*SHARED, *shared], jobs))
    assert all(isinstance(one, Member) for one in found), found
    return [one for one in found if isinstance(one, Member)]


def torchs(root: Path, words: Sequence[str]) -> TorchStepper:
    """A run of its own, at its start."""
    (one,) = ready(root, words, [[]])
    stepper = build.build_torch_stepper(one)
    stepper.train()
    return stepper


def rules(root: Path, shared: Sequence[str], jobs: Sequence[Sequence[str]]) -> RuleStepper:
    """A stack at its start."""
    return build.build_rule_stepper(ready(root, shared, jobs))


LONE = {
    "sgd": ["optimizer.lr=0.1"],
    "adam": ["optimizer=adam", "model=two_layer", "data.batch_size=7"],
    "nadam": ["optimizer=nadam", "scheduler=cosine"],  # whose product of momenta is float32
    "added up": ["optimizer=momentum", "trainer.zero_grad_every_n_steps=3", "trainer.gradient_clip_val=0.5"],
    "by hand": ["optimizer=rmsprop", "model.gradient=by_hand", "model=two_layer"],
    "lbfgs": ["optimizer=lbfgs", "optimizer.max_iter=2", "optimizer.lr=0.1"],
    "muon": ["optimizer=muon"],
    "closure": ["optimizer._target_=tests.optim.own.Sam", "data.batch_size=7"],
    "modes": ["optimizer._target_=tests.optim.own.ScheduleFree", "trainer.gradient_clip_val=1.0"],
    "plateau": ["optimizer=adam", "scheduler=plateau", "scheduler.patience=0", "scheduler.threshold=0.5"],
    "dropout": ["data=teacher", "model=custom", "model._target_=tests.models.own.Dropping"],
    "statistics": ["model=custom", "model._target_=tests.run.own.Normed"],
    "noise": ["optimizer._target_=tests.run.own.Noisy", "+optimizer.source=numpy", "optimizer.lr=0.1"],
    "history": ["optimizer._target_=tests.run.own.Remembering", "optimizer.lr=0.01"],
}
STACKS = {
    "sgd": ["optimizer=sgd"],
    "adam": ["optimizer=adam", "model=two_layer", "data.batch_size=7"],
    "nadam": ["optimizer=nadam", "scheduler=cosine"],
    "added up": ["optimizer=momentum", "trainer.zero_grad_every_n_steps=3", "trainer.gradient_clip_val=0.5"],
    "by value": ["optimizer=asgd", "trainer.gradient_clip_val=0.5", "trainer.gradient_clip_algorithm=value"],
    "one cycle": ["optimizer=adam", "scheduler=one_cycle"],
    "plateau": ["optimizer=rprop", "scheduler=plateau", "scheduler.patience=0", "scheduler.threshold=0.5"],
    "surface": ["model=surface", "model.function=ravine", "optimizer=radam"],
}
JOBS = [["seed=1", "optimizer.lr=0.01"], ["seed=2", "optimizer.lr=0.05"], ["seed=3", "optimizer.lr=0.002"]]


def told(stepper: Stepper, first: int, count: int, wait: bool = True) -> Tensor:
    """Losses of these steps; halfway its plateau schedule is told how high the loss is."""
    half = stepper.step(first, count // 2)
    if stepper.waits and wait:
        stepper.plateau(stepper.losses("train").cpu().double())
    return torch.cat([half, stepper.step(first + count // 2, count - count // 2)])


@pytest.mark.parametrize("at", [0, 1, 10])
@pytest.mark.parametrize("name", LONE)
def test_torchs_class_goes_on_from_a_state_to_the_same_bits(tmp_path: Path, name: str, at: int) -> None:
    torch.manual_seed(0)  # of the modules and optimizers that draw
    stepper = torchs(tmp_path, LONE[name])
    if at:
        stepper.step(0, at)
    kept = stepper.state(at)
    before = plain(kept)
    losses = told(stepper, at, 12)
    after = plain(stepper.state(at + 12))
    assert plain(kept) == before, "a state is a copy"
    for other in (stepper, torchs(tmp_path, LONE[name])):
        other.load(kept)
        assert plain(other.state(at)) == before
        assert bits(told(other, at, 12)) == bits(losses)
        assert plain(other.state(at + 12)) == after
        assert plain(kept) == before


@pytest.mark.parametrize("members", [1, 2, 3])
@pytest.mark.parametrize("at", [0, 1, 10])
@pytest.mark.parametrize("name", STACKS)
def test_rules_go_on_from_a_state_to_the_same_bits(tmp_path: Path, name: str, at: int, members: int) -> None:
    jobs = JOBS[:members]
    stepper = rules(tmp_path, STACKS[name], jobs)
    if at:
        stepper.step(0, at)
    kept = stepper.state(at)
    before = plain(kept)
    losses = told(stepper, at, 12)
    assert losses.shape == (12, members)
    after = plain(stepper.state(at + 12))
    assert plain(kept) == before, "a state is a copy"
    for other in (stepper, rules(tmp_path, STACKS[name], jobs)):
        other.load(kept)
        assert plain(other.state(at)) == before
        assert bits(told(other, at, 12)) == bits(losses)
        assert plain(other.state(at + 12)) == after


@pytest.mark.parametrize("keep", [[0], [2], [2, 0], [1, 2, 0]])
@pytest.mark.parametrize("at", [0, 1, 10])
@pytest.mark.parametrize("name", STACKS)
def test_some_members_go_on_to_the_bits_that_they_have_among_all(
    tmp_path: Path, name: str, at: int, keep: list[int]
) -> None:
    whole = rules(tmp_path, STACKS[name], JOBS)
    if at:
        whole.step(0, at)
    before = plain(whole.state(at))
    some = whole.select(keep)
    assert plain(some.state(at)) == plain(whole.state(at).select(keep))
    losses = told(some, at, 12)
    assert plain(whole.state(at)) == before, "nothing of it is shared"
    assert bits(losses) == bits(told(whole, at, 12)[:, keep])
    assert plain(some.state(at + 12)) == plain(whole.state(at + 12).select(keep))
    assert bits(some.rate()) == bits(whole.rate()[keep])
    for part in some.data.parts:
        assert bits(some.losses(part)) == bits(whole.losses(part)[keep])
    assert bits(some.parameters()) == bits({n: value[keep] for n, value in whole.parameters().items()})
    for index, place in enumerate(keep):
        assert bits(some.member(some.state(at + 12), index)) == bits(whole.member(whole.state(at + 12), place))


@pytest.mark.parametrize("cut", [[40], [1] * 40, [7, 1, 30, 2]])
@pytest.mark.parametrize("name", [name for name in STACKS if name != "plateau"])
def test_blocks_change_no_bit(tmp_path: Path, name: str, cut: list[int]) -> None:
    whole, other, step = rules(tmp_path, STACKS[name], JOBS), rules(tmp_path, STACKS[name], JOBS), 0
    losses, pieces = whole.step(0, 40), []
    for count in cut:
        pieces.append(other.step(step, count))
        step += count
    assert bits(torch.cat(pieces)) == bits(losses)
    assert plain(other.state(40)) == plain(whole.state(40))


# --- one stepper against the other -----------------------------------------------------------------------------------

PROBLEMS = {
    "linear": ["data=features", "data.inputs=3", "data.rows=30"],
    "two_layer": ["data=features", "data.inputs=3", "data.rows=30", "model=two_layer", "model.hidden=3"],
    "batches": ["data=features", "data.inputs=3", "data.rows=30", "data.batch_size=8", "model=two_layer"],
    "sum": ["data=features", "data.rows=30", "data.batch_size=8", "model.loss=sum"],
}
TREATED: dict[str, list[list[str]]] = {
    "as they are": [[]] * 3,
    # of the second member less than the others': it is clipped at every step
    "norm": [[f"trainer.gradient_clip_val={limit}"] for limit in (3.0, 0.01, 10.0)],
    "value": [
        [f"trainer.gradient_clip_val={limit}", "trainer.gradient_clip_algorithm=value"] for limit in (1.0, 0.01, 5.0)
    ],
    "added up": [["trainer.zero_grad_every_n_steps=3", f"trainer.gradient_clip_val={n}"] for n in (3.0, 0.1, 9.0)],
    "never zeroed": [["trainer.zero_grad_every_n_steps=0"]] * 3,
}


@pytest.mark.parametrize("gradient", ["autograd", "by_hand"])
@pytest.mark.parametrize("treatment", TREATED)
@pytest.mark.parametrize("problem", PROBLEMS)
def test_a_member_is_trained_as_torchs_own_class_trains_it_alone(
    tmp_path: Path, problem: str, treatment: str, gradient: str
) -> None:
    shared = ["optimizer=momentum", *PROBLEMS[problem]]
    rates = [0.003, 0.01, 0.001] if problem != "sum" else [1e-4, 3e-4, 5e-5]
    jobs = [[f"seed={k}", f"optimizer.lr={rates[k]}", *words] for k, words in enumerate(TREATED[treatment])]
    stack = rules(tmp_path / "stack", shared, jobs)
    losses = stack.step(0, 30)
    for index, job in enumerate(jobs):
        lone = torchs(tmp_path / str(index), [*shared, *job, f"model.gradient={gradient}"])
        torch.testing.assert_close(losses[:, index], lone.step(0, 30)[:, 0], rtol=1e-11, atol=0)
        for part in lone.data.parts:
            torch.testing.assert_close(stack.losses(part)[index], lone.losses(part)[0], rtol=1e-11, atol=0)
        for name, value in lone.parameters().items():
            torch.testing.assert_close(stack.parameters()[name][index], value[0], rtol=1e-11, atol=1e-11)
        ours = torch.cat([g[index].flatten() for g in stack.gradients("train") if g is not None])
        its = torch.cat([g.flatten() for g in lone.gradients("train") if g is not None])
        torch.testing.assert_close(ours, its, rtol=1e-10, atol=1e-10 * float(its.abs().max()))


@pytest.mark.parametrize("name", STACKS)
def test_a_members_state_has_torchs_own_layout(tmp_path: Path, name: str) -> None:
    stack = rules(tmp_path / "stack", STACKS[name], JOBS)
    stack.step(0, 5)
    for index, job in enumerate(JOBS):
        lone = torchs(tmp_path / str(index), [*STACKS[name], *job])
        lone.step(0, 5)
        ours, its = (one.member(one.state(5), k) for one, k in ((stack, index), (lone, 0)))
        for key in ("state_dict", "optimizer_states", "lr_schedulers", "gradients"):
            assert layout(ours[key]) == layout(its[key]), key
        if not its["lr_schedulers"]:  # where there is one, numbers cannot change
            assert ours["numbers"] == its["numbers"]


def layout(value: Any) -> Any:
    """Keys, types and shapes."""
    if isinstance(value, dict):
        return {key: layout(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [layout(inner) for inner in value]
    return (value.dtype, list(value.shape)) if isinstance(value, Tensor) else type(value)


# --- anything may happen to a stack in between -----------------------------------------------------------------------

MAX_STEPS, VAL_EVERY = 24, 6
OPTIMIZERS = {
    "sgd": (1e-3, 0.3),
    "momentum": (1e-4, 0.05),
    "adam": (1e-4, 0.1),
    "nadam": (1e-4, 0.1),
    "radam": (1e-4, 0.1),
    "asgd": (1e-3, 0.1),
    "rprop": (1e-4, 0.1),
    "adagrad": (1e-3, 1.0),
    "lion": (1e-4, 0.03),
    "schedule_free_adamw": (1e-3, 0.3),
    "polyak": (0.01, 1.0),
}
"""Rates that neither stand still nor leave everything at once; ten times the upper may."""


@st.composite
def stacks(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    """Words that three members share, and those of each."""
    optimizer = draw(st.sampled_from(sorted(OPTIMIZERS)))
    cycled = optimizer not in ("rprop", "asgd", "sgd", "polyak")
    schedules = ["none", "cosine", "plateau"] + ["one_cycle"] * cycled
    schedule = draw(st.sampled_from(schedules))
    model = draw(st.sampled_from([["model=linear"], ["model=two_layer", "model.hidden=3"]]))
    shared = [
        *model,
        f"optimizer={optimizer}",
        f"scheduler={schedule}",
        *(["scheduler.patience=0", "scheduler.threshold=0.3"] if schedule == "plateau" else []),
        f"data.batch_size={draw(st.sampled_from(['full', '7']))}",
        f"trainer.max_steps={MAX_STEPS}",
        f"trainer.val_every_n_steps={VAL_EVERY}",
        "trainer.log_every_n_steps=2",
        f"trainer.zero_grad_every_n_steps={1 if optimizer == 'polyak' else draw(st.sampled_from([1, 1, 3, 0]))}",
        *(["optimizer.lowest_loss=0"] if optimizer == "polyak" else []),
        f"trainer.divergence_factor={draw(st.sampled_from(['1e8', '1.01']))}",
    ]
    parts = draw(st.lists(st.sampled_from(["early_stopping", "learning_rate", "gradient_norm"]), unique=True))
    shared += [f"callbacks=[{','.join(parts)}]"] if parts else []
    if "early_stopping" in parts:
        shared += ["callbacks.early_stopping.patience=1", "callbacks.early_stopping.min_delta=0.01"]
    shared += [f"callbacks.{part}.every_n_steps=5" for part in parts if part != "early_stopping"]
    clip = draw(st.sampled_from([None, "norm", "value"]))
    shared += [] if clip is None else [f"trainer.gradient_clip_algorithm={clip}"]
    low, high = OPTIMIZERS[optimizer]
    jobs = []
    for _ in range(3):
        job = [
            f"optimizer.lr={low * (10 * high / low) ** draw(st.floats(0, 1)):.6g}",
            f"seed={draw(st.integers(0, 9))}",
        ]
        jobs.append(job + ([] if clip is None else [f"trainer.gradient_clip_val={draw(st.floats(0.1, 5)):.3f}"]))
    return shared, jobs


class Stack:
    """Three members on their way, and what each has left with, to the bit."""

    def __init__(self, root: Path, shared: Sequence[str], jobs: Sequence[Sequence[str]]) -> None:
        self.root, self.shared, self.jobs, self.left = root, shared, jobs, dict[str, Any]()
        self.loop = self.built([str(index) for index in range(len(jobs))])
        self.loop.start()

    def built(self, ids: Sequence[str]) -> Loop:
        """A loop of these members, newly built."""
        some = ready(self.root, self.shared, [self.jobs[int(name)] for name in ids])
        config = some[0].config
        intervals = build.build_intervals(config, build_parts(config))
        return build.build_loop(build.build_rule_stepper(some), some, ids, intervals, leave=self._leave)

    def _leave(self, loop: Loop) -> None:
        loop.finish()
        assert loop.ended is not None
        state, best = loop.stepper.state(loop.step), loop.best
        columns = loop.curves.columns()
        for index, name in enumerate(loop.ids):
            assert name not in self.left
            self.left[name] = bits(
                {
                    "outcome": repr(loop.ended[index]),
                    "step": loop.step,
                    "member": loop.stepper.member(state, index),
                    "state": dict(state.select([index]).leaves),
                    "curves": {key: (steps, values[:, index]) for key, (steps, values) in columns.items()},
                    "final": {key: value[index] for key, value in loop.final.items()},
                    "best": best and {"value": best.value[index], **best.state.select([index]).leaves},
                    "best step": best and best.state.step[index],
                }
            )

    def block(self, size: int) -> None:
        """One block, and the validation that may be at its end."""
        loop = self.loop
        intervals = loop.intervals
        every = [intervals.val_every, *(watcher.every_n_steps for watcher in intervals.watchers)]
        loop.advance(next(iter(Spans(lambda: loop.step, MAX_STEPS, MAX_STEPS, size, every))))
        if not loop.over and loop.step % intervals.val_every == 0:
            loop.validate()
            loop.decide()
        if not loop.over and loop.step == MAX_STEPS:
            loop.leave_with_all_steps()

    def save(self, ids: Sequence[str]) -> None:
        """Write all to a file, and go on with some of its members, newly built."""
        file = io.BytesIO()
        torch.save(self.loop.state_dict(), file)
        file.seek(0)
        self.loop = self.built(ids)
        self.loop.load_state_dict(torch.load(file, weights_only=True))


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(drawn=stacks(), data=st.data())
def test_whatever_happens_in_between_each_member_ends_in_the_same_bits(
    drawn: tuple[list[str], list[list[str]]], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("stack")
    straight, other = Stack(root, *drawn), Stack(root, *drawn)
    while not straight.loop.over:
        straight.block(MAX_STEPS)
    assert set(straight.left) == {"0", "1", "2"}
    dropped = set[str]()
    while not other.loop.over:
        other.block(data.draw(st.integers(1, 9)))
        if other.loop.over:
            break
        ids = other.loop.ids
        what = data.draw(st.sampled_from(["nothing", "select", "save", "both"]))
        if what == "nothing":
            continue
        keep = data.draw(st.permutations(range(len(ids))))
        keep = keep[: data.draw(st.sampled_from([len(ids), len(ids), max(1, len(ids) - 1)]))]
        names = [ids[index] for index in keep]
        dropped |= set(ids) - set(names)
        if what != "save":
            other.loop = other.loop.select(keep)
        if what != "select":
            other.save(names)
    assert set(other.left) | dropped == {"0", "1", "2"}
    for name in other.left.keys() - dropped:
        for key, value in straight.left[name].items():
            assert other.left[name][key] == value, (name, key)
