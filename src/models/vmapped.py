"""Members of a stack whose model is a module of the user's own: one call for all of them, by `torch.vmap`."""

import copy
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

from src.models.model import Model


class Vmapped(Model):
    """P modules that differ in their numbers alone, as one whose parameters are `[P, ...]`.

    What is not trained (buffers, frozen parameters) is each member's own too, and stays as it is.

    Args:
        members: built from one section; copied.
    """

    def __init__(self, members: Sequence[Model]) -> None:
        super().__init__()
        first = copy.deepcopy(members[0])
        self._called = (first,)  # no part of this module: its parameters are not trained
        trained = {name for name, p in first.named_parameters() if p.requires_grad}
        self._parameters = {
            name: nn.Parameter(torch.stack([one.get_parameter(name).detach() for one in members]))
            for name, _ in first.named_parameters()
            if name in trained
        }
        tensors = [{**dict(one.named_parameters()), **dict(one.named_buffers())} for one in members]
        self.fixed = {
            name: torch.stack([own[name].detach() for own in tensors]) for name in tensors[0] if name not in trained
        }

    def forward(self, inputs: Tensor) -> Tensor:
        """Predictions `[P, B, O]` for inputs `[P, B, I]`."""

        def one(tensors: Mapping[str, Tensor], rows: Tensor) -> Tensor:
            made: Tensor = functional_call(self._called[0], dict(tensors), (rows[None],))
            return made[0]

        tensors = {**dict(self.named_parameters()), **self.fixed}
        return torch.vmap(one, randomness="error")(tensors, inputs)

    def train(self, mode: bool = True) -> "Vmapped":
        """Of all members."""
        self._called[0].train(mode)
        return super().train(mode)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Vmapped":
        """To another dtype or device, what is not trained too."""
        self.fixed = {name: fn(value) for name, value in self.fixed.items()}
        return super()._apply(fn, recurse)

    def choose(self, keep: Sequence[int]) -> None:
        """Have the fixed numbers of these members only; those that are trained are replaced by who calls."""
        self.fixed = {name: value[list(keep)] for name, value in self.fixed.items()}

    def kept(self, own: Mapping[str, Tensor], index: int) -> dict[str, Tensor]:
        """A member's `state_dict()`, with these trained numbers of it; a parameter that layers share has several names.

        Args:
            own: trained, by name.
            index: of the member.
        """
        called = self._called[0]
        name_of = {id(value): name for name, value in called.named_parameters()}
        parameters = dict(called.named_parameters(remove_duplicate=False))
        there = {name: own.get(name_of[id(value)]) for name, value in parameters.items()}
        fixed = {name: value[index].clone() for name, value in self.fixed.items()}
        whole = {
            name: fixed[name_of[id(parameters[name])]] if value is None else value for name, value in there.items()
        }
        whole |= {name: fixed[name] for name, _ in called.named_buffers(remove_duplicate=False) if name in fixed}
        return {name: value for name, value in whole.items() if name in called.state_dict()}
