import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from src.data.problem import Rows
from src.engine.condensed_data import Condensed
from src.losses.squared_error import SquaredError


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 40),
    inputs=st.integers(1, 5),
    outputs=st.integers(1, 3),
    bias=st.booleans(),
    reduction=st.sampled_from(["mean", "sum"]),
    seed=st.integers(0, 2**20),
)
def test_a_few_numbers_have_the_loss_and_gradient_of_all_rows(
    rows: int, inputs: int, outputs: int, bias: bool, reduction: str, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, inputs, generator=generator, dtype=torch.float64) * 10
    y = torch.randn(rows, outputs, generator=generator, dtype=torch.float64)
    theta = torch.randn(1, inputs + bias, outputs, generator=generator, dtype=torch.float64)
    squares = (x @ theta[0, :inputs] + (theta[0, inputs:] if bias else 0) - y).square()
    loss = SquaredError(reduction)
    few = Condensed.of(Rows(x, y), bias, loss, torch.float64)
    residual = few.offset + few.factor @ theta
    assert few.factor.shape == (1, inputs + bias, inputs + bias)
    torch.testing.assert_close(few.losses(residual[None])[0, 0], getattr(squares, reduction)(), rtol=1e-12, atol=1e-13)

    theta.requires_grad_()
    squares = (x @ theta[0, :inputs] + (theta[0, inputs:] if bias else 0) - y).square()
    (expected,) = torch.autograd.grad(getattr(squares, reduction)(), theta)
    torch.testing.assert_close(2 * few.factor.mT @ residual, expected, rtol=1e-11, atol=1e-11)


def test_nothing_cancels_where_the_data_lie_on_a_line() -> None:
    x = torch.linspace(0, 1, 100, dtype=torch.float64)[:, None]
    few = Condensed.of(Rows(x, 3 * x + 1), True, SquaredError("mean"), torch.float64)
    theta = torch.tensor([[[3.0], [1.0 + 1e-9]]], dtype=torch.float64)
    loss = few.losses((few.offset + few.factor @ theta)[None])[0, 0]
    assert float(loss) == pytest.approx(1e-18, rel=1e-5)


def test_members_are_joined_and_chosen() -> None:
    x = torch.arange(6.0).view(3, 2, 1)
    parts = [Condensed.of(Rows(one, one), True, SquaredError("sum"), torch.float32) for one in x]
    whole = Condensed.joined(parts, torch.device("cpu")).select(torch.tensor([2, 0, 2]))
    for name in ("factor", "offset", "rest"):
        expected = torch.cat([getattr(parts[index], name) for index in (2, 0, 2)])
        assert torch.equal(getattr(whole, name), expected)
