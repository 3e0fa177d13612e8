"""When optimizers came within reach of the best loss: a target that all of a problem share."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from src.compare.statistics import WITHIN, first_below
from src.report.opened_runs import TRAIN, VAL, OpenRun, Shown

Seed = tuple[str | None, ...]


@dataclass(frozen=True)
class Reach:
    """When a contender came to the target.

    Attributes:
        metric: the loss that is watched.
        steps: the median over seeds; infinite where half of them or more did not reach it.
        seconds: the same in seconds of training; None where runs were trained together, for then it cannot be said.
        reached: on how many seeds it was.
        seeds: of how many.
    """

    metric: str
    steps: float
    seconds: float | None
    reached: int
    seeds: int


Reaches = Mapping[tuple[str, str], Reach]
"""By the labels of problem and contender."""


def reaches(shown: Shown) -> dict[tuple[str, str], Reach]:
    """When each contender's runs came within reach of the lowest loss in which any of them ended on the same seed.

    That is `WITHIN` times that lowest loss, or a thousandth of the way to it from the start, where that is more.
    """
    everyone = [run for runs in shown.runs.values() for run in runs]
    # of mini-batches the training loss is not that of all rows
    whole = all(runs[0].run.config.get("data.batch_size", "full") == "full" for runs in shown.runs.values() if runs)
    metric = TRAIN if whole or not all(VAL in run.curves for run in everyone) else VAL
    lowest: dict[Seed, float] = {}
    for run in everyone:
        if metric in run.curves and np.isfinite(last := run.curves[metric][1][-1]):
            lowest[run.row.seed] = min(lowest.get(run.row.seed, math.inf), float(last))
    return {(shown.problem.label, label): _reach(metric, runs, lowest) for label, runs in shown.runs.items() if runs}


def _reach(metric: str, runs: Sequence[OpenRun], lowest: Mapping[Seed, float]) -> Reach:
    steps = [_steps(run, metric, lowest.get(run.row.seed)) for run in runs]
    reached = sum(map(math.isfinite, steps))
    return Reach(metric, float(np.median(steps)), _seconds(runs, steps), reached, len(steps))


def _steps(run: OpenRun, metric: str, best: float | None) -> float:
    if best is None or metric not in run.curves:
        return math.inf
    start = float(run.curves.get(TRAIN, run.curves[metric])[1][0])
    level = max(WITHIN * best if best > 0 else best, best + 1e-3 * max(0.0, start - best))
    return first_below(*run.curves[metric], level)


def _seconds(runs: Sequence[OpenRun], steps: Sequence[float]) -> float | None:
    """Of lone runs the time until then, if every step took as long as any other."""
    if any(run.result.get("stack_size") != 1 for run in runs):
        return None
    try:
        spent = [float(run.result["seconds"]["fit"]) for run in runs]
    except (KeyError, TypeError, ValueError):  # a result.json that somebody has been at
        return None
    return float(
        np.median([fit * step / max(1, run.row.steps) for run, fit, step in zip(runs, spent, steps, strict=True)])
    )
