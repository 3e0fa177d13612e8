"""A noisy line."""

import torch
from torch import Generator, Tensor

from src.config import data as sections
from src.data.generated import Drawn, exactly
from src.data.problem import Rows


class Line(Drawn):
    """`y = slope x + intercept + noise ε` with ε standard normal; x in `[low, high]` as `spacing` says."""

    section: sections.Line

    def _draw(self, rows: int, generator: Generator, train: bool) -> Rows:
        line, span = self.section, self.section.high - self.section.low
        if line.spacing == "even":
            x = torch.linspace(line.low, line.high, rows, dtype=torch.float32)[:, None]
        elif line.spacing == "uniform":
            x = line.low + span * torch.rand(rows, 1, generator=generator, dtype=torch.float32)
        else:
            x = line.low + span / 2 + span / 2 * torch.randn(rows, 1, generator=generator, dtype=torch.float32)
        noise = torch.randn(rows, 1, generator=generator, dtype=torch.float32)
        return Rows(x, line.slope * x + line.intercept + line.noise * noise)

    def _truth(self) -> dict[str, Tensor]:
        return {"weight": exactly([[self.section.slope]]), "bias": exactly([self.section.intercept])}
