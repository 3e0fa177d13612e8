"""The linear model, and its gradient by hand."""

from torch import Tensor, nn

from src.config import models as sections
from src.losses.loss import Loss
from src.models.layers import add_parameters, affine, affine_by_hand
from src.models.model import Model


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
