"""Exact answers, against certified regressions, rational arithmetic, and descent itself."""

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from src.data.problem import Rows
from src.theory import LeastSquares, Method, Path, solve
from tests.theory import nist
from tests.theory.designs import designs
from tests.theory.nist import Regression


def rows(regression: Regression) -> Rows:
    return Rows(torch.from_numpy(regression.inputs), torch.from_numpy(regression.targets)[:, None])


def digits(value: np.ndarray, known: np.ndarray) -> float:
    """NIST's LRE: the digits in which the worst coefficient agrees, 15 at most."""
    error = np.max(np.abs(value - known) / np.abs(known))
    return 15.0 if error == 0 else min(15.0, float(-np.log10(error)))


def rational(regression: Regression) -> np.ndarray:
    """The least-squares solution of these very float64 numbers, by normal equations with 80 digits."""
    with mpmath.workdps(80):
        design = mpmath.matrix([[1, *row] for row in regression.inputs.tolist()])
        targets = mpmath.matrix(regression.targets.tolist())
        return np.array([float(c) for c in mpmath.lu_solve(design.T * design, design.T * targets)])


WAMPLERS = {f"Wampler{number}": nist.wampler(number) for number in range(1, 6)}
REGRESSIONS = {"Longley": nist.LONGLEY, "Filip": nist.FILIP, **WAMPLERS}


@pytest.mark.parametrize("name", REGRESSIONS)
def test_certified_regressions(name: str) -> None:
    """At least 9 digits of the answer for these float64 numbers; certified values too, but for Filip.

    Filip's certified coefficients are those of exact powers up to the tenth. Rounded to float64, which is all that a
    program is given, the powers have another answer, 7.6 digits from the certified one.
    """
    regression = REGRESSIONS[name]
    exact = solve(rows(regression))
    solution = exact.solution[:, 0].numpy()
    assert digits(solution, rational(regression)) >= 9
    assert digits(solution, np.array(regression.certified)) >= (7.5 if name == "Filip" else 9)
    assert exact.rank == len(solution)
    if regression.residual > 0:
        assert exact.residual == pytest.approx(regression.residual, rel=1e-8 if name == "Filip" else 1e-9)


@pytest.fixture
def noisy_line() -> LeastSquares:
    """FACTS: 100 even x from 0 to 10, y = 2x + 1 + 2e, seed 42, float32."""
    x = torch.linspace(0, 10, 100)[:, None]
    noise = torch.randn(100, 1, generator=torch.Generator().manual_seed(42))
    return solve(Rows(x, 2 * x + 1 + 2 * noise))


def test_the_noisy_line(noisy_line: LeastSquares) -> None:
    """The numbers of FACTS, to the digits given there."""
    assert noisy_line.weight.item() == pytest.approx(1.98821, abs=5e-6)
    assert float(noisy_line.solution[0]) == pytest.approx(1.17848, abs=5e-6)
    assert noisy_line.loss == pytest.approx(3.85161, abs=5e-6)
    assert noisy_line.eigenvalues.tolist() == pytest.approx([0.496398, 68.50697], rel=1e-6)
    assert noisy_line.condition_number == pytest.approx(138.008, rel=1e-6)
    assert noisy_line.critical_lr == pytest.approx(0.0291941, rel=1e-6)
    zero = torch.zeros(2, 1)
    path = Path(noisy_line, Method(0.01), zero)
    bias, weight = path.parameters(torch.tensor([100]))[0, :, 0].tolist()
    assert (weight, bias) == (pytest.approx(2.06683, abs=5e-6), pytest.approx(0.65558, abs=5e-6))
    assert path.losses(torch.tensor([99])).item() == pytest.approx(3.92171, abs=5e-6)


@settings(max_examples=25, deadline=None)
@given(designs, st.floats(1e-3, 10.0))
def test_ridge_is_where_the_gradient_with_decay_vanishes(data: Rows, ridge: float) -> None:
    exact, free = solve(data, ridge=ridge), solve(data)
    t = exact.solution
    design = torch.cat([torch.ones(len(data), 1).double(), data.inputs.double()], 1)
    gradient = 2 / len(data) * design.T @ (design @ t - data.targets.double()) + ridge * t
    assert float(gradient.abs().max()) < 1e-10 * max(1.0, float(t.abs().max()))
    assert exact.eigenvalues.tolist() == pytest.approx((free.eigenvalues + ridge).tolist(), rel=1e-12)
    assert exact.loss == pytest.approx(float((design @ t - data.targets.double()).square().mean()), rel=1e-12)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_several_outputs_and_the_sum_of_squares(reduction: str) -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(30, 3, generator=generator), torch.randn(30, 2, generator=generator)
    exact = solve(Rows(x, y), reduction=reduction)
    design = np.c_[np.ones(30), x.double().numpy()]
    known, _, _, _ = np.linalg.lstsq(design, y.double().numpy(), rcond=None)
    np.testing.assert_allclose(exact.solution.numpy(), known, rtol=1e-10)
    squares = (design @ known - y.double().numpy()) ** 2
    assert exact.loss == pytest.approx(squares.mean() if reduction == "mean" else squares.sum(), rel=1e-12)
    per_row = 2.0 if reduction == "sum" else 2 / 60
    np.testing.assert_allclose(exact.eigenvalues.numpy(), np.linalg.eigvalsh(per_row * design.T @ design), rtol=1e-10)
    assert exact.noise_variance == pytest.approx(squares.sum() / (2 * (30 - 4)), rel=1e-12)


@pytest.mark.parametrize("kind", ["duplicated", "constant", "more features than rows", "one row"])
def test_columns_that_depend_on_each_other_have_the_answer_of_least_norm(kind: str) -> None:
    generator = torch.Generator().manual_seed(0)
    count, width = {"more features than rows": (5, 9), "one row": (1, 3)}.get(kind, (40, 3))
    x, y = torch.randn(count, width, generator=generator), torch.randn(count, 1, generator=generator)
    if kind == "duplicated":
        x[:, 2] = x[:, 0]
    if kind == "constant":
        x[:, 2] = 3.0
    exact = solve(Rows(x, y))
    design = np.c_[np.ones(count), x.double().numpy()]
    known, _, rank, _ = np.linalg.lstsq(design, y.double().numpy(), rcond=None)
    assert exact.rank == rank < design.shape[1]
    np.testing.assert_allclose(exact.solution.numpy(), known, rtol=1e-8, atol=1e-10)
    assert int((exact.eigenvalues > 0).sum()) == rank
    assert exact.noise_variance is None or exact.noise_variance > 0
    assert (exact.noise_variance is None) == (count == rank)


@pytest.mark.parametrize("size", [1e-150, 1e150])
def test_numbers_of_any_size(size: float) -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(40, 2, generator=generator).double(), torch.randn(40, 1, generator=generator).double()
    plain, scaled = solve(Rows(x, y)), solve(Rows(x * size, y))
    np.testing.assert_allclose(scaled.weight.numpy() * size, plain.weight.numpy(), rtol=1e-9)
    assert scaled.loss == pytest.approx(plain.loss, rel=1e-9)
    with mpmath.workdps(400):
        design = mpmath.matrix([[1, *row] for row in (x * size).tolist()])
        known = sorted(float(value) for value in mpmath.eigsy(design.T * design * 2 / 40, eigvals_only=True))
    assert scaled.eigenvalues.tolist() == pytest.approx(known, rel=1e-9, abs=0)


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    data = rows(nist.LONGLEY)
    whole = solve(data)
    monkeypatch.setattr("src.data.design_matrix.CHUNK", 3)
    np.testing.assert_allclose(solve(data).solution.numpy(), whole.solution.numpy(), rtol=1e-9)
