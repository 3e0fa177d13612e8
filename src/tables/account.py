"""What was done to a table on its way to rows of numbers, as a value: told at the start, kept in `result.json`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Account:
    """What was done to a table.

    Attributes:
        name: what the table is called.
        rows: that were read.
        told: what was found out of the file, a line each.
        rows_left_out: how many, by the reason.
        numbers: columns that were numbers.
        categories: values of each column of text, the base first.
        dates: columns that were dates.
        columns_left_out: the reason, by the column.
        split: the numbers of the rows that were used, from 1 as the file has them, by "train", "val" and "test".
    """

    name: str
    rows: int
    told: Sequence[str] = ()
    rows_left_out: Mapping[str, int] = field(default_factory=dict)
    numbers: Sequence[str] = ()
    categories: Mapping[str, Sequence[str]] = field(default_factory=dict)
    dates: Sequence[str] = ()
    columns_left_out: Mapping[str, str] = field(default_factory=dict)
    split: Mapping[str, np.ndarray] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """In words."""
        return [f"{self.name}: {self.rows:,} rows", *self.told]

    def as_json(self) -> dict[str, Any]:
        """What `result.json` holds of it: all but the split."""
        return {key: value for key, value in asdict(replace(self, split={})).items() if key != "split"}
