"""Two swept keys at once: how far above the best each pair of values ends, and how soon it comes to the target."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from src.compare.contest import Problem
from src.compare.grid_edges import by_logarithm
from src.compare.pairs import EQUAL_WITHIN
from src.compare.roles import NOUNS, noun
from src.compare.rows import Seed, number, without_plus
from src.compare.selection import RATE, Setting
from src.compare.statistics import over_seeds, rounding
from src.errors import LabError
from src.plots import chart
from src.report.all_curves import start_of
from src.report.opened_runs import Shown, losses_of
from src.report.reading import Sweep
from src.report.target import target_of

MOST_COLUMNS, MOST_HEATS = 32, 8
Keys = tuple[str, str]
"""Of the rows and of the columns."""


def of_problem(sweep: Sweep, shown: Shown, asked: Keys | None = None) -> list[chart.Heat]:
    """Maps of losses; and of steps to the target, of those that were asked for, and of the only contender's.

    Args:
        sweep: the runs are of.
        shown: a problem of it.
        asked: any two swept keys; nothing is drawn of those that tell problems apart. None for what is compared and
            the learning rate, and of each contender two numbers that are tuned.
    """
    problem, drawn = shown.problem, list[chart.Heat | None]()
    if asked is None:
        wanted = _usual(problem)
    else:
        wanted = [] if set(asked) & set(problem.words) else [(problem, asked, problem.named("heat"))]
    for one, keys, name in wanted:
        if (grid := _Grid.of([one], keys)) is not None:
            whose = f" of {one.contenders[0].label}" if len(one.contenders) == 1 else ""
            grid = replace(grid, name=name, title=grid.title + whose + problem.suffix)
            drawn.append(_losses(grid, one, shown.judged_above, start_of(sweep, problem)))
            if asked is not None or len(problem.contenders) == 1:
                drawn.append(_steps(replace(grid, name=f"{name}_steps"), sweep, problem))
    return [one for one in drawn if one is not None][:MOST_HEATS]


def over_problems(problems: Sequence[Problem], asked: Keys | None = None) -> list[chart.Heat]:
    """A map over keys that tell problems apart: those asked for, else the first two, where there is no other map.

    Losses of different problems have no best to be counted from.

    Raises:
        LabError: a key that was asked for is not swept, or both are one.
    """
    apart = list(dict.fromkeys(key for problem in problems for key in problem.words))
    if asked is not None:
        _check(problems, asked)
    elif len({problem.metric for problem in problems}) > 1:
        return []  # it would have one colour for losses of different kinds
    elif len(apart) > 1 and not any(_usual(problem) for problem in problems):
        asked = apart[0], apart[1]
    if asked is None or not set(asked) & set(apart) or (grid := _Grid.of(problems, asked)) is None:
        return []
    return [grid.drawn(f"final {problems[0].metric}", lambda setting: setting.loss, "")]


def _usual(problem: Problem) -> list[tuple[Problem, Keys, str]]:
    """What is drawn where nothing was asked for, with the names of the maps."""
    key, found = problem.tuned_key, list[tuple[Problem, Keys, str]]()
    if key is not None and len(problem.contenders) > 1:
        found.append((problem, (problem.compared, key), problem.named("heat")))
    for index, one in enumerate(problem.contenders):
        keys = [key for key in one.best.tuned if len(one.numbers(key)) > 1]
        if len(keys) > 1:
            alone = replace(problem, contenders=(one,))
            found.append((alone, (keys[1], keys[0]), f"{problem.named('heat')}_of_{index}"))
    return found


def _check(problems: Sequence[Problem], asked: Keys) -> None:
    """Refuse a key that is not swept, and the same one twice."""
    there = {key: None for problem in problems for key in (problem.compared, *problem.words)}
    there |= {without_plus(key): None for one in problems for each in one.contenders for key in each.best.tuned}
    if missing := [key for key in asked if key not in there]:
        raise LabError(f"--heat {' '.join(asked)}: {missing[0]} is not swept; there are {', '.join(there)}")
    if asked[0] == asked[1]:
        raise LabError(f"--heat {' '.join(asked)}: give two keys, one for the rows and another for the columns")


# --- a map -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Grid:
    """The settings of each cell of a map.

    Attributes:
        keys: of rows and columns.
        rows: their names.
        columns: theirs.
        settings: that were tried, by row and column.
        caption: what a cell shows.
        title: of the picture, in lower case.
        name: of it.
    """

    keys: Keys
    rows: list[str]
    columns: list[str]
    settings: dict[tuple[int, int], list[Setting]]
    caption: str
    title: str
    name: str = "heat"

    @classmethod
    def of(cls, problems: Sequence[Problem], keys: Keys) -> "_Grid | None":
        """None of a single cell, or where nothing came through."""
        cells = list[tuple[tuple[str, str], Setting]]()
        for problem in problems:
            for one in problem.contenders:
                for setting in one.settings:
                    tuned = {without_plus(key): word for key, word in setting.tuned.items()}
                    words = {**problem.words, **tuned, problem.compared: one.value}
                    if all(key in words for key in keys):
                        cells.append(((words[keys[0]], words[keys[1]]), setting))
        rows, row_names = _bins([cell for cell, _ in cells], 0)
        columns, column_names = _bins([cell for cell, _ in cells], 1)
        if len(row_names) * len(column_names) < 2 or not any(math.isfinite(one.loss) for _, one in cells):
            return None
        settings: dict[tuple[int, int], list[Setting]] = {}
        for (row, column), setting in cells:
            settings.setdefault((rows[row], columns[column]), []).append(setting)
        caption = "The best of whatever else was tried" if any(len(one) > 1 for one in settings.values()) else ""
        if len(set(columns)) > len(column_names) or len(set(rows)) > len(row_names):
            caption = "Near numbers share a cell, which shows the best of them"
        title = f"{_title(keys[0])} and {_title(keys[1])}"
        return cls(keys, row_names, column_names, settings, caption, title)

    def drawn(
        self,
        label: str,
        value: Callable[[Setting], float],
        caption: str,
        cap: float | None = None,
        lost: str = "diverged or failed",
    ) -> chart.Heat:
        """The lowest value of each cell, with a mark at the best of each row.

        Args:
            label: what the values are.
            value: of a setting; infinite where it came to nothing.
            caption: more than what a cell shows.
            cap: above it all have one colour.
            lost: what an infinite value means.
        """
        shape = len(self.rows), len(self.columns)
        values, crossed = np.full(shape, np.nan), np.zeros(shape, dtype=np.bool_)
        hover = [["not tried" for _ in self.columns] for _ in self.rows]
        there: list[list[tuple[float, float, int]]] = [[] for _ in self.rows]
        for (row, column), settings in self.settings.items():
            found, loss, run = min((value(one), one.loss, one.rows[0].name) for one in settings)
            crossed[row, column] = math.isinf(found)
            hover[row][column] = f"{lost if math.isinf(found) else f'final loss {loss:.4g}'}, run {run}"
            if math.isfinite(found):
                values[row, column] = found
                there[row].append((found, loss, column))
        finite = values[np.isfinite(values)]
        return chart.Heat(
            self.name,
            self.title[0].upper() + self.title[1:],
            _title(self.keys[1]),
            _title(self.keys[0]),
            self.columns,
            self.rows,
            values,
            label,
            bool(len(finite)) and bool((finite > 0).all()),
            "not tried",
            hover,
            " ".join(f"{one}." for one in (self.caption, caption) if one),
            crossed,
            lost,
            [min(of_row)[2] if of_row else None for of_row in there] if shape[1] > 1 else (),
            cap if cap is not None and (finite > cap).any() and cap > finite.min() else None,
        )


def _losses(grid: _Grid, problem: Problem, known: Mapping[Seed, float], start: float) -> chart.Heat:
    """How far each setting ends above the exact loss, where the metric has one, else above the lowest."""
    tried = [setting for settings in grid.settings.values() for setting in settings]
    finite = np.concatenate([one.losses[np.isfinite(one.losses)] for one in tried])
    if not known:
        base, what = min(setting.loss for setting in tried), "the lowest"
        label, margin = f"the lowest ({base:.4g})", EQUAL_WITHIN * abs(base)
    else:
        # a hundredth of what lies above nine tenths of the exact loss, as where two are told apart
        base, label = float(np.mean(list(known.values()))), "the exact one"
        what, margin = label, EQUAL_WITHIN * abs(base) / 10
    floor = max(margin, rounding(finite))

    def above(setting: Setting) -> float:
        if not known:
            return max(setting.loss - base, floor)
        return float(over_seeds([np.maximum(losses_of(setting, known), floor)])[0][0])

    found = grid.drawn(f"final {problem.metric} above {label}", above, "", None if math.isnan(start) else start - base)
    notes = [f"What lies within {floor:.2g} of {what} has one colour."] if (found.values <= floor * 1.001).any() else []
    if found.cap is not None:
        notes.append(
            f"{'So has what' if notes else 'What'} ends higher than it started{'' if notes else ' has one colour'}."
        )
    return replace(found, caption=" ".join(filter(None, [found.caption, *notes])))


def _steps(grid: _Grid, sweep: Sweep, problem: Problem) -> chart.Heat | None:
    """When each setting came to the target of the problem and stayed, the median over seeds."""
    target = target_of(sweep, problem)
    if target is None:
        return None
    tried = [setting for settings in grid.settings.values() for setting in settings]
    taken = {
        id(setting): float(np.median(target.of(sweep, setting))) if target.ends(setting) else math.inf
        for setting in tried
    }
    if not any(map(math.isfinite, taken.values())):
        return None
    what = f"{target.unit.name}s to the target"
    return replace(grid, title=f"{what}, {grid.title}").drawn(
        what,
        lambda setting: taken[id(setting)],
        "Crossed out is what does not come there on half of the seeds, or does not stay",
        lost="not reached",
    )


# --- rows and columns ------------------------------------------------------------------------------------------------


def _title(key: str) -> str:
    name = key.removeprefix("optimizer.")
    return "learning rate" if key == RATE else noun(key) if key.rpartition(".")[2] in NOUNS else name


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
