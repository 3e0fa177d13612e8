"""Units, counts and names against plain arithmetic in numpy."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from src.data.problem import Problem, Rows, Scaling, check_batch_size, count, names
from src.errors import LabError
from src.tables.encoding import Encoding

EPSILON = np.finfo(float).eps


@st.composite
def columns(draw, rows: int, number: int):
    """`[rows, number]` of any magnitude up to 1e±150, some columns constant, some far from 0 for their spread."""
    made = []
    for _ in range(number):
        spread, offset = draw(st.tuples(*[st.sampled_from([0.0, 1e-150, 1e-3, 1.0, 1e4, 1e150])] * 2))
        thousandths = draw(st.lists(st.integers(-1000, 1000), min_size=rows, max_size=rows))
        made.append(np.array(thousandths) / 1000 * spread + offset)
    return np.column_stack(made)


@st.composite
def tables(draw):
    rows, inputs, outputs = draw(st.integers(2, 8)), draw(st.integers(1, 3)), draw(st.integers(1, 2))
    return draw(columns(rows, inputs)), draw(columns(rows, outputs))


def scaled(table):
    """The rows of a table, their scaling, and the rows in the units of descent."""
    rows = Rows(*map(torch.from_numpy, table))
    scaling = Scaling.of(rows.inputs, rows.targets)
    return rows, scaling, scaling.forward(rows)


@given(tables())
@settings(max_examples=100, deadline=None)
def test_standardized_columns_have_mean_0_and_deviation_1_and_constant_ones_are_0(table):
    _, scaling, standard = scaled(table)
    for given_, got, scale in (
        (table[0], standard.inputs.numpy(), scaling.input_scale),
        (table[1], standard.targets.numpy(), scaling.target_scale),
    ):
        assert np.isfinite(got).all()
        constant = (given_ == given_[:1]).all(0)
        assert (got[:, constant] == 0).all()
        assert (scale.numpy()[constant] == 1).all()
        # a column that hardly differs from its mean is known to as many digits as its numbers have
        spread = np.abs(given_ - given_[:1]).max(0)
        clear = ~constant & (spread > 1e-6 * np.abs(given_).max(0))
        assert got[:, clear].mean(0) == pytest.approx(0, abs=1e-8)
        assert got[:, clear].std(0) == pytest.approx(1, rel=1e-8)


@given(tables(), st.integers(0, 1000), st.booleans())
@settings(max_examples=200, deadline=None)
def test_a_linear_model_predicts_the_same_in_both_units(table, seed, with_bias):
    _, scaling, standard = scaled(table)
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(table[0].shape[1], table[1].shape[1], generator=generator)
    bias = torch.randn(table[1].shape[1], generator=generator) if with_bias else None
    inside = standard.inputs @ weight.double() + (0 if bias is None else bias.double())
    expected = scaling.predictions(inside).numpy()
    own_weight, own_bias = scaling.weight(weight).numpy(), scaling.bias(weight, bias).numpy()
    got = table[0] @ own_weight + own_bias
    assert np.isfinite(own_weight).all()
    assert np.isfinite(own_bias).all()
    # rounding is relative to the terms that are added, which can be far larger than their sum
    terms = np.abs(table[0]) @ np.abs(own_weight) + np.abs(own_bias) + np.abs(expected)
    means = np.abs(scaling.input_mean.numpy()) @ np.abs(own_weight) + np.abs(scaling.target_mean.numpy())
    assert (np.abs(got - expected) <= 64 * EPSILON * (terms + means)).all()


@given(tables())
@settings(max_examples=50, deadline=None)
def test_predictions_undo_the_scaling_of_targets(table):
    _, scaling, standard = scaled(table)
    back = scaling.predictions(standard.targets).numpy()
    assert (np.abs(back - table[1]) <= 8 * EPSILON * np.abs(table[1]).max(0)).all()


@given(tables())
@settings(max_examples=50, deadline=None)
def test_a_squared_error_in_the_units_of_descent_times_loss_scale_is_one_in_those_of_the_table(table):
    assume(np.abs(table[1]).max() < 1e100)  # squares must be numbers
    _, scaling, standard = scaled(table)
    inside = (standard.targets + 0.5).square().mean(0) * scaling.loss_scale()
    outside = (
        scaling.predictions(standard.targets) - scaling.predictions(torch.full_like(standard.targets, -0.5))
    ) ** 2
    size = 1 + (scaling.target_mean.abs() / scaling.target_scale).max().item()
    assume(size < 1e6)
    assert inside.numpy() == pytest.approx(outside.mean(0).numpy(), rel=1e-8)


def test_scaling_by_known_numbers():
    rows = Rows(torch.tensor([[1.0, 7.0], [3.0, 7.0]]), torch.tensor([[10.0], [30.0]]))
    scaling = Scaling.of(rows.inputs.double(), rows.targets.double())
    assert scaling.state() == {
        "input_mean": [2.0, 7.0],
        "input_scale": [1.0, 1.0],
        "target_mean": [20.0],
        "target_scale": [10.0],
        "log_target": False,
    }
    # y = 10 (2 (x1 - 2) + 5 (x2 - 7) + 3) + 20
    weight, bias = torch.tensor([[2.0], [5.0]]), torch.tensor([3.0])
    assert scaling.weight(weight).tolist() == [[20.0], [50.0]]
    assert scaling.bias(weight, bias).tolist() == [20.0 + 30.0 - 40.0 - 350.0]
    assert scaling.bias(weight, None).tolist() == [20.0 - 40.0 - 350.0]
    assert scaling.loss_scale().tolist() == [100.0]


@pytest.mark.parametrize("size", [1e-300, 1e-200, 1e200, 1e300])
def test_columns_whose_squares_are_no_numbers_are_standardized_too(size):
    column = torch.tensor([[1.0], [2.0], [4.0]]).double()
    expected = Scaling.of(column, column).forward(Rows(column, column))
    got = Scaling.of(size * column, size * column).forward(Rows(size * column, size * column))
    assert got.inputs.numpy() == pytest.approx(expected.inputs.numpy(), rel=1e-12)
    assert got.targets.numpy() == pytest.approx(expected.targets.numpy(), rel=1e-12)


def test_a_logarithm_of_the_target_is_scaled_and_taken_back():
    rows = Rows(torch.tensor([[1.0], [2.0], [4.0]]).double(), torch.tensor([[1.0], [10.0], [100.0]]).double())
    scaling = Scaling.from_state(Scaling.of(rows.inputs, rows.targets, log_target=True).state())
    assert scaling.target_mean.tolist() == pytest.approx([np.log(10)])
    targets = scaling.forward(rows).targets
    assert targets.flatten().tolist() == pytest.approx([-(1.5**0.5), 0, 1.5**0.5])
    assert scaling.predictions(targets).flatten().tolist() == pytest.approx([1, 10, 100])


def test_the_identity_changes_nothing():
    rows = Rows(torch.tensor([[1.5, -2.0], [3.0, 4.0]]).double(), torch.tensor([[5.0], [6.0]]).double())
    scaling = Scaling.identity(2, 1)
    same = scaling.forward(rows)
    assert torch.equal(same.inputs, rows.inputs)
    assert torch.equal(same.targets, rows.targets)
    assert torch.equal(scaling.predictions(rows.targets), rows.targets)


@given(tables())
@settings(max_examples=25, deadline=None)
def test_a_scaling_comes_back_from_its_state_bit_for_bit(table):
    _, scaling, _ = scaled(table)
    back = Scaling.from_state(scaling.state())
    assert back.state() == scaling.state()
    assert back.input_mean.dtype == torch.float64


def test_a_problem_describes_its_columns_and_units():
    rows = Rows(torch.zeros(3, 2), torch.zeros(3, 1))
    scaling = Scaling.of(torch.tensor([[0.0, 1.0], [2.0, 5.0]]).double(), torch.tensor([[0.0], [1.0]]).double())
    plain = Problem(rows, None, None, ["a", "b"], ["y"])
    assert plain.describe()["scaling"] == Scaling.identity(2, 1).state()
    described = Problem(rows, None, None, ["a", "b"], ["y"], scaling=scaling).describe()
    encoding = Encoding.of_numbers(["a", "b"]).state()
    names = {"features": ["a", "b"], "targets": ["y"], "outputs": 1, "classes": []}
    assert described == {**names, "scaling": scaling.state(), "encoding": encoding}


@pytest.mark.parametrize(
    ("share", "total", "rows"), [(0, 10, 0), (7, 10, 7), (0.0, 10, 0), (0.25, 10, 2), (0.26, 10, 3), (0.5, 500, 250)]
)
def test_a_share_is_a_number_of_rows_or_a_fraction(share, total, rows):
    assert count(share, total) == rows


@pytest.mark.parametrize(("number", "expected"), [(1, ["y"]), (3, ["y1", "y2", "y3"])])
def test_one_column_has_no_number_in_its_name(number, expected):
    assert names("y", number) == expected


def test_a_batch_of_more_rows_than_there_are_is_refused():
    with pytest.raises(LabError, match=r"data\.batch_size=11 is more than the 10 training rows"):
        check_batch_size(11, 10)
