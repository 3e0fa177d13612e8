"""A known surface as a model: its one parameter is a place, its prediction is how high the surface is there."""

import torch
from torch import Tensor, nn

from src.config import models as sections
from src.config.surfaces import FUNCTIONS, Function
from src.losses.loss import Loss
from src.models.layers import batched
from src.models.model import Model


class Surface(Model):
    """`f(point) + inputs · point`: `point [P, 1, 2]`, a row's inputs being the noise that it adds to the gradient.

    Over rows that average to 0 (see `src.data.noise`) the mean of the predictions is f, and its gradient that of f.
    """

    shown = True
    surface: Function

    def __init__(self, section: sections.Surface, inputs: int, outputs: int) -> None:
        super().__init__()
        self.surface = FUNCTIONS[section.function]
        start = torch.tensor(self.surface.start if section.point is None else section.point, dtype=torch.float64)
        self.point = nn.Parameter(start.view(1, 1, 2).to(getattr(torch, section.dtype)))

    def forward(self, inputs: Tensor) -> Tensor:
        """Predictions `[P, B, 1]` for inputs `[P, B, 2]`."""
        point = batched(self.point)
        height = self.surface.value(point[..., 0], point[..., 1], torch)
        return height[..., None] + (inputs * point).sum(2, keepdim=True)

    def by_hand(
        self, inputs: Tensor, targets: Tensor, loss: Loss, rows: int | None = None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Losses `[P]` and the gradient of the parameter, `[P, 1, 2]`."""
        losses, error = loss.derivative(self(inputs), targets, rows)
        point = batched(self.point)
        slope = torch.stack(self.surface.gradient(point[..., 0], point[..., 1], torch), 2)
        # every row has the slope of f and its own noise
        return losses, (error.sum(1, keepdim=True) * slope + (error * inputs).sum(1, keepdim=True),)
