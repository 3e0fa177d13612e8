"""The closed-form path of descent, against descent itself."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from src.data.problem import Rows
from src.optim import TextbookMomentum
from src.optim.build import with_defaults
from src.optim.rules import RULES
from src.theory import Exact, Method, Path, solve
from tests.theory.designs import descend, designs


def start(exact: Exact) -> torch.Tensor:
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
    "heavy ball": (Method(0.05, 0.9), torch.optim.SGD, {"momentum": 0.9}),
    "dampened": (Method(0.05, 0.8, 0.5), torch.optim.SGD, {"momentum": 0.8, "dampening": 0.5}),
    "Nesterov": (Method(0.05, 0.9, nesterov=True), torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "textbook": (Method(0.05, 0.7, 0.7, first_whole=False), TextbookMomentum, {"beta": 0.7}),
}


@pytest.mark.parametrize("name", METHODS)
def test_momentum_has_a_path_too(name: str) -> None:
    """torch's own optimizers, in float64."""
    method, kind, numbers = METHODS[name]
    generator = torch.Generator().manual_seed(0)
    data = Rows(torch.randn(30, 3, generator=generator), torch.randn(30, 2, generator=generator))
    exact, lr = solve(data), method.lr
    design = torch.cat([torch.ones(30, 1), data.inputs], 1).double()
    w = torch.ones(4, 2, dtype=torch.float64, requires_grad=True)
    optimizer = kind([w], lr=lr, **numbers)
    taken, losses = [], []
    for _ in range(101):
        loss = (design @ w - data.targets.double()).square().mean()
        taken.append(w.detach().clone())
        losses.append(loss.item())
        (w.grad,) = torch.autograd.grad(loss, [w])
        optimizer.step()
    target = "src.optim.TextbookMomentum" if kind is TextbookMomentum else "torch.optim.SGD"
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


@settings(max_examples=25, deadline=None)
@given(designs, st.floats(0.3, 1.0), st.sampled_from([0.5, 0.1, 0.01]), st.sampled_from([0.0, 0.5]))
def test_steps_within_a_tolerance_are_counted_right(
    data: Rows, share: float, tolerance: float, momentum: float
) -> None:
    exact = solve(data)
    path = Path(exact, Method(share * exact.optimal_lr, momentum), start(exact))
    steps = path.steps_within(tolerance)
    assert steps is not None
    distance = [float((t - exact.solution).norm()) for t in path.parameters(torch.arange(steps + 1))]
    assert distance[-1] <= tolerance * distance[0] * (1 + 1e-9)
    assert steps == 0 or distance[-2] > tolerance * distance[0] * (1 - 1e-9)


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
