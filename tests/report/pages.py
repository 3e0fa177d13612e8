"""What a page shows, made by hand: of everything a little, and more of it than is shown at once."""

from typing import Any

import numpy as np

from src.compare.budgets import Budgets, Share, Spent
from src.plots.chart import Axis, Chart, Contours, Heat, Level, Line, Path, Points
from src.report.answer import Answer
from src.report.findings import Findings, Section
from src.report.tables import Cell, TableData

NAMES = [f"optimizer_{letter}" for letter in "abcdefghi"]
RATES = [0.001, 0.01, 0.1]
RUNS = {
    f"{3 * index + at}": (f"outputs/{3 * index + at}", f"python -m src.train optimizer={name} optimizer.lr={rate}")
    for index, name in enumerate(NAMES)
    for at, rate in enumerate(RATES)
}
CHART = Chart(
    "rates",
    "Sensitivity",
    Axis("learning rate", log=True, switch=True),
    Axis("loss", log=True, switch=True),
    "One sentence that is long enough to be longer than a line of a page, and another one that comes after it. " * 3,
    lines=[
        *(
            Line(name, RATES, [3.0 + index, 1.0 + index, 2.0 + index], markers=True, runs=list(RUNS)[3 * index :][:3])
            for index, name in enumerate(NAMES)
        ),
        Line("theory", RATES, [1.0, 1.0, 1.0], role="reference"),
    ],
    points=[Points("data", [0.01], [1.0], role="data")],
    levels=[Level("critical", 0.05, "x"), Level("exact", 0.9, "y")],
)
CURVES = Chart(
    "curves", "Curves", Axis("step"), Axis("loss"), lines=[Line(name, [0, 1, 2], [2.0, 1.0, 0.0]) for name in NAMES]
)
SEEDS = Chart(
    "seeds",
    "Seeds",
    Axis("above"),
    Axis("", limits=(-0.6, 1.6), names=NAMES[:2]),
    points=[Points(name, [0.5, 1.0], [row, row]) for row, name in enumerate(NAMES[:2])],
)
HEAT = Heat(
    "heat", "Heat", "rate", "optimizer", ["a", "b"], ["c", "d"], np.array([[1, np.nan], [0, 100.0]]), "z", log=True
)
GRID = np.linspace(-1.0, 1.0, 11)
RACE = Contours(
    "race",
    "Race",
    Axis("x"),
    Axis("y"),
    GRID,
    GRID,
    GRID[:, None] ** 2 + GRID**2,
    "f",
    paths=[Path(name, [0, 5, 10], [1.0, 0.5, 0.0], [0.5 - 0.1 * at, 0.2, 0.0]) for at, name in enumerate(NAMES[:2])],
    points=[Points("minimum", [0.0], [0.0], role="star")],
    frames=[0, 5, 10],
)
TABLE = TableData(
    "Which?",
    ["optimizer", "rate", "told"],
    [
        [Cell("sgd", "sgd"), Cell("3", 3), Cell('"a, b"', "a")],
        [Cell("lost", "lost"), Cell("", None), Cell("", None)],
        [Cell("rprop", "rprop"), Cell("1e-05", 1e-5), Cell("b", "b")],
        [Cell("adam", "adam"), Cell("0.1", 0.1), Cell("c", "c")],
    ],
)
LONG = TableData(
    "All",
    ["optimizer", *(f"column {number} with a long name" for number in range(12))],
    [
        [Cell(f"row {row}", f"row {row}"), *(Cell(f"{row} to {row + 0.12345}", row) for _ in range(12))]
        for row in range(20)
    ],
)


def _spent(first: str, second: str, sentence: str) -> Spent:
    return Spent(
        [sentence],
        [Share(first, 0.01, 0.005, 0.02, 0.75, 0.8), Share(second, float("inf"), 0.0, float("nan"), 0.25, 0.3)],
    )


BUDGETS = Budgets(
    [1, 4],
    [10, 100, 500],
    [
        [_spent("b", "a", "1 of 10"), _spent("b", "a", "1 of 100"), _spent("a", "b", "1 of 500")],
        [_spent("b", "a", "4 of 10"), _spent("a", "b", "4 of 100"), _spent("a", "b", "4 of 500")],
    ],
)
FULL = Section(
    answer=Answer("", ["Take a.", "Certainty: 8 seeds."], [("trains it", "python one")]),
    budgets=BUDGETS,
    beside=[SEEDS, HEAT],
    tables=[TABLE, LONG],
    charts=[CHART, CURVES, RACE],
)


def findings(*sections: Section, **others: Any) -> Findings:
    """Of sections, or of one that has a table and pictures."""
    known = {
        "title": "Title",
        "command": "python -m src.train -m",
        "environment": {"torch": "2.13", "command": "no second time"},
        "remarks": ["a remark"],
        "config": "seed: 0",
    }
    return Findings(**known | others, sections=sections or [Section(tables=[TABLE], charts=[CHART, HEAT, RACE])])
