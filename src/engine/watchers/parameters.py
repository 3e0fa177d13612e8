"""Every parameter along the way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from src.engine.watchers.watcher import Watcher

if TYPE_CHECKING:
    from src.engine.loop import Loop


class Parameters(Watcher):
    """Every parameter as a curve, in the units of the data where the model is linear.

    Args:
        every_n_steps: optimizer steps.
        most: models with more numbers than this are left alone.
    """

    def __init__(self, every_n_steps: int, most: int = 20) -> None:
        super().__init__(every_n_steps)
        self.most = most

    def curves(self, loop: Loop) -> Mapping[str, Tensor]:
        """One for every number; none where they are too many."""
        values, curves = loop.parameters(), dict[str, Tensor]()
        if sum(value[0].numel() for value in values.values()) > self.most:
            return {}
        for name, value in values.items():
            flat = value.reshape(len(value), -1)
            for index in range(flat.shape[1]):
                curves[name if flat.shape[1] == 1 else f"{name}[{index}]"] = flat[:, index]
        return curves

    def curves_of(self, parameters: int) -> int:
        """One for every number; none where they are too many."""
        return parameters if parameters <= self.most else 0
