"""What is watched along the way, as curves of every member: at the start, at multiples of an interval, at the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from src.engine.gradients import norms

if TYPE_CHECKING:
    from src.engine.loop import Loop


class Watcher:
    """Records curves at the start, at every multiple of `every_n_steps` and at the end; blocks are cut there.

    Args:
        every_n_steps: optimizer steps.
    """

    before_a_block: ClassVar[bool] = False
    """Whether it looks before the next block rather than after the last, so that it sees what a validation changes."""

    def __init__(self, every_n_steps: int) -> None:
        self.every_n_steps = every_n_steps

    def curves(self, loop: Loop) -> Mapping[str, Tensor]:
        """Values `[P]` by the name of the curve."""
        raise NotImplementedError

    def curves_of(self, parameters: int) -> int:
        """How many curves there are of a model with so many numbers, to plan memory and disk."""
        return 1


class LearningRate(Watcher):
    """The learning rate of the step to come: the curve `lr`."""

    before_a_block = True

    def curves(self, loop: Loop) -> Mapping[str, Tensor]:
        """It; nothing where the optimizer has none."""
        rate = loop.stepper.rate()
        return {} if rate is None else {"lr": rate}


class GradientNorm(Watcher):
    """The norm of the gradient over all training rows, before any clipping: the curve `gradient_norm`."""

    def curves(self, loop: Loop) -> Mapping[str, Tensor]:
        """Values `[P]` float64, over all rows also where a step sees a batch."""
        gradients = loop.stepper.gradients("train")
        return {"gradient_norm": norms(gradients, loop.stepper.size).detach().double().cpu()}


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
