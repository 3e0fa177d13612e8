"""How much it matters: the final loss against the learning rate, how wide good rates are, and two keys at once."""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from src.compare.contest import Problem
from src.compare.grid_edges import by_logarithm
from src.compare.rows import number, short
from src.compare.selection import RATE, Contender, Setting
from src.compare.statistics import FEWEST, over_seeds
from src.plots import chart
from src.report.curves import FLOOR, loss_axis
from src.report.opened_runs import Shown
from src.report.run_files import is_number

OPTIMIZER = "optimizer"
MOST_COLUMNS, MOST_HEATS = 32, 8


# --- one key ---------------------------------------------------------------------------------------------------------


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
    caption[0] += f"; whatever else is tuned is as in each optimizer's best setting, {key} aside."
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


# --- two keys --------------------------------------------------------------------------------------------------------


def heats(problems: Sequence[Problem], keys: tuple[str, str] | None = None) -> list[chart.Heat]:
    """Two keys at once.

    Args:
        problems: of the sweep.
        keys: of the rows and of the columns, any two that are swept (`optimizer` is one); None: of each problem the
            optimizers and the learning rate, of each optimizer with two numbers to tune those, and where there are
            neither, the first two keys of the problems.
    """
    if keys is not None:
        found = _heat(problems, *keys, "heat", f"{keys[0]} and {keys[1]}")
        return [] if found is None else [found]
    drawn = [one for problem in problems for one in _heats(problem)]
    if not drawn:
        several = list(dict.fromkeys(key for problem in problems for key in problem.words))
        if len(several) > 1:
            drawn = [_heat(problems, several[0], several[1], "heat", f"{several[0]} and {several[1]}")]
    return [one for one in drawn if one is not None][:MOST_HEATS]


def _heats(problem: Problem) -> Iterator[chart.Heat | None]:
    key = problem.tuned_key
    if key is not None and len(problem.contenders) > 1:
        yield _heat([problem], OPTIMIZER, key, problem.named("heat"), f"Optimizer and {_title(key)}{problem.suffix}")
    for index, one in enumerate(problem.contenders):
        keys = [key for key in one.best.tuned if len(one.numbers(key)) > 1]
        if len(keys) > 1:
            alone = replace(problem, contenders=(one,))
            column, row = (key.removeprefix("optimizer.") for key in keys[:2])
            title = f"{row} and {column} of {one.label}{problem.suffix}"
            yield _heat([alone], keys[1], keys[0], f"{problem.named('heat')}_of_{index}", title)


def _heat(problems: Sequence[Problem], row_key: str, column_key: str, name: str, title: str) -> chart.Heat | None:
    cells = list[tuple[tuple[str, str], Setting]]()
    for problem in problems:
        for one in problem.contenders:
            for setting in one.settings:
                words = {**problem.words, **setting.tuned, OPTIMIZER: one.label}
                if row_key in words and column_key in words:
                    cells.append(((words[row_key], words[column_key]), setting))
    rows, row_names = _bins([cell for cell, _ in cells], 0)
    columns, column_names = _bins([cell for cell, _ in cells], 1)
    if len(row_names) * len(column_names) < 2 or not any(math.isfinite(setting.loss) for _, setting in cells):
        return None
    values = np.full((len(row_names), len(column_names)), np.nan)
    hover = [["not tried" for _ in column_names] for _ in row_names]
    for (row, column), setting in cells:
        index, loss = (rows[row], columns[column]), setting.loss
        if not values[index] <= loss:  # NaN is no number either
            values[index] = loss
            run = f"{loss:.4g}, run {setting.rows[0].name}"
            hover[index[0]][index[1]] = run if math.isfinite(loss) else "diverged"
    caption = "The geometric mean over seeds, the best of whatever else was tried."
    if len(set(columns)) > len(column_names) or len(set(rows)) > len(row_names):
        caption += " Near numbers share a cell, which shows the best of them."
    finite = values[np.isfinite(values)]
    log, floor = bool((finite >= 0).all() and finite.max() > 0), FLOOR * float(finite.max())
    if log and finite.min() < floor:
        values = np.maximum(values, floor)
        caption += f" Whatever is below {floor:.0e} has one colour."
    return chart.Heat(
        name,
        title,
        _title(column_key),
        row_key,
        column_names,
        row_names,
        values,
        f"final {problems[0].metric}",
        log,
        "diverged, or not tried",
        hover,
        caption,
    )


def _bins(cells: Sequence[tuple[str, str]], axis: Literal[0, 1]) -> tuple[dict[str, int], list[str]]:
    """The index of each word along an axis, and what is written there.

    Numbers ascend. Many of them, or those of rows that were given different ones, share bins: as many as leave no gap
    in a row.
    """
    words = list(dict.fromkeys(cell[axis] for cell in cells))
    numbers = {word: value for word in words if (value := number(word)) is not None}
    others = [word for word in words if word not in numbers]
    of_each: dict[str, set[float]] = {}
    for cell in cells:
        if cell[axis] in numbers:
            of_each.setdefault(cell[1 - axis], set()).add(numbers[cell[axis]])
    values = sorted(set(numbers.values()))
    most = max(map(len, of_each.values()), default=0)
    if len(values) > max(MOST_COLUMNS, 2) or (len(values) > 1.5 * most and most > 2):
        bins, names = _binned(values, [sorted(own) for own in of_each.values()])
    else:
        bins, names = list(range(len(values))), [f"{value:.4g}" for value in values]
    by_value = dict(zip(values, bins, strict=True))
    found = {word: by_value[value] for word, value in numbers.items()}
    return found | {word: len(names) + index for index, word in enumerate(others)}, [*names, *others]


def _binned(values: Sequence[float], of_each: Sequence[Sequence[float]]) -> tuple[list[int], list[str]]:
    """The bin of each number, and their middles: bins that are no narrower than any row's usual gap."""
    log = by_logarithm(values)
    scale = np.log10(values) if log else np.array(values)
    gaps = [float(np.median(np.diff(np.log10(own) if log else own))) for own in of_each if len(own) > 2]
    number_of_bins = int(np.clip((scale[-1] - scale[0]) / max(gaps, default=math.inf), 2, MOST_COLUMNS))
    edges = np.linspace(scale[0], scale[-1], number_of_bins + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    names = [f"{value:.3g}" for value in (10**middles if log else middles)]
    return np.digitize(scale, edges[1:-1]).tolist(), names
