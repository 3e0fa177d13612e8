"""Files to data frames: what is not known of a file (separator, decimal point, header, encoding) is found out."""

import codecs
import csv
import io
import json
import logging
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import polars as pl

from src.config.table_path import FEATHER, JSON, PARQUET, SEPARATORS, SPREADSHEETS, TEXT
from src.errors import LabError
from src.tables.files import File, opened
from src.tables.layout import Layout, decimal_of, layout_of, records_of, top_of, usual_separator
from src.tables.names import Names, names_of, numbered
from src.tables.text import as_utf8

SAMPLE = 1 << 20
"""Bytes of a text by which its layout is found out."""
SHOWN = {"\t": "tab", " ": "blanks"}
Read: TypeAlias = tuple[pl.DataFrame, Names, str, tuple[str, ...]]
"""What a reader of one kind of file gives: columns, their names, the decimal point, what was found out."""
_BROKEN = (
    pl.exceptions.PolarsError,
    pl.exceptions.PanicException,
    csv.Error,
    json.JSONDecodeError,
    UnicodeDecodeError,
    OSError,
)
"""What readers raise at a file that is not what its name says."""


@dataclass(frozen=True)
class Reading:
    """How a file is to be read; None is found out. The keys of `data` have the same names.

    Attributes:
        separator: between fields: one of `SEPARATORS`.
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
        LabError: it is not there, no table, cannot be read, or has no rows.
    """
    how, name = how or Reading(), str(path)
    try:
        file = opened(path)
        frame, names, decimal, told = _READERS[file.suffix](file, how, name)
    except _BROKEN as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise LabError(f"data.path={path}: it cannot be read ({reason})") from None
    frame = frame.rename(dict(zip(frame.columns, names.names, strict=True)))
    frame = _stripped(frame, decimal)
    empty = [column for column in names.unnamed if frame[column].null_count() == len(frame)]
    frame = frame.drop(empty) if empty else frame
    frame, blank = _without_blank_rows(frame) if file.suffix in (*TEXT, *SPREADSHEETS) else (frame, ())
    if frame.is_empty():
        raise LabError(f"data.path={path}: the table has no rows")
    told = (*file.told, *told, *names.told, *blank)
    return ReadTable(name, frame, decimal, names.unnamed - {*empty}, told)


# --- text ------------------------------------------------------------------------------------------------------------


def _read_text(file: File, how: Reading, name: str) -> Read:
    source, encoding = as_utf8(file, how.encoding, name)
    sample = _sample(source)
    if not sample.strip():
        raise LabError(f"data.path={name}: the file is empty")
    separator = None if how.separator is None else SEPARATORS[how.separator]
    layout = layout_of(sample, file.suffix, separator, how.decimal, how.header)
    width = layout.top.width
    if width == 1 and separator is not None:
        other = layout_of(sample, file.suffix, None, how.decimal, how.header)
        if other.top.width > 1:
            raise LabError(
                f"data.separator='{how.separator}' leaves {name} one column; "
                f"its lines are split by {_shown(other.separator)}: leave data.separator out"
            )
    names = numbered(width) if layout.top.names is None else names_of(_padded(layout.top.names, width))
    frame = None
    if layout.separator != " ":
        with warnings.catch_warnings(record=True) as warned, suppress(pl.exceptions.PolarsError):
            warnings.simplefilter("always")
            frame = _parsed(source, layout, names.names)
        if any("malformed" in str(warning.message) for warning in warned):  # by quotes, which polars only tells
            frame = None
    if frame is None:
        rewritten = _rewritten(source, layout, name)
        frame = _parsed(rewritten, Layout(",", layout.decimal, False, 0, layout.top), names.names)
    return frame, names, layout.decimal, _told(layout, how, encoding, file.suffix, names)


def _sample(source: Path | bytes) -> str:
    """The first whole lines of a text in UTF-8, three at least."""
    stream = io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")
    with stream:
        head = stream.read(SAMPLE)
        while (more := stream.read(SAMPLE)) and head.count(b"\n") < 3:
            head += more
    whole = head if not more else head[: head.rfind(b"\n") + 1]
    return whole.decode("utf-8", "replace").removeprefix("\ufeff")


def _shown(separator: str) -> str:
    return SHOWN.get(separator, f"'{separator}'")


def _padded(fields: list[str], width: int) -> list[str]:
    return [*fields, *[""] * (width - len(fields))]


def _told(layout: Layout, how: Reading, encoding: str | None, suffix: str, names: Names) -> tuple[str, ...]:
    """What was found out of a text, in one line; nothing of a plain file with a header."""
    found = []
    if how.separator is None and layout.top.width == 1:
        found.append("one column, for no separator splits its lines")
    elif how.separator is None and layout.separator != usual_separator(suffix):
        found.append(f"separator {_shown(layout.separator)}")
    if how.decimal is None and layout.decimal == ",":
        found.append("decimal comma")
    if encoding is not None:
        found.append(f"encoding {encoding}")
    if how.header is None and layout.top.names is None:
        found.append(f"no header (columns {names.names[0]} to {names.names[-1]})")
    if layout.top.skipped:
        found.append(f"{layout.top.skipped} line{'s' * (layout.top.skipped > 1)} left out above it")
    if layout.comments:
        found.append("comments (#) left out")
    return (f"read with {', '.join(found)}",) if found else ()


def _parsed(source: Path | bytes, layout: Layout, names: list[str]) -> pl.DataFrame:
    """The rows of a text. Types are those of a sample; a column that has others further down is text.

    Raises:
        PolarsError: lines have too many fields, or a quote is not closed.
    """
    schema, options = _schema(source, layout, names), _options(layout)
    try:
        return pl.read_csv(source, schema=schema, **options)
    except pl.exceptions.ComputeError:
        frame = pl.read_csv(source, schema=schema, ignore_errors=True, **options)  # what does not fit is missing
    doubtful = [column for column in names if schema[column] == pl.String or frame[column].null_count()]
    text = pl.scan_csv(source, schema=dict.fromkeys(names, pl.String), **options).select(doubtful).collect()
    return frame.with_columns(text.get_columns())


def _options(layout: Layout) -> dict[str, Any]:
    return {
        "has_header": False,
        "skip_lines": layout.lines,
        "separator": layout.separator,
        "comment_prefix": "#" if layout.comments else None,
        "decimal_comma": layout.decimal == ",",
        "missing_columns": "insert",
        "glob": False,
    }


def _schema(source: Path | bytes, layout: Layout, names: list[str]) -> dict[str, Any]:
    """The types of columns by lines from the top, the middle and the end of a text; text where they do not tell."""
    size = len(source) if isinstance(source, bytes) else source.stat().st_size
    stream = io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")
    with stream:
        pieces = [_whole_lines(stream, 0, layout.lines)]
        if size > 4 * SAMPLE:
            pieces += [_whole_lines(stream, start, 1) for start in (size // 2, size - SAMPLE // 4)]
    schema: dict[str, Any] = dict.fromkeys(names, pl.String)
    for lines in (b"".join(pieces), pieces[0]):
        try:
            options = _options(layout) | {"skip_lines": 0, "infer_schema_length": None}
            found = pl.scan_csv(io.BytesIO(lines), **options).collect_schema()
            return schema | dict(zip(names, found.dtypes(), strict=False))
        except pl.exceptions.PolarsError:  # a piece may begin inside quotes
            continue
    return schema


def _whole_lines(stream: BinaryIO, start: int, skipped: int) -> bytes:
    """Lines of a file from a place on, without the first ones and one that is cut."""
    stream.seek(start)
    lines = stream.readlines(SAMPLE // (1 if start == 0 else 8))[skipped:]
    return b"".join(lines[:-1] if len(lines) > 1 and not lines[-1].endswith(b"\n") else lines)


def _rewritten(source: Path | bytes, layout: Layout, name: str) -> bytes:
    """The rows of a text as plain lines with commas.

    Raises:
        LabError: a row has too many fields, or its quotes are wrong.
    """
    text = (source if isinstance(source, bytes) else source.read_bytes()).decode()
    lines, width, row = io.StringIO(newline=""), layout.top.width, 0
    write = csv.writer(lines, lineterminator="\n").writerow
    try:
        for before, fields in records_of(text, layout.separator, layout.comments, strict=True):
            if before < layout.lines:
                continue
            row += 1
            if any(field.strip() for field in fields[width:]):
                others = "the others" if layout.top.names is None else "the header"
                raise LabError(
                    f"data.path={name}: row {row} has {len(fields)} fields and {others} {width}; "
                    "put quotes around a field that holds a separator"
                )
            write(_padded(fields[:width], width))
    except csv.Error as error:
        reason = "has a quote that is not closed" if "end of data" in str(error) else f"cannot be read ({error})"
        raise LabError(f"data.path={name}: row {row + 1} {reason}; write a quote inside a field twice") from None
    return lines.getvalue().encode()


# --- other kinds -----------------------------------------------------------------------------------------------------


def _read_parquet(file: File, how: Reading, name: str) -> Read:
    frame = pl.read_parquet(file.source, glob=False)
    return frame, names_of(frame.columns), how.decimal or ".", ()


def _read_feather(file: File, how: Reading, name: str) -> Read:
    stream = not file.head(6).startswith(b"ARROW1")
    frame = pl.read_ipc_stream(file.source) if stream else pl.read_ipc(file.source)
    return frame, names_of(frame.columns), how.decimal or ".", ()


def _read_json(file: File, how: Reading, name: str) -> Read:
    """An array of records, or a record a line."""
    content = file.content().removeprefix(codecs.BOM_UTF8)
    try:
        whole = json.loads(content)
    except json.JSONDecodeError:
        if content.lstrip().startswith(b"["):
            raise
        frame, flat = pl.read_ndjson(content, infer_schema_length=None), True
    else:
        records = whole if isinstance(whole, list) else [whole]
        flat = all(isinstance(record, dict) and record for record in records)
        frame = pl.from_dicts(records, infer_schema_length=None, strict=False) if records and flat else pl.DataFrame()
        flat = flat and not (frame.width and all(kind.is_nested() for kind in frame.dtypes))
    if not flat:
        raise LabError(f"data.path={name}: must be an array of records, [{{...}}, {{...}}], or a record a line")
    return frame, names_of(frame.columns), how.decimal or ".", ()


def _read_spreadsheet(file: File, how: Reading, name: str) -> Read:
    """The first sheet; its cells have types of their own."""
    try:
        import fastexcel
    except ImportError:
        raise LabError(f"data.path={name} needs an extra: pip install 'descent-lab[excel]'") from None
    logging.getLogger("fastexcel").setLevel(logging.ERROR)  # it warns of columns of text with numbers among it
    try:
        book = fastexcel.read_excel(file.source)
        cells = book.load_sheet(0, header_row=None, skip_rows=0, n_rows=500, dtypes="string").to_polars()
        records = [[field or "" for field in row] for row in cells.rows()]
        filled = [index for index, fields in enumerate(records) if any(fields)]
        top = top_of([records[index] for index in filled], how.header)
        start = filled[top.start] if top.start < len(filled) else len(records)
        frame = book.load_sheet(0, header_row=None, skip_rows=start, schema_sample_rows=None).to_polars()
    except fastexcel.FastExcelError as error:
        raise LabError(f"data.path={name}: it cannot be read ({str(error).splitlines()[0]})") from None
    told = []
    if len(book.sheet_names) > 1:
        told.append(f"read the first of {len(book.sheet_names)} sheets, {book.sheet_names[0]}")
    if how.header is None and top.names is None:
        told.append(f"read with no header (columns c1 to c{frame.width})")
    if top.skipped:
        told.append(f"read with {top.skipped} row{'s' * (top.skipped > 1)} left out above it")
    names = numbered(frame.width) if top.names is None else names_of(_padded(top.names, frame.width))
    return frame, names, how.decimal or decimal_of(records, ","), tuple(told)


_READERS: dict[str, Callable[[File, Reading, str], Read]] = {
    **dict.fromkeys(TEXT, _read_text),
    **dict.fromkeys(PARQUET, _read_parquet),
    **dict.fromkeys(FEATHER, _read_feather),
    **dict.fromkeys(SPREADSHEETS, _read_spreadsheet),
    **dict.fromkeys(JSON, _read_json),
}

# --- cells -----------------------------------------------------------------------------------------------------------


def _stripped(frame: pl.DataFrame, decimal: str) -> pl.DataFrame:
    """Text without the blanks around it, missing where nothing is left, and numbers where all of it is plain ones."""
    if pl.String not in frame.dtypes:
        return frame
    text = pl.col(pl.String).str.strip_chars()
    frame = frame.with_columns(pl.when(text != "").then(text).name.keep())
    return frame.with_columns(_plain(column, decimal) for column in frame.iter_columns() if column.dtype == pl.String)


def _plain(text: pl.Series, decimal: str) -> pl.Series:
    """A column of text as numbers, if all of it is that; the first cells tell of most columns."""
    if text.null_count() == len(text) or _numbers(text.head(1000), decimal) is None:
        return text
    numbers = _numbers(text, decimal)
    return text if numbers is None else numbers


def _numbers(text: pl.Series, decimal: str) -> pl.Series | None:
    if decimal == ",":
        if text.str.contains(".", literal=True).any():
            return None
        text = text.str.replace(",", ".", literal=True)
    for kind in (pl.Int64, pl.Float64):
        numbers = text.cast(kind, strict=False)
        if numbers.null_count() == text.null_count():
            return numbers
    return None


def _without_blank_rows(frame: pl.DataFrame) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Without the rows that are empty lines of the file; those at its end are not worth a word."""
    if not frame.width or any(not column.null_count() for column in frame.iter_columns()):
        return frame, ()
    filled = frame.select(~pl.all_horizontal(pl.all().is_null())).to_series()
    blank = int((~filled).sum())
    inside = blank - (len(frame) - 1 - int(filled.arg_true()[-1])) if filled.any() else 0
    told = f"left out {inside} empty row{'s' * (inside > 1)}, which are not counted"
    return frame.filter(filled), (told,) if inside else ()
