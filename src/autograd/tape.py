"""A formula run by torch node by node, forward and backward, with a central difference beside every gradient."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from src.autograd.formula import OPERATIONS, Formula, Node, evaluate

Values = Mapping[Node, Tensor]


@dataclass(frozen=True)
class Edge:
    """What flows back from a step to one of its inputs: the rule that torch applies, and its outcome."""

    step: Node
    input: Node
    rule: str
    gradient: Tensor
    # of a number by a number
    slope: float | None


@dataclass(frozen=True)
class Backward:
    """The gradient of every node, by autograd and by central differences, and along every edge."""

    gradients: Values
    differences: Values
    edges: tuple[Edge, ...]

    def disagreement(self, node: Node) -> float:
        """The largest difference between the two over the elements of a node."""
        return float((self.gradients[node] - self.differences[node]).abs().max())

    def agree(self, node: Node) -> bool:
        """Whether the two are as close as central differences can be."""
        size = max(1.0, float(self.gradients[node].abs().max()))
        return self.disagreement(node) <= 1e-5 * size


def forward(formula: Formula, given: Mapping[str, Tensor]) -> dict[Node, Tensor]:
    """Every node's value, in the order of evaluation, attached to torch's graph and keeping its gradient.

    Raises:
        FormulaError: shapes that do not fit.
    """
    values = {node: given[node.name].clone().requires_grad_() for node in formula.variables}
    for node in formula.steps:
        values[node] = evaluate(node, inputs_of(node, values))
        values[node].retain_grad()
    return values


def backward(formula: Formula, values: Values, vector: Tensor | None = None) -> Backward:
    """Gradients of the result, or of `sum(vector * result)`: torch's own, and central differences beside them.

    Args:
        formula: what was run.
        values: of `forward`, whose graph it uses up.
        vector: of the shape of the result, which only a single number can do without.
    """
    result = values[formula.result]
    seed = torch.ones_like(result) if vector is None else vector
    result.backward(seed)
    gradients = {node: value.grad for node, value in values.items() if value.grad is not None}
    plain = detached(values)
    edges = [edge for node in reversed(formula.steps) for edge in _edges(node, plain, gradients[node])]
    differences = {node: _central(formula, plain, node, seed) for node in formula.nodes}
    return Backward(gradients, differences, tuple(edges))


def detached(values: Values) -> dict[Node, Tensor]:
    """The same numbers, outside of torch's graph."""
    return {node: value.detach() for node, value in values.items()}


def inputs_of(node: Node, values: Values) -> list[Tensor]:
    """The values that a step takes."""
    return [values[entry] if entry.value is None else entry.value for entry in node.inputs]


def _edges(node: Node, values: Values, gradient: Tensor) -> list[Edge]:
    """What a step sends to each of its inputs; torch only keeps the sum that arrives there."""
    copies = [value.detach().clone().requires_grad_() for value in inputs_of(node, values)]
    # an exponent that is a constant stays one: its own gradient is the logarithm of what may be negative
    wanted = [copy for copy, entry in zip(copies, node.inputs, strict=True) if entry.value is None]
    sent = iter(torch.autograd.grad(evaluate(node, copies), wanted, gradient, retain_graph=True))
    slopes = iter(torch.autograd.grad(evaluate(node, copies).sum(), wanted))
    edges = []
    for index, (entry, copy) in enumerate(zip(node.inputs, copies, strict=True)):
        if entry.value is None:
            slope = next(slopes)
            number = float(slope) if not slope.dim() and not gradient.dim() else None
            edges.append(Edge(node, entry, _rule(node, index, values, copy), next(sent), number))
    return edges


def _rule(node: Node, index: int, values: Values, entry: Tensor) -> str:
    """The formula of one edge, such as `g*2*x`."""
    names = dict(zip("ab", (entry.name for entry in node.inputs), strict=False))
    operation = "@" if node.operation == "matmul" else node.operation
    if operation == "@" and (entry.dim() < 2 or values[node].dim() < 2):
        return _matmul_rule(node, index, values, names)
    if operation == "**" and node.inputs[1].value is not None and not node.inputs[1].value.dim():
        power = float(node.inputs[1].value)
        lowered = f"**{power - 1:g}" if power > 1 else f"**({power - 1:g})"
        return f"g*{names['b']}*{names['a']}{'' if power == 2 else lowered}"
    rule = OPERATIONS[operation].rules[index].format(**names, out=node.name, n=entry.numel())
    # of two, element by element, where the smaller one was broadcast; dot and @ are of two, too
    repeated = len(node.inputs) == 2 and operation != "@" and entry.dim() <= values[node].dim()
    return f"sum({rule})" if repeated and entry.shape != values[node].shape else rule


def _matmul_rule(node: Node, index: int, values: Values, names: Mapping[str, str]) -> str:
    """With a vector on either side."""
    other = names["ba"[index]]
    left, right = (value.dim() for value in inputs_of(node, values))
    if left == right:
        return f"g*{other}"
    if index == (0 if left == 1 else 1):
        return f"{other} @ g" if index == 0 else f"T({other}) @ g"
    return f"outer(g, {other})" if index == 0 else f"outer({other}, g)"


def _central(formula: Formula, values: Values, node: Node, seed: Tensor) -> Tensor:
    """(f(x + h) - f(x - h)) / 2h for every element of a node, all of them in one batch."""
    value = values[node]
    steps = difference_steps(value)
    directions = torch.diag(steps.flatten()).reshape(-1, *value.shape)

    def after(replaced: Tensor) -> Tensor:
        changed = {**values, node: replaced}
        for step in formula.steps[formula.steps.index(node) + 1 if node in formula.steps else 0 :]:
            changed[step] = evaluate(step, inputs_of(step, changed))
        return (seed * changed[formula.result]).sum()

    up, down = (torch.vmap(after)(value + sign * directions) for sign in (1, -1))
    # the step that was really taken, after rounding
    taken = ((value + directions) - (value - directions)).reshape(len(directions), -1).diagonal()
    return ((up - down) / taken).reshape(value.shape)


def difference_steps(value: Tensor) -> Tensor:
    """How far a central difference steps to either side of every element."""
    return torch.finfo(value.dtype).eps ** (1 / 3) * value.abs().clamp_min(1e-2)
