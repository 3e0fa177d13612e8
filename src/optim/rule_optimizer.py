"""A rule as a `torch.optim.Optimizer`: who has a rule needs no class to train alone, to be checked, to be kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from inspect import Parameter, Signature
from math import prod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from src.optim.rules.rule import Acting, Numbers, Rule, Scalars, Shape, State, power, wide

Group = dict[str, Any]


class RuleOptimizer(Optimizer):
    """Steps all parameters together, as one row, as a stack does with each of its members.

    Every subclass is made of a rule, see `as_optimizer`. The state of a parameter is laid out as torch does; what the
    rule keeps once, and how many steps were taken, stands in the parameter group.

    Args:
        params: what to update, all of one dtype and on one device.
        numbers: as the rule calls them.

    Raises:
        TypeError: the rule has no such number, or one that has no default is missing.
        ValueError: a number that the rule does not take, or an option that differs between groups.
    """

    rule: ClassVar[Rule]
    __signature__: ClassVar[Signature]

    def __init__(self, params: Iterable[Any], **numbers: Any) -> None:
        bound = self.__signature__.bind(params, **numbers)
        bound.apply_defaults()
        group = {name: value for name, value in bound.arguments.items() if name != "params"}
        _check(self.rule, group)
        start = _numbers_of(self.rule, _given(self.rule, group), torch.float64, torch.device("cpu")).start
        kept = {name: float(first) for name, first in start.items()}
        super().__init__(params, {**group, "step": 0, **kept, **({"evaluated": False} if self.rule.switches else {})})

    def add_param_group(self, param_group: Group) -> None:
        """Add a group with numbers of its own."""
        super().add_param_group(param_group)
        _check(self.rule, self.param_groups[-1])
        for name in (*self.rule.options, *self.rule.settings):
            if any(group[name] != self.param_groups[0][name] for group in self.param_groups):
                raise ValueError(f"{name} must be the same in all groups")

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update of every parameter that has a gradient; a closure, where given, computes loss and gradients first.

        Raises:
            ValueError: the rule needs the loss, and there is no closure that returns it.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        if self.rule.needs_loss and loss is None:
            raise ValueError(f"{type(self).__name__} needs the loss: step(closure), with a closure that returns it")
        parts = self._parts([[p for p in group["params"] if p.grad is not None] for group in self.param_groups])
        for part in parts:
            part.scalars = part.numbers.step(part.group)
        for row in self._rows(parts):
            if self.rule.needs_loss:
                row.scalars = {
                    **row.scalars,
                    "loss": torch.as_tensor(loss, dtype=row.w.dtype, device=row.w.device).detach().view(1, 1),
                }
            gradient = row.joined([p.grad for p in row.parameters])
            if row.rule.update(row.w, gradient, row.state, row.scalars, row.acting) is not None:  # type: ignore[func-returns-value]
                raise TypeError("update gives something back, but it is to change w in place, as w.sub_(...) does")
            row.keep()
        return loss

    def _parts(self, parameters: Sequence[list[nn.Parameter]]) -> list[_Part]:
        """These of each group, with its numbers; of groups that have any."""
        given = [(group, own) for group, own in zip(self.param_groups, parameters, strict=True) if own]
        known = [_numbers_of(self.rule, _given(self.rule, group), own[0].dtype, own[0].device) for group, own in given]
        return [_Part(*pair, numbers, numbers.constants) for pair, numbers in zip(given, known, strict=True)]

    def _rows(self, parts: list[_Part]) -> Iterator[_Row]:
        """What the rule is called for: all parameters, or each."""
        if not self.rule.element_wise:
            yield from (_Row([replace(part, parameters=[p])], self.state) for part in parts for p in part.parameters)
        elif parts:
            yield _Row(parts, self.state)


class SwitchingRuleOptimizer(RuleOptimizer):
    """Of a rule that has other parameters to evaluate than to train."""

    def train(self) -> None:
        """Switch to the parameters that are trained."""
        self._switch(False)

    def eval(self) -> None:
        """Switch to the parameters that are evaluated and kept."""
        self._switch(True)

    @torch.no_grad()
    def _switch(self, evaluated: bool) -> None:
        turned = [group["evaluated"] != evaluated for group in self.param_groups]
        # before the first step the two are the same
        stepped = [
            [p for p in group["params"] if so and self.state.get(p)]
            for group, so in zip(self.param_groups, turned, strict=True)
        ]
        for row in self._rows(self._parts(stepped)):
            row.rule.switch(row.w, row.state, row.scalars, evaluated)
            row.keep()
        for group in self.param_groups:
            group["evaluated"] = evaluated


class _Numbers:
    """What follows from the numbers of a group alone.

    Attributes:
        rule: with the settings of the group.
        given: the numbers, float64 `[1]`; of a pair `betas` as `betas.0` and `betas.1`.
        acting: options, and numbers that are not 0.
        start: what is kept from step to step, at first.
        bases: whose powers are kept, `[len(bases), 1]`; None: none are.
        constants: `[1, 1]` of the parameters' dtype.
        steady: all scalars of a step, where all steps have the same.
    """

    def __init__(self, rule: Rule, group: Mapping[str, Any], dtype: torch.dtype, device: torch.device) -> None:
        self.rule = rule = rule.having(group)
        given = rule.values(group)
        self._dtype, self._device = dtype, device
        self.given = {name: torch.tensor([value], dtype=torch.float64, device=device) for name, value in given.items()}
        self.acting, self.start, bases = rule.acting(group), rule.start(self.given), rule.bases(self.given)
        self.bases = torch.stack(bases) if bases else None
        self.constants, self.steady = self._cast(rule.constants(self.given)), None
        if not self.start and not bases:
            steps = torch.tensor([[1.0], [2.0]], dtype=torch.float64, device=device)
            rates = rule.rates(self.given, steps, {})
            if all(rate.dim() == 1 for rate in rates.values()):
                self.steady = {**self.constants, **self._cast(rates)}

    def step(self, group: Group) -> Scalars:
        """The scalars of the step to come, `[1, 1]` each; brings what is kept in the group to it."""
        group["step"] += 1
        if self.steady is not None:
            return self.steady
        kept = {name: first.new_tensor([group[name]]) for name, first in self.start.items()}
        if self.bases is not None:
            kept |= {"bases": self.bases, "powers": power(self.bases, float(group["step"]))}
        step = group["step"] if self.start else self.given["lr"].new_full((1,), group["step"])
        rates = self.rule.rates(self.given, step, kept)
        group.update({name: float(kept[name]) for name in self.start})
        return {**self.constants, **self._cast(rates)}

    def _cast(self, scalars: Scalars) -> Scalars:
        return {name: value.to(self._device, self._dtype)[:, None] for name, value in scalars.items()}


@lru_cache(maxsize=64)
def _numbers_of(rule: Rule, given: tuple[tuple[str, Any], ...], dtype: torch.dtype, device: torch.device) -> _Numbers:
    return _Numbers(rule, dict(given), dtype, device)


@dataclass
class _Part:
    """Parameters of one group, with its numbers, and with scalars of those, `[1, 1]` each."""

    group: Group
    parameters: list[nn.Parameter]
    numbers: _Numbers
    scalars: Scalars


class _Row:
    """Parameters side by side, as copies, with all that an update of them takes.

    Attributes:
        rule: with the settings of the groups.
        parameters: the same as they are in the module.
        w: `[1, N]`; to a rule that is not element-wise one parameter, `[1, *shape]`.
        state: the rule's slots, as `w`.
        scalars: `[1, 1]` each; where there are several groups, `[1, N]`.
        acting: options, and numbers that are not 0 in all groups.
    """

    def __init__(self, parts: Sequence[_Part], kept: Mapping[Tensor, dict[str, Tensor]]) -> None:
        self.rule, self._kept = parts[0].numbers.rule, kept
        self.parameters = [p for part in parts for p in part.parameters]
        self.w = self.joined(self.parameters)
        self.acting: Acting = frozenset().union(*(part.numbers.acting for part in parts))
        widths = [sum(p.numel() for p in part.parameters) for part in parts]
        self.scalars = wide(parts[0].scalars, self.w) if len(parts) == 1 else {
            name: torch.cat([part.scalars[name].expand(1, n) for part, n in zip(parts, widths, strict=True)], 1)
            for name in parts[0].scalars
        }  # fmt: skip
        given = [part.numbers.given for part in parts for _ in part.parameters]
        there = {slot: [slot in kept[p] for p in self.parameters] for slot in self.rule.there(self.acting)}
        self.state: State = {
            slot: self.joined([self._slot(slot, *pair) for pair in zip(self.parameters, given, strict=True)], slot)
            for slot, has in there.items()
            if (slot in self.rule.slots or all(has)) and None not in self._shapes(slot)
        }

    def _slot(self, slot: str, p: nn.Parameter, numbers: Numbers) -> Tensor:
        """A parameter's, as it is kept or as it starts."""
        if slot in self._kept[p]:
            return self._kept[p][slot]
        shape = self.rule.slot_shape(slot, tuple(p.shape)) or ()
        like = p.detach() if shape == p.shape else p.new_empty(shape)
        return self.rule.begin(slot, numbers, like.reshape(1, -1))

    def _shapes(self, slot: str | None) -> list[Shape | None]:
        """Of each parameter, or of this state of it."""
        shapes = [tuple(p.shape) for p in self.parameters]
        return list(shapes) if slot is None else [self.rule.slot_shape(slot, shape) for shape in shapes]

    def joined(self, tensors: Sequence[Tensor | None], slot: str | None = None) -> Tensor:
        """Something of each parameter as a row of all, a copy; or as one has it."""
        whole = torch.cat([tensor.detach().reshape(1, -1) for tensor in tensors if tensor is not None], 1)
        return whole if self.rule.element_wise else whole.view(1, *(self._shapes(slot)[0] or ()))

    def keep(self) -> None:
        """Put parameters and state back to where they are from."""
        torch._foreach_copy_([p.detach() for p in self.parameters], self._pieces(self.w))
        for slot, whole in self.state.items():
            for p, piece in zip(self.parameters, self._pieces(whole, slot), strict=True):
                if slot in self._kept[p]:
                    self._kept[p][slot].copy_(piece)
                else:
                    self._kept[p][slot] = piece.clone()

    def _pieces(self, whole: Tensor, slot: str | None = None) -> list[Tensor]:
        shapes = [shape or () for shape in self._shapes(slot)]
        pieces = whole.view(1, -1).split([prod(shape) for shape in shapes], 1)
        return [piece.view(shape) for piece, shape in zip(pieces, shapes, strict=True)]


@cache
def as_optimizer(kind: type[Rule]) -> type[RuleOptimizer]:
    """The class of optimizers that step by a rule: with its name, and its numbers as arguments after the parameters."""
    rule = kind()
    names = rule.taken
    defaults = {**dict.fromkeys(rule.options, False), **rule.defaults}
    arguments = [Parameter(name, Parameter.KEYWORD_ONLY, default=defaults.get(name, Parameter.empty)) for name in names]
    signature = Signature([Parameter("params", Parameter.POSITIONAL_OR_KEYWORD), *arguments])
    members = {"rule": rule, "__signature__": signature, "__module__": kind.__module__, "__doc__": kind.__doc__}
    return type(kind.__name__, (SwitchingRuleOptimizer if rule.switches else RuleOptimizer,), members)


def _given(rule: Rule, group: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """What the rule takes of a group, hashable."""
    return tuple((name, tuple(value) if isinstance(value := group[name], list) else value) for name in rule.taken)


def _check(rule: Rule, group: Mapping[str, Any]) -> None:
    """Refuse numbers that the rule does not take."""
    if refused := rule.refused({name: group[name] for name in rule.taken}):
        kind = (
            "a number" if refused[0] in rule.numbers else "two numbers" if refused[0] in rule.pairs else "true or false"
        )
        raise ValueError(f"{refused[0]} must be {kind}, not {group[refused[0]]}")
    single = [(name, group[name], domain) for name, domain in rule.numbers.items()]
    pairs = [(name, *both) for name, domains in rule.pairs.items() for both in zip(group[name], domains, strict=True)]
    for name, value, domain in [*single, *pairs]:
        if value not in domain:
            raise ValueError(f"{name} must be {domain}, not {value}")
