"""Steps captured as one graph: replayed, to the bits of steps taken one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from src.config.domains import POSITIVE
from src.engine.captured_stepper import CapturedStepper, CudaGraphs
from src.engine.rule_stepper import RuleStepper
from src.optim.rules import Rule
from src.optim.rules.rule import Acting, Scalars, State
from src.run import build
from src.run.build import Member
from tests.run.runs import _plain as bits
from tests.run.runs import members as specs
from tests.run.runs import stacked

ILLEGAL = ("_local_scalar_dense", "nonzero", "lift_fresh", "equal", "masked_select")
"""Operations that wait for a number, or bring one from Python: no graph of CUDA takes them."""


class Tape(TorchDispatchMode):
    """What a graph of CUDA does, on the CPU: what is captured is not done, and what is replayed is done again on the
    very tensors that were there, without any Python of the steps."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = list[tuple[Any, Any, Any, list[Tensor]]]()
        self.before = dict[int, tuple[Any, Any]]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if any(name in str(func) for name in ILLEGAL):
            raise RuntimeError(f"operation not permitted when stream is capturing: {func}")
        kwargs = kwargs or {}
        for argument in func._schema.arguments:
            if argument.alias_info is not None and argument.alias_info.is_write:
                name, place = argument.name, func._schema.arguments.index(argument)
                storage = (kwargs[name] if name in kwargs else args[place]).untyped_storage()
                self.before.setdefault(storage.data_ptr(), (storage, storage.clone()))
        made = func(*args, **kwargs)
        if not func.is_view:
            self.calls.append((func, args, kwargs, tensors(made)))
        return made

    def undo(self) -> None:
        for storage, values in self.before.values():
            storage.copy_(values)
        self.before = {}

    @torch.no_grad()
    def replay(self) -> None:
        for func, args, kwargs, places in self.calls:
            for place, values in zip(places, tensors(func(*args, **kwargs)), strict=True):
                if place.data_ptr() != values.data_ptr():
                    place.copy_(values)


def tensors(made: Any) -> list[Tensor]:
    return [one for one in tree_leaves(made) if isinstance(one, Tensor)]


class Tapes:
    """A stand-in for `CudaGraphs` that counts."""

    def __init__(self) -> None:
        self.replayed = 0

    @contextmanager
    def warm(self) -> Iterator[None]:
        yield

    def capture(self, work: Callable[[], Tensor]) -> tuple[Callable[[], object], Tensor]:
        tape = Tape()
        try:
            with tape:
                made = work()
        finally:
            tape.undo()
        self.last = tape
        made.fill_(torch.nan)

        def replay() -> None:
            self.replayed += 1
            tape.replay()

        return replay, made


NET = ["data=teacher", "data.rows=30", "model=two_layer", "model.hidden=5"]
CASES = {
    "condensed": ["optimizer=momentum", "data=features", "data.rows=30"],
    "batches": [*NET, "optimizer=adam", "data.batch_size=6"],
    "uneven batches": [*NET, "optimizer=rmsprop", "data.batch_size=7", "loss=huber"],
    "kept": [*NET, "optimizer=nadam", "scheduler=cosine", "trainer.gradient_clip_val=0.1"],
    "plateau": ["optimizer=adamw", "scheduler=plateau", "scheduler.patience=0", "scheduler.threshold=0.5"],
    "cycles": ["optimizer=adam", "scheduler=one_cycle", "data.batch_size=5"],
    "added up": [*NET, "optimizer=adagrad", "trainer.zero_grad_every_n_steps=3", "data.batch_size=7"],
    "never zeroed": ["optimizer=sgd", "trainer.zero_grad_every_n_steps=0", "trainer.gradient_clip_val=0.5"],
    "the loss": [*NET, "optimizer=polyak", "optimizer.lowest_loss=0", "data.batch_size=6"],
    "matrices": [*NET, "optimizer=muon"],
    "averaged": ["optimizer=schedule_free_adamw", "data.batch_size=5"],
    "autograd": [
        "data=teacher",
        "data.rows=30",
        "model=custom",
        "model._target_=tests.models.own.Net",
        "optimizer=adam",
    ],
    "own": [*NET, "optimizer=sgd", f"optimizer._target_={__name__}.Anew"],
    "classes": ["data=iris", "model=two_layer", "optimizer=rprop", "data.batch_size=40"],
    "surface": ["model=surface", "model.function=ravine", "optimizer=radam"],
}
RATES = [0.003, 0.01, 0.001]
STEPS = 77
ENDS = [15, 30, 60, 70, *range(71, STEPS + 1)]


@pytest.fixture(autouse=True)
def chunks_of_8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("src.optim.stacked_rule.LONGEST_AHEAD", 8)


def rules(root: Path, words: Sequence[str], rates: Sequence[float] = RATES, device: str = "cpu") -> RuleStepper:
    jobs = [[f"optimizer.lr={rate}", f"seed={seed}"] for seed, rate in enumerate(rates)]
    quiet = ["model.dtype=float64", "logger=none", f"trainer.max_steps={STEPS}", f"trainer.accelerator={device}"]
    built = build.build_members(specs(root, [*quiet, *words], jobs))
    assert all(isinstance(one, Member) for one in built), built
    return build.build_rule_stepper([one for one in built if isinstance(one, Member)])


class Anew(Rule):
    """`v <- v / 2 + g;  w <- w - a v`, with v in another tensor after each step."""

    numbers: ClassVar[Any] = {"lr": POSITIVE}
    slots: ClassVar[Any] = {"v": 0.0}

    def update(self, w: Tensor, g: Tensor, state: State, c: Scalars, on: Acting) -> None:
        state["v"] = state["v"] / 2 + g
        w.addcmul_(state["v"], c["lr"], value=-1)


class Asking(Anew):
    """It asks for a number, which a GPU would have to be waited for."""

    def update(self, w: Tensor, g: Tensor, state: State, c: Scalars, on: Acting) -> None:
        super().update(w, g, state, c, on)
        assert w.abs().max().item() > 0


def captured(stepper: RuleStepper, told: list[str]) -> CapturedStepper:
    return CapturedStepper.of(stepper, Tapes(), told.append)


def walk(stepper: RuleStepper, ends: Sequence[int], first: int = 0) -> Tensor:
    """Losses of the blocks that end there; after each, plateau schedules are told how high the loss is."""
    pieces = []
    for end in ends:
        pieces.append(stepper.step(first, end - first))
        assert stepper.raised is None
        if stepper.waits:
            stepper.plateau(stepper.losses("train").cpu().double())
        first = end
    return torch.cat(pieces)


@pytest.mark.parametrize("name", CASES)
def test_steps_that_are_replayed_have_the_bits_of_steps_taken_one_by_one(tmp_path: Path, name: str) -> None:
    told = list[str]()
    eager, ours = rules(tmp_path, CASES[name]), captured(rules(tmp_path, CASES[name]), told)
    assert bits(walk(ours, ENDS)) == bits(walk(eager, ENDS))
    assert bits(dict(ours.state(STEPS).leaves)) == bits(dict(eager.state(STEPS).leaves))
    assert isinstance(ours.graphs, Tapes), told
    assert ours.graphs.replayed > 2


@pytest.mark.parametrize("name", ["kept", "added up", "own"])
def test_members_that_leave_and_states_that_are_loaded_change_no_bit(tmp_path: Path, name: str) -> None:
    told = list[str]()
    eager, ours = rules(tmp_path, CASES[name]), captured(rules(tmp_path, CASES[name]), told)
    expected = walk(eager, [60, STEPS])
    walk(ours, [20, 40])
    kept = ours.state(40)
    assert torch.equal(walk(ours, [60], 40), expected[40:60])
    ours.load(kept)  # as after a block in which a member has diverged
    some = ours.select([2, 0])
    assert torch.equal(walk(ours, [60, STEPS], 40), expected[40:])
    assert torch.equal(walk(some, [60, STEPS], 40), expected[40:, [2, 0]])
    assert torch.equal(some.flat, eager.flat[[2, 0]])
    again = captured(rules(tmp_path, CASES[name], RATES[:1]), told)
    again.load(kept.select([0]))
    assert torch.equal(walk(again, [60, STEPS], 40), expected[40:, :1])
    for one in (ours, some, again):
        assert isinstance(one.graphs, Tapes), told
        assert one.graphs.replayed >= 2


def test_what_cannot_be_captured_goes_step_by_step_and_is_told_once(tmp_path: Path) -> None:
    words, told = [*CASES["own"], f"optimizer._target_={__name__}.Asking"], list[str]()
    eager, ours = rules(tmp_path, words), captured(rules(tmp_path, words), told)
    assert torch.equal(walk(ours, ENDS), walk(eager, ENDS))
    assert torch.equal(ours.select([1, 0]).step(STEPS, 40), eager.step(STEPS, 40)[:, [1, 0]])
    assert len(told) == 1
    assert "_local_scalar_dense" in told[0]


class Forgetful(Tapes):
    """Its replays leave out what is done last."""

    def capture(self, work: Callable[[], Tensor]) -> tuple[Callable[[], object], Tensor]:
        replay, made = super().capture(work)
        self.last.calls.pop()
        return replay, made


def test_a_replay_of_other_bits_is_found_out(tmp_path: Path) -> None:
    words, told = CASES["added up"], list[str]()
    eager, ours = rules(tmp_path, words), CapturedStepper.of(rules(tmp_path, words), Forgetful(), told.append)
    assert torch.equal(walk(ours, ENDS), walk(eager, ENDS))
    assert bits(dict(ours.state(STEPS).leaves)) == bits(dict(eager.state(STEPS).leaves))
    assert told == ["its replay differs from them"]


def test_a_schedule_that_ends_ends_alike(tmp_path: Path) -> None:
    words = ["optimizer=adam", "scheduler=one_cycle"]
    eager, ours = rules(tmp_path, words), captured(rules(tmp_path, words), told := list[str]())
    for one in (eager, ours):
        walk(one, [30, 60])
    assert torch.equal(ours.step(60, 60), eager.step(60, 60))
    assert str(ours.raised) == str(eager.raised)
    assert str(STEPS) in str(ours.raised)
    assert not told


def test_a_sweep_is_captured_where_its_device_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*CASES["batches"], "trainer.max_steps=100", "trainer.val_every_n_steps=20", "logger=none"]
    jobs = [["optimizer.lr=0.01"], ["optimizer.lr=1e6"], ["optimizer.lr=0.003"]]
    expected, tapes = stacked(tmp_path / "eager", words, jobs), Tapes()
    monkeypatch.setattr(build, "graphs_of", lambda device: tapes)
    found = stacked(tmp_path / "captured", words, jobs)
    assert tapes.replayed > 2 * 2
    assert not capsys.readouterr().err
    assert [one.metrics for one in found] == [one.metrics for one in expected]
    asking = [*CASES["own"], f"optimizer._target_={__name__}.Asking", "trainer.max_steps=200", "logger=none"]
    stacked(tmp_path / "asking", asking, jobs[:1])
    assert "taken kernel by kernel, not as a graph of them: operation not permitted" in capsys.readouterr().err


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
@pytest.mark.parametrize("name", CASES)
def test_on_a_gpu_a_graph_of_cuda_has_the_bits_of_its_kernels_one_by_one(tmp_path: Path, name: str) -> None:
    eager, ours = (rules(tmp_path, CASES[name], device="cuda") for _ in range(2))
    assert isinstance(eager, CapturedStepper)
    assert isinstance(ours, CapturedStepper)
    eager.graphs, told = None, list[str]()
    ours.tell = told.append
    expected = walk(eager, ENDS)
    losses = [walk(ours, [30])]
    kept = ours.state(30)
    losses.append(walk(ours, [end for end in ENDS if end > 30], 30))
    assert isinstance(ours.graphs, CudaGraphs), told
    assert any(chunk is not None for chunk in ours._chunks.values())
    assert torch.equal(torch.cat(losses), expected)
    assert torch.equal(ours.flat, eager.flat)
    ours.load(kept)
    some = ours.select([2, 0])
    assert torch.equal(walk(some, [end for end in ENDS if end > 30], 30), expected[30:, [2, 0]])
    assert torch.equal(some.flat, eager.flat[[2, 0]])
