"""What happens to gradients between the loss and the optimizer: against torch's own clipping, and adding up."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from src.engine.gradients import Treatment, clipped, norms

SHAPES = [(2, 3), (1, 3), (3, 1)]
"""Of the parameters of one member."""


def drawn(members: int, seed: int = 0, scale: float = 1.0) -> list[Tensor]:
    """Gradients `[P, ...]`, the second member's 100 times the others'."""
    generator = torch.Generator().manual_seed(seed)
    found = [torch.randn(members, *shape, generator=generator, dtype=torch.float64) * scale for shape in SHAPES]
    for gradient in found:
        gradient[1:2] *= 100
    return found


def torchs(gradients: list[Tensor], limit: float, by_norm: bool) -> list[Tensor]:
    """Clipped by torch, as those of one module."""
    parameters = [nn.Parameter(torch.zeros_like(gradient)) for gradient in gradients]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient.clone()
    if by_norm:
        nn.utils.clip_grad_norm_(parameters, limit, foreach=False)
    else:
        nn.utils.clip_grad_value_(parameters, limit, foreach=False)
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


# --- norms -----------------------------------------------------------------------------------------------------------


def test_the_norm_of_a_gradient_is_a_members_own() -> None:
    gradients = [
        torch.tensor([[[3.0], [0.0]], [[0.0], [0.0]], [[1.0], [2.0]]]),
        torch.tensor([[[4.0]], [[0.0]], [[2.0]]]),
    ]
    assert norms(gradients, 3).tolist() == [5.0, 0.0, 3.0]
    assert norms([gradients[0], None], 3).tolist() == pytest.approx([3.0, 0.0, 5**0.5])


def test_the_norm_of_one_member_is_of_all_its_numbers_whatever_their_shapes() -> None:
    # 2, 3, 6 and 7 are the edges of a Pythagorean quadruple
    assert norms([torch.tensor([[2.0], [3.0]]), torch.tensor([6.0])], 1).tolist() == [7.0]


@pytest.mark.parametrize("members", [1, 4])
def test_a_norm_is_torchs(members: int) -> None:
    gradients = drawn(members)
    expected = [float(nn.utils.get_total_norm([g[index] for g in gradients])) for index in range(members)]
    assert norms(gradients, members).tolist() == pytest.approx(expected, rel=1e-14)


# --- clipping --------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(
    by_norm=st.booleans(),
    limit=st.floats(1e-3, 1e3),
    seed=st.integers(0, 2**20),
    scale=st.sampled_from([0.0, 1.0, 50.0]),
)
def test_one_member_is_clipped_as_torch_does(by_norm: bool, limit: float, seed: int, scale: float) -> None:
    gradients = drawn(1, seed, scale)
    for ours, its in zip(clipped(gradients, limit, by_norm), torchs(gradients, limit, by_norm), strict=True):
        torch.testing.assert_close(ours, its, rtol=1e-14, atol=0)


@settings(deadline=None, max_examples=60)
@given(by_norm=st.booleans(), limits=st.lists(st.floats(1e-2, 1e3), min_size=2, max_size=5), seed=st.integers(0, 2**20))
def test_each_of_several_is_clipped_to_its_own_limit(by_norm: bool, limits: list[float], seed: int) -> None:
    gradients = drawn(len(limits), seed)
    whole = clipped(gradients, torch.tensor(limits, dtype=torch.float64), by_norm)
    for index, limit in enumerate(limits):
        its = torchs([gradient[index] for gradient in gradients], limit, by_norm)
        for ours, expected in zip(whole, its, strict=True):
            assert ours is not None
            torch.testing.assert_close(ours[index], expected, rtol=1e-14, atol=0)


@pytest.mark.parametrize("by_norm", [True, False])
def test_what_is_not_there_stays_away_and_no_limit_is_none(by_norm: bool) -> None:
    gradients = drawn(2)
    some = clipped([gradients[0], None], torch.tensor([1.0, 2.0], dtype=torch.float64), by_norm)
    assert some[1] is None
    (one, nothing) = clipped([gradients[0][:1], None], 1.0, by_norm)
    assert nothing is None
    assert one is not None
    unlimited = clipped(gradients, torch.tensor([torch.inf, torch.inf], dtype=torch.float64), by_norm)
    for ours, before in zip(unlimited, gradients, strict=True):
        assert ours is not None
        assert torch.equal(ours, before)


@pytest.mark.parametrize("by_norm", [True, False])
@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_a_member_that_overflows_does_not_touch_another(by_norm: bool, bad: float) -> None:
    gradients, limits = drawn(3), torch.tensor([1.0, 1.0, 1.0], dtype=torch.float64)
    expected = clipped(gradients, limits, by_norm)
    gradients[0] = gradients[0].clone()
    gradients[0][1, 0, 0] = bad
    for ours, its in zip(clipped(gradients, limits, by_norm), expected, strict=True):
        assert ours is not None
        assert its is not None
        assert torch.equal(ours[[0, 2]], its[[0, 2]])


@pytest.mark.parametrize("by_norm", [True, False])
def test_clipping_leaves_what_it_was_given(by_norm: bool) -> None:
    gradients = drawn(2)
    before = [gradient.clone() for gradient in gradients]
    clipped(gradients, torch.tensor([0.1, 0.1], dtype=torch.float64), by_norm)
    assert all(map(torch.equal, gradients, before))


# --- adding up -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_norm", [True, False])
@pytest.mark.parametrize("limit", [None, 3.0])
@pytest.mark.parametrize("zero_every", [0, 1, 3])
def test_gradients_add_up_until_they_are_zeroed(zero_every: int, limit: float | None, by_norm: bool) -> None:
    """As torch's loop does: `zero_grad` at multiples, `backward` adds to what is there, clipped as it is."""
    treatment, before = Treatment(zero_every, limit, by_norm), list[Any]([None] * len(SHAPES))
    parameters = [nn.Parameter(torch.zeros(1, *shape, dtype=torch.float64)) for shape in SHAPES]
    for step in range(8):
        fresh = drawn(1, seed=step)
        if zero_every and step % zero_every == 0:
            for parameter in parameters:
                parameter.grad = None
        torch.stack([(p * g).sum() for p, g in zip(parameters, fresh, strict=True)]).sum().backward()
        if limit is not None and by_norm:
            nn.utils.clip_grad_norm_(parameters, limit)
        elif limit is not None:
            nn.utils.clip_grad_value_(parameters, limit)
        before = list(treatment(fresh, before, step))
        for ours, parameter in zip(before, parameters, strict=True):
            torch.testing.assert_close(ours, parameter.grad, rtol=1e-13, atol=0)


def test_what_does_nothing_hands_on_the_same_tensors() -> None:
    gradients = drawn(2)
    assert Treatment().nothing
    assert not Treatment(3).nothing
    assert not Treatment(clip=1.0).nothing
    assert list(map(id, Treatment()(gradients, [None] * 3, 5))) == list(map(id, gradients))


def test_a_gradient_that_comes_late_is_the_first_of_its_sum() -> None:
    one = torch.ones(1, 2)
    treatment = Treatment(zero_every=0)
    (first,) = treatment([None], [None], 0)
    (second,) = treatment([one], [first], 1)
    (third,) = treatment([one], [second], 2)
    assert first is None
    assert second is one
    assert third is not None
    assert third.tolist() == [[2.0, 2.0]]
