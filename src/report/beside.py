"""The best optimizer beside the others, seed by seed, and who is better than whom."""

import math

import numpy as np

from src.compare.contest import Problem
from src.compare.pairs import Pair
from src.compare.roles import noun
from src.compare.selection import Contender
from src.compare.statistics import Numbers
from src.plots import chart

FACTOR = math.log(3)
"""Differences up to here are told in per cent, larger ones as factors."""


def seeds(problem: Problem, ranked: list[Contender], within: float, above_exact: bool = False) -> chart.Chart | None:
    """A dot a seed: how far each contender's loss lies above that of the first on the same seed, and the interval.

    Args:
        problem: they are of.
        ranked: its contenders, the best one first.
        within: the share of a loss within which two are practically equal.
        above_exact: whether losses are counted above nine tenths of the exact one.

    Returns:
        None where no two were trained on two seeds or more.
    """
    best, *others = ranked
    pairs = {one.label: pair for one in others if (pair := problem.pair(best.label, one.label)) is not None}
    pairs = {label: pair for label, pair in pairs.items() if pair.seeds > 1}
    if not pairs:
        return None
    above = {label: _above(pair, label) for label, pair in pairs.items()}
    finite = np.concatenate([one[np.isfinite(one)] for one in above.values()])
    factors = bool(len(finite)) and float(np.abs(finite).max()) > FACTOR
    lines, points, names = list[chart.Line](), list[chart.Points](), list(reversed(pairs))
    for row, label in enumerate(names):
        dots, runs = _shown(above[label], factors), _runs(problem, best.label, label)
        if (ends := pairs[label].ratio_interval) is not None:
            ratios = np.array([ends[0], pairs[label].ratio, ends[1]])
            logs = np.log(ratios if pairs[label].second == label else 1 / ratios[::-1])
            lines.append(chart.Line(label, _shown(logs, factors), [float(row)] * 3, hover="interval", markers=None))
        apart = row + np.linspace(-0.18, 0.18, len(dots))
        points.append(chart.Points(label, dots, apart, runs=runs))
    levels = [chart.Level(best.label, 1.0 if factors else 0.0, "x", best.label)]
    if not factors:
        # one of the two is named: where they are near, so would their names be
        margin = {"": -100 * within / (1 + within), "practically equal": 100 * within}
        levels += [chart.Level(name, end, "x", dotted=True) for name, end in margin.items()]
    axis = f"loss over {best.label}'s" if factors else f"loss above {best.label}'s, in %"  # must fit a narrow card
    return chart.Chart(
        problem.named("seeds"),
        f"Seed by seed{problem.suffix}",
        chart.Axis(axis, log=factors),
        chart.Axis("", limits=(-0.6, len(names) - 0.4), names=names),
        f"Each {noun(problem.compared)} at its best setting beside {best.label} at its own, on the same seed: a "
        "dot a seed, the line the interval of their mean, corrected for all pairs of the page (95 % where practically "
        "equal)."
        + " Counted from nine tenths of the exact loss on." * above_exact
        + ("" if factors else " Between the dotted lines two are practically equal."),
        lines,
        points,
        levels,
    )


def _above(pair: Pair, label: str) -> Numbers:
    """Logarithms of a contender's loss over the first's, `[n]`."""
    found = np.array(pair.differences)
    return found if pair.first == label else -found


def _runs(problem: Problem, best: str, label: str) -> list[str]:
    """The contender's run of each seed, in the order of the pair's differences: that of whoever comes first."""
    first, second = (one for one in problem.contenders if one.label in (best, label))
    seeds = {row.seed for row in second.counted}
    names = {row.seed: row.name for row in (first if first.label == label else second).counted}
    return [names[row.seed] for row in first.counted if row.seed in seeds]


def _shown(logs: Numbers, factors: bool) -> Numbers:
    shown: Numbers = np.exp(logs) if factors else 100 * np.expm1(logs)
    return shown


def matrix(problem: Problem, ranked: list[Contender]) -> chart.Heat | None:
    """Who is better than whom; None of fewer than three that can be compared."""
    labels = [one.label for one in ranked if any(one.label in (pair.first, pair.second) for pair in problem.pairs)]
    if len(labels) < 3 or all(pair.relation == "unknown" for pair in problem.pairs):
        return None
    values = np.full((len(labels), len(labels)), np.nan)
    hover = [["" for _ in labels] for _ in labels]
    for row, ours in enumerate(labels):
        for column, theirs in enumerate(labels):
            if ours == theirs:
                values[row, column] = 0.0
            if (pair := problem.pair(ours, theirs)) is None:
                continue
            lower = pair.first == ours
            values[row, column] = {"better": 1.0 if lower else -1.0, "equal": 0.0, "unknown": math.nan}[pair.relation]
            won, lost = (pair.won, pair.lost) if lower else (pair.lost, pair.won)
            hover[row][column] = f"lower on {won} of {pair.seeds} seeds, higher on {lost}"
    return chart.Heat(
        problem.named("wins"),
        f"Wins, ties and losses{problem.suffix}",
        "against",
        "",
        labels,
        labels,
        values,
        "",
        missing="not told apart",
        classes=[(1.0, "better"), (0.0, "practically equal"), (-1.0, "worse")],
        hover=hover,
        caption="Each row beside each column, on the same seeds. Empty: what was run cannot tell.",
    )
