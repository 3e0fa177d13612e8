"""What was done to a table: told at the start of a run, kept in its result, its split written where it is asked for."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from src.data.problem import Problem
from src.data.scikit_learn import ScikitLearn
from src.tables.account import Account
from tests.run.runs import alone, members, train_stack

WORDS = ["data=custom", f"data._target_={__name__}.counted", "logger=none", "trainer.max_steps=2"]
ACCOUNT = Account(
    "counted.csv",
    442,
    told=["told of it"],
    categories={"colour": ["red", "blue"]},
    split={"train": np.array([5, 2, 7]), "val": np.array([1]), "test": np.array([3])},
)


def counted(write_split: bool = False) -> Problem:
    """`data._target_=`: with an account."""
    from src.config.compose import compose
    from src.config.schema import check

    section = check(compose(["data=diabetes", "logger=none"])).data
    return replace(ScikitLearn(section).problem(), table=ACCOUNT)


def test_a_run_by_itself_tells_it_at_the_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = alone(tmp_path, WORDS, [])
    assert capsys.readouterr().out.startswith("\n".join(ACCOUNT.lines()))
    assert result.table == ACCOUNT.as_json()
    assert result.table["categories"] == {"colour": ["red", "blue"]}
    assert "split" not in result.table
    assert not (result.directory / "split.csv").exists()


def test_a_stack_tells_nothing_and_writes_what_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    specs = members(tmp_path, [*WORDS, "+data.write_split=true"], [["optimizer.lr=0.1"], ["optimizer.lr=0.2"]])
    train_stack(specs, tmp_path / "stack.ckpt")
    assert "told of it" not in capsys.readouterr().out
    lone = alone(tmp_path / "alone", [*WORDS, "+data.write_split=true"], [])
    for directory in (*(spec.directory for spec in specs), lone.directory):
        text = (directory / "split.csv").read_text(encoding="utf-8")
        assert text.split() == ["row,part", "1,val", "2,train", "3,test", "5,train", "7,train"]
