"""Modules of a user's own, and what cannot be one."""

from typing import Any

import torch
from torch import Tensor, nn


class Net(nn.Module):
    """`tanh` between two layers of torch's own."""

    def __init__(self, inputs: int, outputs: int, hidden: int = 4) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(inputs, hidden), nn.Tanh(), nn.Linear(hidden, outputs))

    def forward(self, rows: Tensor) -> Tensor:
        return self.layers(rows)


class Fixed(nn.Module):
    """Is not told how many inputs and outputs there are."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 1)

    def forward(self, rows: Tensor) -> Tensor:
        return self.layer(rows)


class Lazy(nn.Module):
    """Draws its start when it first sees rows, and counts what it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.norm = nn.LazyLinear(1), nn.BatchNorm1d(1)

    def forward(self, rows: Tensor) -> Tensor:
        return self.norm(self.layer(rows))


class Flat(Fixed):
    """Its predictions have no axis of outputs."""

    def forward(self, rows: Tensor) -> Tensor:
        return super().forward(rows)[:, 0]


class Several(Fixed):
    """Its predictions are no tensor."""

    def forward(self, rows: Tensor) -> Any:
        return super().forward(rows), rows


class Wide(Fixed):
    """Takes more inputs than there are."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(5, 1)


class Untrained(nn.Module):
    """Has nothing to train."""

    def forward(self, rows: Tensor) -> Tensor:
        return rows[:, :1]


class Raises(nn.Module):
    """Cannot be built."""

    def __init__(self) -> None:
        raise ValueError("seven is not eight")


def net(inputs: int, outputs: int) -> Net:
    """A function that makes a module."""
    return Net(inputs, outputs)


NOISE = torch.ones(1)
"""No module at all."""


class Dropping(nn.Module):
    """Half of the hidden units, drawn anew from torch's global generator at every step."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(inputs, 8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, outputs))

    def forward(self, rows: Tensor) -> Tensor:
        return self.layers(rows)
