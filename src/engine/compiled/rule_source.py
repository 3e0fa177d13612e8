"""A rule as C: its trace, an operation of torch a line."""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.func import functionalize
from torch.fx.experimental.proxy_tensor import make_fx

from src.engine.compiled.compiler import NotCompiledError
from src.errors import one_line
from src.optim.rules import Rule
from src.optim.rules.rule import Acting

OPERATIONS = Path(__file__).with_name("operations.h")
ASKS = "aten._local_scalar_dense"
"""The operation that gives Python a number out of a tensor."""
INDIFFERENT = frozenset({"dtype", "layout", "device", "pin_memory", "memory_format", "non_blocking"})
"""Arguments of ATen's operations that say what a tensor of numbers is, or how it comes about."""


def rule_source(rule: Rule, acting: Acting, slots: Sequence[str], scalars: Sequence[str]) -> tuple[str, list[str]]:
    """The function `update` of parameters, gradients and state, and which of the scalars it takes, in this order.

    Args:
        rule: it.
        acting: options and numbers that are on.
        slots: of its state, all of which are there.
        scalars: what it takes from `constants` and `rates`.

    Raises:
        NotCompiledError: it cannot be said in C.
    """

    if not rule.element_wise or rule.needs_loss:
        raise NotCompiledError(f"{type(rule).__name__} looks at more than a number and its own state")

    def step(w: Tensor, g: Tensor, state: list[Tensor], numbers: list[Tensor]) -> list[Tensor]:
        kept = dict(zip(slots, state, strict=True))
        rule.update(w, g, kept, dict(zip(scalars, numbers, strict=True)), acting)
        return [w, *(kept[name] for name in slots)]

    w, g, *state = (torch.ones(2, 3) for _ in range(2 + len(slots)))
    try:
        graph = make_fx(functionalize(step))(w, g, state, [torch.ones(2, 1) for _ in scalars]).graph
    except Exception as error:  # a user's rule can raise anything
        why = "it asks what a number is (if, float())" if ASKS in str(error) else one_line(error)
        raise NotCompiledError(f"{type(rule).__name__} cannot be traced: {why}") from None
    places = ["w", "g", *(f"state[{k}]" for k in range(len(slots)))]
    names, lines, taken = dict[Any, str](), list[str](), list[str]()
    for index, node in enumerate(graph.nodes):
        if node.op == "output":
            made = zip([places[0], *places[2:]], node.args[0], strict=True)
            lines += [f"{place}[i + l] = {names[value]};" for place, value in made]
        elif node.op == "placeholder" and index >= len(places):
            if node.users:
                names[node] = f"c[{len(taken)}][l]"
                taken.append(scalars[index - len(places)])
        elif node.target is not torch.ops.aten.copy_.default:  # what is given back is stored
            kind = "integer" if node.op == "call_function" and node.meta["val"].dtype == torch.bool else "real"
            value = f"{places[index]}[i + l]" if node.op == "placeholder" else _call(node, names)
            names[node] = f"v{len(names)}"
            lines.append(f"const {kind} {names[node]} = {value};")
    body = "\n".join(f"        {line}" for line in lines)
    return (
        f"/* {type(rule).__name__} */\n"
        "IN void update(real *w, const real *g, real state[][PADDED(SIZE)], const real c[][LANES])\n"
        f"{{\n    EACH {{\n{body}\n    }}\n}}\n"
    ), taken


def _call(node: Any, names: dict[Any, str]) -> str:
    name, schema = str(node.target).removeprefix("aten.").partition(".")[0], node.target._schema
    given = {one.name: one.default_value for one in schema.arguments if one.has_default_value()}
    given |= {one.name: value for one, value in zip(schema.arguments, node.args, strict=False)} | node.kwargs
    taken = [given[one.name] for one in schema.arguments if one.name not in INDIFFERENT]
    arguments = [names[one] if one in names else _number(node, one) for one in taken]
    if name == "div" and arguments[1].startswith("c["):  # one for all of a member's numbers
        name, arguments[1] = "mul", f"aten_reciprocal({arguments[1]})"
    if name == "pow" and taken[1] == 2:
        name, arguments = "square", arguments[:1]
    if name not in _operations():
        raise NotCompiledError(f"there is no C of {node.target}")
    return f"aten_{name}({', '.join(arguments)})"


@cache
def _operations() -> frozenset[str]:
    return frozenset(re.findall(r"^(?:OF|IF)\((\w+)\)", OPERATIONS.read_text(), re.MULTILINE))


def _number(node: Any, value: Any) -> str:
    if not isinstance(value, int | float):
        raise NotCompiledError(f"there is no C of {node.target} with {value}")
    return f"(real){float(value).hex()}"
