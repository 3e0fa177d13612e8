"""An optimizer built afresh, as a run builds it, and steps of it over a few parameters."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from src.config.classes import import_class
from src.optim.build import BuiltOptimizer, build_optimizer, load_state, takes_member_axis
from src.seeds import stream

State = Literal["held", "another lr", "failed", "does not apply", "yes", "no"]
Finding = tuple[State, str]


@dataclass(frozen=True)
class Outcome:
    """What came of a check.

    Attributes:
        name: of the check.
        state: "held", "another lr" where it did but not at the one given, or "failed"; "does not apply"; "yes" or "no"
            where either is fine.
        sentence: what was found, or why not.
    """

    name: str
    state: State
    sentence: str

    @property
    def held(self) -> bool | None:
        """Whether it held; None where that is no question."""
        return {"held": True, "another lr": True, "failed": False}.get(self.state)


@dataclass(frozen=True)
class Maker:
    """Builds an optimizer afresh over whatever parameters, with what a step of it needs.

    Attributes:
        section: the `optimizer` section of a config.
        create_graph: gradients keep their graph, for a class that differentiates them.
    """

    section: Mapping[str, Any]
    create_graph: bool = False

    @property
    def path(self) -> str:
        """Of the class, with its module."""
        return self.section["_target_"]

    @property
    def numbers(self) -> dict[str, Any]:
        """What the class is given beside parameters."""
        return {key: value for key, value in self.section.items() if not key.startswith("_")}

    def giving(self, **numbers: float) -> "Maker":
        """The same class with other numbers."""
        return replace(self, section={**self.section, **numbers})

    def __call__(self, parameters: Sequence[nn.Parameter]) -> BuiltOptimizer:
        """The optimizer over these parameters, with their needs found out as for a run."""
        return build_optimizer(self.section, None, parameters, self.create_graph)

    def grouped(self, parameters: Sequence[nn.Parameter], rates: Sequence[float | None]) -> BuiltOptimizer:
        """The optimizer over a group for each parameter, with these learning rates."""
        driven = self(parameters)
        groups = [
            {"params": [p], **({} if rate is None else {"lr": rate})} for p, rate in zip(parameters, rates, strict=True)
        ]
        return replace(
            driven, optimizer=import_class(self.path, "optimizer._target_", Optimizer)(groups, **driven.arguments)
        )

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """The numbers of a group that was told nothing else."""
        return dict(self([nn.Parameter(torch.ones(1, 1))]).optimizer.param_groups[0])

    def takes(self, key: str) -> bool:
        """Whether the class takes a number of this name."""
        try:
            named = inspect.signature(import_class(self.path, "optimizer._target_", Optimizer)).parameters
        except (TypeError, ValueError):  # it has no signature
            return key in self.defaults
        anything = any(parameter.kind is parameter.VAR_KEYWORD for parameter in named.values())
        return key in named or (anything and key in self.defaults)

    @cached_property
    def rate(self) -> float | None:
        """The learning rate: the one given, or the class's own; None where it takes none."""
        rate = self.section.get("lr", self.defaults.get("lr") if self.takes("lr") else None)
        return None if rate is None else float(rate)

    @cached_property
    def apart_from_itself(self) -> float:
        """How far two runs of a few steps from the same start and the same seed end apart; 0: the same bits."""
        for dtype in (torch.float32, torch.float64):
            first, second = (Trial(self, starts(dtype)).go(gradients(10, dtype)).values for _ in range(2))
            if not same(first, second):
                return apart(first, second)
        return 0.0


CPU = torch.device("cpu")
SHAPES = ((3, 2), (1, 2))
"""Of the weight `[I, O]` and the bias `[1, O]` that a trial is over."""


def starts(dtype: torch.dtype = torch.float64) -> list[Tensor]:
    """Where a trial's parameters start, from 1 to 2 and from -2 to -1: never near 0, and the same in float32."""
    generator = stream(0, "check.start")
    draws = [torch.rand(shape, generator=generator, dtype=torch.float32) + 1 for shape in SHAPES]
    return [draw.where(draw < 1.5, -draw).to(dtype) for draw in draws]


def gradients(steps: int, dtype: torch.dtype = torch.float64) -> list[list[Tensor]]:
    """Gradients for a trial's parameters, normal, the same for every trial."""
    generator = stream(0, "check.gradients")
    draws = [[torch.randn(shape, generator=generator, dtype=torch.float64) for shape in SHAPES] for _ in range(steps)]
    return [[draw.to(dtype) for draw in step] for step in draws]


class Trial:
    """A fresh optimizer over parameters of its own.

    Args:
        maker: of the optimizer.
        at: where the parameters start; `[I, O]` becomes `[1, I, O]` for a class that a run gives a member axis.
        kept: a `state_dict()` to go on from.
        rates: learning rates of a group for each parameter; None: one group.
    """

    def __init__(
        self,
        maker: Maker,
        at: Sequence[Tensor],
        kept: dict[str, Any] | None = None,
        rates: Sequence[float | None] | None = None,
    ) -> None:
        torch.manual_seed(0)  # so a trial is taken to its end before the next one is begun
        self.create_graph = maker.create_graph
        self._member_axis = takes_member_axis(maker.path)
        self.parameters = [nn.Parameter(self._shaped(start).clone()) for start in at]
        self.driven = maker(self.parameters) if rates is None else maker.grouped(self.parameters, rates)
        if kept is not None:
            load_state(self.driven.optimizer, kept)
        self.driven.train()

    def _shaped(self, value: Tensor) -> Tensor:
        return value[None] if self._member_axis and value.dim() == 2 else value

    @property
    def values(self) -> list[Tensor]:
        """The parameters as they are, copied, `[I, O]` each."""
        return [p.detach().clone().reshape(p.shape[-2:] if self._member_axis else p.shape) for p in self.parameters]

    @property
    def state(self) -> list[Tensor]:
        """Every tensor that the optimizer keeps of its parameters."""
        return [tensor for kept in self.driven.optimizer.state.values() for tensor in tensors(kept)]

    @property
    def finite(self) -> bool:
        """Whether all parameters and all of the state are."""
        return all(bool(tensor.isfinite().all()) for tensor in [*self.values, *self.state])

    def scale_lr(self, factor: float) -> None:
        """Change the learning rate of all groups, as a schedule does."""
        for group in self.driven.optimizer.param_groups:
            group["lr"] *= factor

    def go(self, steps: Sequence[Sequence[Tensor | None]]) -> "Trial":
        """Take a step with each of these gradients; None: the parameter has none.

        The loss of such a step is a tilted bowl around where the parameters stand, ½ |p - stand|² + g · p: its gradient
        there is g to the last bit, and a closure that asks elsewhere gets that of the same loss.
        """
        for given in steps:
            pairs = zip(self.parameters, given, strict=True)
            terms = [(p, p.detach().clone(), self._shaped(g)) for p, g in pairs if g is not None]
            self._step(partial(_tilted, terms))
        return self

    def downhill(self, steps: int) -> "Trial":
        """Take steps on one loss, ½ Σ k p² over all numbers, with k from 1 to 2."""
        steep = [torch.linspace(1, 2, p.numel(), dtype=p.dtype, device=p.device).view_as(p) for p in self.parameters]
        for _ in range(steps):
            self._step(partial(_curved, list(zip(self.parameters, steep, strict=True))))
        return self

    def _step(self, loss: Callable[[], Tensor]) -> None:
        def closure() -> Tensor:
            with torch.enable_grad():
                value = loss()
                found = torch.autograd.grad(value, self.parameters, create_graph=self.create_graph, allow_unused=True)
            for p, gradient in zip(self.parameters, found, strict=True):
                p.grad = gradient
            return value.detach()

        if self.driven.gradient_first or not self.driven.closure:
            closure()
        if self.driven.closure:
            self.driven.optimizer.step(cast(Any, closure))
        else:
            self.driven.optimizer.step()


def _tilted(terms: Sequence[tuple[Tensor, Tensor, Tensor]]) -> Tensor:
    return torch.stack([(0.5 * (p - stand).square() + g * p).sum() for p, stand, g in terms]).sum()


def _curved(terms: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    return torch.stack([(0.5 * k * p.square()).sum() for p, k in terms]).sum()


def tensors(value: Any) -> Iterator[Tensor]:
    """Every tensor in a tree of mappings and lists."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping | list | tuple):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from tensors(inner)


def same(left: Sequence[Tensor], right: Sequence[Tensor]) -> bool:
    """To the last bit, a NaN being a NaN."""
    pairs = zip(left, right, strict=True)
    return all(torch.allclose(one, other, rtol=0, atol=0, equal_nan=True) for one, other in pairs)


def apart(left: Sequence[Tensor], right: Sequence[Tensor]) -> float:
    """The largest distance of two numbers; NaN where one is NaN."""
    pairs = zip(left, right, strict=True)
    return float(torch.stack([(one.cpu().double() - other.cpu().double()).abs().max() for one, other in pairs]).max())


def close(left: Sequence[Tensor], right: Sequence[Tensor], tolerance: float = 1e-12) -> bool:
    """As near as rounding allows, for numbers about as large as a trial's starts."""
    return apart(left, right) <= tolerance * max(1.0, *(float(one.abs().max()) for one in right))
