"""How the best settings went, step by step: the runs that are opened for it, their curves, the step of a target."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from src.compare.contest import Contender, Problem, seed_of, short
from src.compare.selection import Row
from src.compare.statistics import Numbers, carried, first_below, over_seeds, thinned
from src.errors import LabError
from src.plots import chart
from src.report.reading import Sweep
from src.report.run_files import Line, Run

TRAIN, VAL = "train/loss", "val/loss"
TITLES = {TRAIN: "Training loss", VAL: "Validation loss"}
MOST_POINTS = 300
RESAMPLES = 1_999
FLOOR = 1e-16
"""Of the largest loss: what is below is rounding."""


@dataclass(frozen=True)
class Course:
    """A run that is shown.

    Attributes:
        row: of it in the sweep.
        run: its directory.
        result: what `result.json` holds; empty where it cannot be read.
        curves: the columns of `metrics.csv`.
        foreseen: those of `theory.csv`.
    """

    row: Row
    run: Run
    result: Mapping[str, Any]
    curves: Mapping[str, Line]
    foreseen: Mapping[str, Line] = field(default_factory=dict)

    @property
    def exact(self) -> Mapping[str, Any]:
        """What theory knows of it."""
        known = self.result.get("exact")
        return known if isinstance(known, dict) else {}

    @property
    def full_batch(self) -> bool:
        """Whether its training loss is that of all rows."""
        return self.run.config.get("data.batch_size", "full") == "full"


Courses = Mapping[tuple[str, str], Sequence[Course]]
"""The runs behind the figures that count, by labels of problem and contender."""


def courses(sweep: Sweep, problems: Sequence[Problem]) -> tuple[dict[tuple[str, str], list[Course]], list[str]]:
    """Open the runs behind the figures of these problems; and remarks on what could not be read."""
    found, lost = dict[tuple[str, str], list[Course]](), list[str]()
    for problem in problems:
        for one in problem.contenders:
            if not one.came_through:
                continue
            opened = list[Course]()
            for row in one.counted:
                run = sweep.runs[row.job]
                try:
                    opened.append(Course(row, run, *_opened(run, lost)))
                except LabError as error:
                    lost.append(str(error))
            found[problem.label, one.label] = opened
    return found, _told(lost)


def _opened(run: Run, lost: list[str]) -> tuple[Mapping[str, Any], Mapping[str, Line], Mapping[str, Line]]:
    """Its result, curves, and what theory foresaw, each where that can be read.

    A curve without what theory says of it is better than none.
    """
    curves, result, foreseen = run.curves, dict[str, Any](), dict[str, Line]()
    try:
        result = run.result
    except LabError as error:
        lost.append(str(error))
    try:
        foreseen = run.foreseen
    except LabError as error:
        lost.append(str(error))
    return result, curves, foreseen


def _told(lost: Sequence[str], most: int = 3) -> list[str]:
    more = [f"and {len(lost) - most} more files that cannot be read"] if len(lost) > most else []
    return [*(f"left out of what is shown step by step: {one}" for one in lost[:most]), *more]


# --- curves ----------------------------------------------------------------------------------------------------------


def bundle(lines: Sequence[Line]) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """Several runs' curves as one: steps, interquartile mean, and its 95 % interval, each `[T]`.

    A run that ended earlier than others keeps its last value; before the step from which all runs have one there is
    nothing.
    """
    steps = np.unique(np.concatenate([steps for steps, _ in lines]))
    steps = thinned(steps[steps >= max(steps[0] for steps, _ in lines)], MOST_POINTS)
    values = np.stack([carried(own, values, steps) for own, values in lines], 1)
    return steps, *over_seeds(values, RESAMPLES)


def pictures(problem: Problem, of_all: Courses) -> list[chart.Chart]:
    """Training and validation loss against steps, where there are such curves."""
    shown = [(one, of_all.get((problem.label, one.label), ())) for one in problem.contenders]
    return [picture for metric in TITLES if (picture := _picture(problem, metric, shown)) is not None]


def _picture(problem: Problem, metric: str, shown: Sequence[tuple[Contender, Sequence[Course]]]) -> chart.Chart | None:
    lines = []
    for one, of_one in shown:
        curves = [course.curves[metric] for course in of_one if len(course.curves.get(metric, ((), ()))[0])]
        if curves and max(len(steps) for steps, _ in curves) > 1:
            steps, mean, low, high = bundle(curves)
            lines.append(chart.Line(one.label, steps, mean, low, high, hover=named(one)))
    if not lines:
        return None
    axis = loss_axis(metric, [line.y for line in lines])
    levels = [one for one in _levels(shown) if metric == TRAIN and not (axis.log and one.at <= 0)]
    foreseen = list(_foreseen(shown)) if metric == TRAIN else []
    seeds = sorted({len(of_one) for _, of_one in shown if of_one})
    over = f"{seeds[0]} to {seeds[-1]} seeds" if len(seeds) > 1 else "one seed" if seeds == [1] else f"{seeds[0]} seeds"
    band = "; the band is the 95 % bootstrap interval" if seeds[-1] > 1 else ", so without a band"
    caption = f"Each optimizer at its best setting: the interquartile mean over {over}{band}."
    return chart.Chart(
        problem.named(f"curves_{metric.partition('/')[0]}"),
        TITLES[metric] + problem.suffix,
        chart.Axis("step", switch=True),
        axis,
        f"{caption} {_on_theory(levels, foreseen)}".strip(),
        [*lines, *foreseen],
        levels=levels,
    )


def loss_axis(label: str, losses: Sequence[chart.Numbers]) -> chart.Axis:
    """The axis of losses: logarithmic where none is below 0, and no further down than rounding."""
    values = np.concatenate([np.asarray(part, dtype=np.float64) for part in losses])
    values = values[np.isfinite(values)]
    if not len(values) or values.min() < 0 or values.max() <= 0:
        return chart.Axis(label, switch=True)
    low, high = FLOOR * float(values.max()), float(values.max())
    return chart.Axis(label, log=True, switch=True, limits=(low, 2 * high) if values.min() < low else None)


def _on_theory(levels: Sequence[chart.Level], foreseen: Sequence[chart.Line]) -> str:
    told = ["Dashed: what theory says."] if levels or foreseen else []
    if levels and not foreseen:
        told.append("It foresees no path here: that it does for gradient descent on all rows with constant numbers.")
    return " ".join(told)


def named(one: Contender) -> str:
    """What tells in a hover which runs a line is made of."""
    return f"{short(one.winner.tuned)} ({one.runs})".strip()


def _levels(shown: Sequence[tuple[Contender, Sequence[Course]]]) -> Iterator[chart.Level]:
    """The exact loss, once where it is the same for all, and the floors of mini-batches."""
    exact: dict[str, tuple[float, list[str]]] = {}
    for one, of_one in shown:
        if (value := _known([course.exact.get(TRAIN) for course in of_one])) is not None:
            exact.setdefault(f"{value:.6g}", (value, []))[1].append(one.label)
    for value, labels in exact.values():
        whose = "" if len(exact) == 1 else f", {', '.join(labels)}"
        yield chart.Level(f"exact loss{whose}", value, "y", labels[0] if len(exact) > 1 == len(labels) else "")
    for one, of_one in shown:
        floor = _known([course.exact.get("noise_floor") for course in of_one])
        if floor is not None:
            yield chart.Level(f"floor of mini-batches, {one.label}", floor, "y", one.label)


def _known(values: Sequence[Any]) -> float | None:
    """The interquartile mean of what theory says of each run; None where it does not of all."""
    if not values or any(not isinstance(value, int | float) for value in values):
        return None
    return float(over_seeds(np.array([values], dtype=np.float64), 1)[0][0])


def _foreseen(shown: Sequence[tuple[Contender, Sequence[Course]]]) -> Iterator[chart.Line]:
    """The paths that theory foresaw."""
    for one, of_one in shown:
        lines = [line for course in of_one if (line := course.foreseen.get("predicted_loss")) is not None]
        if lines and len(lines) == len(of_one):
            steps, mean, _, _ = bundle(lines)
            yield chart.Line(f"theory, {one.label}", steps, mean, role="reference")


# --- a target --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reach:
    """When a contender came to the target.

    Attributes:
        metric: the loss that is watched.
        steps: the median over seeds; infinite where half of them or more did not reach it.
        seconds: the same in seconds of training; None where runs were trained together, for then it is not known.
        reached: on how many seeds it was.
        seeds: of how many.
    """

    metric: str
    steps: float
    seconds: float | None
    reached: int
    seeds: int


def reaches(problem: Problem, of_all: Courses, within: float) -> dict[str, Reach]:
    """When each contender's runs came within reach of the lowest loss in which any of them ended on the same seed.

    Args:
        problem: whose contenders are compared.
        of_all: their runs.
        within: times that lowest loss; or a thousandth of the way to it from the start, where that is more.
    """
    shown = {one.label: of_one for one in problem.contenders if (of_one := of_all.get((problem.label, one.label)))}
    everyone = [course for of_one in shown.values() for course in of_one]
    whole = all(of_one[0].full_batch for of_one in shown.values())
    metric = TRAIN if whole or not all(VAL in course.curves for course in everyone) else VAL
    lowest: dict[tuple[str | None, ...], float] = {}
    for course in everyone:
        if metric in course.curves and np.isfinite(last := course.curves[metric][1][-1]):
            seed = seed_of(course.row.words)
            lowest[seed] = min(lowest.get(seed, math.inf), float(last))
    return {label: _reach(metric, of_one, lowest, within) for label, of_one in shown.items()}


def _reach(
    metric: str, of_one: Sequence[Course], lowest: Mapping[tuple[str | None, ...], float], within: float
) -> Reach:
    steps = []
    for course in of_one:
        best = lowest.get(seed_of(course.row.words))
        if best is None or metric not in course.curves:
            steps.append(math.inf)
            continue
        start = float(course.curves.get(TRAIN, course.curves[metric])[1][0])
        level = max(within * best if best > 0 else best, best + 1e-3 * max(0.0, start - best))
        steps.append(first_below(*course.curves[metric], level))
    reached = sum(map(math.isfinite, steps))
    return Reach(metric, float(np.median(steps)), _seconds(of_one, steps), reached, len(steps))


def _seconds(of_one: Sequence[Course], steps: Sequence[float]) -> float | None:
    """Of lone runs the time until then, if every step took as long as any other."""
    if any(course.result.get("stack_size") != 1 for course in of_one):
        return None
    try:
        spent = [float(course.result["seconds"]["fit"]) for course in of_one]
    except (KeyError, TypeError, ValueError):  # a result.json that somebody has been at
        return None
    pairs = zip(of_one, spent, steps, strict=True)
    return float(np.median([fit * step / max(1, course.row.steps) for course, fit, step in pairs]))
