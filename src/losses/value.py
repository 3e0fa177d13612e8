"""The prediction itself, and its derivative by hand."""

import torch
from torch import Tensor

from src.losses.loss import Loss, numbers


class Value(Loss):
    """The mean of the predictions themselves, which is a surface's height; targets are not looked at."""

    name = "value"

    def value(self, predictions: Tensor, targets: Tensor, rows: int | None = None) -> Tensor:
        """Losses `[P]`."""
        return predictions.mean((1, 2)) if rows is None else predictions.sum((1, 2)) / numbers(predictions, rows)

    def derivative(self, predictions: Tensor, targets: Tensor, rows: int | None = None) -> tuple[Tensor, Tensor]:
        """Losses `[P]` and their derivatives `[P, B, O]` by the predictions: `1 / n`."""
        return self.value(predictions, targets, rows), torch.full_like(predictions, 1 / numbers(predictions, rows))

    def spread(self, targets: Tensor) -> Tensor:
        """A surface has no targets, but unit 1."""
        return torch.ones(1, dtype=torch.float64)
