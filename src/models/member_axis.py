"""Members joined into one stack, and taken out of it again."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from src.models.model import Model


def stack(members: Sequence[nn.Module]) -> nn.Module:
    """One module whose parameters `[P, I, O]` are the members', which have `[1, I, O]` or `[I, O]` each."""
    whole = copy.deepcopy(members[0])
    for name, _ in members[0].named_parameters():
        own = [member.get_parameter(name).detach() for member in members]
        _replace(whole, name, torch.cat(own) if own[0].dim() == 3 else torch.stack(own))
    return whole


def flatten(model: nn.Module) -> nn.Parameter:
    """All parameters `[P, I, O]` as one `[P, N]`, in their order; those of the model become views of it."""
    flat = nn.Parameter(torch.cat([value.detach().reshape(len(value), -1) for value in model.parameters()], 1))
    point(model, flat)
    return flat


def point(model: nn.Module, flat: Tensor) -> nn.Module:
    """Make the parameters of `model` views of `flat [P, N]`, and give it back."""
    start = 0
    # a module's own table of parameters is its to change, though other modules may have been copied from it
    model._parameters = dict(model._parameters)
    for name, value in list(model.named_parameters()):
        end = start + value[0].numel()
        model._parameters[name] = nn.Parameter(flat.detach()[:, start:end].view(-1, *value.shape[1:]))
        start = end
    return model


def without_member_axis(model: Model) -> Model:
    """A model of one member with parameters `[I, O]`, for optimizers that take matrices; it is changed.

    A module of the user's own stays as it is.
    """
    if not model.member_axis:
        return model
    for name, value in list(model.named_parameters()):
        _replace(model, name, value.detach()[0])
    return model


def member(value: Tensor, index: int) -> Tensor:
    """One member's `[I, O]` of a parameter `[P, I, O]` or `[I, O]`."""
    return value[index] if value.dim() == 3 else value


def _replace(model: nn.Module, name: str, value: Tensor) -> None:
    owner, _, last = name.rpartition(".")
    setattr(model.get_submodule(owner), last, nn.Parameter(value.clone()))
