"""Listed data: splits, tables of every kind, units, and a sentence for every table that cannot be used."""

import io
import math
import sys
from collections import Counter
from itertools import chain
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_diabetes

from src.data.points import Points
from src.data.scikit_learn import ScikitLearn
from src.data.table import Table
from src.errors import LabError
from tests.kinds import changed, data_of

ALL: dict[str, Any] = {"seed": 0, "train": None, "val": 0, "test": 0}
HOUSES = pl.DataFrame(
    {
        "size": [50.0, 80.0, 120.0, 65.0, 95.0, 140.0],
        "rooms": [2, 3, 5, 2, 4, 6],
        "price": [110.0, 190.0, 300.0, 150.0, 240.0, 330.0],
    }
)
HOUSES_TEXT = HOUSES.write_csv()


def row_numbers(*parts):
    """The first column of parts whose rows are numbered there."""
    return [[] if part is None else part.inputs[:, 0].int().tolist() for part in parts]


def points(x, y, **shares):
    return data_of(Points, **{**ALL, **shares}, x=x, y=y)


def numbered(total, **shares):
    """Points whose input and target are their number."""
    return points(list(range(total)), list(range(total)), **shares)


def diabetes(features=None, standardize=True, **shares):
    return data_of(ScikitLearn, **{**ALL, **shares}, name="diabetes", features=features, standardize=standardize)


def split(total, **shares):
    problem = numbered(total, **shares).problem()
    return row_numbers(problem.train, problem.val, problem.test)


@pytest.fixture
def write(tmp_path):
    """`write(content, "name.csv")`: the path of a file that holds the text, bytes or frame."""

    def _write(content, name="houses.csv"):
        path = tmp_path / name
        if isinstance(content, pl.DataFrame):
            content.write_parquet(path)
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return _write


def table(path, target="price", features=None, standardize=False, **shares):
    return data_of(Table, **{**ALL, **shares}, path=path, target=target, features=features, standardize=standardize)


def refusal(listed):
    """The sentence of a refusal, on one line."""
    with pytest.raises(LabError) as caught:
        listed.problem()
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


# --- points ----------------------------------------------------------------------------------------------------------


def test_points_are_the_numbers_written():
    problem = points([1, 2.5, 3], [2, 4, 6]).problem()
    assert problem.train.inputs.tolist() == [[1], [2.5], [3]]
    assert problem.train.targets.tolist() == [[2], [4], [6]]
    assert (problem.val, problem.test, problem.features, problem.targets) == (None, None, ["x"], ["y"])
    assert problem.truth == {}


def test_points_of_several_features_and_targets():
    problem = points([[1, 2.5], [3, 4]], [[1, 2, 3], [4, 5, 6]]).problem()
    assert problem.train.inputs.tolist() == [[1, 2.5], [3, 4]]
    assert problem.train.targets.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert (problem.features, problem.targets) == (["x1", "x2"], ["y1", "y2", "y3"])


def test_whole_numbers_beyond_64_bits_are_points_too():
    assert points([10**20, 1], [1, 2]).problem().train.inputs.tolist() == [[np.float32(1e20)], [1]]


def test_a_number_beyond_every_float_is_refused():
    assert "data.y has a number that is too large" in refusal(points([1, 2], [10**400, 2]))


# --- splits ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shares", "sizes"),
    [
        ({"train": 5, "val": 3, "test": 2}, (5, 3, 2)),
        ({"train": 5, "val": 3, "test": 0}, (5, 3, 0)),
        ({"train": 0.5, "val": 0.3, "test": 0.2}, (5, 3, 2)),
        ({"train": 0.7, "val": 0.15, "test": 0.15}, (6, 2, 2)),  # round(1.5) twice; training takes what is left
        ({"train": 0.5, "val": 2, "test": 0.1}, (5, 2, 1)),
        ({"train": 4, "val": 0.2, "test": 3}, (4, 2, 3)),
        ({"train": None, "val": 3, "test": 2}, (5, 3, 2)),
        ({"train": None, "val": 0.3, "test": 2}, (5, 3, 2)),
        ({"train": None, "val": 0.25, "test": 0.0}, (8, 2, 0)),
        ({"train": None, "val": 0, "test": 0}, (10, 0, 0)),
    ],
)
def test_parts_have_the_numbers_of_rows_asked_for(shares, sizes):
    assert tuple(map(len, split(10, **shares))) == sizes


@given(total=st.integers(1, 60), weights=st.tuples(st.integers(1, 9), st.integers(0, 9), st.integers(0, 9)))
@settings(max_examples=200, deadline=None)
def test_fractions_that_add_up_to_1_neither_lose_a_row_nor_want_one_more(total, weights):
    # whole numbers where the config has 0 rather than 0.0
    train, val, test = (weight / sum(weights) if weight else 0 for weight in weights)
    if train == 1:
        train = None
    kept = [round(val * total), round(test * total)]
    if sum(kept) >= total:
        assert "lower data." in refusal(numbered(total, train=train, val=val, test=test))
        return
    parts = split(total, train=train, val=val, test=test)
    assert Counter(chain(*parts)) == Counter(range(total))
    assert [len(parts[1]), len(parts[2])] == kept


@given(
    total=st.integers(1, 40),
    shares=st.tuples(*[st.one_of(st.integers(0, 15), st.floats(0, 0.5))] * 3),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=200, deadline=None)
def test_no_row_is_in_two_parts_and_each_part_keeps_the_order(total, shares, seed):
    assume(not math.isclose(sum(shares), 1))  # then training takes what is left: the test above
    sizes = [share if isinstance(share, int) else round(share * total) for share in shares]
    by_name = dict(zip(("train", "val", "test"), shares, strict=True))
    if sum(sizes) > total or sizes[0] < 1:
        assert "data.train" in refusal(numbered(total, seed=seed, **by_name))
        return
    parts = split(total, seed=seed, **by_name)
    assert list(map(len, parts)) == sizes
    assert max(Counter(chain(*parts)).values()) == 1
    assert all(part == sorted(part) for part in parts)


def test_the_split_is_drawn_from_the_seed():
    halves = [split(40, seed=seed, train=0.5, val=0.5)[0] for seed in (1, 1, 2)]
    assert halves[0] == halves[1] != halves[2]
    assert halves[0] != list(range(20))


def test_targets_stay_with_their_inputs():
    x = [[float(n), -float(n)] for n in range(30)]
    problem = points(x, [3.0 * n for n in range(30)], val=7, test=0.2).problem()
    for part in (problem.train, problem.val, problem.test):
        assert torch.equal(part.targets, 3 * part.inputs[:, :1])
        assert torch.equal(part.inputs[:, 1], -part.inputs[:, 0])


@pytest.mark.parametrize(
    ("shares", "told"),
    [
        ({"train": 8, "val": 2, "test": 1}, ["8 + 2 + 1 rows", "only 10"]),
        ({"train": 0.8, "val": 0.2, "test": 1}, ["8 + 2 + 1 rows", "only 10"]),
        ({"train": None, "val": 8, "test": 3}, ["8 for validation and 3 for test", "10 rows", "data.val", "data.test"]),
        ({"train": None, "val": 5, "test": 5}, ["5 for validation and 5 for test", "none is left to train on"]),
        ({"train": 0, "val": 5, "test": 0}, ["none is left to train on", "data.train"]),
        ({"train": 0.04, "val": 5, "test": 0}, ["none is left to train on", "data.train"]),
    ],
)
def test_a_split_that_cannot_be_made_is_refused(shares, told):
    sentence = refusal(numbered(10, **shares))
    assert [words for words in told if words not in sentence] == []


# --- tables ----------------------------------------------------------------------------------------------------------


def as_csv(frame):
    return frame.write_csv(), "houses.csv"


def as_upper_case_csv(frame):
    return frame.write_csv(), "HOUSES.CSV"


def as_tsv(frame):
    return frame.write_csv(separator="\t"), "houses.tsv"


def as_parquet(frame):
    return frame, "houses.parquet"


def as_pq(frame):
    return frame, "houses.pq"


@pytest.mark.parametrize("form", [as_csv, as_upper_case_csv, as_tsv, as_parquet, as_pq])
def test_a_table_is_its_columns(write, form):
    problem = table(write(*form(HOUSES))).problem()
    assert problem.features == ["size", "rooms"]
    assert problem.targets == ["price"]
    assert np.array_equal(problem.train.inputs.numpy(), HOUSES.select("size", "rooms").to_numpy())
    assert np.array_equal(problem.train.targets.numpy(), HOUSES.select("price").to_numpy())
    assert problem.train.inputs.dtype == torch.float64


def test_chosen_features_come_in_the_order_given(write):
    problem = table(write(HOUSES_TEXT), target="rooms", features=["price", "size"]).problem()
    assert problem.features == ["price", "size"]
    assert np.array_equal(problem.train.inputs.numpy(), HOUSES.select("price", "size").to_numpy())


READABLE = {
    "byte order mark": "\ufeff" + HOUSES_TEXT,
    "byte order mark and quotes": "\ufeff" + HOUSES_TEXT.replace("size,rooms", '"size","rooms"'),
    "spaces in the header": HOUSES_TEXT.replace("size,rooms,price", " size , rooms,price "),
    "spaces around numbers": HOUSES_TEXT.replace(",", " , "),
    "windows line ends": HOUSES_TEXT.replace("\n", "\r\n"),
    "no line end": HOUSES_TEXT.rstrip("\n"),
    "quoted numbers": HOUSES_TEXT.replace("\n50.0", '\n"50.0"'),
}


@pytest.mark.parametrize("text", READABLE.values(), ids=READABLE.keys())
def test_a_table_may_be_written_in_many_ways(write, text):
    problem = table(write(text)).problem()
    assert problem.features == ["size", "rooms"]
    assert np.array_equal(problem.train.inputs.numpy(), HOUSES.select("size", "rooms").to_numpy())


def test_spaces_in_the_header_of_a_parquet_file(write):
    path = write(HOUSES.rename({"size": " size", "price": "price "}), "houses.parquet")
    assert table(path).problem().features == ["size", "rooms"]


def test_text_that_is_not_utf_8_is_read_where_it_is_not_used(write):
    problem = table(write("größe,rooms,price\n1,2,3\n4,5,7\n".encode("latin-1")), features=["rooms"]).problem()
    assert problem.train.inputs.tolist() == [[2], [5]]


@pytest.mark.parametrize(("true", "false"), [("true", "false"), ("True", "False"), ("TRUE", "FALSE")])
def test_booleans_are_1_and_0(write, true, false):
    problem = table(write(f"garden,price\n{true},3\n{false},4\n{true},5\n")).problem()
    assert problem.train.inputs.tolist() == [[1], [0], [1]]


@pytest.mark.parametrize(
    "column",
    [
        pl.Series([True, False]),
        pl.Series([1, 0], dtype=pl.UInt8),
        pl.Series([1, 0], dtype=pl.Int64),
        pl.Series([1, 0], dtype=pl.Float32),
        pl.Series(["1.0", "0.0"]).cast(pl.Decimal(10, 2)),
        pl.Series([" 1", "0 "]),
        pl.Series(["1", "0"], dtype=pl.Categorical),
    ],
    ids=lambda column: str(column.dtype),
)
def test_every_type_of_number_is_a_number(write, column):
    frame = pl.DataFrame({"a": column, "price": [3.0, 4.0]})
    assert table(write(frame, "houses.parquet")).problem().train.inputs.tolist() == [[1], [0]]


@pytest.mark.parametrize("text", ["1e-200", "-3.5E+7", "12345678901234567890", "0.1"])
def test_numbers_are_read_to_the_last_bit(write, text):
    problem = table(write(f"a,price\n{text},3\n1,4\n")).problem()
    assert problem.train.inputs[0].item() == float(text)


@pytest.mark.parametrize("name", ["houses[1].csv", "houses*.csv", "houses?.csv", "houses{1}.parquet", "houses[1].pq"])
def test_a_path_is_a_name_and_not_a_pattern(write, name):
    write(HOUSES_TEXT, "houses1.csv")
    write(HOUSES_TEXT, "houses-old.csv")
    content = HOUSES_TEXT if name.endswith("csv") else HOUSES
    assert len(table(write(content, name)).problem().train) == len(HOUSES)


def test_standardization_is_by_the_training_rows_only(write):
    rows = np.random.default_rng(0).normal(5, 3, (40, 3))
    path = write(pl.DataFrame(rows, schema=["a", "b", "price"]), "rows.parquet")
    shares = {"val": 0.25, "test": 10}
    plain, standard = (table(path, standardize=flag, **shares).problem() for flag in (False, True))
    inputs, targets = plain.train.inputs.numpy(), plain.train.targets.numpy()
    assert len(inputs) == 20
    for part in ("train", "val", "test"):
        before, after = getattr(plain, part), getattr(standard, part)
        assert after.inputs.numpy() == pytest.approx((before.inputs.numpy() - inputs.mean(0)) / inputs.std(0))
        assert after.targets.numpy() == pytest.approx((before.targets.numpy() - targets.mean(0)) / targets.std(0))


def test_units_as_they_are_without_standardization(write):
    problem = table(write(HOUSES_TEXT), standardize=False).problem()
    assert problem.describe()["scaling"]["input_scale"] == [1, 1]
    assert torch.equal(problem.scaling.predictions(problem.train.targets), problem.train.targets)


# --- diabetes --------------------------------------------------------------------------------------------------------


def test_diabetes_is_the_data_set_of_scikit_learn():
    bunch = load_diabetes(scaled=False)
    problem = diabetes(standardize=False).problem()
    assert problem.features == bunch.feature_names
    assert np.array_equal(problem.train.inputs.numpy(), bunch.data)
    assert np.array_equal(problem.train.targets.numpy()[:, 0], bunch.target)


def test_a_standardized_and_split_diabetes_is_the_same_442_patients():
    bunch = load_diabetes(scaled=False)
    problem = diabetes(seed=3, val=0.15, test=0.15).problem()
    parts = [problem.train, problem.val, problem.test]
    assert [len(part) for part in parts] == [310, 66, 66]
    scaling = problem.scaling
    inputs = torch.cat([part.inputs for part in parts]) * scaling.input_scale + scaling.input_mean
    targets = torch.cat([scaling.predictions(part.targets) for part in parts])
    patients = torch.cat([inputs, targets], 1).numpy()
    expected = np.column_stack([bunch.data, bunch.target])
    assert patients[np.lexsort(patients.round(6).T)] == pytest.approx(expected[np.lexsort(expected.round(6).T)])
    assert problem.train.inputs.std(0, correction=0).numpy() == pytest.approx(1)


def test_diabetes_without_scikit_learn_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    assert "pip install 'descent-lab[data]'" in refusal(diabetes())


def test_a_column_that_diabetes_does_not_have():
    sentence = refusal(diabetes(features=["age", "bmj"]))
    assert "diabetes has no column bmj; did you mean bmi?" in sentence


# --- what is refused -------------------------------------------------------------------------------------------------


def test_a_file_that_is_not_there_and_the_nearest_that_is(write):
    path = write(HOUSES_TEXT, "houses.csv").replace("houses", "hoses")
    assert refusal(table(path)) == f"data.path={path}: there is no such file; did you mean houses.csv?"


def test_a_folder_that_is_not_there(tmp_path):
    assert refusal(table(str(tmp_path / "no" / "a.csv"))).endswith("no/a.csv: there is no such file")


def test_a_name_that_is_too_long_for_the_file_system(tmp_path):
    assert "it cannot be read" in refusal(table(str(tmp_path / ("a" * 300 + ".csv"))))


EMPTY = {
    "nothing": ("", "houses.csv", "the file is empty"),
    "a line end": ("\n", "houses.csv", "the file is empty"),
    "a byte order mark": ("\ufeff", "houses.csv", "the file is empty"),
    "a header": ("size,price\n", "houses.csv", "the table has no rows"),
    "a header of a tsv": ("size\tprice", "houses.tsv", "the table has no rows"),
    "a parquet file without rows": (HOUSES.clear(), "houses.parquet", "the table has no rows"),
    "a parquet file without columns": (pl.DataFrame(), "houses.parquet", "the table has no rows"),
}


@pytest.mark.parametrize(("content", "name", "told"), EMPTY.values(), ids=EMPTY.keys())
def test_an_empty_table(write, content, name, told):
    path = write(content, name)
    assert refusal(table(path)) == f"data.path={path}: {told}"


def parquet_bytes():
    stream = io.BytesIO()
    HOUSES.write_parquet(stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    "content",
    [b"PAR1 and no more", HOUSES_TEXT, parquet_bytes()[:-20], parquet_bytes()[:100]],
    ids=["magic only", "text", "cut at the end", "cut at the start"],
)
def test_a_parquet_file_that_is_none(write, content):
    path = write(content, "houses.parquet")
    assert refusal(table(path)).startswith(f"data.path={path}: it cannot be read (")


def test_a_parquet_file_at_which_the_reader_panics(write, monkeypatch):
    # polars' panics are no exceptions but BaseExceptions; a changed byte of the metadata can cause one
    def panic(*args, **kwargs):
        raise pl.exceptions.PanicException("called `Option::unwrap()` on a `None` value\nmore")

    monkeypatch.setattr(pl, "read_parquet", panic)
    assert refusal(table(write(HOUSES, "a.parquet"))).endswith(
        "cannot be read (called `Option::unwrap()` on a `None` value)"
    )


RAGGED = {
    "one field too many": ("a,price\n1,2\n1,3,4\n", "row 2 has 3 fields and the header 2"),
    "after a quoted line end": ('a,price\n"1\n",2\n1,3,4\n', "row 2 has 3 fields and the header 2"),
}


@pytest.mark.parametrize(("text", "told"), RAGGED.values(), ids=RAGGED.keys())
def test_rows_of_different_lengths(write, text, told):
    path = write(text)
    sentence = refusal(table(path))
    assert told in sentence
    assert path in sentence


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"target": "prise"}, "has no column prise; did you mean price? (columns: size, rooms, price)"),
        ({"target": "zzz"}, "has no column zzz (columns: size, rooms, price)"),
        ({"features": ["size", "room"]}, "has no column room; did you mean rooms? (columns: size, rooms, price)"),
        ({"features": ["size", "price"]}, "the target price is also among data.features"),
        ({"features": ["size", "rooms", "size"]}, "data.features names size 2 times"),
        ({"features": []}, "data.features=[] names no column"),
    ],
)
def test_columns_that_cannot_be_used(write, columns, told):
    assert told in refusal(table(write(HOUSES_TEXT), **columns))


def test_a_table_of_the_target_only(write):
    assert "has no columns besides the target price" in refusal(table(write("price\n1\n2\n")))


def test_a_table_of_one_column_that_is_not_the_target(write):
    assert "has no column price (columns: a)" in refusal(table(write("a\n1\n2\n")))


def test_a_bad_column_that_is_left_out_does_not_matter(write):
    path = write("name,a,price\nx,1,2\n,3,4\n")
    assert table(path, features=["a"]).problem().train.inputs.tolist() == [[1], [3]]


def test_a_constant_target(write):
    path = write("a,price\n1,7\n2,7\n3,7\n")
    for standardize in (True, False):
        sentence = refusal(table(path, standardize=standardize))
        assert sentence == f"{path}: the target price is constant in the training rows; there is nothing to learn"


def test_a_target_that_is_constant_in_the_training_rows_only(write):
    path = write("a,price\n" + "".join(f"{n},7\n" for n in range(19)) + "19,8\n")
    training = [
        next(s for s in range(100) if (19 in split(20, seed=s, val=0.5)[0]) is there) for there in (True, False)
    ]
    assert len(table(path, seed=training[0], val=0.5).problem().train) == 10
    assert "price is constant in the training rows" in refusal(table(path, seed=training[1], val=0.5))


def test_more_rows_than_the_table_has(write):
    sentence = refusal(table(write(HOUSES_TEXT), train=5, val=1, test=1))
    assert "5 + 1 + 1 rows for training, validation and test: there are only 6" in sentence


# --- as prediction uses them -----------------------------------------------------------------------------------------


def test_a_table_of_other_rows_keeps_the_same_parts(write):
    # which row goes where is a function of the seed and of how many rows there are
    first = table(write(HOUSES_TEXT), val=2, test=1)
    other = changed(first, path=write(HOUSES.with_columns(pl.col("size") * 2).write_csv(), "other.csv"))
    for one, two in zip(*((p.train, p.val, p.test) for p in (first.problem(), other.problem())), strict=True):
        assert torch.equal(one.targets, two.targets)
        assert torch.equal(2 * one.inputs[:, 0], two.inputs[:, 0])
