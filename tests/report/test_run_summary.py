"""The table and the headline that a run ends with."""

import os
from pathlib import Path

import pytest
from rich.console import Console

from src.report.run_summary import by_heart, headline, in_theory, summary
from src.run_directory import Result
from tests.run_directory.test_run_directory import a_result


def rendered(result: Result) -> list[list[str]]:
    """The table's cells, row by row."""
    console = Console(width=100, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(summary(result))
    lines = [line for line in console.export_text().splitlines() if "│" in line]
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]


def test_the_table_shows_learned_and_true(tmp_path: Path) -> None:
    assert rendered(a_result(tmp_path)) == [
        ["weight", "1.5", "2"],
        ["bias", "0.25", "1"],
        ["train/loss", "0.5", ""],
        ["val/loss", "not finite", ""],
    ]


def test_the_table_names_features_and_targets(tmp_path: Path) -> None:
    parameters = {"weight": [[1.0, 2.0], [3.0, None]], "bias": [5.0, 6.0]}
    result = a_result(
        tmp_path,
        parameters=parameters,
        truth={},
        features=["area", "[red]rooms"],
        targets=["price", "rent"],
        metrics={},
    )
    assert rendered(result) == [
        ["weight[area, price]", "1"],
        ["weight[area, rent]", "2"],
        ["weight[[red]rooms, price]", "3"],
        ["weight[[red]rooms, rent]", "not finite"],
        ["bias[price]", "5"],
        ["bias[rent]", "6"],
    ]


@pytest.mark.parametrize(
    ("train", "val", "first", "said"),
    [
        (1e-10, 1.06, 1.2, "over 1,000 times"),
        (0.1, 2.0, 1.0, "20 times"),
        (0.009, 0.013, 0.04, ""),
        # of data without noise both are small, whatever their ratio is
        (1e-12, 1e-10, 1.0, ""),
        (0.00146, 0.0615, 2.3, ""),  # of digits, whose first validation is late: 98.5 % of other rows are right
        (0.0, 1.0, 1.0, ""),
        (0.1, None, 1.0, ""),
    ],
)
def test_what_was_learned_by_heart(tmp_path: Path, train: float, val: float | None, first: float, said: str) -> None:
    told = by_heart(a_result(tmp_path, metrics={"train/loss": train, "val/loss": val}), first)
    assert said in told
    assert bool(told) == bool(said)


def test_a_long_table_is_cut(tmp_path: Path) -> None:
    names = [f"x{i}" for i in range(1, 21)]
    parameters = {"weight": [[float(i)] for i in range(20)], "bias": [1.0]}
    result = a_result(tmp_path, parameters=parameters, truth={"bias": [2.0]}, features=names, metrics={})
    rows = rendered(result)
    assert len(rows) == 13
    assert rows[0] == ["weight[x1]", "0", ""]
    assert rows[-1][0] == "... 9 more in result.json"


def test_the_headline(tmp_path: Path) -> None:
    assert headline(a_result(tmp_path)) == "completed: all 10 steps were taken (0.12 s on cpu)"
    advised = a_result(tmp_path, reason="all 10 steps were taken; not enough, it takes 20")
    assert headline(advised) == "completed: all 10 steps were taken (0.12 s on cpu)\nnot enough, it takes 20"


@pytest.mark.parametrize(
    ("momentum", "said"), [(6e-33, "best 0.5"), (0.25, "best 0.5 without momentum, 0.6 with 0.25"), (None, "best 0.5")]
)
def test_a_best_momentum_is_told_where_there_is_one(tmp_path: Path, momentum: float | None, said: str) -> None:
    exact = {
        "weight": [[1.0]], "unique": True, "hessian_eigenvalues": [2.0], "condition_number": 1.0, "critical_lr": 1.0,
        "critical_lr_formula": "2/λmax", "optimal_lr": 0.5, "heavy_ball": {"lr": 0.6, "momentum": momentum},
    }  # fmt: skip
    lines = in_theory(a_result(tmp_path, exact=exact))
    assert lines[1] == f"gradient descent: critical learning rate 2/λmax = 1, {said}"
