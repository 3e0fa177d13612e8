"""Starts: where descent begins, and that every parameter has a stream of its own."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from src.config.compose import compose
from src.config.schema import check
from src.errors import LabError
from src.models.linear import Linear
from src.models.two_layer import TwoLayer
from src.run.build import build_model, build_problem
from tests.kinds import model_of


def starts(model: nn.Module) -> dict[str, Tensor]:
    return {name: p.detach() for name, p in model.named_parameters()}


def wide(**keys: Any) -> dict[str, Tensor]:
    """A network whose layers have 4 and 400 inputs."""
    return starts(model_of(TwoLayer, 4, 50, hidden=400, **keys))


def test_shapes_have_a_member_axis_in_front() -> None:
    shapes = {name: list(value.shape) for name, value in wide().items()}
    assert shapes == {"weight1": [1, 4, 400], "bias1": [1, 1, 400], "weight2": [1, 400, 50], "bias2": [1, 1, 50]}
    assert {name: list(value.shape) for name, value in starts(model_of(Linear, 3, 2)).items()} == {
        "weight": [1, 3, 2],
        "bias": [1, 1, 2],
    }
    assert list(starts(model_of(Linear, 3, 2, bias=False))) == ["weight"]
    assert list(wide(bias=False)) == ["weight1", "weight2"]


@pytest.mark.parametrize(("layer", "bound"), [("1", 1 / 2), ("2", 1 / 20)])
def test_torchs_default_is_uniform_within_one_over_the_root_of_the_inputs(layer: str, bound: float) -> None:
    theirs = nn.Linear(4, 400) if layer == "1" else nn.Linear(400, 50)
    for kind, reference in (("weight", theirs.weight), ("bias", theirs.bias)):
        draw = wide(seed=1)[kind + layer]
        for values in (draw, reference.detach()):
            assert 0.9 * bound < values.abs().max() <= bound
            # the mean of n draws has deviation bound / sqrt(3 n), their mean square 2 bound^2 / sqrt(45 n)
            assert abs(values.mean()) < 5 * bound / (3 * values.numel()) ** 0.5
            assert abs(values.square().mean() / bound**2 - 1 / 3) < 5 * 2 / (45 * values.numel()) ** 0.5


def test_zeros_uniform_and_normal() -> None:
    assert all(value.count_nonzero() == 0 for value in wide(start="zeros").values())
    uniform, normal = (wide(start=how, seed=1)["weight2"] for how in ("uniform", "normal"))
    assert 0 <= uniform.min() < 0.001
    assert 0.999 < uniform.max() < 1
    # 20,000 draws: five deviations of their mean and of their mean square
    assert abs(uniform.mean() - 1 / 2) < 5 / (12 * 20_000) ** 0.5
    assert abs(normal.mean()) < 5 / 20_000**0.5
    assert abs(normal.square().mean() - 1) < 5 * (2 / 20_000) ** 0.5
    assert normal.max() > 3


@pytest.mark.parametrize("how", ["uniform", "normal"])
def test_scale_multiplies_a_draw(how: str) -> None:
    once, twice = (wide(start=how, scale=scale) for scale in (1.0, 0.25))
    assert all(torch.equal(0.25 * once[name], twice[name]) for name in once)


@pytest.mark.parametrize("how", ["torch", "uniform", "normal"])
def test_every_parameter_has_a_stream_of_its_own(how: str) -> None:
    def square(**keys: Any) -> dict[str, Tensor]:
        return starts(model_of(TwoLayer, 3, 3, hidden=3, start=how, **keys))

    first, again, other = (square(seed=seed) for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not any(torch.equal(first[name], other[name]) for name in first)
    assert not torch.equal(first["weight1"], first["weight2"])
    assert not torch.equal(first["bias1"], first["bias2"])
    assert not torch.equal(first["weight1"][:, :1], first["bias1"])
    # what one parameter starts from, or whether it is there, moves no other
    assert all(torch.equal(value, first[name]) for name, value in square(bias=False).items())
    given = square(values={"weight1": 0.0})
    assert all(torch.equal(given[name], first[name]) for name in first if name != "weight1")


@pytest.mark.parametrize("how", ["torch", "uniform", "normal"])
def test_draws_are_made_in_float32_then_cast(how: str) -> None:
    single, double = (wide(start=how, dtype=dtype) for dtype in (torch.float32, torch.float64))
    assert all(torch.equal(single[name].double(), double[name]) for name in single)


def test_no_parameter_shares_its_numbers_with_the_data() -> None:
    words = ["data=random", "data.inputs=3", "data.outputs=1", "model.start=normal", "seed=5", "logger=none"]
    config = check(compose(words))
    problem = build_problem(config)
    weight = starts(build_model(config, problem))["weight"].flatten()
    assert not torch.isin(weight, problem.train.inputs).any()
    assert not torch.isin(weight, problem.train.targets).any()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (0.1, [[0.1, 0.1], [0.1, 0.1], [0.1, 0.1]]),
        (7, [[7.0, 7.0], [7.0, 7.0], [7.0, 7.0]]),
        ([[1, 2], [3, 4], [5, 0.1]], [[1.0, 2.0], [3.0, 4.0], [5.0, 0.1]]),
        ([1, 2, 3, 4, 5, 6], [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]),
    ],
)
def test_a_start_is_what_was_given_in_full_precision(given: Any, expected: list[list[float]]) -> None:
    model = starts(model_of(Linear, 3, 2, start="zeros", values={"weight": given, "bias": None}, dtype=torch.float64))
    assert model["weight"].tolist() == [expected]
    assert model["bias"].tolist() == [[[0.0, 0.0]]]


def test_a_bias_and_a_single_column_may_be_given_as_a_list() -> None:
    model = starts(model_of(Linear, 3, 1, values={"weight": [1, 2, 3], "bias": [4]}))
    assert model["weight"].tolist() == [[[1.0], [2.0], [3.0]]]
    assert model["bias"].tolist() == [[[4.0]]]


@pytest.mark.parametrize(
    "given",
    [[1, 2, 3], [[1, 2, 3], [4, 5, 6]], [[1], [2], [3]], [[1, 2], [3]], [1.0], [[[1, 2], [3, 4], [5, 6]]], "one", []],
)
def test_a_start_of_another_shape_is_refused(given: Any) -> None:
    with pytest.raises(LabError, match=r"model\.values\.weight=.*must be a number, or 6 numbers .*\[3, 2\]"):
        model_of(Linear, 3, 2, values={"weight": given})


def test_a_start_for_a_parameter_that_is_not_there_is_refused() -> None:
    with pytest.raises(LabError, match=r"model\.values\.bias: the linear model has weight"):
        model_of(Linear, 3, 2, bias=False, values={"bias": 1.0})
    with pytest.raises(
        LabError, match=r"model\.values\.weight: the two-layer model has weight1, bias1, weight2, bias2"
    ):
        model_of(TwoLayer, 3, 2, values={"weight": 1.0})
    model_of(Linear, 3, 2, bias=False, values={"bias": None})  # what the YAML says of it when nothing is said
