"""The update of a stack: one optimizer class, many members with numbers of their own, stepped at once."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from math import prod
from typing import Any, Literal

import torch
from torch import Tensor, nn

from src.optim.build import instance, listed, numbers_of, takes_member_axis
from src.optim.rules import RULES, Rule, rule_of
from src.optim.rules.rule import Scalars, Shape, State, count_dtype, power, wide
from src.optim.stacked_schedule import Leaves, StackedSchedule, chosen, of_schedule

Arguments = Mapping[str, Any]

LONGEST_AHEAD, MOST_AHEAD = 64, 2**16
"""For how many steps, and for how many members and steps, scalars are computed ahead."""
LONGEST_WHOLE, MOST_WHOLE = 1024, 2**18
"""The same where all of these steps are one call."""


def lone_group(path: str, arguments: Arguments, shapes: Sequence[Shape] = ()) -> dict[str, Any]:
    """The parameter group that a lone run's optimizer would have, without its parameters.

    Args:
        path: the dotted name of the class.
        arguments: of the run.
        shapes: of its parameters, for a class that does not take all; none: a weight of one number.

    Raises:
        ValueError: the class refuses an argument or a shape; the sentence is its own.
    """
    given = tuple(sorted(numbers_of(arguments).items()))
    return dict(_lone_group(path, given, repr(given), tuple(shapes) or ((1,) * (2 + takes_member_axis(path)),)))


@lru_cache(maxsize=100_000)
def _lone_group(
    path: str, given: tuple[tuple[str, Any], ...], text: str, shapes: tuple[Shape, ...]
) -> Mapping[str, Any]:
    """Kept by the text as well: 1 equals 1.0, but a checkpoint tells them apart."""
    try:
        optimizer = instance(path, dict(given), [nn.Parameter(torch.zeros(shape)) for shape in shapes], stepped=False)
    except Exception as error:
        raise ValueError(f"{path} refuses {listed(dict(given))}: {error}") from None
    group = optimizer.param_groups[0]
    return {key: value for key, value in group.items() if key != "params"}


class StackedRule:
    """P members' own optimizers of one class, as one program.

    What torch keeps beside every parameter though it is one number (NAdam's `mu_product`, ASGD's `eta` and `mu`) is
    kept once, `[P]`.

    Args:
        flat: `[P, N]`, a row for all parameters of a member; updated in place.
        path: the dotted name of the class, as in a config: `torch.optim.Adam`.
        members: the arguments of each member; keys that start with `_` are passed over.
        schedule: what overwrites numbers between steps.
        rule: of the class; None: the one of this project.
        shapes: of a member's parameters, in the order in which a row holds them; an element-wise rule needs none.

    Attributes:
        most_ahead: for how many members and steps scalars are computed ahead: as many as should still be in the cache
            when each step looks at its own; more where many steps are taken at once.

    Raises:
        ValueError: no rule for the class or an argument, options that differ, what the class refuses.
    """

    def __init__(
        self,
        flat: Tensor,
        path: str,
        members: Sequence[Arguments],
        schedule: StackedSchedule | None = None,
        rule: Rule | None = None,
        shapes: Sequence[Shape] = (),
    ) -> None:
        self.most_ahead = MOST_AHEAD
        self.path, self.members, self.schedule = path, [numbers_of(member) for member in members], schedule
        self.flat = flat.detach()
        rule = rule or rule_of(path)
        if rule is None:
            raise ValueError(f"{path} has no rule for a stack; those that have one: {', '.join(RULES)}")
        self.shapes = [self.flat.shape[1:]] if rule.element_wise else [tuple(shape) for shape in shapes]
        groups = _checked_groups(path, rule, self.members, self.flat, self.shapes)
        self.rule = rule = rule.having(groups[0])
        self._update, self._parameters = rule.update, self._pieces(self.flat)
        self.switches, self.needs_loss = rule.switches, rule.needs_loss
        numbers = [rule.values(group) for group in groups]
        self._given = {
            name: torch.tensor([one[name] for one in numbers], dtype=torch.float64, device=flat.device)
            for name in numbers[0]
        }
        overwritten = {name.partition(".")[0] for name in (schedule.names if schedule else ())}
        same = {name for name, value in self._given.items() if bool((value == value[0]).all())}
        self._same = {name for name in same if name.partition(".")[0] not in overwritten}
        given = {*overwritten, *(name for member in self.members for name in member)}
        self.acting = rule.acting(groups[0], given)
        self._cycles = bool(overwritten - {"lr"})
        """The schedule overwrites more than `lr`: powers of these numbers cannot go on from each other."""
        self._constants = {} if self._cycles else self._cast(rule.constants(self._given))
        self._still = self._numbers(0).get("momentum", flat.new_zeros(())) == 0
        self._begin()

    def _begin(self) -> None:
        """Before the first step."""
        n, rule, flat = self._numbers(0), self.rule, self.flat
        self._slots: list[State] = [{} for _ in self.shapes]
        for slot in rule.slots.keys() & set(self._names):
            width = sum(self._sizes(slot, self.shapes))
            like = flat if width == flat.shape[1] else flat[:, :1].expand(-1, width)
            self._put(slot, rule.begin(slot, n, like))
        self._kept = rule.start(n)
        self._evaluated = False
        bases = [] if self._cycles else rule.bases(n)
        self._bases = torch.stack(bases) if bases else None
        self._powers = None if self._bases is None else torch.ones_like(self._bases)
        self._forget()

    def _forget(self) -> None:
        """What was made ready is of no use."""
        self._rows: list[Scalars] = []
        self._first, self._offset, self._steady = 0, 0, False
        self._ahead: Scalars = {}
        self._window: Tensor | None = None
        self._rate: Any = None

    # --- steps ---

    def start(self, first: int, count: int, whole: bool = False) -> int:
        """Make ready what the steps from `first` on need, of which at most `count` are taken next.

        Args:
            first: the number of the first step.
            count: how many.
            whole: they are not taken one by one, but by who asks for `scalars`.

        Returns:
            For how many steps, from 1 to `count`: all of them are taken before anything else is asked.

        Raises:
            ValueError: the schedule has come to its end, or turns momentum off or on.
        """
        if first == 0:
            self._begin()
        schedule = self.schedule
        if schedule is not None and schedule.plateau and (schedule.now()["lr"] != self._rate).any():
            self._forget()
            self._rate = schedule.now()["lr"]
        # without a schedule scalars can be computed for more steps than are asked for
        alone = not self._kept and not self._cycles and (schedule is None or schedule.plateau)
        self._offset = 0 if self._steady else first - self._first
        most = max(1, min(LONGEST_WHOLE, MOST_WHOLE // len(self.flat))) if whole else self.longest
        there = 0 <= self._offset <= len(self._rows) - min(count, most) and (whole or bool(self._rows[self._offset]))
        if not alone or not there:
            self._first, self._offset = first, 0
            self._rows = self._look_ahead(first, most if alone else min(most, count), whole)
        if alone and self._steady and len(self._rows) < count:
            self._rows = self._rows[:1] * count
        ready = min(count, len(self._rows) - self._offset)
        if self._window is not None and self._bases is not None:
            self._powers = self._window[self._offset + ready].expand_as(self._bases)
        return ready

    @property
    def longest(self) -> int:
        """For how many steps it makes itself ready at once, where as many are asked for."""
        return max(1, min(LONGEST_AHEAD, self.most_ahead // len(self.flat)))

    def __call__(self, k: int, gradient: Tensor, loss: Tensor | None = None) -> None:
        """Take step `first + k` with this gradient `[P, N]`, and with the loss `[P]` where the rule `needs_loss`."""
        c = self._rows[self._offset + k]
        if loss is not None:
            c = {**c, "loss": loss[:, None]}
        if self.rule.element_wise:
            self._update(self.flat, gradient, self._slots[0], c, self.acting)
            return
        for w, g, state in zip(self._parameters, self._pieces(gradient), self._slots, strict=True):
            self._update(w, g, state, wide(c, w), self.acting)

    def _pieces(self, whole: Tensor) -> list[Tensor]:
        """`[P, N]` as what the rule is called for, `[P, *shape]` each; views."""
        pieces = whole.split([prod(shape) for shape in self.shapes], 1)
        return [piece.view(-1, *shape) for piece, shape in zip(pieces, self.shapes, strict=True)]

    def scalars(self, count: int) -> dict[str, Tensor]:
        """What the rule takes in the next `count` steps that are ready, by name.

        Returns:
            `[count, P]`, where all steps have the same `[1, P]`, where all members have `[count, 1]` or `[1, 1]`.
        """
        some = slice(self._offset, self._offset + count)
        columns = {name: value[..., 0] for name, value in (self._constants | self._ahead).items()}
        return {name: one[None] if one.dim() == 1 else one[some] for name, one in columns.items()}

    @contextmanager
    def reading(self, scalars: Mapping[str, Tensor], count: int) -> Iterator[None]:
        """Inside, `count` steps take these scalars, by name `[count, P]` or `[1, P]`, instead of what is ready."""
        kept = self._rows, self._offset
        columns = {name: value[..., None].expand(count, -1, -1).unbind(0) for name, value in scalars.items()}
        self._rows, self._offset = [{name: column[k] for name, column in columns.items()} for k in range(count)], 0
        try:
            yield
        finally:
            self._rows, self._offset = kept

    @property
    def places(self) -> list[State]:
        """The tensors that hold the state now, of all parameters or of each."""
        return [dict(state) for state in self._slots]

    def move(self, places: Sequence[State]) -> None:
        """Hold the state in these tensors: its values are copied there, where it is elsewhere."""
        for state, there in zip(self._slots, places, strict=True):
            for name, tensor in there.items():
                if state[name] is not tensor:
                    tensor.copy_(state[name])
                    state[name] = tensor

    @property
    def scalar_names(self) -> list[str]:
        """What the rule takes."""
        n = self._numbers(0)
        kept, bases = dict(self.rule.start(n)), self.rule.bases(n)
        if bases:
            kept |= {"bases": torch.stack(bases), "powers": torch.stack(bases)}
        return list({**self.rule.constants(n), **self.rule.rates(n, 1, kept)})

    @property
    def slots(self) -> dict[str, Tensor | None]:
        """The state itself of an element-wise rule, `[P, N]` each, in one order; None before it is made."""
        return {name: self._slots[0].get(name) for name in self._names}

    def switch(self, mode: Literal["train", "eval"]) -> None:
        """Change the parameters to those that are evaluated, or back, where the rule `switches`."""
        if self.switches and self._evaluated != (mode == "eval"):
            self._evaluated = mode == "eval"
            constants = self._cast(self.rule.constants(self._numbers(0)))
            for w, state in zip(self._parameters, self._slots, strict=True):
                self.rule.switch(w, state, wide(constants, w), self._evaluated)

    def rate(self) -> Tensor:
        """The learning rate of the step to come, float64 `[P]` on the CPU."""
        return self._given["lr"].cpu().clone() if self.schedule is None else torch.from_numpy(self.schedule.now()["lr"])

    def _look_ahead(self, first: int, count: int, whole: bool) -> list[Scalars]:
        """The rule's scalars of each of these steps, `[P, 1]`; of `whole` ones only `_ahead` has them."""
        n, rule = self._numbers(count), self.rule
        if self._kept or (self._cycles and rule.bases(self._given)):
            each = [self._scalars(n, k, first + k + 1) for k in range(count)]
            scalars = {name: torch.stack([one[name] for one in each]) for name in each[0]}
        else:
            if whole:  # what is the same in all members is computed once
                n = {name: value[:1] if name in self._same else value for name, value in n.items()}
            powers, steps = {}, torch.arange(first + 1, first + count + 1, dtype=torch.float64, device=self.flat.device)
            if self._bases is not None:
                columns = slice(1 if whole and bool((self._bases == self._bases[:, :1]).all()) else None)
                factors = self._bases[:, columns].expand(count, -1, -1)
                self._window = torch.cat([self._powers_at(first)[None, :, columns], factors]).cumprod(0)
                powers = {"powers": self._window[1:].transpose(0, 1)}
            scalars = {**(rule.constants(n) if self._cycles else {}), **rule.rates(n, steps[:, None], powers)}
        self._steady = all(value.dim() == 1 for value in scalars.values())
        if not (self._steady or whole):
            scalars = {name: value.expand(count, -1) for name, value in scalars.items()}
        self._ahead = self._cast(scalars)
        if whole or self._steady:
            return [{} if whole else {**self._constants, **self._ahead}] * count
        rows = zip(*(value.unbind(0) for value in self._ahead.values()), strict=True)
        return [{**self._constants, **dict(zip(self._ahead, row, strict=True))} for row in rows]

    def _scalars(self, numbers: Mapping[str, Tensor], k: int, step: int) -> Scalars:
        """The rule's scalars of one step, `[P]`, by row k of numbers `[count, P]`; brings what is kept to it."""
        n = {name: value[k] if value.dim() == 2 else value for name, value in numbers.items()}
        rule, kept = self.rule, dict(self._kept)
        if self._bases is not None:
            self._powers = self._powers_at(step - 1) * self._bases
            kept |= {"bases": self._bases, "powers": self._powers}
        elif bases := rule.bases(n):
            kept |= {"bases": torch.stack(bases), "powers": power(torch.stack(bases), float(step))}
        scalars = {**(rule.constants(n) if self._cycles else {}), **rule.rates(n, step, kept)}
        self._kept = {name: kept[name] for name in self._kept}
        return scalars

    def _powers_at(self, step: int) -> Tensor:
        """Powers of the bases, `[len(bases), P]`: to the bits of one multiplication a step, also of other bases."""
        assert self._bases is not None
        if self._powers is None:
            self._powers = torch.ones_like(self._bases)
            for _ in range(step):
                self._powers.mul_(self._bases)
        return self._powers

    def _numbers(self, count: int) -> dict[str, Tensor]:
        """The members' numbers `[P]`; those that the schedule overwrites for `count` steps, `[count, P]`; 0: now."""
        numbers, schedule = dict(self._given), self.schedule
        if schedule is not None:
            rows = schedule.ahead(count) if count and not schedule.plateau else schedule.now()
            numbers |= {name: torch.from_numpy(values).to(self.flat.device) for name, values in rows.items()}
            if count and "momentum" in rows and ((numbers["momentum"] == 0) != self._still).any():
                raise ValueError(
                    f"{schedule.path} turns momentum off or on, which no stack follows: let it train alone"
                )
        return numbers

    def _cast(self, scalars: Scalars) -> Scalars:
        """`[..., P]` as `[..., P, 1]` of the parameters' dtype."""
        return {name: value.to(self.flat.dtype)[..., None] for name, value in scalars.items()}

    # --- state ---

    def _sizes(self, slot: str, shapes: Sequence[Shape]) -> list[int]:
        """How many numbers of this slot each of these parameters has."""
        own = [self.rule.slot_shape(slot, shape) for shape in shapes]
        return [0 if shape is None else prod(shape) for shape in own]

    def _put(self, slot: str, values: Tensor) -> None:
        """Copy the state of all parameters, side by side `[P, ...]`, into each one's."""
        pieces = values.split(self._sizes(slot, self.shapes), 1)
        for state, shape, piece in zip(self._slots, self.shapes, pieces, strict=True):
            own = self.rule.slot_shape(slot, shape)
            if own is not None:
                state[slot] = piece.reshape(-1, *own).clone()

    def _side_by_side(self, slot: str) -> Tensor:
        """A copy of it `[P, ...]`; zeros before it is made."""
        sizes = zip(self._slots, self._sizes(slot, self.shapes), strict=True)
        members = len(self.flat)
        each = [s[slot].view(members, -1) if slot in s else self.flat.new_zeros(members, size) for s, size in sizes]
        return torch.cat(each, 1)

    @property
    def _names(self) -> list[str]:
        """The slots that there are after a step."""
        return self.rule.there(self.acting)

    def leaves(self) -> dict[str, Tensor | tuple]:
        """Copies of all that steps change but `flat`: `slot/` and `kept/`, `[P]` or `[P, ...]`, and `schedule/`."""
        leaves: dict[str, Any] = {f"slot/{name}": self._side_by_side(name) for name in self._names}
        leaves |= {f"kept/{name}": value.clone() for name, value in self._kept.items()}
        if self.switches:
            leaves["evaluated"] = torch.full((len(self.flat),), self._evaluated)
        if self._bases is not None and self._powers is not None:
            leaves |= {"kept/bases": self._bases.mT.clone(), "kept/powers": self._powers.mT.clone()}
        return leaves | ({f"schedule/{k}": v for k, v in self.schedule.leaves().items()} if self.schedule else {})

    def load(self, leaves: Leaves) -> None:
        """Go on from there, bit for bit; numbers of the config are this one's own."""
        here = {name: value.to(self.flat.device) for name, value in leaves.items() if isinstance(value, Tensor)}
        self._forget()
        for name in self._names:
            self._put(name, here[f"slot/{name}"])
        self._kept = {name: here[f"kept/{name}"].clone() for name in self._kept}
        self._evaluated = self.switches and bool(here["evaluated"].any())
        if self._bases is not None:
            same = "kept/bases" in here and torch.equal(here["kept/bases"].mT, self._bases)
            self._powers = here["kept/powers"].mT.clone() if same else None
        if self.schedule is not None:
            self.schedule.load(of_schedule(leaves))

    def select(self, keep: Sequence[int], flat: Tensor) -> "StackedRule":
        """The update of some members, going on from here.

        Args:
            keep: the members that stay, in their new order; at least two, a lone one twice.
            flat: theirs, `[len(keep), N]`.
        """
        schedule = None if self.schedule is None else self.schedule.select(keep)
        some = StackedRule(flat, self.path, [self.members[index] for index in keep], schedule, self.rule, self.shapes)
        some.acting, some.most_ahead = self.acting, self.most_ahead
        some.load({name: chosen(values, keep) for name, values in self.leaves().items()})
        return some

    # --- members ---

    def member(
        self, leaves: Leaves, index: int, shapes: Sequence[tuple[int, ...]], step: int
    ) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """What the `state_dict()`s of the member's own optimizer and schedule would be after `step` steps.

        Args:
            leaves: as from `leaves`, of that step.
            index: which member.
            shapes: of its parameters in a lone run, in the order in which a row of `flat` holds them; and of slots.
            step: how many steps it has taken.
        """
        rule, schedule, group = self.rule, self.schedule, lone_group(self.path, self.members[index])
        kept = {} if schedule is None else of_schedule(leaves)
        group |= {} if schedule is None else schedule.group_entries(kept, index)
        alone = {"step": torch.tensor(float(step), dtype=count_dtype())}
        alone |= {name: leaves[f"kept/{name}"][index].clone() for name in self._kept}
        # what a rule keeps that is the optimizer, as the group has it
        counts: dict[str, Any] = {"step": step, "evaluated": self.switches and bool(leaves["evaluated"][index])}
        counts |= {name: float(alone[name]) for name in self._kept}
        group |= {name: value for name, value in counts.items() if name in group}
        there = {
            name: leaves[f"slot/{name}"][index].split(self._sizes(name, shapes))
            for name in self._names
            if rule.only.get(name) not in rule.numbers or group[rule.only[name]] != 0
        }
        own = {name: [rule.slot_shape(name, shape) for shape in shapes] for name in there}
        state = {
            k: {name: alone[name].clone() for name in rule.alone}
            | {
                name: pieces[k].reshape(slot).clone()
                for name, pieces in there.items()
                if (slot := own[name][k]) is not None
            }
            for k, shape in enumerate(shapes)
            if (step or rule.eager) and (rule.alone or there)
        }
        groups = [{**group, "params": list(range(len(shapes)))}]
        return {"state": state, "param_groups": groups}, None if schedule is None else schedule.member(kept, index)

    def taken(self, optimizer: Mapping[str, Any], schedule: Mapping[str, Any] | None) -> dict[str, Any]:
        """Leaves of one member, from the `state_dict()`s of its own optimizer and schedule: `member` backwards.

        What is not there, of a number that was 0 or before the first step, is as at the start.
        """
        (group,), state, leaves = optimizer["param_groups"], optimizer["state"], dict[str, Any](self.leaves())
        leaves = {name: chosen(value, [0]) for name, value in leaves.items() if not name.startswith("kept/bases")}
        for name in self._names:
            if each := [one[name].reshape(1, -1) for _, one in sorted(state.items()) if name in one]:
                leaves[f"slot/{name}"] = torch.cat(each, 1).to(self.flat)
        for name, start in self._kept.items():
            value = state[0][name] if state and name in state[0] else group.get(name)
            value = start[0] if value is None else value
            leaves[f"kept/{name}"] = torch.as_tensor(value, dtype=start.dtype, device=start.device).reshape(1)
        if self.switches:
            leaves["evaluated"] = torch.tensor([bool(group.get("evaluated"))])
        if self.schedule is not None:
            leaves |= {f"schedule/{name}": value for name, value in self.schedule.taken(group, schedule or {}).items()}
        return leaves


def _checked_groups(
    path: str, rule: Rule, members: Sequence[Arguments], flat: Tensor, shapes: Sequence[Shape]
) -> list[dict[str, Any]]:
    """The members' own parameter groups, once it is clear that the rule serves them."""
    for member in members:
        if not rule.serves(member):
            raise ValueError(f"the rule of {path} does not serve {listed(member)}")
    if not members or flat.dim() != 2 or len(flat) != len(members):
        raise ValueError(f"{len(members)} members need parameters [{len(members)}, N], not {list(flat.shape)}")
    groups = [lone_group(path, member, () if rule.element_wise else shapes) for member in members]
    if missing := [name for name in rule.taken if name not in groups[0]]:
        raise ValueError(f"{path} keeps no {', '.join(missing)} in its parameter groups, of which its rule makes use")
    for name in (*rule.options, *rule.settings):
        if len({repr(group[name]) for group in groups}) > 1:
            raise ValueError(f"{path}: {name} must be the same in all members of a stack")
    if sum(map(prod, shapes)) != flat.shape[1]:
        raise ValueError(f"parameters of shapes {', '.join(map(str, shapes))} are not {flat.shape[1]} numbers")
    return groups
