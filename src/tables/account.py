"""What was done to a table on its way to rows of numbers, as a value: told at the start, kept in `result.json`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from src.tables.columns import some


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
        classes: of each target that is one, how many training rows have each of its classes, in their order.
        split: the numbers of the rows that were used, from 1, empty ones not counted, by "train", "val" and
            "test".
    """

    name: str
    rows: int
    told: Sequence[str] = ()
    rows_left_out: Mapping[str, int] = field(default_factory=dict)
    numbers: Sequence[str] = ()
    categories: Mapping[str, Sequence[str]] = field(default_factory=dict)
    dates: Sequence[str] = ()
    columns_left_out: Mapping[str, str] = field(default_factory=dict)
    classes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    split: Mapping[str, np.ndarray] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """In words, a line a kind; of a table of numbers from which nothing was left out, one line."""
        left = sum(self.rows_left_out.values())
        lines = [f"{self.name}: {self.rows:,} rows{f', {self.rows - left:,} used' if left else ''}"]
        kinds = [f"{_count(self.numbers, 'column')} of numbers ({some(self.numbers)})"] if self.numbers else []
        kinds += [f"{_count(self.dates, 'column')} of dates ({some(self.dates)})"] if self.dates else []
        if self.categories:
            values = [f"{name}: {len(levels)} values, base {levels[0]}" for name, levels in self.categories.items()]
            kinds += [f"{_count(values, 'column')} of categories ({some(values, 4)})"]
        lines[0] += f"; {', '.join(kinds)}" if kinds else ""
        for target, classes in self.classes.items():
            each = [f"{name} ({number:,})" for name, number in classes.items()]
            lines.append(f"{target}: {len(classes):,} classes, by training rows {some(each)}")
            unseen = [name for name, number in classes.items() if not number]
            if unseen:
                lines.append(f"{target}: {unlearned(unseen)}")
        if self.columns_left_out:
            reasons = [f"{name} ({why})" for name, why in self.columns_left_out.items()]
            lines.append(f"{_count(reasons, 'column')} left out: {some(reasons)}")
        if left:
            reasons = [f"{number:,} as {why}" for why, number in self.rows_left_out.items()]
            lines.append(f"{left:,} row{'s' if left > 1 else ''} left out: {some(reasons)}")
        return [*lines, *self.told]

    def as_json(self) -> dict[str, Any]:
        """What `result.json` holds of it: all but the split."""
        return {key: value for key, value in asdict(replace(self, split={})).items() if key != "split"}


def unlearned(classes: Sequence[str]) -> str:
    """The sentence for classes that no training row has."""
    return f"no training row is {some(classes)}: nothing is learned of it, and such rows are taken for others"


def _count(things: Sequence[Any], what: str) -> str:
    return f"{len(things):,} {what}{'' if len(things) == 1 else 's'}"
