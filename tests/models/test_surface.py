"""A surface as a model: by hand against autograd and the function itself, alone, in a stack and in shards."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from src.config.surfaces import FUNCTIONS
from src.data.problem import Rows
from src.engine.gradient_check import check_gradients
from src.errors import LabError
from src.losses.value import Value
from src.models.member_axis import stack, without_member_axis
from src.models.surface import Surface
from tests.kinds import model_of

each = pytest.mark.parametrize("name", FUNCTIONS)
PLACES = [[0.3, -0.7], [1.5, 0.25], [-1.0, 2.0]]


def members(name: str) -> Any:
    """Three in a stack, at different places."""
    return stack([model_of(Surface, 2, 1, function=name, point=place, dtype=torch.float64) for place in PLACES])


def noise(rows: int) -> Tensor:
    return torch.randn(3, rows, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def expected(name: str, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Heights and slopes of each member, by the formula: f + mean(n) · p and f' + mean(n)."""
    place = torch.tensor(PLACES, dtype=torch.float64)
    (x, y), mean = place.unbind(1), inputs.mean(1)
    height = FUNCTIONS[name].value(x, y, torch)
    slope = torch.stack(FUNCTIONS[name].gradient(x, y, torch), 1)
    return height + (mean * place).sum(1), slope + mean


@each
@pytest.mark.parametrize("rows", [1, 4])
def test_heights_and_slopes_by_hand_are_those_of_autograd_and_of_the_formula(name: str, rows: int) -> None:
    model, inputs, loss = members(name), noise(rows), Value()
    nothing = torch.zeros(3, rows, 1, dtype=torch.float64)
    made = model(inputs)
    assert made.shape == (3, rows, 1)
    automatic = loss.value(made, nothing)
    (theirs,) = torch.autograd.grad(automatic.sum(), [model.point])
    with torch.no_grad():
        losses, (ours,) = model.by_hand(inputs, nothing, loss)
    heights, slopes = expected(name, inputs)
    for found in (losses, automatic.detach()):
        torch.testing.assert_close(found, heights, rtol=1e-12, atol=1e-12)
    assert ours.shape == model.point.shape
    for found in (ours, theirs):
        torch.testing.assert_close(found[:, 0], slopes, rtol=1e-12, atol=1e-12)


def test_shards_add_up_to_the_batch() -> None:
    model, inputs, loss = members("beale"), noise(5), Value()
    targets = torch.zeros(3, 5, 1, dtype=torch.float64)
    with torch.no_grad():
        whole = model.by_hand(inputs, targets, loss)
        shards = [
            model.by_hand(inputs[:, start:stop], targets[:, start:stop], loss, 5)
            for start, stop in pairwise([0, 2, 2, 5])
        ]
        values = [
            loss.value(model(inputs[:, start:stop]), targets[:, start:stop], 5)
            for start, stop in pairwise([0, 2, 2, 5])
        ]
    torch.testing.assert_close(sum(losses for losses, _ in shards), whole[0], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(sum(values), whole[0], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(sum(parts[0] for _, parts in shards), whole[1][0], rtol=1e-12, atol=1e-12)


def test_it_starts_where_the_function_says_or_where_it_is_told() -> None:
    own = model_of(Surface, 2, 1, function="rosenbrock", dtype=torch.float64)
    told = model_of(Surface, 2, 1, function="rosenbrock", point=[3, -4.5], dtype=torch.float64)
    assert own.get_parameter("point").tolist() == [[[-1.2, 1.0]]]
    assert told.get_parameter("point").tolist() == [[[3.0, -4.5]]]


def test_it_works_as_a_matrix_for_optimizers_that_take_only_those() -> None:
    alone = model_of(Surface, 2, 1, function="beale", dtype=torch.float64)
    bare = without_member_axis(model_of(Surface, 2, 1, function="beale", dtype=torch.float64))
    assert bare.get_parameter("point").shape == (1, 2)
    assert torch.equal(alone(noise(4)[:1]), bare(noise(4)[:1]))


@each
def test_the_gradient_check_passes(name: str) -> None:
    model = model_of(Surface, 2, 1, function=name)
    found = check_gradients(model, Value(), Rows(noise(3)[0], torch.zeros(3, 1)), seed=0)
    assert found.by_hand
    assert found.compared == 4  # both coordinates at both points
    assert found.largest < 1e-7


class Wrong(Surface):
    def by_hand(self, inputs: Tensor, targets: Tensor, loss: Any, rows: int | None = None) -> Any:
        losses, (slope,) = super().by_hand(inputs, targets, loss, rows)
        return losses, (slope * torch.tensor([1.0, 1.001], dtype=torch.float64),)


class Unlike(Surface):
    """Its value by autograd is not what its value is."""

    def forward(self, inputs: Tensor) -> Tensor:
        made = super().forward(inputs)
        return made + (made * 0.001).detach() - 0.001 * made


@pytest.mark.parametrize(("kind", "told"), [(Wrong, "by autograd"), (Unlike, "by autograd")])
def test_the_gradient_check_finds_a_wrong_one(kind: type[Surface], told: str) -> None:
    with pytest.raises(LabError, match=rf"the derivative by point\[0, \d\] is .*{told}"):
        check_gradients(
            model_of(kind, 2, 1, function="himmelblau"), Value(), Rows(noise(3)[0], torch.zeros(3, 1)), seed=0
        )
