"""Members of a stack that no rule can step together: one after another, each by its optimizer's own class."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from src.engine.device_data import DeviceData
from src.engine.stepper import State, Stepper
from src.engine.torch_stepper import TorchStepper
from src.optim.rules import Rule
from src.seeds import RandomState, packed, random_state, seeded, set_random_state, unpacked


class EachStepper(Stepper):
    """Runs by themselves that share a loop, and so what a loop costs: to the bits of each alone.

    Each has the global random numbers that it would have alone: modules and optimizers of the user's own may draw.
    Selections share their members' modules and optimizers, and so have a state of their own until they are used.

    Args:
        members: their steppers.
        data: what they see together.
        random: each one's global generators, as they stand.
    """

    def __init__(self, members: Sequence[TorchStepper], data: DeviceData, random: Sequence[RandomState]) -> None:
        self.members, self.data, self._random = list(members), data, list(random)
        self.size, self.module, self.loss = len(members), members[0].module, members[0].loss
        self.switches = members[0].update.switches
        self._pending: State | None = None

    @classmethod
    def begin(cls, members: Sequence[TorchStepper], data: DeviceData, seeds: Sequence[int]) -> EachStepper:
        """Members before their first step; the global generators of each are seeded."""
        random = []
        for seed in seeds:
            with seeded(seed):
                random.append(random_state(data.device))
        return cls(members, data, random)

    @property
    def random(self) -> list[dict[str, Tensor]]:
        """Each one's global generators, as they stand; as tensors."""
        return [packed(state) for state in self._random]

    @contextmanager
    def _drawing(self, index: int) -> Iterator[TorchStepper]:
        """A member, with its random numbers."""
        set_random_state(self._random[index], self.data.device)
        yield self.members[index]
        self._random[index] = random_state(self.data.device)

    def _of_each(self, compute: Callable[[TorchStepper], Any]) -> list[Any]:
        """What each of them gives; the global generators are put back."""
        self._settle()
        before, found = random_state(self.data.device), list[Any]()
        try:
            for index in range(self.size):
                with self._drawing(index) as member:
                    found.append(compute(member))
        finally:
            set_random_state(before, self.data.device)
        return found

    # --- steps ---

    def step(self, first: int, count: int) -> Tensor:
        """Take steps, see `Stepper.step`; the first error of a member is that of all."""
        losses = self._of_each(lambda member: member.step(first, count))
        for index, each in enumerate(losses):
            if len(each) and not bool(each[-1].isfinite()):  # what it raised after that is of no interest
                losses[index] = torch.cat([each, each[-1:].expand(count - len(each), -1)])
        least = min(map(len, losses))
        raised = (member.raised for member, each in zip(self.members, losses, strict=True) if len(each) < count)
        self.raised = next(raised, None)
        return torch.cat([each[:least] for each in losses], 1)

    def losses(self, part: str) -> Tensor:
        """Losses `[P]` over all rows of a part."""
        return torch.cat(self._of_each(lambda member: member.losses(part)))

    def accuracies(self, part: str) -> Tensor:
        """Shares `[P]` of a part's targets whose class is predicted."""
        return torch.cat(self._of_each(lambda member: member.accuracies(part)))

    def _predicted(self, part: str) -> Iterable[tuple[Tensor, Tensor]]:
        def of(member: TorchStepper) -> Tensor:
            with member.without_noise():
                return member.module(member.data.rows(part).inputs)

        yield torch.cat(self._of_each(of)), self.data.rows(part).targets

    def gradients(self, part: str) -> list[Tensor | None]:
        """The gradient over all rows of a part, each `[P, ...]`."""
        of_each = self._of_each(lambda member: member.gradients(part))
        whole = list[Tensor | None]()
        for parameter, column in zip(self.members[0].trained, zip(*of_each, strict=True), strict=True):
            each = [torch.zeros_like(parameter) if one is None else one for one in column]
            whole.append(torch.cat(each) if self.members[0].has_axis else torch.stack(each))
        return whole

    def of_members(self, compute: Callable[[Stepper], Tensor]) -> Tensor:
        """Values `[P]`, one after another."""
        return torch.cat(self._of_each(compute))

    def predictions(self, inputs: Tensor) -> Tensor:
        """Predictions `[P, B, O]` for inputs `[P, B, I]` of each."""
        rows = iter(inputs.split(1))
        return torch.cat(self._of_each(lambda member: member.predictions(next(rows))))

    def eval(self) -> None:
        """Switch to the parameters that are evaluated and kept."""
        self._of_each(lambda member: member.eval())
        super().eval()

    def train(self) -> None:
        """Switch back to those that are trained."""
        self._of_each(lambda member: member.train())
        super().train()

    # --- numbers ---

    def rate(self) -> Tensor | None:
        """The learning rate of the step to come, `[P]`."""
        rates = self._of_each(lambda member: member.rate())
        return None if any(rate is None for rate in rates) else torch.cat(rates)

    @property
    def rule(self) -> Rule | None:
        """That of their class."""
        return self.members[0].rule

    def groups(self) -> Sequence[Mapping[str, Any]]:
        """The numbers of each one's optimizer."""
        return [group for groups in self._of_each(lambda member: copy.copy(member.groups())) for group in groups]

    @property
    def waits(self) -> bool:
        """Whether their schedules wait for a plateau."""
        return self.members[0].waits

    def plateau(self, metric: Tensor) -> None:
        """Tell the schedules what they wait for, `[P]`."""
        self._settle()
        for index, member in enumerate(self.members):
            member.plateau(metric[index : index + 1])

    # --- state ---

    def parameters(self) -> dict[str, Tensor]:
        """Those that are trained, by name, `[P, ...]` float64 on the CPU."""
        of_each = self._of_each(lambda member: member.parameters())
        return {name: torch.cat([each[name] for each in of_each]) for name in of_each[0]}

    def state(self, step: int) -> State:
        """Of each what it would keep by itself."""
        if self._pending is not None:
            return State(torch.full((self.size,), step), self._pending.leaves)
        states = self._of_each(lambda member: member.state(step))
        leaves = {name: tuple(one.leaves[name][0] for one in states) for name in states[0].leaves}
        leaves["random"] = tuple(map(packed, leaves["random"]))  # a stack's file holds tensors and plain values
        return State(torch.full((self.size,), step), leaves)

    def load(self, state: State) -> None:
        """Go on from it, bit for bit."""
        self._pending = None
        before = random_state(self.data.device)
        try:
            for index, member in enumerate(self.members):
                member.load(self._own(state, index))
                self._random[index] = random_state(self.data.device)
        finally:
            set_random_state(before, self.data.device)

    def _settle(self) -> None:
        """Take up the state of this selection, which others that share its members may have changed."""
        if self._pending is not None:
            self.load(self._pending)

    def select(self, keep: Sequence[int]) -> EachStepper:
        """A stepper of some members, in this order, that goes on from here."""
        members, random = [self.members[k] for k in keep], [self._random[k] for k in keep]
        some = EachStepper(members, self.data.select(keep), random)
        some._kept_parameters, some._pending = self._kept_parameters, self.state(0).select(keep)
        return some

    def member(self, state: State, index: int) -> dict[str, Any]:
        """One member in torch's own layout."""
        return self.members[index].member(self._own(state, index), 0)

    @staticmethod
    def _own(state: State, index: int) -> State:
        """A member's state as its own stepper has it."""
        one = state.select([index])
        (random,) = one.leaves["random"]
        return State(one.step, {**one.leaves, "random": (unpacked(random),)})
