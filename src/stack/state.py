"""The state of members as tensors `[P, ...]`: to keep some members' and not others', and to tell each its own."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from src.stack.stack import Stack


class State:
    """Parameters, optimizer and schedule of every member at a step of its own.

    Args:
        tensors: each `[P, ...]`, by a name that says what it is.
    """

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self.tensors = dict(tensors)

    @classmethod
    @torch.no_grad()
    def of(cls, stack: Stack, step: int) -> "State":
        """As it is now, after `step` steps; copies."""
        optimizer, schedule = stack.optimizer, stack.schedule
        tensors = {"flat": stack.flat.detach(), "step": torch.full((stack.members,), step)}
        if stack.common.zero_every != 1 and stack.flat.grad is not None:
            tensors["gradient"] = stack.flat.grad
        tensors |= {f"slot/{name}": value for name, value in optimizer.state.get(stack.flat, {}).items()}
        tensors |= {f"kept/{name}": value for name, value in optimizer.kept.items() if value.dim() == 1}
        for name, value in optimizer.param_groups[0].items():
            if isinstance(value, Tensor):
                tensors[f"number/{name}"] = value
            elif isinstance(value, tuple):
                tensors |= {f"pair/{name}/{index}": one for index, one in enumerate(value)}
        if schedule is not None:
            tensors |= {f"schedule/{name}": value for name, value in schedule.own.items()}
            tensors["epoch"] = torch.full((stack.members,), schedule.last_epoch)
            tensors["count"] = torch.full((stack.members,), schedule._step_count)
        return cls({name: value.clone() for name, value in tensors.items()})

    def select(self, indices: Tensor) -> "State":
        """Of some members."""
        return State({name: value[indices.to(value.device)] for name, value in self.tensors.items()})

    def replaced(self, which: Tensor, by: "State") -> "State":
        """With that of the members `which` `[P]` replaced."""
        merged = {}
        for name, new in by.tensors.items():
            old = self.tensors.get(name, new)
            merged[name] = torch.where(which.to(new.device).view(-1, *[1] * (new.dim() - 1)), new, old)
        return State(merged)


def optimizer_state(stack: Stack, index: int, state: State | None = None) -> dict[str, Any]:
    """The `state_dict()` that a member's own optimizer, over its own parameters, would have.

    Args:
        stack: whose member it is.
        index: which.
        state: of an earlier step; None: now.
    """
    whole = stack.optimizer.member_state_dict(index) if state is None else _earlier(stack, index, state)
    return {
        "state": {k: slots for k, slots in enumerate(_split(stack, whole["state"].get(0, {}))) if slots},
        "param_groups": [{**whole["param_groups"][0], "params": list(range(len(stack.shapes)))}],
    }


def _split(stack: Stack, slots: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """The slots of the flat parameter, for each parameter of the model."""
    pieces, start = [], 0
    for rows, columns in stack.shapes.values():
        end = start + rows * columns
        pieces.append(
            {
                name: value.clone() if value.dim() == 0 else value[:, start:end].reshape(1, rows, columns).clone()
                for name, value in slots.items()
            }
        )
        start = end
    return pieces


def _earlier(stack: Stack, index: int, state: State) -> dict[str, Any]:
    """What `Stacked.member_state_dict` would have given then."""
    optimizer, then = stack.optimizer, state.tensors
    before = optimizer.steps, optimizer.kept, dict(optimizer.state[stack.flat]), dict(optimizer.param_groups[0])
    try:
        optimizer.steps = int(then["step"][index])
        optimizer.kept = {name[5:]: value for name, value in then.items() if name.startswith("kept/")}
        optimizer.state[stack.flat] = {name[5:]: value for name, value in then.items() if name.startswith("slot/")}
        group = optimizer.param_groups[0]
        for name, value in before[3].items():
            if isinstance(value, Tensor):
                group[name] = then[f"number/{name}"]
            elif isinstance(value, tuple):
                group[name] = tuple(then[f"pair/{name}/{k}"] for k in range(len(value)))
        return optimizer.member_state_dict(index)
    finally:
        optimizer.steps, optimizer.kept, optimizer.state[stack.flat] = before[:3]
        optimizer.param_groups[0].update(before[3])


def schedule_state(stack: Stack, index: int, state: State | None = None) -> dict[str, Any] | None:
    """The `state_dict()` that a member's own schedule would have; None where there is none."""
    schedule = stack.schedule
    if schedule is None or state is None:
        return None if schedule is None else schedule.member_state_dict(index)
    then, group = state.tensors, stack.optimizer.param_groups[0]
    before = schedule.own, schedule.last_epoch, schedule._step_count, group["lr"]
    try:
        schedule.own = {name[9:]: value for name, value in then.items() if name.startswith("schedule/")}
        schedule.last_epoch, schedule._step_count = int(then["epoch"][index]), int(then["count"][index])
        group["lr"] = then["number/lr"]
        return schedule.member_state_dict(index)
    finally:
        schedule.own, schedule.last_epoch, schedule._step_count, group["lr"] = before


def parameters_of(stack: Stack, index: int, state: State | None = None) -> dict[str, Tensor]:
    """A member's parameters `[1, I, O]` by name."""
    return _pieces(stack, (stack.flat.detach() if state is None else state.tensors["flat"])[index])


def gradients_of(stack: Stack, index: int, state: State | None = None) -> list[Tensor] | None:
    """What of its gradients has added up, where they do."""
    if stack.common.zero_every == 1:
        return None
    whole = stack.flat.grad if state is None else state.tensors.get("gradient")
    return None if whole is None else list(_pieces(stack, whole[index]).values())


def _pieces(stack: Stack, row: Tensor) -> dict[str, Tensor]:
    pieces, start = {}, 0
    for name, (rows, columns) in stack.shapes.items():
        pieces[name] = row[start : start + rows * columns].reshape(1, rows, columns).detach().cpu().clone()
        start += rows * columns
    return pieces
