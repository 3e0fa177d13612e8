"""Functions of two variables whose minima are known, to see optimizers move on: values, gradients by hand, sources.

Never imports torch: `x` and `y` are tensors, NumPy arrays or SymPy symbols, and `m` is the module that they are from,
so that training, pictures and tests take one and the same formula.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

Point = tuple[float, float]
Value = Callable[[Any, Any, ModuleType], Any]
Gradient = Callable[[Any, Any, ModuleType], tuple[Any, Any]]


@dataclass(frozen=True)
class Function:
    """A surface `f(x, y)` whose lowest value is 0.

    Attributes:
        formula: as text.
        source: who it is from.
        value: `f(x, y)` of numbers of any one shape.
        gradient: its derivatives by x and by y, each of that shape.
        minima: all places where it is 0.
        start: where a descent starts that is given no point.
        window: what a picture shows: ends of x, ends of y.
        saddles: saddle points inside the window; of rastrigin, which has one between any two pits, none.
        away: where the start is beside a saddle, the value below which a descent has got away from it: a tenth of the
            way down to the minimum. Elsewhere None.
    """

    formula: str
    source: str
    value: Value
    gradient: Gradient
    minima: tuple[Point, ...]
    start: Point
    window: tuple[Point, Point]
    saddles: tuple[Point, ...] = ()
    away: float | None = None

    def nearest(self, x: float, y: float) -> tuple[Point, float]:
        """The minimum that is nearest to a point, and how far it is; infinitely far from what is not finite."""
        if not (math.isfinite(x) and math.isfinite(y)):
            return self.minima[0], math.inf
        minimum = min(self.minima, key=lambda one: math.hypot(one[0] - x, one[1] - y))
        return minimum, math.hypot(minimum[0] - x, minimum[1] - y)


def _saddle(x: Any, y: Any, m: ModuleType) -> Any:
    well = y * y - 1
    return x * x + well * well / 2


def _saddle_gradient(x: Any, y: Any, m: ModuleType) -> tuple[Any, Any]:
    return 2 * x, 2 * y * (y * y - 1)


def _rosenbrock(x: Any, y: Any, m: ModuleType) -> Any:
    along, across = 1 - x, y - x * x
    return along * along + 100 * across * across


def _rosenbrock_gradient(x: Any, y: Any, m: ModuleType) -> tuple[Any, Any]:
    across = y - x * x
    return 2 * (x - 1) - 400 * x * across, 200 * across


def _beale_terms(x: Any, y: Any) -> tuple[Any, Any, Any]:
    return 1.5 - x * (1 - y), 2.25 - x * (1 - y * y), 2.625 - x * (1 - y * y * y)


def _beale(x: Any, y: Any, m: ModuleType) -> Any:
    first, second, third = _beale_terms(x, y)
    return first * first + second * second + third * third


def _beale_gradient(x: Any, y: Any, m: ModuleType) -> tuple[Any, Any]:
    first, second, third = _beale_terms(x, y)
    by_x = -2 * (first * (1 - y) + second * (1 - y * y) + third * (1 - y * y * y))
    return by_x, 2 * x * (first + 2 * y * second + 3 * y * y * third)


def _himmelblau(x: Any, y: Any, m: ModuleType) -> Any:
    first, second = x * x + y - 11, x + y * y - 7
    return first * first + second * second


def _himmelblau_gradient(x: Any, y: Any, m: ModuleType) -> tuple[Any, Any]:
    first, second = x * x + y - 11, x + y * y - 7
    return 4 * x * first + 2 * second, 2 * first + 4 * y * second


def _rastrigin(x: Any, y: Any, m: ModuleType) -> Any:
    return 20 + x * x + y * y - 10 * (m.cos(2 * math.pi * x) + m.cos(2 * math.pi * y))


def _rastrigin_gradient(x: Any, y: Any, m: ModuleType) -> tuple[Any, Any]:
    wave = 20 * math.pi
    return 2 * x + wave * m.sin(2 * math.pi * x), 2 * y + wave * m.sin(2 * math.pi * y)


def _monkey_saddle_terms(x: Any, y: Any) -> tuple[Any, Any, Any]:
    """What is 0 at all three minima: real and imaginary part of z² + z̄, and |z|² - 1, with z = x + iy."""
    return x * x - y * y + x, (2 * x - 1) * y, x * x + y * y - 1


def _monkey_saddle(x: Any, y: Any, m: ModuleType) -> Any:
    real, imaginary, beyond = _monkey_saddle_terms(x, y)
    return (real * real + imaginary * imaginary) / 2 + beyond * beyond / 4


def _monkey_saddle_gradient(x: Any, y: Any, m: ModuleType) -> tuple[Any, Any]:
    real, imaginary, beyond = _monkey_saddle_terms(x, y)
    return real * (2 * x + 1) + 2 * y * imaginary + x * beyond, (2 * x - 1) * imaginary - 2 * y * real + y * beyond


FUNCTIONS: Mapping[str, Function] = {
    "bowl": Function(
        "x² + y²",
        "De Jong 1975, function F1",
        lambda x, y, m: x * x + y * y,
        lambda x, y, m: (2 * x, 2 * y),
        minima=((0.0, 0.0),),
        start=(-1.5, 1.0),
        window=((-2.0, 2.0), (-2.0, 2.0)),
    ),
    "ravine": Function(
        "(x² + 100 y²) / 2",
        "a quadratic of condition number 100; Polyak 1964",
        lambda x, y, m: (x * x + 100 * y * y) / 2,
        lambda x, y, m: (1 * x, 100 * y),
        minima=((0.0, 0.0),),
        start=(-9.0, 1.0),
        window=((-10.0, 4.0), (-2.0, 2.0)),
    ),
    # x² - y² alone has no lowest value: the largest rates of any grid would be the best. Beside the saddle point this
    # one is x² - y² + ½
    "saddle": Function(
        "x² + (y² - 1)²/2",
        "a saddle between the two wells of Strogatz 1994, example 6.5.2",
        _saddle,
        _saddle_gradient,
        minima=((0.0, 1.0), (0.0, -1.0)),
        start=(-1.3, 0.001),
        window=((-1.5, 1.5), (-1.5, 1.5)),
        saddles=((0.0, 0.0),),
        away=0.45,
    ),
    "rosenbrock": Function(
        "(1 - x)² + 100 (y - x²)²",
        "Rosenbrock 1960, start and all",
        _rosenbrock,
        _rosenbrock_gradient,
        minima=((1.0, 1.0),),
        start=(-1.2, 1.0),
        window=((-2.0, 2.0), (-1.0, 3.0)),
    ),
    "beale": Function(
        "(1.5 - x + xy)² + (2.25 - x + xy²)² + (2.625 - x + xy³)²",
        "Beale 1958; start and minimum of Moré, Garbow and Hillstrom 1981, problem 5",
        _beale,
        _beale_gradient,
        minima=((3.0, 0.5),),
        start=(1.0, 1.0),
        window=((-1.0, 4.5), (-2.0, 2.0)),
        saddles=((0.0, 1.0),),
    ),
    "himmelblau": Function(
        "(x² + y - 11)² + (x + y² - 7)²",
        "Himmelblau 1972, problem 29",
        _himmelblau,
        _himmelblau_gradient,
        minima=(
            (3.0, 2.0),
            (-2.805118086952745, 3.131312518250573),
            (-3.779310253377747, -3.2831859912861696),
            (3.5844283403304917, -1.8481265269644036),
        ),
        start=(0.0, 0.0),
        window=((-5.0, 5.0), (-5.0, 5.0)),
        saddles=(
            (-3.0730257507643897, -0.08135304428796751),
            (0.08667750455539636, 2.884254701174776),
            (3.385154183607021, 0.07385187983774928),
            (-0.12796134673068008, -1.9537149802445763),
        ),
    ),
    "rastrigin": Function(
        "20 + x² - 10 cos(2πx) + y² - 10 cos(2πy)",
        "Rastrigin 1974",
        _rastrigin,
        _rastrigin_gradient,
        minima=((0.0, 0.0),),
        start=(-2.7, 1.8),
        window=((-4.0, 4.0), (-4.0, 4.0)),
    ),
    # the cubic alone has no lowest value either; along its three valleys this is -r³ + ¾ r⁴ + ¼, which is 0 at r = 1
    "monkey_saddle": Function(
        "x³ - 3xy² + ¾ (x² + y²)² + ¼",
        "the monkey saddle x³ - 3xy² of Hilbert and Cohn-Vossen 1932, closed by a fourth power",
        _monkey_saddle,
        _monkey_saddle_gradient,
        minima=((-1.0, 0.0), (0.5, math.sqrt(0.75)), (0.5, -math.sqrt(0.75))),
        start=(0.8, 0.001),
        window=((-1.5, 1.5), (-1.5, 1.5)),
        saddles=((0.0, 0.0),),
        away=0.225,
    ),
}
