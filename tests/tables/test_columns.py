"""What columns are found to be, and their cells as numbers, days and text, against what Python makes of them."""

import datetime as dt

import polars as pl
import pytest

from src.errors import LabError
from src.tables.columns import Column, find, mostly_numbers, recognize, told


def column(*cells, decimal="."):
    """What a column is, and its values."""
    values = pl.Series("a", list(cells))
    found = recognize(values, decimal)
    assert isinstance(found, Column)
    return found, found.parse(values, decimal, "t.csv").to_list()


def days(*date):
    return (dt.datetime(*date) - dt.datetime(1970, 1, 1)) / dt.timedelta(1)


NUMBERS = {
    "thousands and a unit": (["51,000 mi.", "3 mi."], [51000, 3], "", "mi."),
    "a unit at some": (["36 months", "60 months", "12"], [36, 60, 12], "", "months"),
    "flags of Eurostat": (["9.2 b", "9", "8.5", "8 ep", ": z", "7"], [9.2, 9, 8.5, 8, None, 7], "", ""),
    "a unit with digits": (["5.5 L/100km"], [5.5], "", "L/100km"),
    "a currency before": (["$1,200.50", "-$5", "$-3", "$ 7"], [1200.5, -5, -3, 7], "$", ""),
    "a currency of letters": (["US$5", "US$6"], [5, 6], "US$", ""),
    "a currency behind": (["5 €", "6€"], [5, 6], "", "€"),
    "percent": (["5%", "7.5 %"], [5, 7.5], "", "%"),
    "groups of two": (["1,00,000", "5"], [100000, 5], "", ""),
    "spaces of thousands": (["12 345", "1\u202f000"], [12345, 1000], "", ""),
    "money has no three digits behind a point": (["99.623 EUR", "1.250 EUR"], [99623, 1250], "", "EUR"),
    "weights may": (["99.623 kg", "1.250 kg"], [99.623, 1.25], "", "kg"),
    "points of thousands": (["1.234.567", "2.345.678", "3.456"], [1234567, 2345678, 3456], "", ""),
    "a decimal comma among points": (["1,5", "2", "1.234,5"], [1.5, 2, 1234.5], "", ""),
    "another minus": (["−5", "6"], [-5, 6], "", ""),
    "exponents": (["1e5", "2.5E-3", "$.5"], [1e5, 2.5e-3, 0.5], "$", ""),
    "booleans": (["TRUE", "false", ""], [1, 0, None], "", ""),
    "markers": (["1", "?", ":", ": c", "NA", "n/a", "#N/A", "null", "-", " ", None], [1] + [None] * 10, "", ""),
    "numbers": ([1.5, None, float("nan")], [1.5, None, None], "", ""),
    "whole numbers": ([1, None], [1, None], "", ""),
}


@pytest.mark.parametrize(("cells", "values", "sign", "unit"), NUMBERS.values(), ids=NUMBERS.keys())
def test_a_column_of_numbers(cells, values, sign, unit):
    found, parsed = column(*cells)
    assert (found.kind, found.sign, found.unit) == ("number", sign, unit)
    assert parsed == values


def test_a_decimal_comma():
    assert column("1.234,5", "€ 3", "-0,25", decimal=",")[1] == [1234.5, 3, -0.25]
    assert column("$1,234", "$12,000", decimal=",")[1] == [1234, 12000]


DATES = {
    "ISO": (["2020-01-31", "NA"], [days(2020, 1, 31), None]),
    "months": (["2020-02"], [days(2020, 2, 1)]),
    "with a time": (["2020-01-31T06:00:00Z", "2020-01-31 18:00:00"], [days(2020, 1, 31, 6), days(2020, 1, 31, 18)]),
    "with an offset": (["2020-01-31T06:00:00+02:00"], [days(2020, 1, 31, 4)]),
    "slashes, month first": (["1/5/2020", "2/3/2020"], [days(2020, 1, 5), days(2020, 2, 3)]),
    "slashes, a cell forbids it": (["1/5/2020", "31/3/2020"], [days(2020, 5, 1), days(2020, 3, 31)]),
    "points, day first": (["1.5.2020"], [days(2020, 5, 1)]),
    "points, a cell forbids it": (["1.5.2020", "3.31.2020"], [days(2020, 1, 5), days(2020, 3, 31)]),
    "dashes, day first": (["01-05-20"], [days(2020, 5, 1)]),
    "afternoon": (["1/5/2020 6:00 PM"], [days(2020, 1, 5, 18)]),
    "names of months": (["3 Mar 2020", "14 July 2021"], [days(2020, 3, 3), days(2021, 7, 14)]),
    "American": (["March 3, 2020"], [days(2020, 3, 3)]),
    "typed": ([dt.date(1969, 12, 31), None], [-1, None]),
    "typed with a time": ([dt.datetime(1970, 1, 2, 12)], [1.5]),
}


@pytest.mark.parametrize(("cells", "values"), DATES.values(), ids=DATES.keys())
def test_a_column_of_dates_is_day_numbers(cells, values):
    found, parsed = column(*cells)
    assert found.kind == "date"
    assert parsed == pytest.approx(values, abs=1e-9)


@pytest.mark.parametrize(
    "cells",
    [
        ["yes", "no"], ["5 kg", "3 lb"], ["$5", "€5"], ["0", "1", "3+"], ["info", "inf"], ["1.2.3", "1.2.4"],
        ["12:30", "12:40"], ["13/13/2020"], ["2020-01-31", "soon"], ["31/1/2020", "1/31/2020"],
        ["true", "1"], ["NA", "?", "red"],
    ],
    ids=lambda cells: " ".join(cells),
)  # fmt: skip
def test_other_text_is_categories_as_they_are_written(cells):
    found, parsed = column(*cells)
    assert (found.kind, parsed) == ("category", cells)


def test_an_empty_cell_of_text_is_missing_and_spaces_around_do_not_count():
    assert column(" red", "", "  ", "blue ")[1] == ["red", None, None, "blue"]


@pytest.mark.parametrize(
    ("values", "what"),
    [
        (pl.Series([[1.0]]), "values of type List"),
        (pl.Series([{"b": 1}]), "values of type Struct"),
        (pl.Series([dt.time(1)]), "values of type Time"),
        (pl.Series([b"1"]), "values of type Binary"),
    ],
)
def test_what_is_neither_is_called_by_its_type(values, what):
    assert recognize(values, ".") == what


def test_text_far_down_is_found():
    assert recognize(pl.Series(["1"] * 5000 + ["x"]), ".") == Column("", "category")


def test_text_that_is_mostly_numbers_says_which_cell_is_none():
    assert mostly_numbers(pl.Series(["1", "2", "two\nor so", "x", "5", "NA"]), ".") == (
        "numbers, but row 3 is two or so (2 such rows)"
    )
    assert mostly_numbers(pl.Series(["1", "two"]), ".") is None


@pytest.mark.parametrize(
    ("kept", "cells", "sentence"),
    [
        (Column("a", "number"), ["1", "two", "x"], "a must be numbers, but row 2 is two (2 such rows); correct it"),
        (Column("a", "number", unit="mi."), ["5 km"], "a must be numbers, but row 1 is 5 km; correct it"),
        (Column("a", "number", sign="$"), ["€5"], "a must be numbers, but row 1 is €5; correct it"),
        (Column("a", "number"), [dt.date(2020, 1, 1)], "a must be numbers, but row 1 is 2020-01-01; correct it"),
        (Column("a", "number"), [1.0, float("-inf")], "a is not finite in row 2; fill or drop"),
        (
            Column("a", "date", form="%m/%d/%Y"),
            ["1/1/2020", "13/1/2020"],
            "a must be dates (as month/day/year), but row 2",
        ),
        (Column("a", "date"), [5], "a must be dates, but row 1 is 5;"),
    ],
)
def test_new_cells_that_are_something_else_are_refused(kept, cells, sentence):
    with pytest.raises(LabError) as caught:
        kept.parse(pl.Series("a", cells), ".", "new.csv")
    assert str(caught.value).startswith(f"new.csv: column {sentence}")


def test_new_cells_need_not_be_written_as_the_old_ones():
    miles = Column("a", "number", unit="mi.")
    assert miles.parse(pl.Series([5, 6]), ".", "").to_list() == [5, 6]
    assert miles.parse(pl.Series(["5", "1.000,5 mi."]), ",", "").to_list() == [5, 1000.5]
    assert Column("a", "date").parse(pl.Series(["1970-01-02"]), ".", "").to_list() == [1]
    assert Column("a", "category").parse(pl.Series([3, None]), ".", "").to_list() == ["3", None]


def test_flags_are_letters_behind_fewer_than_half_of_the_numbers():
    flagged, _ = column("1 b", "2", "3")
    assert flagged.parse(pl.Series(["5 p", "6"]), ".", "t.csv").to_list() == [5, 6]
    assert told({flagged: pl.Series(["1 b", "2", "3"])}, ".") == ["a: letters behind numbers (flags) are left out"]
    assert column("1 s", "2 d", "3")[0].kind == "category"
    with pytest.raises(LabError, match="a must be numbers, but row 1 is 5 km"):
        flagged.parse(pl.Series(["5 km"]), ".", "t.csv")


def test_what_is_taken_away_is_told_a_line_a_kind():
    frame = pl.DataFrame(
        {
            "mileage": ["51,000 mi.", "?"],
            "price": ["$1,200", "$5"],
            "tax": ["5%", "?"],
            "sold": ["1/2/2020", "2/1/2020"],
            "built": ["1/2/2020", "13/1/2020"],
        }
    )
    columns = {found: values for values in frame if isinstance(found := recognize(values, "."), Column)}
    assert told(columns, ".") == [
        "price: the sign $ is left out",
        "mileage: the unit 'mi.' is left out",
        "tax: percent signs are left out (5% is 5)",
        "mileage, price: separators of thousands are left out",
        "mileage, tax: '?' is a missing value",
        "sold: dates are read as month/day/year; no cell says which is the month",
    ]


def test_columns_are_found_but_for_case_and_spaces():
    columns = ["sales", "Größe", "2019", "R & D", "a b", "AB"]
    assert find("sales", columns, "t") == ("sales", None)
    assert find("Sales", columns, "t") == ("sales", "Sales is taken for sales")
    assert find("größe ", columns, "t") == ("Größe", "größe  is taken for Größe")
    assert find("2019", columns, "t") == ("2019", None)
    assert find("r&d", columns, "t") == ("R & D", "r&d is taken for R & D")
    with pytest.raises(LabError, match="t has no column ab, but a b and AB: say which of them"):
        find("ab", columns, "t")
    with pytest.raises(LabError, match=r"t has no column sale; did you mean sales\? \(columns: sales, Größe, "):
        find("sale", columns, "t")
    with pytest.raises(LabError, match=r"no column hours \(columns: c1, c2; its first line has no names\)"):
        find("hours", ["c1", "c2"], "t")
