"""An optimizer that is checked: built afresh as a run builds it, and steps of it over a few parameters."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from src.config.classes import parameters_of
from src.errors import LabError
from src.optim.build import (
    BuiltOptimizer,
    build_optimizer,
    load_state,
    optimizer_class,
    takes_member_axis,
    with_lowest_loss,
)
from src.seeds import stream


class DoesNotApply(Exception):  # noqa: N818 - it is no error
    """A check says nothing about this optimizer; the message says why."""


@dataclass(frozen=True)
class Candidate:
    """What is checked.

    Attributes:
        section: the `optimizer` section of a config.
        create_graph: gradients keep their graph, for a class that differentiates them.
        rule: the dotted name of the user's own for it.
    """

    section: Mapping[str, Any]
    create_graph: bool = False
    rule: str | None = None

    @property
    def path(self) -> str:
        """Of the class, with its module."""
        return self.section["_target_"]

    def giving(self, **numbers: float | tuple[float, ...]) -> "Candidate":
        """The same class with other numbers."""
        return replace(self, section={**self.section, **numbers})

    def build(self, parameters: Sequence[nn.Parameter], rates: Sequence[float | None] | None = None) -> BuiltOptimizer:
        """The optimizer over these parameters, with what its steps need found out as for a run.

        Args:
            parameters: what is updated.
            rates: learning rates of a group for each parameter; None: one group, and in it: the class's own.
        """
        built = build_optimizer(with_lowest_loss(self.section), None, parameters, self.create_graph)
        if rates is None:
            return built
        own = [{} if rate is None else {"lr": rate} for rate in rates]
        groups = [{"params": [p], **numbers} for p, numbers in zip(parameters, own, strict=True)]
        return replace(built, optimizer=self._class(groups, **built.arguments))

    @property
    def _class(self) -> Any:
        return optimizer_class(self.path)

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """The numbers of a group that is given no others."""
        return dict(self.build([nn.Parameter(torch.ones(1, 1))]).optimizer.param_groups[0])

    def takes(self, key: str) -> bool:
        """Whether the class takes a number of this name."""
        named = parameters_of(self._class)
        anything = named is None or any(parameter.kind is parameter.VAR_KEYWORD for parameter in named)
        return key in [parameter.name for parameter in named or ()] or (anything and key in self.defaults)

    @cached_property
    def rate(self) -> float | None:
        """The learning rate: the one given, or the class's own; None where it takes none."""
        rate = self.section.get("lr", self.defaults.get("lr") if self.takes("lr") else None)
        return None if rate is None else float(rate)

    @cached_property
    def refusal(self) -> LabError | None:
        """Why it takes no step in float64, where it takes one in float32."""
        try:
            Steps(self, starts(torch.float64))
        except LabError as error:
            Steps(self, starts(torch.float32))  # a class that no run would take is no matter of one check
            return error
        return None

    @property
    def dtype(self) -> torch.dtype:
        """What it is checked in: float64, but for a class that takes no step there."""
        return torch.float32 if self.refusal else torch.float64

    @property
    def dtype_name(self) -> Literal["float32", "float64"]:
        """The same in a config."""
        return "float32" if self.refusal else "float64"

    @property
    def dtypes(self) -> tuple[torch.dtype, ...]:
        """Those that it takes a step in."""
        return (torch.float32,) if self.refusal else (torch.float32, torch.float64)

    @property
    def tolerance(self) -> float:
        """As near as rounding allows, as a share of numbers about as large as where parameters start."""
        return 1e-5 if self.refusal else 1e-12

    def starts(self) -> list[Tensor]:
        """Where parameters start, in `dtype`."""
        return starts(self.dtype)

    def gradients(self, steps: int) -> list[list[Tensor]]:
        """Gradients for so many steps, in `dtype`."""
        return gradients(steps, self.dtype)

    def close(self, left: Sequence[Tensor], right: Sequence[Tensor]) -> bool:
        """As near as rounding allows, for numbers about as large as `starts`."""
        return apart(left, right) <= self.tolerance * max(1.0, *(float(one.abs().max()) for one in right))

    @cached_property
    def apart_from_itself(self) -> float:
        """How far two runs of a few steps from the same start and the same seed end apart; 0: the same bits."""
        for dtype in self.dtypes:
            first, second = (Steps(self, starts(dtype)).take(gradients(10, dtype)).values for _ in range(2))
            if not same(first, second):
                return apart(first, second)
        return 0.0

    def must_repeat(self) -> None:
        """Of what is found out by comparing steps.

        Raises:
            DoesNotApply: it does not repeat its own.
        """
        if self.apart_from_itself:
            raise DoesNotApply("it does not repeat its own steps, so there is nothing to compare them with")


Terms = Sequence[tuple[Tensor, Tensor, Tensor, Tensor]]
CPU = torch.device("cpu")
SHAPES = ((3, 2), (1, 2))
"""Of the weight `[I, O]` and the bias `[1, O]` that steps are taken over."""


def starts(dtype: torch.dtype = torch.float64) -> list[Tensor]:
    """Where parameters start, from 1 to 2 and from -2 to -1: never near 0, and the same in float32."""
    generator = stream(0, "check.start")
    draws = [torch.rand(shape, generator=generator, dtype=torch.float32) + 1 for shape in SHAPES]
    return [draw.where(draw < 1.5, -draw).to(dtype) for draw in draws]


def gradients(steps: int, dtype: torch.dtype = torch.float64) -> list[list[Tensor]]:
    """Gradients of the parameters for so many steps, normal, always the same."""
    generator = stream(0, "check.gradients")
    draws = [[torch.randn(shape, generator=generator, dtype=torch.float64) for shape in SHAPES] for _ in range(steps)]
    return [[draw.to(dtype) for draw in step] for step in draws]


class Steps:
    """A fresh optimizer over parameters of its own.

    Args:
        candidate: of the optimizer.
        at: where the parameters start; `[I, O]` becomes `[1, I, O]` for a class that a run gives a member axis.
        kept: a `state_dict()` to go on from.
        rates: learning rates of a group for each parameter; None: one group.

    Attributes:
        changed_gradients: a step has changed in place the gradients that it was given.
    """

    def __init__(
        self,
        candidate: Candidate,
        at: Sequence[Tensor],
        kept: dict[str, Any] | None = None,
        rates: Sequence[float | None] | None = None,
    ) -> None:
        torch.manual_seed(0)  # so all steps are taken before another optimizer is built
        self.create_graph = candidate.create_graph
        self._member_axis = takes_member_axis(candidate.path, candidate.rule)
        self.parameters = [nn.Parameter(self._shaped(start).clone()) for start in at]
        self.built = candidate.build(self.parameters, rates)
        self.optimizer = self.built.optimizer
        if kept is not None:
            load_state(self.optimizer, kept)
        self.changed_gradients = False
        self.built.train()

    def _shaped(self, value: Tensor) -> Tensor:
        return value[None] if self._member_axis and value.dim() == 2 else value

    @property
    def values(self) -> list[Tensor]:
        """The parameters as they are, copied, `[I, O]` each."""
        return [p.detach().clone().reshape(p.shape[-2:] if self._member_axis else p.shape) for p in self.parameters]

    @property
    def state(self) -> list[Tensor]:
        """Every tensor that the optimizer keeps of its parameters."""
        return [tensor for kept in self.optimizer.state.values() for tensor in _tensors(kept)]

    @property
    def finite(self) -> bool:
        """Whether all parameters and all of the state are."""
        return all(bool(tensor.isfinite().all()) for tensor in [*self.values, *self.state])

    def scale_lr(self, factor: float) -> None:
        """Change the learning rate of all groups, as a schedule does."""
        for group in self.optimizer.param_groups:
            group["lr"] *= factor

    def take(self, steps: Sequence[Sequence[Tensor | None]]) -> "Steps":
        """Take a step with each of these gradients; None: the parameter has none.

        The loss of such a step is a tilted bowl around where the parameters stand, ½ |p - stand|² + g · p: its gradient
        there is g to the last bit, and a closure that asks elsewhere gets that of the same loss.
        """
        for given in steps:
            pairs = zip(self.parameters, given, strict=True)
            terms = [(p, torch.ones(()), p.detach().clone(), self._shaped(g)) for p, g in pairs if g is not None]
            self._step(terms)
        return self

    def downhill(self, steps: int) -> "Steps":
        """Take steps on one loss, ½ Σ k p² over all numbers, with k from 1 to 2."""
        steep = [torch.linspace(1, 2, p.numel(), dtype=p.dtype, device=p.device).view_as(p) for p in self.parameters]
        pairs, zero = list(zip(self.parameters, steep, strict=True)), torch.zeros(())
        for _ in range(steps):
            self._step([(p, k, zero, zero) for p, k in pairs])
        return self

    def _step(self, terms: Terms) -> None:
        def closure() -> Tensor:
            with torch.enable_grad():
                value = _quadratic(terms)
                found = torch.autograd.grad(value, self.parameters, create_graph=self.create_graph, allow_unused=True)
            for p, gradient in zip(self.parameters, found, strict=True):
                p.grad = gradient
            given[:] = [(gradient, gradient.detach().clone()) for gradient in found if gradient is not None]
            return value.detach()

        for group in self.optimizer.param_groups:
            if "lowest_loss" in group:  # every step has a loss of its own here, and is 1 above the lowest
                group["lowest_loss"] = float(_quadratic(terms).detach()) - 1
        given: list[tuple[Tensor, Tensor]] = []
        if self.built.gradient_first or not self.built.closure:
            closure()
        self.optimizer.step(*[cast(Any, closure)] * self.built.closure)
        self.changed_gradients |= not same(*zip(*given, strict=True)) if given else False


def _quadratic(terms: Terms) -> Tensor:
    """Σ ½ k |p - centre|² + g · p over (p, k, centre, g)."""
    return torch.stack([(0.5 * k * (p - centre).square() + g * p).sum() for p, k, centre, g in terms]).sum()


def _tensors(value: Any) -> Iterator[Tensor]:
    """Every tensor in a tree of mappings and lists."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping | list | tuple):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _tensors(inner)


def same(left: Sequence[Tensor], right: Sequence[Tensor]) -> bool:
    """To the last bit, a NaN being a NaN."""
    pairs = zip(left, right, strict=True)
    return all(torch.allclose(one, other, rtol=0, atol=0, equal_nan=True) for one, other in pairs)


def apart(left: Sequence[Tensor], right: Sequence[Tensor]) -> float:
    """The largest distance of two numbers; NaN where one is NaN."""
    pairs = zip(left, right, strict=True)
    return float(torch.stack([(one.cpu().double() - other.cpu().double()).abs().max() for one, other in pairs]).max())
