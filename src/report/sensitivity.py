"""How much it matters: the final loss against the learning rate, and how wide good rates are."""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from src.compare.contest import TRAIN, Problem
from src.compare.roles import noun
from src.compare.rows import Seed, number, short
from src.compare.selection import RATE, Contender, Setting
from src.compare.statistics import FEWEST, over_seeds, width
from src.plots import chart
from src.report.curves import above_it, loss_axis
from src.report.opened_runs import Shown, losses_of
from src.report.run_files import is_number

FAR, SHOWN_TO = 1000, 10
"""Times the loss that three quarters of the settings come below: where one ends beyond, the axis ends at the second."""


def pictures(shown: Shown) -> Iterator[chart.Chart]:
    """Final loss against the learning rate, or against the first key that has several numbers; nothing without any.

    Where settings were judged by another loss than that of training, and the exact one is known, there is a second
    picture of that of training above it: descent ends there, whatever that is worth on other rows.
    """
    problem = shown.problem
    key = problem.tuned_key
    if key is not None and any(one.came_through for one in problem.contenders):
        yield _picture(shown, key, shown.judged_above, "sensitivity", "")
        if shown.exact and not shown.judged_above:
            yield _picture(shown, key, shown.exact, "sensitivity_train", " of the training loss")


def _picture(shown: Shown, key: str, exact: Mapping[Seed, float], name: str, of: str) -> chart.Chart:
    problem, log = shown.problem, shown.problem.log_spaced(key)
    lines, points, regions = list[chart.Line](), list[chart.Points](), list[chart.Region]()
    for one in problem.contenders:
        tried = one.along(key)
        if len(tried) > 1:
            lines.append(_line(one, tried, exact))
            regions += _regions(one, tried, log)
        elif len(one.numbers(key)) > 1:
            points.append(_points(one, key, exact))
    levels = list(_levels(shown)) if key == RATE else []
    near = "" if shown.quadratic else ", near the answer"
    own = f"each {noun(problem.compared)}'s best setting"
    caption = [f"{_over_seeds(problem)}; whatever else is tuned is as in {own}, {key} aside."]
    if exact:
        judged = f"Settings were judged by {problem.metric}. " * (problem.metric != TRAIN)
        caption.append(f"{judged}Flat at the bottom is rounding.")
    if points:
        caption.append("Points are settings drawn at random, which differ in other keys too.")
    if regions:
        caption.append("Shaded: a seed diverged or failed.")
    if any(one.cut for one in problem.contenders):
        caption.append("Of settings that were cut at a rung it is the loss there.")
    if levels:
        caption.append(
            f"Dashed: what theory says of descent on all rows{near} (the median over the data of the seeds)."
        )
    axis, beyond = _axis(problem, exact, [*lines, *points])
    return chart.Chart(
        problem.named(name),
        f"Sensitivity{of} to the {_title(key)}{problem.suffix}",
        chart.Axis(_title(key), log=log, switch=True),
        axis,
        " ".join([*caption, *beyond]),
        lines,
        points,
        levels,
        regions,
    )


def shifted(shown: Shown, within: float) -> chart.Chart | None:
    """Final loss against the rate over each one's own best; None where the best rates are not apart.

    Args:
        shown: the problem.
        within: the share of a loss within which two are practically equal: of rates that are, the middle is the best.
    """
    problem, exact = shown.problem, shown.judged_above
    tried = {one.label: (one, one.along(RATE)) for one in problem.contenders if one.came_through}
    tried = {label: each for label, each in tried.items() if len(each[1]) > 2 and each[1][0][0] > 0}
    best = {label: _middle(one, of_one, within) for label, (one, of_one) in tried.items()}
    if len(tried) < 2 or max(best.values()) < 2 * min(best.values()):
        return None
    lines = [_line(*each, exact) for each in tried.values()]
    axis, beyond = _axis(problem, exact, lines)
    own = (
        "The own best rate is the middle of those that are practically equal to it; the flatter a line is around 1, "
        "the less it costs to miss it."
    )
    return chart.Chart(
        problem.named("shifted"),
        f"Sensitivity around the own best rate{problem.suffix}",
        chart.Axis("learning rate over the own best one", log=True, switch=True),
        axis,
        " ".join([f"{_over_seeds(problem)}.", own, *beyond]),
        [replace(line, x=np.array(line.x) / best[line.name]) for line in lines],
        levels=[chart.Level("own best rate", 1.0, "x")],
    )


def _middle(one: Contender, tried: Sequence[tuple[float, Setting]], within: float) -> float:
    found = width(np.array([rate for rate, _ in tried]), np.array([each.loss for _, each in tried]), 1 + within)
    return float(one.best.tuned[RATE]) if found is None else math.sqrt(found.low * found.high)


def _over_seeds(problem: Problem) -> str:
    seeds = max(len(setting.rows) for one in problem.contenders for setting in one.settings)
    return ("The geometric mean over seeds" if seeds > 1 else "One seed") + (
        ", its band the 95 % interval" if seeds >= FEWEST else ", so without a band"
    )


def _axis(
    problem: Problem, exact: Mapping[Seed, float], drawn: Sequence[chart.Line | chart.Points]
) -> tuple[chart.Axis, list[str]]:
    """Of losses, without those that would squeeze all others to a line, and a sentence that tells of these."""
    axis = loss_axis(f"final {above_it(problem.metric, exact)}", [one.y for one in drawn])
    values = np.concatenate([np.asarray(one.y, dtype=np.float64) for one in drawn])
    values = values[np.isfinite(values)]
    most = float(np.quantile(values, 0.75)) if axis.log else 0.0
    if not 0 < FAR * most < values.max():
        return axis, []
    ends = [end for one in drawn if isinstance(one, chart.Line) and one.low is not None for end in one.low if end > 0]
    low, high = 0.9 * min([float(values.min()), *ends]), SHOWN_TO * most
    return replace(axis, limits=(low, high)), [f"What ended above {high:.2g} lies beyond the axis."]


def _title(key: str) -> str:
    return "learning rate" if key == RATE else key


def _line(one: Contender, tried: Sequence[tuple[float, Setting]], exact: Mapping[Seed, float]) -> chart.Line:
    mean, low, high = over_seeds([losses_of(setting, exact) for _, setting in tried])
    hover, runs = ([told(setting) for _, setting in tried] for told in (_hover, _run))
    return chart.Line(one.label, [value for value, _ in tried], mean, low, high, hover, markers=True, runs=runs)


def _points(one: Contender, key: str, exact: Mapping[Seed, float]) -> chart.Points:
    """Every setting: they were drawn at random, so that none differ in one key alone."""
    there = [setting for setting in one.settings if number(setting.tuned.get(key, "")) is not None]
    values, losses = [float(setting.tuned[key]) for setting in there], [losses_of(setting, exact) for setting in there]
    hover, runs = ([told(setting) for setting in there] for told in (_hover, _run))
    return chart.Points(one.label, values, over_seeds(losses)[0], hover, runs=runs)


def _run(setting: Setting) -> str:
    return setting.rows[0].name


def _hover(setting: Setting) -> str:
    return f"{short(setting.tuned)} (run {_run(setting)})"


def _regions(one: Contender, tried: Sequence[tuple[float, Setting]], log: bool) -> Iterator[chart.Region]:
    """Where a seed diverged or failed: from halfway between two that were tried."""
    values = [value for value, _ in tried]
    ends = [None, *(math.sqrt(a * b) if log else (a + b) / 2 for a, b in itertools.pairwise(values)), None]
    for lost, group in itertools.groupby(range(len(tried)), lambda index: math.isinf(tried[index][1].loss)):
        if lost:
            index = list(group)
            how = sorted({row.status for at in index for row in tried[at][1].rows} & {"diverged", "failed"})
            yield chart.Region(f"{one.label} {' or '.join(how)}", ends[index[0]], ends[index[-1] + 1], one.label)


def _levels(shown: Shown) -> Iterator[chart.Level]:
    """Critical and best rate of gradient descent on these data, and critical rates of optimizers with their own."""
    best, critical, near = list[float](), list[float](), "" if shown.quadratic else " near the answer"
    for label, runs in shown.runs.items():
        exact = [run.exact for run in runs if "critical_lr" in run.exact]
        formulas = {each.get("critical_lr_formula") for each in exact}
        best += _positive(each.get("optimal_lr") for each in exact)
        critical += [2 / largest for largest in _positive(map(_largest, exact))]
        own = _positive(each["critical_lr"] for each in exact)
        if own and formulas != {"2/λmax"} and len(formulas) == 1:
            yield chart.Level(f"critical rate{near}, {label}", float(np.median(own)), "x", label)
    if critical:
        yield chart.Level(f"critical rate{near}, gradient descent", float(np.median(critical)), "x")
    if best:
        yield chart.Level(f"best rate{near}, gradient descent", float(np.median(best)), "x", dotted=True)


def _largest(exact: Mapping[str, Any]) -> Any:
    """λmax of the Hessian."""
    eigenvalues = exact.get("hessian_eigenvalues")
    return eigenvalues[-1] if isinstance(eigenvalues, list) and eigenvalues else None


def _positive(values: Iterable[Any]) -> list[float]:
    return [value for value in values if is_number(value) and 0 < value < math.inf]
