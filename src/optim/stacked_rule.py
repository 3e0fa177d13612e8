"""The update of a stack: one optimizer class, many members with numbers of their own, stepped at once."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import prod
from typing import Any, Literal

import torch
from torch import Tensor, nn

from src.optim.build import instance, listed, numbers_of, takes_member_axis
from src.optim.rules import RULES, Rule, rule_of
from src.optim.rules.rule import Scalars, State, count_dtype, power
from src.optim.stacked_schedule import Leaves, StackedSchedule, chosen, number, of_schedule

Arguments = Mapping[str, Any]

LONGEST_AHEAD, MOST_AHEAD = 64, 2**16
"""For how many steps, and for how many members and steps, scalars are computed ahead."""


def lone_group(path: str, arguments: Arguments) -> dict[str, Any]:
    """The parameter group that a lone run's optimizer would have, without its parameters.

    Raises:
        ValueError: the class refuses an argument; the sentence is its own.
    """
    given = tuple(sorted(numbers_of(arguments).items()))
    return dict(_lone_group(path, given, repr(given)))


@lru_cache(maxsize=100_000)
def _lone_group(path: str, given: tuple[tuple[str, Any], ...], text: str) -> Mapping[str, Any]:
    """Kept by the text as well: 1 equals 1.0, but a checkpoint tells them apart."""
    shape = (1, 1, 1) if takes_member_axis(path) else (1, 1)
    try:
        optimizer = instance(path, dict(given), [nn.Parameter(torch.zeros(shape))])
    except Exception as error:
        raise ValueError(f"{path} refuses {listed(dict(given))}: {error}") from None
    group = optimizer.state_dict()["param_groups"][0]
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

    Raises:
        ValueError: no rule for the class or an argument, options that differ, a number that the class refuses.
    """

    switches = False
    """A rule has no other parameters to evaluate than to train."""

    def __init__(
        self,
        flat: Tensor,
        path: str,
        members: Sequence[Arguments],
        schedule: StackedSchedule | None = None,
        rule: Rule | None = None,
    ) -> None:
        self.path, self.members, self.schedule = path, [numbers_of(member) for member in members], schedule
        self.flat = flat.detach()
        rule = rule or rule_of(path)
        if rule is None:
            raise ValueError(f"{path} has no rule for a stack; those that have one: {', '.join(RULES)}")
        self.rule = rule
        groups = _checked_groups(path, rule, self.members, self.flat)
        self._update = rule.update
        self._given = _given_numbers(rule, groups, flat.device)
        overwritten = {name.partition(".")[0] for name in (schedule.names if schedule else ())}
        self.acting = _acting(rule, self.members, groups[0]) | overwritten.intersection(rule.numbers)
        self._cycles = bool(overwritten - {"lr"})
        """The schedule overwrites more than `lr`: powers of these numbers cannot go on from each other."""
        self._constants = {} if self._cycles else self._cast(rule.constants(self._given))
        self._still = self._numbers(0).get("momentum", flat.new_zeros(())) == 0
        self._begin()

    def _begin(self) -> None:
        """Before the first step."""
        n, rule, flat = self._numbers(0), self.rule, self.flat
        self._slots: State = {}
        for slot in rule.slots.keys() & set(self._names):
            first = rule.slots[slot]
            value = n[first] if isinstance(first, str) else torch.full_like(n["lr"], first)
            self._slots[slot] = value.to(flat.dtype)[:, None].expand_as(flat).clone()
        self._kept = rule.start(n)
        bases = [] if self._cycles else rule.bases(n)
        self._bases = torch.stack(bases) if bases else None
        self._powers = None if self._bases is None else torch.ones_like(self._bases)
        self._forget()

    def _forget(self) -> None:
        """What was made ready is of no use."""
        self._rows: list[Scalars] = []
        self._first, self._offset, self._steady = 0, 0, False
        self._window: Tensor | None = None
        self._rate: Any = None

    # --- steps ---

    def start(self, first: int, count: int) -> int:
        """Make ready what the steps from `first` on need, of which at most `count` are taken next.

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
        if not alone or not 0 <= self._offset < len(self._rows):
            most = max(1, min(LONGEST_AHEAD, MOST_AHEAD // len(self.flat)))
            self._first, self._offset = first, 0
            self._rows = self._look_ahead(first, most if alone else min(most, count))
        if alone and self._steady and len(self._rows) < count:
            self._rows = self._rows[:1] * count
        ready = min(count, len(self._rows) - self._offset)
        if self._window is not None:
            self._powers = self._window[self._offset + ready]
        return ready

    def __call__(self, k: int, gradient: Tensor) -> None:
        """Take step `first + k` with this gradient `[P, N]`."""
        self._update(self.flat, gradient, self._slots, self._rows[self._offset + k], self.acting)

    def switch(self, mode: Literal["train", "eval"]) -> None:
        """Nothing is switched: see `switches`."""

    def rate(self) -> Tensor:
        """The learning rate of the step to come, float64 `[P]` on the CPU."""
        return self._given["lr"].cpu().clone() if self.schedule is None else torch.from_numpy(self.schedule.now()["lr"])

    def _look_ahead(self, first: int, count: int) -> list[Scalars]:
        """The rule's scalars of each of these steps, `[P, 1]`."""
        n, rule = self._numbers(count), self.rule
        if self._kept or (self._cycles and rule.bases(self._given)):
            each = [self._scalars(n, k, first + k + 1) for k in range(count)]
            scalars = {name: torch.stack([one[name] for one in each]) for name in each[0]}
        else:
            powers, steps = {}, torch.arange(first + 1, first + count + 1, dtype=torch.float64, device=self.flat.device)
            if self._bases is not None:
                factors = self._bases.expand(count, -1, -1)
                self._window = torch.cat([self._powers_at(first)[None], factors]).cumprod(0)
                powers = {"powers": self._window[1:].transpose(0, 1)}
            scalars = {**(rule.constants(n) if self._cycles else {}), **rule.rates(n, steps[:, None], powers)}
        self._steady = all(value.dim() == 1 for value in scalars.values())
        if self._steady:
            return [{**self._constants, **self._cast(scalars)}] * count
        wide = self._cast({name: value.expand(count, -1) for name, value in scalars.items()})
        rows = zip(*(value.unbind(0) for value in wide.values()), strict=True)
        return [{**self._constants, **dict(zip(wide, row, strict=True))} for row in rows]

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

    @property
    def _names(self) -> list[str]:
        """The slots that there are after a step."""
        rule = self.rule
        return [name for name in {**rule.slots, **rule.only} if rule.only.get(name, "lr") in self.acting]

    def leaves(self) -> dict[str, Tensor | tuple]:
        """Copies of all that steps change but `flat`: `slot/` `[P, N]`, `kept/` `[P]` or `[P, 1 or 2]`, `schedule/`."""
        zeros = torch.zeros_like(self.flat)
        leaves: dict[str, Any] = {f"slot/{name}": self._slots.get(name, zeros).clone() for name in self._names}
        leaves |= {f"kept/{name}": value.clone() for name, value in self._kept.items()}
        if self._bases is not None and self._powers is not None:
            leaves |= {"kept/bases": self._bases.mT.clone(), "kept/powers": self._powers.mT.clone()}
        return leaves | ({f"schedule/{k}": v for k, v in self.schedule.leaves().items()} if self.schedule else {})

    def load(self, leaves: Leaves) -> None:
        """Go on from there, bit for bit; numbers of the config are this one's own."""
        here = {name: value.to(self.flat.device) for name, value in leaves.items() if isinstance(value, Tensor)}
        self._forget()
        self._slots = {name: here[f"slot/{name}"].clone() for name in self._names}
        self._kept = {name: here[f"kept/{name}"].clone() for name in self._kept}
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
        some = StackedRule(flat, self.path, [self.members[index] for index in keep], schedule, self.rule)
        some.acting = self.acting
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
        own = {} if schedule is None else of_schedule(leaves)
        group |= {} if schedule is None else schedule.group_entries(own, index)
        alone = {"step": torch.tensor(float(step), dtype=count_dtype())}
        alone |= {name: leaves[f"kept/{name}"][index].clone() for name in self._kept}
        sizes = [prod(shape) for shape in shapes]
        there = {
            name: leaves[f"slot/{name}"][index].split(sizes)
            for name in self._names
            if rule.only.get(name) not in rule.numbers or group[rule.only[name]] != 0
        }
        state = {
            k: {name: alone[name].clone() for name in rule.alone}
            | {name: pieces[k].reshape(shape).clone() for name, pieces in there.items()}
            for k, shape in enumerate(shapes)
            if (step or rule.eager) and (rule.alone or there)
        }
        groups = [{**group, "params": list(range(len(shapes)))}]
        return {"state": state, "param_groups": groups}, None if schedule is None else schedule.member(own, index)


def _checked_groups(path: str, rule: Rule, members: Sequence[Arguments], flat: Tensor) -> list[dict[str, Any]]:
    """The members' own parameter groups, once it is clear that the rule serves them."""
    for member in members:
        if not rule.serves(member):
            raise ValueError(f"the rule of {path} does not serve {listed(member)}")
    for option in rule.options:
        if len({bool(member.get(option, False)) for member in members}) > 1:
            raise ValueError(f"{path}: {option} must be the same in all members of a stack")
    if not members or flat.dim() != 2 or len(flat) != len(members):
        raise ValueError(f"{len(members)} members need parameters [{len(members)}, N], not {list(flat.shape)}")
    groups = [lone_group(path, member) for member in members]
    if missing := [name for name in (*rule.numbers, *rule.pairs, *rule.options) if name not in groups[0]]:
        raise ValueError(f"{path} keeps no {', '.join(missing)} in its parameter groups, of which its rule makes use")
    return groups


def _acting(rule: Rule, members: Sequence[Arguments], group: Mapping[str, Any]) -> frozenset[str]:
    on = {name for name in rule.options if group[name]}
    numbers = {name for name in rule.numbers if group[name] != 0 or any(name in member for member in members)}
    return rule.always | on | numbers


def _given_numbers(rule: Rule, groups: Sequence[Mapping[str, Any]], device: torch.device) -> dict[str, Tensor]:
    """All members' numbers, float64 `[P]`; of a pair `betas` as `betas.0` and `betas.1`."""
    names = [*rule.numbers, *(f"{pair}.{index}" for pair in rule.pairs for index in (0, 1))]
    columns = {name: [number(group, name) for group in groups] for name in names}
    return {name: torch.tensor(column, dtype=torch.float64, device=device) for name, column in columns.items()}
