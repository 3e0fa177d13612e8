"""The curves of a stack, kept until its members end: then each has a `metrics.csv` of its own."""

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


class History:
    """Values of all members by name and step."""

    def __init__(self) -> None:
        self._pieces: dict[str, list[tuple[list[int], Tensor]]] = {}

    def record(self, name: str, steps: Sequence[int], values: Tensor) -> None:
        """Add values `[T, P]`, at so many steps; at a step that is there already they take its place."""
        if len(steps):
            self._pieces.setdefault(name, []).append((list(steps), values.detach().double().cpu().clone()))

    def select(self, indices: Sequence[int]) -> "History":
        """Of some members."""
        chosen = History()
        chosen._pieces = {
            name: [(steps, values[:, list(indices)]) for steps, values in pieces]
            for name, pieces in self._pieces.items()
        }
        return chosen

    def curves(self) -> dict[str, tuple[list[int], Tensor]]:
        """Of each name the steps in order, and the values `[T, P]`."""
        return {name: _merged(pieces) for name, pieces in self._pieces.items()}

    def state_dict(self) -> dict[str, Any]:
        """Plain values and tensors."""
        return self.curves()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from it."""
        self._pieces = {name: [(list(steps), values)] for name, (steps, values) in state.items()}


def _merged(pieces: Sequence[tuple[list[int], Tensor]]) -> tuple[list[int], Tensor]:
    steps = [step for piece, _ in pieces for step in piece]
    values = torch.cat([values for _, values in pieces])
    if all(a < b for a, b in itertools.pairwise(steps)):
        return steps, values
    rows = {step: row for row, step in enumerate(steps)}  # of two rows at one step the later
    order = sorted(rows)
    return order, values[[rows[step] for step in order]]
