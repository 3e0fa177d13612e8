"""The two-layer network, and backpropagation through it by hand."""

import torch
from torch import Tensor, nn

from src.losses.squared_error import SquaredError
from src.models.activations import ACTIVATIONS
from src.models.layers import Values, affine, affine_by_hand, batched, check_names, initial, parameter


class TwoLayer(nn.Module):
    """`f(x W1 + b1) W2 + b2`: `weight1 [P, I, H]`, `bias1 [P, 1, H]`, `weight2 [P, H, O]`, `bias2 [P, 1, O]`.

    Built with one member; `src.models.stack` joins several. The arguments are those of `conf/model/two_layer.yaml`.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        hidden: int = 32,
        activation: str = "relu",
        seed: int = 0,
        bias: bool = True,
        start: str = "torch",
        scale: float = 1.0,
        values: Values = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        shapes = {
            "weight1": ((inputs, hidden), inputs),
            "bias1": ((1, hidden), inputs),
            "weight2": ((hidden, outputs), hidden),
            "bias2": ((1, outputs), hidden),
        }
        if not bias:
            del shapes["bias1"], shapes["bias2"]
        check_names(values, list(shapes), "two-layer model")
        self.weight1: nn.Parameter
        self.weight2: nn.Parameter
        self.bias1: nn.Parameter | None = None
        self.bias2: nn.Parameter | None = None
        for name, (shape, fan_in) in shapes.items():
            setattr(self, name, parameter(initial(name, shape, fan_in, seed, start, scale, values), dtype))

    def _hidden(self, inputs: Tensor) -> Tensor:
        return affine(inputs, batched(self.weight1), None if self.bias1 is None else batched(self.bias1))

    def _output(self, activated: Tensor) -> Tensor:
        return affine(activated, batched(self.weight2), None if self.bias2 is None else batched(self.bias2))

    def forward(self, inputs: Tensor) -> Tensor:
        """Predictions `[P, B, O]` for inputs `[P, B, I]`."""
        return self._output(self.activation.value(self._hidden(inputs)))

    def by_hand(
        self, inputs: Tensor, targets: Tensor, loss: SquaredError, rows: int | None = None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Losses `[P]` and the gradient of each parameter, in the order of `parameters()`."""
        hidden = self._hidden(inputs)
        activated = self.activation.value(hidden)
        losses, error = loss.by_hand(self._output(activated), targets, rows)
        second = affine_by_hand(activated, error, self.bias2 is not None)
        back = torch.bmm(error, batched(self.weight2).mT) * self.activation.slope(hidden, activated)
        return losses, (*affine_by_hand(inputs, back, self.bias1 is not None), *second)
