"""The derivative as a formula, by sympy; vectors and matrices are written out element by element."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy
from torch import Tensor

from src.autograd.formula import Formula, Node
from src.autograd.tape import Values

# beyond these a formula is no longer something to read, or takes sympy too long
MOST_ELEMENTS, LARGEST, LONGEST, MOST_TO_SIMPLIFY = 9, 1_000, 300, 40


@dataclass(frozen=True)
class Derivative:
    """By one variable, or by one of its elements; `formula` is empty where none is shown, and `why` says why.

    `value` is autograd's, which a formula that is shown gives at the point too.
    """

    by: str
    formula: str
    value: Tensor
    why: str = ""


def derivatives(formula: Formula, values: Values, gradients: Values, vector: Tensor | None) -> list[Derivative]:
    """The derivative of the result, or of `sum(vector * result)`, by every variable.

    A formula whose value at the point is not that of autograd is not shown.
    """
    try:
        symbols = {node: symbols_of(node, values[node]) for node in formula.variables}
        if values[formula.result].numel() * _size(formula.result, values) > LARGEST:
            raise _TooLargeError("written out element by element, it is too long")
        result = meaning(formula.result, symbols)
        total = result[()] if vector is None else np.sum(np.vectorize(_number)(vector.numpy()) * result)
        return [row for node in formula.variables for row in _by(node, total, symbols, values, gradients)]
    except _TooLargeError as reason:
        why = str(reason)
    except Exception as error:  # sympy has many, and none is the user's mistake
        why = f"sympy does not manage it ({type(error).__name__})"
    return [Derivative(node.name, "", gradients[node], why) for node in formula.variables]


class _TooLargeError(Exception):
    pass


def _own(name: str, value: Callable[..., Any], *slopes: Callable[..., Any]) -> Any:
    """A function that sympy has not, or not as a function of real numbers with torch's choice at the kink.

    Args:
        name: as it is shown.
        value: of numbers.
        slopes: by each argument.
    """

    def evaluated(_: Any, *arguments: Any) -> Any:
        return value(*arguments) if all(argument.is_number for argument in arguments) else None

    members = {"fdiff": lambda self, argindex=1: slopes[argindex - 1](*self.args), "eval": classmethod(evaluated)}
    return type(name, (sympy.Function,), members)


_step = _own("step", lambda a: sympy.Integer(int(a > 0)), lambda a: sympy.Integer(0))
_sigmoid: Any = _own("sigmoid", lambda a: 1 / (1 + sympy.exp(-a)), lambda a: _sigmoid(a) * (1 - _sigmoid(a)))
_ELEMENTWISE: dict[str, Callable[..., Any]] = {
    "negative": lambda a: -a,
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "**": lambda a, b: a**b,
    **{name: getattr(sympy, name) for name in ("exp", "log", "sqrt", "sin", "cos", "tan", "tanh")},
    "sigmoid": _sigmoid,
    "relu": _own("relu", lambda a: sympy.Max(a, 0), _step),
    "abs": _own("abs", sympy.Abs, sympy.sign),
    "max": _own("max", sympy.Max, lambda a, b: sympy.Heaviside(a - b), lambda a, b: sympy.Heaviside(b - a)),
    "min": _own("min", sympy.Min, lambda a, b: sympy.Heaviside(b - a), lambda a, b: sympy.Heaviside(a - b)),
}
MEANINGS: dict[str, Callable[..., Any]] = {
    **{name: np.vectorize(function, otypes=[object]) for name, function in _ELEMENTWISE.items()},
    "sum": np.sum,
    "mean": lambda a: np.sum(a) / a.size,
    "norm": lambda a: sympy.sqrt(np.sum(a**2)),
    "dot": np.dot,
    **dict.fromkeys(("@", "matmul"), np.matmul),
    **dict.fromkeys(("T", "transpose"), np.transpose),
}
_NUMERIC = {
    "step": lambda x: float(x > 0),
    "relu": lambda x: max(x, 0.0),
    **{"abs": abs, "max": max, "min": min},
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}


def _number(value: float) -> Any:
    return sympy.Integer(int(value)) if value.is_integer() and abs(value) < 1e15 else sympy.Float(value)


def symbols_of(node: Node, value: Tensor | np.ndarray) -> Any:
    """An array of symbols for the elements of a node whose value this is."""
    elements = math.prod(value.shape)
    if elements > MOST_ELEMENTS:
        raise _TooLargeError(f"{node.name} has {elements} elements; up to {MOST_ELEMENTS} are written out")
    symbols = [sympy.Symbol(_element(node.name, index), real=True) for index in np.ndindex(*value.shape)]
    return np.array(symbols, dtype=object).reshape(tuple(value.shape))


def _size(node: Node, values: Values) -> int:
    """How many symbols an element of a node has in it."""
    inside = sum(_size(entry, values) for entry in node.inputs) or 1
    if node.operation in ("sum", "mean", "norm", "dot", "@", "matmul"):
        first = node.inputs[0].value if node.inputs[0].value is not None else values[node.inputs[0]]
        return inside * (first.shape[-1] if node.operation in ("dot", "@", "matmul") else first.numel())
    return inside


def _element(name: str, index: Sequence[int | str]) -> str:
    return f"{name}[{', '.join(map(str, index))}]" if len(index) else name


def meaning(node: Node, symbols: Mapping[Node, Any], after: Callable[[Any], Any] | None = None) -> Any:
    """An array of sympy's expressions, of the shape of the node.

    Args:
        node: whose.
        symbols: what stands for variables or steps, of their shape.
        after: what is made of every expression on the way.
    """
    if node in symbols:
        return symbols[node]
    if node.inputs:
        inputs = [meaning(entry, symbols, after) for entry in node.inputs]
        value = np.asarray(MEANINGS[node.operation](*inputs), dtype=object)
        return np.asarray(np.vectorize(after, otypes=[object])(value), dtype=object) if after else value
    if node.value is None or node.name in ("pi", "e"):
        return np.asarray(sympy.pi if node.name == "pi" else sympy.E, dtype=object)
    return np.asarray(np.vectorize(_number, otypes=[object])(node.value.numpy()), dtype=object)


def _by(node: Node, total: Any, symbols: dict[Node, Any], values: Values, gradients: Values) -> list[Derivative]:
    slots = list(np.ndindex(symbols[node].shape))
    raw = [sympy.diff(total, symbols[node][slot]) for slot in slots]
    right = [_right(part, symbols, values, gradients[node][slot]) for part, slot in zip(raw, slots, strict=True)]
    # one line where the formula is the same for every element, but for the index
    general = {_general(part, symbols, slot) for part, slot in zip(raw, slots, strict=True)}
    if len(general) == 1 and (len(slots) > 1 or not values[node].dim()):
        by = _element(node.name, ("i", "j")[: values[node].dim()])
        return [_derivative(by, _shorter(general.pop()), gradients[node], all(right))]
    # not made shorter: sympy takes half a second for each, which a matrix is not worth
    return [
        _derivative(_element(node.name, slot), part, gradients[node][slot], same)
        for part, slot, same in zip(raw, slots, right, strict=True)
    ]


def _derivative(by: str, expression: Any, value: Tensor, right: bool) -> Derivative:
    text = sympy.sstr(expression, full_prec=False)
    why = "" if right else "at this point it does not have the value of autograd"
    if right and len(text) > LONGEST:
        why = f"it has {len(text):,} characters"
    return Derivative(by, "" if why else text, value, why)


def _general(expression: Any, symbols: dict[Node, Any], slot: tuple[int, ...]) -> Any:
    """With i and j for the indices of one element, in every variable that has such an element."""
    index = ("i", "j")[: len(slot)]
    renamed = {
        array[slot]: sympy.Symbol(_element(node.name, index), real=True)
        for node, array in symbols.items()
        if slot and array.ndim == len(slot) and all(at < size for at, size in zip(slot, array.shape, strict=True))
    }
    return expression.xreplace(renamed)


def _shorter(expression: Any) -> Any:
    """The shorter of what differentiation gives and what sympy makes of it.

    Large numbers are left alone: sympy multiplies (x + 1)^99 and sin(1e10 x) out, until the memory is full.
    """
    powers = [abs(int(power.exp)) for power in expression.atoms(sympy.Pow) if power.exp.is_Integer]
    plain = all(number.is_Rational and max(abs(number.p), number.q) <= 20 for number in expression.atoms(sympy.Number))
    if not plain or sympy.count_ops(expression) > MOST_TO_SIMPLIFY or math.prod(power or 1 for power in powers) > 50:
        return expression
    return min(expression, sympy.simplify(expression), key=lambda part: len(str(part)))


def _right(expression: Any, symbols: dict[Node, Any], values: Values, gradient: Tensor) -> bool:
    """Whether a formula's value at the point is the gradient that autograd gives."""
    if expression.has(sympy.nan, sympy.zoo, sympy.oo):
        return False
    names = [symbol for array in symbols.values() for symbol in array.flat]
    point = [float(number) for node in symbols for number in values[node].flatten()]
    function = sympy.lambdify(names, expression, [_NUMERIC, "numpy"], dummify=True)
    with np.errstate(all="ignore"):
        value = float(function(*map(np.float64, point)))
    expected = float(gradient)
    if not (math.isfinite(value) and math.isfinite(expected)):
        return math.isfinite(value) == math.isfinite(expected)
    return math.isclose(value, expected, rel_tol=1e-8, abs_tol=1e-10)
