"""Data drawn afresh from `data.seed`.

All draws are float32 numbers of `torch.Generator().manual_seed(seed)`, training rows first, so that neither the
dtype of a run nor its number of validation and test rows changes what it is trained on.
"""

from abc import abstractmethod
from typing import Any

import torch
from torch import Generator, Tensor

from src.config import data as sections
from src.data.kind import Kind
from src.data.problem import Problem, Rows, count, names


class Drawn(Kind):
    """Training, validation and test rows, one part after the other, from one generator."""

    section: sections.Drawn

    def problem(self) -> Problem:
        """Draw it."""
        section, generator = self.section, Generator().manual_seed(self.section.seed)
        sizes = [section.rows, count(section.val, section.rows), count(section.test, section.rows)]
        train, val, test = (self._draw(size, generator, part == 0) if size else None for part, size in enumerate(sizes))
        assert train is not None
        inputs, outputs = train.inputs.shape[-1], train.targets.shape[-1]
        return Problem(train, val, test, names("x", inputs), names("y", outputs), self._truth())

    @abstractmethod
    def _draw(self, rows: int, generator: Generator, train: bool) -> Rows:
        """The next `rows` rows of the generator; `train`: they are the training rows."""

    def _truth(self) -> dict[str, Tensor]:
        """The `weight` `[I, O]` and `bias` `[O]` that made the targets, where they did."""
        return {}


def exactly(value: Any) -> Tensor:
    """Numbers of the config as they stand there, in float64."""
    return torch.tensor(value, dtype=torch.float64)
