"""The curves of members: values by name and step."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


class Curves:
    """Values of all members by name and step."""

    def __init__(self) -> None:
        self._pieces: dict[str, list[tuple[list[int], Tensor]]] = {}

    def record(self, name: str, steps: Sequence[int], values: Tensor) -> None:
        """Add values `[T, P]`, at so many steps; at a step that is there already they take its place."""
        if len(steps):
            self._pieces.setdefault(name, []).append((list(steps), values.detach().double().cpu().clone()))

    def select(self, keep: Sequence[int]) -> Curves:
        """Of some members."""
        some = Curves()
        some._pieces = {
            name: [(steps, values[:, list(keep)]) for steps, values in pieces] for name, pieces in self._pieces.items()
        }
        return some

    def columns(self) -> dict[str, tuple[list[int], Tensor]]:
        """Of each name the steps in order, and the values `[T, P]`."""
        return {name: _merged(pieces) for name, pieces in self._pieces.items()}

    def state_dict(self) -> dict[str, Any]:
        """Plain values and tensors."""
        return self.columns()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from it."""
        self._pieces = {name: [(list(steps), values)] for name, (steps, values) in state.items()}


class Told(Curves):
    """Curves of one member that are told to somebody as they are recorded, and not kept.

    Attributes:
        tell: takes a step, the name of a curve and its value there.
    """

    def __init__(self, tell: Callable[[int, str, float], None] = lambda step, name, value: None) -> None:
        super().__init__()
        self.tell = tell

    def record(self, name: str, steps: Sequence[int], values: Tensor) -> None:
        """Tell values `[T, 1]`, at so many steps."""
        for step, value in zip(steps, values[:, 0].detach().double().tolist(), strict=True):
            self.tell(step, name, value)

    def select(self, keep: Sequence[int]) -> Told:
        """The one."""
        return self


def _merged(pieces: Sequence[tuple[list[int], Tensor]]) -> tuple[list[int], Tensor]:
    steps = [step for piece, _ in pieces for step in piece]
    values = torch.cat([values for _, values in pieces])
    if all(a < b for a, b in itertools.pairwise(steps)):
        return steps, values
    rows = {step: row for row, step in enumerate(steps)}  # of two rows at one step the later
    order = sorted(rows)
    return order, values[[rows[step] for step in order]]
