"""How much it matters: the final loss against the learning rate, and how wide good rates are."""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from src.compare.roles import noun
from src.compare.rows import number, short
from src.compare.selection import RATE, Contender, Setting
from src.compare.statistics import FEWEST, over_seeds
from src.plots import chart
from src.report.curves import loss_axis
from src.report.opened_runs import Shown
from src.report.run_files import is_number


def picture(shown: Shown) -> chart.Chart | None:
    """Final loss against the learning rate, or against the first key that has several numbers; None without any."""
    problem = shown.problem
    key = problem.tuned_key
    if key is None or not any(one.came_through for one in problem.contenders):
        return None
    lines, points, regions = list[chart.Line](), list[chart.Points](), list[chart.Region]()
    log = problem.log_spaced(key)
    for one in problem.contenders:
        tried = one.along(key)
        if len(tried) > 1:
            lines.append(_line(one, tried))
            regions += _regions(one, tried, log)
        elif len(one.numbers(key)) > 1:
            points.append(_points(one, key))
    levels = list(_levels(shown)) if key == RATE else []
    seeds = max(len(setting.rows) for one in problem.contenders for setting in one.settings)
    caption = ["The geometric mean over seeds" if seeds > 1 else "One seed"]
    caption[0] += ", its band the 95 % interval" if seeds >= FEWEST else ", so without a band"
    caption[0] += f"; whatever else is tuned is as in each {noun(problem.compared)}'s best setting, {key} aside."
    if points:
        caption.append("Points are settings drawn at random, which differ in other keys too.")
    if regions:
        caption.append("Shaded: a seed diverged or failed.")
    if levels:
        caption.append("Dashed: what theory says of descent on all rows (the median over the data of the seeds).")
    return chart.Chart(
        problem.named("sensitivity"),
        f"Sensitivity to the {_title(key)}{problem.suffix}",
        chart.Axis(_title(key), log=log, switch=True),
        loss_axis(f"final {problem.metric}", [*(one.y for one in lines), *(one.y for one in points)]),
        " ".join(caption),
        lines,
        points,
        levels,
        regions,
    )


def _title(key: str) -> str:
    return "learning rate" if key == RATE else key


def _line(one: Contender, tried: Sequence[tuple[float, Setting]]) -> chart.Line:
    mean, low, high = over_seeds([setting.losses for _, setting in tried])
    hover = [_hover(setting) for _, setting in tried]
    return chart.Line(one.label, [value for value, _ in tried], mean, low, high, hover=hover, markers=True)


def _points(one: Contender, key: str) -> chart.Points:
    """Every setting: they were drawn at random, so that none differ in one key alone."""
    there = [setting for setting in one.settings if number(setting.tuned.get(key, "")) is not None]
    values, losses = [float(setting.tuned[key]) for setting in there], [setting.loss for setting in there]
    return chart.Points(one.label, values, losses, hover=[_hover(setting) for setting in there])


def _hover(setting: Setting) -> str:
    return f"{short(setting.tuned)} (run {setting.rows[0].name})"


def _regions(one: Contender, tried: Sequence[tuple[float, Setting]], log: bool) -> Iterator[chart.Region]:
    """Where a seed diverged or failed: from halfway between two that were tried."""
    values = [value for value, _ in tried]
    ends = [None, *(math.sqrt(a * b) if log else (a + b) / 2 for a, b in itertools.pairwise(values)), None]
    for lost, group in itertools.groupby(range(len(tried)), lambda index: math.isinf(tried[index][1].loss)):
        if lost:
            index = list(group)
            yield chart.Region(f"{one.label} diverged", ends[index[0]], ends[index[-1] + 1], one.label)


def _levels(shown: Shown) -> Iterator[chart.Level]:
    """Critical and best rate of gradient descent on these data, and critical rates of optimizers with their own."""
    best, critical = list[float](), list[float]()
    for label, runs in shown.runs.items():
        exact = [run.exact for run in runs if "critical_lr" in run.exact]
        formulas = {each.get("critical_lr_formula") for each in exact}
        best += _positive(each.get("optimal_lr") for each in exact)
        critical += [2 / largest for largest in _positive(map(_largest, exact))]
        own = _positive(each["critical_lr"] for each in exact)
        if own and formulas != {"2/λmax"} and len(formulas) == 1:
            yield chart.Level(f"critical rate, {label}", float(np.median(own)), "x", label)
    if critical:
        yield chart.Level("critical rate, gradient descent", float(np.median(critical)), "x")
    if best:
        yield chart.Level("best rate, gradient descent", float(np.median(best)), "x", dotted=True)


def _largest(exact: Mapping[str, Any]) -> Any:
    """λmax of the Hessian."""
    eigenvalues = exact.get("hessian_eigenvalues")
    return eigenvalues[-1] if isinstance(eigenvalues, list) and eigenvalues else None


def _positive(values: Iterable[Any]) -> list[float]:
    return [value for value in values if is_number(value) and 0 < value < math.inf]
