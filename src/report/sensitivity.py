"""How much it matters: the final loss against the learning rate, how wide good rates are, and two keys at once."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from src.compare.contest import RATE, Contender, Problem, short
from src.compare.edges import by_logarithm, number
from src.compare.statistics import Numbers, Width, over_seeds, width
from src.plots import chart
from src.report.courses import FLOOR, Courses, loss_axis
from src.report.tables import WITHIN

OPTIMIZER = "optimizer"
MOST_COLUMNS, MOST_HEATS = 32, 8


def good_rates(one: Contender) -> Width | None:
    """The range of rates around the best; None where fewer than two were tried with the winner's other numbers."""
    tried = [(rate, place) for rate, place in one.slice(RATE) if rate > 0]
    if len(tried) < 2 or not one.came_through:
        return None
    rates, places = zip(*tried, strict=True)
    return width(np.array(rates), one.means[list(places)], WITHIN)


# --- one key ---------------------------------------------------------------------------------------------------------


def picture(problem: Problem, of_all: Courses) -> chart.Chart | None:
    """Final loss against the learning rate, or against the first key that has several numbers; None without any."""
    key = problem.tuned_key()
    if key is None or not any(one.came_through for one in problem.contenders):
        return None
    lines, points, regions, seeds = list[chart.Line](), list[chart.Points](), list[chart.Region](), set[int]()
    log, scattered = problem.log_spaced(key), False
    for one in problem.contenders:
        tried = one.slice(key)
        seeds |= {len(setting.losses) for setting in one.settings}
        if len(tried) > 1:
            lines.append(_line(one, tried))
            regions += _regions(one, [value for value, _ in tried], one.means[[place for _, place in tried]], log)
        elif len(one.numbers(key)) > 1:
            points.append(_points(one, key))
            scattered = True
    levels = list(_levels(problem, of_all)) if key == RATE else []
    return chart.Chart(
        problem.named("sensitivity"),
        f"Sensitivity to the {'learning rate' if key == RATE else key}{problem.suffix}",
        chart.Axis("learning rate" if key == RATE else key, log=log, switch=True),
        loss_axis(f"final {problem.selected}", [*(one.y for one in lines), *(one.y for one in points)]),
        _caption(key, max(seeds), bool(regions), scattered, bool(levels)),
        lines,
        points,
        levels,
        regions,
    )


def _line(one: Contender, tried: Sequence[tuple[float, int]]) -> chart.Line:
    settings = [one.settings[place] for _, place in tried]
    mean, low, high = np.full((3, len(settings)), np.nan)
    sizes = np.array([len(setting.losses) for setting in settings])
    for size in np.unique(sizes):
        places = np.flatnonzero(sizes == size)
        mean[places], low[places], high[places] = over_seeds(np.stack([settings[place].losses for place in places]))
    hover = [f"{short(setting.words)} (run {setting.run})" for setting in settings]
    return chart.Line(one.label, [value for value, _ in tried], mean, low, high, hover=hover, markers=True)


def _points(one: Contender, key: str) -> chart.Points:
    """Every setting: they were drawn at random, so that none differ in one key alone."""
    there = [place for place, setting in enumerate(one.settings) if number(setting.words.get(key, "")) is not None]
    hover = [f"{short(one.settings[place].words)} (run {one.settings[place].run})" for place in there]
    values = [float(one.settings[place].words[key]) for place in there]
    return chart.Points(one.label, values, one.means[there], hover=hover)


def _regions(one: Contender, values: Sequence[float], means: Numbers, log: bool) -> Iterator[chart.Region]:
    """Where a seed diverged or failed: from halfway between two that were tried."""
    lost = ~np.isfinite(means)
    for is_lost, group in itertools.groupby(range(len(values)), lambda place: bool(lost[place])):
        if is_lost:
            places = list(group)
            first, last = places[0], places[-1]
            start = _halfway(values[first - 1], values[first], log) if first else None
            end = _halfway(values[last], values[last + 1], log) if last + 1 < len(values) else None
            yield chart.Region(f"{one.label} diverged", start, end, one.label)


def _halfway(low: float, high: float, log: bool) -> float:
    return math.sqrt(low * high) if log else (low + high) / 2


def _levels(problem: Problem, of_all: Courses) -> Iterator[chart.Level]:
    """Critical and best rate of gradient descent on these data, and critical rates of optimizers with their own."""
    best, critical = list[float](), list[float]()
    for one in problem.contenders:
        exact = [course.exact for course in of_all.get((problem.label, one.label), ()) if "critical_lr" in course.exact]
        formulas = {each.get("critical_lr_formula") for each in exact}
        best += [each["optimal_lr"] for each in exact if _positive(each.get("optimal_lr"))]
        critical += [2 / largest for each in exact if _positive(largest := _largest(each))]
        own = [each["critical_lr"] for each in exact if _positive(each["critical_lr"])]
        if own and formulas != {"2/λmax"} and len(formulas) == 1:
            yield chart.Level(f"critical rate, {one.label}", float(np.median(own)), "x", one.label)
    if critical:
        yield chart.Level("critical rate, gradient descent", float(np.median(critical)), "x")
    if best:
        yield chart.Level("best rate, gradient descent", float(np.median(best)), "x", dotted=True)


def _largest(exact: Mapping[str, Any]) -> Any:
    """λmax of the Hessian."""
    eigenvalues = exact.get("hessian_eigenvalues")
    return eigenvalues[-1] if isinstance(eigenvalues, list) and eigenvalues else None


def _positive(value: Any) -> bool:
    return isinstance(value, int | float) and 0 < value < math.inf


def _caption(key: str, seeds: int, regions: bool, scattered: bool, levels: bool) -> str:
    told = ["The interquartile mean over seeds" if seeds > 1 else "One seed"]
    told[0] += ", its band the 95 % bootstrap interval" if seeds > 1 else ", so without a band"
    told[0] += f"; whatever else is tuned is as in each optimizer's best setting, {key} aside."
    told += ["Points are settings drawn at random, which differ in other keys too."] if scattered else []
    told += ["Shaded: a seed diverged or failed."] if regions else []
    told += (
        ["Dashed: what theory says of descent on all rows (the median over the data of the seeds)."] if levels else []
    )
    return " ".join(told)


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
    key = problem.tuned_key()
    if key is not None and len(problem.contenders) > 1:
        what = "learning rate" if key == RATE else key
        yield _heat([problem], OPTIMIZER, key, problem.named("heat"), f"Optimizer and {what}{problem.suffix}")
    for place, one in enumerate(problem.contenders):
        keys = [key for key in one.winner.tuned if len(one.numbers(key)) > 1]
        if len(keys) > 1:
            alone = Problem(problem.label, problem.words, (one,), problem.number)
            title = f"{_last(keys[1])} and {_last(keys[0])} of {one.label}{problem.suffix}"
            yield _heat([alone], keys[1], keys[0], f"{problem.named('heat')}_of_{place}", title)


def _last(key: str) -> str:
    return key.removeprefix("optimizer.")


def _heat(problems: Sequence[Problem], row_key: str, column_key: str, name: str, title: str) -> chart.Heat | None:
    cells: dict[tuple[str, str], tuple[float, str]] = {}
    for problem in problems:
        for one in problem.contenders:
            for setting, mean in zip(one.settings, one.means.tolist(), strict=True):
                words = {**problem.words, **setting.words, OPTIMIZER: one.label}
                if row_key in words and column_key in words:
                    cell = words[row_key], words[column_key]
                    if cell not in cells or mean < cells[cell][0]:
                        cells[cell] = mean, setting.run
    rows, row_names = _places(cells, 0)
    columns, column_names = _places(cells, 1)
    if len(row_names) * len(column_names) < 2 or not any(math.isfinite(mean) for mean, _ in cells.values()):
        return None
    values = np.full((len(row_names), len(column_names)), np.nan)
    hover = [["not tried" for _ in column_names] for _ in row_names]
    for (row, column), (mean, run) in cells.items():
        place = rows[row], columns[column]
        if not values[place] <= mean:  # NaN is no number either
            values[place] = mean
            hover[place[0]][place[1]] = f"{mean:.4g}, run {run}" if math.isfinite(mean) else "diverged"
    caption = "The interquartile mean over seeds, the best of whatever else was tried."
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
        "learning rate" if column_key == RATE else column_key,
        row_key,
        column_names,
        row_names,
        values,
        f"final {problems[0].selected}",
        log,
        "diverged, or not tried",
        hover,
        caption,
    )


def _places(cells: Mapping[tuple[str, str], Any], axis: Literal[0, 1]) -> tuple[dict[str, int], list[str]]:
    """The place of each word along an axis, and what is written there.

    Numbers ascend. Many of them, or those of rows that were given different ones, share places: as many as leave no gap
    in a row.
    """
    words = list(dict.fromkeys(cell[axis] for cell in cells))
    numbers = {word: value for word in words if (value := number(word)) is not None}
    others = [word for word in words if word not in numbers]
    of_each: dict[str, set[float]] = {}
    for cell in cells:
        if cell[axis] in numbers:
            of_each.setdefault(cell[1 - axis], set()).add(numbers[cell[axis]])
    known = sorted(set(numbers.values()))
    most = max(map(len, of_each.values()), default=0)
    if len(known) > max(MOST_COLUMNS, 2) or (len(known) > 1.5 * most and most > 2):
        places, names = _binned(known, [sorted(own) for own in of_each.values()])
    else:
        places, names = list(range(len(known))), [f"{value:.4g}" for value in known]
    by_value = dict(zip(known, places, strict=True))
    found = {word: by_value[value] for word, value in numbers.items()}
    return found | {word: len(names) + place for place, word in enumerate(others)}, [*names, *others]


def _binned(known: Sequence[float], of_each: Sequence[Sequence[float]]) -> tuple[list[int], list[str]]:
    """The bin of each number, and their middles: bins that are no narrower than any row's usual gap."""
    log = by_logarithm(known)
    scale = np.log10(known) if log else np.array(known)
    gaps = [float(np.median(np.diff(np.log10(own) if log else own))) for own in of_each if len(own) > 2]
    number_of_bins = int(np.clip((scale[-1] - scale[0]) / max(gaps, default=math.inf), 2, MOST_COLUMNS))
    edges = np.linspace(scale[0], scale[-1], number_of_bins + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    names = [f"{value:.3g}" for value in (10**middles if log else middles)]
    return np.digitize(scale, edges[1:-1]).tolist(), names
