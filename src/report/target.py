"""When optimizers came within reach of the best loss, and stayed: a target that all of a problem share."""

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from src.compare.contest import TRAIN, Problem
from src.compare.roles import BATCH
from src.compare.rows import Row, Seed
from src.compare.selection import Contender, Setting
from src.compare.statistics import WITHIN, settled
from src.compare.verdict import Reach
from src.errors import LabError
from src.report.all_curves import NO_LINE, curves_of
from src.report.epochs import Unit, unit_of
from src.report.reading import Sweep, filled
from src.report.run_files import Line, Run

Reaches = Mapping[str, Mapping[str, Reach]]
"""By the labels of problem and contender."""


def reaches(sweep: Sweep, problem: Problem) -> dict[str, Reach]:
    """When each contender's runs came within reach of the lowest loss on the same seed, for good; by its label.

    That is `WITHIN` times the loss in which the lowest ended, or a thousandth of the way to it from the start, where
    that is more. Final losses that tie leave the choice among settings to chance, so each contender is tuned for this
    by itself. Where batches differ in size epochs are counted. Nothing where the only loss is that of mini-batches,
    which stays nowhere, or where no curve can be read.
    """
    target = target_of(sweep, problem)
    if target is None:
        return {}
    known = [one for one in problem.contenders if any(curves_of(sweep, row) for row in one.best.rows)]
    return {one.label: _reach(sweep, one, target) for one in known if one.came_through}


def target_of(sweep: Sweep, problem: Problem) -> "Target | None":
    """What all of a problem are to come to; None where there is no such loss."""
    rows = [row for one in problem.contenders for each in one.settings for row in each.rows]
    first = sweep.runs[rows[0].job]
    unit = unit_of(rows, first)
    whole = all(row.words.get(BATCH, first.config.get(BATCH, "full")) == "full" for row in rows)
    if (problem.metric == TRAIN and not whole) or unit is None:
        return None
    groups = beside_each_other(sweep, problem)
    levels = _levels(sweep, groups, problem.metric)
    finer = _levels(sweep, groups, TRAIN) if whole and problem.metric != TRAIN else {}
    return Target(problem.metric, levels, finer, unit) if levels else None


@dataclass(frozen=True)
class Target:
    """Levels by seed: of the loss that settings are judged by, and of the training loss, empty where that is no help.

    Validations are far apart. After the last one above the level the training loss says when, and whether it stays.
    What is counted is `unit`.
    """

    metric: str
    levels: Mapping[Seed, float]
    finer: Mapping[Seed, float]
    unit: Unit

    def training(self, seed: Seed) -> float:
        """The level of the training loss on a seed; NaN where there is none."""
        return (self.levels if self.metric == TRAIN else self.finer).get(seed, math.nan)

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

    def ends(self, setting: Setting) -> bool:
        """Whether it ended there on more than half of its seeds: only then need its curves be read. Cut, it has not."""
        there = sum(row.loss(self.metric) <= self.levels.get(row.seed, -math.inf) for row in setting.rows)
        return 2 * there > len(setting.rows) and not setting.cut

    def of(self, sweep: Sweep, setting: Setting) -> list[float]:
        """How long each run of a setting took to come there, in `unit`; infinite where it does not stay."""
        return [self.steps(curves_of(sweep, row), row.seed) / self.unit.of(row) for row in setting.rows]


def beside_each_other(sweep: Sweep, problem: Problem) -> list[list[Row]]:
    """Runs that share a target: those of a seed; where no two contenders share any, those of the same data.

    A contender that is alone on its seed would set its own.
    """

    def shared(key: Callable[[Row], Hashable]) -> list[list[Row]]:
        found, whose = dict[Hashable, list[Row]](), dict[Hashable, set[str]]()
        for one in problem.contenders:
            for row in (row for setting in one.settings if not setting.cut for row in setting.rows):
                found.setdefault(key(row), []).append(row)
                whose.setdefault(key(row), set()).add(one.label)
        several = min(2, len(problem.contenders))
        return [rows for seed, rows in found.items() if len(rows) > 1 and len(whose[seed]) >= several]

    def data(row: Row) -> Hashable:
        return filled(row.words, ["data.seed"], sweep.runs[row.job]).get("data.seed", row.seed)

    return shared(lambda row: row.seed) or (shared(data) if len(problem.contenders) > 1 else [])


def _levels(sweep: Sweep, groups: Sequence[Sequence[Row]], metric: str) -> dict[Seed, float]:
    """The target of each seed, from the run that ended lowest beside it, where its curves can be read."""
    levels = dict[Seed, float]()
    for rows in groups:
        row = min(rows, key=lambda row: row.loss(metric))
        curves = curves_of(sweep, row)
        if math.isfinite(row.loss(metric)) and len(start := curves.get(metric, curves.get(TRAIN, NO_LINE))[1]):
            best, first = row.loss(metric), float(curves.get(TRAIN, (0, start))[1][0])
            level = best + max((WITHIN - 1) * abs(best), 1e-3 * max(0.0, first - best))
            levels |= dict.fromkeys((row.seed for row in rows), level)
    return levels


def _reach(sweep: Sweep, one: Contender, target: Target) -> Reach:
    whole = [setting for setting in one.settings if len(setting.rows) == len(one.best.rows)]
    tried = [setting for setting in whole if target.ends(setting)] or [one.best]
    steps = [target.of(sweep, each) for each in tried]
    # of settings that are as soon the one that is so on every seed, and of those the one of the lowest loss
    soonest = min(
        range(len(tried)),
        key=lambda index: (float(np.median(steps[index])), sum(steps[index]), tried[index] is not one.best),
    )
    own, setting = steps[soonest], tried[soonest]
    taken = [of_one * target.unit.of(row) for of_one, row in zip(own, setting.rows, strict=True)]
    seconds = _seconds([(sweep.runs[row.job], row) for row in setting.rows], taken)
    there = sum(map(math.isfinite, own))
    return Reach(target.metric, setting, float(np.median(own)), seconds, there, len(own), target.unit.name)


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
