"""The linear model, and its gradient by hand."""

import torch
from torch import Tensor, nn

from src.losses.squared_error import SquaredError
from src.models.layers import Values, affine, affine_by_hand, batched, check_names, initial, parameter


class Linear(nn.Module):
    """`x W + b`: `weight [P, I, O]`, `bias [P, 1, O]` or none.

    Built with one member; `src.models.stack` joins several. The arguments are those of `conf/model/linear.yaml`.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        seed: int = 0,
        bias: bool = True,
        start: str = "torch",
        scale: float = 1.0,
        values: Values = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        check_names(values, ["weight", "bias"] if bias else ["weight"], "linear model")
        self.weight = parameter(initial("weight", (inputs, outputs), inputs, seed, start, scale, values), dtype)
        self.bias = (
            parameter(initial("bias", (1, outputs), inputs, seed, start, scale, values), dtype) if bias else None
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Predictions `[P, B, O]` for inputs `[P, B, I]`."""
        return affine(inputs, batched(self.weight), None if self.bias is None else batched(self.bias))

    def by_hand(
        self, inputs: Tensor, targets: Tensor, loss: SquaredError, rows: int | None = None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Losses `[P]` and the gradient of each parameter, in the order of `parameters()`."""
        losses, error = loss.by_hand(self(inputs), targets, rows)
        return losses, affine_by_hand(inputs, error, self.bias is not None)
