"""Members of a stack against torch's own optimizer for each of them, and against themselves in other stacks."""

import random
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor, nn
from torch.optim import Optimizer

from src.config.classes import import_class
from src.config.compose import CONF
from src.optim.build import instance, load_state, with_lowest_loss
from src.optim.rules import RULES
from src.optim.stacked_rule import StackedRule, lone_group
from src.optim.stacked_schedule import StackedSchedule
from tests.optim.test_stacked_schedule import CASES, TORCH, exact

Arguments = dict[str, Any]

# of a parameter without the member axis: a weight, a bias, one number, more than a vector register holds
SHAPES = ((3, 2), (1, 2), (1, 1), (7, 5))
SIZES = [rows * columns for rows, columns in SHAPES]
TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-12}
COARSE = 1e-3
"""Of Muon, which torch computes in bfloat16: sums in another order are rounded elsewhere, a number in thousands."""


def _yamls() -> dict[str, Arguments]:
    sections = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((CONF / "optimizer").glob("*.yaml"))}
    of_class = {
        name: {k: v for k, v in with_lowest_loss(section).items() if k != "rule"} for name, section in sections.items()
    }
    return {name: section for name, section in of_class.items() if section["_target_"] in RULES}


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
    ("torch.optim.Adafactor", {"maximize": True}),
    ("torch.optim.Adafactor", {"eps": (1e-3, 2.0)}),
    ("torch.optim.Muon", {"nesterov": False}),
    ("torch.optim.Muon", {"ns_steps": 3, "ns_coefficients": (2.0, -1.5, 0.5)}),
    ("torch.optim.Muon", {"eps": 3.0, "adjust_lr_fn": "match_rms_adamw"}),
]
PATHS = [pytest.param(path, id=path.rpartition(".")[2]) for path in RULES]
DTYPES = [pytest.param(dtype, id=str(dtype)[6:]) for dtype in TOLERANCE]
# a rate that changes in every step, momentum that is cycled, a plateau, a user's own that changes weight decay as well
SCHEDULES = ["cosine", "one_cycle", "plateau", "own"]
SCHEDULED = ["torch.optim.SGD", "torch.optim.Adam", "torch.optim.RMSprop", "torch.optim.NAdam", "torch.optim.ASGD"]

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
    "beta2_decay": (-0.9, -0.3),
    "d": (1.0, 2.0),
    "beta": (0.0, 0.95),
    "beta1": (0.0, 0.95),
    "beta2": (0.5, 0.99),
    "lowest_loss": (-2.0, -1.0),
    "r": (0.0, 1.5),
    "weight_lr_power": (0.0, 2.0),
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
        for name in RULES[path].numbers:
            if name == "warmup_steps":
                member[name] = rng.randrange(10)
            elif name != "lr":
                member[name] = rng.uniform(*RANGES[name])
        for name in RULES[path].pairs:
            member[name] = tuple(rng.uniform(*limits) for limits in PAIRS[name])
        if "weight_decay" in member and index % 3 == 0:
            member["weight_decay"] = 0.0
        if (
            "momentum" in member
            and index % 3 == 1
            and 0 in RULES[path].numbers["momentum"]
            and "nesterov" not in options
        ):
            member["momentum"] = 0.0
        if options.get("nesterov"):
            member["dampening"] = 0.0
        members.append(member)
    return members


def scheduled(name: str | None, path: str, members: Sequence[Arguments]) -> StackedSchedule | None:
    """The schedule of this case over so many members."""
    if name is None:
        return None
    factory, sections = CASES[name]
    own = [sections[index % len(sections)] for index in range(len(members))]
    return StackedSchedule(factory, own, [lone_group(path, member) for member in members])


@cache
def _numbers(seed: int, dtype: torch.dtype) -> Tensor:
    return torch.randn(sum(SIZES), generator=torch.Generator().manual_seed(seed), dtype=dtype)


class Stack:
    """A rule over rows, each under a sequence of gradients (and of metrics of a plateau) of its own."""

    def __init__(
        self, path: str, members: Sequence[Arguments], dtype: torch.dtype = torch.float32,
        schedule: str | None = None, sequences: Sequence[int] | None = None,
    ) -> None:  # fmt: skip
        self.sequences = list(range(len(members))) if sequences is None else list(sequences)
        self.dtype, self.taken = dtype, 0
        self.flat = self._draw(-1)
        self.shapes = [(1, *shape) if RULES[path].element_wise else shape for shape in SHAPES]
        self.rule = StackedRule(self.flat, path, members, scheduled(schedule, path, members), shapes=self.shapes)

    def _draw(self, step: int) -> Tensor:
        seeds = [1000 * sequence + step + 1 for sequence in self.sequences]
        return torch.stack([_numbers(seed, self.dtype) for seed in seeds])

    def gradient(self, step: int) -> Tensor:
        return self._draw(step)

    def loss(self, step: int) -> Tensor:
        return self.gradient(step)[:, 1].abs()

    def metric(self, step: int) -> Tensor:
        return self.gradient(step)[:, 0].abs()

    def step(self, count: int = 1, block: int = 100) -> None:
        """Steps in blocks of at most so many; a plateau is told its metric after every one."""
        schedule, end = self.rule.schedule, self.taken + count
        plateau = schedule is not None and schedule.plateau
        while self.taken < end:
            ready = self.rule.start(self.taken, 1 if plateau else min(block, end - self.taken))
            for k in range(ready):
                self.rule(k, self.gradient(self.taken + k), self.loss(self.taken + k) if self.rule.needs_loss else None)
            self.taken += ready
            if plateau:
                assert schedule is not None
                schedule.wait(self.metric(self.taken - 1))

    def select(self, keep: Sequence[int]) -> "Stack":
        some = object.__new__(Stack)
        some.sequences, some.dtype = [self.sequences[index] for index in keep], self.dtype
        some.shapes, some.taken, some.flat = self.shapes, self.taken, self.flat[list(keep)].clone()
        some.rule = self.rule.select(keep, some.flat)
        return some

    def state(self, index: int) -> tuple[Arguments, Arguments | None]:
        return self.rule.member(self.rule.leaves(), index, self.shapes, self.taken)


class Race(Stack):
    """A stack, and torch's own optimizer and schedule for every member, under the same gradients."""

    def __init__(
        self, path: str, members: Sequence[Arguments], dtype: torch.dtype = torch.float32, schedule: str | None = None
    ) -> None:
        super().__init__(path, members, dtype, schedule)
        pieces = [row.split(SIZES) for row in self.flat]
        self.own = [
            [nn.Parameter(p.view(shape).clone()) for p, shape in zip(row, self.shapes, strict=True)] for row in pieces
        ]
        self.lone = [instance(path, member, own) for own, member in zip(self.own, members, strict=True)]
        kind, self.schedules = import_class(CASES[schedule][0], "path", object) if schedule else None, list[Any]()
        if kind is not None and self.rule.schedule is not None:
            sections = self.rule.schedule.sections
            self.schedules = [kind(lone, **section) for lone, section in zip(self.lone, sections, strict=True)]

    def step(self, count: int = 1, block: int = 100) -> None:
        first = self.taken
        super().step(count, block)
        for step in range(first, self.taken):
            for i, row in enumerate(self.gradient(step)):
                for p, piece in zip(self.own[i], row.split(SIZES), strict=True):
                    p.grad = piece.view_as(p).clone()
                self.lone[i].step(partial(float, self.loss(step)[i]))
                if self.schedules:
                    plateau = self.rule.schedule is not None and self.rule.schedule.plateau
                    self.schedules[i].step(*([float(self.metric(step)[i])] if plateau else []))

    def distance(self) -> float:
        """The largest of the members' distances from their own optimizers', relative to the parameters' norm."""
        alone = torch.stack([torch.cat([p.detach().flatten() for p in own]) for own in self.own]).double()
        return float(((self.flat.double() - alone).norm(dim=1) / alone.norm(dim=1)).max())


# --- against torch ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", YAMLS)
def test_members_are_their_own_optimizers(name: str, dtype: torch.dtype) -> None:
    section = {key: value for key, value in YAMLS[name].items() if not key.startswith("_")}
    path, options = YAMLS[name]["_target_"], {key: value for key, value in section.items() if value is True}
    as_configured = {key: tuple(value) if isinstance(value, list) else value for key, value in section.items()}
    race = Race(path, [*draw(path, 4, **options), as_configured], dtype)
    race.step(200)
    assert race.distance() <= (COARSE if RULES[path].digits else TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("path", "options"), OPTIONS)
def test_options(path: str, options: Arguments, dtype: torch.dtype) -> None:
    race = Race(path, draw(path, 3, 1, **options), dtype)
    race.step(50)
    assert race.distance() <= (COARSE if RULES[path].digits else TOLERANCE[dtype])
    members = [{k: v for k, v in member.items() if k not in options} for member in draw(path, 3, 1, **options)]
    without = Stack(path, members, dtype)
    without.step(50)
    if len(options) == 1:
        assert not torch.allclose(race.flat, without.flat, atol=1e-4)


@pytest.mark.parametrize("path", PATHS)
def test_defaults_are_those_of_the_class(path: str) -> None:
    race = Race(path, [{"lr": 0.1}, {"lr": 0.02}], torch.float64)
    race.step(20)
    assert race.distance() <= 1e-12


@pytest.mark.parametrize("path", PATHS)
def test_gradients_that_are_zero(path: str) -> None:
    race = Race(path, draw(path, 3), torch.float64)
    race.gradient = lambda step: torch.zeros_like(race.flat)  # type: ignore[method-assign]
    race.step(20)
    assert race.distance() <= 1e-12
    race.gradient = lambda step: Stack.gradient(race, step)  # type: ignore[method-assign]
    race.step(20)
    assert race.distance() <= 1e-12


@pytest.mark.parametrize("path", ["torch.optim.SGD", "torch.optim.RMSprop"])
def test_no_momentum_beside_momentum(path: str) -> None:
    race = Race(path, [{"lr": 0.1, "momentum": 0}, {"lr": 0.1, "momentum": 0.9}], torch.float64)
    race.step(50)
    assert race.distance() <= 1e-12
    assert ["momentum_buffer" in race.state(i)[0]["state"].get(0, {}) for i in (0, 1)] == [False, True]


@pytest.mark.parametrize("name", ["one_cycle", "cyclic"])
@pytest.mark.parametrize("path", SCHEDULED[:-1])
def test_momentum_that_is_cycled_acts_as_in_torch(path: str, name: str) -> None:
    race = Race(path, [{"lr": 0.1}] * 4, torch.float64, name)
    race.step(200)
    # NAdam's product of momenta is float32 in torch, and a last bit of it matters
    assert race.distance() <= (1e-7 if path == "torch.optim.NAdam" else 1e-12)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", ["cosine", "warmup_cosine", "plateau", "own"])
def test_scheduled_members_are_their_own(path: str, name: str) -> None:
    race = Race(path, draw(path, 4), torch.float64, name)
    race.step(40)
    assert race.distance() <= 1e-12
    assert race.rule.rate().tolist() == [lone.param_groups[0]["lr"] for lone in race.lone]


def test_adafactor_of_a_number_a_vector_and_a_kernel_of_many_dimensions() -> None:
    shapes = ((), (5,), (3, 2, 2, 4))
    members: list[Arguments] = [{"lr": 0.1}, {"lr": 0.03, "weight_decay": 0.1}]
    sizes = [torch.Size(shape).numel() for shape in shapes]
    generator = torch.Generator().manual_seed(0)
    flat, *given = torch.randn(6, 2, sum(sizes), generator=generator, dtype=torch.float64)
    lone = [[nn.Parameter(p.view(s).clone()) for p, s in zip(row.split(sizes), shapes, strict=True)] for row in flat]
    optimizers = [torch.optim.Adafactor(own, **member) for own, member in zip(lone, members, strict=True)]
    stack = StackedRule(flat, "torch.optim.Adafactor", members, shapes=shapes)
    for step, gradient in enumerate(given):
        stack.start(step, 1)
        stack(0, gradient)
        for own, row, optimizer in zip(lone, gradient, optimizers, strict=True):
            for p, piece in zip(own, row.split(sizes), strict=True):
                p.grad = piece.view_as(p).clone()
            optimizer.step()
    alone = torch.stack([torch.cat([p.detach().flatten() for p in own]) for own in lone])
    torch.testing.assert_close(flat, alone, rtol=1e-12, atol=1e-12)
    _assert_same_layout(stack.member(stack.leaves(), 1, shapes, 5)[0], optimizers[1].state_dict())


# --- against itself in another stack ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("path", PATHS)
def test_a_member_has_the_same_bits_in_every_stack_and_block(path: str, dtype: torch.dtype) -> None:
    members = draw(path, 9, 2)

    def run(chosen: Sequence[int], block: int = 100) -> Tensor:
        stack = Stack(path, [members[n] for n in chosen], dtype, None, chosen)
        stack.step(70, block)
        return stack.flat

    pairs = [run([n, (n + 1) % 9]) for n in range(0, 9, 2)]
    alone = [pairs[n // 2][n % 2] for n in range(9)]
    # the last is long enough for vectors of the members' numbers, and an end
    for chosen, block in (([8, 0, 4], 1), ([6, 5, 4, 3, 2, 1, 0], 7), ([3, 3], 65), ([*range(9), *range(9)], 100)):
        assert all(torch.equal(row, alone[n]) for row, n in zip(run(chosen, block), chosen, strict=True))


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("path", SCHEDULED)
def test_a_scheduled_member_has_the_same_bits_beside_others(path: str, name: str) -> None:
    if name == "one_cycle" and path == "torch.optim.ASGD":
        pytest.skip("it has no momentum")
    members = [{**member, **({"momentum": 0.5} if "momentum" in member else {})} for member in draw(path, 20)]
    whole = Stack(path, members, schedule=name)
    whole.step(25)
    other = Stack(path, [members[n] for n in (0, 1, 2, 3, 16, 17)], schedule=name, sequences=(0, 1, 2, 3, 16, 17))
    other.step(25, 3)  # the sections of a schedule go round
    assert torch.equal(other.flat[:4], whole.flat[:4])


@pytest.mark.parametrize("path", ["torch.optim.SGD", "torch.optim.RMSprop", "torch.optim.Adam"])
def test_a_number_that_only_others_give_changes_no_bit(path: str) -> None:
    others, members = draw(path, 2), [{"lr": 0.1}, {"lr": 0.03}]
    assert RULES[path].program(members[0]) != RULES[path].program(others[0])
    mixed, own = Stack(path, [*members, *others]), Stack(path, members)
    mixed.step(15)
    own.step(15)
    assert torch.equal(mixed.flat[:2], own.flat)


@pytest.mark.parametrize("name", [None, *SCHEDULES])
@pytest.mark.parametrize("path", PATHS)
def test_going_on_with_some_members_changes_no_bit(path: str, name: str | None) -> None:
    if name == "one_cycle" and not {"momentum", "betas"} & {*RULES[path].numbers, *RULES[path].pairs}:
        pytest.skip("it has no momentum")
    keep, stack = [4, 1, 1], Stack(path, draw(path, 6, 3), schedule=name)
    stack.step(10)
    some = stack.select(keep)
    stack.step(10)
    some.step(10)
    assert torch.equal(some.flat, stack.flat[keep])
    assert torch.equal(some.rule.rate(), stack.rule.rate()[keep])


# --- state ------------------------------------------------------------------------------------------------------------


def _assert_same_layout(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    """The same keys, shapes, dtypes and numbers; the numbers of the state up to rounding."""
    (our_group,), (their_group,) = ours["param_groups"], theirs["param_groups"]
    assert exact(our_group) == exact(their_group)
    assert ours["state"].keys() == theirs["state"].keys()
    for k, slots in theirs["state"].items():
        assert ours["state"][k].keys() == slots.keys()
        for name, value in slots.items():
            torch.testing.assert_close(ours["state"][k][name], value, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("steps", [0, 7])
@pytest.mark.parametrize("path", PATHS)
def test_a_members_state_is_laid_out_as_torch_does(path: str, steps: int) -> None:
    race = Race(path, [*draw(path, 3), {"lr": 1}, {"lr": 1.0}], torch.float64)
    race.step(steps)
    for i, lone in enumerate(race.lone):
        ours, schedule = race.state(i)
        _assert_same_layout(ours, lone.state_dict())
        assert schedule is None


@pytest.mark.parametrize("steps", [0, 12])
@pytest.mark.parametrize("name", CASES)
def test_a_scheduled_members_state_is_laid_out_as_torch_does(name: str, steps: int) -> None:
    for path in ("torch.optim.SGD", "torch.optim.Adam"):
        race = Race(path, [{"lr": 0.1, "weight_decay": 0.01}] * 4, torch.float64, name)
        race.step(steps)
        for i in range(4):
            ours, schedule = race.state(i)
            _assert_same_layout(ours, race.lone[i].state_dict())
            assert exact(schedule) == exact(race.schedules[i].state_dict())


@pytest.mark.parametrize("load_lone", [load_state, Optimizer.load_state_dict])
@pytest.mark.parametrize("path", PATHS)
def test_a_lone_run_goes_on_from_a_stack(path: str, load_lone: Callable[[Optimizer, Any], None]) -> None:
    race = Race(path, draw(path, 3), torch.float64)
    race.step(7)
    for i, own in enumerate(race.own):
        race.lone[i] = instance(path, {**race.rule.members[i], "lr": 0.5}, own)
        load_lone(race.lone[i], race.state(i)[0])
    race.step(7)
    # torch's own loading goes on with a float64 product of momenta
    assert race.distance() <= (1e-7 if path == "torch.optim.NAdam" and load_lone is not load_state else 1e-12)


@pytest.mark.parametrize("name", [None, *SCHEDULES])
@pytest.mark.parametrize("path", PATHS)
def test_going_back_and_going_on_elsewhere_changes_no_bit(path: str, name: str | None) -> None:
    if name == "one_cycle" and not {"momentum", "betas"} & {*RULES[path].numbers, *RULES[path].pairs}:
        pytest.skip("it has no momentum")
    members = draw(path, 4)
    for taken in (0, 5):
        straight, back, other = (Stack(path, members, schedule=name) for _ in range(3))
        straight.step(12)
        back.step(taken)
        leaves, flat = back.rule.leaves(), back.flat.clone()
        back.step(20)
        for stack in (back, other):
            stack.rule.load(leaves)
            stack.flat.copy_(flat)
            stack.taken = taken
            stack.step(12 - taken)
            assert torch.equal(stack.flat, straight.flat)


def test_leaves_have_the_same_names_at_every_step() -> None:
    for path in RULES:
        stack = Stack(path, draw(path, 3))
        before = stack.rule.leaves()
        stack.step(3)
        after = stack.rule.leaves()
        assert [(k, len(v), getattr(v, "shape", 0), getattr(v, "dtype", 0)) for k, v in before.items()] == [
            (k, 3, getattr(v, "shape", 0), getattr(v, "dtype", 0)) for k, v in after.items()
        ]


def test_betas_of_the_config_win_over_those_that_were_kept() -> None:
    old = Stack("torch.optim.Adam", [{"lr": 0.1, "betas": (0.5, 0.9)}] * 2, torch.float64)
    old.step(5)
    race = Race("torch.optim.Adam", [{"lr": 0.1, "betas": (0.8, 0.99)}] * 2, torch.float64)
    race.rule.load(old.rule.leaves())
    race.flat.copy_(old.flat)
    race.taken = 5
    for i, own in enumerate(race.own):
        state = {**old.state(i)[0], "param_groups": race.lone[i].state_dict()["param_groups"]}
        race.lone[i].load_state_dict(state)
        for p, piece in zip(own, old.flat[i].split(SIZES), strict=True):
            p.data.copy_(piece.view_as(p))
    race.step(7)
    assert race.distance() <= 1e-12


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
        ("src.optim.TextbookAdam", [{"lr": 0.1, "beta1": 1.0}] * 2, r"beta1 must be at least 0 and below 1, not 1\.0"),
        ("torch.optim.SGD", [{"lr": 0.1}] * 3, r"3 members need parameters \[3, N\], not \[2, 3\]"),
    ],
)
def test_what_is_refused(path: str, members: list[Arguments], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StackedRule(torch.zeros(2, 3), path, members)


@pytest.mark.parametrize(
    ("shapes", "message"), [([(3,)], "Muon only supports 2D"), ([(2, 2)], r"shapes \(2, 2\) are not 3 numbers")]
)
def test_shapes_that_are_refused(shapes: list[tuple[int, ...]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StackedRule(torch.zeros(2, 3), "torch.optim.Muon", [{"lr": 0.1}] * 2, shapes=shapes)


def test_momentum_that_passes_through_zero_is_refused() -> None:
    path, sections = "torch.optim.SGD", [{"max_lr": 0.1, "total_steps": 10, "base_momentum": 0.0}] * 2
    schedule = StackedSchedule(f"{TORCH}OneCycleLR", sections, [lone_group(path, {"lr": 0.1})] * 2)
    rule = StackedRule(torch.zeros(2, 3), path, [{"lr": 0.1}] * 2, schedule)
    with pytest.raises(ValueError, match="OneCycleLR turns momentum off or on"):
        rule.start(0, 10)


def test_keys_of_the_config_and_arguments_that_choose_an_implementation_are_passed_over() -> None:
    section = {"_target_": "torch.optim.Adam", "_partial_": True, "lr": 0.1, "betas": [0.8, 0.9], "foreach": False}
    stack = Stack("torch.optim.Adam", [section, {**section, "foreach": None}])
    assert [stack.state(i)[0]["param_groups"][0]["foreach"] for i in (0, 1)] == [False, None]


def test_a_group_is_as_it_was_given_whatever_was_asked_before() -> None:
    for rate, etas in ((1, (0.5, 2)), (1.0, (0.5, 2.0)), (1, (0.5, 2))):
        group = lone_group("torch.optim.Rprop", {"lr": rate, "etas": etas})
        assert exact((group["lr"], group["etas"])) == exact((rate, etas))
