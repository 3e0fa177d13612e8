"""Shards of a batch: losses and gradients of any cut add up to those of the whole."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from src.losses.squared_error import SquaredError
from tests.models.drawn import Case, cases

Way = Callable[[Case, int | None], tuple[Tensor, Sequence[Tensor]]]


def by_autograd(case: Case, rows: int | None) -> tuple[Tensor, Sequence[Tensor]]:
    model = case.whole
    losses = case.loss.value(model(case.inputs), case.targets, rows)
    return losses.detach(), torch.autograd.grad(losses.sum(), list(model.parameters()))


def by_hand(case: Case, rows: int | None) -> tuple[Tensor, Sequence[Tensor]]:
    with torch.no_grad():
        return case.whole.by_hand(case.inputs, case.targets, case.loss, rows)


@pytest.mark.parametrize("way", [by_autograd, by_hand])
@settings(max_examples=40, deadline=None)
@given(case=cases(), data=st.data())
def test_shards_add_up_to_the_batch(way: Way, case: Case, data: st.DataObject) -> None:
    rows = case.inputs.shape[1]
    cuts = sorted(data.draw(st.lists(st.integers(0, rows), max_size=4)))  # twice the same: an empty shard
    losses, gradients = way(case, None)
    shards = [way(case.rows(slice(start, stop)), rows) for start, stop in pairwise([0, *cuts, rows])]
    torch.testing.assert_close(sum(loss for loss, _ in shards), losses, rtol=1e-12, atol=1e-12)
    for index, gradient in enumerate(gradients):
        torch.testing.assert_close(sum(part[index] for _, part in shards), gradient, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("way", [by_autograd, by_hand])
@settings(max_examples=15, deadline=None)
@given(case=cases())
def test_an_empty_shard_adds_nothing(way: Way, case: Case) -> None:
    losses, gradients = way(case.rows(slice(0, 0)), 5)
    assert not losses.count_nonzero()
    assert not any(gradient.count_nonzero() for gradient in gradients)


@pytest.mark.parametrize(("reduction", "expected"), [("mean", [12.5 / 4, 0.5]), ("sum", [12.5, 2.0])])
def test_a_loss_is_the_mean_or_the_sum_over_rows_and_outputs(reduction: str, expected: list[float]) -> None:
    # two members, two rows, two outputs
    predictions = torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[1.0, 1.0], [0.0, 0.0]]])
    targets = torch.tensor([[[1.0, 0.0], [0.5, 2.5]], [[0.0, 0.0], [0.0, 0.0]]])
    loss = SquaredError("sum" if reduction == "sum" else "mean")
    assert loss.value(predictions, targets).tolist() == loss.derivative(predictions, targets)[0].tolist() == expected
    theirs = [float(F.mse_loss(p, y, reduction=reduction)) for p, y in zip(predictions, targets, strict=True)]
    assert theirs == expected
