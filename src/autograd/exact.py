"""What is so in mathematics where float64 fails: values, slopes and differences of a formula in 700 digits, by sympy.

The numbers given, and the constants, are taken for what they are in float64; what is between is not rounded to one.
"""

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy
from torch import Tensor

from src.autograd.formula import Formula, Node
from src.autograd.symbolic import meaning, symbols_of
from src.autograd.tape import Values, difference_steps
from src.autograd.text import number_text

# the largest and the smallest float64 are 632 digits apart
DIGITS, LARGEST_EXPONENT = 700, 10**6
LARGEST = sys.float_info.max
UNDEFINED = sympy.nan


class UnknownError(Exception):
    """It is not found out: too many elements, numbers beyond all bounds, or too much for sympy."""


class Exact:
    """A formula at a point; every method raises `UnknownError` where it does not find out.

    Args:
        formula: whose.
        values: of its variables.
        vector: what the result is multiplied with; None: 1.
    """

    def __init__(self, formula: Formula, values: Values, vector: Tensor | None) -> None:
        self.formula, self.vector = formula, None if vector is None else _floats(vector)
        constants = {entry: entry.value for step in formula.steps for entry in step.inputs if entry.value is not None}
        points = {**constants, **{node: values[node] for node in formula.variables}}
        self.given = {node: _floats(value) for node, value in points.items()}
        self._known = dict(self.given)

    def value(self, node: Node) -> Any:
        """An array of sympy's numbers, of the shape of the node."""
        if node not in self._known:
            self._known[node] = self._evaluate(node, self._known)
        return self._known[node]

    def defined(self) -> bool:
        """Whether every step is a real number."""
        return all(finite(number) for node in self.formula.steps for number in self.value(node).flat)

    def slope(self, node: Node) -> Any:
        """The derivative of the result, or of v · result, by every element of a node."""
        at, _ = self.value(node), self.value(self.formula.result)  # with no number on the way beyond all bounds
        try:
            symbols = symbols_of(node, at)
            point = dict(zip(symbols.flat, at.flat, strict=True))
            total = self._total({**self.given, node: symbols})
            found = [_number(sympy.diff(total, symbol).subs(point)) for symbol in symbols.flat]
        except Exception as error:  # sympy has many
            raise UnknownError from error
        return np.array(found, dtype=object).reshape(at.shape)

    def difference(self, node: Node, value: Tensor) -> Any:
        """The central difference with the step that is taken in float64, from `value`, but without rounding."""
        at, steps, found = self.value(node), _floats(difference_steps(value)), []
        for index in np.ndindex(at.shape):
            both = []
            for sign in (1, -1):
                moved = at.copy()
                moved[index] += sign * steps[index]
                both.append(self._total({**self.given, node: moved}))
            found.append((both[0] - both[1]) / (2 * steps[index]))
        return np.array(found, dtype=object).reshape(at.shape)

    def _total(self, at: Mapping[Node, Any]) -> Any:
        result = self._evaluate(self.formula.result, at)
        return np.sum(result if self.vector is None else self.vector * result)

    def _evaluate(self, node: Node, at: Mapping[Node, Any]) -> Any:
        try:
            with np.errstate(all="ignore"):
                return meaning(node, at, _number)
        except UnknownError:
            raise
        except Exception as error:  # sympy has many
            raise UnknownError from error


def _floats(value: Tensor) -> Any:
    numbers = [_number(sympy.Float(number, DIGITS)) for number in value.flatten().tolist()]
    return np.array(numbers, dtype=object).reshape(tuple(value.shape))


def _number(value: Any) -> Any:
    """A number evaluated, 0 a whole one, as sympy divides by no other; what has symbols in it as it is."""
    if value.free_symbols:
        return value
    value = value if value.is_Float or value.is_Rational else value.evalf(DIGITS)
    if value.is_Float and not value.is_zero and abs(value._mpf_[2] + value._mpf_[3]) > LARGEST_EXPONENT:
        raise UnknownError
    return sympy.Integer(0) if value.is_zero else value


def finite(value: Any) -> bool:
    """Whether it is a real number, which no pole and nothing undefined is."""
    return bool(value.is_Float or value.is_Rational)


def too_large(value: Any) -> bool:
    """Whether no float64 holds it."""
    return finite(value) and bool(abs(value) > LARGEST)


def text(value: Any) -> str:
    """A few digits, beyond the range of a float64 too."""
    number = sympy.Float(value, 15)
    return (
        number_text(float(number))
        if abs(number) < LARGEST and (not value or float(number))
        else f"{number.n(6)}".lower()
    )
