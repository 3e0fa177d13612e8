"""A formula as nodes in the order of their evaluation: Python's `ast` reads it, and each part is held against a list.

Not by sympy's parser: that one evaluates the text as Python, joins what is written twice, and has no sentence for a
mistake.
"""

import ast
import difflib
import keyword
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

# what keeps a hostile formula cheap
LONGEST, DEEPEST, MOST_ELEMENTS, LARGEST_POWER = 500, 60, 1_000, 1_000

CONSTANTS = {"pi": math.pi, "e": math.e}
MAKERS = ("ones", "zeros", "full", "eye", "arange")
RESERVED = {"v": "the vector of the vector-Jacobian product", "graph": "the file of the drawing"}


class FormulaError(Exception):
    """A mistake that a user can make; the message says what was given, what is accepted and what to do."""


@dataclass(frozen=True)
class Operation:
    """What torch runs, and what carries the gradient g to each argument: `{a}`, `{b}` and the outcome `{out}`."""

    run: Callable[..., Tensor]
    rules: tuple[str, ...]
    # where its slope jumps, so that a central difference takes the mean of the two sides
    kink: Callable[..., Tensor] | None = None


def _transpose(a: Tensor) -> Tensor:
    return a.T if a.dim() == 2 else a + 0


SIGNS = {
    "+": Operation(torch.add, ("g", "g")),
    "-": Operation(torch.sub, ("g", "-g")),
    "*": Operation(torch.mul, ("g*{b}", "g*{a}")),
    "/": Operation(torch.div, ("g/{b}", "-g*{a}/{b}**2")),
    "**": Operation(torch.pow, ("g*{b}*{a}**({b} - 1)", "g*{out}*log({a})")),
    "@": Operation(torch.matmul, ("g @ T({b})", "T({a}) @ g")),
    "negative": Operation(torch.neg, ("-g",)),
}
FUNCTIONS = {
    "exp": Operation(torch.exp, ("g*{out}",)),
    "log": Operation(torch.log, ("g/{a}",)),
    "sqrt": Operation(torch.sqrt, ("g/(2*{out})",)),
    "sin": Operation(torch.sin, ("g*cos({a})",)),
    "cos": Operation(torch.cos, ("-g*sin({a})",)),
    "tan": Operation(torch.tan, ("g*(1 + {out}**2)",)),
    "tanh": Operation(torch.tanh, ("g*(1 - {out}**2)",)),
    "sigmoid": Operation(torch.sigmoid, ("g*{out}*(1 - {out})",)),
    "relu": Operation(torch.relu, ("g*step({a})",), lambda a: a == 0),
    "abs": Operation(torch.abs, ("g*sign({a})",), lambda a: a == 0),
    "max": Operation(torch.maximum, ("g*Heaviside({a} - {b})", "g*Heaviside({b} - {a})"), lambda a, b: a == b),
    "min": Operation(torch.minimum, ("g*Heaviside({b} - {a})", "g*Heaviside({a} - {b})"), lambda a, b: a == b),
    "sum": Operation(torch.sum, ("g",)),
    "mean": Operation(torch.mean, ("g/{n}",)),
    "norm": Operation(torch.linalg.vector_norm, ("g*{a}/{out}",), lambda a: (a == 0).all()),
    "dot": Operation(torch.dot, ("g*{b}", "g*{a}")),
    "matmul": SIGNS["@"],
    "transpose": Operation(_transpose, ("T(g)",)),
}
FUNCTIONS["T"] = FUNCTIONS["transpose"]
OPERATIONS = SIGNS | FUNCTIONS
BINARY = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**", ast.MatMult: "@"}
ALLOWED = (
    f"a formula has numbers, variables, {', '.join(CONSTANTS)}, + - * / ** @, "
    f"the functions {', '.join(FUNCTIONS)}, and {', '.join(MAKERS)}"
)
VALUES = (
    "a value is made of numbers alone: 2, -1.5, pi/2, [1, 2, 3], [[1, 2], [3, 4]], "
    "ones(2, 2), zeros(2, 2), full(2, 2, 7), eye(2), arange(4)"
)


@dataclass(frozen=True, eq=False)
class Node:
    """One step of a formula, or one of its variables or constants.

    Attributes:
        name: the variable's name, `#1`, `#2`... for a step, the text of a constant.
        text: the step as written in the formula.
        made: the same, with the names of the steps that it takes.
        operation: a key of `OPERATIONS`, or empty for a variable or a written constant.
        value: of a constant; None for what depends on a variable.
    """

    name: str
    text: str
    made: str = ""
    operation: str = ""
    inputs: tuple["Node", ...] = ()
    value: Tensor | None = None


@dataclass(frozen=True)
class Formula:
    """A formula's variables, and its steps in the order of their evaluation; the last one is the result."""

    text: str
    variables: tuple[Node, ...]
    steps: tuple[Node, ...]

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Variables and steps."""
        return self.variables + self.steps

    @property
    def result(self) -> Node:
        """The last step; the variable itself where there is none."""
        return self.nodes[-1]


def parse(text: str) -> Formula:
    """Read a formula such as `x^2 y + 3x + mean(T(A) @ b)`; `3x` and `x y` are products, `^` is a power.

    An expression that is written twice is two steps, as it is two in torch.

    Raises:
        FormulaError: it is no formula, holds something that is not on the list, or is too large.
    """
    reader = _Reader()
    written = _python(text)
    reader.read(written)
    if not reader.variables:
        raise FormulaError(f"{_short(text)}: there is no variable in it, so nothing to differentiate")
    return Formula(_plain(written), tuple(reader.variables.values()), tuple(reader.steps))


def parse_value(name: str, text: str) -> Tensor:
    """Read a variable's value, `2`, `-pi/2`, `[[1, 2], [3, 4]]`, `3*ones(2, 2)`, as float64 of at most two dimensions.

    Raises:
        FormulaError: it is not made of numbers alone.
    """
    if not text:
        raise FormulaError(f"{name}= has no value; {VALUES}")
    try:
        value = _Reader().read(_python(text)).value
    except FormulaError as error:
        raise FormulaError(f"{name}={_short(text)}: {str(error).replace(ALLOWED, VALUES)}") from None
    if value is None:
        raise FormulaError(f"{name}={_short(text)}: {VALUES}")
    return value


def evaluate(node: Node, values: Sequence[Tensor]) -> Tensor:
    """What torch makes of one step, given the values of its inputs.

    Raises:
        FormulaError: shapes that do not fit, or more than `MOST_ELEMENTS` elements.
    """
    last = values[-1]
    if node.operation == "**" and node.inputs[1].value is not None and not last.dim():
        # a plain number as exponent is what one writes in torch, and has a grad_fn of its own
        return values[0] ** last.item()
    try:
        value = OPERATIONS[node.operation].run(*values)
    except RuntimeError:
        shapes = " and ".join(shape(value) for value in values)
        needs = {"@": "the columns of the left must be the rows of the right", "dot": "dot takes two vectors"}
        need = needs.get("@" if node.operation == "matmul" else node.operation, "")
        raise FormulaError(f"{node.text}: {shapes} do not fit together{need and '; ' + need}") from None
    if value.numel() > MOST_ELEMENTS:
        raise FormulaError(f"{node.text}: it has {value.numel():,} elements; this command goes to {MOST_ELEMENTS:,}")
    return value


def shape(value: Tensor) -> str:
    """`a number`, `3` elements or `2×3`, as a reader would say it."""
    sizes = "×".join(map(str, value.shape))
    return {0: "a number", 1: f"a vector of {sizes}", 2: f"a {sizes} matrix"}[value.dim()]


def nearest(word: str, choices: Iterable[str]) -> str:
    """`"; did you mean sin?"` when one of `choices` is close to `word`, else an empty string."""
    other = {"ln": "log", "pow": "**", "maximum": "max", "minimum": "min"}.get(word.lower())
    close = [other] if other else difflib.get_close_matches(word.lower(), list(choices), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."


def _plain(part: ast.expr) -> str:
    return re.sub(r" (\*\*|\*|/) ", r"\1", ast.unparse(part))


_TOKEN = re.compile(
    r"(?P<number>(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)|(?P<name>[^\W\d]\w*)|(?P<sign>\*\*|//|[-+*/@(),\[\]])|(?P<other>\S)"
)
_TYPED = str.maketrans({"^": "**", "−": "-", "·": "*", "×": "*", "²": "**2", "³": "**3", "π": "pi"})


def _python(text: str) -> ast.expr:
    """The syntax tree of a formula, after implied products have got their sign."""
    if len(text) > LONGEST:
        raise FormulaError(f"{_short(text)}: it has {len(text):,} characters; a formula goes to {LONGEST}")
    words: list[str] = []
    before = ""
    for token in _TOKEN.finditer(text.translate(_TYPED)):
        word, kind = token[0], str(token.lastgroup)
        if kind == "other" or word == "//" or keyword.iskeyword(word):
            raise FormulaError(f"{_short(text)}: {word} is not arithmetic; {ALLOWED}")
        starts = kind in ("number", "name") or word == "("
        if starts and (before in ("number", ")") or (before == "name" and kind == "name")):
            if kind == "number":
                raise FormulaError(f"{_short(text)}: there is no sign between {words[-1]} and {word}")
            words.append("*")
        elif before == "name" and kind == "number":
            raise FormulaError(f"{_short(text)}: there is no sign between {words[-1]} and {word}")
        words.append(word)
        before = word if word == ")" else kind
    for opening, closing in ("()", "[]"):
        if words.count(opening) != words.count(closing):
            missing, more = sorted((opening, closing), key=words.count)
            raise FormulaError(f"{_short(text)}: it has more {more} than {missing}")
    try:
        return ast.parse(" ".join(words), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise FormulaError(f"{_short(text) or 'nothing'}: this is not a formula, such as 3x^2 + sin(x)") from None


class _Reader:
    """Walks a syntax tree, and makes nodes of what is on the list."""

    def __init__(self) -> None:
        self.variables: dict[str, Node] = {}
        self.steps: list[Node] = []

    def read(self, part: ast.expr, depth: int = 0) -> Node:
        if depth > DEEPEST:
            raise FormulaError(f"the formula is nested (or a sum of terms) more than {DEEPEST} deep; say a shorter one")
        match part:
            case ast.Constant(value=int() | float() as number):
                return self._constant(part, _tensor(number))
            case ast.Name(id=name):
                return self._name(part, name)
            case ast.BinOp(left=left, op=sign, right=right) if type(sign) in BINARY:
                inputs = self.read(left, depth + 1), self.read(right, depth + 1)
                return self._step(part, BINARY[type(sign)], inputs)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self._step(part, "negative", (self.read(operand, depth + 1),))
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.read(operand, depth + 1)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self._call(part, name, [self.read(argument, depth + 1) for argument in arguments])
            case ast.List(elts=parts):
                return self._list(part, [self.read(element, depth + 1) for element in parts])
        raise FormulaError(f"{_short(_plain(part))} is not arithmetic; {ALLOWED}")

    def _constant(self, part: ast.expr, value: Tensor, operation: str = "", inputs: tuple[Node, ...] = ()) -> Node:
        text = _plain(part)
        if not bool(value.isfinite().all()):
            raise FormulaError(f"{_short(text)} is no finite number, or too large for a float64")
        simple = isinstance(part, ast.Constant | ast.Name | ast.Call | ast.List)
        return Node(text if simple else f"({text})", text, text, operation, inputs, value)

    def _name(self, part: ast.expr, name: str) -> Node:
        if name in CONSTANTS:
            return self._constant(part, _tensor(CONSTANTS[name]))
        if name in FUNCTIONS or name in MAKERS:
            raise FormulaError(f"{name} is a function; write {name}(...)")
        if name in RESERVED:
            raise FormulaError(f"{name} cannot be a variable, {name}= is {RESERVED[name]}; choose another name")
        return self.variables.setdefault(name, Node(name, name))

    def _step(self, part: ast.expr, operation: str, inputs: tuple[Node, ...]) -> Node:
        if operation == "**" and inputs[1].value is not None and float(inputs[1].value.abs().max()) > LARGEST_POWER:
            raise FormulaError(f"{_short(_plain(part))}: powers go to {LARGEST_POWER:,}")
        node = Node(f"#{len(self.steps) + 1}", _plain(part), _made(part, inputs), operation, inputs)
        constants = [node.value for node in inputs if node.value is not None]
        if len(constants) == len(inputs):
            return self._constant(part, evaluate(node, constants), operation, inputs)
        self.steps.append(node)
        return node

    def _call(self, part: ast.expr, name: str, inputs: list[Node]) -> Node:
        if name in MAKERS:
            return self._constant(part, _maker(_plain(part), name, inputs))
        if name not in FUNCTIONS:
            product = f", and a product is {name}*(...)" if len(name) == 1 else ""
            names = ", ".join(FUNCTIONS)
            raise FormulaError(f"there is no function {name}{nearest(name, FUNCTIONS)} (functions: {names}{product})")
        takes = len(FUNCTIONS[name].rules)
        if len(inputs) != takes:
            given = "argument" if takes == 1 else "arguments"
            raise FormulaError(f"{_short(_plain(part))}: {name} takes {takes} {given}, not {len(inputs)}")
        return self._step(part, name, tuple(inputs))

    def _list(self, part: ast.expr, inputs: list[Node]) -> Node:
        values = [node.value for node in inputs if node.value is not None]
        if not values or len(values) < len(inputs):
            raise FormulaError(f"{_short(_plain(part))}: a list holds numbers, such as [1, 2, 3]")
        if len({value.shape for value in values}) > 1 or values[0].dim() > 1:
            raise FormulaError(f"{_short(_plain(part))}: its rows must be equally long, as in [[1, 2], [3, 4]]")
        return self._constant(part, torch.stack(values))


def _tensor(number: float) -> Tensor:
    try:
        return torch.tensor(float(number), dtype=torch.float64)
    except OverflowError:  # a whole number of more digits than a float64 can hold
        return torch.tensor(math.inf, dtype=torch.float64)


def _made(part: ast.expr, inputs: Sequence[Node]) -> str:
    """The step with the names of its inputs instead of them."""
    names: list[Any] = [ast.Name(node.name) for node in inputs]
    match part:
        case ast.BinOp(op=sign):
            return _plain(ast.BinOp(names[0], sign, names[1]))
        case ast.UnaryOp(op=minus):
            return _plain(ast.UnaryOp(minus, names[0]))
        case ast.Call(func=function):
            return _plain(ast.Call(function, names, []))
    return _plain(part)


def _maker(text: str, name: str, inputs: Sequence[Node]) -> Tensor:
    """`ones(2, 2)` and its like, with sizes that are checked before anything is made."""
    numbers = [float(node.value) for node in inputs if node.value is not None and not node.value.dim()]
    sizes = numbers[:-1] if name == "full" else numbers
    accepted = range(1, 2 if name in ("eye", "arange") else 3)
    if len(numbers) < len(inputs) or len(sizes) not in accepted or any(size < 1 or size % 1 for size in sizes):
        wanted = {"full": "full(2, 2, 7)", "eye": "eye(2)", "arange": "arange(4)"}.get(name, f"{name}(2, 2)")
        raise FormulaError(f"{_short(text)}: sizes are whole numbers from 1, one or two of them, as in {wanted}")
    if math.prod(sizes) ** (2 if name == "eye" else 1) > MOST_ELEMENTS:
        raise FormulaError(f"{_short(text)}: this command goes to {MOST_ELEMENTS:,} elements")
    whole = [int(size) for size in sizes]
    if name in ("eye", "arange"):
        return (torch.eye if name == "eye" else torch.arange)(whole[0], dtype=torch.float64)
    return torch.full(whole, {"ones": 1.0, "zeros": 0.0, "full": numbers[-1]}[name], dtype=torch.float64)
