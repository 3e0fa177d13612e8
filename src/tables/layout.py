"""How a text lays out a table, found out of a sample: its separator, its header, its decimal point."""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise, takewhile
from typing import NamedTuple

CANDIDATES = "\t;|, "
RECORDS = 1000
"""So many of a sample are split."""
MISSING = {"", "na", "n/a", "nan", "null", "none", "?", ":", "-", ".", "..", "missing", "unknown"}
PLAIN = re.compile(r"[-+]?[\d.,]*\d[\d.,]*([eE][-+]?\d+)?")
"""A number as a computer writes it."""
NUMBERISH = re.compile(r"\W{0,3}?\d")
"""What a number, a date or an amount begins with."""
SEVERAL_NUMBERS = re.compile(r"(?!\d{1,3}( \d{3})+$)[-+.\d?]+( +[-+.\d?]+)+")
DECIMAL_COMMA = re.compile(r"[^\d,.]{0,4}\d+([ .'\xa0\u202f]\d{3})*,\d+\D{0,4}")
DECIMAL_POINT = re.compile(r"[^\d,.]{0,4}\d*([ ,'\xa0\u202f]\d{3})*\.\d+([eE][-+]?\d+)?\D{0,4}")
THOUSANDS = re.compile(r"\D{0,4}[1-9]\d{0,2}([,.])\d{3}(\1\d{3})*\D{0,4}")

csv.field_size_limit(1 << 24)  # its own limit is shorter than a line of 10,000 columns, that may be no field


class Record(NamedTuple):
    """A line of a table, or the lines that a quoted line end makes one: the lines before it, and its fields."""

    before: int
    fields: list[str]


@dataclass(frozen=True)
class Top:
    """Where a table begins among the records of a file.

    Attributes:
        names: of the columns, as they are written; None without a header.
        start: the first record that is a row.
        skipped: records before the header.
        width: how many columns.
    """

    names: list[str] | None
    start: int
    skipped: int
    width: int


@dataclass(frozen=True)
class Layout:
    """How a text lays out its table.

    Attributes:
        separator: between fields; a space stands for any run of blanks.
        decimal: "." or ",".
        comments: whether lines that begin with # are none of the table.
        lines: that come before the first row.
        top: the names of the columns, and how many there are.
    """

    separator: str
    decimal: str
    comments: bool
    lines: int
    top: Top


def records_of(text: str, separator: str, comments: bool = False, strict: bool = False) -> Iterator[Record]:
    """The records of a text, empty lines left out.

    Args:
        text: with any line ends.
        separator: between fields.
        comments: whether lines that begin with # are left out.
        strict: whether wrong quotes raise.

    Raises:
        csv.Error: quotes that are wrong; a field beyond what the module takes.
    """
    blanks = separator == " "
    lines = io.StringIO(text.replace("\t", " ") if blanks else text, newline="")
    reader, before = csv.reader(lines, delimiter=separator, skipinitialspace=blanks, strict=strict), 0
    for fields in reader:
        if blanks and fields and not fields[-1]:
            fields.pop()  # blanks at the end of the line
        if any(fields) and not (comments and fields[0].startswith("#")):
            yield Record(before, fields)
        before = reader.line_num


def layout_of(text: str, suffix: str, separator: str | None, decimal: str | None, header: bool | None) -> Layout:
    """The layout of a text that begins like this; what is not None is so."""
    found = separator or _separator(text, usual_separator(suffix))
    comments, names = _comments(text, found)
    records = _sample(text, found, comments)
    top = top_of([record.fields for record in records], header if names is None else False)
    if names is not None and len(names) == top.width and header is not False:
        top = Top(names, top.start, 0, top.width)
    lines = records[top.start].before if top.start < len(records) else text.count("\n") + 1
    body = [record.fields for record in records[top.start :]]
    return Layout(found, decimal or decimal_of(body, found), comments, lines, top)


def usual_separator(suffix: str) -> str:
    """What separates the fields of a file of this name."""
    return "\t" if suffix == ".tsv" else ","


def _separator(text: str, usual: str) -> str:
    records = {one: _sample(text, one) for one in CANDIDATES}
    scores = {one: _score(records[one], one) + (one == usual) / 10 for one in CANDIDATES}
    best = max(scores, key=lambda one: scores[one])
    if scores[best] > 0.45:
        return best
    # lines of many lengths, if the first is split; else one column, and what is not in it leaves it one
    first = {one: len(records[one][0].fields) for one in CANDIDATES if one != " " and records[one]}
    most = max(first, key=lambda one: (first[one], one == usual), default=usual)
    return most if first.get(most, 0) > 1 else next((one for one in (usual, *CANDIDATES) if one not in text), usual)


def _sample(text: str, separator: str, comments: bool = True) -> list[Record]:
    try:
        return list(islice(records_of(text, separator, comments), RECORDS))
    except csv.Error:  # a field beyond the limit of the module: not its separator
        return []


def _score(records: Sequence[Record], separator: str) -> float:
    """From 0 to 1, how well a separator splits: into as many fields each time, that have none of the others inside."""
    counts = Counter(len(record.fields) for record in records)
    width = max(counts, key=lambda count: (counts[count], count), default=1)
    if width < 2:
        return 0
    body = records[1:] if len(records[0].fields) == width - 1 else records
    alike = [record.fields for record in body if len(record.fields) == width]
    score = len(alike) / len(body)
    if len(records[0].fields) not in ((width, width - 1) if width > 2 else (width,)):
        if width == 2:
            return 0  # one column, whose rows have a comma or a blank
        score /= 2  # a title, or not the separator: the header is not split by it
    if separator == " " and score < 0.9:
        return 0  # prose
    cells = [cell for fields in alike[:200] for cell in fields][:5000]
    return score * sum(_is_clean(cell, separator) for cell in cells) / len(cells)


def _is_clean(cell: str, separator: str) -> bool:
    others = "[;\t|]" if separator != " " else "[;\t|,]"
    inside = re.search(others, cell) and not PLAIN.fullmatch(cell)
    return not inside and not SEVERAL_NUMBERS.fullmatch(cell.strip())


def _comments(text: str, separator: str) -> tuple[bool, list[str] | None]:
    """Whether lines with a # before them are comments, and the names if the last of them at the top has these."""
    records = [record.fields for record in _sample(text, separator, comments=False)]
    marked = [fields for fields in records if fields[0].startswith("#")]
    rows = [fields for fields in records if not fields[0].startswith("#")]
    if not marked or not rows:
        return False, None
    width = Counter(map(len, rows)).most_common(1)[0][0]
    above = list(takewhile(lambda fields: fields[0].startswith("#"), records))
    if above:
        bare = [above[-1][0].lstrip("# "), *above[-1][1:]]
        names = bare[1:] if len(bare) == width + 1 and not bare[0] else bare
        if len(names) == width > 1 and has_header(names, rows) and not has_header(rows[0], rows[1:]):
            return True, names
    # as many fields as rows have: their first one begins with a #, as may be
    return sum(len(fields) == width > 1 for fields in marked) <= len(marked) / 2, None


def top_of(records: Sequence[Sequence[str]], header: bool | None) -> Top:
    """Where a table begins.

    Args:
        records: the first ones of a file, none of them empty.
        header: whether there is one; None finds it out.
    """
    counts = Counter(len(fields) for fields in records)
    width = max(counts, key=lambda count: (counts[count], count), default=1)
    first = next((n for n, fields in enumerate(records) if _may_begin(fields, width)), 0)
    if first == len(records) - 1:
        first = 0  # all but the last are alike: no title is so long
    below = [fields for fields in records[first + 1 :] if len(fields) == width][:200]
    above = records[first - 1] if first else []
    if (
        header is not False
        and len(above) == width - 1 > 1
        and all(above)
        and not has_header(records[first], below, False)
    ):
        # R's write.table has no name above the names of rows; others end their rows with a separator
        ends = all(not fields[-1].strip() for fields in records[first:] if len(fields) == width)
        return Top([*above, ""] if ends else ["", *above], first, first - 1, width)
    if header is False or (header is None and records and not has_header(records[first], below)):
        return Top(None, first, first, width)
    names = list(records[first]) if records else []
    return Top(names, first + 1, first, max(width, len(names)))


def _may_begin(fields: Sequence[str], width: int) -> bool:
    """Whether it is no title: it has as many fields as most, and more than one that is not empty."""
    filled = sum(1 for field in fields if field.strip())
    return len(fields) >= width and (filled > 1 or width < 3)


def has_header(first: Sequence[str], below: Sequence[Sequence[str]], counted: bool = True) -> bool:
    """Whether a record has names: text above numbers, or text that is not among what stands below.

    Numbers above numbers are a row, unless they are counted up (`geo,2018,2019`), if that counts.
    """
    numbers, recurs, beside = [], False, False
    for column, name in enumerate(map(str.strip, first)):
        cells = [fields[column].strip() for fields in below if column < len(fields)]
        cells = [cell for cell in cells if cell.lower() not in MISSING]
        if name.lower() in MISSING:
            beside |= not name and bool(cells)
        elif _most(cells, PLAIN.fullmatch):
            if not PLAIN.fullmatch(name):
                return True
            numbers.append(name)
        elif _most(cells, NUMBERISH.match):
            if not NUMBERISH.match(name):
                return True
        elif name in cells:
            recurs = True
        else:
            beside |= not PLAIN.fullmatch(name)
    if not below:
        return not numbers and not all(PLAIN.fullmatch(name.strip()) for name in first)
    if counted and numbers and not first[0].strip() and _rising(numbers):  # above the names of rows
        return True
    return not recurs and (not numbers or (counted and _counted(numbers, beside)))


def _most(cells: Sequence[str], what: Callable[[str], object]) -> bool:
    return bool(cells) and sum(1 for cell in cells if what(cell)) >= 0.95 * len(cells)


def _counted(names: Sequence[str], beside: bool) -> bool:
    """Whether names are years, or whole numbers at equal distances, four or more if no text is beside."""
    if not all(re.fullmatch(r"\d{1,9}", name) for name in names) or len(set(names)) < len(names):
        return False
    numbers = [int(name) for name in names]
    steps = {after - before for before, after in pairwise(numbers)}
    if not beside:
        return len(steps) == 1 and len(numbers) > 3
    years = all(1500 <= number <= 2500 for number in numbers)
    return years or (len(steps) == 1 and (len(numbers) > 2 or steps <= {1, -1}))


def _rising(names: Sequence[str]) -> bool:
    numbers = [float(name.replace(",", ".")) for name in names if name.count(".") + name.count(",") < 2]
    return len(numbers) == len(names) > 1 and all(before < after for before, after in pairwise(numbers))


def decimal_of(body: Sequence[Sequence[str]], separator: str) -> str:
    """A comma where numbers have one and none has a point, and it does not mark thousands."""
    comma = False
    for cell in islice((cell.strip() for fields in body for cell in fields), 20_000):
        if DECIMAL_COMMA.fullmatch(cell):
            comma |= separator == ";" or not THOUSANDS.fullmatch(cell)
        elif DECIMAL_POINT.fullmatch(cell) and not THOUSANDS.fullmatch(cell):
            return "."
    return "," if comma else "."
