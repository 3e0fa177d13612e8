"""The curves of members: values by name and step."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

MEASURED = ("train/", "val/", "test/")
"""What the names of measured values begin with; those of others are what is watched."""


class Curves:
    """Values of all members by name and step: numbers, or profiles (see `src.engine.watchers`).

    Args:
        listener: takes the step, the name and the value of every point of one member, which is then not kept here.
    """

    def __init__(self, listener: Callable[[int, str, float | list[float]], None] | None = None) -> None:
        self._listener = listener
        self._pieces: dict[str, list[tuple[list[int], Tensor]]] = {}

    def record(self, name: str, steps: Sequence[int], values: Tensor) -> None:
        """Add values `[T, P]` or `[T, P, n]`, at so many ascending steps; at one that is there they take its place."""
        if self._listener is not None:
            told = zip(steps, there(name, values)[:, 0].tolist(), values[:, 0].detach().double().tolist(), strict=True)
            for step, is_there, value in told:
                if is_there:
                    self._listener(step, name, value)
        elif len(steps):
            pieces = self._pieces.setdefault(name, [])
            pieces.append((list(steps), values.detach().double().cpu().clone()))
            # joined as digits of a binary counter carry: every value is copied log n times, and there are log n pieces
            while len(pieces) > 1 and len(pieces[-1][0]) >= len(pieces[-2][0]):
                pieces[-2:] = [_merged(pieces[-2:])]

    def select(self, keep: Sequence[int]) -> Curves:
        """Those of some members; of the pieces with a copy of their values."""
        some = Curves(self._listener)
        some._pieces = {
            name: [(steps, values[:, list(keep)]) for steps, values in pieces] for name, pieces in self._pieces.items()
        }
        return some

    def columns(self) -> dict[str, tuple[list[int], Tensor]]:
        """Of each name the steps in order, and the values `[T, P]` or `[T, P, n]`; also the state to go on from."""
        return {name: _merged(pieces) for name, pieces in self._pieces.items()}

    def load_state_dict(self, state: Mapping[str, tuple[Sequence[int], Tensor]]) -> None:
        """Go on from the columns of these members."""
        self._pieces = {name: [(list(steps), values)] for name, (steps, values) in state.items()}


def there(name: str, values: Tensor) -> Tensor:
    """Which points `[T, P]` of a curve there are: what is watched has none where it is NaN; a loss can be NaN."""
    first = values if values.dim() == 2 else values[..., 0]
    return torch.ones_like(first, dtype=torch.bool) if name.startswith(MEASURED) else ~first.isnan()


def _merged(pieces: Sequence[tuple[list[int], Tensor]]) -> tuple[list[int], Tensor]:
    steps = [step for piece, _ in pieces for step in piece]
    values = torch.cat([values for _, values in pieces])
    if all(before[-1] < after[0] for (before, _), (after, _) in itertools.pairwise(pieces)):
        return steps, values
    rows = {step: row for row, step in enumerate(steps)}  # of two rows at one step the later
    order = sorted(rows)
    return order, values[[rows[step] for step in order]]
