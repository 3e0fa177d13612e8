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


class Rooted(nn.Module):
    """A line that takes a root of what is below 0 once its slope is above a limit."""

    def __init__(self, limit: float) -> None:
        super().__init__()
        self.layer, self.limit = nn.Linear(1, 1), limit

    def forward(self, rows: Tensor) -> Tensor:
        return self.layer(rows) + 0 * (self.limit - self.layer.weight).sqrt()


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


class Squeezing(Net):
    """Its predictions have no axis of outputs while it trains, or from a number of steps on."""

    def __init__(self, inputs: int, outputs: int, after: int = 0) -> None:
        super().__init__(inputs, outputs)
        self.after, self.taken = after, 0

    def forward(self, rows: Tensor) -> Tensor:
        self.taken += self.training
        made = super().forward(rows)
        return made.squeeze(1) if self.training and self.taken > self.after else made


class Uncopied(Squeezing):
    """Cannot be copied, and so cannot be tried."""

    def __deepcopy__(self, memo: Any) -> Any:
        raise TypeError("there is one of me")


class Normed(Net):
    """Batch normalization, which cannot train on one row."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        self.norm = nn.BatchNorm1d(outputs)

    def forward(self, rows: Tensor) -> Tensor:
        return self.norm(super().forward(rows))


class Counting(Normed):
    """Draws, and counts what it sees in a buffer and in a plain number."""

    steps: Tensor

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        self.seen = 0
        self.register_buffer("steps", torch.zeros(()))

    def forward(self, rows: Tensor) -> Tensor:
        self.seen += len(rows)
        self.steps += self.training
        return super().forward(rows + torch.randn_like(rows) * self.training)


class Tied(nn.Module):
    """Two layers with one weight, which has two names."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(inputs, inputs), nn.Linear(inputs, inputs)
        self.second.weight = self.first.weight
        self.last = nn.Linear(inputs, outputs)

    def forward(self, rows: Tensor) -> Tensor:
        return self.last(torch.tanh(self.second(torch.tanh(self.first(rows)))))


class Handed(nn.Module):
    """Hands on what a function makes of the predictions and the inputs while it trains."""

    def __init__(self, inputs: int, outputs: int, how: str) -> None:
        super().__init__()
        self.layer, self.how = nn.Linear(inputs, outputs), how

    def forward(self, rows: Tensor) -> Any:
        made = self.layer(rows)
        if not self.training:
            return made
        if self.how == "parameter":
            self.layer.weight = nn.Parameter(self.layer.weight.detach().clone())
        if self.how == "in place":
            rows += 1.0
        return {
            "tuple": lambda: (made, made),
            "detached": made.detach,
            "long": made.long,
            "complex": lambda: made.to(torch.complex64),
            "meta": lambda: made.to("meta"),
            "few": lambda: made[:2],
            "backward": lambda: _NoSlope.apply(made),
        }.get(self.how, lambda: made)()


class _NoSlope(torch.autograd.Function):
    """Cannot go backward."""

    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:
        return values.clone()

    @staticmethod
    def backward(context: Any, *slopes: Tensor) -> Tensor:
        raise ArithmeticError("no way back")


class Extra(Fixed):
    """Has state that is no tensor."""

    def get_extra_state(self) -> Any:
        return {"seen": 3}


class Unseen(Fixed):
    """Uses a lazy layer only while it trains."""

    def __init__(self) -> None:
        super().__init__()
        self.more = nn.LazyLinear(1)

    def forward(self, rows: Tensor) -> Tensor:
        made = super().forward(rows)
        return self.more(made) if self.training else made


class Quiet(Fixed):
    """Its `train` gives nothing back."""

    def train(self, mode: bool = True) -> Any:
        super().train(mode)
