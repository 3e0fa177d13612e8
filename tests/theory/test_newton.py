"""Exact answers of convex losses: against other programs, autograd, a linear program, and descent itself."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from sklearn.linear_model import HuberRegressor, LogisticRegression, PoissonRegressor

from src.data.problem import Rows
from src.losses.cross_entropy import CrossEntropy
from src.losses.huber import Huber
from src.losses.logistic import Logistic
from src.losses.loss import Loss
from src.losses.poisson import Poisson
from src.losses.squared_error import SquaredError
from src.theory import Minimum, NoMinimum, fixed_point
from src.theory import solve as least_squares
from src.theory.newton import solve
from tests.theory import printed
from tests.theory.printed import Fit, Numbers

LOSSES = ("logistic", "cross_entropy", "poisson", "huber")


def minimum(inputs: Numbers, targets: Numbers, loss: Loss, **more: object) -> Minimum:
    found = solve(Rows(torch.from_numpy(inputs), torch.from_numpy(targets)), loss, **more)  # type: ignore[arg-type]
    assert isinstance(found, Minimum)
    return found


def drawn(kind: str, seed: int = 0, rows: int = 80) -> tuple[Numbers, Numbers, Loss]:
    """Data that a linear model makes, with noise; of two outputs where they are no classes."""
    rng = np.random.default_rng(seed)
    x, w = rng.normal(size=(rows, 3)), rng.normal(size=(3, 2))
    if kind == "logistic":
        return x, (rng.random((rows, 2)) < 1 / (1 + np.exp(-x @ w))).astype(float), Logistic()
    if kind == "poisson":
        return x, rng.poisson(np.exp(x @ w / 2)).astype(float), Poisson()
    if kind == "huber":
        return x, x @ w + rng.standard_t(2, size=(rows, 2)), Huber(0.7)
    three = np.c_[x @ w, x[:, 0]] + 2 * rng.gumbel(size=(rows, 3))
    return x, np.eye(3)[three.argmax(1)], CrossEntropy()


@pytest.mark.parametrize("fit", [printed.spector, printed.dobson, printed.stackloss, printed.wine])
def test_what_statsmodels_prints(fit: Callable[[], Fit]) -> None:
    known = fit()
    exact = minimum(known.inputs, known.targets, known.loss)
    solution = exact.solution.numpy()
    classes = known.targets.shape[1] > 1
    own = solution - solution[:, :1] if classes else solution
    np.testing.assert_allclose(own, known.parameters, rtol=1e-8, atol=1e-10)
    assert exact.many == (["outputs"] if classes else [])
    if classes:  # of least norm
        np.testing.assert_allclose(solution.sum(1), 0, atol=1e-12)
    if known.value is not None:
        assert exact.loss == pytest.approx(known.value, rel=1e-10)


@pytest.mark.parametrize("penalty", [0.0, 0.05])
@pytest.mark.parametrize("kind", ["logistic", "cross_entropy", "poisson"])
def test_what_scikit_learn_finds(kind: str, penalty: float) -> None:
    """With a penalty on all parameters, as weight decay is: the ones of the bias are a column."""
    x, y, loss = drawn(kind)
    x = np.c_[np.ones(len(x)), x]
    y = y if kind == "cross_entropy" else y[:, :1]
    exact = minimum(x, y, loss, bias=False, ridge=penalty)
    if kind == "poisson":
        known = PoissonRegressor(alpha=penalty, fit_intercept=False, solver="newton-cholesky", tol=1e-12)
    else:
        strength = 1 / (len(x) * penalty) if penalty else np.inf
        known = LogisticRegression(C=strength, fit_intercept=False, solver="newton-cholesky", tol=1e-12)
    known.fit(x, y.argmax(1) if kind == "cross_entropy" else y[:, 0])
    np.testing.assert_allclose(exact.solution.numpy().T.squeeze(), known.coef_.squeeze(), rtol=1e-8, atol=1e-10)


def test_what_scikit_learn_s_huber_regressor_comes_to() -> None:
    """With its scale; it stops at 1e-7 of the parameters, so at 1e-12 of the loss."""
    x, y, _ = drawn("huber")
    known = HuberRegressor(epsilon=1.35, alpha=0, tol=1e-12, max_iter=10_000).fit(x, y[:, 0])
    loss = Huber(1.35 * known.scale_, "sum")
    exact = minimum(x, y[:, :1], loss)
    np.testing.assert_allclose(exact.weight[:, 0], known.coef_, rtol=1e-5)
    there = loss.value(torch.from_numpy(known.predict(x))[None, :, None], torch.from_numpy(y[None, :, :1]))
    assert exact.loss <= float(there) * (1 + 1e-15)
    assert exact.loss == pytest.approx(float(there), rel=1e-9)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("ridge", [0.0, 0.1])
@pytest.mark.parametrize("kind", LOSSES)
def test_the_gradient_vanishes_and_the_hessian_is_autograd_s(kind: str, ridge: float, reduction: str) -> None:
    x, y, loss = drawn(kind)
    loss.reduction = reduction
    exact = minimum(x, y, loss, ridge=ridge)
    design, targets = torch.from_numpy(np.c_[np.ones(len(x)), x]), torch.from_numpy(y)

    def objective(t: torch.Tensor) -> torch.Tensor:
        each = Loss.value(loss, (design @ t)[None], targets[None])  # by autograd
        return each[0] + 0.5 * ridge * t.square().sum()

    t = exact.solution.requires_grad_()
    (gradient,) = torch.autograd.grad(objective(t), t, create_graph=True)
    second = [torch.autograd.grad(one, t, retain_graph=True)[0].flatten() for one in gradient.flatten()]
    exact.solution.requires_grad_(False)
    assert float(gradient.detach().norm()) <= 1e-12 * exact.largest
    assert exact.gradient_norm <= 1e-12 * exact.largest
    hessian = torch.stack(second)
    known = torch.linalg.eigvalsh(hessian)
    torch.testing.assert_close(exact.eigenvalues, known, rtol=1e-10, atol=1e-13 * exact.largest)
    still = 4 if kind == "cross_entropy" and not ridge else 0
    assert int((exact.eigenvalues == 0).sum()) == still
    assert bool(exact.many) == bool(still)
    assert exact.loss == pytest.approx(
        float(objective(exact.solution)) - 0.5 * ridge * float(exact.solution.square().sum())
    )


@pytest.mark.parametrize("kind", LOSSES)
def test_the_critical_rate_divides_those_that_come_to_rest_there_from_others(kind: str) -> None:
    """Started nearby; at the best rate descent comes there from afar."""
    x, y, loss = drawn(kind)
    exact = minimum(x, y, loss)
    design, targets = torch.from_numpy(np.c_[np.ones(len(x)), x]), torch.from_numpy(y)

    def away(start: torch.Tensor, lr: float, steps: int) -> float:
        t = start
        for _ in range(steps):
            t = t - lr * design.mT @ loss.derivative((design @ t)[None], targets[None])[1][0]
        return float((t - exact.solution).norm())

    nearby = exact.solution + 1e-6 * (torch.randn(4, y.shape[1], generator=torch.Generator().manual_seed(0)))
    if kind == "cross_entropy":
        nearby = nearby - (nearby - exact.solution).mean(1, keepdim=True)
    first = away(nearby, 0, 0)
    assert away(nearby, 0.98 * exact.critical_lr, 300) < 0.1 * first
    assert away(nearby, 1.02 * exact.critical_lr, 300) > 10 * first
    assert away(torch.zeros_like(nearby), exact.optimal_lr, 400) < 1e-9


def test_of_a_wide_unit_and_of_columns_that_depend_on_each_other() -> None:
    x, y, loss = drawn("logistic")
    plain = minimum(x, y, loss)
    wide = minimum(x * [1e-120, 1, 1e120], y, loss)
    np.testing.assert_allclose(wide.weight.numpy() * [[1e-120], [1], [1e120]], plain.weight, rtol=1e-9)
    twice = minimum(np.c_[x, x[:, 0]], y, loss)
    assert (twice.many, twice.rank) == (["columns"], 4)
    assert int((twice.eigenvalues == 0).sum()) == 2
    halves = np.r_[plain.weight[:1] / 2, plain.weight[1:], plain.weight[:1] / 2]
    np.testing.assert_allclose(twice.weight, halves, rtol=1e-9)
    assert twice.loss == pytest.approx(plain.loss, rel=1e-12)


def test_the_minimum_of_absolute_errors_may_be_no_point() -> None:
    """Two targets of 0 and two of 10, met by a constant: anything from 1 to 9 costs 4.5."""
    x, y = np.array([[-1.0], [1], [-1], [1]]), np.array([[0.0], [0], [10], [10]])
    exact = minimum(x, y, Huber(1.0))
    assert exact.loss == pytest.approx(4.5, rel=1e-12)
    assert exact.many == ["level"]
    rng = np.random.default_rng(0)
    for _ in range(20):  # of two rows that are one the targets lie far off on both sides
        twice, once = rng.normal(size=(2, 1, 2))
        rows = np.r_[twice, twice, once]
        exact = minimum(rows, np.array([[-100.0], [300], [50]]), Huber(2.0), bias=False)
        assert exact.many == ["level"]
        assert int((exact.eigenvalues > 0).sum()) == 1
    assert float(minimum(x, 2 * x + 1, Huber(0.1)).loss) < 1e-25
    assert minimum(x, 2 * x + 1, Huber(0.1)).many == []


def test_outputs_far_from_0_are_as_each_by_itself() -> None:
    x, y, loss = drawn("huber")
    both = minimum(x, y + 100, loss)
    assert both.many == []
    for output in range(2):
        alone = minimum(x, y[:, output : output + 1] + 100, loss).solution
        torch.testing.assert_close(both.solution[:, output : output + 1], alone, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", ["logistic", "cross_entropy", "poisson"])
def test_whether_there_is_a_minimum_as_a_linear_program_says(kind: str) -> None:
    """Small data with ties, which separate wholly, in part, or not at all."""
    rng, seen = np.random.default_rng(1), set[NoMinimum | None]()
    for _ in range(10):
        rows, features = int(rng.integers(3, 25)), int(rng.integers(1, 4))
        x = rng.integers(-2, 3, size=(rows, features)).astype(float)
        spread = float(rng.choice([0.3, 3]))
        w = spread * rng.normal(size=(features, 3))
        if kind == "logistic":
            loss: Loss = Logistic()
            y = (rng.random((rows, 1)) < 1 / (1 + np.exp(-x @ w[:, :1]))).astype(float)
            facets = (2 * y - 1)[:, None, :]
        elif kind == "cross_entropy":
            loss, own = CrossEntropy(), (x @ w + rng.gumbel(size=(rows, 3))).argmax(1)
            y = np.eye(3)[own]
            facets = np.array([[np.eye(3)[one] - np.eye(3)[k] for k in range(3) if k != one] for one in own])
        else:
            loss, y = Poisson(), rng.poisson(np.exp(np.clip(x @ w[:, :1] - 1, -9, 3))).astype(float)
            facets = np.stack([-np.ones_like(y), (y > 0).astype(float)], 1)
        design = np.c_[np.ones(rows), x]
        matrix = np.einsum("nko,nd->nkdo", facets, design).reshape(rows * facets.shape[1], -1)
        matrix = matrix[np.abs(matrix).any(1)]
        size = matrix.shape[1]
        # the largest sum of what may not be below 0; and whether all of it can be above
        best = linprog(-matrix.sum(0), -matrix, np.zeros(len(matrix)), bounds=[(-1, 1)] * size)
        wholly = linprog(np.zeros(size), -matrix, -np.ones(len(matrix)), bounds=[(None, None)] * size)
        known = None if -best.fun < 1e-6 else NoMinimum.SEPARABLE if wholly.success else NoMinimum.PARTLY_SEPARABLE
        found = solve(Rows(torch.from_numpy(x), torch.from_numpy(y)), loss)
        if found is NoMinimum.CONSTANT:
            assert known is not None
            assert bool(((y == y[0]).all(0) & (y[0] == 0)).any()) or bool((y == y[0]).all())
        else:
            assert (found if isinstance(found, NoMinimum) else None) == known
            seen.add(known)
    assert {None, NoMinimum.PARTLY_SEPARABLE} <= seen


def test_with_decay_there_is_one_whatever_the_rows() -> None:
    x, y = np.arange(6.0)[:, None], (np.arange(6.0) > 2)[:, None].astype(float)
    assert solve(Rows(torch.from_numpy(x), torch.from_numpy(y)), Logistic()) is NoMinimum.SEPARABLE
    exact = minimum(x, y, Logistic(), ridge=1e-3)
    known = LogisticRegression(C=1e3 / 6, fit_intercept=False, solver="newton-cholesky", tol=1e-12)
    known.fit(np.c_[np.ones(6), x], y[:, 0])
    np.testing.assert_allclose(exact.solution[:, 0], known.coef_[0], rtol=1e-8)


def test_where_adamw_comes_to_rest() -> None:
    """Of squares as `fixed_point` has it, which was held against AdamW; of others the step and the decay cancel."""
    x, y, _ = drawn("huber")
    rows = Rows(torch.from_numpy(x), torch.from_numpy(y))
    exact = minimum(x, y, SquaredError(), box=(1.5, 1e-6))
    torch.testing.assert_close(exact.solution, fixed_point(least_squares(rows), 1.5, 1e-6), rtol=1e-8, atol=1e-10)
    assert float((1.5 * exact.solution).abs().max()) == pytest.approx(1, abs=1e-3)  # the box matters
    for kind in LOSSES:
        x, y, loss = drawn(kind)
        t = minimum(x, y, loss, box=(1.5, 1e-3)).solution
        design, targets = torch.from_numpy(np.c_[np.ones(len(x)), x]), torch.from_numpy(y)
        gradient = design.mT @ loss.derivative((design @ t)[None], targets[None])[1][0]
        torch.testing.assert_close(gradient / (gradient.abs() + 1e-3), -1.5 * t, rtol=1e-7, atol=1e-7)


class PseudoHuber(Loss):
    """One of the user's own, with nothing by hand."""

    convex = True

    def each(self, predictions: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return (1 + (predictions - targets).square()).sqrt() - 1


class Falling(Loss):
    """One that falls for ever, and does not say so."""

    convex = True

    def each(self, predictions: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return (-predictions).exp()


def test_a_loss_of_one_s_own() -> None:
    x, y, _ = drawn("huber")
    exact = minimum(x, y, PseudoHuber())
    error = np.c_[np.ones(len(x)), x] @ exact.solution.numpy() - y
    np.testing.assert_allclose(np.c_[np.ones(len(x)), x].T @ (error / np.sqrt(1 + error**2)), 0, atol=1e-12)
    rows = Rows(torch.from_numpy(x), torch.from_numpy(y))
    assert solve(rows, Falling()) is NoMinimum.UNKNOWN
