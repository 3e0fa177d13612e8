"""Data that are there: split into training, validation and test rows."""

import math

import torch
from torch import Tensor

from src.config import data as sections
from src.data.kind import Kind
from src.data.problem import count
from src.errors import LabError
from src.seeds import stream


class Listed(Kind):
    """Rows that are split: `train`, `val` and `test` are numbers of rows, or fractions; `train=None` the rest.

    Which row goes where is drawn from `seed`; inside each part rows keep their order.
    """

    section: sections.Listed

    def _split(self, total: int) -> list[Tensor]:
        """Which of `total` rows are for training, validation and test."""
        section = self.section
        val, test = count(section.val, total), count(section.test, total)
        train = total - val - test if section.train is None else count(section.train, total)
        if isinstance(section.train, float) and math.isclose(section.train + section.val + section.test, 1):
            train = total - val - test  # rounding must neither lose a row nor want one more
        if train < 1:
            raise LabError(
                f"of {total} rows, {val} for validation and {test} for test, none is left to train on: "
                "raise data.train, or lower data.val or data.test"
            )
        if train + val + test > total:
            raise LabError(
                f"{train} + {val} + {test} rows for training, validation and test: there are only {total}; "
                "lower data.train, data.val or data.test"
            )
        shuffled = torch.randperm(total, generator=stream(section.seed, "data.split"))
        return [part.sort().values for part in shuffled[: train + val + test].split([train, val, test])]
