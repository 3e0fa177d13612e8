"""How long the gradient is along the way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from src.engine.gradients import norms
from src.engine.watchers.watcher import Watcher

if TYPE_CHECKING:
    from src.engine.loop import Loop


class GradientNorm(Watcher):
    """The norm of the gradient over all training rows, before any clipping: the curve `gradient_norm`."""

    def curves(self, loop: Loop) -> Mapping[str, Tensor]:
        """Values `[P]` float64, over all rows also where a step sees a batch."""
        gradients = loop.stepper.gradients("train")
        return {"gradient_norm": norms(gradients, loop.stepper.size).detach().double().cpu()}
