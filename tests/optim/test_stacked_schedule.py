"""Schedules of a stack against torch's own for every member, to the bit."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ChainedScheduler, ConstantLR, ExponentialLR, LRScheduler, SequentialLR

from src.config.classes import import_class
from src.config.compose import CONF
from src.optim.stacked_rule import lone_group
from src.optim.stacked_schedule import OVER_ARRAYS, StackedSchedule, fits_stack

Arguments = dict[str, Any]

TORCH = "torch.optim.lr_scheduler."
OWN = f"{__name__}."
PLATEAU = f"{TORCH}ReduceLROnPlateau"


class Decaying(LRScheduler):
    """A schedule of a user's own: with a state of its own, and of two numbers."""

    def __init__(self, optimizer: Optimizer, factor: float) -> None:
        self.factor, self.seen = factor, list[float]()
        super().__init__(optimizer)

    def get_lr(self) -> list[Any]:
        self.seen.append(self.factor * len(self.seen))
        for group in (group for group in self.optimizer.param_groups if "weight_decay" in group):
            group["weight_decay"] = group["weight_decay"] * self.factor
        return [group["lr"] / (1 + self.factor) for group in self.optimizer.param_groups]


def chained(optimizer: Optimizer, gamma: float) -> LRScheduler:
    return ChainedScheduler([ConstantLR(optimizer), ExponentialLR(optimizer, gamma)])


def sequential(optimizer: Optimizer, gamma: float) -> LRScheduler:
    return SequentialLR(optimizer, [ConstantLR(optimizer), ExponentialLR(optimizer, gamma)], [9])


# members with the same arguments, with other numbers and other shapes of them; each acts, or begins again, in 300 steps
CASES: Mapping[str, tuple[str, list[Arguments]]] = {
    "cosine": (f"{TORCH}CosineAnnealingLR", [
        {"T_max": 300}, {"T_max": 70, "eta_min": 0.003}, {"T_max": 70, "eta_min": 0.004}, {"T_max": 1}]),
    "exponential": (f"{TORCH}ExponentialLR", [{"gamma": 0.999}, {"gamma": 0.9}, {"gamma": 1.01}, {"gamma": 1}]),
    "step": (f"{TORCH}StepLR", [
        {"step_size": 300}, {"step_size": 7, "gamma": 0.9}, {"step_size": 7, "gamma": 0.99}, {"step_size": 50}]),
    "milestones": (f"{TORCH}MultiStepLR", [{"milestones": [5, 50, 50], "gamma": g} for g in (0.3, 0.9, 0.5, 0.3)]),
    "linear": (f"{TORCH}LinearLR", [{}, {"total_iters": 40}, {"start_factor": 0.2, "end_factor": 0.5}, {}]),
    "polynomial": (f"{TORCH}PolynomialLR", [{"total_iters": 200, "power": p} for p in (2.0, 1.7, 2, 1.7)]),
    "constant": (f"{TORCH}ConstantLR", [{"factor": 0.5, "total_iters": 20}, {}, {}, {"factor": 0.5}]),
    "restarts": (f"{TORCH}CosineAnnealingWarmRestarts", [
        {"T_0": 13, "T_mult": 2}, {"T_0": 5}, {"T_0": 5, "eta_min": 0.01}, {"T_0": 5}]),
    "cyclic": (f"{TORCH}CyclicLR", [
        {"base_lr": 1e-3, "max_lr": 0.1, "step_size_up": 20}, {"base_lr": 2e-3, "max_lr": 1, "step_size_up": 20},
        {"base_lr": 0.01, "max_lr": 0.1, "mode": "exp_range", "gamma": 0.99, "step_size_up": 20},
        {"base_lr": 0.01, "max_lr": 0.1, "mode": "triangular2", "step_size_up": 20, "base_momentum": 0.5}]),
    "one_cycle": (f"{TORCH}OneCycleLR", [
        {"max_lr": 0.1, "total_steps": 300}, {"max_lr": 0.2, "total_steps": 300, "three_phase": True},
        {"max_lr": 0.3, "total_steps": 300, "base_momentum": 0.4}, {"max_lr": 1, "epochs": 62, "steps_per_epoch": 5}]),
    "one_cycle of the rate alone": (f"{TORCH}OneCycleLR", [
        {"max_lr": 0.3, "total_steps": n, "pct_start": p, "cycle_momentum": False, "anneal_strategy": a}
        for n, p, a in ((300, 0.0, "cos"), (500, 0.9, "linear"), (310, 0.5, "linear"), (310, 0.5, "cos"))]),
    "warmup_cosine": ("src.optim.warmup_cosine", [
        {"warmup_steps": w, "total_steps": t} for w, t in ((100, 300), (0, 300), (7, 90), (3, 4))]),
    "plateau": (PLATEAU, [
        {"patience": 3}, {"factor": 0.9, "patience": 0, "cooldown": 5, "threshold_mode": "abs"},
        {"factor": 0.5, "patience": 2, "min_lr": 0.01, "threshold": 0.2}, {"mode": "max", "patience": 1, "eps": 1e-3}]),
    "own": (f"{OWN}Decaying", [{"factor": f} for f in (0.1, 0.01, 0.1, 0.3)]),
    "chained": (f"{OWN}chained", [{"gamma": g} for g in (0.9, 0.99, 1.01, 0.9)]),
    "sequential": (f"{OWN}sequential", [{"gamma": g} for g in (0.9, 0.99, 1.01, 0.9)]),
}  # fmt: skip
OPTIMIZERS: Mapping[str, Arguments] = {
    "torch.optim.SGD": {"momentum": 0.8, "weight_decay": 0.1},
    "torch.optim.Adam": {"betas": (0.8, 0.99), "weight_decay": 0.1},
}
RATES = (0.1, 0.03, 0.02, 0.7)


def members_of(optimizer: str, rates: Sequence[float] = RATES) -> list[Arguments]:
    return [{"lr": rate, **OPTIMIZERS[optimizer]} for rate in rates]


def stacked(name: str, optimizer: str, rates: Sequence[float] = RATES) -> StackedSchedule:
    path, sections = CASES[name]
    return StackedSchedule(path, sections, [lone_group(optimizer, m) for m in members_of(optimizer, rates)])


class Lone:
    """Every member's own optimizer with its own schedule."""

    def __init__(self, name: str, optimizer: str, rates: Sequence[float] = RATES) -> None:
        path, sections = CASES[name]
        factory, self.plateau = import_class(path, "path", object), path == PLATEAU
        sections = [{k: tuple(v) if isinstance(v, list) else v for k, v in section.items()} for section in sections]
        kind = import_class(optimizer, "path", Optimizer)
        self.optimizers = [kind([nn.Parameter(torch.zeros(1))], **member) for member in members_of(optimizer, rates)]
        self.schedules = [factory(own, **section) for own, section in zip(self.optimizers, sections, strict=True)]
        self.random = torch.Generator().manual_seed(0)

    def step(self) -> torch.Tensor:
        """Take a step; the metric of a plateau."""
        metric = torch.rand(len(self.optimizers), generator=self.random)
        for optimizer, schedule, value in zip(self.optimizers, self.schedules, metric, strict=True):
            optimizer.step()
            schedule.step(value) if self.plateau else schedule.step()
        return metric

    def numbers(self, name: str) -> list[float]:
        key, _, place = name.partition(".")
        values = [optimizer.param_groups[0][key] for optimizer in self.optimizers]
        return [value[int(place)] for value in values] if place else values

    def group(self, index: int) -> Arguments:
        return {k: v for k, v in self.optimizers[index].param_groups[0].items() if k != "params"}


def together(ours: StackedSchedule, lone: Lone, count: int) -> None:
    """Take so many steps; every number before each of them is the member's own."""
    rows = {} if ours.plateau else ours.ahead(count)
    for k in range(count):
        now = ours.now() if ours.plateau else {name: values[k] for name, values in rows.items()}
        for name, values in now.items():
            assert values.tolist() == lone.numbers(name), (name, k)
        metric = lone.step()
        if ours.plateau:
            ours.wait(metric)


def assert_same_state(ours: StackedSchedule, lone: Lone, optimizer: str) -> None:
    """To the bit and the type."""
    leaves = ours.leaves()
    for i, schedule in enumerate(lone.schedules):
        assert exact(ours.member(leaves, i)) == exact(schedule.state_dict())
        group = {**ours.groups[i], **ours.group_entries(leaves, i)}
        assert exact(group) == exact(lone.group(i))


def exact(value: Any) -> Any:
    """With types, and in any order of keys."""
    if isinstance(value, dict):
        return type(value), {key: exact(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value), [exact(inner) for inner in value]
    return type(value), value


ALL = pytest.mark.parametrize("name", CASES)
BOTH = pytest.mark.parametrize("optimizer", OPTIMIZERS)


def test_every_schedule_of_the_configuration_has_a_case() -> None:
    sections = {path.stem: yaml.safe_load(path.read_text()) for path in (CONF / "scheduler").glob("*.yaml")}
    assert {section["_target_"] for name, section in sections.items() if name != "none"} <= {*OVER_ARRAYS, PLATEAU}
    assert {*OVER_ARRAYS, PLATEAU} <= {path for path, _ in CASES.values()}


@BOTH
@ALL
def test_numbers_and_state_are_those_of_torchs_own(name: str, optimizer: str) -> None:
    ours, lone = stacked(name, optimizer), Lone(name, optimizer)
    first = lone.numbers("lr")
    assert_same_state(ours, lone, optimizer)
    for count in (1, 0, 12, 64, 200, 23):
        together(ours, lone, count)
        assert_same_state(ours, lone, optimizer)
    assert first != lone.numbers("lr")


@pytest.mark.parametrize("name", ["exponential", "step", "plateau", "one_cycle"])
def test_a_rate_that_is_an_integer_stays_one_for_as_long_as_torchs_own(name: str) -> None:
    rates = (1, 1, 2, 1.0)
    ours, lone = stacked(name, "torch.optim.SGD", rates), Lone(name, "torch.optim.SGD", rates)
    assert_same_state(ours, lone, "torch.optim.SGD")
    together(ours, lone, 20)
    assert_same_state(ours, lone, "torch.optim.SGD")


@BOTH
@ALL
def test_going_back_and_going_on_elsewhere(name: str, optimizer: str) -> None:
    ours, lone = stacked(name, optimizer), Lone(name, optimizer)
    together(ours, lone, 11)
    leaves = ours.leaves()
    if ours.plateau:
        for _ in range(40):
            ours.wait(torch.ones(4))
    else:
        ours.ahead(40)
    ours.load(leaves)
    again = stacked(name, optimizer)
    again.load(leaves)
    for one in (ours, again):
        assert_same_state(one, lone, optimizer)
    together(again, lone, 60)
    assert_same_state(again, lone, optimizer)


@ALL
def test_some_members_go_on(name: str) -> None:
    ours, keep = stacked(name, "torch.optim.Adam"), [2, 3, 2]
    ours.plateau or ours.ahead(11)
    if ours.plateau:
        ours.wait(torch.ones(4))
    some = ours.select(keep)
    if ours.plateau:
        for _ in range(9):
            ours.wait(torch.ones(4))
            some.wait(torch.ones(3))
    rows, theirs = ours.ahead(30), some.ahead(30)
    assert rows.keys() == theirs.keys()
    assert all(np.array_equal(rows[name][:, keep], theirs[name]) for name in rows)
    for place, index in enumerate(keep):
        assert exact(some.member(some.leaves(), place)) == exact(ours.member(ours.leaves(), index))


def test_leaves_are_copies() -> None:
    for name in CASES:
        ours = stacked(name, "torch.optim.SGD")
        before, shown = ours.leaves(), str(ours.leaves())
        ours.wait(torch.ones(4)) if ours.plateau else ours.ahead(8)
        assert str(before) == shown != str(ours.leaves())


# --- refused ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "sections", "message"),
    [
        ("StepLR", [{"step_size": 3}] * 3, "2 members cannot have 3 schedules"),
        ("StepLR", [{"step_size": 3}, {"step_size": 0}], r"StepLR refuses step_size=0: .*zero"),
        ("ReduceLROnPlateau", [{"factor": 1.5}] * 2, r"refuses factor=1\.5: Factor should be < 1"),
        ("OneCycleLR", [{"max_lr": 0.1, "total_steps": -9}] * 2, "refuses .*positive integer total_steps"),
        ("OneCycleLR", [{"max_lr": 0.1, "total_steps": 9, "cycle_momentum": c} for c in (True, False)], "be the same"),
    ],
)  # fmt: skip
def test_what_is_refused(path: str, sections: list[Arguments], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StackedSchedule(TORCH + path, sections, [lone_group("torch.optim.SGD", {"lr": 0.1})] * 2)


def test_momentum_cannot_be_cycled_where_there_is_none() -> None:
    group, sections = lone_group("torch.optim.Adagrad", {"lr": 0.1}), [{"max_lr": 0.1, "total_steps": 9}] * 2
    with pytest.raises(ValueError, match="optimizer must support momentum or beta1"):
        StackedSchedule(f"{TORCH}OneCycleLR", sections, [group] * 2)


def test_a_cycle_ends() -> None:
    group, sections = lone_group("torch.optim.SGD", {"lr": 0.1}), [{"max_lr": 0.1, "total_steps": n} for n in (9, 12)]
    schedule = StackedSchedule(f"{TORCH}OneCycleLR", sections, [group] * 2)
    schedule.ahead(9)
    with pytest.raises(ValueError, match=r"Tried to step 10 times\. The specified number of total steps is 9"):
        schedule.ahead(1)


def test_torch_does_not_warn() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("own", "restarts", "warmup_cosine"):
            stacked(name, "torch.optim.SGD").ahead(3)


def test_which_schedules_fit_a_stack() -> None:
    assert fits_stack({"_target_": "x", "max_lr": 0.1, "total_steps": 9, "three_phase": True})
    assert not fits_stack({"max_lr": 0.1, "total_steps": 9, "max_momentum": 0.0})
    assert fits_stack({"max_lr": 0.1, "total_steps": 9, "max_momentum": 0.0, "cycle_momentum": False})
    assert fits_stack({"factor": 0.1})
