"""All settings of a problem at once: a line each across an axis a swept key, the final loss last, with its curve."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from src.compare.contest import TRAIN, Problem
from src.compare.grid_edges import by_logarithm
from src.compare.rows import Seed, number, short
from src.compare.selection import Contender, Setting
from src.compare.statistics import Numbers, above, over_seeds, thinned
from src.plots import chart
from src.report.all_curves import NO_LINE, curves_of
from src.report.curves import FLOOR, above_it
from src.report.opened_runs import Shown, losses_of
from src.report.reading import Sweep

MOST, MOST_POINTS = 300, 60
FAR = 10
"""Times the loss that three quarters of the settings come below: what is above it lies at the end of its axis."""

Tried = tuple[Contender, Setting]


def picture(shown: Shown, sweep: Sweep, pictures: int = 1) -> chart.Parallel | None:
    """The settings of a problem; None where fewer than two keys were swept, or none of them came through.

    Args:
        shown: the problem.
        sweep: that the runs are of.
        pictures: how many such share `MOST` settings on a page.
    """
    problem, exact = shown.problem, shown.judged_above
    tried = sorted(
        ((one, setting) for one in problem.contenders for setting in one.settings), key=lambda pair: pair[1].loss
    )
    ends = over_seeds([losses_of(setting, exact) for _, setting in tried])[0]
    words = [_words(problem, *pair) for pair in tried]
    keys = _keys(words)
    if len(keys) < 2 or not math.isfinite(tried[0][1].loss):
        return None
    axes = [_axis(key, [of_one[key] for of_one in words if key in of_one]) for key in keys]
    accuracy, accurate = _accuracies(problem.metric, [setting for _, setting in tried])
    losses, capped = _losses(f"{TRAIN} above exact" if exact else f"final {problem.metric}", ends)
    kept = _sampled(len(tried), max(MOST // pictures, 40))
    along = shown.whole if exact else {}
    curves = [_curve(sweep, tried[index][1], problem.metric, along) for index in kept]
    curve_y = _curve_axis(above_it(problem.metric, along), [curve for _, curve in curves])
    whole = [tried[index][1].rows[0].status == "completed" for index in kept]
    lasts = [float(steps[-1]) for (steps, _), ended in zip(curves, whole, strict=True) if ended and len(steps)]
    settings = [
        chart.Setting(
            tried[index][0].label,
            [
                *(_place(axis, words[index].get(key)) for axis, key in zip(axes, keys, strict=True)),
                *accurate[index],
                min(float(ends[index]), _top(losses)),
            ],
            steps,
            np.minimum(curve, _top(curve_y)),
            tried[index][1].rows[0].name,
        )
        for index, (steps, curve) in zip(kept, curves, strict=True)
    ]
    return chart.Parallel(
        problem.named("parallel"),
        f"All settings at once{problem.suffix}",
        [*axes, *accuracy, losses],
        settings,
        chart.Axis("step", log=max(lasts, default=0) > FAR * min(lasts, default=0), switch=True),
        curve_y,
        _caption(len(tried), len(kept), capped, max(len(setting.rows) for _, setting in tried)),
    )


def _top(axis: chart.Axis) -> float:
    """Where what is above is drawn."""
    return math.inf if axis.limits is None else axis.limits[1]


def _words(problem: Problem, one: Contender, setting: Setting) -> dict[str, str]:
    return {**({problem.compared: one.value} if len(problem.contenders) > 1 else {}), **setting.tuned}


def _keys(words: Sequence[Mapping[str, str]]) -> list[str]:
    """Those with several values; of keys that advance together the first."""
    found = dict[tuple[int, ...], str]()
    for key in dict.fromkeys(key for of_one in words for key in of_one):
        values: dict[str | None, int] = {}
        parts = tuple(values.setdefault(of_one.get(key), len(values)) for of_one in words)
        if len({of_one[key] for of_one in words if key in of_one}) > 1:
            found.setdefault(parts, key)
    return list(found.values())


def _axis(key: str, values: Sequence[str]) -> chart.Axis:
    """Of numbers, or of names where some are none: numbers among them first."""
    label, words = key.removeprefix("optimizer."), list(dict.fromkeys(values))
    numbers = sorted({value for word in words if (value := number(word)) is not None})
    if len(numbers) == len({*words}) or all(number(word) is not None for word in words):
        return chart.Axis(label, log=by_logarithm(numbers), limits=(numbers[0], numbers[-1]))
    names = sorted(words, key=lambda word: (number(word) is None, number(word) or 0.0))
    return chart.Axis(label, limits=(-0.5, len(names) - 0.5), names=[*map(short, names)])


def _place(axis: chart.Axis, word: str | None) -> float | None:
    if word is None:
        return None
    return float(axis.names.index(short(word))) if axis.names else number(word)


def _losses(label: str, losses: Numbers) -> tuple[chart.Axis, float | None]:
    """The axis of the final loss, and where it is cut off; None where all there is lies on it."""
    finite = losses[np.isfinite(losses)]
    low, high = float(finite.min()), float(finite.max())
    if low < 0 or high <= 0:
        top = high if len(finite) == len(losses) else high + 0.1 * (high - low or 1.0)
        return chart.Axis(label, limits=(low, top)), top if top > high else None
    cap = min(FAR * float(np.quantile(finite, 0.75)), high if len(finite) == len(losses) else 1.5 * high)
    low = max(low, FLOOR * cap)
    cap = max(cap, 1.01 * low)
    return chart.Axis(label, log=True, limits=(low, cap)), cap if losses.max() > cap else None


def _accuracies(metric: str, settings: Sequence[Setting]) -> tuple[list[chart.Axis], list[list[float | None]]]:
    """The axis of the final accuracy on the rows of that loss, and its mean over each setting's seeds; where there are
    classes, else nothing."""
    name = f"{metric.partition('/')[0]}/accuracy"
    means = [_mean([row.metrics.get(name) for row in one.rows]) for one in settings]
    known = [mean for mean in means if mean is not None]
    if not known or min(known) == max(known):
        return [], [[] for _ in settings]
    return [chart.Axis(f"final {name}", limits=(min(known), max(known)))], [[mean] for mean in means]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def _sampled(number_of_settings: int, most: int) -> list[int]:
    """Which of the sorted settings are drawn: the better half of what there is room for, and every so many after."""
    if number_of_settings <= most:
        return list(range(number_of_settings))
    best = most // 2
    rest = np.linspace(best, number_of_settings - 1, most - best).round().astype(int)
    return [*range(best), *rest.tolist()]


def _curve(sweep: Sweep, setting: Setting, metric: str, exact: Mapping[Seed, float]) -> tuple[Numbers, Numbers]:
    """Steps and losses of the run on the first seed, the training loss where no other was recorded."""
    curves, first = curves_of(sweep, setting.rows[0]), setting.rows[0].seed
    steps, losses = curves.get(metric) or curves.get(TRAIN, NO_LINE)
    kept = np.isin(steps, thinned(steps, MOST_POINTS))
    return steps[kept], above(losses[kept], exact[first]) if first in exact else losses[kept]


def _curve_axis(metric: str, curves: Sequence[chart.Numbers]) -> chart.Axis:
    """What holds most of the curves: whoever diverged goes along its top."""
    values = np.concatenate([np.empty(0), *(np.asarray(one, np.float64) for one in curves)])
    values = values[np.isfinite(values)]
    if not len(values) or values.min() < 0 or values.max() <= 0:
        return chart.Axis(metric, switch=True)
    top = min(FAR * float(np.quantile(values, 0.75)), float(values.max()))
    return chart.Axis(metric, log=True, switch=True, limits=(max(float(values.min()), FLOOR * top), top))


def _caption(tried: int, drawn: int, cap: float | None, seeds: int) -> str:
    sentences = ["A line is a setting, its end the geometric mean over seeds" if seeds > 1 else "A line is a setting"]
    sentences[0] += f", its curve that of {'the first seed' if seeds > 1 else 'its run'}."
    if drawn < tried:
        sentences.append(f"Drawn are the best {drawn // 2} of {tried:,} and an even sample of the others.")
    if cap is not None:
        sentences.append(f"What diverged or ended above {cap:.3g} ends at the top of the last axis.")
    return " ".join(sentences)
