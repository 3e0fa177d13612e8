"""Files to data frames: what is not known of a file (separator, decimal point, header, encoding) is found out."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from src.config.table_path import PARQUET, SEPARATORS, table_file
from src.errors import LabError


@dataclass(frozen=True)
class Reading:
    """How a file is to be read; None is found out. The keys of `data` have the same names.

    Attributes:
        separator: between fields.
        decimal: "." or ",".
        header: whether the first line has the columns' names.
        encoding: of the text.
    """

    separator: str | None = None
    decimal: str | None = None
    header: bool | None = None
    encoding: str | None = None


@dataclass(frozen=True)
class ReadTable:
    """A table as it was read.

    Attributes:
        name: what to call it in a sentence.
        frame: at least one row, and columns with names of their own: plain numbers are numbers, all else is as written.
        decimal: the decimal point of numbers that are still text, "." or ",".
        unnamed: columns that had no name in the file.
        told: what was found out or done, a line each.
    """

    name: str
    frame: pl.DataFrame
    decimal: str = "."
    unnamed: frozenset[str] = frozenset()
    told: tuple[str, ...] = ()


def read_table(path: str | Path, how: Reading | None = None) -> ReadTable:
    """A file as a data frame with at least one row.

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
    return ReadTable(str(path), frame.rename({column: _bare(column) for column in frame.columns}))


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
