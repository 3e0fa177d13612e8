"""How large a step is, and where it goes: the update beside the weights and the gradient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from src.engine.watchers.watcher import Watcher

if TYPE_CHECKING:
    from src.engine.loop import Loop


class Update(Watcher):
    """The update `w_k - w_(k-1)` of the step that was taken last, momentum, clipping and weight decay included.

    The curve `update_ratio` is its norm over that of the weights before it, all parameters together; `update_cosine` is
    the cosine of the angle between it and minus the gradient there, over all training rows also where a step sees a
    batch: 1 is straight down, 0 across, below 0 uphill. The weights are those that are trained, also of an optimizer
    that evaluates others (Schedule-Free). There is no value before the first step, nor where a run ends between two
    multiples of the interval before its last step.
    """

    of_a_step = True

    def curves(self, loop: Loop) -> Mapping[str, Tensor]:
        """Both, `[P]` float64; nothing where the last step was not looked at."""
        step = loop.last_step
        if step is None or step.step != loop.step:
            return {}
        length = step.update.norm(dim=1)
        along = -(step.update * step.gradient).sum(1)
        return {
            "update_ratio": length / step.weights.norm(dim=1),
            "update_cosine": along / (length * step.gradient.norm(dim=1)),
        }

    def curves_of(self, parameters: int) -> int:
        """Both."""
        return 2
