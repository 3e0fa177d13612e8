"""What a column of a table is, numbers, dates or categories, found out of its cells; and columns found by their names.

All of it is done by polars on whole columns; no cell passes through Python.
"""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from src.errors import LabError, nearest

MISSING = (
    "", "na", "n/a", "n.a.", "#n/a", "#na", "nan", "nat", "null", "none", "nil", "missing", "unknown", "?", "??", "-",
    "--", "–", "—", ".", "..", "...", "…", "*", "#div/0!", "#value!", "#ref!", "#null!", "#num!", "#name?",
)  # fmt: skip
"""What a missing number or date may be written as, in lower case; `MISSING_FLAG` beside them."""
NO_CLASS = ("", "NA", "N/A", "#N/A", "NaN", "nan", "null", "NULL", "?")
"""The same of a class, which may well be called `none` or `unknown`."""
MISSING_FLAG = r"^:\s*\p{L}?$"
"""Eurostat's colon, alone or with a flag."""
FLAG = r"^[bcdefinprsuz]{1,2}$"
"""Eurostat's letters behind a number: a break in the series, estimated, provisional, ..."""

SIGN = r"(?:\p{L}{1,3}\.?\s?)?\p{Sc}|(?:USD|EUR|GBP|CHF|JPY|CNY|INR|CAD|AUD|Rs\.?|kr\.?|Fr\.?)"
UNIT = r"[\p{L}\p{Sc}%‰°′″'\x22].*"
POINTS = {".": (r"\.", r"[,'’\s]"), ",": (",", r"[.'’\s]")}
"""By the decimal point: it, and what may separate thousands, as patterns."""

DAYS = (
    (r"\d{4}-\d{1,2}-\d{1,2}", ("%Y-%m-%d",)),
    (r"\d{4}/\d{1,2}/\d{1,2}", ("%Y/%m/%d",)),
    (r"\d{4}\.\d{1,2}\.\d{1,2}", ("%Y.%m.%d",)),
    (r"\d{1,2}/\d{1,2}/\d{4}", ("%m/%d/%Y", "%d/%m/%Y")),
    (r"\d{1,2}/\d{1,2}/\d{2}", ("%m/%d/%y", "%d/%m/%y")),
    (r"\d{1,2}\.\d{1,2}\.\d{4}", ("%d.%m.%Y", "%m.%d.%Y")),
    (r"\d{1,2}\.\d{1,2}\.\d{2}", ("%d.%m.%y", "%m.%d.%y")),
    (r"\d{1,2}-\d{1,2}-\d{4}", ("%d-%m-%Y", "%m-%d-%Y")),
    (r"\d{1,2}-\d{1,2}-\d{2}", ("%d-%m-%y", "%m-%d-%y")),
    (r"\d{1,2} \p{L}{3,9} \d{4}", ("%d %B %Y",)),
    (r"\d{1,2}\. \p{L}{3,9} \d{4}", ("%d. %B %Y",)),
    (r"\d{1,2}-\p{L}{3,9}-\d{4}", ("%d-%B-%Y",)),
    (r"\d{1,2}-\p{L}{3,9}-\d{2}", ("%d-%B-%y",)),
    (r"\p{L}{3,9} \d{1,2}, \d{4}", ("%B %d, %Y",)),
    (r"\d{4}-\d{1,2}", ("%Y-%m",)),
)
"""Patterns of a day, and its formats, the likelier first: behind a slash the day, else before a point or a dash."""
TIMES = (
    (r"", ""),
    (r" \d{1,2}:\d{2}", " %H:%M"),
    (r" \d{1,2}:\d{2}:\d{2}", " %H:%M:%S"),
    (r" \d{1,2}:\d{2}:\d{2}\.\d+", " %H:%M:%S%.f"),
    (r" \d{1,2}:\d{2} [AaPp][Mm]", " %I:%M %p"),
    (r" \d{1,2}:\d{2}:\d{2} [AaPp][Mm]", " %I:%M:%S %p"),
    (r" \d{1,2}:\d{2}:\d{2}[+-]\d{2}:?\d{2}", " %H:%M:%S%z"),
    (r" \d{1,2}:\d{2}:\d{2}\.\d+[+-]\d{2}:?\d{2}", " %H:%M:%S%.f%z"),
)
"""Patterns and formats of a time behind a day."""
FORMS = {
    form + behind: (f"^{day}{time}$", tuple(one + behind for one in forms))
    for day, forms in DAYS
    for time, behind in TIMES
    for form in forms
}
"""By the format: the pattern of its cells, and all formats that have this pattern."""

THOUSANDS = {".": r"^\d{1,3}(?:\.\d{3})+$", ",": r"^\d{1,3}(?:,\d{3})+$"}
"""What looks like a fraction with this decimal point, and may be thousands."""

FLAGS = {"true": 1.0, "false": 0.0}
NOT_IN_TEXT = (pl.Binary, pl.Duration, pl.Object)
"""Types that no text holds, beside lists and records."""


@dataclass(frozen=True)
class Column:
    """What a column is, and how its text is read.

    Attributes:
        name: of the column.
        kind: numbers, dates, categories, or of a target classes.
        sign: before numbers in text, and not part of them.
        unit: behind them.
        decimal: the decimal point of numbers in text, where it is not that of the table.
        form: of dates in text, as strptime has it.
        flags: whether letters of `FLAG` may stand behind numbers, and are not part of them.
    """

    name: str
    kind: Literal["number", "date", "category", "class"]
    sign: str = ""
    unit: str = ""
    decimal: str = ""
    form: str = ""
    flags: bool = False

    def parse(self, column: pl.Series, decimal: str, table: str) -> pl.Series:
        """Numbers, days since 1970-01-01 (with fractions for times), or text; what is missing is null, and never NaN.

        Classes are the text of their cells, whole numbers as such (`1` for 1.0).

        Args:
            column: as it was read.
            decimal: the decimal point of numbers in its text.
            table: what to call the table in a sentence.

        Raises:
            LabError: a cell that is neither such a value nor missing, or a number that is not finite.
        """
        values = _text(column)
        if self.kind == "category":
            return values.cast(pl.String).replace("", None)
        if self.kind == "class":
            return self._classes(values, table)
        parsed = self._days(values) if self.kind == "date" else self._numbers(values, self.decimal or decimal)
        missing = _is_missing(values) if values.dtype == pl.String else values.is_null()
        wrong = (parsed.is_null() & ~missing).arg_true()
        if len(wrong):
            what = f"dates{f' (as {_in_words(self.form)})' if self.form else ''}" if self.kind == "date" else "numbers"
            raise LabError(
                f"{table}: column {self.name} must be {what}, but row {wrong[0] + 1} is {_cell(values, wrong[0])}"
                f"{f' ({len(wrong)} such rows)' if len(wrong) > 1 else ''}; correct it, or leave its cell empty"
            )
        infinite = [] if math.isfinite(float(parsed.sum() or 0)) else parsed.is_infinite().arg_true().to_list()
        if infinite:
            rows = ", ".join(str(row + 1) for row in infinite[:5]) + (", ..." if len(infinite) > 5 else "")
            raise LabError(f"{table}: column {self.name} is not finite in row {rows}; fill or drop such rows first")
        return parsed

    def _classes(self, values: pl.Series, table: str) -> pl.Series:
        if values.dtype.is_float():
            whole = values.cast(pl.Int64, strict=False)
            wrong = ((whole.cast(pl.Float64) != values).fill_null(True) & values.is_not_null()).arg_true()
            if len(wrong):
                raise LabError(
                    f"{table}: the target {self.name} must be classes, text or whole numbers, but row {wrong[0] + 1} "
                    f"is {_cell(values, wrong[0])}{f' ({len(wrong):,} such rows)' if len(wrong) > 1 else ''}: say "
                    "loss=squares, or choose another data.target"
                )
            values = whole
        text = values.cast(pl.String)
        return text.set(text.is_in(NO_CLASS), None)

    def _numbers(self, values: pl.Series, decimal: str) -> pl.Series:
        if values.dtype.is_numeric() or values.dtype in (pl.Boolean, pl.Null):
            return values if values.dtype.is_integer() else values.cast(pl.Float64)  # a copy takes memory
        if values.dtype != pl.String:
            return _nothing(values)
        flags = values.str.to_lowercase().replace_strict(FLAGS, default=None, return_dtype=pl.Float64)
        if flags.null_count() == _is_missing(values).sum():
            return flags
        parts = _parts(values, decimal)
        unit = parts.struct.field("unit")
        units = unit.is_in(["", self.unit]) | (unit.str.contains(FLAG) if self.flags else False)
        ours = parts.struct.field("sign").is_in(["", self.sign]) & units
        return _value(parts, decimal).set(~ours.fill_null(True), None)

    def _days(self, values: pl.Series) -> pl.Series:
        if values.dtype == pl.Null:
            return values.cast(pl.Float64)
        if values.dtype == pl.String:
            form = self.form or _form(values)
            if form is None:
                return _nothing(values)
            values = _moments(values, form)
        if values.dtype == pl.Date:
            return values.cast(pl.Int32).cast(pl.Float64)
        return (
            values.dt.timestamp("us").cast(pl.Float64) / 86_400e6 if values.dtype == pl.Datetime else _nothing(values)
        )


# --- names -----------------------------------------------------------------------------------------------------------


def find(asked: str, columns: Sequence[str], table: str) -> tuple[str, str | None]:
    """The column of this name, or the only one that is called so but for case and spaces, and what to tell of that.

    Args:
        asked: the name as it was typed.
        columns: of the table.
        table: what to call the table in a sentence.

    Raises:
        LabError: there is none, or there are several.
    """
    if asked in columns:
        return asked, None
    alike = [column for column in columns if _plain(column) == _plain(asked)]
    if len(alike) == 1:
        return alike[0], f"{asked} is taken for {alike[0]}"
    if alike:
        raise LabError(f"{table} has no column {asked}, but {' and '.join(alike)}: say which of them")
    unnamed = "; its first line has no names" if [*columns] == [f"c{n + 1}" for n in range(len(columns))] else ""
    raise LabError(f"{table} has no column {asked}{nearest(asked, columns)} (columns: {some(columns, 20)}{unnamed})")


def _plain(name: str) -> str:
    return "".join(name.split()).casefold()


# --- what a column is ------------------------------------------------------------------------------------------------


def recognize(column: pl.Series, decimal: str) -> Column | str:
    """What a column is: numbers, dates or text; what it is instead where it can be none of them ("lists", say).

    Args:
        column: as it was read.
        decimal: the decimal point of numbers in its text.
    """
    name = column.name
    if column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.Null):
        return Column(name, "number")
    values = _text(column)
    if values.dtype in (pl.Date, pl.Datetime):
        return Column(name, "date")
    if values.dtype != pl.String:
        return f"values of type {str(values.dtype).split('(')[0]}"
    for text in (values.head(1000), values):  # long text need not be looked through
        kind = _of_text(name, text.filter(~_is_missing(text)), decimal)
        if kind.kind == "category":
            break
    return kind


def _of_text(name: str, there: pl.Series, decimal: str) -> Column:
    """What a column of text is, by its cells that are not missing."""
    if there.is_empty():
        return Column(name, "number")
    if (form := _form(there)) is not None:
        return Column(name, "date", form=form)
    if bool(there.str.to_lowercase().is_in(list(FLAGS)).all()):
        return Column(name, "number")
    other = {".": ",", ",": "."}[decimal]
    for point in (decimal, other):
        parts = _parts(there, point)
        signs, units = (parts.struct.field(field).unique().to_list() for field in ("sign", "unit"))
        signs, units = [one for one in signs if one], [one for one in units if one]
        plain = 2 * (parts.struct.field("unit") == "").sum() > len(parts)
        flags = bool(units) and plain and all(re.match(FLAG, one) for one in units)
        units = [] if flags else units
        if _value(parts, point).null_count() or len(signs) > 1 or len(units) > 1:
            continue
        # no money has three digits behind the point: there the point separates thousands
        money = bool(pl.Series([*signs, *units], dtype=pl.String).str.contains(f"^(?:{SIGN})$").any())
        if point == decimal and money and parts.struct.field("digits").str.contains(THOUSANDS[decimal]).all():
            continue
        return Column(name, "number", "".join(signs), "".join(units), "" if point == decimal else point, flags=flags)
    return Column(name, "category")


def mostly_numbers(column: pl.Series, decimal: str) -> str | None:
    """Of text of which more than half is numbers: the first cell that is none, in words; None of other text."""
    values = _text(column)
    missing = _is_missing(values)
    plain = values if decimal == "." else values.str.replace(",", ".", literal=True)
    number = plain.cast(pl.Float64, strict=False).is_not_null() & ~missing
    wrong = (~number & ~missing).arg_true()
    if 2 * number.sum() <= len(values) - missing.sum() or not len(wrong):
        return None
    more = f" ({len(wrong):,} such rows)" if len(wrong) > 1 else ""
    return f"numbers, but row {wrong[0] + 1} is {_cell(values, wrong[0])}{more}"


def told(columns: Mapping[Column, pl.Series], decimal: str) -> list[str]:
    """What was taken away from numbers and found out of dates, a line a kind.

    Args:
        columns: as they were read, by what they are.
        decimal: the decimal point of numbers in text.
    """
    thousands, markers, orders = [], dict[str, list[str]](), []
    for column, values in columns.items():
        if column.kind in ("category", "class") or values.dtype not in (pl.String, pl.Categorical, pl.Enum):
            continue
        values = _text(values)
        text = values.filter(_is_missing(values) & (values != ""))
        for marker in sorted(text.unique().to_list()):
            markers.setdefault(marker, []).append(column.name)
        if column.kind == "number":
            separator = rf"\d{POINTS[column.decimal or decimal][1]}\d"
            thousands += [column.name] if values.str.contains(separator).any() else []
        elif (other := _other_order(column.form)) and _moments(values, other).null_count() == _is_missing(values).sum():
            orders.append(f"{column.name}: dates are read as {_in_words(column.form)}; no cell says which is the month")
    lines = [f"{c.name}: the sign {c.sign} is left out" for c in columns if c.sign]
    lines += [f"{c.name}: the unit '{c.unit}' is left out" for c in columns if c.unit not in ("", "%")]
    percent = [c.name for c in columns if c.unit == "%"]
    flags = [c.name for c in columns if c.flags]
    lines += [f"{some(flags)}: letters behind numbers (flags) are left out"] if flags else []
    lines += [f"{some(percent)}: percent signs are left out (5% is 5)"] if percent else []
    lines += [f"{some(thousands)}: separators of thousands are left out"] if thousands else []
    lines += [f"{some(names)}: '{marker}' is a missing value" for marker, names in markers.items()]
    return lines + orders


def some(names: Collection[str], most: int = 6) -> str:
    """Names in a line: the first ones, and how many more."""
    names = list(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")


# --- text to values --------------------------------------------------------------------------------------------------


def _text(column: pl.Series) -> pl.Series:
    """Text without the spaces around it, an empty cell for none; other types as they are, but that NaN is missing."""
    values = column.cast(pl.String) if column.dtype in (pl.Categorical, pl.Enum) else column
    if values.dtype == pl.String:
        return values.str.strip_chars().fill_null("")
    return values.fill_nan(None) if values.dtype.is_float() and values.is_nan().any() else values


def _is_missing(text: pl.Series) -> pl.Series:
    return text.str.to_lowercase().is_in(list(MISSING)) | text.str.contains(MISSING_FLAG)


def _parts(text: pl.Series, decimal: str) -> pl.Series:
    """A struct of what a number in text is made of: "minus", "sign", "digits" and "unit"; nulls where it is none."""
    point, thousand = POINTS[decimal]
    whole = rf"\d{{1,3}}(?:{thousand}\d{{2,3}})*{thousand}\d{{3}}|\d+"
    digits = rf"(?:(?:{whole})(?:{point}\d*)?|{point}\d+)(?:[eE][-+]?\d+)?"
    pattern = rf"^(?P<minus>[-+−]?)\s*(?P<sign>{SIGN})?\s*(?P<inner>[-+−]?)(?P<digits>{digits})\s*(?P<unit>{UNIT})?$"
    parts = text.str.extract_groups(pattern).struct.unnest()
    minus = pl.col("minus") + pl.col("inner")
    there = pl.col("digits").is_not_null() & (minus.str.len_chars() < 2)
    return parts.select(
        pl.struct(
            minus=minus.str.replace("−", "-"),
            sign=pl.col("sign").fill_null("").str.strip_chars(),
            digits=pl.when(there).then("digits"),
            unit=pl.col("unit").fill_null(""),
        ).alias("parts")
    )["parts"]


def _value(parts: pl.Series, decimal: str) -> pl.Series:
    digits = parts.struct.field("digits").str.replace_all(POINTS[decimal][1], "")
    plain = digits if decimal == "." else digits.str.replace(",", ".", literal=True)
    return (parts.struct.field("minus") + plain).cast(pl.Float64, strict=False)


def _form(text: pl.Series) -> str | None:
    """The format of dates in text, by the first cell; None where not all cells have one."""
    there = text.filter(~_is_missing(text))
    if there.is_empty():
        return None
    first = str(_tidy(there.head(1)).item())  # by Python, for polars takes a millisecond for each of a hundred patterns
    for pattern, forms in FORMS.values():
        if re.match(pattern.replace(r"\p{L}", r"[^\W\d_]"), first):
            fits = bool(_tidy(there).str.contains(pattern).all())
            return next((form for form in forms if fits and not _moments(there, form).null_count()), None)
    return None


def _moments(text: pl.Series, form: str) -> pl.Series:
    """Dates in text of this format, in UTC; null where a cell is none, or has other digits than the format."""
    tidy, kind = _tidy(text), pl.Datetime("us", "UTC") if "%z" in form else pl.Datetime("us")
    own = tidy.set(~tidy.str.contains(FORMS[form][0]), None)
    return own.str.strptime(kind, form, strict=False).dt.replace_time_zone(None)


def _tidy(text: pl.Series) -> pl.Series:
    """With a space between day and time, and before AM, and no Z for UTC."""
    spaced = text.str.replace(r"(\d)T(\d)", "${1} ${2}").str.replace(r"(?i)(\d)\s*([ap]m)$", "${1} ${2}")
    return spaced.str.replace(r"(?:Z| ?UTC)$", "").str.replace_all(r"\s+", " ")


def _other_order(form: str) -> str | None:
    """The format with days for months, where there is one."""
    return next((one for one in FORMS[form][1] if one != form), None) if form else None


def _in_words(form: str) -> str:
    day = re.split(" %[HI]", form)[0]
    return day.replace("%m", "month").replace("%d", "day").replace("%Y", "year").replace("%y", "year")


def _nothing(values: pl.Series) -> pl.Series:
    return pl.Series(values.name, [None], dtype=pl.Float64).new_from_index(0, len(values))


def _cell(values: pl.Series, row: int) -> str:
    return " ".join(str(values.slice(row, 1).to_list()[0]).split())
