"""How the best settings went, step by step: losses against steps, over seeds, beside what theory foresaw."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from src.compare.contest import TRAIN
from src.compare.roles import noun
from src.compare.rows import Seed
from src.compare.statistics import FEWEST, Numbers, above, carried, over_seeds, thinned
from src.plots import chart
from src.report.all_curves import NO_LINE
from src.report.opened_runs import ACCURACY, VAL, OpenRun, Shown, named
from src.report.run_files import Line

TITLES = {TRAIN: "Training loss", VAL: "Validation loss"}
MOST_POINTS = 300
FLOOR = 1e-16
"""Of the largest loss: what is below is rounding."""


def bundle(lines: Sequence[Line]) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """Several runs' curves as one: steps, geometric mean, and its 95 % interval, each `[T]`.

    A run that ended earlier than others keeps its last value; before the step from which all runs have one there is
    nothing.
    """
    steps = np.unique(np.concatenate([steps for steps, _ in lines]))
    steps = thinned(steps[steps >= max(steps[0] for steps, _ in lines)], MOST_POINTS)
    values = np.stack([carried(own, values, steps) for own, values in lines], 1)
    return steps, *over_seeds(values)


def pictures(shown: Shown) -> list[chart.Chart]:
    """Training and validation loss against steps, and of classes the accuracy, where there are such curves."""
    drawn = [*(_picture(shown, metric) for metric in TITLES), _accuracy(shown)]
    return [picture for picture in drawn if picture is not None]


def _picture(shown: Shown, metric: str) -> chart.Chart | None:
    problem, exact = shown.problem, shown.whole if metric == TRAIN else {}
    lines = _lines(shown, metric, lambda run, losses: above(losses, exact[run.row.seed]) if exact else losses)
    if not lines:
        return None
    foreseen = list(_foreseen(shown, exact)) if metric == TRAIN else []
    lowest = min((float(np.nanmin(line.y)) for line in lines if np.isfinite(line.y).any()), default=-math.inf)
    if exact:  # theory has no rounding
        foreseen = [replace(line, y=np.where(np.less(line.y, lowest), np.nan, line.y)) for line in foreseen]
    axis = loss_axis(above_it(metric, exact), [line.y for line in (*lines, *foreseen)])
    levels = [] if exact or metric != TRAIN else [one for one in _levels(shown) if not (axis.log and one.at <= 0)]
    caption = f"Each {noun(problem.compared)} at its best setting: the geometric mean {_over_seeds(shown)}."
    if exact:
        caption += " Flat at the bottom is rounding."
    if levels or foreseen:
        caption += " Dashed: what theory says."
    if (levels or exact) and not foreseen:
        caption += " Theory foresees no path here: it does of squared errors, for gradient descent on all rows with "
        caption += "constant numbers."
    return chart.Chart(
        problem.named(f"curves_{metric.partition('/')[0]}"),
        (f"{TITLES[metric]} above the exact one" if exact else TITLES[metric]) + problem.suffix,
        chart.Axis(shown.unit.name, switch=True),
        axis,
        caption,
        [*lines, *foreseen],
        levels=levels,
    )


def _accuracy(shown: Shown) -> chart.Chart | None:
    """The share of validation rows whose class is predicted."""
    problem = shown.problem
    # what is not above 0 is averaged as it is, and so are the shares of those that are not
    lines = _lines(shown, ACCURACY, lambda run, shares: shares - 1)
    lines = [
        replace(one, y=np.add(one.y, 1), low=np.add(one.low, 1), high=np.minimum(np.add(one.high, 1), 1.0))
        for one in lines
        if one.low is not None and one.high is not None
    ]
    if not lines:
        return None
    return chart.Chart(
        problem.named("curves_accuracy"),
        f"Validation accuracy{problem.suffix}",
        chart.Axis(shown.unit.name, switch=True),
        chart.Axis.of_shares(
            ACCURACY, [part for one in lines for part in (one.y, one.low, one.high) if part is not None]
        ),
        f"Each {noun(problem.compared)} at its best setting: the mean {_over_seeds(shown)}.",
        lines,
    )


def _lines(shown: Shown, metric: str, values: Callable[[OpenRun, Numbers], Numbers]) -> list[chart.Line]:
    """The curves of a metric, a line a contender; `values` of a run are what is drawn of them."""
    lines = []
    for one in shown.problem.contenders:
        curves = [
            (steps / shown.unit.of(run.row), values(run, found))
            for run in shown.of(one)
            for steps, found in [run.curves.get(metric, NO_LINE)]
            if len(steps)
        ]
        if curves and max(len(steps) for steps, _ in curves) > 1:
            line = chart.Line(one.label, *bundle(curves), hover=named(one, shown.of(one)))
            alone = shown.of(one)[0].row.name if len(curves) == 1 else ""
            lines.append(replace(line, runs=[alone] * len(line.x)) if alone else line)
    return lines


def _over_seeds(shown: Shown) -> str:
    seeds = sorted({len(runs) for runs in shown.runs.values() if runs})
    over = f"{seeds[0]} to {seeds[-1]} seeds" if len(seeds) > 1 else "one seed" if seeds == [1] else f"{seeds[0]} seeds"
    return f"over {over}" + (
        "; the band is its 95 % interval" if seeds and seeds[-1] >= FEWEST else ", so without a band"
    )


def above_it(metric: str, exact: Mapping[Seed, float]) -> str:
    """What a loss is called, where there are exact ones of training that above them."""
    return f"{TRAIN} above the exact one" if exact else metric


def loss_axis(label: str, losses: Sequence[chart.Numbers]) -> chart.Axis:
    """The axis of losses: logarithmic where none is below 0, and no further down than rounding."""
    values = np.concatenate([np.asarray(part, dtype=np.float64) for part in losses])
    values = values[np.isfinite(values)]
    if not len(values) or values.min() < 0 or values.max() <= 0:
        return chart.Axis(label, switch=True)
    low, high = FLOOR * float(values.max()), float(values.max())
    return chart.Axis(label, log=True, switch=True, limits=(low, 2 * high) if values.min() < low else None)


def _levels(shown: Shown) -> Iterator[chart.Level]:
    """The exact loss, once where it is the same for all, and the floors of mini-batches."""
    exact: dict[tuple[str, bool], tuple[float, list[str]]] = {}
    for label, runs in shown.runs.items():
        if (value := _exact(runs, TRAIN)) is not None:
            decayed = any(run.exact.get("decayed") for run in runs)
            exact.setdefault((f"{value:.6g}", decayed), (value, []))[1].append(label)
    for (_, decayed), (value, labels) in exact.items():
        whose = "" if len(exact) == 1 else f", {', '.join(labels)}"
        yield chart.Level(
            f"{'at the exact answer' if decayed else 'exact loss'}{whose}",
            value,
            "y",
            labels[0] if len(exact) > 1 == len(labels) else "",
        )
    for label, runs in shown.runs.items():
        if (value := _exact(runs, "noise_floor")) is not None:
            yield chart.Level(f"floor of mini-batches, {label}", value, "y", label)


def _exact(runs: Sequence[OpenRun], name: str) -> float | None:
    """The geometric mean of what theory says of each run; None where it does not of all."""
    values: list[Any] = [run.exact.get(name) for run in runs]
    if not values or any(not isinstance(value, int | float) for value in values):
        return None
    return float(over_seeds([np.array(values, dtype=np.float64)])[0][0])


def _foreseen(shown: Shown, exact: Mapping[Seed, float]) -> Iterator[chart.Line]:
    """The paths that theory foresaw, above the exact losses where there are such."""
    for label, runs in shown.runs.items():
        there = [(run, line) for run in runs if (line := run.foreseen.get("predicted_loss")) is not None]
        if there and len(there) == len(runs):
            lines = [
                (steps / shown.unit.of(run.row), above(losses, exact[run.row.seed]) if exact else losses)
                for run, (steps, losses) in there
            ]
            steps, mean, _, _ = bundle(lines)
            yield chart.Line(f"theory, {label}", steps, mean, role="reference")
