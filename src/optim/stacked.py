"""The optimizer of a stack: one class, many members with numbers of their own, stepped at once."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from src.load import load
from src.optim.rules import IMPLEMENTATION, RULES, Rule, Scalars, count_dtype, power

Arguments = Mapping[str, Any]

SPARED = ("momentum", "dampening", "weight_decay")
"""Numbers whose operations are left out where no member gives them and the class has them at 0."""

LONGEST_AHEAD, MOST_AHEAD = 64, 2**16
"""For how many steps, and for how many members and steps, scalars are computed ahead."""


def has_rule(path: str, arguments: Arguments) -> bool:
    """Whether members of this class with such arguments can be trained in a stack."""
    rule = RULES.get(path)
    if rule is None:
        return False
    for key, value in arguments.items():
        if key in rule.numbers:
            fine = _is_number(value)
        elif key in rule.pairs:
            fine = isinstance(value, list | tuple) and len(value) == 2 and all(map(_is_number, value))
        else:
            fine = key in IMPLEMENTATION or (key in rule.options and isinstance(value, bool))
        if not fine:
            return False
    return True


def program(path: str, arguments: Arguments) -> Hashable:
    """What is the same in all members of one stack: the class, its options, and which of its numbers act at all.

    Where none of momentum, dampening and weight decay is given, their operations are left out. Members with the same
    options can be stacked even if only some give them; the others are then computed with 0, to the same numbers (but
    `0 inf` is not 0, nor -0 the bits of 0).
    """
    options = tuple(bool(arguments.get(name, False)) for name in RULES[path].options)
    return path, options, tuple(name for name in SPARED if name in arguments)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def plain(arguments: Arguments) -> dict[str, Any]:
    """Arguments without Hydra's own keys, and lists as the tuples that optimizers expect."""
    return {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in arguments.items()
        if not key.startswith("_")
    }


@dataclass(frozen=True)
class _Ahead:
    """Scalars of `length` steps from `first` on: of each kind of parameter by name, and where a step looks for them."""

    first: int
    length: int
    powers: Sequence[Tensor] | None
    scalars: Sequence[tuple[Mapping[str, Sequence[Tensor]], Scalars]]


@lru_cache(maxsize=100_000)
def _lone_group(path: str, arguments: tuple[tuple[str, Any], ...]) -> Mapping[str, Any]:
    """The parameter group of the class itself with these arguments, which it may refuse."""
    factory = load(path, "optimizer._target_", Optimizer)
    try:
        optimizer = factory([nn.Parameter(torch.zeros(1, 1, 1))], **dict(arguments))
    except Exception as error:
        told = ", ".join(f"{key}={value}" for key, value in arguments)
        raise ValueError(f"{path} refuses {told}: {error}") from None
    group = optimizer.state_dict()["param_groups"][0]
    return {key: value for key, value in group.items() if key != "params"}


def lone_group(path: str, arguments: Arguments) -> dict[str, Any]:
    """The parameter group that a lone run's optimizer would have, without its parameters.

    Raises:
        ValueError: the class refuses an argument; its own sentence is told.
    """
    return dict(_lone_group(path, tuple(sorted(plain(arguments).items()))))


class Stacked(Optimizer):
    """Every member's own optimizer of one class, over parameters `[P, ...]`, as one program.

    `param_groups[0]` holds the numbers of all members: float64 `[P]` by the name of the argument (`betas` and other
    pairs: a tuple of two). Schedules write into them. What torch keeps beside every parameter though it is one number
    (`step`, NAdam's `mu_product`, ASGD's `eta` and `mu`) is kept once, in `steps` and `kept`.

    Args:
        params: each `[P, ...]`, all on one device.
        path: the dotted name of the class, as in a config: `torch.optim.Adam`.
        members: the arguments of each member; keys that start with `_` are passed over.

    Raises:
        ValueError: no rule for the class or an argument, options that differ, a number that the class refuses.
    """

    steps: int
    """Steps taken. (torch's SGD does not record them: loaded from its state, it is 1 as soon as there is momentum.)"""

    kept: Scalars
    """Per-member numbers that go from step to step, `[P]` or `[k, P]`."""

    def __init__(self, params: Iterable[Any], path: str, members: Sequence[Arguments]) -> None:
        params = list(params)
        self.path, self.members = path, [plain(member) for member in members]
        _check(path, self.members, params)
        self.rule: Rule = RULES[path]
        groups = [lone_group(path, member) for member in self.members]
        self.acting = _acting(self.rule, self.members, groups[0])
        self.steps, self.kept, self.momentum_cycles = 0, {}, False
        self._watched: list[tuple[str, Any, list[tuple[Tensor, int]]]] = []
        self._lr: tuple[Tensor, int] | None = None
        self._scalars: dict[tuple[torch.dtype, int], Scalars] = {}
        self._with_gradient = 0
        self._ahead: _Ahead | None = None
        super().__init__(params, _numbers(self.rule, groups, params[0].device))
        if self.rule.eager:
            self._start()

    # --- a step ---

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient.

        Raises:
            ValueError: a closure is given, or other parameters have a gradient than in the steps before.
        """
        if closure is not None:
            raise ValueError("a stack takes no closure: compute the gradients before the step")
        self.take()

    def take(self) -> None:
        """The step itself, for an inner loop without gradients: torch's hooks around `step` cost as much again."""
        params = [p for p in self.param_groups[0]["params"] if p.grad is not None]
        if self.steps == 0:
            self._start()
        if len(params) != (self._with_gradient or len(params)):
            raise ValueError("in a stack the same parameters must have a gradient in every step")
        self._with_gradient = len(params)
        self.steps += 1
        self._advance()
        update = self.rule.update
        for p in params:
            update(p, p.grad, self.state[p], self._scalars[p.dtype, p.dim()], self.acting)

    def bound(self) -> Callable[[], None]:
        """`take` for steps between which no number changes and the gradients stay the same tensors: it does not look.

        To be called after a step was taken.
        """
        follow = self._follow if self.rule.ahead and not self.momentum_cycles else None
        if self.steps == 0 or (self.rule.every_step and follow is None):
            return self.take
        params = [p for p in self.param_groups[0]["params"] if p.grad is not None]
        calls = [(p, p.grad, self.state[p], self._scalars[p.dtype, p.dim()]) for p in params]
        update, acting = self.rule.update, self.acting

        def step() -> None:
            self.steps += 1
            if follow is not None:
                follow()
            for p, gradient, state, scalars in calls:
                update(p, gradient, state, scalars, acting)

        return step

    def cycle_momentum(self) -> None:
        """A schedule will overwrite momentum or betas after every step: powers of them cannot go on from each other."""
        self.momentum_cycles = True
        if "momentum" in self.rule.numbers:
            self.acting |= {"momentum"}

    def _start(self) -> None:
        """Make the state that a first step needs, from the numbers of that moment."""
        group = self.param_groups[0]
        if group["params"][0].device != group["lr"].device:
            self._move(group["params"][0].device)
        self.kept, self._watched = self.rule.start(group), []  # powers are of the numbers of this moment
        for p in group["params"]:
            if p.grad is None and not self.rule.eager:
                continue
            for slot, first in self.rule.slots.items():
                if slot not in self.rule.only or self.rule.only[slot] in self.acting:
                    value = group[first] if isinstance(first, str) else torch.full_like(group["lr"], first)
                    self.state[p][slot] = _cast(value, p.dtype, p.dim()).expand_as(p).clone()

    def _advance(self) -> None:
        """Bring what the rule needs beside parameters and state to this step."""
        group, rule = self.param_groups[0], self.rule
        if group["params"][0].device != group["lr"].device:
            self._move(group["params"][0].device)
        changed, lr = self._changed(), group["lr"]
        steady = not changed and self._lr is not None and self._lr[0] is lr and self._lr[1] == lr._version
        if steady and rule.ahead and not self.momentum_cycles:
            self._follow()
            return
        self._ahead = None
        if changed:
            self._take_up()
        if rule.bases is not None:
            self._take_powers(changed)
        if rule.every_step or not steady:
            self._lr = lr, lr._version
            self._spread(rule.rates(group, self.steps, self.kept))

    def _follow(self) -> None:
        """Take what the rule needs of this step from what was computed ahead."""
        if self._ahead is None or not 0 <= self.steps - self._ahead.first < self._ahead.length:
            self._ahead = self._look_ahead()
        row = self.steps - self._ahead.first
        if self._ahead.powers is not None:
            self.kept["powers"] = self._ahead.powers[row]
        for scalars, ready in self._ahead.scalars:
            for name, values in scalars.items():
                ready[name] = values[row]

    def _look_ahead(self) -> "_Ahead":
        """The rule's scalars of this step and the next ones, to the same bits as computed one by one."""
        group, rule = self.param_groups[0], self.rule
        length = max(1, min(LONGEST_AHEAD, MOST_AHEAD // len(group["lr"])))
        steps = torch.arange(self.steps, self.steps + length, dtype=torch.float64, device=group["lr"].device)[:, None]
        powers, kept = None, self.kept
        if rule.bases is not None:
            products = kept["bases"][:, None].repeat(1, length, 1)
            products[:, 0] *= kept["powers"]
            whole = products.cumprod(1)
            powers, kept = whole.unbind(1), {**kept, "powers": whole}
        rates = rule.rates(group, steps, kept)
        scalars = []
        for (dtype, dimensions), ready in self._scalars.items():
            wide = {name: value.expand(length, -1).to(dtype) for name, value in rates.items()}
            shaped = {name: value.view(length, -1, *[1] * (dimensions - 1)) for name, value in wide.items()}
            scalars.append(({name: value.unbind(0) for name, value in shaped.items()}, ready))
        return _Ahead(self.steps, length, powers, scalars)

    def _changed(self) -> bool:
        """Whether a number other than `lr` was overwritten since it was taken up (or none has been yet)."""
        group = self.param_groups[0]
        for key, value, numbers in self._watched:
            if group[key] is not value:
                return True
            for number, version in numbers:
                if number._version != version:
                    return True
        return not self._watched

    def _take_up(self) -> None:
        """Compute what follows from the numbers other than `lr`."""
        group, rule = self.param_groups[0], self.rule
        self._watched = []
        for key in (*rule.numbers, *rule.pairs):
            value = group[key]
            if key != "lr":
                numbers = value if isinstance(value, tuple) else (value,)
                self._watched.append((key, value, [(number, number._version) for number in numbers]))
        self._lr, self._ahead = None, None
        self._scalars = {(p.dtype, p.dim()): {} for p in group["params"]}
        self._spread(rule.constants(group))

    def _spread(self, scalars: Scalars) -> None:
        for (dtype, dimensions), ready in self._scalars.items():
            for name, value in scalars.items():
                ready[name] = _cast(value, dtype, dimensions)

    def _take_powers(self, changed: bool) -> None:
        """Bring `kept["powers"]` to this step: by one multiplication, or by all of them, which gives the same bits."""
        kept = self.kept
        if changed or self.momentum_cycles:
            kept["bases"] = torch.stack(self.rule.bases(self.param_groups[0]))  # type: ignore[misc]
        if self.momentum_cycles:
            kept["powers"] = power(kept["bases"], float(self.steps))
        elif changed:
            kept["powers"] = torch.ones_like(kept["bases"])
            for _ in range(self.steps):
                kept["powers"].mul_(kept["bases"])
        else:
            kept["powers"].mul_(kept["bases"])

    def _move(self, device: torch.device) -> None:
        """Follow the parameters: Lightning moves them once the optimizer is there."""
        taken_up, self._ahead = not self._changed(), None
        self.kept = {name: value.to(device) for name, value in self.kept.items()}
        _each_number(self.param_groups[0], lambda value: value.to(device))
        self._watched = []
        if taken_up:
            self._take_up()

    # --- members, and going on ---

    def snapshot(self) -> dict[str, Any]:
        """All that steps and schedules change, to go back to within this optimizer."""
        group = self.param_groups[0]
        numbers = [name for name, value in group.items() if isinstance(value, Tensor | tuple)]
        changing = numbers if self.momentum_cycles else ["lr"]
        return {
            "steps": self.steps,
            "with_gradient": self._with_gradient,
            "kept": {name: value.clone() for name, value in self.kept.items()},
            "slots": [{name: value.clone() for name, value in self.state[p].items()} for p in group["params"]],
            "numbers": {name: _cloned(group[name]) for name in changing},
        }

    @torch.no_grad()
    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Go back to a snapshot."""
        group = self.param_groups[0]
        self.steps, self._with_gradient, self._ahead = snapshot["steps"], snapshot["with_gradient"], None
        self.kept = {name: value.clone() for name, value in snapshot["kept"].items()}
        for p, slots in zip(group["params"], snapshot["slots"], strict=True):
            self.state[p] = {name: value.clone() for name, value in slots.items()}
        for name, value in snapshot["numbers"].items():
            pairs = zip(group[name], value, strict=True) if isinstance(value, tuple) else [(group[name], value)]
            for number, before in pairs:
                if not torch.equal(number, before):
                    number.copy_(before)

    def member_state_dict(self, index: int) -> dict[str, Any]:
        """The `state_dict()` that the member's own optimizer, over parameters `[1, ...]`, would have by now."""
        own, params = lone_group(self.path, self.members[index]), self.param_groups[0]["params"]
        now = {key: value for key, value in self.param_groups[0].items() if key != "params"}
        _each_number(now, lambda value: float(value[index]))
        same = {key: value for key, value in own.items() if key not in now or now[key] == value}  # 0 is not 0.0
        state = {k: self._member_state(index, self.state[p]) for k, p in enumerate(params) if self.state.get(p)}
        return {
            "state": {k: slots for k, slots in state.items() if slots},
            "param_groups": [{**now, **same, "params": list(range(len(params)))}],
        }

    def _member_state(self, index: int, slots: Mapping[str, Tensor]) -> dict[str, Tensor]:
        alone = {"step": torch.tensor(float(self.steps), dtype=count_dtype())}
        alone |= {name: value[index].clone() for name, value in self.kept.items() if value.dim() == 1}
        group, only = self.param_groups[0], self.rule.only
        numbers = {slot: number for slot, number in only.items() if number in self.rule.numbers}
        return {name: alone[name] for name in self.rule.alone} | {
            name: value[index : index + 1].detach().clone()
            for name, value in slots.items()
            if name not in numbers or float(group[numbers[name]][index]) != 0
        }

    @torch.no_grad()
    def load_members(self, states: Sequence[Mapping[str, Any]]) -> None:
        """Go on from the members' own optimizers.

        Args:
            states: of each member, as from `member_state_dict` or from its own optimizer's `state_dict`.

        Raises:
            ValueError: another number of members, other options, or members that are not at the same step.
        """
        if len(states) != len(self.members):
            raise ValueError(f"a stack of {len(self.members)} members cannot go on from the state of {len(states)}")
        groups = [state["param_groups"][0] for state in states]
        self._load_numbers(groups)
        params = self.param_groups[0]["params"]
        entries = [
            [state["state"].get(group["params"][k], {}) for state, group in zip(states, groups, strict=True)]
            for k in range(len(params))
        ]
        steps = {float(slots.get("step", bool(slots))) for of_param in entries for slots in of_param if slots}
        if len(steps) > 1:
            raise ValueError(f"members of a stack must be at the same step, not at {sorted(map(int, steps))}")
        self.steps, self.kept, self._watched, self._with_gradient = int(max(steps, default=0)), {}, [], 0
        self.state.clear()
        for p, of_param in zip(params, entries, strict=True):
            self._load_slots(p, of_param)

    def _load_numbers(self, groups: Sequence[Mapping[str, Any]]) -> None:
        mine = self.param_groups[0]
        for key, first in groups[0].items():
            if key in self.rule.options and any(bool(group[key]) != bool(mine[key]) for group in groups):
                raise ValueError(f"{self.path}: a state with {key}={first} cannot go on with {key}={mine[key]}")
            if key == "params" or key in IMPLEMENTATION or key in self.rule.options or key in self.rule.always:
                continue
            values = torch.tensor([group[key] for group in groups], dtype=torch.float64, device=mine["lr"].device)
            if key in self.rule.pairs:
                for number, value in zip(mine[key], values.unbind(1), strict=True):
                    number.copy_(value)
            elif key in mine:
                mine[key].copy_(values)
            else:  # a schedule's own, such as initial_lr
                mine[key] = values

    def _load_slots(self, p: Tensor, of_param: Sequence[Mapping[str, Any]]) -> None:
        names = dict.fromkeys(name for slots in of_param for name in slots)
        for name in names:
            if name not in self.rule.alone:
                # a member without this slot has the number 0 that goes with it
                values = [slots[name].to(p) if name in slots else torch.zeros_like(p[:1]) for slots in of_param]
                self.state[p][name] = torch.cat(values)
            elif name != "step":
                numbers = [float(slots[name]) for slots in of_param]
                self.kept[name] = torch.tensor(numbers, dtype=count_dtype(), device=p.device)

    def select(self, indices: Sequence[int], params: Iterable[Any]) -> "Stacked":
        """The optimizer of some members only, going on from here.

        Args:
            indices: the members that stay, in their new order; at least two, a lone one twice.
            params: theirs, `[len(indices), ...]`, in the order of this optimizer's own.
        """
        chosen = Stacked(params, self.path, [self.members[index] for index in indices])
        group, old = chosen.param_groups[0], self.param_groups[0]
        where = torch.tensor(indices, device=old["lr"].device)
        group.update({key: value for key, value in old.items() if key != "params"})
        _each_number(group, lambda value: value[where])
        chosen.acting, chosen.steps, chosen.momentum_cycles = self.acting, self.steps, self.momentum_cycles
        chosen.kept = {name: value[..., where] for name, value in self.kept.items()}
        chosen.state.clear()
        for p, before in zip(group["params"], old["params"], strict=True):
            if before in self.state:
                chosen.state[p] = {name: value[where] for name, value in self.state[before].items()}
        if not self._changed():
            chosen._take_up()
        return chosen

    def state_dict(self) -> dict[str, Any]:
        """The whole stack's state, as torch's optimizers have it, with `steps` and `kept`."""
        # powers of numbers that were overwritten since are of no use
        stale = ("bases", "powers") if self._changed() else ()
        kept = {name: value for name, value in self.kept.items() if name not in stale}
        return {**super().state_dict(), "stacked": {"steps": self.steps, "kept": kept}}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a whole stack's state, bit for bit."""
        super().load_state_dict({key: value for key, value in state_dict.items() if key != "stacked"})
        own = state_dict["stacked"]
        self.steps, self._with_gradient, self._ahead = own["steps"], 0, None
        device = self.param_groups[0]["lr"].device
        self.kept = {name: value.detach().clone().to(device) for name, value in own["kept"].items()}
        self._watched = []
        if "powers" in self.kept:
            self._take_up()


def _check(path: str, members: Sequence[Arguments], params: Sequence[Any]) -> None:
    """Refuse what no rule serves."""
    if path not in RULES:
        raise ValueError(f"{path} has no rule for a stack; those that have one: {', '.join(RULES)}")
    for member in members:
        if not has_rule(path, member):
            given = ", ".join(f"{key}={value}" for key, value in member.items())
            raise ValueError(f"the rule of {path} does not serve {given}")
    for option in RULES[path].options:
        if len({bool(member.get(option, False)) for member in members}) > 1:
            raise ValueError(f"{path}: {option} must be the same in all members of a stack")
    sizes = [list(p.shape) for p in params]
    if not members or not params or any(not shape or shape[0] != len(members) for shape in sizes):
        raise ValueError(f"{len(members)} members need parameters [{len(members)}, ...], not {sizes}")


def _acting(rule: Rule, members: Sequence[Arguments], group: Mapping[str, Any]) -> frozenset[str]:
    on = {name for name in rule.options if group[name]}
    numbers = {name for name in rule.numbers if group[name] != 0 or any(name in member for member in members)}
    return rule.always | on | numbers


def _numbers(rule: Rule, groups: Sequence[Mapping[str, Any]], device: torch.device) -> dict[str, Any]:
    """The entries of a stack's parameter group: tensors of numbers, and the options."""

    def tensor(values: Iterable[float]) -> Tensor:
        return torch.tensor(list(values), dtype=torch.float64, device=device)

    return {
        **{name: tensor(group[name] for group in groups) for name in rule.numbers},
        **{name: tuple(tensor(group[name][k] for group in groups) for k in (0, 1)) for name in rule.pairs},
        **{name: groups[0][name] for name in rule.options},
    }


def _each_number(group: dict[str, Any], change: Callable[[Tensor], Any]) -> None:
    """Replace every per-member number of a parameter group, those of a schedule too."""
    for key, value in group.items():
        if isinstance(value, Tensor):
            group[key] = change(value)
        elif isinstance(value, tuple):
            group[key] = tuple(change(number) for number in value)


def _cloned(value: Any) -> Any:
    return tuple(number.clone() for number in value) if isinstance(value, tuple) else value.clone()


def _cast(value: Tensor, dtype: torch.dtype, dimensions: int) -> Tensor:
    """`[P]` as `[P, 1, ..., 1]` of the parameter's dtype."""
    return value.to(dtype).view(-1, *[1] * (dimensions - 1))
