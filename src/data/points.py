"""Points written in the config."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from src.config import data as sections
from src.data.given import Listed
from src.data.problem import Problem, Rows, names
from src.errors import LabError


class Points(Listed):
    """`x` and `y` are lists of numbers, or of lists for several features or targets."""

    section: sections.Points

    def problem(self) -> Problem:
        """As they are written."""
        inputs, targets = _points("x", self.section.x), _points("y", self.section.y)
        train, *others = (Rows(inputs[part], targets[part]) for part in self._split(len(inputs)))
        val, test = (part if len(part) else None for part in others)
        return Problem(train, val, test, names("x", inputs.shape[1]), names("y", targets.shape[1]))


def _points(name: str, values: Sequence[Any]) -> Tensor:
    try:
        points = torch.tensor(values, dtype=torch.float64)
    except OverflowError:
        raise LabError(f"data.{name} has a number that is too large: the largest is 3.4e38") from None
    return points if points.dim() == 2 else points[:, None]
