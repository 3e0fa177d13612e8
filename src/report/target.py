"""When optimizers came within reach of the best loss, and stayed: a target that all of a problem share."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from src.compare.contest import Problem
from src.compare.rows import Row
from src.compare.selection import Contender, Setting
from src.compare.statistics import WITHIN, settled
from src.compare.verdict import Reach
from src.errors import LabError
from src.report.opened_runs import TRAIN
from src.report.reading import Sweep
from src.report.run_files import Line, Run

Seed = tuple[str | None, ...]
NO_LINE: Line = (np.empty(0), np.empty(0))


Reaches = Mapping[str, Mapping[str, Reach]]
"""By the labels of problem and contender."""


def reaches(sweep: Sweep, problem: Problem) -> dict[str, Reach]:
    """When each contender's runs came within reach of the lowest loss on the same seed, for good; by its label.

    That is `WITHIN` times the loss in which the lowest ended, or a thousandth of the way to it from the start, where
    that is more. Final losses that tie leave the choice among settings to chance, so each contender is tuned for this
    by itself. Nothing where the only loss is that of mini-batches, which stays nowhere, where batches differ, so that
    a step is not a step, or where no curve can be read.
    """
    rows = [row for one in problem.contenders for each in one.settings for row in each.rows]
    whole = sweep.runs[rows[0].job].config.get("data.batch_size", "full") == "full"
    if (problem.metric == TRAIN and not whole) or any("data.batch_size" in row.words for row in rows):
        return {}
    levels = _levels(sweep, rows, problem.metric)
    finer = _levels(sweep, rows, TRAIN) if whole and problem.metric != TRAIN else {}
    target = _Target(problem.metric, levels, finer)
    return {one.label: _reach(sweep, one, target) for one in problem.contenders if one.came_through and levels}


@dataclass(frozen=True)
class _Target:
    """Levels by seed: of the loss that settings are judged by, and of the training loss, empty where that is no help.

    Validations are far apart. After the last one above the level the training loss says when, and whether it stays.
    """

    metric: str
    levels: Mapping[Seed, float]
    finer: Mapping[Seed, float]

    def steps(self, curves: Mapping[str, Line], seed: Seed) -> float:
        """The first recorded step from which on a run is at the target."""
        at, values = curves.get(self.metric, NO_LINE)
        reached = settled(at, values, self.levels.get(seed, -math.inf))
        if not math.isfinite(reached) or TRAIN not in curves or seed not in self.finer:
            return reached
        steps, losses = curves[TRAIN]
        after = steps > max((step for step in at if step < reached), default=-1.0)
        # what a validation has found good is good enough
        level = max(self.finer[seed], *losses[np.isin(steps, at[at >= reached])], -math.inf)
        return settled(steps[after], losses[after], level)


def _levels(sweep: Sweep, rows: Sequence[Row], metric: str) -> dict[Seed, float]:
    """The target of each seed, from the run that ended lowest on it, where its curves can be read.

    A run that is alone on its seed would set its own.
    """
    lowest: dict[Seed, Row] = {}
    number = Counter(row.seed for row in rows)
    for row in (row for row in rows if number[row.seed] > 1):
        if row.loss(metric) < (lowest[row.seed].loss(metric) if row.seed in lowest else math.inf):
            lowest[row.seed] = row
    levels = {}
    for seed, row in lowest.items():
        curves = _curves(sweep, row)
        if len(start := curves.get(metric, curves.get(TRAIN, NO_LINE))[1]):
            best, first = row.loss(metric), float(curves.get(TRAIN, (0, start))[1][0])
            levels[seed] = best + max((WITHIN - 1) * abs(best), 1e-3 * max(0.0, first - best))
    return levels


def _curves(sweep: Sweep, row: Row) -> Mapping[str, Line]:
    try:
        return sweep.runs[row.job].curves
    except LabError:
        return {}


def _reach(sweep: Sweep, one: Contender, target: _Target) -> Reach:
    tried = [setting for setting in one.settings if _ends_there(setting, one, target)] or [one.best]
    steps = [[target.steps(_curves(sweep, row), row.seed) for row in each.rows] for each in tried]
    # of settings that are as soon the one that is so on every seed, and of those the one of the lowest loss
    soonest = min(
        range(len(tried)),
        key=lambda index: (float(np.median(steps[index])), sum(steps[index]), tried[index] is not one.best),
    )
    own, setting = steps[soonest], tried[soonest]
    seconds = _seconds([(sweep.runs[row.job], row) for row in setting.rows], own)
    return Reach(target.metric, setting, float(np.median(own)), seconds, sum(map(math.isfinite, own)), len(own))


def _ends_there(setting: Setting, one: Contender, target: _Target) -> bool:
    """Whether it ended at the target on more than half of the seeds: only then need its curves be read."""
    there = sum(row.loss(target.metric) <= target.levels.get(row.seed, -math.inf) for row in setting.rows)
    return 2 * there > len(setting.rows) == len(one.best.rows)


def _seconds(runs: Sequence[tuple[Run, Row]], steps: Sequence[float]) -> float | None:
    """Of lone runs the time until then, if every step took as long as any other."""
    try:
        if any(run.result.get("stack_size") != 1 for run, _ in runs):
            return None
        spent = [float(run.result["seconds"]["fit"]) for run, _ in runs]
    except (LabError, KeyError, TypeError, ValueError):  # a result.json that somebody has been at
        return None
    taken = [fit * step / max(1, row.steps) for (_, row), fit, step in zip(runs, spent, steps, strict=True)]
    return float(np.median(taken))
