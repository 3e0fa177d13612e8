"""Columns of a data frame: found by their names, and parsed as what they are."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from src.errors import LabError, nearest


def numbers(frame: pl.DataFrame, columns: Sequence[str], name: str) -> np.ndarray:
    """These columns as float64 `[N, len(columns)]`.

    Raises:
        LabError: a column that is not there, text, missing or infinite values. Rows are counted from 1.
    """
    for column in columns:
        if column not in frame.columns:
            columns = ", ".join(frame.columns)
            raise LabError(f"{name} has no column {column}{nearest(column, frame.columns)} (columns: {columns})")
    return np.stack([_numbers(frame[column], name) for column in columns], axis=1)


def _numbers(column: pl.Series, name: str) -> np.ndarray:
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
    return parsed.to_numpy()


def _cell(values: pl.Series, row: int) -> str:
    return " ".join(str(values.slice(row, 1).to_list()[0]).split())
