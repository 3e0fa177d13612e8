"""What the tables cannot say: why a number is not finite, and why a gradient and its central difference disagree.

Each sentence is held against the formula in many digits (`exact`): a number that float64 cannot hold is not one that
mathematics does not have.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from src.autograd import exact
from src.autograd.exact import Exact, UnknownError
from src.autograd.formula import OPERATIONS, Formula, Node
from src.autograd.tape import Backward, Values, inputs_of

BEYOND = "more than a float64 can hold"


def of_values(formula: Formula, values: Values, truth: Exact) -> str | None:
    """The step where a value stops being finite, and why; None where all of them are."""
    for node in formula.steps:
        inputs = inputs_of(node, values)
        if not bool(values[node].isfinite().all()) and all(bool(value.isfinite().all()) for value in inputs):
            why = _why(node, values[node], inputs, truth)
            return f"{node.made} ({node.name}) is not finite: {why}. Nothing after it means much."
    return None


def _why(node: Node, value: Tensor, inputs: list[Tensor], truth: Exact) -> str:
    index = _first(~value.isfinite())
    single = all(entry.shape == value.shape or not entry.dim() for entry in inputs)
    numbers = [float(entry[index] if entry.dim() else entry) for entry in inputs] if single else []
    in_float64 = _reason(node.operation, numbers)
    try:
        found = truth.value(node)[index]
        if exact.too_large(found):
            return f"it is about {exact.text(found)}, {BEYOND}"
        if exact.finite(found):
            return f"float64 meets {in_float64} on the way; in mathematics it is about {exact.text(found)}"
        parts = [truth.value(entry) for entry in node.inputs] if single else []
        return _reason(node.operation, [_signed(part[index] if part.ndim else part[()]) for part in parts])
    except UnknownError:
        return f"float64 meets {in_float64}"


def _signed(number: Any) -> float:
    """As a float64, which does not become 0 or infinite if the number is not."""
    if not exact.finite(number):
        return math.nan
    return math.copysign(min(max(abs(float(number)), 5e-324), exact.LARGEST), number) if number else 0.0


def _reason(operation: str, numbers: list[float]) -> str:
    match operation, numbers:
        case "/", [_, 0.0]:
            return "division by zero"
        case "log", [a] if a <= 0:
            return "the logarithm of a negative number" if a < 0 else "the logarithm of zero"
        case "sqrt", [a] if a < 0:
            return "the square root of a negative number"
        case "**", [a, b] if a < 0 and b % 1:
            return "a negative number to a power that is not whole"
        case "**", [0.0, b] if b < 0:
            return "zero to a negative power"
    return "a number beyond its range"


def of_gradients(formula: Formula, values: Values, back: Backward, truth: Exact) -> Iterator[str]:
    """Kinks, what step and Heaviside mean, gradients that are not finite, and those that disagree."""
    finite = all(bool(values[node].isfinite().all()) for node in formula.nodes)
    at_kinks = [f"{node.made} ({node.name})" for node in _kinks(formula, values, truth)] if finite else []
    if at_kinks:
        yield (
            f"{', '.join(at_kinks)}: at a kink the step has no derivative; torch takes one value between the slopes of "
            "its two sides, the central difference goes from one side to the other, so the two may disagree."
        )
    for meaning in ("step(x) is 1 for x > 0, else 0.", "Heaviside(x) is 1 for x > 0, 1/2 at 0, else 0."):
        if any(meaning.partition("(")[0] in edge.rule for edge in back.edges):
            yield meaning
    endless = [node for node in formula.nodes if not bool(back.gradients[node].isfinite().all())]
    yield from _together(endless, lambda node: _endless(node, back.gradients[node], truth))
    if finite and not at_kinks:
        apart = [node for node in formula.nodes if node not in endless and not back.agree(node)]
        yield from _together(apart, lambda node: _apart(node, values[node], back, truth))


def _kinks(formula: Formula, values: Values, truth: Exact) -> Iterator[Node]:
    """The steps that are evaluated where their slope jumps, and not only because of rounding."""
    for node in formula.steps:
        kink = OPERATIONS[node.operation].kink
        if kink is None or not bool(kink(*inputs_of(node, values)).any()):
            continue
        try:
            first, *second = (truth.value(entry) for entry in node.inputs)
            away = np.asarray(first - second[0] if second else first)
            signs = torch.tensor([float(bool(number)) for number in away.flat])
            if bool(kink(signs, *[torch.zeros_like(signs)] * len(second)).any()):
                yield node
        except UnknownError:
            yield node


def _together(nodes: list[Node], said: Callable[[Node], str]) -> Iterator[str]:
    """A sentence for all nodes of which the same is said; `{}` in it stands for their names."""
    sentences = dict[str, list[str]]()
    for node in nodes:
        sentences.setdefault(said(node), []).append(node.name)
    return (sentence.format(", ".join(names)) for sentence, names in sentences.items())


def _endless(node: Node, gradient: Tensor, truth: Exact) -> str:
    try:
        slope = truth.slope(node)[_first(~gradient.isfinite())]
        if not truth.defined():
            return "The gradient of {} is not finite: the slope has no end or no value there."
    except UnknownError:
        return "The gradient of {} is not finite in float64."
    if exact.too_large(slope):
        return f"The gradient of {{}} is about {exact.text(slope)}, {BEYOND}."
    if exact.finite(slope):
        return (
            f"In mathematics the gradient of {{}} is {exact.text(slope)}; autograd's chain rule meets on its way "
            "a number that is not finite."
        )
    if slope.has(exact.UNDEFINED):
        return "The gradient of {} is not finite: the chain rule finds no value there."
    return "The gradient of {} is not finite: the slope has no end or no value there."


def _apart(node: Node, value: Tensor, back: Backward, truth: Exact) -> str:
    """Whether it is autograd's number that is off, or the central difference, and why."""
    gradient, difference = back.gradients[node], back.differences[node]
    distance = (gradient - difference).abs()
    index = _first(distance.isnan() if bool(distance.isnan().any()) else distance == distance.max())
    found, central = float(gradient[index]), float(difference[index])
    try:
        slope = truth.slope(node)[index]
        if not exact.finite(slope):
            return "At {} the chain rule finds no value; autograd's is torch's own choice."
        if abs(slope - found) > 1e-5 * max(1, abs(slope)):
            return f"At {{}} autograd's number is off by rounding: in mathematics it is {exact.text(slope)}."
        if not math.isfinite(central):
            return (
                "At {} the two disagree: a step of the central difference away, the formula has no finite value in "
                "float64."
            )
        unrounded = truth.difference(node, value)[index]
        if exact.finite(unrounded) and abs(unrounded - central) > abs(central - found) / 2:
            return (
                "At {} the two disagree: the values that the central difference subtracts are too large, or too near "
                "to each other, for the digits of float64."
            )
    except UnknownError:
        return (
            "At {} the two disagree: the step of the central difference is too long there, or its digits are too few."
        )
    return "At {} the two disagree: the step of the central difference is too long for how the formula bends there."


def _first(where: Tensor) -> tuple[int, ...]:
    return tuple(where.nonzero()[0].tolist())
