"""The two-layer network, and backpropagation through it by hand."""

from pathlib import Path

import torch
from torch import Tensor, nn

from src.config import models as sections
from src.losses.loss import Loss
from src.models.activations import ACTIVATIONS
from src.models.layers import add_parameters, affine, affine_by_hand, batched
from src.models.model import InC, Model


class TwoLayer(Model):
    """`f(x W1 + b1) W2 + b2`: `weight1 [P, I, H]`, `bias1 [P, 1, H]`, `weight2 [P, H, O]`, `bias2 [P, 1, O]`."""

    weight1: nn.Parameter
    bias1: nn.Parameter | None
    weight2: nn.Parameter
    bias2: nn.Parameter | None

    def __init__(self, section: sections.TwoLayer, inputs: int, outputs: int) -> None:
        super().__init__()
        self.activation, hidden = ACTIVATIONS[section.activation], section.hidden
        self.activation_name = section.activation
        first = {"weight1": (inputs, hidden, inputs), "bias1": (1, hidden, inputs)}
        second = {"weight2": (hidden, outputs, hidden), "bias2": (1, outputs, hidden)}
        add_parameters(self, "two-layer model", section, first | second)

    def forward(self, inputs: Tensor) -> Tensor:
        """Predictions `[P, B, O]` for inputs `[P, B, I]`."""
        return affine(self.activation.value(affine(inputs, self.weight1, self.bias1)), self.weight2, self.bias2)

    def by_hand(
        self, inputs: Tensor, targets: Tensor, loss: Loss, rows: int | None = None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Losses `[P]` and the gradient of each parameter, in the order of `parameters()`."""
        hidden = affine(inputs, self.weight1, self.bias1)
        activated = self.activation.value(hidden)
        losses, error = loss.derivative(affine(activated, self.weight2, self.bias2), targets, rows)
        second = affine_by_hand(activated, error, self.bias2 is not None)
        back = torch.bmm(error, batched(self.weight2).mT) * self.activation.slope(hidden, activated)
        return losses, (*affine_by_hand(inputs, back, self.bias1 is not None), *second)

    def in_c(self) -> InC:
        """`two_layer.h`."""
        (inputs, hidden), outputs, name = self.weight1.shape[-2:], self.weight2.shape[-1], self.activation_name
        sizes: dict[str, int | str] = {"I": inputs, "H": hidden, "O": outputs, "BIASES": int(self.bias1 is not None)}
        sizes |= {"ACTIVATE": f"activate_{name}", "SLOPE": f"slope_{name}"}
        return InC(Path(__file__).with_suffix(".h"), sizes, hidden)
