"""A known surface as a model: its one parameter is a place, its prediction is how high the surface is there."""

import torch
from torch import Tensor, nn

from src.config.surfaces import FUNCTIONS
from src.losses.squared_error import Loss
from src.models.layers import batched, parameter


class Surface(nn.Module):
    """`f(point) + inputs · point`: `point [P, 1, 2]`, a row's inputs being the noise that it adds to the gradient.

    Over rows that average to 0 (see `src.data.Noise`) the mean of the predictions is f, and its gradient that of f.

    Built with one member; `src.models.stack` joins several. The arguments are those of `conf/model/surface.yaml`.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        function: str,
        point: list[float] | None = None,
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.function = FUNCTIONS[function]
        start = torch.tensor(self.function.start if point is None else point, dtype=torch.float64)
        self.point = parameter(start.view(1, 1, 2), dtype)

    def forward(self, inputs: Tensor) -> Tensor:
        """Predictions `[P, B, 1]` for inputs `[P, B, 2]`."""
        point = batched(self.point)
        height = self.function.value(point[..., 0], point[..., 1], torch)
        return height[..., None] + (inputs * point).sum(2, keepdim=True)

    def by_hand(
        self, inputs: Tensor, targets: Tensor, loss: Loss, rows: int | None = None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Losses `[P]` and the gradient of the parameter, `[P, 1, 2]`."""
        losses, error = loss.by_hand(self(inputs), targets, rows)
        point = batched(self.point)
        slope = torch.stack(self.function.gradient(point[..., 0], point[..., 1], torch), 2)
        # every row has the slope of f and its own noise
        return losses, (error.sum(1, keepdim=True) * slope + (error * inputs).sum(1, keepdim=True),)
