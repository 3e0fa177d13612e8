"""The fixed point of AdamW, against AdamW."""

import pytest
import torch

from src.data.line import Line
from src.optim.build import with_defaults
from src.optim.rules import rule_of
from src.theory import decay_of, fixed_point, solve
from tests.kinds import data_of


@pytest.mark.parametrize(
    ("decay", "inside"), [(0.2, True), (0.55, False), (1.5, False)], ids=["inside the box", "at its edge", "far out"]
)
def test_adamw_comes_to_rest_there(decay: float, inside: bool) -> None:
    """With a learning rate that vanishes; a constant one keeps it moving around the point."""
    line = data_of(
        Line, seed=42, rows=100, val=0, test=0, slope=2, intercept=1, noise=2, low=0, high=10, spacing="even"
    ).problem()
    exact = solve(line.train)
    x = line.train.inputs.double()
    design = torch.cat([torch.ones(100, 1), x], 1)
    hessian, pull = design.T @ design / 50, design.T @ line.train.targets.double() / 50
    w = torch.zeros(2, 1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.AdamW([w], lr=0.1, betas=(0.9, 0.9), weight_decay=decay)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.998)
    for _ in range(5000):
        w.grad = (hessian @ w - pull).detach()
        optimizer.step()
        schedule.step()
    point = fixed_point(exact, decay, 1e-8)
    torch.testing.assert_close(w.detach(), point, rtol=1e-5, atol=0)
    assert bool(torch.allclose(point, exact.solution, rtol=1e-5)) == inside


def test_the_step_and_the_decay_cancel_there() -> None:
    generator = torch.Generator().manual_seed(1)
    from src.data.problem import Rows

    data = Rows(torch.randn(50, 6, generator=generator), torch.randn(50, 2, generator=generator))
    exact = solve(data)
    decay, eps = 4.0, 1e-3
    t = fixed_point(exact, decay, eps)
    gradient = (exact.eigenvectors * exact.eigenvalues) @ exact.eigenvectors.mT @ (t - exact.solution)
    torch.testing.assert_close(gradient / (gradient.abs() + eps), -decay * t, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "numbers", "expected"),
    [
        ("SGD", {"weight_decay": 0.1}, (0.1, 0.0)),
        ("Adam", {"weight_decay": 0.1}, (0.1, 0.0)),
        ("Adam", {"weight_decay": 0.1, "decoupled_weight_decay": True}, (0.0, 0.1)),
        ("AdamW", {}, (0.0, 0.01)),  # its default
        ("ASGD", {"weight_decay": 0.1}, (0.1001, 0.0)),  # lambd is 1e-4
        ("Rprop", {}, (0.0, 0.0)),
        ("Muon", {"weight_decay": 0.1}, (0.0, 0.1)),
    ],
)
def test_where_a_rule_says_that_decay_is(name: str, numbers: dict, expected: tuple[float, float]) -> None:
    """As torch documents it; src.check finds the same out by steps."""
    path = f"torch.optim.{name}"
    assert decay_of(rule_of(path), with_defaults(path, numbers)) == pytest.approx(expected, rel=1e-12)
