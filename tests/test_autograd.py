"""A formula, forward and backward, against closed forms, Jacobians, and sympy; and what is refused."""

import ast
import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from src.autograd import draw, facts, formula, symbolic
from src.autograd.__main__ import main
from src.autograd.formula import FUNCTIONS, Formula, FormulaError, parse, parse_value
from src.autograd.tape import Backward, backward, detached, forward

ROOT = Path(__file__).parent.parent


def run(text: str, vector: Tensor | None = None, **texts: str) -> tuple[Formula, dict[formula.Node, Tensor], Backward]:
    read = parse(text)
    values = forward(read, {name: parse_value(name, value) for name, value in texts.items()})
    return read, values, backward(read, values, vector)


def gradients(text: str, vector: Tensor | None = None, **texts: str) -> dict[str, Tensor]:
    read, _, back = run(text, vector, **texts)
    assert all(back.agree(node) for node in read.nodes)
    return {node.name: back.gradients[node] for node in read.variables}


def formulas(text: str, vector: Tensor | None = None, **texts: str) -> dict[str, symbolic.Derivative]:
    read, values, back = run(text, vector, **texts)
    return {row.by: row for row in symbolic.derivatives(read, detached(values), back.gradients, vector)}


def error_of(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    return error


# FACTS.md, Gradient examples
@pytest.mark.parametrize(
    ("text", "at", "value", "expected"),
    [
        ("x^2 + 3x + 1", {"x": "2"}, 11, {"x": 7}),
        ("x^2 y + y^2", {"x": "2", "y": "3"}, 21, {"x": 12, "y": 10}),
        ("mean(3 (x+2)^2)", {"x": "ones(2,2)"}, 27, {"x": 4.5}),
        ("3 (a + b c)", {"a": "5", "b": "3", "c": "2"}, 33, {"a": 3, "b": 6, "c": 9}),
    ],
)
def test_the_examples_exactly(text, at, value, expected):
    read, values, _ = run(text, **at)
    assert values[read.result].item() == value
    for name, gradient in gradients(text, **at).items():
        assert (gradient == expected[name]).all()


def test_a_vector_jacobian_product_is_that_of_the_jacobian():
    a, x = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).double(), torch.tensor([0.5, -1.0]).double()
    v = torch.tensor([2.0, -3.0]).double()
    found = gradients("tanh(A @ x)", v, A="[[1, 2], [3, 4]]", x="[0.5, -1]")
    by_a, by_x = torch.autograd.functional.jacobian(lambda a, x: torch.tanh(a @ x), (a, x))
    torch.testing.assert_close(found["x"], v @ by_x)
    torch.testing.assert_close(found["A"], torch.einsum("i,ijk", v, by_a))
    expected = torch.einsum("i,ijk", v, by_a)
    rows = formulas("tanh(A @ x)", v, A="[[1, 2], [3, 4]]", x="[0.5, -1]")
    assert float(rows["A[1, 0]"].value) == pytest.approx(float(expected[1, 0]))
    assert rows["A[1, 0]"].formula


CALLS = {
    **{name: f"{name}(x) * y" for name in FUNCTIONS},
    **{name: f"{name}(x, y)^2" for name in ("max", "min")},
    **{name: f"{name}(v1, v2)^2" for name in ("dot", "matmul")},
    **{name: f"{name}(v1^2)" for name in ("sum", "mean", "norm")},
    **{name: f"sum({name}(A) @ v1)" for name in ("T", "transpose")},
}
AT = {"x": "0.7", "y": "-1.3", "v1": "[0.5, -2]", "v2": "[1, 3]", "A": "[[1, 2], [3, -4]]"}


@pytest.mark.parametrize(
    "text", [*CALLS.values(), "x^y * y / x", "-x + 2x y", "sum(A * x / v1)", "e^x * pi", "2^x", "3.5x"]
)
def test_symbolic_central_and_autograd_agree(text):
    at = {node.name: AT[node.name] for node in parse(text).variables}
    assert gradients(text, None, **at)
    rows = formulas(text, None, **at)
    # one is refused only where its value is not that of autograd
    assert all(row.formula for row in rows.values()), rows


def test_every_operation_has_a_symbolic_meaning():
    assert set(symbolic.MEANINGS) == set(formula.OPERATIONS)


@pytest.mark.parametrize(
    ("text", "at", "expected"),
    [
        ("x^2 y + y^2", {"x": "2", "y": "3"}, {"x": "2*x*y", "y": "x**2 + 2*y"}),
        ("mean(3 (x+2)^2)", {"x": "ones(2,2)"}, {"x[i, j]": "3*x[i, j]/2 + 3"}),
        ("relu(x)", {"x": "0"}, {"x": "step(x)"}),
        ("sum(x y)", {"x": "arange(3)", "y": "2"}, {"x[i]": "y", "y": "x[0] + x[1] + x[2]"}),
    ],
)
def test_what_symbolic_says(text, at, expected):
    assert {by: row.formula for by, row in formulas(text, **at).items()} == expected


def test_a_wrong_symbolic_formula_is_not_shown(monkeypatch):
    monkeypatch.setitem(symbolic.MEANINGS, "sin", symbolic.MEANINGS["cos"])
    row = formulas("sin(x)", x="1")["x"]
    assert not row.formula
    assert "not have the value of autograd" in row.why


@pytest.mark.parametrize(
    "text", ["sin(1e10 x)", "sin(123456 x) + cos(x)^9", "((x + 1)^99 + 1)^99", "x^x^x^x^x^x^x^x^x"]
)
def test_what_sympy_would_choke_on_is_not_simplified(text):
    assert list(formulas(text, x="0.5")) == ["x"]


def test_what_is_too_long_written_out_is_not_shown():
    row = formulas("sum(A@A@A@A@A@A@A@A@A@A@A@A)", A="eye(3) / 2")["A"]
    assert not row.formula
    assert "too long" in row.why


numbers = st.floats(0.5, 2).map(lambda number: f"{number:.3f}")
small = st.recursive(
    st.sampled_from(["x", "y"]) | numbers,
    lambda inner: (
        st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda parts: f"({parts[0]} {parts[1]} {parts[2]})")
        | st.tuples(st.sampled_from(["sin", "cos", "tanh", "sigmoid"]), inner).map(
            lambda parts: f"{parts[0]}({parts[1]})"
        )
        | inner.map(lambda part: f"({part})^2")
        | st.tuples(inner, inner).map(lambda parts: f"{parts[0]}/(1 + ({parts[1]})^2)")
    ),
    max_leaves=6,
)


@settings(max_examples=40, deadline=None)
@given(text=small, x=numbers, y=numbers)
def test_central_differences_agree_with_autograd(text, x, y):
    read, values, back = run(f"({text}) + x - y", x=x, y=y)
    for node in read.nodes:
        size = 1 + abs(back.gradients[node].item()) + abs(values[read.result].item())
        assert back.disagreement(node) < 1e-6 * size


def test_at_a_kink_the_difference_is_explained(capsys):
    main(["relu(x) + 2", "x=0"])
    out = " ".join(capsys.readouterr().out.split())
    assert "relu(x) (#1): at a kink the step has no derivative" in out
    assert "0.5" in out


def test_what_a_newcomer_sees(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    main(["x^2 y + y^2", "x=2", "y=3"])
    out = capsys.readouterr().out
    assert all(len(line) <= 80 for line in out.splitlines())
    for shown in ("PowBackward0", "#1: g*2*x = 3*4", "#3: g*2*y = 1*6", "x**2 + 2*y"):
        assert shown in out


def test_a_value_that_is_not_finite_is_shown_and_explained(capsys):
    main(["log(x) + 1/y", "x=-1", "y=1"])
    out = capsys.readouterr().out
    assert "nan" in out
    assert "the logarithm of a negative number" in out


def notes(capsys, *words: str) -> list[str]:
    main(words)
    told = capsys.readouterr().out.replace("\n", " ").split("note: ")[1:]
    return [note.partition("  ")[0] for note in told]


# truth by hand: e^1000 = 1.97007e434
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["exp(x)", "x=1000"], ["exp(x) (#1) is not finite: it is about 1.97007e+434, more than a float64 can hold",
                                "The gradient of x is about 1.97007e+434, more than a float64 can hold."]),
        (["log(exp(-x))", "x=1000"], ["in mathematics it is about -1000", "In mathematics the gradient of x is -1;"]),
        (["exp(x) exp(-x)", "x=1000"], ["about 1.97007e+434", "In mathematics the gradient of x is 0;"]),
        (["1/x", "x=1e-320"], ["about 1.00001e+320, more", "gradient of x is about -1.00002e+640, more"]),
        (["norm(x)", "x=[3e200, 4e200]"], ["in mathematics it is about 5e+200"]),
        (["x sqrt(x)", "x=0"], ["In mathematics the gradient of x is 0;"]),
        (["sqrt(x)", "x=0"], ["The gradient of x is not finite: the slope has no end or no value there."]),
        (["1/x", "x=0"], ["(#1) is not finite: division by zero.", "the slope has no end or no value there"]),
        (["sqrt(x)^2", "x=-1"], ["the square root of a negative number", "the slope has no end or no value there"]),
        (["x/y", "x=0", "y=0"], ["division by zero", "gradient of x, y is not finite: the slope has no end or no"]),
        (["abs(exp(-x))", "x=1000"], []),
        (["x + y", "x=1e20", "y=1"], ["At y the two disagree: the values that the central difference subtracts"]),
        (["relu(x)", "x=1e-9"], ["step(x) is", "At x the two disagree: the step of the central difference is too"]),
        (["log(x)", "x=1e-9"], ["At x the two disagree: a step of the central difference away, the formula has no"]),
        (["x^x^x^x", "x=9"], ["(#2) is not finite", "The gradient of x, #1, #2 is not finite in float64."]),
    ],
)  # fmt: skip
def test_a_note_says_what_is_so_in_mathematics(capsys, monkeypatch, words, said):
    monkeypatch.setenv("COLUMNS", "300")
    told = notes(capsys, *words)
    assert bool(told) is bool(said)
    for part in said:
        assert any(part in note for note in told), told


def test_without_a_vector_the_forward_table_is_shown_and_the_vector_explained(capsys):
    with pytest.raises(SystemExit) as end:
        main(["A @ x", "A=ones(3, 2)", "x=[1, 2]"])
    out, error = capsys.readouterr()
    assert end.value.code == 1
    assert "MvBackward0" in out
    assert "3×8 Jacobian" in error
    assert "'v=ones(3)'" in error


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('x')",
        "x.T",
        "lambda: x",
        "[x for x in y]",
        "'x'",
        "sum(x, axis=0)",
        "x if x else x",
        "x[0]",
        "x < 2",
        "x // 2",
        "True * x",
        "x := 2",
        "(x, x)",
    ],
)
def test_anything_but_arithmetic_is_refused_with_the_list(capsys, text):
    error = error_of(capsys, text, "x=1")
    assert "is not arithmetic; a formula has numbers" in error
    assert "sigmoid" in error


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["9**9**9**9 + x", "x=1"], "powers go to 1,000"),
        (["x^100000", "x=1"], "powers go to 1,000"),
        (["(" * 10_000 + "x", "x=1"], "a formula goes to 500"),
        (["(" * 220 + "x" + ")" * 220, "x=1"], "this is not a formula"),
        (["-" * 300 + "x", "x=1"], "more than 60 deep"),
        (["1/0 + x", "x=1"], "1/0 is no finite number"),
        (["x + 1e400", "x=1"], "no finite number"),
        (["sine(x)", "x=1"], "no function sine; did you mean sin?"),
        (["x(x + 1)", "x=1"], "a product is x*(...)"),
        (["sin x", "x=1"], "write sin(...)"),
        (["max(x)", "x=1"], "max takes 2 arguments, not 1"),
        (["x 2", "x=1"], "no sign between x and 2"),
        (["(x", "x=1"], "more ( than )"),
        (["x +", "x=1"], "this is not a formula"),
        (["2 + 3"], "no variable"),
        (["x y", "x=1"], "y has no value; say y=2"),
        (["xy", "x=1", "y=2"], "for a product write x*y"),
        (["x", "x=1", "z=2"], "z is not in the formula"),
        (["x", "x=1", "x=2"], "x is given twice"),
        (["x", "y", "x=1"], "2 formulas are given"),
        (["y=x^2", "x=1"], "no formula is given"),
        (["x + e", "x=1", "e=2"], "e is a constant"),
        (["v^2", "v=1"], "v cannot be a variable"),
        (["x", "x=y"], "numbers alone"),
        (["x", "x="], "x= has no value"),
        (["x", "x=1,2"], "numbers alone"),
        (["x", "x=[[1, 2], [3]]"], "equally long"),
        (["x", "x=ones(9999, 9999)"], "1,000 elements"),
        (["x", "x=ones(0)"], "whole numbers from 1"),
        (["A @ B", "A=ones(2, 3)", "B=ones(2, 3)"], "a 2×3 matrix and a 2×3 matrix do not fit"),
        (["A + b", "A=ones(2, 3)", "b=ones(2)"], "do not fit"),
        (["x^2", "x=ones(2, 2)", "v=ones(3)"], "v is a vector of 3, but the result is a 2×2 matrix"),
        (["x", "x=1", "graph=a.gif"], "ends in .svg, .png, .pdf"),
        (["x", "x=1", "--exmples"], "no such option"),
    ],
)
def test_a_mistake_ends_in_a_sentence(capsys, words, sentence):
    assert sentence in error_of(capsys, *words)


def test_the_graph_holds_the_values(tmp_path, capsys):
    path = tmp_path / "out.svg"
    main(["x^2 y + y^2", "x=2", "y=3", f"graph={path}"])
    text = path.read_text()
    for number in (21, 12, 10, 9, 6):
        assert f">{number}</text>" in text
    assert "cannot be written (No such file" in error_of(capsys, "x", "x=1", f"graph={tmp_path / 'no' / 'a.png'}")


@pytest.mark.parametrize(
    ("text", "at"),
    [
        *((example.formula, example.at) for example in facts.EXAMPLES),
        ("x*y*z + x*sin(y) + x*x + y/z", {"x": "1.234567", "y": "-2.5", "z": "3"}),
        (
            "mean(relu(X @ W + b) @ w)",
            {"X": "[[1,2,3],[4,5,6.5]]", "W": "ones(3,2)/7", "b": "[0.1,0.2]", "w": "[1,-1]"},
        ),
    ],
)
def test_nothing_in_the_graph_overlaps(text, at):
    plan = draw.layout(*run(text, **at))
    boxes = [*plan.nodes.values(), *plan.labels.values()]
    assert not any(box.overlap(other) for index, box in enumerate(boxes) for other in boxes[:index])


def test_the_examples_hold_and_mark_what_is_wrong(capsys):
    main(["--examples"])
    out = " ".join(capsys.readouterr().out.split())
    assert "✗" not in out
    assert out.count("circulates and is wrong") == 2
    assert "d/dy = 13 circulates" in out
    assert "all 12 hold" in out


@pytest.mark.parametrize(
    ("name", "change"), [("FACTS", {"seen": "[1.0, 1.0, 1.0]"}), ("EXAMPLES", {"gradient": {"x": 8}})]
)
def test_a_fact_that_fails_is_marked(capsys, monkeypatch, name, change):
    first, *others = getattr(facts, name)
    monkeypatch.setattr(facts, name, (dataclasses.replace(first, **change), *others))
    with pytest.raises(SystemExit) as end:
        main(["--examples"])
    out, error = capsys.readouterr()
    assert end.value.code == 1
    assert out.count("✗") == 1
    assert "1 of 12" in error


def test_usage(capsys):
    with pytest.raises(SystemExit) as end:
        main([])
    assert end.value.code == 2
    usage = capsys.readouterr().err
    main(["--help"])
    assert capsys.readouterr().out == usage
    assert all(name in usage for name in FUNCTIONS)


def test_as_a_command():
    words = [sys.executable, "-m", "src.autograd", "x^2", "x=3"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "2*x" in done.stdout
    assert not done.stderr


def test_nothing_else_of_the_lab_is_imported():
    for path in (ROOT / "src" / "autograd").glob("*.py"):
        for part in ast.walk(ast.parse(path.read_text())):
            names = [part.module or "."] if isinstance(part, ast.ImportFrom) else []
            names += [alias.name for alias in part.names] if isinstance(part, ast.Import) else []
            assert all(name.split(".")[0] != "src" or name.startswith("src.autograd") for name in names)
            assert not (isinstance(part, ast.ImportFrom) and part.level)


def test_an_error_is_its_own_class():
    with pytest.raises(FormulaError):
        parse("import x")
