"""A rule as C: its trace, an operation of torch a line."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.func import functionalize
from torch.fx.experimental.proxy_tensor import make_fx

from src.engine.compiled.compiler import NotCompiledError
from src.errors import one_line
from src.optim.rules import Rule
from src.optim.rules.rule import Acting

CALLS = {
    "abs": "absolute({0})",
    "add": "add({0}, {1}, {alpha})",
    "addcdiv": "addcdiv({0}, {1}, {2}, {value})",
    "addcmul": "addcmul({0}, {1}, {2}, {value})",
    "bitwise_and": "({0} & {1})",
    "bitwise_or": "({0} | {1})",
    "bitwise_not": "!{0}",
    "clamp": "minimum(maximum({0}, {1}), {2})",
    "clamp_max": "minimum({0}, {1})",
    "clamp_min": "maximum({0}, {1})",
    "clone": "{0}",
    "copy": "{1}",
    "div": "divide({0}, {1})",
    "eq": "({0} == {1})",
    "full_like": "{1}",
    "ge": "({0} >= {1})",
    "gt": "({0} > {1})",
    "le": "({0} <= {1})",
    "lerp": "lerp({0}, {1}, {2})",
    "logical_and": "({0} & {1})",
    "logical_not": "!{0}",
    "lt": "({0} < {1})",
    "masked_fill": "where({1}, {2}, {0})",
    "maximum": "maximum({0}, {1})",
    "minimum": "minimum({0}, {1})",
    "mul": "mul({0}, {1})",
    "ne": "({0} != {1})",
    "neg": "neg({0})",
    "ones_like": "1",
    "reciprocal": "reciprocal({0})",
    "rsub": "sub({1}, {0}, {alpha})",
    "scalar_tensor": "{0}",
    "sign": "sign({0})",
    "sqrt": "square_root({0})",
    "sub": "sub({0}, {1}, {alpha})",
    "where": "where({0}, {1}, {2})",
    "zeros_like": "0",
}
"""Element-wise operations of ATen; those with a name are functions of operations.h."""


INDIFFERENT = frozenset({"dtype", "layout", "device", "pin_memory", "memory_format"})
"""Keywords of theirs that say what a tensor of numbers is."""


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
        raise NotCompiledError(f"{type(rule).__name__} cannot be traced: {one_line(error)}") from None
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
    name = str(node.target).removeprefix("aten.").partition(".")[0]
    arguments = [names[one] if one in names else _number(node, one) for one in node.args]
    given = {key: _number(node, one) for key, one in node.kwargs.items() if key not in INDIFFERENT}
    if name == "div" and arguments[1].startswith("c"):  # one for all of a member's numbers
        name, arguments[1] = "mul", f"reciprocal({arguments[1]})"
    if name == "pow" and node.args[1] == 2:
        name, arguments = "mul", [arguments[0]] * 2
    if name not in CALLS or given.keys() - {"alpha", "value"}:
        raise NotCompiledError(f"{node.target} has no C")
    return CALLS[name].format(*arguments, **({"alpha": "1", "value": "1"} | given))


def _number(node: Any, value: Any) -> str:
    if not isinstance(value, int | float):
        raise NotCompiledError(f"{node.target} of {value} has no C")
    return f"(real){float(value).hex()}"
