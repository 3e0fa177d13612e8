"""What takes optimizer steps of `P` members: a gradient times an update. And all that steps change, as a value."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from src.engine.device_data import DeviceData
from src.losses.loss import Loss
from src.optim.rules import Rule
from src.optim.stacked_schedule import chosen

Leaf = Tensor | tuple[Any, ...]
"""A tensor `[P, ...]`, or `P` values that nobody looks into: an optimizer's `state_dict()`, a generator's state."""


@dataclass(frozen=True)
class State:
    """A copy of all that steps change, of every member after steps of its own.

    Attributes:
        step: optimizer steps taken, `[P]` int64.
        leaves: by a name that says what it is.
    """

    step: Tensor
    leaves: Mapping[str, Leaf]

    def select(self, keep: Sequence[int]) -> State:
        """The state of some members, in this order; copies of tensors, the same opaque values."""
        return State(self.step[list(keep)], {name: chosen(leaf, keep) for name, leaf in self.leaves.items()})

    def where(self, take: Tensor, other: State) -> State:
        """This of the members `take` `[P]`, and of the rest the other."""
        old = other.leaves
        leaves = {name: _where(take, leaf, old[name]) if name in old else leaf for name, leaf in self.leaves.items()}
        return State(torch.where(take, self.step, other.step), leaves)


def _where(take: Tensor, new: Leaf, old: Leaf) -> Leaf:
    if isinstance(new, Tensor):
        assert isinstance(old, Tensor)  # on the CPU where it was read from a file
        return torch.where(take.to(new.device).view(-1, *[1] * (new.dim() - 1)), new, old.to(new.device))
    return tuple(n if so else o for so, n, o in zip(take.tolist(), new, old, strict=True))


class Gradient(Protocol):
    """What computes the losses and gradients of consecutive steps, and puts them where the update looks."""

    def start(self, first: int, count: int) -> int:
        """Make ready for steps from number `first` on; of at most `count` as many as it says."""

    def __call__(self, k: int) -> Tensor | None:
        """Compute the gradient of step `first + k` at the parameters as they are; losses `[P]` where it has them."""

    def loss_of(self, k: int) -> Tensor:
        """The losses `[P]` before step `first + k`, whose gradient was computed last."""

    def losses(self) -> Tensor:
        """The losses `[K, P]` before each of the steps that were taken since `start`."""


class Update(Protocol):
    """What changes the parameters of consecutive steps, each by a gradient."""

    def start(self, first: int, count: int) -> int:
        """Make ready for steps from number `first` on; of at most `count` as many as it says."""

    def __call__(self, k: int, gradient: Tensor, loss: Tensor | None) -> None:
        """Take step `first + k` with this gradient `[P, N]`, and the loss `[P]` where it needs that."""


class Stepper:
    """Takes optimizer steps of `size` members.

    Attributes:
        size: members; one alone may be computed twice inside, and nobody outside sees the copy.
        module: parameters `[P, I, O]` (of a class that takes matrices `[I, O]`, of a user's module any).
        data: what the members see.
        loss: as they train.
        gradient: of a step.
        raised: what a step has raised; the losses up to it are there.
    """

    size: int
    module: nn.Module
    data: DeviceData
    loss: Loss
    gradient: Gradient
    raised: Exception | None = None
    switches = False
    """Whether other parameters are evaluated and kept than are trained."""
    _kept_parameters = False

    def step(self, first: int, count: int) -> Tensor:
        """Take steps number `first` to `first + count - 1`.

        Returns:
            losses `[K, P]`, each before its step; fewer than `count` only where a step has raised: see `raised`.
        """
        pieces, end, self.raised = list[Tensor](), first + count, None
        while first < end and self.raised is None:
            ready = self.gradient.start(first, end - first)
            try:
                self._take(first, ready)
            except Exception as error:  # a user's class can raise anything, and a step that overflows too
                self.raised = error
            pieces.append(self.gradient.losses())
            first += ready
        return torch.cat(pieces)[:, : self.size]

    def _take(self, first: int, ready: int) -> None:
        """Take the steps that the gradient is ready for."""
        raise NotImplementedError

    @torch.no_grad()
    def losses(self, part: str) -> Tensor:
        """Losses `[P]` over all rows of `train`, `val` or `test`, in evaluation mode."""
        with self.without_noise():
            rows = self.data.rows(part)
            return self.loss.value(self.module(rows.inputs), rows.targets)[: self.size]

    @torch.no_grad()
    def accuracies(self, part: str) -> Tensor:
        """The share `[P]`, float64, of a part's targets whose class is predicted, in evaluation mode."""
        with self.without_noise():
            rows = self.data.rows(part)
            right = self.loss.chosen(self.module(rows.inputs)) == self.loss.chosen(rows.targets)
            return right[: self.size].double().mean((1, 2))

    @torch.no_grad()
    def squares(self, part: str, units: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """Mean squared errors `[P, O]`, float64, over all rows of a part, in evaluation mode.

        Args:
            part: "train", "val" or "test".
            units: from descent's to others, of predictions and targets `[P, N, O]`; None: as descent sees them.
        """
        total, number = torch.zeros((), dtype=torch.float64), 0
        with self.without_noise():
            for ends in self._predicted(part):
                predictions, targets = (end.double() if units is None else units(end) for end in ends)
                total = total.to(predictions.device) + (predictions - targets).square().sum(1)
                number += targets.shape[1]
        return total[: self.size] / number

    def _predicted(self, part: str) -> Iterable[tuple[Tensor, Tensor]]:
        """Predictions and targets of all rows of a part, `[P, N, O]` each, one piece after another."""
        rows = self.data.rows(part)
        yield self.module(rows.inputs), rows.targets

    def gradients(self, part: str) -> list[Tensor | None]:
        """The gradient over all rows of a part, before any clipping, each `[P, ...]`, in evaluation mode."""
        raise NotImplementedError

    def named_gradients(self, part: str) -> dict[str, Tensor]:
        """The same by the names of parameters; of one that the loss does not depend on there is none."""
        named = zip(self.parameters(), self.gradients(part), strict=True)
        return {name: gradient.reshape(self.size, -1) for name, gradient in named if gradient is not None}

    def of_members(self, compute: Callable[[Stepper], Tensor]) -> Tensor:
        """Values `[P]` of what is computed of members that share a program; of others one after another."""
        return compute(self)

    def in_float64(self, part: str) -> tuple[Tensor, list[nn.Parameter]]:
        """Losses over all rows of a part with their graph, and the parameters `[P, ...]` that they are of, copies.

        Of one member alone that is computed twice there are two.
        """
        rows = self.data.rows(part)
        with self.without_noise(), torch.enable_grad():
            module = copy.deepcopy(self.module).double()
            losses = self.loss.value(module(rows.inputs.double()), rows.targets.double())
        return losses, [p for p in module.parameters() if p.requires_grad]

    @torch.no_grad()
    def predictions(self, inputs: Tensor) -> Tensor:
        """Predictions `[P, B, O]` for inputs `[P, B, I]` of each, in evaluation mode; float64 on the CPU."""
        with self.without_noise():
            return self.module(inputs.to(next(self.module.parameters()))).double().cpu()

    @contextmanager
    def without_noise(self) -> Iterator[None]:
        """No dropout, no moving statistics: a user's module may have them."""
        training = self.module.training
        self.module.eval()
        try:
            yield
        finally:
            self.module.train(training)

    # --- the parameters that are kept, where an optimizer has others while it trains ---

    def eval(self) -> None:
        """Switch to the parameters that are evaluated and kept (Schedule-Free, Defazio et al. 2024)."""
        self._kept_parameters = True

    def train(self) -> None:
        """Switch to those that are trained."""
        self._kept_parameters = False

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """The parameters that are kept; afterwards those that were there before."""
        if self._kept_parameters:
            yield
            return
        self.eval()
        try:
            yield
        finally:
            self.train()

    # --- numbers that change along the way ---

    def rate(self) -> Tensor | None:
        """The learning rate of the step to come, `[P]` float64 on the CPU; None: the optimizer has none."""
        raise NotImplementedError

    @property
    def rule(self) -> Rule | None:
        """That of the optimizer's class, if it has one."""
        raise NotImplementedError

    def groups(self) -> Sequence[Mapping[str, Any]]:
        """The numbers of each member's optimizer in the step to come, as its parameter group has them."""
        raise NotImplementedError

    @property
    def waits(self) -> bool:
        """Whether there is a schedule that waits for a plateau."""
        raise NotImplementedError

    def plateau(self, metric: Tensor) -> None:
        """Tell it the metric `[P]` that it waits for."""
        raise NotImplementedError

    # --- state and members ---

    def parameters(self) -> dict[str, Tensor]:
        """Those that are trained, by name, `[P, I, O]` float64 on the CPU; copies."""
        raise NotImplementedError

    def state(self, step: int) -> State:
        """All that steps change, after `step` of them; copies."""
        raise NotImplementedError

    def load(self, state: State) -> None:
        """Go on from a state of these members, bit for bit."""
        raise NotImplementedError

    def select(self, keep: Sequence[int]) -> Stepper:
        """A stepper of some members, in this order, that goes on from here."""
        raise NotImplementedError

    def member(self, state: State, index: int) -> dict[str, Any]:
        """One member in torch's own layout.

        Returns:
            `state_dict` of the model, `optimizer_states` and `lr_schedulers` (lists of one or none), `gradients` that
            have added up (None: none do), `random` (None: as at the start).
        """
        raise NotImplementedError

    def go_on(self, kept: Mapping[str, Any], step: int) -> None:
        """Let a run by itself go on from what `member` gave, of this stepper or another; the config's numbers win.

        Raises:
            LabError: the optimizer cannot go on with numbers that have changed since.
        """
        raise NotImplementedError
