"""Gradients written by hand against torch's autograd and finite differences; predictions against torch's own."""

import pytest
import torch
from hypothesis import assume, given, settings
from torch import Tensor
from torch.nn import functional as F

from src.losses.squared_error import SquaredError
from src.models.activations import ACTIVATIONS
from src.models.linear import Linear
from src.models.two_layer import TwoLayer
from tests.kinds import model_of
from tests.losses.drawn import plain_loss
from tests.models.drawn import Case, cases

H = 1e-5  # of a central difference, whose error is of the order of H^2 + 1e-16 / H


@settings(max_examples=60, deadline=None)
@given(case=cases())
def test_losses_and_gradients_are_those_of_autograd(case: Case) -> None:
    model = case.whole
    losses, gradients = model.by_hand(case.inputs, case.targets, case.loss)
    expected = plain_loss(case.loss, model(case.inputs), case.targets)
    torch.testing.assert_close(losses, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(case.loss.value(model(case.inputs), case.targets), expected, rtol=1e-12, atol=1e-12)
    theirs = torch.autograd.grad(expected.sum(), list(model.parameters()))
    for ours, their, parameter in zip(gradients, theirs, model.parameters(), strict=True):
        assert ours.shape == parameter.shape
        torch.testing.assert_close(ours, their, rtol=1e-11, atol=1e-11)


@settings(max_examples=25, deadline=None)
@given(case=cases())
def test_gradients_are_central_differences(case: Case) -> None:
    model = case.whole
    if case.activation == "relu":  # which has no derivative at 0
        hidden = case.inputs @ model.weight1 + (0 if model.bias1 is None else model.bias1)
        assume(hidden.abs().min() > 1e-3)
    _, gradients = model.by_hand(case.inputs, case.targets, case.loss)
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        for i in range(parameter.shape[1]):
            for o in range(parameter.shape[2]):
                # in every member at once: another member's number must not matter
                expected = (_moved(case, model, parameter, i, o, H) - _moved(case, model, parameter, i, o, -H)) / (
                    2 * H
                )
                torch.testing.assert_close(gradient[:, i, o], expected, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def _moved(case: Case, model: torch.nn.Module, parameter: Tensor, i: int, o: int, by: float) -> Tensor:
    """The losses with one number of each member moved."""
    before = parameter.clone()
    parameter[:, i, o] += by
    losses = plain_loss(case.loss, model(case.inputs), case.targets)
    parameter.copy_(before)
    return losses


@settings(max_examples=30, deadline=None)
@given(case=cases(most_members=1))
def test_predictions_are_those_of_torchs_layers(case: Case) -> None:
    (model,) = case.members
    first = {name: p[0].T for name, p in model.named_parameters()}
    rows = case.inputs[0]
    if isinstance(model, Linear):
        expected = F.linear(rows, first["weight"]) + (first["bias"].T if "bias" in first else 0)
    else:
        hidden = F.linear(rows, first["weight1"]) + (first["bias1"].T if "bias1" in first else 0)
        active = getattr(torch, case.activation)(hidden) if case.activation != "identity" else hidden
        expected = F.linear(active, first["weight2"]) + (first["bias2"].T if "bias2" in first else 0)
    torch.testing.assert_close(model(case.inputs)[0], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_slopes_are_those_of_autograd_at_zero_and_far_out_too(name: str) -> None:
    z = torch.tensor([-800.0, -3.0, -1e-300, -0.0, 0.0, 1e-300, 0.5, 40.0, 800.0], dtype=torch.float64)
    value, slope = ACTIVATIONS[name].value, ACTIVATIONS[name].slope
    theirs = torch.autograd.functional.jacobian(lambda at: value(at), z).diagonal()
    torch.testing.assert_close(slope(z, value(z)), theirs, rtol=1e-14, atol=0)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_unit_has_the_same_bits_wherever_it_stands_in_a_stack(name: str, dtype: torch.dtype) -> None:
    z = 3 * torch.randn(200, generator=torch.Generator().manual_seed(0), dtype=dtype)
    activation = ACTIVATIONS[name]
    whole = activation.value(z), activation.slope(z, activation.value(z))
    for first in range(0, 190, 3):
        part = z[first : first + 7].clone()
        alone = activation.value(part), activation.slope(part, activation.value(part))
        assert all(torch.equal(a, b[first : first + 7]) for a, b in zip(alone, whole, strict=True))


def test_the_smallest_backpropagation_is_what_paper_and_pencil_give() -> None:
    # x = 2, y = 1; relu(2 * 3 - 1) = 5; 5 * 0.5 + 0.25 = 2.75; e = 1.75: loss e^2, and by the chain rule
    model = model_of(TwoLayer, 1, 1, hidden=1, values={"weight1": 3.0, "bias1": -1.0, "weight2": 0.5, "bias2": 0.25})
    x, y = torch.tensor([[[2.0]]]), torch.tensor([[[1.0]]])
    losses, gradients = model.by_hand(x, y, SquaredError())
    assert losses.tolist() == [1.75**2]
    assert [gradient.item() for gradient in gradients] == [2 * 1.75 * 0.5 * 2, 2 * 1.75 * 0.5, 2 * 1.75 * 5, 2 * 1.75]
