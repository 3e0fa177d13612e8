"""Where a new reader finds what: each question names files that are there, and what stands in them."""

import ast
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
QUESTIONS = yaml.safe_load((ROOT / "tests" / "questions.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("one", QUESTIONS, ids=lambda one: next(iter(one["answers"].values())))
def test_the_answer_stands_where_it_is_said_to(one: dict[str, dict[str, str]]) -> None:
    for file, name in one["answers"].items():
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef | ast.FunctionDef)}


def test_there_are_twenty_two() -> None:
    assert len({one["question"] for one in QUESTIONS}) == 22
