"""Columns as numbers, against scikit-learn's encoder, NumPy's means and Python's calendar."""

import datetime as dt
import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import OneHotEncoder

from src.errors import LabError
from src.tables.choosing import Asked, choose
from src.tables.columns import Column
from src.tables.encoding import Encoding, Feature
from src.tables.reading import ReadTable

FRAME = pl.DataFrame(
    {
        "size": [50.0, None, 120.0, 65.0, 95.0, 140.0],
        "colour": ["red", "blue", "blue", "red", "", "green"],
        "sold": ["2020-01-31", "2020-02-01", "2021-02-03", "2021-01-01", "NA", "2020-02-29"],
        "price": [110.0, 190.0, 300.0, 150.0, 240.0, 330.0],
    }
)
ALL = np.arange(6)


def fitted(frame=FRAME, rows=ALL, missing="mean", dates="days"):
    table = ReadTable("t.csv", frame)
    chosen = choose(table, Asked(["price"], ["size", "colour", "sold"], categories=30, missing=missing))
    return table, Encoding.fit("t.csv", chosen, rows, missing, dates)


@pytest.mark.parametrize(("missing", "middle"), [("mean", np.mean), ("median", np.median)])
def test_numbers_are_filled_by_the_training_rows(missing, middle):
    table, encoding = fitted(rows=np.array([0, 1, 3, 4]), missing=missing)
    numbers = encoding.apply(table).numbers
    dates = [dt.date(2020, 1, 31), dt.date(2020, 2, 1), dt.date(2021, 1, 1)]
    assert numbers[1, 0] == middle([50, 65, 95])
    assert numbers[4, -1] == middle([(day - dt.date(1970, 1, 1)).days for day in dates])


def test_categories_are_those_of_scikit_learn_without_the_base():
    table, encoding = fitted()
    known = OneHotEncoder(drop=["blue"], sparse_output=False)
    colours = np.array([colour or "missing" for colour in FRAME["colour"]])[:, None]
    expected = known.fit_transform(colours)
    assert encoding.names[1:4] == [f"colour={level}" for level in known.categories_[0] if level != "blue"]
    assert np.array_equal(encoding.apply(table).numbers[:, 1:4], expected)


def test_the_base_is_the_most_frequent_in_the_training_rows_then_the_first():
    assert fitted(rows=np.array([0, 2, 3, 4]))[1].features[1].levels == ("red", "blue", "missing")
    assert fitted(rows=np.array([0, 2, 3, 1]))[1].features[1].levels == ("blue", "red")


def test_a_category_of_one_value_is_no_feature():
    assert fitted(rows=np.array([0, 3]))[1].names == ["size", "sold"]


@pytest.mark.parametrize(("last", "names"), [(2010, ["size"]), (2011, ["year", "size"])])
def test_a_number_or_a_date_that_is_the_same_in_all_rows_is_no_feature(last, names):
    """In all that are used, so that it does not depend on the seed."""
    frame = pl.DataFrame({"year": [2010, 2010, last], "sold": ["2020-01-01"] * 3, "size": [1.0, 1.0, 2.0]})
    chosen = choose(ReadTable("t.csv", frame.with_columns(y=pl.lit(1.0))), Asked(["y"], missing="mean", dates="parts"))
    assert Encoding.fit("t.csv", chosen, np.array([0, 1]), "mean", "parts").names == names


def test_parts_of_dates_are_those_of_the_calendar():
    table, encoding = fitted(missing="drop", dates="parts")
    encoded = encoding.apply(table)
    days = [dt.date.fromisoformat(day) for day in FRAME["sold"] if day != "NA"]
    rows = [0, 1, 2, 3, 5]
    by_name = dict(zip(encoding.names, encoded.numbers[rows].T, strict=True))
    assert by_name["sold.year"].tolist() == [day.year for day in days]
    months, weekdays = encoding.features[3].levels, encoding.features[4].levels
    assert months == ("2", "1")
    assert by_name["sold.month=1"].tolist() == [day.month == 1 for day in days]
    assert {*weekdays} == {f"{day:%A}" for day in days}
    for weekday in weekdays[1:]:
        assert by_name[f"sold.weekday={weekday}"].tolist() == [f"{day:%A}" == weekday for day in days]


def test_rows_that_cannot_be_encoded_are_told_with_the_reason():
    _, encoding = fitted(missing="drop", rows=np.array([0, 2, 3]))
    encoded = encoding.apply(ReadTable("t.csv", FRAME))
    assert encoded.usable.tolist() == [True, False, True, True, False, False]
    assert {why: rows.tolist() for why, rows in encoded.why.items()} == {
        "size is missing": [1],
        "colour is missing, as in no training row": [4],
        "colour is green, as in no training row": [5],
    }


def test_a_column_without_a_number_in_the_training_rows_has_no_mean():
    with pytest.raises(LabError, match=r"t\.csv: column size has no value in the 1 training rows, so no mean"):
        fitted(rows=np.array([1]))


@pytest.mark.parametrize("dates", ["days", "parts"])
def test_the_state_is_plain_and_gives_the_same_encoding(dates):
    _, encoding = fitted(dates=dates)
    assert Encoding.from_state(json.loads(json.dumps(encoding.state()))) == encoding


def test_categories_that_look_like_numbers_are_known_by_their_numbers():
    feature = Feature(Column("zone", "category"), levels=("02", "01", "A1"))
    encoded = Encoding((feature,)).apply(ReadTable("new", pl.DataFrame({"zone": [1, 2, None, 3]})))
    assert encoded.numbers[:2].tolist() == [[1, 0], [0, 0]]
    assert {why: rows.tolist() for why, rows in encoded.why.items()} == {
        "zone is missing, as in no training row": [2],
        "zone is 3, as in no training row": [3],
    }


@given(order=st.permutations(["size", "colour", "sold", "other", "note"]))
@settings(max_examples=20, deadline=None)
def test_other_columns_and_another_order_change_nothing(order):
    table, encoding = fitted(dates="parts")
    more = FRAME.with_columns(other=pl.lit(1.0), note=pl.lit("new"))
    assert np.array_equal(encoding.apply(ReadTable("", more.select(order))).numbers, encoding.apply(table).numbers)


def test_numbers_only():
    encoded = Encoding.of_numbers(["b", "a"]).apply(ReadTable("t", pl.DataFrame({"a": [1, 2], "b": [3.0, None]})))
    assert encoded.numbers[0].tolist() == [3, 1]
    assert {why: rows.tolist() for why, rows in encoded.why.items()} == {"b is missing": [1]}


def test_a_column_is_not_taken_for_two_features():
    with pytest.raises(LabError, match="t has no column A; its column a is another feature"):
        Encoding.of_numbers(["a", "A"]).apply(ReadTable("t", pl.DataFrame({"a": [1, 2]})))
