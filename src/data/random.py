"""Data with nothing to learn in them."""

import torch
from torch import Generator

from src.config import data as sections
from src.data.generated import Drawn
from src.data.problem import Rows


class Random(Drawn):
    """Inputs and targets without any relation, both standard normal."""

    section: sections.Random

    def _draw(self, rows: int, generator: Generator, train: bool) -> Rows:
        x = torch.randn(rows, self.section.inputs, generator=generator, dtype=torch.float32)
        return Rows(x, torch.randn(rows, self.section.outputs, generator=generator, dtype=torch.float32))
