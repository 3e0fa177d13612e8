"""Tables: read, checked, and standardized by their training rows."""

import csv
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl
import torch
from torch import Tensor

from src.config import data as sections
from src.config.table_path import PARQUET, SEPARATORS, table_file
from src.data.given import Listed
from src.data.problem import Problem, Rows, Scaling
from src.errors import LabError, nearest


class Framed(Listed):
    """Columns of a data frame, standardized by the training rows unless `standardize` is false."""

    section: sections.Framed

    @abstractmethod
    def _frame(self) -> tuple[pl.DataFrame, str, str]:
        """The frame, the target's column and what to call the frame in a sentence."""

    def problem(self) -> Problem:
        """Read, check, split and scale it."""
        section, (frame, target, name) = self.section, self._frame()
        features = list(section.features) if section.features is not None else [c for c in frame.columns if c != target]
        if target in features:
            raise LabError(f"the target {target} is also among data.features: leave it out there")
        twice = [feature for feature in features if features.count(feature) > 1]
        if twice:
            raise LabError(f"data.features names {twice[0]} {features.count(twice[0])} times: once is enough")
        if section.features == []:
            raise LabError("data.features=[] names no column: null takes every column but the target")
        columns = numbers(frame, [*features, target], name)
        if not features:
            raise LabError(f"{name} has no columns besides the target {target}: there is nothing to predict it from")
        train, val, test = self._split(Rows(columns[:, :-1], columns[:, -1:]))
        if bool((train.targets == train.targets[0]).all()):
            raise LabError(f"{name}: the target {target} is constant in the training rows; there is nothing to learn")
        scaling = Scaling.of(train.inputs, train.targets) if section.standardize else Scaling.identity(len(features), 1)
        scaled_val, scaled_test = (scaling.forward(part) if part else None for part in (val, test))
        return Problem(scaling.forward(train), scaled_val, scaled_test, features, [target], scaling=scaling)


class Table(Framed):
    """The user's CSV or Parquet file."""

    section: sections.Table

    def _frame(self) -> tuple[pl.DataFrame, str, str]:
        return read(self.section.path), self.section.target, self.section.path


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
            columns = ", ".join(frame.columns)
            raise LabError(f"{name} has no column {column}{nearest(column, frame.columns)} (columns: {columns})")
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
