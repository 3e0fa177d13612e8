"""Every number of a formula, forward and backward: `python -m src.autograd 'x^2 y + y^2' x=2 y=3`."""

import re
import sys
import textwrap
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text
from torch import Tensor

from src.autograd import facts, notes
from src.autograd.draw import check_path, draw, write
from src.autograd.exact import Exact
from src.autograd.formula import (
    CONSTANTS,
    FUNCTIONS,
    RESERVED,
    Formula,
    FormulaError,
    nearest,
    parse,
    parse_value,
    shape,
)
from src.autograd.symbolic import Derivative, derivatives
from src.autograd.tape import Backward, Edge, Values, backward, detached, forward
from src.autograd.text import number_text, tensor_text

USAGE = f"""\
usage: python -m src.autograd FORMULA NAME=VALUE ... [v=VECTOR] [graph=FILE]
       python -m src.autograd --examples

Every intermediate value of a formula going forward and every derivative going
back, as torch has them, with a central difference beside each, and the
derivative as a formula.

  python -m src.autograd 'x^2 y + y^2' x=2 y=3
  python -m src.autograd 'mean(3 (x + 2)^2)' 'x=ones(2, 2)' graph=out.svg
  python -m src.autograd 'A @ x' 'A=[[1, 2], [3, 4]]' 'x=[1, -1]' 'v=[1, 0]'

FORMULA     numbers, variables, pi, e, + - * /, ^ or ** for powers, @ for matrix
            products; 3x, 2(a + b) and x y are products, so that 1/2x is (1/2)*x;
            an expression written twice is two steps, as in torch; the functions
{textwrap.fill(", ".join(FUNCTIONS), 80, initial_indent=" " * 12, subsequent_indent=" " * 12)}
            (max and min: of two, element by element; sum and mean: of all
            elements; T: transpose)
VALUE       2, -1.5, pi/2, [1, 2, 3], [[1, 2], [3, 4]], ones(2, 2), zeros(2, 2),
            full(2, 2, 7), eye(2), arange(4); everything is float64
v           what the Jacobian is multiplied with from the left, of the shape of
            the result; needed where the result is more than one number
graph       a .svg, .png or .pdf file for a drawing of the computation
--examples  what circulates about gradients, run and checked
"""


def main(words: Sequence[str] | None = None) -> None:
    """The command; ends in SystemExit(1) with a sentence on standard error where the user is mistaken."""
    words = list(sys.argv[1:] if words is None else words)
    if not words:
        print(USAGE, end="", file=sys.stderr)
        raise SystemExit(2)
    if {"-h", "--help"} & set(words):
        print(USAGE, end="")
        return
    console = Console(highlight=False, markup=False)
    try:
        if "--examples" in words:
            if len(words) > 1:
                other = next(word for word in words if word != "--examples")
                raise FormulaError(f"--examples stands alone; {other} is too much")
            _examples(console)
        else:
            _formula(console, words)
    except FormulaError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _formula(console: Console, words: Sequence[str]) -> None:
    formula, given, vector, graph = _asked(words)
    path = check_path(graph, formula) if graph is not None else None
    values = forward(formula, given)
    result = values[formula.result]
    if vector is not None and vector.shape != result.shape:
        raise FormulaError(f"v is {shape(vector)}, but the result is {shape(result)}; v must have its shape")
    console.print(_heading(formula, given), soft_wrap=True)
    _print(console, "Forward, from the variables to the result", _forward_table(console, formula, values))
    plain = detached(values)
    truth = Exact(formula, plain, vector)
    found = notes.of_values(formula, plain, truth)
    if found:
        _note(console, found)
    if result.dim() and vector is None:
        raise FormulaError(_why_a_vector(formula, values))
    back = backward(formula, values, vector)
    what = "the result" if vector is None else "v · result"
    title = f"Backward, the derivative of {what} by every node (g: the one of the node where an edge comes from)"
    _print(console, title, _backward_table(console, formula, values, back, vector is not None))
    for note in notes.of_gradients(formula, plain, back, truth):
        _note(console, note)
    of = "" if vector is None else " of v · result"
    title = f"As a formula{of}, by sympy, and its value here, which is autograd's too"
    _print(console, title, _symbolic_table(console, derivatives(formula, plain, back.gradients, vector)))
    if path is not None:
        write(draw(formula, values, back), path)
        console.print(f"\ngraph: {path}", soft_wrap=True)


def _asked(words: Sequence[str]) -> tuple[Formula, dict[str, Tensor], Tensor | None, str | None]:
    """The formula, its variables' values, v and graph."""
    texts, pairs = [], {}
    for word in words:
        name, equals, value = (part.strip() for part in word.partition("="))
        if re.fullmatch(r"--[a-z]+", word):
            raise FormulaError(f"{word}: there is no such option (options: --examples, --help)")
        if not equals or not re.fullmatch(r"[^\W\d]\w*", name):
            texts.append(word)
        elif name in pairs:
            raise FormulaError(f"{name} is given twice")
        elif name in FUNCTIONS or name in CONSTANTS:
            kind = "a function" if name in FUNCTIONS else f"a constant ({number_text(CONSTANTS[name])})"
            raise FormulaError(f"{name}={value}: {name} is {kind} here; choose another name")
        else:
            pairs[name] = value
    if len(texts) != 1:
        what = f"{len(texts)} formulas are given ({'; '.join(texts)})" if texts else "no formula is given"
        raise FormulaError(f"{what}; say one, in quotes and without =, as in 'x^2 + 3x' x=2")
    formula = parse(texts[0])
    graph = pairs.pop("graph", None)
    vector = parse_value("v", pairs.pop("v")) if "v" in pairs else None
    names = [node.name for node in formula.variables]
    surplus = [name for name in pairs if name not in names]
    missing = [name for name in names if name not in pairs]
    if missing:
        letters = [letter for letter in missing[0] if letter in pairs]
        product = f" (for a product write {'*'.join(letters)})" if len(letters) == len(missing[0]) > 1 else ""
        values = " ".join(f"{name}=2" for name in missing)
        unused = "" if product or not surplus else f" ({', '.join(surplus)} is not in the formula)"
        raise FormulaError(f"{', '.join(missing)} has no value; say {values}{product}{unused}")
    if surplus:
        possible = ", ".join([*names, *RESERVED])
        raise FormulaError(f"{surplus[0]} is not in the formula{nearest(surplus[0], RESERVED)} (known: {possible})")
    return formula, {name: parse_value(name, pairs[name]) for name in names}, vector, graph


def _heading(formula: Formula, given: dict[str, Tensor]) -> Text:
    numbers = ", ".join(f"{name} = {number_text(float(value))}" for name, value in given.items() if not value.dim())
    others = ", ".join(f"{name}: {shape(value)}" for name, value in given.items() if value.dim())
    at = " at " + "; ".join(part for part in (numbers, others) if part)
    return Text.assemble((formula.text, "bold"), at)


def _print(console: Console, title: str, table: Table) -> None:
    console.print()
    console.print(Text(title, "bold"))
    console.print(table)


def _cell(console: Console, value: Tensor) -> str:
    narrow = console.width < 100
    return tensor_text(value.detach(), 3 if narrow else 4, 4 if narrow and value.dim() else 6)


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _forward_table(console: Console, formula: Formula, values: Values) -> Table:
    table = _table("node", "is", "made of", "value", "grad_fn")
    for node in formula.nodes:
        function = values[node].grad_fn
        value = Text(_cell(console, values[node]), "blue")
        table.add_row(node.name, node.text, node.made, value, function.name() if function else "leaf")
    return table


def _backward_table(console: Console, formula: Formula, values: Values, back: Backward, given: bool) -> Table:
    table = _table("node", "autograd", "along each edge", "central difference", "differ by")
    for node in (*reversed(formula.steps), *formula.variables):
        sent = [_edge(edge, back) for edge in back.edges if edge.input is node]
        if node is formula.result:
            sent.append("the result itself" if not given else "v")
        style = "" if back.agree(node) else "red"
        table.add_row(
            node.name,
            Text(_cell(console, back.gradients[node]), "yellow"),
            "\n".join(sent),
            _cell(console, back.differences[node]),
            Text(number_text(back.disagreement(node), 2), style),
        )
    return table


def _edge(edge: Edge, back: Backward) -> str:
    """`#2: g*2*x = 3*4`."""
    text = f"{edge.step.name}: {edge.rule}"
    if edge.slope is None:
        return text
    if edge.rule in ("g", "-g"):
        return f"{text} = {number_text(float(edge.gradient))}"
    slope = number_text(edge.slope, 4)
    arrived = number_text(float(back.gradients[edge.step]), 4)
    return f"{text} = {arrived}*{f'({slope})' if slope.startswith('-') else slope}"


def _note(console: Console, text: str) -> None:
    console.print()
    console.print(Text.assemble(("note: ", "bold"), text))


def _symbolic_table(console: Console, rows: Sequence[Derivative]) -> Table:
    table = _table("by", "formula", "value")
    for row in rows:
        formula = Text(row.formula) if row.formula else Text(f"not shown: {row.why}", "italic")
        table.add_row(row.by, formula, Text(_cell(console, row.value), "yellow"))
    return table


def _why_a_vector(formula: Formula, values: Values) -> str:
    result = values[formula.result]
    columns = sum(values[node].numel() for node in formula.variables)
    sizes = ", ".join(map(str, result.shape))
    return (
        f"the result is {shape(result)}, so its derivative is a {result.numel()}×{columns} Jacobian J, one row an "
        "element of the result; going back, autograd computes vᵀJ, never J itself, and needs a v of the shape of the "
        f"result: say 'v=ones({sizes})' for the gradient of the sum, or sum(...) or mean(...) of the formula"
    )


def _examples(console: Console) -> None:
    outcomes = [facts.check(example) for example in facts.EXAMPLES]
    console.print(Text("Gradients, by torch, with central differences held against them", "bold"))
    console.print(_example_table(outcomes))
    shown = facts.show(facts.FACTS)
    console.print()
    console.print(Text("Torch's own habits, line by line", "bold"))
    for fact, (seen, right) in zip(facts.FACTS, shown, strict=True):
        console.print()
        console.print(Text.assemble(_mark(right), f" {fact.says}"))
        if fact.wrong:
            console.print(Text(f"  circulates and is wrong: {fact.wrong}", "red"))
        for line in fact.lines:
            console.print(Text(f"    >>> {line}", "cyan"), soft_wrap=True)
        console.print(Text(f"    {seen}"), soft_wrap=True)
        if not right:
            console.print(Text(f"    expected: {fact.seen}", "red"))
    failed = [outcome.right for outcome in outcomes].count(False) + [right for _, right in shown].count(False)
    wrong = sum(bool(entry.wrong) for entry in (*facts.EXAMPLES, *facts.FACTS))
    if failed:
        raise FormulaError(f"{failed} of {len(outcomes) + len(shown)} are not as they are shown (marked ✗)")
    console.print(f"\nall {len(outcomes) + len(shown)} hold; {wrong} claims that circulate are wrong")


def _mark(right: bool) -> tuple[str, str]:
    return ("✓", "green") if right else ("✗", "red")


def _example_table(outcomes: Sequence[facts.Outcome]) -> Table:
    table = _table("", "formula", "at", "value", "gradient")
    for example, outcome in zip(facts.EXAMPLES, outcomes, strict=True):
        lines = [Text(f"d/d{name} = {number_text(number)}") for name, number in outcome.gradient.items()]
        lines += [
            Text(f"d/d{name} = {number_text(number)} circulates and is wrong: {example.because}", "red")
            for name, number in example.wrong.items()
        ]
        if not outcome.right:
            expected = ", ".join(f"{name}: {number_text(number)}" for name, number in example.gradient.items())
            lines.append(Text(f"expected: {number_text(example.value)}; {expected}", "red"))
        at = ", ".join(f"{name}={value}" for name, value in example.at.items())
        mark = Text(*_mark(outcome.right))
        table.add_row(mark, example.formula, at, number_text(outcome.value), Text("\n").join(lines))
    return table


if __name__ == "__main__":
    main()
