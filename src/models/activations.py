"""Activations and their derivatives, written by hand."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Activation:
    """`value(z)`, and `slope(z, value(z))`, the derivative at z."""

    value: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor, Tensor], Tensor]


ACTIVATIONS: Mapping[str, Activation] = {
    # relu'(0) = 0, as in torch
    "relu": Activation(torch.relu, lambda z, a: (z > 0).to(z.dtype)),
    "tanh": Activation(torch.tanh, lambda z, a: 1 - a * a),
    # torch.sigmoid rounds otherwise at the end of a tensor, and so otherwise in another stack
    "sigmoid": Activation(lambda z: functional.logsigmoid(z).exp(), lambda z, a: a / (1 + z.exp())),
    "identity": Activation(lambda z: z, lambda z, a: torch.ones_like(z)),
}
