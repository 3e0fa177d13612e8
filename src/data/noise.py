"""The noise of a surface's gradient."""

from dataclasses import replace

import torch
from torch import Generator

from src.config import data as sections
from src.data.generated import Drawn
from src.data.problem import Problem, Rows


class Noise(Drawn):
    """What each row adds to the gradient of a surface: `noise ε` with ε standard normal, less the rows' mean.

    So all rows together have the true gradient, and mini-batches one whose noise has variance `noise²/B`, roughly;
    targets are 0.
    """

    section: sections.Noise

    def problem(self) -> Problem:
        """Draw it."""
        return replace(super().problem(), features=("x", "y"), targets=("f",))

    def _draw(self, rows: int, generator: Generator, train: bool) -> Rows:
        normal = torch.randn(rows, 2, generator=generator, dtype=torch.float32).double()
        return Rows((self.section.noise * (normal - normal.mean(0))).float(), torch.zeros(rows, 1))
