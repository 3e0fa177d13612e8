"""Drawn data against their formulas in numpy, and the laws of their seeds."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator

from src.data.features import Features
from src.data.line import Line
from src.data.noise import Noise
from src.data.random import Random
from src.data.teacher import Teacher
from src.engine.device_data import DeviceData
from src.losses.squared_error import SquaredError
from src.models.activations import ACTIVATIONS
from src.models.linear import Linear
from src.models.two_layer import TwoLayer
from src.seeds import stream
from tests.kinds import changed, data_of, model_of

NONE = {"val": 0, "test": 0}
NOISY_LINE = data_of(
    Line, seed=42, rows=100, **NONE, slope=2.0, intercept=1.0, noise=2.0, low=0.0, high=10.0, spacing="even"
)  # FACTS
UNIFORM = changed(NOISY_LINE, spacing="uniform")
FEATURES = data_of(
    Features, seed=0, rows=50, **NONE, inputs=4, condition_number=100.0, weights=None, intercept=1.0, noise=0.1
)
RANDOM = data_of(Random, seed=0, rows=50, **NONE, inputs=3, outputs=2)
TEACHER = data_of(Teacher, seed=0, rows=50, **NONE, inputs=3, hidden=5, outputs=2, activation="tanh", noise=0.1)
NOISE = data_of(Noise, seed=0, rows=50, **NONE, noise=0.5)
KINDS = {
    "even": NOISY_LINE,
    "uniform": UNIFORM,
    "normal": changed(NOISY_LINE, spacing="normal"),
    "features": FEATURES,
    "random": RANDOM,
    "teacher": TEACHER,
    "noise": NOISE,
}

kinds = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
seeds = st.integers(0, 2**32 - 1)
shares = st.one_of(st.integers(0, 30), st.floats(0, 0.99))


def normal(seed, *shape):
    return torch.randn(*shape, generator=Generator().manual_seed(seed))


def numpy(tensor):
    return tensor.numpy().astype(float)


def drawn(kind, **changes):
    """The problem of this kind with some of its arguments changed."""
    return changed(kind, **changes).problem()


def same_rows(one, other):
    return torch.equal(one.inputs, other.inputs) and torch.equal(one.targets, other.targets)


def hessian(x, bias):
    """`2 XᵀX / n`, of FACTS, in float64."""
    design = np.column_stack([x, np.ones(len(x))]) if bias else x
    return 2 * design.T @ design / len(x)


# --- the line --------------------------------------------------------------------------------------------------------


def test_the_noisy_line_is_its_definition_bit_for_bit():
    train = drawn(NOISY_LINE).train
    x = torch.linspace(0, 10, 100)[:, None]
    assert torch.equal(train.inputs, x)
    assert torch.equal(train.targets, 2 * x + 1 + 2 * normal(42, 100, 1))


def test_the_noisy_line_has_the_exact_answer_of_facts():
    train = drawn(NOISY_LINE).train
    x, y = numpy(train.inputs), numpy(train.targets)
    (weight, bias), (squares,), *_ = np.linalg.lstsq(np.column_stack([x, np.ones(100)]), y[:, 0])
    low, high = np.linalg.eigvalsh(hessian(x, bias=True))
    assert [weight, bias, squares / 100] == pytest.approx([1.98821, 1.17848, 3.85161], abs=5e-6)
    assert [low, high, high / low] == pytest.approx([0.496398, 68.50697, 138.008], rel=5e-6)


def test_uniform_inputs_come_before_the_noise_and_fill_the_range():
    problem = drawn(UNIFORM, seed=3, low=-2.0, high=6.0)
    generator = Generator().manual_seed(3)
    x = -2 + 8 * torch.rand(100, 1, generator=generator)
    assert torch.equal(problem.train.inputs, x)
    assert torch.equal(problem.train.targets, 2 * x + 1 + 2 * torch.randn(100, 1, generator=generator))


def test_normal_inputs_have_the_middle_as_mean_and_half_the_range_as_deviation():
    x = numpy(drawn(NOISY_LINE, rows=10_000, spacing="normal", low=-2.0, high=6.0).train.inputs)
    # six standard errors: 4 / √10000 of the mean, 4 / √20000 of the deviation
    assert x.mean() == pytest.approx(2, abs=6 * 0.04)
    assert x.std() == pytest.approx(4, abs=6 * 0.029)


@pytest.mark.parametrize("spacing", ["even", "uniform", "normal"])
def test_a_line_without_noise_lies_on_its_truth(spacing):
    problem = drawn(NOISY_LINE, noise=0.0, spacing=spacing, val=5)
    for rows in (problem.train, problem.val):
        line = numpy(rows.inputs) @ numpy(problem.truth["weight"]) + numpy(problem.truth["bias"])
        assert numpy(rows.targets) == pytest.approx(line, rel=1e-6, abs=1e-6)
    assert (problem.truth["weight"].tolist(), problem.truth["bias"].tolist()) == ([[2.0]], [1.0])


# --- features --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bias", [True, False], ids=["with_bias", "without_bias"])
@pytest.mark.parametrize(
    ("rows", "inputs", "condition_number", "tolerance"),
    [
        (500, 10, 100.0, 1e-6),
        (11, 10, 100.0, 1e-6),  # the fewest rows there can be
        (5, 4, 1.0, 1e-6),
        (500, 10, 1e6, 1e-4),
        # inputs are float32: they round by 6e-8 where the smallest deviation is 1e-5
        (500, 10, 1e10, 1e-2),
    ],
)
def test_the_hessian_has_the_condition_number_asked_for(rows, inputs, condition_number, tolerance, bias):
    asked = changed(FEATURES, rows=rows, inputs=inputs, condition_number=condition_number)
    eigenvalues = np.linalg.eigvalsh(hessian(numpy(drawn(asked).train.inputs), bias))
    assert eigenvalues[-1] / eigenvalues[0] == pytest.approx(condition_number, rel=tolerance)
    assert eigenvalues[-1] == pytest.approx(2, rel=tolerance)  # variance 1 along the longest axis


def test_one_feature_has_the_condition_number_together_with_the_bias():
    x = numpy(drawn(FEATURES, inputs=1, condition_number=50.0).train.inputs)
    low, high = np.linalg.eigvalsh(hessian(x, bias=True))
    assert high / low == pytest.approx(50, rel=1e-6)


def test_variances_are_evenly_spaced_in_their_logarithm_and_no_axis_is_a_feature():
    x = numpy(drawn(FEATURES, condition_number=1000.0).train.inputs)
    hess = hessian(x, bias=False)
    assert np.linalg.eigvalsh(hess) / 2 == pytest.approx([1e-3, 1e-2, 1e-1, 1], rel=1e-5)
    assert abs(hess[~np.eye(4, dtype=bool)]).max() > 0.01


def test_fresh_rows_of_features_have_the_same_covariance():
    problem = drawn(FEATURES, rows=100, val=20_000)
    x = numpy(problem.val.inputs)
    # six standard errors of a variance of at most 1 over 20,000 rows, √(2 / 20000) = 0.01
    assert np.cov(x.T) == pytest.approx(np.cov(numpy(problem.train.inputs).T), abs=0.06)


@pytest.mark.parametrize("weights", [None, [3.0, -1.0, 0.5, 0.0]], ids=["drawn", "given"])
def test_features_without_noise_lie_on_their_truth(weights):
    problem = drawn(FEATURES, weights=weights, noise=0.0, intercept=-2.5, val=5, test=5)
    weight, bias = numpy(problem.truth["weight"]), numpy(problem.truth["bias"])
    if weights is not None:
        assert weight[:, 0].tolist() == weights
    assert (weight.shape, bias.tolist()) == ((4, 1), [-2.5])
    for rows in (problem.train, problem.val, problem.test):
        assert numpy(rows.targets) == pytest.approx(numpy(rows.inputs) @ weight + bias, abs=1e-5)


@given(seed=seeds)
@settings(max_examples=25, deadline=None)
def test_drawn_true_weights_are_neither_inputs_nor_the_start_of_a_model(seed):
    truth = drawn(FEATURES, seed=seed).truth["weight"].float()
    assert not torch.isclose(truth, normal(seed, 4, 1)).all()
    assert not torch.isclose(truth, normal(seed, 50, 4)[:1].T).all()
    assert not torch.isclose(truth, model_of(Linear, 4, 1, seed=seed, start="normal").weight[0]).all()


def test_the_noise_of_features_is_standard_normal_times_its_size():
    still, noisy = (drawn(FEATURES, noise=noise, rows=10_000).train for noise in (0.0, 0.5))
    noise = numpy(noisy.targets - still.targets)
    assert torch.equal(still.inputs, noisy.inputs)
    assert noise.std() == pytest.approx(0.5, abs=6 * 0.5 / math.sqrt(20_000))


# --- random, teacher and noise ---------------------------------------------------------------------------------------


def test_random_inputs_then_targets_are_the_first_normals_of_the_seed():
    train = drawn(RANDOM, seed=9).train
    generator = Generator().manual_seed(9)
    assert torch.equal(train.inputs, torch.randn(50, 3, generator=generator))
    assert torch.equal(train.targets, torch.randn(50, 2, generator=generator))


ACTIVATIONS_IN_NUMPY: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": lambda z: np.maximum(z, 0),
    "tanh": np.tanh,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "identity": lambda z: z,
}


def test_every_activation_has_its_formula_here():
    assert set(ACTIVATIONS) == set(ACTIVATIONS_IN_NUMPY)


@pytest.mark.parametrize("activation", ACTIVATIONS_IN_NUMPY)
def test_the_teacher_is_a_two_layer_network(activation):
    teacher = changed(TEACHER, activation=activation, noise=0.0, val=7)
    net = {name: numpy(value) for name, value in teacher.network().items()}
    for rows in (drawn(teacher).train, drawn(teacher).val):
        hidden = ACTIVATIONS_IN_NUMPY[activation](numpy(rows.inputs) @ net["weight1"] + net["bias1"])
        assert numpy(rows.targets) == pytest.approx(hidden @ net["weight2"], abs=1e-5)


def test_the_teachers_weights_have_the_variances_of_its_docstring():
    net = changed(TEACHER, inputs=400, hidden=100, outputs=400).network()
    shapes = {name: tuple(value.shape) for name, value in net.items()}
    assert shapes == {"weight1": (400, 100), "bias1": (100,), "weight2": (100, 400)}
    # six standard errors of a deviation: 1 / √(2 n) of it
    assert net["weight1"].std().item() == pytest.approx(1 / 20, rel=6 / math.sqrt(80_000))
    assert net["bias1"].std().item() == pytest.approx(1 / 20, rel=6 / math.sqrt(200))
    assert net["weight2"].std().item() == pytest.approx(1 / 10, rel=6 / math.sqrt(80_000))


def test_the_teachers_noise_is_standard_normal_times_its_size():
    still, noisy = (drawn(TEACHER, noise=noise, rows=10_000).train for noise in (0.0, 0.5))
    noise = numpy(noisy.targets - still.targets)
    assert torch.equal(still.inputs, noisy.inputs)
    assert noise.std() == pytest.approx(0.5, abs=6 * 0.5 / math.sqrt(40_000))


@given(seed=seeds)
@settings(max_examples=25, deadline=None)
def test_a_teacher_is_not_the_start_of_its_student(seed):
    teacher = changed(TEACHER, seed=seed).network()
    student = model_of(TwoLayer, 3, 2, hidden=5, seed=seed, start="normal")
    for name, value in teacher.items():
        start = student.get_parameter(name).detach()[0]
        correlation = torch.corrcoef(torch.stack([value.flatten(), start.flatten()]))[0, 1]
        assert abs(correlation) < 0.9999, name


@given(seed=seeds)
@settings(max_examples=25, deadline=None)
def test_the_layers_of_a_teacher_are_drawn_apart(seed):
    # of one shape and one scale, so that equal draws would be equal weights
    net = changed(TEACHER, seed=seed, inputs=4, hidden=4, outputs=4).network()
    first, bias, second = net["weight1"][0], net["bias1"], net["weight2"][0]
    assert not any(torch.isclose(*pair).all() for pair in ((first, bias), (first, second), (bias, second)))


def test_the_noise_of_a_surface_is_the_first_normals_of_the_seed_less_their_mean():
    rows = drawn(NOISE).train
    expected = normal(0, 50, 2).double()
    np.testing.assert_allclose(numpy(rows.inputs), 0.5 * numpy(expected - expected.mean(0)), rtol=1e-6, atol=1e-7)
    assert not rows.targets.any()
    assert not drawn(NOISE, rows=1, noise=3.0).train.inputs.any()


# --- laws of all of them ---------------------------------------------------------------------------------------------


@kinds
@given(seed=seeds, val=shares, test=shares)
@settings(max_examples=20, deadline=None)
def test_training_rows_do_not_depend_on_the_numbers_of_the_others(kind, seed, val, test):
    alone = drawn(kind, seed=seed)
    among = drawn(kind, seed=seed, val=val, test=test)
    assert same_rows(alone.train, among.train)
    for share, part in ((val, among.val), (test, among.test)):
        expected = share if isinstance(share, int) else round(share * kind.section.rows)
        assert expected == (0 if part is None else len(part))


@kinds
def test_validation_and_test_rows_are_fresh(kind):
    problem = drawn(kind, val=50, test=50, rows=50)
    parts = [
        rows.inputs if kind is NOISE else rows.targets  # which are 0
        for rows in (problem.train, problem.val, problem.test)
    ]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert not torch.isclose(parts[one], parts[other]).any()


@kinds
@given(one=seeds, other=seeds)
@settings(max_examples=20, deadline=None)
def test_one_seed_gives_the_same_data_and_another_seed_others(kind, one, other):
    first, second = drawn(kind, seed=one).train, drawn(kind, seed=other).train
    assert same_rows(first, second) == (one == other)
    assert same_rows(first, drawn(kind, seed=one).train)


@kinds
def test_a_run_in_float64_is_trained_on_the_float32_numbers(kind):
    problem = drawn(kind)
    for dtype in (torch.float32, torch.float64):
        rows = DeviceData([problem], [0], [0], 10**9, SquaredError(), dtype, torch.device("cpu")).rows("train")
        assert rows.inputs.dtype == dtype
        assert problem.train.inputs.dtype == problem.train.targets.dtype == torch.float32
        assert torch.equal(rows.inputs[0].float(), problem.train.inputs)
        assert torch.equal(rows.targets[0].float(), problem.train.targets)


@pytest.mark.parametrize(
    ("kind", "features", "targets"),
    [
        (NOISY_LINE, ["x"], ["y"]),
        (FEATURES, ["x1", "x2", "x3", "x4"], ["y"]),
        (RANDOM, ["x1", "x2", "x3"], ["y1", "y2"]),
        (TEACHER, ["x1", "x2", "x3"], ["y1", "y2"]),
    ],
)
def test_columns_have_names(kind, features, targets):
    problem = drawn(kind)
    assert (problem.features, problem.targets) == (features, targets)
    assert (problem.inputs, problem.outputs) == (len(features), len(targets))


STREAMS = [
    "data.weights",
    "data.rotation",
    "data.split",
    "order.0",
    "order.1",
    *(f"{owner}.{name}" for owner in ("model", "teacher") for name in ("weight1", "bias1", "weight2")),
    "model.weight",
    "model.bias",
]


@given(seed=seeds)
@settings(max_examples=50, deadline=None)
def test_no_two_streams_coincide(seed):
    generators = [Generator().manual_seed(seed), *(stream(s, name) for s in (seed, seed + 1) for name in STREAMS)]
    firsts = [torch.randint(2**62, (1,), generator=generator).item() for generator in generators]
    assert len(set(firsts)) == len(firsts)


@given(seed=seeds)
@settings(max_examples=25, deadline=None)
def test_the_first_input_is_not_the_first_weight(seed):
    pairs = [
        (changed(RANDOM, seed=seed), model_of(Linear, 3, 2, seed=seed, start="normal")),
        (changed(UNIFORM, seed=seed, low=0.0, high=1.0), model_of(Linear, 1, 1, seed=seed, start="uniform")),
    ]
    for data, model in pairs:
        assert data.problem().train.inputs[0, 0] != model.weight[0, 0, 0]
