"""Control of a training, over steps that are written down beforehand: who leaves, when, why, and with what."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import src.engine
from src.data.batch_order import Spans
from src.engine.divergence import Divergence
from src.engine.early_stopping import EarlyStopping, Patience
from src.engine.loop import Intervals, Loop
from src.engine.outcome import Outcome
from src.engine.stepper import Leaf, State, Stepper
from src.engine.watchers import LearningRate, Watcher
from src.errors import LabError
from src.losses.squared_error import SquaredError
from src.models.model import Model

NAN = math.nan


class Scripted(Stepper):
    """Steps that are written down: the one number that they change is how many were taken.

    Args:
        names: of the members.
        train: the loss of each before step number t, `[T, P]`.
        val: the loss of each over the validation rows after t steps, `[T + 1, P]`; None: there are none.
        fails_at: the step that raises, its loss known.
        waits: there is a schedule that waits for a plateau.
        full_batch: whether a step sees all rows.
    """

    def __init__(
        self,
        names: Sequence[str],
        train: Tensor,
        val: Tensor | None = None,
        *,
        fails_at: int | None = None,
        waits: bool = False,
        full_batch: bool = False,
        told: list[tuple[int, str, float]] | None = None,
    ) -> None:
        self.names, self.size, self.train_loss, self.val_loss = list(names), len(names), train, val
        self.fails_at, self._waits, self.full_batch = fails_at, waits, full_batch
        self.told: list[tuple[int, str, float]] = [] if told is None else told
        self.module, self.loss = Model(), SquaredError()
        parts = ["train"] if val is None else ["train", "val"]
        data = SimpleNamespace(parts=parts, full_batch=full_batch, device=torch.device("cpu"))
        data.problems = [SimpleNamespace(scaling=None)] * self.size
        self.data = cast(Any, data)
        self.taken = torch.zeros(self.size, dtype=torch.long)

    def step(self, first: int, count: int) -> Tensor:
        assert self.taken.tolist() == [first] * self.size
        self.raised, end = None, first + count
        if self.fails_at is not None and first <= self.fails_at < end:
            self.raised, end = ArithmeticError("the step has failed"), self.fails_at + 1
        self.taken += end - first
        return self.train_loss[first:end]

    def losses(self, part: str) -> Tensor:
        script = self.train_loss if part == "train" else self.val_loss
        assert script is not None
        return script[self.taken.clamp(max=len(script) - 1), torch.arange(self.size)]

    def rate(self) -> Tensor:
        return self.taken.double()

    @property
    def waits(self) -> bool:
        return self._waits

    def plateau(self, metric: Tensor) -> None:
        self.told += list(zip(self.taken.tolist(), self.names, metric.tolist(), strict=True))

    def parameters(self) -> dict[str, Tensor]:
        return {"taken": self.taken.double().view(-1, 1, 1)}

    def state(self, step: int) -> State:
        leaves: dict[str, Leaf] = {"taken": self.taken.clone(), "name": tuple(self.names)}
        return State(torch.full((self.size,), step), leaves)

    def load(self, state: State) -> None:
        taken = state.leaves["taken"]
        assert isinstance(taken, Tensor)
        assert state.leaves["name"] == tuple(self.names)
        self.taken = taken.clone()

    def select(self, keep: Sequence[int]) -> Scripted:
        where = list(keep)
        val = None if self.val_loss is None else self.val_loss[:, where]
        some = Scripted(
            [self.names[index] for index in where],
            self.train_loss[:, where],
            val,
            fails_at=self.fails_at,
            waits=self._waits,
            full_batch=self.full_batch,
            told=self.told,
        )
        some.taken = self.taken[where]
        return some


@dataclass
class Left:
    """What a member has left with.

    Attributes:
        outcome: how it ended.
        taken: steps that its parameters are of.
        curves: values by step, by name.
        final: losses.
        best: value, step, steps that its best parameters are of, and what early stopping knew.
    """

    outcome: Outcome
    taken: int
    curves: dict[str, dict[int, float]]
    final: dict[str, float]
    best: tuple[float, int, int, dict[str, float]] | None

    def told(self) -> list[str]:
        """All of it as text, in which NaN is itself."""
        values = {name: float(value) for name, value in self.outcome.values.items()}
        ended = (self.outcome.cause, self.outcome.step, values, self.taken)
        return list(map(repr, (ended, sorted(self.curves.items()), self.final, self.best)))


@dataclass
class Results:
    """Of every member that has ended, in the order in which they left."""

    of: dict[str, Left] = field(default_factory=dict)

    def leave(self, loop: Loop) -> None:
        loop.finish()
        stepper = loop.stepper
        assert isinstance(stepper, Scripted)
        assert stepper.names == loop.ids
        assert loop.ended is not None
        for index, name in enumerate(loop.ids):
            assert name not in self.of
            best = None
            if loop.best is not None and not math.isnan(float(loop.best.value[index])):
                state = loop.best.state
                known = {key: float(value[index]) for key, value in loop.best.patience.items()}
                assert state.leaves["name"][index] == name
                best = (float(loop.best.value[index]), int(state.step[index]), int(state.leaves["taken"][index]), known)
            self.of[name] = Left(
                loop.ended[index],
                int(stepper.taken[index]),
                {
                    key: dict(zip(steps, values[:, index].tolist(), strict=True))
                    for key, (steps, values) in loop.curves.columns().items()
                },
                {key: float(value[index]) for key, value in loop.final.items()},
                best,
            )

    def outcomes(self) -> dict[str, tuple[str, int]]:
        """Cause and step of each."""
        return {name: (left.outcome.cause, left.outcome.step) for name, left in self.of.items()}


def built(
    stepper: Scripted, intervals: Intervals, results: Results, factor: float = 1e8, spread: float = 1.0, **more: Any
) -> Loop:
    """A loop over it."""
    size = stepper.size
    divergence = Divergence.of(torch.full((size,), factor).double(), torch.full((size,), spread).double())
    unit = more.pop("unit", torch.ones(size, dtype=torch.float64))
    return Loop(stepper, stepper.names, intervals, divergence, unit, [None] * size, results.leave, **more)


def drive(loop: Loop, block_size: int) -> None:
    """Every block and validation, as the LightningModule of a stack does."""
    intervals = loop.intervals
    every = [intervals.val_every, *(watcher.every_n_steps for watcher in intervals.watchers)]
    if loop.step == 0:
        loop.start()
    for block in Spans(lambda: loop.step, intervals.max_steps, intervals.max_steps, block_size, every):
        loop.advance(block)
        if not loop.over and loop.step % intervals.val_every == 0:
            loop.validate()
            loop.decide()
        if loop.over:
            return
    loop.leave_with_all_steps()


def script(columns: Mapping[str, Sequence[float]]) -> Tensor:
    return torch.tensor([list(column) for column in columns.values()], dtype=torch.float64).mT.contiguous()


def falling(steps: int, start: float = 1.0) -> list[float]:
    return [start / (step + 1) for step in range(steps)]


def with_a_jump(steps: int, at: int, value: float = NAN) -> list[float]:
    """Falling but for one step."""
    column = falling(steps)
    column[at] = value
    return column


# --- divergence ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block_size", [1, 4, 7, 100])
@pytest.mark.parametrize("value", [NAN, math.inf, -math.inf, 3e8])
def test_who_diverges_leaves_at_the_step_whose_loss_it_is(block_size: int, value: float) -> None:
    columns = {
        "a": falling(12),
        "b": with_a_jump(12, 5, value),
        "c": with_a_jump(12, 0, NAN),
        "d": with_a_jump(12, 6, value),
        "e": falling(12, 2.0),
        "f": with_a_jump(12, 5, value),
    }
    results, told = Results(), list[int]()
    drive(built(Scripted([*columns], script(columns)), Intervals(12, 100), results, tell=told.append), block_size)
    assert results.outcomes() == {
        **{"c": ("start", 0), "b": ("loss", 5), "f": ("loss", 5), "d": ("loss", 6)},
        **{"a": ("all_steps", 12), "e": ("all_steps", 12)},
    }
    for name, left in results.of.items():
        assert left.outcome.diverged == (name in "bcdf")
        assert left.taken == left.outcome.step
        # those that diverge up to and with the loss that has; the others are untouched
        last = left.outcome.step + left.outcome.diverged
        expected = dict(enumerate(columns[name][:last]))
        assert left.curves["train/loss"] == pytest.approx(expected, nan_ok=True, abs=0)
    assert list(results.of) == ["c", "b", "f", "d", "a", "e"]
    assert sum(told) == 0 + 5 + 5 + 6 + 12 + 12


@pytest.mark.parametrize("block_size", [1, 5, 100])
def test_all_may_diverge_and_nobody_is_left(block_size: int) -> None:
    columns = {"a": with_a_jump(20, 7), "b": with_a_jump(20, 3), "c": with_a_jump(20, 7)}
    results = Results()
    loop = built(Scripted([*columns], script(columns)), Intervals(20, 100), results)
    drive(loop, block_size)
    assert loop.over
    assert results.outcomes() == {"b": ("loss", 3), "a": ("loss", 7), "c": ("loss", 7)}
    assert [left.taken for left in results.of.values()] == [3, 7, 7]


def test_a_block_in_which_the_last_go_says_how_many_steps_they_took() -> None:
    columns = {"a": with_a_jump(20, 7), "b": with_a_jump(20, 3)}
    loop = built(Scripted([*columns], script(columns)), Intervals(20, 100), Results())
    assert loop.advance(range(2)) == 2
    assert loop.advance(range(2, 15)) == 5
    one = built(Scripted(["a"], script({"a": with_a_jump(20, 7)})), Intervals(20, 100), Results())
    assert (one.advance(range(15)), one.step) == (7, 7)


def test_a_loss_is_held_against_the_larger_of_the_first_and_the_spread() -> None:
    columns = {
        "small": [1e-6, 9.0, 11.0],
        "large": [5.0, 49.0, 51.0],
        "negative": [-5.0, 49.0, 51.0],
        "calm": [1.0] * 3,
    }
    results = Results()
    drive(built(Scripted([*columns], script(columns)), Intervals(3, 100), results, factor=10.0), 100)
    expected = dict.fromkeys(("small", "large", "negative"), ("loss", 2))
    assert results.outcomes() == {**expected, "calm": ("all_steps", 3)}


def test_without_a_factor_any_finite_loss_is_fine() -> None:
    columns = {"a": [1.0, 1e300, 1.0], "b": [1.0, math.inf, 1.0]}
    results = Results()
    drive(built(Scripted([*columns], script(columns)), Intervals(3, 100), results, factor=math.inf), 100)
    assert results.outcomes() == {"b": ("loss", 1), "a": ("all_steps", 3)}


def test_curves_are_thinned_but_the_loss_that_has_diverged_is_there() -> None:
    columns = {"a": falling(12), "b": with_a_jump(12, 7)}
    for block_size in (1, 5, 100):
        results = Results()
        drive(built(Scripted([*columns], script(columns)), Intervals(12, 100, log_every=4), results), block_size)
        assert list(results.of["a"].curves["train/loss"]) == [0, 4, 8]
        assert list(results.of["b"].curves["train/loss"]) == [0, 4, 7]


def test_losses_are_recorded_in_the_units_of_the_data() -> None:
    columns, unit = {"a": [1.0, 2.0], "b": [3.0, 4.0]}, torch.tensor([10.0, 100.0], dtype=torch.float64)
    val, results = script({"a": [5.0, 6.0, 7.0], "b": [8.0, 9.0, 10.0]}), Results()
    drive(built(Scripted([*columns], script(columns), val), Intervals(2, 1), results, unit=unit), 100)
    assert results.of["a"].curves == {"train/loss": {0: 10.0, 1: 20.0}, "val/loss": {1: 60.0, 2: 70.0}}
    assert results.of["b"].curves == {"train/loss": {0: 300.0, 1: 400.0}, "val/loss": {1: 900.0, 2: 1000.0}}
    assert results.of["b"].final == {"train/loss": 400.0, "val/loss": 1000.0}


# --- steps that raise ------------------------------------------------------------------------------------------------


def test_what_a_step_raises_is_raised() -> None:
    columns = {"a": falling(12), "b": falling(12)}
    loop = built(Scripted([*columns], script(columns), fails_at=5), Intervals(12, 100), Results())
    loop.advance(range(4))
    with pytest.raises(ArithmeticError, match="the step has failed"):
        loop.advance(range(4, 12))


def test_it_is_raised_where_only_one_had_diverged_before() -> None:
    columns = {"a": falling(12), "b": with_a_jump(12, 3)}
    loop = built(Scripted([*columns], script(columns), fails_at=5), Intervals(12, 100), Results())
    with pytest.raises(ArithmeticError):
        loop.advance(range(12))


@pytest.mark.parametrize("bad", [3, 5])
def test_it_is_not_raised_where_all_had_diverged_before(bad: int) -> None:
    """The tail of a block that has diverged may overflow in any way, and so may the step from the loss that has."""
    columns, results = {"a": with_a_jump(12, 3), "b": with_a_jump(12, bad)}, Results()
    loop = built(Scripted([*columns], script(columns), fails_at=5), Intervals(12, 100), results)
    loop.advance(range(12))
    assert loop.over
    assert results.outcomes() == {"a": ("loss", 3), "b": ("loss", bad)}


# --- validations -----------------------------------------------------------------------------------------------------

VALIDATION: dict[str, list[float]] = {
    # after 0, 2, 4, 6, 8, 10 steps; odd ones are never looked at
    "falls": [9, 0, 8, 0, 7, 0, 6, 0, 5, 0, 4],
    "rises": [9, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5],
    "later": [9, 0, 5, 0, 4, 0, 6, 0, 7, 0, 8],
    "there": [9, 0, 8, 0, 0.5, 0, 6, 0, 5, 0, 4],
    "lost": [9, 0, 8, 0, 7, 0, NAN, 0, 5, 0, 4],
}


def stopping(
    block_size: int, rule: EarlyStopping, order: Sequence[str] = tuple(VALIDATION), **intervals: Any
) -> Results:
    results = Results()
    train, val = script({name: falling(10) for name in order}), script({name: VALIDATION[name] for name in order})
    loop = built(Scripted(order, train, val), Intervals(10, 2, stopping=rule, **intervals), results)
    drive(loop, block_size)
    assert loop.over
    return results


@pytest.mark.parametrize("block_size", [1, 2, 3, 100])
def test_each_member_stops_for_itself(block_size: int) -> None:
    results = stopping(block_size, EarlyStopping(patience=2, stopping_threshold=1.0))
    assert results.outcomes() == {
        **{"there": ("threshold", 4), "rises": ("patience", 6), "lost": ("metric", 6), "later": ("patience", 8)},
        "falls": ("all_steps", 10),
    }
    assert {name: dict(left.outcome.values) for name, left in results.of.items()} == {
        "there": {"metric": 0.5, "best": 8.0, "waited": 0},
        "rises": {"metric": 3.0, "best": 1.0, "waited": 2},
        "lost": {"metric": pytest.approx(NAN, nan_ok=True), "best": 7.0, "waited": 0},
        "later": {"metric": 7.0, "best": 4.0, "waited": 2},
        "falls": {},
    }
    for name, left in results.of.items():
        end = left.outcome.step
        assert left.taken == end
        assert list(left.curves["train/loss"]) == list(range(end))
        expected = {step: VALIDATION[name][step] for step in range(2, end + 1, 2)}
        assert left.curves["val/loss"] == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("order", [("rises", "lost"), ("lost", "rises"), ("rises", "lost", "rises ")])
def test_all_may_stop_at_one_mark_of_different_causes(monkeypatch: pytest.MonkeyPatch, order: tuple[str, ...]) -> None:
    monkeypatch.setitem(VALIDATION, "rises ", VALIDATION["rises"])
    results = stopping(100, EarlyStopping(patience=2), order)
    assert results.outcomes() == {name: ("metric" if name == "lost" else "patience", 6) for name in order}


def test_a_maximum_is_waited_for_as_well() -> None:
    results = stopping(100, EarlyStopping(mode="max", patience=3), ["falls", "rises"])
    assert results.outcomes() == {"falls": ("patience", 8), "rises": ("all_steps", 10)}


def test_a_metric_that_there_is_not_is_refused() -> None:
    with pytest.raises(LabError, match=r"monitor=val/los: there is no such metric \(there are: val/loss, train/loss\)"):
        stopping(100, EarlyStopping(monitor="val/los"))


def test_the_training_loss_may_be_watched() -> None:
    columns, results = {"a": falling(10), "b": [1.0] * 10}, Results()
    rule = EarlyStopping(monitor="train/loss", patience=2)
    drive(built(Scripted([*columns], script(columns)), Intervals(10, 2, stopping=rule), results), 100)
    assert results.outcomes() == {"b": ("patience", 6), "a": ("all_steps", 10)}


def test_a_plateau_is_told_at_multiples_only() -> None:
    order = ["falls", "rises"]
    stepper = Scripted(
        order, script({name: falling(10) for name in order}), script({n: VALIDATION[n] for n in order}), waits=True
    )
    loop = built(stepper, Intervals(10, 4, stopping=EarlyStopping(patience=1)), Results())
    loop.start()
    for block in (range(2), range(2, 4), range(4, 6), range(6, 8)):
        loop.advance(block)
        loop.validate()  # as at a stop off the validation
        loop.decide()
    # "rises" is told 2 after 4 steps and 4 after 8, and then it stops
    assert stepper.told == [(4, "falls", 7.0), (4, "rises", 2.0), (8, "falls", 5.0), (8, "rises", 4.0)]
    assert loop.ids == ["falls"]


def test_a_plateau_without_validation_rows_is_told_the_last_loss() -> None:
    stepper = Scripted(["a"], script({"a": falling(4)}), waits=True)
    drive(built(stepper, Intervals(4, 2), Results()), 100)
    assert stepper.told == [(2, "a", 1 / 2), (4, "a", 1 / 4)]


@pytest.mark.parametrize(("mode", "best"), [("min", (10, 2, 4, 4, 10)), ("max", (2, 10, 10, 2, 2))])
@pytest.mark.parametrize("block_size", [1, 3, 100])
def test_the_best_state_of_each_is_of_its_own_step(block_size: int, mode: Any, best: tuple[int, ...]) -> None:
    results = Results()
    train, val = script({name: falling(10) for name in VALIDATION}), script(VALIDATION)
    drive(built(Scripted([*VALIDATION], train, val), Intervals(10, 2, best_by=("val/loss", mode)), results), block_size)
    for (name, left), step in zip(results.of.items(), best, strict=True):
        assert left.best == (VALIDATION[name][step], step, step, {})


def test_the_best_state_knows_what_early_stopping_knew_then() -> None:
    results = stopping(100, EarlyStopping(patience=3), ["later", "falls"], best_by=("val/loss", "min"))
    assert results.of["later"].outcome.step == 10
    assert results.of["later"].best == (4.0, 4, 4, {"best": 4.0, "waited": 0.0})
    assert results.of["falls"].best == (4.0, 10, 10, {"best": 4.0, "waited": 0.0})


def test_a_metric_that_is_never_finite_is_never_best() -> None:
    results = Results()
    val = script({"a": [NAN] * 5, "b": [3.0] * 5})
    stepper = Scripted(["a", "b"], script({"a": falling(4), "b": falling(4)}), val)
    drive(built(stepper, Intervals(4, 2, best_by=("val/loss", "min")), results), 100)
    assert results.of["a"].best is None
    assert results.of["b"].best == (3.0, 2, 2, {})  # the first of equals


# --- what is watched -------------------------------------------------------------------------------------------------


class Taken(Watcher):
    """How many steps were taken."""

    def curves(self, loop: Loop) -> Mapping[str, Tensor]:
        return {"taken": loop.parameters()["taken"][:, 0, 0]}


@pytest.mark.parametrize("block_size", [1, 4, 100])
def test_watchers_look_at_the_start_at_multiples_and_at_the_end(block_size: int) -> None:
    columns, results = (
        {"a": falling(11), "b": with_a_jump(11, 7), "c": with_a_jump(11, 3), "d": with_a_jump(11, 0)},
        Results(),
    )
    intervals = Intervals(11, 100, watchers=[Taken(3), LearningRate(3)])
    drive(built(Scripted([*columns], script(columns)), intervals, results), block_size)
    for name, steps in {"a": [0, 3, 6, 9, 11], "b": [0, 3, 6, 7], "c": [0, 3], "d": [0]}.items():
        for curve in ("taken", "lr"):
            assert results.of[name].curves[curve] == {step: float(step) for step in steps}


# --- the end ---------------------------------------------------------------------------------------------------------


def test_the_last_loss_of_all_rows_may_have_diverged() -> None:
    columns = {"a": falling(5), "b": with_a_jump(5, 4), "c": with_a_jump(5, 4, 1e9)}
    for full_batch, causes in ((True, ("all_steps", "loss", "loss")), (False, ("all_steps", "loss", "all_steps"))):
        results = Results()
        drive(built(Scripted([*columns], script(columns), full_batch=full_batch), Intervals(4, 100), results), 100)
        assert results.outcomes() == {name: (cause, 4) for name, cause in zip("abc", causes, strict=True)}
        last = {name: left.curves["train/loss"].get(4) for name, left in results.of.items()}
        # of a mini-batch it is no point of the curve
        assert (
            last == pytest.approx({"a": 0.2, "b": NAN, "c": 1e9}, nan_ok=True)
            if full_batch
            else set(last.values()) == {None}
        )


def test_one_that_was_stopped_says_so_in_the_end() -> None:
    loop = built(Scripted(["a"], script({"a": falling(5)})), Intervals(4, 100), Results())
    loop.advance(range(2))
    loop.ended = [Outcome("time_limit", 2)]
    loop.finish()
    assert loop.ended == [Outcome("time_limit", 2)]
    assert loop.over


def test_ten_lines_are_enough() -> None:
    """Those of the package's own docstring."""
    code = src.engine.__doc__ or ""
    lines = textwrap.dedent(code[code.index("    for block") :])
    assert len(lines.splitlines()) <= 10
    order, results = ["rises", "falls", "lost"], Results()
    columns = {"rises": falling(10), "falls": with_a_jump(10, 9), "lost": with_a_jump(10, 1)}
    intervals = Intervals(10, 2, stopping=EarlyStopping(patience=2))
    for last, val in ((10, ["rises", "later", "lost"]), (9, order)):
        results = Results()
        train = script(columns if last == 9 else {**columns, "falls": falling(10)})
        loop = built(Scripted(order, train, script({n: VALIDATION[n] for n in val})), intervals, results)
        loop.start()
        exec(lines, {"loop": loop, "intervals": intervals, "Spans": Spans})
        assert loop.over
        assert results.outcomes() == {
            **{"lost": ("loss", 1), "rises": ("patience", 6)},
            "falls": ("loss", 9) if last == 9 else ("patience", 8),
        }
    results = Results()
    loop = built(Scripted(["a"], script({"a": falling(10)})), Intervals(10, 3), results)
    exec(lines, {"loop": loop, "intervals": loop.intervals, "Spans": Spans})
    assert results.outcomes() == {"a": ("all_steps", 10)}


# --- blocks of any cut -----------------------------------------------------------------------------------------------

STEPS = 14


def by_hand(name: str, train: Sequence[float], val: Sequence[float], intervals: Intervals, factor: float) -> Left:
    """What a member should leave with: one step after the other, no blocks, nobody else."""
    patience = None if intervals.stopping is None else Patience(intervals.stopping, 1)
    curves: dict[str, dict[int, float]] = {"train/loss": {}, "val/loss": {}}
    best, outcome = None, None
    for step in range(STEPS):
        loss = train[step]
        fine = math.isfinite(loss) and loss <= factor * max(abs(train[0]), 1.0)
        if step % intervals.log_every == 0 or not fine:
            curves["train/loss"][step] = loss
        if not fine:
            calm = step and not math.isfinite(loss) and train[step - 1] <= max(abs(train[0]), 1.0)
            outcome = Outcome("loss" if step else "start", step, {"before": train[step - 1]} if calm else {})
            break
        after = step + 1
        if after % intervals.val_every:
            continue
        metric = val[after]
        curves["val/loss"][after] = metric
        stop = None if patience is None else patience.stops(torch.tensor([metric], dtype=torch.float64))[0]
        known = {} if patience is None else {"best": float(patience.best), "waited": float(patience.waited)}
        if math.isfinite(metric) and (best is None or metric < best[0]):
            best = (metric, after, after, known)
        if stop is not None:
            outcome = Outcome(stop, after, {"metric": metric, **known})
            break
    outcome = outcome or Outcome("all_steps", STEPS)
    end = outcome.step
    curves["taken"] = {step: float(step) for step in (*range(0, end, intervals.watchers[0].every_n_steps), end)}
    final = {"train/loss": train[min(end, STEPS)], "val/loss": val[end]}
    if not math.isfinite(final["train/loss"]) and not outcome.diverged:
        calm = end > 0 and train[end - 1] <= max(abs(train[0]), 1.0)
        outcome = Outcome("loss", end, {"before": train[end - 1]} if calm else {})
    return Left(outcome, end, {name: values for name, values in curves.items() if values}, final, best)


losses = st.sampled_from([1.0, 1.0, 1.0, 1.0, 2.0, 0.5, 0.5, 5.0, 50.0, NAN])


@settings(max_examples=150, deadline=None)
@given(data=st.data(), members=st.integers(1, 4), resumes=st.sets(st.integers(0, STEPS)))
def test_blocks_of_any_cut_are_one_step_after_the_other(data: st.DataObject, members: int, resumes: set[int]) -> None:
    """Also where the training is broken off after some blocks, written to a file, and gone on with."""
    columns = st.lists(st.lists(losses, min_size=STEPS + 1, max_size=STEPS + 1), min_size=members, max_size=members)
    names = "abcd"[:members]
    train, val = (dict(zip(names, data.draw(columns), strict=True)) for _ in range(2))
    rule = data.draw(
        st.none()
        | st.builds(EarlyStopping, patience=st.integers(1, 3), stopping_threshold=st.sampled_from([None, 0.7]))
    )
    intervals = Intervals(
        STEPS,
        data.draw(st.integers(1, 6)),
        data.draw(st.integers(1, 4)),
        [Taken(data.draw(st.integers(1, 6)))],
        ("val/loss", "min"),
        rule,
    )
    results = Results()

    def fresh(some: Sequence[str]) -> Loop:
        train_loss, val_loss = (script({name: part[name] for name in some}) for part in (train, val))
        return built(Scripted(some, train_loss, val_loss), intervals, results, factor=10.0)

    loop = fresh(names)
    loop.start()
    every = [intervals.val_every, intervals.watchers[0].every_n_steps]
    while not loop.over and loop.step < STEPS:
        size = data.draw(st.integers(1, STEPS))
        step = loop.step
        loop.advance(next(iter(Spans(lambda step=step: step, STEPS, STEPS, size, every))))  # type: ignore[misc]
        if not loop.over and loop.step % intervals.val_every == 0:
            loop.validate()
            loop.decide()
        if not loop.over and loop.step in resumes:
            file = io.BytesIO()
            torch.save(loop.state_dict(), file)
            file.seek(0)
            # its members in another order
            loop = fresh(data.draw(st.permutations(loop.ids)))
            loop.load_state_dict(torch.load(file, weights_only=True))
    if not loop.over:
        loop.leave_with_all_steps()
    assert set(results.of) == set(names)
    for name, left in results.of.items():
        assert left.told() == by_hand(name, train[name], val[name], intervals, 10.0).told()


def test_a_state_is_a_copy_and_holds_no_more_than_it_says() -> None:
    order = ["falls", "rises"]
    train, val = script({name: falling(10) for name in order}), script({name: VALIDATION[name] for name in order})
    loop = built(Scripted(order, train, val), Intervals(10, 2, best_by=("val/loss", "min")), Results())
    loop.start()

    def block(steps: range) -> None:
        loop.advance(steps)
        loop.validate()
        loop.decide()

    block(range(4))
    state = loop.state_dict()
    assert state["last_loss"].untyped_storage().nbytes() == 2 * 8  # two members in float64, not a block of them
    before = repr(state)
    block(range(4, 8))
    assert repr(state) == before
    loop.load_state_dict(state)
    assert repr(loop.state_dict()) == before
    block(range(4, 8))
    assert repr(state) == before
