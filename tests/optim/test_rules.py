"""Members of a stack against torch's own optimizer for each of them, and against themselves in other stacks."""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor, nn
from torch.optim import Optimizer

from src.compose import CONF
from src.load import load
from src.optim.driven import ELEMENTWISE, load_state
from src.optim.rules import RULES
from src.optim.stacked import Stacked, has_rule, program

Arguments = dict[str, Any]

# of a parameter without the member axis: a weight, a bias, one number, more than a vector register holds
SHAPES = ((3, 2), (1, 2), (1, 1), (7, 5))
TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-12}


def _yamls() -> dict[str, Arguments]:
    sections = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((CONF / "optimizer").glob("*.yaml"))}
    return {name: section for name, section in sections.items() if section["_target_"] in ELEMENTWISE}


YAMLS = _yamls()
OPTIONS = [
    ("torch.optim.SGD", {"maximize": True}),
    ("torch.optim.SGD", {"nesterov": True, "maximize": True}),
    ("torch.optim.Adagrad", {"maximize": True}),
    ("torch.optim.RMSprop", {"centered": True}),
    ("torch.optim.RMSprop", {"maximize": True}),
    ("torch.optim.Adadelta", {"maximize": True}),
    ("torch.optim.Adam", {"amsgrad": True}),
    ("torch.optim.Adam", {"maximize": True}),
    ("torch.optim.Adam", {"decoupled_weight_decay": True}),
    ("torch.optim.AdamW", {"amsgrad": True, "maximize": True}),
    ("torch.optim.Adamax", {"maximize": True}),
    ("torch.optim.NAdam", {"maximize": True}),
    ("torch.optim.NAdam", {"decoupled_weight_decay": True}),
    ("torch.optim.RAdam", {"maximize": True}),
    ("torch.optim.RAdam", {"decoupled_weight_decay": True}),
    ("torch.optim.ASGD", {"maximize": True}),
    ("torch.optim.Rprop", {"maximize": True}),
]
PATHS = [pytest.param(path, id=path.rpartition(".")[2]) for path in RULES]
DTYPES = [pytest.param(dtype, id=str(dtype)[6:]) for dtype in TOLERANCE]

RANGES: Mapping[str, tuple[float, float]] = {
    "momentum": (0.5, 0.95),
    "dampening": (0.0, 0.5),
    "weight_decay": (1e-3, 0.1),
    "lr_decay": (0.0, 0.1),
    "initial_accumulator_value": (0.0, 1.0),
    "eps": (1e-10, 1e-4),
    "alpha": (0.5, 0.99),
    "rho": (0.5, 0.99),
    "momentum_decay": (0.0, 0.05),
    "lambd": (1e-4, 1e-2),
    "t0": (5, 150),
    "beta": (0.0, 0.95),
    "beta1": (0.0, 0.95),
    "beta2": (0.5, 0.99),
}
PAIRS = {
    "betas": ((0.0, 0.95), (0.5, 0.9995)),
    "etas": ((0.3, 0.7), (1.05, 1.4)),
    "step_sizes": ((1e-6, 1e-3), (0.1, 50.0)),
}


def draw(path: str, count: int, seed: int = 0, **options: Any) -> list[Arguments]:
    """Arguments of so many members, every number another one; some that may be 0 are."""
    rng, members = random.Random(f"{path} {seed}"), list[Arguments]()
    for index in range(count):
        member: Arguments = {**options, "lr": 10 ** rng.uniform(-3, -0.5)}
        for name in RULES[path].numbers[1:]:
            member[name] = rng.uniform(*RANGES[name])
        for name in RULES[path].pairs:
            member[name] = tuple(rng.uniform(*limits) for limits in PAIRS[name])
        if "weight_decay" in member and index % 3 == 0:
            member["weight_decay"] = 0.0
        if "momentum" in member and index % 3 == 1 and not options.get("nesterov"):
            member["momentum"] = 0.0
        if options.get("nesterov"):
            member["dampening"] = 0.0
        members.append(member)
    return members


class Race:
    """A stack, and torch's own optimizer for every member on a copy of its parameters, under the same gradients."""

    def __init__(self, path: str, members: Sequence[Arguments], dtype: torch.dtype = torch.float32) -> None:
        self.random = torch.Generator().manual_seed(0)
        self.params = [nn.Parameter(self.normal(len(members), shape, dtype)) for shape in SHAPES]
        self.own = [[nn.Parameter(p[i : i + 1].detach().clone()) for p in self.params] for i in range(len(members))]
        self.stack = Stacked(self.params, path, members)
        factory = load(path, "path", Optimizer)
        self.lone = [factory(own, **member) for own, member in zip(self.own, members, strict=True)]

    def normal(self, count: int, shape: tuple[int, int], dtype: torch.dtype) -> Tensor:
        return torch.randn(count, *shape, generator=self.random, dtype=dtype)

    def gradients(self) -> None:
        for k, p in enumerate(self.params):
            p.grad = self.normal(len(p), SHAPES[k], p.dtype)
            for i, own in enumerate(self.own):
                own[k].grad = p.grad[i : i + 1].clone()

    def step(self, count: int = 1) -> None:
        for _ in range(count):
            self.gradients()
            self.stack.step()
            for lone in self.lone:
                lone.step()

    def distance(self) -> float:
        """The largest of the members' distances from their own optimizers', relative to the parameters' norm."""
        apart = []
        for i, own in enumerate(self.own):
            alone = torch.cat([p.detach().double().flatten() for p in own])
            stacked = torch.cat([p[i].detach().double().flatten() for p in self.params])
            apart.append(float((stacked - alone).norm() / alone.norm()))
        return max(apart)


def run(
    path: str, members: Sequence[Arguments], data: Sequence[int], dtype: torch.dtype = torch.float32
) -> list[Tensor]:
    """Parameters after 15 steps of a stack whose members see the data of these numbers."""
    starts = [[torch.randn(1, *shape, generator=_generator(n), dtype=dtype) for shape in SHAPES] for n in data]
    params = [nn.Parameter(torch.cat([start[k] for start in starts])) for k in range(len(SHAPES))]
    stack, generators = Stacked(params, path, members), [_generator(100 + n) for n in data]
    for _ in range(15):
        for k, p in enumerate(params):
            gradients = [torch.randn(1, *SHAPES[k], generator=generator, dtype=dtype) for generator in generators]
            p.grad = torch.cat(gradients)
        stack.step()
    return [p.detach() for p in params]


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# --- against torch ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", YAMLS)
def test_members_are_their_own_optimizers(name: str, dtype: torch.dtype) -> None:
    section = {key: value for key, value in YAMLS[name].items() if not key.startswith("_")}
    path, options = YAMLS[name]["_target_"], {key: value for key, value in section.items() if value is True}
    as_configured = {key: tuple(value) if isinstance(value, list) else value for key, value in section.items()}
    race = Race(path, [*draw(path, 4, **options), as_configured], dtype)
    race.step(200)
    assert race.distance() <= TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("path", "options"), OPTIONS)
def test_options(path: str, options: Arguments, dtype: torch.dtype) -> None:
    race = Race(path, draw(path, 3, 1, **options), dtype)
    race.step(50)
    assert race.distance() <= TOLERANCE[dtype]
    without = Race(path, [{**member, **dict.fromkeys(options, False)} for member in draw(path, 3, 1, **options)], dtype)
    without.step(50)
    if len(options) == 1:
        assert not torch.allclose(race.params[0], without.params[0], atol=1e-4)


@pytest.mark.parametrize("path", PATHS)
def test_defaults_are_those_of_the_class(path: str) -> None:
    race = Race(path, [{"lr": 0.1}, {"lr": 0.02}], torch.float64)
    race.step(20)
    assert race.distance() <= 1e-12


@pytest.mark.parametrize("path", PATHS)
def test_gradients_that_are_zero(path: str) -> None:
    race = Race(path, draw(path, 3), torch.float64)
    race.normal = lambda count, shape, dtype: torch.zeros(count, *shape, dtype=dtype)  # type: ignore[method-assign]
    race.step(20)
    assert race.distance() <= 1e-12
    race.normal = Race.normal.__get__(race)  # type: ignore[method-assign]
    race.step(20)
    assert race.distance() <= 1e-12


@pytest.mark.parametrize("path", ["torch.optim.SGD", "torch.optim.RMSprop"])
def test_no_momentum_beside_momentum(path: str) -> None:
    race = Race(path, [{"lr": 0.1, "momentum": 0}, {"lr": 0.1, "momentum": 0.9}], torch.float64)
    race.step(50)
    assert race.distance() <= 1e-12
    slots = [race.stack.member_state_dict(i)["state"].get(0, {}) for i in (0, 1)]
    assert ["momentum_buffer" in s for s in slots] == [False, True]


@pytest.mark.parametrize("path", PATHS)
def test_numbers_that_are_overwritten(path: str) -> None:
    race = Race(path, draw(path, 3), torch.float64)
    race.step(5)
    for name, factor in (("lr", 0.5), ("betas", 0.9), ("weight_decay", 3.0), ("rho", 0.9), ("lr", 3.0)):
        group = race.stack.param_groups[0]
        if name in group:
            for number in group[name] if isinstance(group[name], tuple) else (group[name],):
                number.mul_(factor)
            for lone in race.lone:
                old = lone.param_groups[0][name]
                new = tuple(factor * value for value in old) if isinstance(old, tuple) else factor * old
                lone.param_groups[0][name] = new
        race.step(5)
    # NAdam's product of momenta is float32 in torch; a last bit of it can differ after other betas
    assert race.distance() <= (1e-8 if path == "torch.optim.NAdam" else 1e-12)


# --- against itself in another stack ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("path", PATHS)
def test_a_member_has_the_same_bits_in_every_stack(path: str, dtype: torch.dtype) -> None:
    members = draw(path, 9, 2)
    alone = [run(path, [members[n], members[(n + 1) % 9]], [n, (n + 1) % 9], dtype) for n in range(9)]
    # the last is long enough for vectors of the members' numbers, and an end
    for chosen in ([8, 0, 4], [6, 5, 4, 3, 2, 1, 0], [3, 3], [*range(9), *range(9)]):
        together = run(path, [members[n] for n in chosen], chosen, dtype)
        for position, n in enumerate(chosen):
            assert all(torch.equal(p[position], q[0]) for p, q in zip(together, alone[n], strict=True))


@pytest.mark.parametrize("path", ["torch.optim.SGD", "torch.optim.RMSprop", "torch.optim.Adam"])
def test_a_number_that_only_others_give_changes_no_bit(path: str) -> None:
    others = draw(path, 2)
    members = [{"lr": 0.1}, {"lr": 0.03}]
    assert program(path, members[0]) != program(path, others[0])
    mixed, own = run(path, [*members, *others], [0, 1, 2, 3]), run(path, members, [0, 1])
    assert all(torch.equal(p[:2], q) for p, q in zip(mixed, own, strict=True))


@pytest.mark.parametrize("path", PATHS)
def test_going_on_with_some_members_changes_no_bit(path: str) -> None:
    members, chosen = draw(path, 6, 3), [4, 1, 1]
    race = Race(path, members)
    race.step(10)
    some = [nn.Parameter(p[chosen].detach().clone()) for p in race.params]
    stack = race.stack.select(chosen, some)
    for _ in range(10):
        race.gradients()
        for p, q in zip(some, race.params, strict=True):
            assert q.grad is not None
            p.grad = q.grad[chosen]
        race.stack.step()
        stack.step()
    assert all(torch.equal(p, q[chosen]) for p, q in zip(some, race.params, strict=True))


# --- state ------------------------------------------------------------------------------------------------------------


def _assert_same_layout(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    """The same keys, shapes, dtypes and numbers; the numbers of the state up to rounding."""
    (our_group,), (their_group,) = ours["param_groups"], theirs["param_groups"]
    assert {k: repr(v) for k, v in our_group.items()} == {k: repr(v) for k, v in their_group.items()}
    assert ours["state"].keys() == theirs["state"].keys()
    for k, slots in theirs["state"].items():
        assert ours["state"][k].keys() == slots.keys()
        for name, value in slots.items():
            torch.testing.assert_close(ours["state"][k][name], value, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("steps", [0, 7])
@pytest.mark.parametrize("path", PATHS)
def test_a_members_state_is_laid_out_as_torch_does(path: str, steps: int) -> None:
    race = Race(path, draw(path, 3), torch.float64)
    race.step(steps)
    for i, lone in enumerate(race.lone):
        _assert_same_layout(race.stack.member_state_dict(i), lone.state_dict())


@pytest.mark.parametrize("load_lone", [load_state, Optimizer.load_state_dict])
@pytest.mark.parametrize("path", PATHS)
def test_a_lone_run_goes_on_from_a_stack_and_a_stack_from_lone_runs(
    path: str, load_lone: Callable[[Optimizer, Any], None]
) -> None:
    members = draw(path, 3)
    race = Race(path, members, torch.float64)
    race.step(7)
    states = [lone.state_dict() for lone in race.lone]
    for i, own in enumerate(race.own):
        race.lone[i] = type(race.lone[i])(own, lr=0.5)
        load_lone(race.lone[i], race.stack.member_state_dict(i))
    race.stack = Stacked(race.params, path, [{**member, "lr": 0.5} for member in members])
    race.stack.load_members(states)
    race.step(7)
    # torch's own loading goes on with a float64 product of momenta
    assert race.distance() <= (1e-7 if path == "torch.optim.NAdam" and load_lone is not load_state else 1e-12)
    for i, lone in enumerate(race.lone):
        if load_lone is load_state:
            _assert_same_layout(race.stack.member_state_dict(i), lone.state_dict())


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("how", ["members", "whole"])
def test_a_stack_resumes_to_the_last_bit(path: str, how: str) -> None:
    members = draw(path, 3)
    race, again = Race(path, members), Race(path, members)
    race.step(12)
    again.step(5)
    resumed = Stacked(again.params, path, members)
    if how == "members":
        resumed.load_members([again.stack.member_state_dict(i) for i in range(3)])
    else:
        load_state(resumed, again.stack.state_dict())
    again.stack = resumed
    again.step(7)
    assert all(torch.equal(p, q) for p, q in zip(race.params, again.params, strict=True))


# --- refused ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "members", "message"),
    [
        ("torch.optim.LBFGS", [{"lr": 0.1}] * 2, r"torch\.optim\.LBFGS has no rule .*torch\.optim\.Adam"),
        ("torch.optim.Adam", [{"lr": 0.1}, {"lr": 0.1, "rho": 1}], r"rule of torch\.optim\.Adam does not .*rho=1"),
        ("torch.optim.Adam", [{"betas": 0.9}] * 2, r"does not serve betas=0\.9"),
        ("torch.optim.SGD", [{"nesterov": False}, {"momentum": 0.9, "nesterov": True}], "nesterov must be the same"),
        ("torch.optim.SGD", [{"lr": 0.1}, {"lr": -1.0}], r"SGD refuses lr=-1\.0: Invalid learning rate"),
        ("torch.optim.Adam", [{"betas": [0.9, 1.5]}] * 2, r"refuses betas=\(0\.9, 1\.5\): .*index 1"),
        ("src.optim.TextbookAdam", [{"lr": 0.1, "beta1": 1.0}] * 2, r"beta1 must be from 0 to below 1, not 1\.0"),
        ("torch.optim.SGD", [{"lr": 0.1}] * 3, r"3 members need parameters \[3, \.\.\.\], not \[\[2, 3, 1\]\]"),
    ],
)
def test_what_is_refused(path: str, members: list[Arguments], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Stacked([nn.Parameter(torch.zeros(2, 3, 1))], path, members)


def test_what_has_a_rule() -> None:
    assert frozenset(RULES) == ELEMENTWISE
    assert all(
        has_rule(section["_target_"], {k: v for k, v in section.items() if k[0] != "_"}) for section in YAMLS.values()
    )
    assert has_rule("torch.optim.Adam", {"lr": 0.1, "betas": [0.9, 0.99], "foreach": True, "fused": None})
    assert not has_rule("torch.optim.Muon", {"lr": 0.1})
    assert not has_rule("torch.optim.SGD", {"lr": torch.tensor(0.1)})
    assert not has_rule("torch.optim.SGD", {"nesterov": 1})


def test_keys_of_the_config_and_arguments_that_choose_an_implementation_are_passed_over() -> None:
    params = [nn.Parameter(torch.zeros(2, 3, 1))]
    section = {"_target_": "torch.optim.Adam", "_partial_": True, "lr": 0.1, "betas": [0.8, 0.9], "foreach": False}
    stack = Stacked(params, "torch.optim.Adam", [section, {**section, "foreach": None}])
    assert [stack.member_state_dict(i)["param_groups"][0]["foreach"] for i in (0, 1)] == [False, None]


def test_members_at_other_steps_or_with_other_options_are_no_stack() -> None:
    path = "torch.optim.Adam"
    race, other = Race(path, draw(path, 2)), Race(path, draw(path, 2, amsgrad=True))
    race.step(1)
    early = race.stack.member_state_dict(0)
    race.step(1)
    with pytest.raises(ValueError, match=r"at the same step, not at \[1, 2\]"):
        race.stack.load_members([early, race.stack.member_state_dict(1)])
    with pytest.raises(ValueError, match="amsgrad=True cannot go on with amsgrad=False"):
        race.stack.load_members([other.stack.member_state_dict(i) for i in (0, 1)])
    with pytest.raises(ValueError, match="2 members cannot go on from the state of 1"):
        race.stack.load_members([early])


def test_a_parameter_without_a_gradient_stays_and_must_stay_without() -> None:
    race = Race("torch.optim.Adam", draw("torch.optim.Adam", 2))
    before = race.params[2].detach().clone()
    race.gradients()
    race.params[2].grad = None
    race.stack.step()
    assert torch.equal(race.params[2], before)
    assert race.stack.member_state_dict(0)["state"].keys() == {0, 1, 3}
    race.gradients()
    with pytest.raises(ValueError, match="the same parameters must have a gradient in every step"):
        race.stack.step()
    with pytest.raises(ValueError, match="takes no closure"):
        race.stack.step(lambda: None)
