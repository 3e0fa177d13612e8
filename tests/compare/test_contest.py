"""Sweeps as contests: nothing that is said of them depends on the order in which their runs are read."""

import subprocess
import sys
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from src.compare.contest import contest, standings
from src.compare.draws import final, outcomes, shares
from src.compare.remarks import remarks
from src.compare.rows import Row
from src.compare.selection import contenders
from tests.compare.sweeps import grid, run

DRAWN = iter(np.random.default_rng(5).lognormal(size=100).tolist())
ROWS = grid(
    {
        f"data={data} optimizer={optimizer} optimizer.lr={rate}": [next(DRAWN) for _ in range(6)]
        for data in ("line", "teacher")
        for optimizer in ("sgd", "adam")
        for rate in (0.1, 0.2)
    }
)
ROWS += [
    run(100 + i, f"data=line optimizer=sgd optimizer.lr={rate} seed={10 + i}", next(DRAWN), confirms=first)
    for rate, first in (("0.1", 0), ("0.2", 6))
    for i in range(3)
]


def said(rows: list[Row]) -> Any:
    """All that is computed of runs."""
    problems = contest(rows)
    figures = [(one.label, one.best.tuned, one.figure, one.steps) for one in contenders(rows)]
    order = [[one.label for one in problem.contenders] for problem in problems]
    pairs = [problem.pairs for problem in problems]
    return figures, order, pairs, standings(problems), remarks(contenders(rows))


@given(st.permutations(ROWS))
@settings(max_examples=15, deadline=None)
def test_the_order_of_rows_changes_nothing(rows: list[Row]) -> None:
    assert said(rows) == said(ROWS)


def test_a_run_that_flew_off_with_its_last_step_hides_nothing() -> None:
    """It counts as completed, with a loss of 2e21 beside which all others would be rounding."""
    rates = {0.1: [1.0, 1.1, 0.9, 1.0, 1.2], 0.2: [2.0, 1.9, 2.2, 2.1, 2.0]}
    losses = {
        f"optimizer={name} optimizer.lr={rate}": of_one
        for name, rate, of_one in (
            ("adam", 0.1, rates[0.1]),
            ("adam", 0.2, rates[0.2]),
            ("sgd", 0.1, rates[0.2]),
            ("sgd", 1.0, [2.0, 2e21, 1.9, 2.0, 2.1]),
        )
    }
    (problem,) = contest(grid(losses))
    (pair,) = problem.pairs
    assert (pair.first, pair.relation, round(pair.ratio, 1)) == ("adam", "better", 2.0)
    tried = final(problem, drawn=True)
    assert tried is not None
    assert [share.label for share in shares(tried, outcomes(tried, [2]), -1, 0) if share.near > 0.9] == ["adam"]


def test_it_imports_nothing_of_training() -> None:
    """In a process of its own, for this one has torch."""
    heavy = "torch", "lightning", "src.run", "src.engine", "src.report", "src.sweep"
    code = "import pkgutil, sys, importlib, src.compare as p;"
    code += "[importlib.import_module(f'{p.__name__}.{one.name}') for one in pkgutil.iter_modules(p.__path__)];"
    code += f"print([one for one in {heavy} if one in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"
