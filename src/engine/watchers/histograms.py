"""Histograms of parameters and gradients along the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from src.engine.watchers.watcher import Watcher

if TYPE_CHECKING:
    from src.data.problem import Problem
    from src.engine.loop import Loop

BINS = 60


class Histograms(Watcher):
    """Histograms of every parameter and of its gradient over all training rows; single numbers have none.

    The profiles `histograms/parameters/NAME` and `histograms/gradients/NAME` are counts of even bins; there is none
    where a number is not finite.
    """

    profiles = "histograms"

    def curves(self, loop: Loop) -> Mapping[str, Tensor]:
        """Profiles `[P, 2 + BINS]` by name."""
        gradients, found = loop.stepper.named_gradients("train"), dict[str, Tensor]()
        for name, parameter in loop.stepper.parameters().items():
            for kind, value in (("parameters", parameter), ("gradients", gradients.get(name))):
                if value is not None and value[0].numel() > 1:
                    found[f"histograms/{kind}/{name}"] = histogram(value.detach().flatten(1).double().cpu())
        return found

    def curves_of(self, parameters: int) -> int:
        """Those of two weights and two biases; how many there are is not known here."""
        return 8 * (2 + BINS)

    def summary(self, name: str, profile: Sequence[float], problem: Problem, step: int) -> Any:
        """For TensorBoard's page Histograms."""
        from torch.utils.tensorboard.summary import histogram_raw

        low, high, *counts = profile
        limits = torch.linspace(low, high, len(counts) + 1, dtype=torch.float64)
        held, middles = torch.tensor(counts, dtype=torch.float64), (limits[1:] + limits[:-1]) / 2
        total, squares = float(held @ middles), float(held @ middles.square())
        tag = name.removeprefix(f"{self.profiles}/")
        return histogram_raw(tag, low, high, float(held.sum()), total, squares, limits[1:].tolist(), counts)


def histogram(values: Tensor) -> Tensor:
    """Of each row of `values [P, n]` the ends of even bins and the counts in them, as `numpy.histogram` has them.

    Returns:
        profiles `[P, 2 + BINS]`; of a row that is not finite NaN.
    """
    fine = values.isfinite().all(1)
    values = values.where(fine[:, None], 0.0)
    low, high = values.amin(1), values.amax(1)
    flat = low == high
    low, high = torch.where(flat, low - 0.5, low), torch.where(flat, high + 0.5, high)
    edges = low[:, None] + torch.arange(BINS + 1, dtype=torch.float64) * ((high - low) / BINS)[:, None]
    edges[:, -1] = high
    where = (torch.searchsorted(edges, values.contiguous(), right=True) - 1).clamp(max=BINS - 1)
    counts = torch.zeros(len(values), BINS, dtype=torch.float64).scatter_add_(1, where, torch.ones_like(values))
    return torch.cat([low[:, None], high[:, None], counts], 1).where(fine[:, None], torch.nan)
