"""Members of a stack: each is what it is alone, and none touches another."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from src.models.linear import Linear
from src.models.member_axis import flatten, member, stack, without_member_axis
from src.models.two_layer import TwoLayer
from tests.kinds import model_of
from tests.models.drawn import Case, cases


@settings(max_examples=40, deadline=None)
@given(case=cases(most_members=4))
def test_a_member_is_what_it_is_alone(case: Case) -> None:
    whole = case.whole
    losses, gradients = whole.by_hand(case.inputs, case.targets, case.loss)
    for p, alone in enumerate(case.members):
        only = slice(p, p + 1)
        assert isinstance(alone, Linear | TwoLayer)
        loss, own = alone.by_hand(case.inputs[only], case.targets[only], case.loss)
        torch.testing.assert_close(losses[only], loss, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(whole(case.inputs)[only], alone(case.inputs[only]), rtol=1e-12, atol=1e-12)
        for gradient, expected in zip(gradients, own, strict=True):
            torch.testing.assert_close(gradient[only], expected, rtol=1e-12, atol=1e-12)
        for (name, joined), (same, parameter) in zip(whole.named_parameters(), alone.named_parameters(), strict=True):
            assert name == same
            assert torch.equal(joined[only], parameter)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@settings(max_examples=20, deadline=None)
@given(case=cases(most_members=4), data=st.data())
def test_a_member_that_is_not_finite_touches_no_other(bad: float, case: Case, data: st.DataObject) -> None:
    sick = data.draw(st.integers(0, len(case.members) - 1))
    well, ill = case.whole, case.whole
    with torch.no_grad():
        for parameter in ill.parameters():
            parameter[sick] = bad
    others = [p for p in range(len(case.members)) if p != sick]
    for way in (_by_hand, _by_autograd):
        (losses, *gradients), (ill_losses, *ill_gradients) = way(case, well), way(case, ill)
        assert not ill(case.inputs)[sick].isfinite().all()
        assert torch.equal(losses[others], ill_losses[others])
        for before, after in zip(gradients, ill_gradients, strict=True):
            assert torch.equal(before[others], after[others])


def _by_hand(case: Case, model: Linear | TwoLayer) -> list[Tensor]:
    losses, gradients = model.by_hand(case.inputs, case.targets, case.loss)
    return [losses, *gradients]


def _by_autograd(case: Case, model: Linear | TwoLayer) -> list[Tensor]:
    losses = case.loss.value(model(case.inputs), case.targets)
    return [losses.detach(), *torch.autograd.grad(losses.sum(), list(model.parameters()))]


def test_a_stack_is_a_copy() -> None:
    alone = model_of(Linear, 2, 1, seed=3)
    whole = stack([alone, model_of(Linear, 2, 1, seed=4)])
    before = alone.weight.detach().clone()
    with torch.no_grad():
        for parameter in whole.parameters():
            parameter.zero_()
    assert torch.equal(alone.weight, before)
    assert all(parameter.requires_grad for parameter in whole.parameters())


@settings(max_examples=20, deadline=None)
@given(case=cases(most_members=1))
def test_without_the_member_axis_it_predicts_the_same(case: Case) -> None:
    (alone,) = case.members
    shapes = [list(p.shape) for p in alone.parameters()]
    bare = without_member_axis(case.whole)
    assert [[1, *p.shape] for p in bare.parameters()] == shapes
    assert torch.equal(bare(case.inputs), alone(case.inputs))
    assert isinstance(bare, Linear | TwoLayer)
    assert isinstance(alone, Linear | TwoLayer)
    ours, theirs = (m.by_hand(case.inputs, case.targets, case.loss) for m in (bare, alone))
    assert all(torch.equal(a, b) for a, b in zip(ours[1], theirs[1], strict=True))


def test_a_member_is_taken_out_of_a_parameter_with_or_without_its_axis() -> None:
    value = torch.arange(12.0).view(2, 3, 2)
    assert member(value, 1).tolist() == [[6.0, 7.0], [8.0, 9.0], [10.0, 11.0]]
    assert member(value[0], 0).tolist() == [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]


@pytest.mark.parametrize("bias", [True, False])
def test_a_flat_parameter_is_seen_by_the_model(bias):
    models = [model_of(TwoLayer, 3, 2, hidden=4, seed=seed, bias=bias) for seed in (1, 2)]
    whole = stack(models)
    before = {name: value.detach().clone() for name, value in whole.named_parameters()}
    flat = flatten(whole)
    assert flat.shape == (2, sum(value[0].numel() for value in before.values()))
    assert all(torch.equal(value, before[name]) for name, value in whole.named_parameters())
    with torch.no_grad():
        flat.mul_(2)
    assert all(torch.equal(value, 2 * before[name]) for name, value in whole.named_parameters())
    assert torch.equal(flat.detach(), torch.cat([2 * value.flatten(1) for value in before.values()], 1))
