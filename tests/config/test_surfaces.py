"""Surfaces against their formulas in SymPy: values, gradients, minima and saddle points."""

import numpy as np
import pytest
import sympy
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from src.config.surfaces import FUNCTIONS

X, Y = sympy.symbols("x y", real=True)
# as the papers have them; the saddles with what closes them
FORMULAS = {
    "bowl": X**2 + Y**2,
    "ravine": (X**2 + 100 * Y**2) / 2,
    "saddle": X**2 - Y**2 + Y**4 / 2 + sympy.Rational(1, 2),
    "rosenbrock": (1 - X) ** 2 + 100 * (Y - X**2) ** 2,
    "beale": sum((c - X * (1 - Y**i)) ** 2 for i, c in enumerate(map(sympy.Rational, ("1.5", "2.25", "2.625")), 1)),
    "himmelblau": (X**2 + Y - 11) ** 2 + (X + Y**2 - 7) ** 2,
    "rastrigin": 20 + sum(v**2 - 10 * sympy.cos(2 * sympy.pi * v) for v in (X, Y)),
    "monkey_saddle": X**3 - 3 * X * Y**2 + sympy.Rational(3, 4) * (X**2 + Y**2) ** 2 + sympy.Rational(1, 4),
}
# a quarter of 8-bit fractions: both sides have them exactly
places = st.tuples(*[st.integers(-512, 512).map(lambda n: n / 128)] * 2)
each = pytest.mark.parametrize("name", FORMULAS)


def hessian(name: str, place: tuple[float, float]) -> np.ndarray:
    at = dict(zip((X, Y), place, strict=True))
    return np.array(sympy.hessian(FORMULAS[name], (X, Y)).evalf(30, subs=at).tolist(), dtype=float)


def test_every_function_has_a_formula_here() -> None:
    assert FORMULAS.keys() == FUNCTIONS.keys()


@each
@given(place=places)
def test_value_and_gradient_are_those_of_the_formula(name: str, place: tuple[float, float]) -> None:
    function, at = FUNCTIONS[name], dict(zip((X, Y), place, strict=True))
    x, y = (torch.tensor([n], dtype=torch.float64) for n in place)
    size = 1e4  # of the terms that cancel
    assert float(function.value(x, y, torch)) == pytest.approx(
        float(FORMULAS[name].evalf(30, subs=at)), rel=1e-12, abs=1e-15 * size
    )
    for ours, symbol in zip(function.gradient(x, y, torch), (X, Y), strict=True):
        theirs = float(FORMULAS[name].diff(symbol).evalf(30, subs=at))
        assert float(ours) == pytest.approx(theirs, rel=1e-12, abs=1e-15 * size)


@each
def test_it_is_the_formula_of_symbols_and_the_same_of_arrays(name: str) -> None:
    function = FUNCTIONS[name]
    apart = sympy.simplify(sympy.nsimplify(function.value(X, Y, sympy), rational=True) - FORMULAS[name])
    if name != "rastrigin":  # whose 2π is a float
        assert apart == 0
    x, y = np.meshgrid(*(np.linspace(*ends, 7) for ends in function.window))
    ours = function.value(torch.from_numpy(x), torch.from_numpy(y), torch).numpy()
    np.testing.assert_allclose(function.value(x, y, np), ours, rtol=1e-12, atol=1e-13)


@each
def test_minima_are_where_it_is_0_and_curved_upwards(name: str) -> None:
    function = FUNCTIONS[name]
    for place in function.minima:
        x, y = (torch.tensor(n, dtype=torch.float64) for n in place)
        assert 0 <= float(function.value(x, y, torch)) < 1e-28
        assert max(abs(float(slope)) for slope in function.gradient(x, y, torch)) < 1e-13
        assert np.linalg.eigvalsh(hessian(name, place)).min() > 0
        assert function.nearest(place[0] + 1e-3, place[1]) == (place, pytest.approx(1e-3))


@each
def test_there_is_no_other_minimum_of_that_value(name: str) -> None:
    """BFGS from everywhere in the window finds those that are listed, and no value below 0."""
    function, height = FUNCTIONS[name], sympy.lambdify((X, Y), FORMULAS[name], "numpy")
    found = set()
    for start in np.stack(np.meshgrid(*(np.linspace(*ends, 12) for ends in function.window)), -1).reshape(-1, 2):
        end = minimize(lambda at: height(*at), start, options={"gtol": 1e-8})
        assert end.fun > -1e-12
        if end.fun < 1e-9:
            found.add(tuple(np.round(end.x, 3) + 0.0))
    assert found == {tuple(np.round(place, 3) + 0.0) for place in function.minima}


@each
def test_saddle_points_go_down_one_way_and_up_another(name: str) -> None:
    function = FUNCTIONS[name]
    for place in function.saddles:
        slopes = [float(FORMULAS[name].diff(s).evalf(30, subs=dict(zip((X, Y), place, strict=True)))) for s in (X, Y)]
        assert max(map(abs, slopes)) < 1e-12
        here = FORMULAS[name].subs(dict(zip((X, Y), place, strict=True)))
        around = [
            float(FORMULAS[name].subs({X: place[0] + 1e-2 * np.cos(angle), Y: place[1] + 1e-2 * np.sin(angle)}) - here)
            for angle in np.linspace(0, 2 * np.pi, 24, endpoint=False)
        ]
        # of a saddle it crosses the plane 4 times, of the monkey's 6 times
        signs = [value > 0 for value in around]
        crossed = sum(one != other for one, other in zip(signs, signs[1:] + signs[:1], strict=True))
        assert crossed == (6 if name == "monkey_saddle" else 4)


@each
def test_away_is_a_tenth_of_the_way_down_and_the_start_is_not(name: str) -> None:
    function = FUNCTIONS[name]
    assert all(low < at < high for at, (low, high) in zip(function.start, function.window, strict=True))
    assert all(
        low < at < high
        for place in (*function.minima, *function.saddles)
        for at, (low, high) in zip(place, function.window, strict=True)
    )
    if function.away is not None:
        heights = [float(function.value(*place, sympy)) for place in (function.start, *function.saddles)]
        assert heights[0] > heights[1] == pytest.approx(function.away / 0.9)


def test_what_is_not_finite_is_infinitely_far() -> None:
    assert FUNCTIONS["himmelblau"].nearest(float("nan"), 1.0)[1] == float("inf")
    assert FUNCTIONS["himmelblau"].nearest(3.5, -2.0)[0] == FUNCTIONS["himmelblau"].minima[3]
