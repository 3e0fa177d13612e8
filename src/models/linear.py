"""The linear model, and its gradient by hand."""

from pathlib import Path

from torch import Tensor, nn

from src.config import models as sections
from src.losses.loss import Loss
from src.models.layers import add_parameters, affine, affine_by_hand
from src.models.model import InC, Model


class Linear(Model):
    """`x W + b`: `weight [P, I, O]`, `bias [P, 1, O]` or none."""

    linear = shown = True
    weight: nn.Parameter
    bias: nn.Parameter | None

    def __init__(self, section: sections.Linear, inputs: int, outputs: int) -> None:
        super().__init__()
        shapes = {"weight": (inputs, outputs, inputs), "bias": (1, outputs, inputs)}
        add_parameters(self, "linear model", section, shapes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Predictions `[P, B, O]` for inputs `[P, B, I]`."""
        return affine(inputs, self.weight, self.bias)

    def by_hand(
        self, inputs: Tensor, targets: Tensor, loss: Loss, rows: int | None = None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Losses `[P]` and the gradient of each parameter, in the order of `parameters()`."""
        losses, error = loss.derivative(self(inputs), targets, rows)
        return losses, affine_by_hand(inputs, error, self.bias is not None)

    def in_c(self) -> InC:
        """`linear.h`."""
        inputs, outputs = self.weight.shape[-2:]
        return linear_in_c(inputs, outputs, self.bias is not None)


def linear_in_c(inputs: int, outputs: int, bias: bool) -> InC:
    """A linear model of these sizes as C."""
    sizes = {"I": inputs, "O": outputs, "BIASES": int(bias)}
    return InC(Path(__file__).with_suffix(".h"), sizes, inputs, padded=True)
