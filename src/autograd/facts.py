"""What circulates about gradients, run and held against what is shown: the examples, and torch's habits."""

from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from io import StringIO

import torch

from src.autograd.formula import parse, parse_value
from src.autograd.tape import backward, forward


@dataclass(frozen=True)
class Example:
    """A formula at a point, its value and its gradient; `wrong` is a claim that circulates, `because` how it arises."""

    formula: str
    at: Mapping[str, str]
    value: float
    gradient: Mapping[str, float]
    wrong: Mapping[str, float] = field(default_factory=dict)
    because: str = ""


@dataclass(frozen=True)
class Fact:
    """A sentence about torch, and the lines that show it: the last one gives what is seen, or begins with it."""

    says: str
    lines: tuple[str, ...]
    seen: str
    wrong: str = ""


EXAMPLES = (
    Example("x^2 + 3x + 1", {"x": "2"}, 11, {"x": 7}),
    Example(
        "x^2 y + y^2",
        {"x": "2", "y": "3"},
        21,
        {"x": 12, "y": 10},
        wrong={"y": 13},
        because="the derivative of y^2 is 2y = 6, and 4 + 6 = 10; 13 is 4 + 9, with y^2 left as it is",
    ),
    Example("mean(3 (x+2)^2)", {"x": "ones(2, 2)"}, 27, {"x": 4.5}),
    Example("3 (a + b c)", {"a": "5", "b": "3", "c": "2"}, 33, {"a": 3, "b": 6, "c": 9}),
)
FACTS = (
    Fact(
        "detach() shares its storage with its source",
        ("x = torch.ones(3, requires_grad=True)", "y = x.detach()", "y[0] = 7", "x.tolist()"),
        "[7.0, 1.0, 1.0]",
        wrong="detach() makes a copy",
    ),
    Fact("what is detached has no history", ("(x * 2).detach().grad_fn is None",), "True"),
    Fact(
        ".numpy() on a tensor that requires grad raises",
        ("x = torch.ones(3, requires_grad=True)", "x.numpy()"),
        "RuntimeError: Can't call numpy() on Tensor that requires grad",
    ),
    Fact(
        "no_grad() gives tensors without a grad_fn",
        ("with torch.no_grad(): y = x * 2", "(y.requires_grad, y.grad_fn)"),
        "(False, None)",
    ),
    Fact(
        "backward() on more than one number raises without a vector",
        ("x = torch.tensor([1.0, 2.0], requires_grad=True)", "(x**2).backward()"),
        "RuntimeError: grad can be implicitly created only for scalar outputs",
    ),
    Fact(
        "with a vector v it gives v times the Jacobian, here diag(2x)",
        ("(x**2).backward(torch.tensor([1.0, 10.0]))", "x.grad.tolist()"),
        "[2.0, 40.0]",
    ),
    Fact(
        "gradients add up: the same backward() twice gives twice the gradient",
        (
            "x = torch.tensor(3.0, requires_grad=True)",
            "(x**2).backward()",
            "(x**2).backward()",
            "x.grad.item()",
        ),
        "12.0",
    ),
    Fact("until they are zeroed", ("x.grad = None", "(x**2).backward()", "x.grad.item()"), "6.0"),
)


@dataclass(frozen=True)
class Outcome:
    """Of an example: what torch computed, and whether it is what is claimed, central differences agreeing."""

    value: float
    gradient: Mapping[str, float]
    right: bool


def check(example: Example) -> Outcome:
    """Compute an example, whose gradient is the same for every element of a variable."""
    formula = parse(example.formula)
    values = forward(formula, {name: parse_value(name, text) for name, text in example.at.items()})
    back = backward(formula, values)
    by_name = {node.name: back.gradients[node] for node in formula.variables}
    right = (
        values[formula.result].item() == example.value
        and all(bool((by_name[name] == number).all()) for name, number in example.gradient.items())
        and not any(bool((by_name[name] == number).any()) for name, number in example.wrong.items())
        and all(back.agree(node) for node in formula.nodes)
    )
    first = {name: float(gradient.flatten()[0]) for name, gradient in by_name.items()}
    return Outcome(values[formula.result].item(), first, right)


def show(facts: tuple[Fact, ...]) -> list[tuple[str, bool]]:
    """What each fact's last line gives, and whether that is what the fact says.

    The lines that are shown are the lines that run, one after the other, as in a Python session; all are this file's.
    """
    session: dict[str, object] = {"torch": torch}
    outcomes = []
    for fact in facts:
        seen = [_run(line, session) for line in fact.lines][-1]
        right = seen.startswith(fact.seen) if "Error: " in fact.seen else seen == fact.seen
        outcomes.append((seen, right))
    return outcomes


def _run(line: str, session: dict[str, object]) -> str:
    """What Python's prompt prints after a line."""
    with redirect_stdout(StringIO()) as printed:
        try:
            exec(compile(line, "fact", "single"), session)
        except Exception as error:  # whatever is raised is what the line gives
            return f"{type(error).__name__}: {str(error).splitlines()[0]}"
    return printed.getvalue().rstrip()
