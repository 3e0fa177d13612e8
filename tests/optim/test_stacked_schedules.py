"""Schedules of a stack against torch's own for every member, and against themselves in other stacks."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch
import yaml
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from src.compose import CONF
from src.load import load
from src.optim.driven import load_state
from src.optim.stacked import Stacked
from src.optim.stacked_schedules import SCHEDULES, StackedPlateau, has_schedule, stacked_schedule

Arguments = dict[str, Any]

TORCH = "torch.optim.lr_scheduler."
# numbers that differ per member, and make each act several times, or begin again, within 300 steps
CASES: Mapping[str, tuple[str, list[Arguments]]] = {
    "cosine": ("CosineAnnealingLR", [{"T_max": 300}, {"T_max": 70, "eta_min": 0.003}, {"T_max": 1}, {"T_max": 299}]),
    "exponential": ("ExponentialLR", [{"gamma": 0.999}, {"gamma": 0.9}, {"gamma": 1.01}, {"gamma": 0.97}]),
    "step": ("StepLR", [{"step_size": 300}, {"step_size": 7, "gamma": 0.9}, {"step_size": 1, "gamma": 0.99},
                        {"step_size": 50, "gamma": 0.5}]),
    "warmup_cosine": ("", [{"warmup_steps": w, "total_steps": t} for w, t in ((100, 300), (0, 300), (7, 90), (3, 4))]),
    "one_cycle": ("OneCycleLR", [
        {"max_lr": 0.1, "total_steps": 300, "pct_start": 0.3, "cycle_momentum": False},
        {"max_lr": 0.3, "total_steps": 310, "pct_start": 0.0, "div_factor": 3.0, "cycle_momentum": False},
        {"max_lr": 0.2, "total_steps": 500, "pct_start": 0.9, "final_div_factor": 10.0, "cycle_momentum": False},
        {"max_lr": 0.2, "epochs": 50, "steps_per_epoch": 7, "cycle_momentum": False},
    ]),
    "plateau": ("ReduceLROnPlateau", [
        {"factor": 0.1, "patience": 3, "threshold": 1e-4},
        {"factor": 0.9, "patience": 0, "cooldown": 5},
        {"factor": 0.5, "patience": 2, "min_lr": 0.01, "threshold": 0.2},
        {"factor": 0.9, "patience": 1, "eps": 1e-3},
    ]),
}  # fmt: skip
OPTIONS: Mapping[str, tuple[str, Arguments]] = {
    "cycles": ("one_cycle", {"cycle_momentum": True}),
    "linear": ("one_cycle", {"cycle_momentum": True, "anneal_strategy": "linear", "max_momentum": 0.9}),
    "three phases": ("one_cycle", {"cycle_momentum": True, "three_phase": True, "base_momentum": 0.5}),
    "largest": ("plateau", {"mode": "max"}),
    "absolute": ("plateau", {"threshold_mode": "abs"}),
    "largest absolute": ("plateau", {"mode": "max", "threshold_mode": "abs"}),
}
ALL = [*CASES, *OPTIONS]
OPTIMIZERS: Mapping[str, Arguments] = {
    "torch.optim.SGD": {"momentum": 0.8},
    "torch.optim.Adam": {"betas": (0.8, 0.99)},
    "torch.optim.RMSprop": {"momentum": 0.5},
    "torch.optim.NAdam": {},
}


def case(name: str) -> tuple[str, list[Arguments]]:
    """The path and the members' arguments."""
    base, options = OPTIONS.get(name, (name, {}))
    kind, members = CASES[base]
    members = [{**member, **options} for member in members]
    if options.get("three_phase"):
        members = [{**member, "pct_start": 0.2 + 0.05 * i} for i, member in enumerate(members)]
    return (TORCH + kind if kind else "src.optim.warmup_cosine"), members


class Race:
    """A stack with its schedule, and for every member torch's own optimizer with torch's own schedule."""

    def __init__(self, name: str, optimizer: str = "torch.optim.SGD", repeat: int = 1) -> None:
        self.path, self.optimizer, self.random = optimizer, name, torch.Generator().manual_seed(0)
        path, self.arguments = case(name)
        self.arguments = self.arguments * repeat
        self.members = [{"lr": 0.1 / (i + 1), **OPTIMIZERS[optimizer]} for i in range(len(self.arguments))]
        count = len(self.members)
        self.param = nn.Parameter(torch.randn(count, 3, 2, generator=self.random, dtype=torch.float64))
        self.stack = Stacked([self.param], optimizer, self.members)
        self.schedule = stacked_schedule(self.stack, path, self.arguments)
        self.own = [nn.Parameter(self.param[i : i + 1].detach().clone()) for i in range(count)]
        self.lone = [self._lone(i) for i in range(count)]
        factory = load(path, "path", object)
        self.schedules = [factory(lone, **arguments) for lone, arguments in zip(self.lone, self.arguments, strict=True)]

    def _lone(self, i: int) -> Optimizer:
        return load(self.path, "path", Optimizer)([self.own[i]], **self.members[i])

    def gradients(self) -> torch.Tensor:
        """Those of the parameter, and a metric."""
        self.param.grad = torch.randn(self.param.shape, generator=self.random, dtype=torch.float64)
        for i, own in enumerate(self.own):
            own.grad = self.param.grad[i : i + 1].clone()
        return torch.rand(len(self.own), generator=self.random)

    def step(self, count: int = 1, lone: bool = True) -> None:
        for _ in range(count):
            metric = self.gradients()
            plateau = isinstance(self.schedule, StackedPlateau)
            self.stack.step()
            self.schedule.step(metric) if plateau else self.schedule.step()  # type: ignore[arg-type]
            for i in range(len(self.lone) if lone else 0):
                self.lone[i].step()
                self.schedules[i].step(metric[i]) if plateau else self.schedules[i].step()

    def numbers(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Learning rate and momenta of every member, `[k, P]`: of the stack, and of its own optimizer."""
        group, names = self.stack.param_groups[0], ("lr", "momentum", "betas")
        ours = torch.cat([torch.stack(group[n]) if n == "betas" else group[n][None] for n in names if n in group])
        alone = [[lone.param_groups[0][n] for n in names if n in group] for lone in self.lone]
        theirs = [[number for n in flat for number in (n if isinstance(n, tuple) else (n,))] for flat in alone]
        return ours.clone(), torch.tensor(theirs, dtype=torch.float64).T

    def assert_same_numbers(self) -> None:
        ours, theirs = self.numbers()
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=0)

    def assert_same_parameters(self) -> None:
        for i, own in enumerate(self.own):
            assert float((self.param[i] - own[0]).detach().norm()) <= 1e-12 * float(own.detach().norm())


def test_every_schedule_of_the_configuration_has_a_case() -> None:
    sections = {path.stem: yaml.safe_load(path.read_text()) for path in (CONF / "scheduler").glob("*.yaml")}
    assert {section["_target_"] for name, section in sections.items() if name != "none"} == set(SCHEDULES)
    assert set(CASES) == set(sections) - {"none"}


@pytest.mark.parametrize("name", ALL)
def test_rates_are_those_of_torchs_own_schedules(name: str) -> None:
    race = Race(name)
    seen = [race.numbers()]
    for _ in range(300):
        race.step()
        seen.append(race.numbers())
    ours, theirs = (torch.stack(side) for side in zip(*seen, strict=True))
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=0)
    assert all(len(set(member.tolist())) > 1 for member in theirs[:, 0].T)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_momentum_that_is_cycled_acts_as_in_torch(optimizer: str) -> None:
    race = Race("cycles", optimizer)
    race.step(200)
    race.assert_same_numbers()
    if optimizer != "torch.optim.NAdam":  # its product of momenta is float32 in torch, and a last bit of it matters
        race.assert_same_parameters()


def test_momentum_is_cycled_in_an_optimizer_that_was_given_none() -> None:
    path, arguments = case("cycles")
    params = [nn.Parameter(torch.ones(4, 2, 1))]
    stack = Stacked(params, "torch.optim.SGD", [{"lr": 0.1}] * 4)
    schedule = stacked_schedule(stack, path, arguments)
    own = [nn.Parameter(torch.ones(1, 2, 1)) for _ in arguments]
    lone = [torch.optim.SGD([p], lr=0.1) for p in own]
    schedules = [torch.optim.lr_scheduler.OneCycleLR(o, **a) for o, a in zip(lone, arguments, strict=True)]
    for _ in range(20):
        params[0].grad = params[0].detach().clone()
        stack.step()
        schedule.step()
        for p, o, s in zip(own, lone, schedules, strict=True):
            p.grad = p.detach().clone()
            o.step()
            s.step()
    torch.testing.assert_close(params[0].detach(), torch.cat([p.detach() for p in own]), rtol=1e-6, atol=0)


# --- against itself --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["torch.optim.SGD", "torch.optim.Adam"])
@pytest.mark.parametrize("name", ALL)
def test_a_member_has_the_same_bits_beside_others(name: str, optimizer: str) -> None:
    race, chosen = Race(name, optimizer, repeat=6), [23, 1]  # enough for vectors of numbers, and an end
    params = [nn.Parameter(race.param[chosen].detach().clone())]
    stack = Stacked(params, optimizer, [race.members[i] for i in chosen])
    schedule = stacked_schedule(stack, race.schedule.path, [race.arguments[i] for i in chosen])
    for _ in range(25):
        _together(race, chosen, params, stack, schedule)
    assert torch.equal(params[0], race.param[chosen])
    assert torch.equal(stack.param_groups[0]["lr"], race.stack.param_groups[0]["lr"][chosen])


def _together(race: Race, chosen: Sequence[int], params: Sequence[nn.Parameter], stack: Stacked, schedule: Any) -> None:
    """A step of the race's stack, and one of a stack of some of its members, under the same gradients."""
    metric = race.gradients()
    assert race.param.grad is not None
    params[0].grad = race.param.grad[chosen]
    for optimizer, own, seen in ((race.stack, race.schedule, metric), (stack, schedule, metric[chosen])):
        optimizer.step()
        own.step(seen) if isinstance(own, StackedPlateau) else own.step()


@pytest.mark.parametrize("optimizer", ["torch.optim.SGD", "torch.optim.Adam"])
@pytest.mark.parametrize("name", ALL)
def test_going_on_with_some_members_changes_no_bit(name: str, optimizer: str) -> None:
    race, chosen = Race(name, optimizer), [2, 3, 2]
    race.step(11, lone=False)
    params = [nn.Parameter(race.param[chosen].detach().clone())]
    stack = race.stack.select(chosen, params)
    schedule = race.schedule.select(chosen, stack)
    for _ in range(11):
        _together(race, chosen, params, stack, schedule)
    assert torch.equal(params[0], race.param[chosen])


@pytest.mark.parametrize("how", ["members", "whole"])
@pytest.mark.parametrize("optimizer", ["torch.optim.SGD", "torch.optim.Adam"])
@pytest.mark.parametrize("name", ALL)
def test_a_stack_resumes_to_the_last_bit(name: str, optimizer: str, how: str) -> None:
    race, again = Race(name, optimizer), Race(name, optimizer)
    race.step(23, lone=False)
    again.step(11, lone=False)
    old, schedule = again.stack, again.schedule
    again.stack = Stacked([again.param], optimizer, again.members)
    again.schedule = stacked_schedule(again.stack, schedule.path, again.arguments)
    if how == "members":
        again.stack.load_members([old.member_state_dict(i) for i in range(4)])
        again.schedule.load_members([schedule.member_state_dict(i) for i in range(4)])
    else:
        load_state(again.stack, old.state_dict())
        again.schedule.load_state_dict(schedule.state_dict())
    again.step(12, lone=False)
    assert torch.equal(race.param, again.param)
    assert torch.equal(race.stack.param_groups[0]["lr"], again.stack.param_groups[0]["lr"])


# --- state -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [0, 12])
@pytest.mark.parametrize("name", ALL)
def test_a_members_state_is_laid_out_as_torch_does(name: str, steps: int) -> None:
    race = Race(name, "torch.optim.Adam")
    race.step(steps)
    for i in range(4):
        _assert_close(race.schedule.member_state_dict(i), race.schedules[i].state_dict())
        ours, theirs = race.stack.member_state_dict(i), race.lone[i].state_dict()
        _assert_close(ours["param_groups"][0], theirs["param_groups"][0])


def _assert_close(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    assert ours.keys() == theirs.keys()
    for key, value in theirs.items():
        simple = isinstance(value, str | bool | None) or key in ("lr_lambdas", "_schedule_phases")
        assert type(ours[key]) is type(value)
        assert ours[key] == (value if simple else pytest.approx(value, rel=1e-12)), key


@pytest.mark.parametrize("name", ALL)
def test_a_lone_run_goes_on_from_a_stack_and_a_stack_from_lone_runs(name: str) -> None:
    race = Race(name, "torch.optim.Adam")
    race.step(12)
    lone, schedules, stack, schedule = race.lone, race.schedules, race.stack, race.schedule
    race.lone = [race._lone(i) for i in range(4)]
    race.schedules = []
    for i, arguments in enumerate(race.arguments):
        race.schedules.append(load(schedule.path, "path", object)(race.lone[i], **arguments))
        race.lone[i].load_state_dict(stack.member_state_dict(i))
        race.schedules[i].load_state_dict(schedule.member_state_dict(i))
    race.stack = Stacked([race.param], race.path, race.members)
    race.schedule = stacked_schedule(race.stack, schedule.path, race.arguments)
    race.stack.load_members([optimizer.state_dict() for optimizer in lone])
    race.schedule.load_members([own.state_dict() for own in schedules])
    for _ in range(12):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch counts the optimizer's calls since it was built
            race.step()
        race.assert_same_numbers()
    race.assert_same_parameters()


# --- refused ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "members", "message"),
    [
        ("LinearLR", [{}] * 2, r"LinearLR has no form for a stack; .*StepLR"),
        ("StepLR", [{"step_size": 3}] * 3, "2 members cannot have 3 schedules"),
        ("StepLR", [{"step_size": 3}, {"step_size": 0}], r"StepLR refuses step_size=0: .*zero"),
        ("StepLR", [{"step_size": 3, "last_epoch": 4}] * 2, "cannot be scheduled by .* last_epoch=4"),
        ("ReduceLROnPlateau", [{"factor": 1.5}] * 2, r"refuses factor=1\.5: Factor should be < 1"),
        ("ReduceLROnPlateau", [{"min_lr": [0.1]}] * 2, r"cannot be scheduled by .* min_lr=\(0\.1,\)"),
        ("ReduceLROnPlateau", [{"mode": "min"}, {"mode": "max"}], "mode must be the same in all members"),
        ("OneCycleLR", [{"max_lr": 0.1, "total_steps": 9, "base_momentum": 0}] * 2, "base_momentum=0"),
        ("OneCycleLR", [{"max_lr": 0.1, "total_steps": -9}] * 2, "refuses .*positive integer total_steps"),
    ],
)
def test_what_is_refused(path: str, members: list[Arguments], message: str) -> None:
    stack = Stacked([nn.Parameter(torch.zeros(2, 3, 1))], "torch.optim.SGD", [{"lr": 0.1}] * 2)
    with pytest.raises(ValueError, match=message):
        stacked_schedule(stack, TORCH + path, members)


def test_momentum_cannot_be_cycled_where_there_is_none() -> None:
    stack = Stacked([nn.Parameter(torch.zeros(2, 3, 1))], "torch.optim.Adagrad", [{"lr": 0.1}] * 2)
    with pytest.raises(ValueError, match="optimizer must support momentum or beta1"):
        stacked_schedule(stack, f"{TORCH}OneCycleLR", [{"max_lr": 0.1, "total_steps": 9}] * 2)


def test_a_cycle_ends() -> None:
    stack = Stacked([nn.Parameter(torch.zeros(2, 3, 1))], "torch.optim.SGD", [{"lr": 0.1}] * 2)
    schedule = stacked_schedule(stack, f"{TORCH}OneCycleLR", [{"max_lr": 0.1, "total_steps": n} for n in (9, 12)])
    for _ in range(9):
        schedule.step()
    with pytest.raises(ValueError, match="step 10 is after the last of the schedule, total_steps=9"):
        schedule.step()


def test_members_at_other_steps_are_no_stack() -> None:
    race = Race("step")
    race.step(2)
    early = race.schedule.member_state_dict(0)
    race.step()
    with pytest.raises(ValueError, match=r"at the same step, not at \[2, 3\]"):
        race.schedule.load_members([early, *(race.schedule.member_state_dict(i) for i in (1, 2, 3))])
    with pytest.raises(ValueError, match="4 members cannot go on from the state of 1"):
        race.schedule.load_members([early])


def test_what_has_a_schedule() -> None:
    assert has_schedule(f"{TORCH}OneCycleLR", {"_target_": "x", "max_lr": 0.1, "total_steps": 9, "three_phase": True})
    assert not has_schedule(f"{TORCH}OneCycleLR", {"max_lr": 0.1, "total_steps": 9, "max_momentum": 0.0})
    assert not has_schedule(f"{TORCH}OneCycleLR", {"max_lr": [0.1], "total_steps": 9})
    assert not has_schedule(f"{TORCH}CyclicLR", {})
    assert issubclass(StackedPlateau, ReduceLROnPlateau)
