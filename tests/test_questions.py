"""Where a new reader finds what: each question names a file that is there, and what stands in it."""

import ast
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
QUESTIONS = yaml.safe_load((ROOT / "tests" / "questions.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("one", QUESTIONS, ids=lambda one: one["name"])
def test_the_answer_stands_where_it_is_said_to(one: dict[str, str]) -> None:
    tree = ast.parse((ROOT / one["file"]).read_text(encoding="utf-8"))
    defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    named = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    assert one["name"] in defined | named


def test_there_are_twenty() -> None:
    assert len({one["question"] for one in QUESTIONS}) == 20
