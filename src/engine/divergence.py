"""When a loss has diverged, and at which step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class Divergence:
    """A loss has diverged that is not finite, or above `factor` times the larger of the first one and `spread`.

    Attributes:
        factor: of each member, `[P]` float64; infinite: any finite loss is fine.
        spread: the loss of the best constant prediction, `[P]` float64: a start near the minimum is no measure.
        first: the loss before the first step, `[P]` float64; NaN until it is known.
    """

    factor: Tensor
    spread: Tensor
    first: Tensor

    @classmethod
    def of(cls, factor: Tensor, spread: Tensor) -> Divergence:
        """Of members before their first step: no loss is known yet."""
        return cls(factor, spread, torch.full_like(spread, torch.nan))

    @property
    def scale(self) -> Tensor:
        """What losses are measured by, `[P]` float64."""
        return torch.maximum(self.first.abs(), self.spread)

    def first_in(self, losses: Tensor) -> Tensor:
        """The first of the losses `[K, P]`, of consecutive steps, that has diverged; K: none has, `[P]`."""
        if not len(losses):
            return torch.zeros(losses.shape[1], dtype=torch.long)
        if bool(self.first.isnan().all()):
            self.first = losses[0].double()
        scale, count = self.scale.to(losses), len(losses)
        limit = torch.where(scale == 0, torch.inf, self.factor.to(losses) * scale)
        highest, lowest = losses.amax(0), losses.amin(0)  # NaN where one is: one look at each loss, if all is well
        first = torch.full_like(highest, count, dtype=torch.long)
        where = (~((highest <= limit) & highest.isfinite() & lowest.isfinite())).nonzero()[:, 0]
        some = losses[:, where]
        fine = some.isfinite() & (some <= limit[where])
        first[where] = torch.where(fine, count, torch.arange(count, device=losses.device)[:, None]).amin(0)
        return first

    def select(self, keep: Sequence[int]) -> Divergence:
        """The measures of some members, in this order; copies."""
        where = list(keep)
        return Divergence(self.factor[where], self.spread[where], self.first[where])
