"""The learning rate along the way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from src.engine.watchers.watcher import Watcher

if TYPE_CHECKING:
    from src.engine.loop import Loop


class LearningRate(Watcher):
    """The learning rate of the step to come: the curve `lr`."""

    before_a_block = True

    def curves(self, loop: Loop) -> Mapping[str, Tensor]:
        """It; nothing where the optimizer has none."""
        rate = loop.stepper.rate()
        return {} if rate is None else {"lr": rate}
