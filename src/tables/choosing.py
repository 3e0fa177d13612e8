"""Which columns and rows of a table are used, and why the others are not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from src.errors import LabError
from src.tables.classes import text_target
from src.tables.columns import Column, find, mostly_numbers, recognize, some, told
from src.tables.reading import ReadTable

if TYPE_CHECKING:
    from src.losses.loss import Targets


@dataclass(frozen=True)
class Asked:
    """What is asked for; the keys of `data` have the same names.

    Attributes:
        targets: the columns that are predicted.
        features: those that they are predicted from; None: all others.
        leave_out: which are not used in any case.
        categories: a text column of more values is left out.
        missing: what becomes of a row that lacks a number.
        dates: what becomes of a date.
        log_target: whether the targets' logarithm is fitted.
        targets_are: what the loss takes.
    """

    targets: Sequence[str]
    features: Sequence[str] | None = None
    leave_out: Sequence[str] = ()
    categories: int = 0
    missing: Literal["drop", "mean", "median", "refuse"] = "refuse"
    dates: Literal["days", "parts"] = "days"
    log_target: bool = False
    targets_are: "Targets" = "numbers"


@dataclass(frozen=True)
class Chosen:
    """The columns that are used, and the rows.

    Attributes:
        features: what each column is.
        targets: the same.
        parsed: these columns as `Column.parse` gives them, by name.
        rows: which are used (from 0), in order.
        columns_left_out: the reason, by the column.
        rows_left_out: how many, by the reason.
        told: what was found out, a line each.
    """

    features: Sequence[Column]
    targets: Sequence[Column]
    parsed: Mapping[str, pl.Series]
    rows: np.ndarray
    columns_left_out: Mapping[str, str] = field(default_factory=dict)
    rows_left_out: Mapping[str, int] = field(default_factory=dict)
    told: Sequence[str] = ()


def choose(table: ReadTable, asked: Asked) -> Chosen:
    """The columns and rows that are used.

    Raises:
        LabError: what is asked for is not there, or is not what it has to be, or nothing is left.
    """
    names, frame = _Names(table), table.frame
    targets, leave_out = names.find(asked.targets, "data.target"), names.find(asked.leave_out, "data.leave_out")
    features = None if asked.features is None else names.find(asked.features, "data.features")
    _check_names(targets, features, leave_out)
    left_out = dict.fromkeys(leave_out, "data.leave_out")
    kinds = {name: _target(table, name, asked.targets_are) for name in targets}
    parsed = {name: kind.parse(frame[name], table.decimal, table.name) for name, kind in kinds.items()}
    for name in features if features is not None else frame.columns:
        if name not in targets and name not in left_out:
            found = _feature(table, name, asked.categories, features is not None)
            if isinstance(found, tuple):
                kinds[name], parsed[name] = found
            elif features is None:
                left_out[name] = found
            else:
                raise LabError(f"{table.name}: column {name} cannot be used: {found}; take it out of data.features")
    rows, rows_left_out = _with_targets(table.name, {name: parsed[name] for name in targets})
    if asked.missing in ("drop", "refuse"):
        total, lacking = int(rows.sum()), _lacking(kinds, parsed, rows)
        if lacking and asked.missing == "refuse":
            raise LabError(_refused(table.name, parsed, rows, lacking))
        for name, number in lacking.items():
            if features is None and 2 * number > total:
                left_out[name] = f"missing in {number:,} of {total:,} rows"
                del kinds[name]
            else:
                _leave_out(rows, parsed[name], name, rows_left_out)
        if not rows.any():
            raise LabError(_no_rows(table.name, lacking, total))
    chosen = [kind for name, kind in kinds.items() if name not in targets]
    if not chosen:
        raise LabError(nothing_left(table.name, targets, left_out))
    words = told({kind: frame[name] for name, kind in kinds.items()}, table.decimal)
    return Chosen(
        chosen,
        [kinds[name] for name in targets],
        {name: parsed[name] for name in kinds},
        np.flatnonzero(rows),
        left_out,
        rows_left_out,
        [*table.told, *names.told, *words],
    )


# --- columns ---------------------------------------------------------------------------------------------------------


class _Names:
    """Finds columns, and collects what is to be told of it."""

    def __init__(self, table: ReadTable) -> None:
        self.table, self.told = table, list[str]()

    def find(self, asked: Sequence[str], key: str) -> list[str]:
        found = []
        for one in asked:
            name, taken = find(one, self.table.frame.columns, self.table.name)
            found.append(name)
            self.told += [taken] if taken else []
        twice = [name for name in found if found.count(name) > 1]
        if twice:
            raise LabError(f"{key} names {twice[0]} {found.count(twice[0])} times: once is enough")
        return found


def _check_names(targets: Sequence[str], features: Sequence[str] | None, leave_out: Sequence[str]) -> None:
    for target in targets:
        if target in (features or ()):
            raise LabError(f"the target {target} is also among data.features: leave it out there")
        if target in leave_out:
            raise LabError(f"the target {target} is also in data.leave_out: take it out there")
    if features is not None and not features:
        raise LabError("data.features=[] names no column: null takes every column but the target")


def _target(table: ReadTable, name: str, targets_are: "Targets") -> Column:
    values = table.frame[name]
    kind = recognize(values, table.decimal)
    classes = targets_are in ("binary", "one_hot")
    given = f"{table.name}: the target {name} must be {'classes' if classes else 'numbers'}, but"
    if isinstance(kind, str):
        raise LabError(f"{given} it has {kind}: choose another data.target")
    if kind.kind == "date":
        raise LabError(f"{given} it has dates: choose another data.target")
    if classes:
        return Column(name, "class")
    if kind.kind == "number":
        return kind
    numbers = mostly_numbers(values, table.decimal)
    if numbers is not None:
        raise LabError(
            f"{given} {numbers.removeprefix('numbers, but ')}: correct such rows, or leave their cells empty"
        )
    raise text_target(table.name, name, Column(name, "class").parse(values, table.decimal, table.name))


def _feature(table: ReadTable, name: str, categories: int, named: bool) -> tuple[Column, pl.Series] | str:
    """What a column is, and it parsed; or why it is left out. One that is named is used where it can be."""
    values = table.frame[name]
    if name in table.unnamed and not named and (why := _row_names(values)):
        return why
    kind = recognize(values, table.decimal)
    if isinstance(kind, str):
        return kind
    parsed = kind.parse(values, table.decimal, table.name)
    if parsed.null_count() == len(parsed):
        return "it has no values"
    if kind.kind != "category":
        return kind, parsed
    levels = parsed.n_unique()
    if levels <= categories and (named or 2 * levels <= len(parsed)):
        return kind, parsed
    if numbers := mostly_numbers(values, table.decimal):
        return numbers
    limit = f", more than data.categories={categories}" if levels > categories else ", which mostly do not repeat"
    return f"text of {levels:,} value{'s' * (levels > 1)}{limit}"


def _row_names(values: pl.Series) -> str | None:
    """What a column without a name is, if it numbers or names the rows."""
    if values.dtype == pl.String:
        return None if values.is_duplicated().any() else "names of the rows"
    first = values[0]
    if not values.dtype.is_numeric() or values.null_count() or first not in (0, 1):
        return None
    counted = pl.int_range(int(first), int(first) + len(values), eager=True)
    return "numbers of the rows" if bool((values == counted).all()) else None


# --- rows ------------------------------------------------------------------------------------------------------------


def _with_targets(table: str, targets: Mapping[str, pl.Series]) -> tuple[np.ndarray, dict[str, int]]:
    """Which rows have every target `[N]`, and how many lack each."""
    why = dict[str, int]()
    rows = np.ones(len(next(iter(targets.values()))), bool)
    for name, parsed in targets.items():
        _leave_out(rows, parsed, name, why)
        if not rows.any():
            others = "" if parsed.null_count() == len(rows) else " that has the others"
            raise LabError(f"{table}: the target {name} is missing in every row{others}")
    return rows, why


def _lacking(kinds: Mapping[str, Column], parsed: Mapping[str, pl.Series], rows: np.ndarray) -> dict[str, int]:
    """How many of these rows lack a number or a date, by the column; columns that all of them have are not there."""
    incomplete = [name for name in kinds if kinds[name].kind != "category" and parsed[name].null_count()]
    lacking = {name: int((parsed[name].is_null().to_numpy() & rows).sum()) for name in incomplete}
    return {name: number for name, number in lacking.items() if number}


def _leave_out(rows: np.ndarray, parsed: pl.Series, name: str, why: dict[str, int]) -> None:
    """Take the rows that lack this column out of `rows`, in place, and count them."""
    if parsed.null_count():
        lacking = parsed.is_null().to_numpy()
        if number := int((rows & lacking).sum()):
            why[f"{name} is missing"] = number
        rows &= ~lacking


def _refused(table: str, parsed: Mapping[str, pl.Series], rows: np.ndarray, lacking: Mapping[str, int]) -> str:
    name = next(iter(lacking))
    where = np.flatnonzero(parsed[name].is_null().to_numpy() & rows)
    shown = ", ".join(str(row + 1) for row in where[:5]) + (", ..." if len(where) > 5 else "")
    return (
        f"{table}: column {name} is missing in row {shown}; say data.missing=drop, mean or median, or leave the column "
        f"out with data.leave_out=[{name}]"
    )


def nothing_left(table: str, targets: Sequence[str], left_out: Mapping[str, str]) -> str:
    """The sentence for a table of which no feature is left."""
    the = f"target{'s' if len(targets) > 1 else ''} {' and '.join(targets)}"
    if not left_out:
        return f"{table} has no columns besides the {the}: there is nothing to predict from"
    reasons = some([f"{name} ({why})" for name, why in left_out.items()], 4)
    return f"{table} has no columns left besides the {the}; left out: {reasons}"


def _no_rows(table: str, lacking: Mapping[str, int], rows: int) -> str:
    most = sorted(lacking, key=lambda name: -lacking[name])
    costs = some([f"{name} in {lacking[name]:,}" for name in most], 3)
    return (
        f"{table}: no row is left: each of the {rows:,} lacks a number ({costs}); say data.missing=mean, or leave "
        f"columns out with data.leave_out=[{most[0]}]"
    )
