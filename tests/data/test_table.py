"""Tables as people have them: fitted exactly, against scikit-learn on the same rows; a sentence for what is wrong."""

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LinearRegression

from src.data.table import Table
from src.errors import LabError
from src.tables.account import Account
from src.theory import solve
from tests.kinds import data_of

COLOURS = ["red", "blue", "blue", "red", "green", "blue", "red", "blue", "green", "red", "blue", "blue"]
SIZES = [50.0, 80.0, 120.0, 65.0, 95.0, 140.0, 70.0, 85.0, 60.0, 110.0, 90.0, 75.0]
PRICES = [110.0, 190.0, 300.0, 150.0, 240.0, 330.0, 160.0, 200.0, 140.0, 260.0, 230.0, 170.0]
CARS = pl.DataFrame({"size": SIZES, "colour": COLOURS, "price": PRICES})
DUMMIES = {colour: np.array([one == colour for one in COLOURS]) for colour in ("blue", "green", "red")}


def table(tmp_path, frame, target="price", **keys):
    """A table of a parquet file or, of text, a CSV file."""
    path = tmp_path / ("cars.csv" if isinstance(frame, str) else "cars.parquet")
    path.write_text(frame) if isinstance(frame, str) else frame.write_parquet(path)
    return data_of(Table, **{"seed": 0, "val": 0, "test": 0, **keys}, path=str(path), target=target)


def refusal(data):
    """The sentence of a refusal, on one line, and without the folder of its file."""
    with pytest.raises(LabError) as caught:
        data.problem()
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{Path(data.section.path).parent}/", "")


def fit(problem):
    """The exact weights and bias of a problem, in its table's units."""
    exact, scaling = solve(problem.train, True, "mean"), problem.scaling
    return scaling.weight(exact.weight)[:, 0].numpy(), scaling.bias(exact.weight, exact.intercept).numpy()


def check_fit(problem, features, targets):
    """The exact fit is scikit-learn's on the same rows of features `[N, I]`, made by hand."""
    rows = problem.table.split["train"] - 1
    known = LinearRegression().fit(np.column_stack(features)[rows], np.asarray(targets)[rows])
    weight, bias = fit(problem)
    assert weight == pytest.approx(known.coef_, rel=1e-9, abs=1e-9)
    assert bias == pytest.approx(known.intercept_, rel=1e-9, abs=1e-9)


# --- a table of each kind --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shares", [{}, {"val": 2, "test": 2, "seed": 3}])
def test_categories(tmp_path, shares):
    problem = table(tmp_path, CARS, **shares).problem()
    base, *others = problem.table.categories["colour"]
    assert problem.features == ["size", *(f"colour={one}" for one in others)]
    check_fit(problem, [SIZES, *(DUMMIES[one] for one in others)], PRICES)
    assert {len(part) for part in problem.table.split.values()} == ({12, 0} if not shares else {8, 2})
    assert base == "blue"


@pytest.mark.parametrize(("missing", "middle"), [("mean", np.mean), ("median", np.median)])
def test_missing_numbers_are_the_mean_of_the_training_rows(tmp_path, missing, middle):
    frame = CARS.drop("colour").with_columns(size=pl.Series([None, 80.0, float("nan"), *SIZES[3:]]))
    problem = table(tmp_path, frame, missing=missing, val=3).problem()
    rows = problem.table.split["train"] - 1
    sizes = np.array([np.nan, 80, np.nan, *SIZES[3:]])
    filled = np.where(np.isnan(sizes), middle(sizes[rows][~np.isnan(sizes[rows])]), sizes)
    check_fit(problem, [filled], PRICES)
    scaling = problem.scaling
    inputs = problem.val.inputs * scaling.input_scale + scaling.input_mean
    assert inputs[:, 0].numpy() == pytest.approx(filled[problem.table.split["val"] - 1])


def test_rows_that_lack_a_number_or_a_target_are_left_out(tmp_path):
    frame = CARS.drop("colour").with_columns(
        size=pl.Series([None, *SIZES[1:]]), price=pl.Series([110.0, 190.0, None, *PRICES[3:]])
    )
    problem = table(tmp_path, frame).problem()
    assert problem.table.split["train"].tolist() == [2, *range(4, 13)]
    assert problem.table.rows_left_out == {"price is missing": 1, "size is missing": 1}
    check_fit(problem, [SIZES], PRICES)


def test_numbers_with_units_and_currency(tmp_path):
    text = "".join(f'"{size * 1000:,.0f} mi.",$ {price}\n' for size, price in zip(SIZES, PRICES, strict=True))
    problem = table(tmp_path, f"mileage,price\n{text}").problem()
    check_fit(problem, [np.array(SIZES) * 1000], PRICES)
    assert problem.table.told[-3:] == [
        "price: the sign $ is left out",
        "mileage: the unit 'mi.' is left out",
        "mileage: separators of thousands are left out",
    ]


DAYS = [dt.date(2020 + n % 3, 1 + n % 2, 1 + 2 * n) for n in range(12)]


@pytest.mark.parametrize("written", ["typed", "text"])
def test_dates_are_day_numbers(tmp_path, written):
    sold = DAYS if written == "typed" else [f"{day:%d.%m.%Y}" for day in DAYS]
    problem = table(tmp_path, pl.DataFrame({"sold": sold, "price": PRICES})).problem()
    assert problem.table.dates == ["sold"]
    check_fit(problem, [[(day - dt.date(1970, 1, 1)).days for day in DAYS]], PRICES)


def test_dates_in_parts(tmp_path):
    problem = table(tmp_path, pl.DataFrame({"sold": DAYS, "price": PRICES}), dates="parts").problem()
    levels = problem.table.categories
    assert levels["sold.month"] == ("1", "2")
    rows = [[day.year, day.month == 2] + [f"{day:%A}" == one for one in levels["sold.weekday"][1:]] for day in DAYS]
    inputs = problem.train.inputs * problem.scaling.input_scale + problem.scaling.input_mean
    assert inputs.numpy() == pytest.approx(np.array(rows, float))


def test_the_logarithm_of_several_targets(tmp_path):
    frame = CARS.with_columns(tax=pl.col("price").sqrt())
    problem = table(tmp_path, frame, target=["price", "Tax"], features=["size"], log_target=True).problem()
    assert problem.targets == ["price", "tax"]
    assert problem.table.told == ["Tax is taken for tax"]
    known = LinearRegression().fit(np.c_[SIZES], np.log(np.c_[PRICES, np.sqrt(PRICES)]))
    exact = solve(problem.train, True, "mean")
    assert problem.scaling.weight(exact.weight).T.numpy() == pytest.approx(known.coef_)
    assert problem.scaling.predictions(problem.train.targets).numpy() == pytest.approx(np.c_[PRICES, np.sqrt(PRICES)])


def test_names_of_any_kind(tmp_path):
    frame = pl.DataFrame({"2019": SIZES, "R & D": PRICES[::-1], "цена": PRICES})
    problem = table(tmp_path, frame, target="цена", features=["2019", "r&d"]).problem()
    check_fit(problem, [SIZES, PRICES[::-1]], PRICES)


def test_columns_are_left_out_with_a_word(tmp_path):
    text = "c1,id,note,mixed,colour,lists,few,const,size,price\n"
    for n in range(12):
        mixed, few = "x" if n == 5 else n, n if n < 3 else ""
        text += f"{n},{n},note {n},{mixed},{COLOURS[n]},,{few},same,{SIZES[n]},{PRICES[n]}\n"
    account = table(tmp_path, text, leave_out=["ID", "c1"]).problem().table
    assert account.columns_left_out == {
        "id": "data.leave_out",
        "c1": "data.leave_out",
        "note": "text of 12 values, which mostly do not repeat",
        "mixed": "numbers, but row 6 is x",
        "lists": "it has no values",
        "few": "missing in 9 of 12 rows",
        "const": "one value in the training rows",
    }
    assert (account.numbers, list(account.categories), account.rows_left_out) == (["size"], ["colour"], {})


def test_a_category_of_too_many_values_is_left_out(tmp_path):
    assert table(tmp_path, CARS, categories=2).problem().table.columns_left_out == {
        "colour": "text of 3 values, more than data.categories=2"
    }
    assert table(tmp_path, CARS, categories=0).problem().features == ["size"]


@pytest.mark.parametrize(
    ("index", "why"),
    [
        (list(range(12)), "numbers of the rows"),
        (list(range(1, 13)), "numbers of the rows"),
        ([f"car {n}" for n in range(12)], "names of the rows"),
        ([*range(11), 12], None),
        (["a", "b"] * 6, None),
    ],
)
def test_an_index_without_a_name(index, why):
    from src.tables.choosing import Asked, choose
    from src.tables.reading import ReadTable

    frame = CARS.with_columns(c1=pl.Series(index))
    chosen = choose(ReadTable("cars.csv", frame, unnamed=frozenset({"c1"})), Asked(["price"], categories=30))
    assert chosen.columns_left_out == ({} if why is None else {"c1": why})


def test_a_validation_row_of_a_category_that_no_training_row_has(tmp_path):
    frame = CARS.with_columns(colour=pl.Series(["pink", "red", "blue", *["red", "blue", "blue"] * 3]))
    seed = next(
        seed for seed in range(99) if 1 in table(tmp_path, CARS, seed=seed, val=4, test=1).problem().table.split["val"]
    )
    account = table(tmp_path, frame, seed=seed, val=4, test=1).problem().table
    assert account.rows_left_out == {"colour is pink, as in no training row": 1}
    assert [len(part) for part in account.split.values()] == [7, 3, 1]


# --- what is told ----------------------------------------------------------------------------------------------------


def test_a_plain_table_is_told_in_a_line(tmp_path):
    lines = table(tmp_path, CARS, leave_out=[], features=["size"]).problem().table.lines()
    assert [line.rpartition("/")[2] for line in lines] == ["cars.parquet: 12 rows; 1 column of numbers (size)"]


def test_what_was_done_is_told_in_a_short_list():
    account = Account(
        "cars.csv",
        1000,
        ["decimal commas"],
        {"price is missing": 2, "size is missing": 1},
        [f"x{n}" for n in range(9)],
        {"colour": ("red", "blue")},
        ["sold"],
        {"name": "text of 900 values"},
    )
    assert account.lines() == [
        "cars.csv: 1,000 rows, 997 used; 9 columns of numbers (x0, x1, x2, x3, x4, x5 and 3 more), 1 column of dates "
        "(sold), 1 column of categories (colour: 2 values, base red)",
        "1 column left out: name (text of 900 values)",
        "3 rows left out: 2 as price is missing, 1 as size is missing",
        "decimal commas",
    ]
    assert "split" not in account.as_json()


# --- what is refused -------------------------------------------------------------------------------------------------

BAD = {
    "one column": ("price\n1\n2\n", {}, "cars.csv has no columns besides the target price: there is nothing to"),
    "a target that is not there": ("a,b\n1,2\n", {}, "cars.csv has no column price (columns: a, b)"),
    "a column to leave out that is not there": (
        "size,price\n1,2\n", {"leave_out": ["sise"]}, "cars.csv has no column sise; did you mean size? (columns: ",
    ),
    "a target of many values": (
        "a,price\n1,b\n2,c\n3,d\n4,e\n",
        {},
        "cars.csv: the target price must be numbers, but it is text of 4 values (b, c, d and 1 more): for classes "
        "say loss=cross_entropy, else choose another data.target",
    ),
    "a target of text, one of two": (
        "a,price,b\n1,2,yes\n2,3,no\n",
        {"target": ["price", "b"]},
        "cars.csv: the target b must be numbers, but it is text of 2 values (yes, no): for classes say loss=logistic",
    ),
    "a target with one cell of text": (
        "a,price\n1,2\n2,3\n3,x\n",
        {},
        "cars.csv: the target price must be numbers, but row 3 is x: correct such rows, or leave their cells empty",
    ),
    "dates for a target": (
        "a,price\n1,2020-01-31\n", {}, "cars.csv: the target price must be numbers, but it has dates: choose another",
    ),
    "a target without values": ("a,price\n1,\n2,\n", {}, "cars.csv: the target price is missing in every row"),
    "targets of other rows": (
        "a,price,b\n1,,3\n2,1,\n",
        {"target": ["price", "b"]},
        "cars.csv: the target b is missing in every row that has the others",
    ),
    "a constant target": (
        "a,price\n1,7\n2,7\n", {}, "cars.csv: the target price is constant in the training rows; there is nothing",
    ),
    "a target twice": (
        "a,price\n1,2\n", {"target": ["price", "Price"]}, "data.target names price 2 times: once is enough",
    ),
    "a target left out": (
        "a,price\n1,2\n", {"leave_out": ["price"]}, "the target price is also in data.leave_out: take it out there",
    ),
    "everything left out": (
        "a,b,price\n1,,2\n2,,3\n",
        {"leave_out": ["a"]},
        "cars.csv has no columns left besides the target price; left out: a (data.leave_out), b (it has no values)",
    ),
    "one value only": (
        "a,price\nx,1\nx,2\nx,3\n",
        {},
        "cars.csv has no columns left besides the target price; left out: a (one value in the training rows)",
    ),
    "text only": (
        "a,price\nx,1\nx,2\ny,3\ny,4\n",
        {"categories": 0},
        "cars.csv has no columns left besides the target price; left out: a (text of 2 values, more than "
        "data.categories=0)",
    ),
    "a named column of text": (
        "a,price\nx,1\ny,2\nz,3\n",
        {"features": ["a"], "categories": 2},
        "cars.csv: column a cannot be used: text of 3 values, more than data.categories=2; take it out of ",
    ),
    "no rows left": (
        "a,b,c,price\n1,,1,1\n,2,2,2\n2,,3,3\n,3,,4\n,,5,5\n",
        {"features": ["a", "b", "c"]},
        "cars.csv: no row is left: each of the 5 lacks a number (a in 3, b in 3, c in 1); say data.missing=mean, or "
        "leave columns out with data.leave_out=[a]",
    ),
    "a missing number refused": (
        "a,price\n1,1\n,2\n3,3\n?,5\n",
        {"missing": "refuse"},
        "cars.csv: column a is missing in row 2, 4; say data.missing=drop, mean or median, or leave the column out "
        "with data.leave_out=[a]",
    ),
    "no mean": (
        "a,price\n,1\n,2\n,3\n5,4\n",
        {"missing": "mean", "val": 1, "seed": 3},
        "cars.csv: column a has no value in the 3 training rows, so no mean: leave it out with data.leave_out=[a]",
    ),
    "no logarithm": (
        "a,price\n1,1\n2,0\n3,-3\n",
        {"log_target": True},
        "data.log_target=true: cars.csv: the target price must be above 0, but row 2 is 0 (2 such numbers); say "
        "data.log_target=false",
    ),
    "infinite": ("a,price\n1,3\n2,4\n-inf,5\n", {}, "cars.csv: column a is not finite in row 3; fill or drop"),
    "beyond float64": ("a,price\n1,3\n1e999,4\n", {}, "cars.csv: column a is not finite in row 2; fill or drop"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "keys", "sentence"), BAD.values(), ids=BAD.keys())
def test_a_table_that_cannot_be_used_is_told_in_a_sentence(tmp_path, text, keys, sentence):
    assert refusal(table(tmp_path, text, **keys)).startswith(sentence)


def test_a_column_that_is_named_is_used_where_it_can_be(tmp_path):
    assert table(tmp_path, "a,price\nx,1\ny,2\nz,3\n", features=["a"]).problem().features == ["a=y", "a=z"]
