"""The closed-form path of descent, against descent itself."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from src.data.problem import Rows
from src.optim.build import instance, with_defaults
from src.optim.rules import RULES
from src.theory import LeastSquares, Method, Path, last_passage, solve
from tests.theory.designs import descend, designs


def start(exact: LeastSquares) -> torch.Tensor:
    return torch.zeros(len(exact.solution), 1, dtype=torch.float64)


@settings(max_examples=25, deadline=None)
@given(designs, st.floats(0.05, 1.9), st.booleans(), st.sampled_from([0.0, 0.3]))
def test_the_closed_form_is_the_path_of_descent(data: Rows, share: float, bias: bool, decay: float) -> None:
    exact = solve(data, bias, ridge=decay)
    lr = share / exact.largest
    path, losses = descend(data, lr, 200, bias, decay)
    steps = torch.arange(0, 201, 20)
    predicted = Path(exact, Method(lr), path[0])
    torch.testing.assert_close(predicted.parameters(steps), torch.stack(path[::20]), rtol=1e-9, atol=1e-11)
    assert predicted.losses(steps).tolist() == pytest.approx(losses[::20], rel=1e-9)


METHODS = {
    "heavy ball": (Method(0.05, 0.9), "torch.optim.SGD", {"momentum": 0.9}),
    "dampened": (Method(0.05, 0.8, 0.5), "torch.optim.SGD", {"momentum": 0.8, "dampening": 0.5}),
    "Nesterov": (Method(0.05, 0.9, nesterov=True), "torch.optim.SGD", {"momentum": 0.9, "nesterov": True}),
    "textbook": (Method(0.05, 0.7, 0.7, first_whole=False), "src.optim.TextbookMomentum", {"beta": 0.7}),
}


@pytest.mark.parametrize("name", METHODS)
def test_momentum_has_a_path_too(name: str) -> None:
    """torch's own optimizers, in float64."""
    method, target, numbers = METHODS[name]
    generator = torch.Generator().manual_seed(0)
    data = Rows(torch.randn(30, 3, generator=generator), torch.randn(30, 2, generator=generator))
    exact, lr = solve(data), method.lr
    design = torch.cat([torch.ones(30, 1), data.inputs], 1).double()
    w = torch.nn.Parameter(torch.ones(4, 2, dtype=torch.float64))
    optimizer = instance(target, {"lr": lr, **numbers}, [w])
    taken, losses = [], []
    for _ in range(101):
        loss = (design @ w - data.targets.double()).square().mean()
        taken.append(w.detach().clone())
        losses.append(loss.item())
        (w.grad,) = torch.autograd.grad(loss, [w])
        optimizer.step()
    assert Method.of(RULES[target], with_defaults(target, {"lr": lr, **numbers})) == method
    path = Path(exact, method, taken[0])
    steps = torch.tensor([0, 1, 2, 3, 50, 100])
    torch.testing.assert_close(path.parameters(steps), torch.stack([taken[k] for k in steps]), rtol=1e-10, atol=1e-12)
    assert path.losses(steps).tolist() == pytest.approx([losses[k] for k in steps], rel=1e-10)


@pytest.mark.parametrize("name", METHODS)
def test_momentum_moves_the_critical_rate(name: str) -> None:
    """The spectral radius of a step's map passes 1 there."""
    method = METHODS[name][0]
    critical = method.factor * 2 / 5.0
    radius = [
        float(
            np.abs(
                np.linalg.eigvals(
                    Method(share * critical, method.momentum, method.dampening, method.nesterov)
                    .maps(torch.tensor([5.0], dtype=torch.float64))[0]
                    .numpy()
                )
            ).max()
        )
        for share in (0.99, 1.01)
    ]
    assert radius[0] < 1 < radius[1]


@settings(max_examples=25, deadline=None)
@given(designs)
def test_the_critical_rate_divides_those_that_converge_from_those_that_diverge(data: Rows) -> None:
    exact = solve(data)
    _, below = descend(data, 0.99 * exact.critical_lr, 600)
    _, above = descend(data, 1.01 * exact.critical_lr, 600)
    assert below[-1] <= below[0] * (1 + 1e-9)
    assert above[-1] > above[300]
    assert Path(exact, Method(1.01 * exact.critical_lr), start(exact)).steps_within() is None


def diagonal(eigenvalues: list[float]) -> LeastSquares:
    """The answer 0 of a loss whose Hessian is diagonal."""
    size, values = len(eigenvalues), torch.tensor(sorted(eigenvalues), dtype=torch.float64)
    zeros, eye = torch.zeros(size, 1, dtype=torch.float64), torch.eye(size, dtype=torch.float64)
    return LeastSquares(zeros, 0.0, int((values > 0).sum()), False, values, 0.0, 9, eye, 0.0)


def distances(exact: LeastSquares, method: Method, steps: int) -> NDArray[np.float64]:
    """From ones, step by step as torch's SGD goes, along directions that move: `[steps + 1]`."""
    pull = exact.eigenvalues.numpy()
    w, v, found = np.ones(len(pull)), np.zeros(len(pull)), []
    for step in range(steps + 1):
        found.append(np.linalg.norm(w[pull > 0]))
        g = pull * w
        first = step == 0 and method.first_whole
        v = g if first else method.momentum * v + (1 - method.dampening * (method.momentum > 0)) * g
        w = w - method.lr * (g + method.momentum * v if method.nesterov else v)
    return np.array(found)


SPECTRA = st.lists(st.sampled_from([0.0, 1.0, 1.0001, 4.0, 20.0]), max_size=3).map(lambda few: [*few, 2.0])
METHODS_DRAWN = st.builds(
    lambda kind, beta, tau: {
        "plain": Method(1.0),
        "heavy ball": Method(1.0, beta),
        "dampened": Method(1.0, beta, tau),
        "Nesterov": Method(1.0, beta, nesterov=True),
        "Nesterov, 1": Method(1.0, 1.0, nesterov=True),
        "textbook": Method(1.0, beta, beta, first_whole=False),
    }[kind],
    kind=st.sampled_from(["plain", "heavy ball", "dampened", "Nesterov", "Nesterov, 1", "textbook"]),
    beta=st.sampled_from([0.0, 0.2, 0.5, 0.9, 0.95, 0.99]),
    tau=st.sampled_from([-0.5, 0.5, 0.9]),
)


@settings(max_examples=25, deadline=None)
@given(SPECTRA, METHODS_DRAWN, st.floats(0.05, 0.98), st.sampled_from([0.5, 0.1, 0.01]))
def test_from_there_on_it_stays(spectrum: list[float], method: Method, share: float, tolerance: float) -> None:
    """The last passage of the distance, which swings with momentum."""
    exact = diagonal(spectrum)
    method = dataclasses.replace(method, lr=share * method.factor * exact.critical_lr)
    steps = Path(exact, method, torch.ones(len(spectrum), 1)).steps_within(tolerance)
    assert steps is not None
    distance = distances(exact, method, 2 * steps + 50)
    assert (distance[steps:] <= tolerance * distance[0] * (1 + 1e-9)).all()
    assert distance[steps - 1] > tolerance * distance[0] * (1 - 1e-9)


@pytest.mark.parametrize(
    ("spectrum", "method"),
    [
        ([1.0, 9.0], Method(*diagonal([1.0, 9.0]).heavy_ball)),  # Polyak's best pair: both eigenvalues double
        ([1.0, 900.0], Method(*diagonal([1.0, 900.0]).heavy_ball)),
        ([0.1, 1.0], Method(0.05, 0.99)),
        ([1.0, 1.1], Method(1.0, 1.05, nesterov=True)),  # converges, though momentum is above 1
    ],
)
def test_it_stays_there_at_the_edges_too(spectrum: list[float], method: Method) -> None:
    exact = diagonal(spectrum)
    steps = Path(exact, method, torch.ones(2, 1)).steps_within()
    distance = distances(exact, method, 4000)
    assert steps == np.flatnonzero(distance > 0.01 * distance[0])[-1] + 1


def test_where_the_way_back_is_too_long_it_is_there_at_the_latest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(last_passage, "WORK", 0)
    exact, method = diagonal([0.3, 2.0]), Method(0.2, 0.95)
    steps = Path(exact, method, torch.ones(2, 1)).steps_within()
    distance = distances(exact, method, 400)
    last = int(np.flatnonzero(distance > 0.01 * distance[0])[-1])
    assert steps is not None
    assert last + 1 < steps < last + 40


def test_a_distance_that_is_left_again_counts_from_its_last_passage() -> None:
    """It is within 1 % long before it stays there."""
    exact = diagonal([2.0])
    distance = distances(exact, Method(0.2, 0.95), 500)
    first = int((distance <= 0.01 * distance[0]).argmax())
    steps = Path(exact, Method(0.2, 0.95), torch.ones(1, 1)).steps_within()
    assert steps is not None
    assert steps > first + 50


@pytest.mark.parametrize(
    ("method", "why"),
    [
        (Method(0.1, 0.9, 1.0), "dampening 1 is not below 1"),  # no gradient but the first counts
        (Method(0.1, 0.9, 1.5), "dampening 1.5 is not below 1"),
        (Method(0.1, 1.0), "momentum 1 is not below 1"),
        (Method(0.1, 1.5), "momentum 1.5 is not below 1"),
    ],
)
def test_some_converge_at_no_rate(method: Method, why: str) -> None:
    exact = diagonal([0.5, 2.0])
    assert (method.factor, method.formula) == (0.0, f"0, for {why}")
    assert Path(exact, method, torch.ones(2, 1)).steps_within() is None
    assert distances(exact, method, 600)[-100:].max() > 0.01


def test_the_step_at_which_the_loss_passes_a_limit() -> None:
    """(1 - aλ)^(2k) λ/2 at λ = 2, a = 1.1."""
    path = Path(diagonal([2.0]), Method(1.1), torch.ones(1, 1))
    wanted = next(k for k in range(99) if 1.2 ** (2 * k) > 1e8)
    assert path.first_above(1e8, 1000) == wanted
    assert path.first_above(1e8, wanted) == wanted
    assert path.first_above(1e8, wanted - 1) is None
    assert path.first_above(1e300, 10**6) == pytest.approx(300 * np.log(10) / np.log(1.44), abs=1)


@settings(max_examples=25, deadline=None)
@given(designs)
def test_the_best_rates_shrink_the_distance_as_they_say(data: Rows) -> None:
    """The spectral radius of the iteration is (κ-1)/(κ+1) at the best rate, and (√κ-1)/(√κ+1) for the heavy ball."""
    exact = solve(data)
    radius = float((1 - exact.optimal_lr * exact.eigenvalues).abs().max())
    assert radius == pytest.approx(exact.optimal_rate, abs=1e-9)
    lr, beta = exact.heavy_ball
    worst = max(
        np.abs(np.linalg.eigvals(np.array([[1 + beta - lr * float(value), -beta], [1.0, 0.0]]))).max()
        for value in exact.eigenvalues
    )
    # at the ends of the spectrum the eigenvalue is double, and computed to the square root of rounding
    assert worst == pytest.approx(np.sqrt(beta), abs=1e-6)
