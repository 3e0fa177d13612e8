"""What a rule is, and what several of them share. No rule imports torch: a report reads their domains without it."""

from collections.abc import Collection, Hashable, Mapping
from copy import copy
from typing import TYPE_CHECKING, Any, ClassVar, Self

from src.config.classes import reset_facts
from src.config.domains import Domain

if TYPE_CHECKING:
    from torch import Tensor
else:
    Tensor = Any

Numbers = Mapping[str, Tensor]
"""By argument, float64 `[P]`; of a pair by `betas.0` and `betas.1`."""
Scalars = dict[str, Tensor]
"""By name: float64 `[P]` where it is computed, the parameter's dtype and `[P, 1]` where it is used."""
State = dict[str, Tensor]
"""By torch's name of the slot: `[P, N]` of the parameters' dtype, or as `Rule.slot_shape` says."""
Shape = tuple[int, ...]
Acting = frozenset[str]
"""Options that are on, and those numbers that can do anything at all: given, or not 0 by default."""

IMPLEMENTATION = frozenset({"foreach", "fused", "capturable", "differentiable"})
"""Arguments of torch's classes that choose a program for the same numbers: accepted, and of no effect here."""

SPARED = ("momentum", "dampening", "weight_decay")
"""Numbers whose operations are left out where no member gives them and the class has them at 0."""

PARAMETER = "w"
"""What a slot starts at that starts at the parameter itself."""


class Rule:
    """How members of one optimizer class are updated together: the formula, and what is known of it, as data.

    A rule updates the parameters of `P` members, a row each. It looks at no other row, and uses only operations that
    round a number alike wherever it stands in a tensor: so a member's bits are the same in every stack. (One that is
    not `element_wise` is called for each parameter by itself: muon.py, adafactor.py.) Ten lines are an optimizer:

        class HeavyBall(Rule):
            '''`v <- β v + g;  w <- w - a v` (Polyak 1964).'''

            numbers = {"lr": POSITIVE, "beta": FRACTION}
            slots = {"v": 0.0}
            linear_map = {"momentum": "beta"}

            def update(self, w, g, state, c, on):
                v = state["v"].mul_(c["beta"]).add_(g)
                w.addcmul_(v, c["lr"], value=-1)

    It is named as the optimizer, `optimizer._target_=mypackage.HeavyBall +optimizer.beta=0.9`, and trains runs alone
    (src/optim/rule_optimizer.py) and in stacks. Where there is a class already it is named beside that,
    `optimizer._target_=mypackage.MyOptimizer optimizer.rule=mypackage.HeavyBall`: the class trains a run alone, and is
    given parameters `[1, I, O]` then; the rule trains stacks, and does to each member what the class does, in its order
    of rounding, under the names that the class has for its arguments and its state. A rule of this package names its
    class, or itself, in `target`.

    A subclass with another formula (`update`, `constants` or `rates`) has no `linear_map` and no `decay` of the rule
    above it, and states its own.
    """

    target: ClassVar[str]
    """The dotted name of the class, as in a config: `torch.optim.Adam`; of a rule that is the optimizer its own."""
    numbers: ClassVar[Mapping[str, Domain]] = {}
    """Arguments that may differ per member, `lr` among them, with the numbers that each takes."""
    pairs: ClassVar[Mapping[str, tuple[Domain, Domain]]] = {}
    """The same, of two numbers each."""
    defaults: ClassVar[Mapping[str, Any]] = {}
    """Of a rule that is the optimizer: values of arguments that need not be given. Options are off."""
    options: ClassVar[tuple[str, ...]] = ()
    """Arguments that are on or off, for all members of a stack."""
    always: ClassVar[Acting] = frozenset()
    """Options that this class has on without an argument."""
    settings: ClassVar[tuple[str, ...]] = ()
    """Arguments of any other kind, the same in all members of a stack, whose values are `given` there."""
    given: Mapping[str, Any] = {}
    element_wise: ClassVar[bool] = True
    """Whether shapes are nothing to it: it treats every number alike, or looks at all of a member, `[P, N]`. Else
    parameters, gradients and slots are `[P, *shape]` of one parameter at a time, and scalars `[P, 1, ...]` of as many
    dimensions; the class is given each as it is, without a member axis."""
    digits: ClassVar[int | None] = None
    """Of how many binary digits the numbers are that the class computes in, where it is not as many as the dtype of the
    parameters has: two programs of it round to different ones now and then."""
    slots: ClassVar[Mapping[str, float | str]] = {}
    """State of a parameter, and what it starts at: a value, a number's name, or `PARAMETER`."""
    only: ClassVar[Mapping[str, str]] = {}
    """The option or number that a slot goes with; a member whose number is 0 has no such slot in torch."""
    alone: ClassVar[tuple[str, ...]] = ()
    """State of a member that is one number for all parameters, where the class keeps it beside each. A rule that is the
    optimizer keeps its own in the parameter group."""
    eager = False
    """The class makes its state before the first step."""
    needs_loss = False
    """Whether an update looks at the loss before the step, `c["loss"]` `[P, 1]`."""
    decay: ClassVar[tuple[str, ...]] = ("weight_decay",)
    """Numbers that are, added up, a weight decay: a term of the loss, unless `decoupled_weight_decay` is on."""
    rests_as_adamw = False
    """With decoupled weight decay it comes to rest where AdamW does (src/theory/weight_decay.py)."""
    linear_map: ClassVar[Mapping[str, str | bool] | None] = None
    """Of gradient descent `v <- β v + (1 - τ) g;  w <- w - a v` which argument is `momentum` β, which `dampening` τ,
    and what else `src.theory.Method` has to know; a is `lr`. None where a step is no linear map of the parameters."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        formula = ("update", "constants", "rates")
        reset_facts(cls, Rule, formula, ("linear_map", "decay", "rests_as_adamw"))

    def update(self, w: Tensor, g: Tensor, state: State, c: Scalars, on: Acting) -> None:
        """Change parameters and state in place.

        Args:
            w: parameters `[P, N]`.
            g: their gradient, `[P, N]`; not changed.
            state: `slots`, each `[P, N]`; one without a value to start at is not there before it is made.
            c: what `constants` and `rates` gave, `[P, 1]` each.
            on: see `Acting`.
        """
        raise NotImplementedError

    def switch(self, w: Tensor, state: State, c: Scalars, evaluated: bool) -> None:
        """Change in place the parameters that are trained to those that are `evaluated` and kept, or back.

        Only a rule that has two kinds defines it (Schedule-Free, Defazio et al. 2024).

        Args:
            w: parameters `[P, N]`.
            state: `slots`, each `[P, N]`; not changed.
            c: what `constants` gave, `[P, 1]` each.
            evaluated: which of the two they are to be.
        """
        raise NotImplementedError

    @property
    def switches(self) -> bool:
        """Whether other parameters are evaluated than are trained."""
        return type(self).switch is not Rule.switch

    def constants(self, n: Numbers) -> Scalars:
        """What follows from the numbers without `lr`: at least themselves."""
        return {name: number for name, number in n.items() if name != "lr"}

    def rates(self, n: Numbers, t: Any, kept: Scalars) -> Scalars:
        """What follows from `lr`, the step `t` (from 1) and what is kept.

        A rule that keeps nothing but powers is asked for `K` steps at once: steps `[K, 1]`, numbers `[P]` or `[K, P]`,
        powers `[len(bases), K, P]`.
        """
        return {"lr": n["lr"]}

    def start(self, n: Numbers) -> Scalars:
        """What is kept from step to step, `[P]`; `rates` changes it."""
        return {}

    def begin(self, slot: str, n: Numbers, w: Tensor) -> Tensor:
        """What a slot starts at, `[P, N]` as the parameters `w`."""
        first = self.slots[slot]
        if first == PARAMETER:
            return w.clone()
        value = n[first] if isinstance(first, str) else n["lr"].new_full(n["lr"].shape, first)
        return value.to(w.dtype)[:, None].expand_as(w).clone()

    def acting(self, group: Mapping[str, Any], given: Collection[str] = ()) -> Acting:
        """Options that are on in a parameter group, and those of its numbers that are not 0, or `given`."""
        on = {name for name in self.options if group[name]}
        return self.always | on | {name for name in self.numbers if group[name] != 0 or name in given}

    def there(self, acting: Acting) -> list[str]:
        """The slots that there are after a step."""
        return [name for name in {**self.slots, **self.only} if self.only.get(name) in {None, *acting}]

    def bases(self, n: Numbers) -> list[Tensor]:
        """Whose powers of the step are kept: `kept["bases"]` and `kept["powers"]`, both `[len(bases), P]`."""
        return []

    def slot_shape(self, slot: str, shape: Shape) -> Shape | None:
        """The shape of this state of a parameter of this shape, both without members; None: it has no such state."""
        return shape

    def having(self, group: Mapping[str, Any]) -> Self:
        """This rule with the settings of a parameter group."""
        rule = copy(self)
        rule.given = {name: group[name] for name in self.settings}
        return rule

    @property
    def taken(self) -> tuple[str, ...]:
        """Names of the arguments that are more than `IMPLEMENTATION`."""
        return (*self.numbers, *self.pairs, *self.options, *self.settings)

    def values(self, group: Mapping[str, Any]) -> dict[str, Any]:
        """Its numbers in a parameter group; of a pair `betas` as `betas.0` and `betas.1`."""
        pairs = {f"{pair}.{index}": value for pair in self.pairs for index, value in enumerate(group[pair])}
        return {**{name: group[name] for name in self.numbers}, **pairs}

    def serves(self, arguments: Mapping[str, Any]) -> bool:
        """Whether members with such arguments can be trained in a stack."""
        return not self.refused(arguments)

    def refused(self, arguments: Mapping[str, Any]) -> list[str]:
        """Those of the arguments that members of a stack cannot have, or not with these values."""

        def fits(key: str, value: Any) -> bool:
            if key in self.numbers:
                return _is_number(value)
            if key in self.pairs:
                return isinstance(value, list | tuple) and len(value) == 2 and all(map(_is_number, value))
            return key in IMPLEMENTATION or key in self.settings or (key in self.options and isinstance(value, bool))

        return [key for key, value in arguments.items() if not fits(key, value)]

    def program(self, arguments: Mapping[str, Any]) -> Hashable:
        """What is the same in all members of one stack: options, settings, and which of the numbers act at all.

        Where none of momentum, dampening and weight decay is given, their operations are left out. Members with the
        same options can be stacked even if only some give them; the others are then computed with 0, to the same
        numbers (but `0 inf` is not 0, nor -0 the bits of 0).
        """
        options = tuple(bool(arguments.get(name, False)) for name in self.options)
        settings = tuple(repr(arguments.get(name)) for name in self.settings)
        return options, settings, tuple(name for name in SPARED if name in arguments)


class TorchRule(Rule):
    """Of a class of torch.optim, most of which can maximize and count their steps."""

    options: ClassVar[tuple[str, ...]] = ("maximize",)
    alone: ClassVar[tuple[str, ...]] = ("step",)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def decayed(w: Tensor, g: Tensor, c: Scalars, on: Acting) -> Tensor:
    """`g`, or `-g` to maximize, `+ λ w` for a weight decay; a decoupled one shrinks w instead."""
    if "maximize" in on:
        g = g.neg()
    if "weight_decay" not in on:
        return g
    if "decoupled_weight_decay" in on:
        w.mul_(c["shrink"])
        return g
    return g.addcmul(w, c["weight_decay"])


def shrink(n: Numbers) -> Tensor:
    """What a decoupled weight decay leaves of a parameter: `c["shrink"]` of `decayed`."""
    return 1 - n["lr"] * n["weight_decay"]


def average(a: Tensor, old: Tensor, new: Tensor, x: Tensor) -> Tensor:
    """`a <- old a + new x²` in place, rounded as torch rounds it.

    `a + new (x² - a)` would be a kernel less, but not torch's in float32: there 0.999 and 0.001 do not add up to 1.
    """
    return a.mul_(old).addcmul_(x * new, x)


def wide(c: Scalars, w: Tensor) -> Scalars:
    """Scalars `[P, 1]` with as many dimensions as parameters `w` `[P, ...]`."""
    return {name: number.view(-1, *(1,) * (w.dim() - 1)) for name, number in c.items()}


def power(base: Tensor, exponent: Tensor | float) -> Tensor:
    """`base ** exponent` in float64, to the same bits wherever a number stands.

    torch's vectorised pow rounds otherwise than the scalar one that it takes for the end of a tensor; numbers that are
    not beside each other all go the scalar way.
    """
    return _apart(base).pow(exponent if isinstance(exponent, int | float) else _apart(exponent))


def _apart(numbers: Tensor) -> Tensor:
    """A copy with a gap after every number."""
    return numbers.new_empty((*numbers.shape, 2))[..., 0].copy_(numbers)


def count_dtype() -> Any:
    """The dtype of the numbers that torch keeps one of beside a parameter (torch.optim.optimizer._get_scalar_dtype)."""
    import torch  # here, as it is for those alone who train

    return torch.float64 if torch.get_default_dtype() == torch.float64 else torch.float32
