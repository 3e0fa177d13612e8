"""Data that are there: points in the config, the user's table, the diabetes data. Split, checked, standardized."""

import csv
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import torch
from torch import Tensor

from src.config.table_file import PARQUET, SEPARATORS, table_file
from src.data.problem import Problem, Rows, Scaling, count, names
from src.errors import LabError, nearest
from src.seeds import stream


@dataclass(frozen=True, kw_only=True)
class Listed(ABC):
    """Rows that are split into training, validation and test: numbers of rows, or fractions; `train=None` the rest.

    Which row goes where is drawn from `seed`; inside each part rows keep their order.
    """

    seed: int
    train: int | float | None
    val: int | float
    test: int | float

    @abstractmethod
    def problem(self) -> Problem:
        """Read it."""

    def _split(self, rows: Rows) -> tuple[Rows, Rows | None, Rows | None]:
        total = len(rows)
        val, test = count(self.val, total), count(self.test, total)
        train = total - val - test if self.train is None else count(self.train, total)
        if isinstance(self.train, float) and math.isclose(self.train + self.val + self.test, 1):
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
        shuffled = torch.randperm(total, generator=stream(self.seed, "data.split"))
        parts = [part.sort().values for part in shuffled[: train + val + test].split([train, val, test])]
        first, *others = (Rows(rows.inputs[part], rows.targets[part]) if len(part) else None for part in parts)
        assert first is not None
        return first, others[0], others[1]


@dataclass(frozen=True, kw_only=True)
class Points(Listed):
    """Points written in the config: `x` and `y` are lists of numbers, or of lists for several features or targets."""

    x: list[float] | list[list[float]]
    y: list[float] | list[list[float]]

    def problem(self) -> Problem:
        """As they are written."""
        inputs, targets = _points("x", self.x), _points("y", self.y)
        train, val, test = self._split(Rows(inputs, targets))
        return Problem(train, val, test, names("x", inputs.shape[1]), names("y", targets.shape[1]))


@dataclass(frozen=True, kw_only=True)
class Framed(Listed):
    """Columns of a data frame, standardized by the training rows unless `standardize` is false."""

    features: Sequence[str] | None
    standardize: bool

    @abstractmethod
    def _frame(self) -> tuple[pl.DataFrame, str, str]:
        """The frame, the target's column and what to call the frame in a sentence."""

    def problem(self) -> Problem:
        """Read, check, split and scale it."""
        frame, target, name = self._frame()
        features = list(self.features) if self.features is not None else [c for c in frame.columns if c != target]
        if target in features:
            raise LabError(f"the target {target} is also among data.features: leave it out there")
        twice = [feature for feature in features if features.count(feature) > 1]
        if twice:
            raise LabError(f"data.features names {twice[0]} {features.count(twice[0])} times: once is enough")
        if self.features == []:
            raise LabError("data.features=[] names no column: null takes every column but the target")
        columns = numbers(frame, [*features, target], name)
        if not features:
            raise LabError(f"{name} has no columns besides the target {target}: there is nothing to predict it from")
        train, val, test = self._split(Rows(columns[:, :-1], columns[:, -1:]))
        if bool((train.targets == train.targets[0]).all()):
            raise LabError(f"{name}: the target {target} is constant in the training rows; there is nothing to learn")
        scaling = Scaling.of(train.inputs, train.targets) if self.standardize else Scaling.identity(len(features), 1)
        scaled_val, scaled_test = (scaling.forward(part) if part else None for part in (val, test))
        return Problem(scaling.forward(train), scaled_val, scaled_test, features, [target], scaling=scaling)


@dataclass(frozen=True, kw_only=True)
class Table(Framed):
    """The user's CSV or Parquet file."""

    path: str
    target: str

    def _frame(self) -> tuple[pl.DataFrame, str, str]:
        return read(self.path), self.target, self.path


@dataclass(frozen=True, kw_only=True)
class Diabetes(Framed):
    """442 patients, 10 features, disease progression a year later (Efron, Hastie, Johnstone, Tibshirani 2004)."""

    def _frame(self) -> tuple[pl.DataFrame, str, str]:
        try:
            from sklearn.datasets import load_diabetes
        except ImportError:
            raise LabError("data=diabetes needs scikit-learn: pip install 'descent-lab[diabetes]'") from None
        bunch = load_diabetes(scaled=False)
        frame = pl.DataFrame(bunch.data, schema=list(bunch.feature_names))
        return frame.with_columns(pl.Series("progression", bunch.target)), "progression", "diabetes"


def _points(name: str, values: Sequence[Any]) -> Tensor:
    try:
        points = torch.tensor(values, dtype=torch.float64)
    except OverflowError:
        raise LabError(f"data.{name} has a number that is too large: the largest is 3.4e38") from None
    return points if points.dim() == 2 else points[:, None]


def read(path: str | Path) -> pl.DataFrame:
    """A CSV or Parquet file as a data frame with at least one row.

    Raises:
        LabError: it is not there, not such a file, cannot be read, has no rows or two columns of one name.
    """
    path = table_file(path)
    given = f"data.path={path}"
    try:
        frame, header = _read(path)
    except pl.exceptions.NoDataError:
        raise LabError(f"{given}: the file is empty") from None
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, csv.Error, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise LabError(f"{given}: it cannot be read ({reason})") from None
    if frame.is_empty():
        raise LabError(f"{given}: the table has no rows")
    bare = [_bare(name) for name in header]
    twice = [name for name in bare if name and bare.count(name) > 1]
    if twice:
        raise LabError(f"{given}: {bare.count(twice[0])} columns are called {twice[0]}; rename them")
    return frame.rename({column: _bare(column) for column in frame.columns})


def _read(path: Path) -> tuple[pl.DataFrame, list[str]]:
    """The frame, and the column names as the file has them: of two equal ones polars renames the second."""
    if path.suffix.lower() in PARQUET:
        frame = pl.read_parquet(path, glob=False)
        return frame, frame.columns
    separator = SEPARATORS[path.suffix.lower()]
    return _read_text(path, separator), next(filter(None, _records(path, separator)), [])


def _read_text(path: Path, separator: str) -> pl.DataFrame:
    try:
        return pl.read_csv(path, separator=separator, glob=False, infer_schema_length=None, encoding="utf8-lossy")
    except pl.exceptions.ComputeError:
        _check_ragged(path, separator)
        raise


def _bare(name: str) -> str:
    """Without the spaces around it."""
    return name.removeprefix("\ufeff").strip() or name


def _records(path: Path, separator: str) -> Iterator[list[str]]:
    """The lines of a CSV file as lists of fields, the header first."""
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        yield from csv.reader(file, delimiter=separator)


def _check_ragged(path: Path, separator: str) -> None:
    records = _records(path, separator)
    header = next(filter(None, records))
    for number, row in enumerate(records, 1):
        if len(row) > len(header):
            raise LabError(
                f"data.path={path}: row {number} has {len(row)} fields and the header {len(header)}; "
                "put quotes around a field that holds a separator"
            )


def numbers(frame: pl.DataFrame, columns: Sequence[str], name: str) -> Tensor:
    """These columns as float64 `[N, len(columns)]`.

    Raises:
        LabError: a column that is not there, text, missing or infinite values. Rows are counted from 1.
    """
    for column in columns:
        if column not in frame.columns:
            known = ", ".join(frame.columns)
            raise LabError(f"{name} has no column {column}{nearest(column, frame.columns)} (columns: {known})")
    return torch.stack([_numbers(frame[column], name) for column in columns], dim=1)


def _numbers(column: pl.Series, name: str) -> Tensor:
    values = column.cast(pl.String) if column.dtype in (pl.Categorical, pl.Enum) else column
    if values.dtype == pl.String:
        values = values.str.strip_chars().replace("", None)
    if values.dtype.is_numeric() or values.dtype in (pl.Boolean, pl.String, pl.Null):
        parsed = values.cast(pl.Float64, strict=False)
    else:  # dates, lists and the like
        parsed = pl.Series([None] * len(values), dtype=pl.Float64)
    text = (parsed.is_null() & values.is_not_null()).arg_true()
    if len(text):
        raise LabError(
            f"{name}: column {column.name} must be numbers, but row {text[0] + 1} is {_cell(values, text[0])}"
            f"{f' ({len(text)} such rows)' if len(text) > 1 else ''}; "
            "correct it, or leave the column out with data.features=[...]"
        )
    bad = (parsed.is_null() | parsed.is_nan() | parsed.is_infinite()).fill_null(True).arg_true()
    if len(bad):
        rows = ", ".join(str(row + 1) for row in bad[:5]) + (", ..." if len(bad) > 5 else "")
        what = "missing" if parsed[bad[0]] is None else "not finite"
        raise LabError(f"{name}: column {column.name} is {what} in row {rows}; fill or drop such rows first")
    return torch.from_numpy(parsed.to_numpy().copy())


def _cell(values: pl.Series, row: int) -> str:
    return " ".join(str(values.slice(row, 1).to_list()[0]).split())
