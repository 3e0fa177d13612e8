"""From columns to numbers: categories become columns of 0 and 1, dates day numbers or parts, missing numbers a mean.

What it takes is learned from the rows for training and kept with the run, so that new rows are encoded in the same way.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl

from src.errors import LabError
from src.tables.choosing import Chosen
from src.tables.columns import Column, find
from src.tables.reading import ReadTable

MISSING = "missing"
"""The category of an empty cell."""
BLOCK = 2**15
"""So many rows are written at once: they stay in the cache while one column after the other comes in."""
Part = Literal["", "year", "month", "weekday"]


@dataclass(frozen=True)
class Feature:
    """A column, or a part of its dates, as numbers.

    Attributes:
        column: what it is, and how its text is read.
        part: of a date; "" for the whole.
        levels: of a category, the base first, which has no number of its own; none of a number.
        fill: what a missing number or day is; None: its row cannot be encoded.
    """

    column: Column
    part: Part = ""
    levels: tuple[str, ...] = ()
    fill: float | None = None

    @property
    def name(self) -> str:
        """`size`, or `sold.month`."""
        return f"{self.column.name}.{self.part}" if self.part else self.column.name

    @property
    def names(self) -> list[str]:
        """What its numbers are called: `colour=red`."""
        return [f"{self.name}={level}" for level in self.levels[1:]] if self.levels else [self.name]

    @property
    def categorical(self) -> bool:
        """Whether it has levels."""
        return self.column.kind == "category" or self.part in ("month", "weekday")

    def values(self, parsed: pl.Series) -> pl.Series:
        """Of the parsed column: numbers with what is missing filled in, or levels as text."""
        if self.column.kind == "category":
            return parsed.fill_null(MISSING)
        filled = parsed.cast(pl.Float64)
        filled = filled if self.fill is None else filled.fill_null(self.fill)
        if not self.part:
            return filled
        dates = filled.floor().cast(pl.Int32, strict=False).cast(pl.Date)
        if self.part == "year":
            return dates.dt.year().cast(pl.Float64)
        return dates.dt.month().cast(pl.String) if self.part == "month" else dates.dt.strftime("%A")


@dataclass(frozen=True)
class Encoded:
    """Rows as numbers.

    Attributes:
        numbers: `[N, I]`; of a row that cannot be encoded, whatever.
        usable: which rows can, `[N]`.
        why: rows that cannot (from 0), by the reason; a row stands under its first.
        told: names that were taken for others.
    """

    numbers: np.ndarray
    usable: np.ndarray
    why: Mapping[str, np.ndarray]
    told: Sequence[str] = ()


@dataclass(frozen=True)
class Encoding:
    """How rows of a table become numbers.

    Attributes:
        features: in their order.
        targets: what the columns of the targets are.
    """

    features: tuple[Feature, ...]
    targets: tuple[Column, ...] = ()

    @classmethod
    def of_numbers(cls, names: Sequence[str]) -> "Encoding":
        """Of columns that are numbers: rows with a missing one cannot be encoded."""
        return cls(tuple(Feature(Column(name, "number")) for name in names))

    @classmethod
    def fit(cls, table: str, chosen: Chosen, rows: np.ndarray, missing: str, dates: str) -> "Encoding":
        """From the rows for training; a category that has one value in them is no feature,
        nor is a number that has one value in all rows that are used.

        Args:
            table: what to call the table in a sentence.
            chosen: of it.
            rows: for training, from 0.
            missing: "mean" or "median" of these rows fill missing numbers in; anything else fills nothing in.
            dates: "days" or "parts".

        Raises:
            LabError: a column has no number in these rows to take a mean of.
        """
        features = []
        for column in chosen.features:
            part: Part
            parts: Sequence[Part] = (
                ("year", "month", "weekday") if column.kind == "date" and dates == "parts" else ("",)
            )
            fill = None
            if missing in ("mean", "median") and column.kind != "category":
                fill = _middle(chosen.parsed[column.name].gather(rows), missing)
                if fill is None:
                    raise LabError(
                        f"{table}: column {column.name} has no value in the {len(rows):,} training rows, so no "
                        f"{missing}: leave it out with data.leave_out=[{column.name}]"
                    )
            for part in parts:
                feature, levels = Feature(column, part, fill=fill), tuple[str, ...]()
                if feature.categorical:
                    levels = _levels(feature.values(chosen.parsed[column.name].gather(rows)))
                varies = len(levels) > 1 if feature.categorical else _varies(feature, chosen)
                features += [Feature(column, part, levels, fill)] if varies else []
        return cls(tuple(features), tuple(chosen.targets))

    @property
    def names(self) -> list[str]:
        """What the numbers of a row are called, `I` of them."""
        return [name for feature in self.features for name in feature.names]

    def apply(self, table: ReadTable) -> Encoded:
        """The rows of a table, whatever else it has.

        Raises:
            LabError: a column is not there, or has text where numbers were.
        """
        own = {feature.column.name for feature in self.features}
        parsed, told, levels = {}, [], {feature.column.name: feature.levels for feature in self.features}
        for column in dict.fromkeys(feature.column for feature in self.features):
            name, taken = find(column.name, table.frame.columns, table.name)
            if taken and name in own:
                raise LabError(f"{table.name} has no column {column.name}; its column {name} is another feature")
            values = table.frame[name].alias(column.name)
            if column.kind == "category" and values.dtype.is_numeric():
                values = _as_levels(values, levels[column.name])
            parsed[column.name] = column.parse(values, table.decimal, table.name)
            told += [taken] if taken else []
        usable, why = self.usable(parsed, len(table.frame))
        return Encoded(self.numbers(parsed, np.arange(len(table.frame))), usable, why, told)

    def usable(
        self, parsed: Mapping[str, pl.Series], rows: int, among: np.ndarray | None = None
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Which rows can be encoded `[N]`, and by the reason those that cannot, each under its first.

        Args:
            parsed: columns as `Column.parse` gives them, by name.
            rows: how many there are.
            among: those that are asked about (from 0); the others are not usable, and have no reason.
        """
        usable = np.full(rows, among is None)
        usable[[] if among is None else among] = True
        why = {}
        for feature in self.features:
            for reason, wrong in _troubles(feature, parsed[feature.column.name]):
                new = np.flatnonzero(wrong & usable)
                if len(new):
                    why[reason], usable[new] = new, False
        return usable, why

    def numbers(self, parsed: Mapping[str, pl.Series], rows: np.ndarray) -> np.ndarray:
        """These rows (from 0) as one new array `[len(rows), I]`."""
        numbers = np.zeros((len(rows), len(self.names)))
        for first in range(0, len(rows), BLOCK):
            self._fill(numbers[first : first + BLOCK], parsed, pl.Series(rows[first : first + BLOCK], dtype=pl.UInt32))
        return numbers

    def _fill(self, numbers: np.ndarray, parsed: Mapping[str, pl.Series], rows: pl.Series) -> None:
        place = 0
        for feature in self.features:
            values = feature.values(parsed[feature.column.name].gather(rows))
            if feature.categorical:
                codes = _codes(values, feature.levels)
                for code in range(1, len(feature.levels)):
                    numbers[:, place + code - 1] = codes == code
            else:
                numbers[:, place] = values.to_numpy()
            place += len(feature.names)

    def state(self) -> dict[str, Any]:
        """As plain values, for a checkpoint."""
        features = [
            {"column": {**vars(one.column)}, "part": one.part, "levels": [*one.levels], "fill": one.fill}
            for one in self.features
        ]
        return {"features": features, "targets": [{**vars(column)} for column in self.targets]}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Encoding":
        """From what `state` gave."""
        features = (
            Feature(Column(**one["column"]), one["part"], tuple(one["levels"]), one["fill"])
            for one in state["features"]
        )
        return cls(tuple(features), tuple(Column(**column) for column in state["targets"]))


def _troubles(feature: Feature, parsed: pl.Series) -> Iterator[tuple[str, np.ndarray]]:
    """Why rows cannot be encoded for this feature, and which `[N]`."""
    if feature.column.kind != "category" and feature.fill is None and parsed.null_count():
        yield f"{feature.column.name} is missing", parsed.is_null().to_numpy()
    if feature.categorical:
        values = feature.values(parsed)
        unseen = _codes(values, feature.levels) < 0
        for level in values.filter(pl.Series(unseen)).drop_nulls().unique(maintain_order=True).to_list():
            reason = f"{feature.name} is {level}, as in no training row"
            yield reason, unseen & (values == level).fill_null(False).to_numpy()


def _varies(feature: Feature, chosen: Chosen) -> bool:
    """Whether a number has two values in the rows that are used, of any seed; one that is missing is none."""
    values = feature.values(chosen.parsed[feature.column.name]).to_numpy()[
        chosen.rows
    ]  # a gather of polars costs more, where columns are many
    return bool(np.fmin.reduce(values) != np.fmax.reduce(values))


def _middle(values: pl.Series, missing: str) -> float | None:
    """Their mean or median; None where there is no value."""
    middle = values.cast(pl.Float64).mean() if missing == "mean" else values.cast(pl.Float64).median()
    return middle if isinstance(middle, float) else None


def _levels(values: pl.Series) -> tuple[str, ...]:
    """The most frequent first, of several the first in order; then the others in order."""
    counts = values.drop_nulls().value_counts().sort(["count", values.name], descending=[True, False])
    base, *others = counts[values.name].to_list()
    return base, *sorted(others, key=lambda level: (int(level) if level.isdecimal() else 0, level))


def _as_levels(values: pl.Series, levels: Sequence[str]) -> pl.Series:
    """Numbers as the categories they were written as: new rows may have only those that look like numbers (`01`)."""
    numbers = pl.Series(levels, dtype=pl.String).cast(pl.Float64, strict=False)
    known = {number: level for number, level in zip(numbers, levels, strict=True) if number is not None}
    return values.cast(pl.Float64).replace_strict(known, default=values.cast(pl.String), return_dtype=pl.String)


def _codes(values: pl.Series, levels: Sequence[str]) -> np.ndarray:
    """The place of each in `levels`; -1: it is none of them."""
    return values.cast(pl.Enum(list(levels)), strict=False).to_physical().cast(pl.Int64).fill_null(-1).to_numpy()
