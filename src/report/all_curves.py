"""The curves of all runs of a problem, those of settings that did not win too: what was said after fewer steps."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from src.compare.contest import TRAIN, Problem, exact_by_seed
from src.compare.draws import Tried, final, shared
from src.compare.roles import BATCH
from src.compare.rows import Row
from src.compare.run_facts import lowest_loss
from src.compare.statistics import Numbers, carried
from src.errors import LabError
from src.report.reading import Sweep
from src.report.run_files import Line

MOST_RUNS = 3000
"""Of a sweep of more only the end is told: to read all curves takes too long."""
STEPS = 6
NO_LINE: Line = (np.empty(0), np.empty(0))


def curves_of(sweep: Sweep, row: Row) -> Mapping[str, Line]:
    """Of a run; nothing where they cannot be read."""
    try:
        return sweep.runs[row.job].curves
    except LabError:
        return {}


def exact_of(sweep: Sweep, row: Row) -> float | None:
    """The lowest training loss that a run can have, where it is known."""
    try:
        return lowest_loss(sweep.runs[row.job].result)
    except LabError:
        return None


def tried(sweep: Sweep, problem: Problem, drawn: bool) -> Tried | None:
    """What every setting had come to after so many steps, about evenly spaced in their logarithm.

    All steps alone are there where curves cannot say: of mini-batches without validation, where sizes of batches
    differ, so that a step is not a step, and of very many runs. What came to nothing counts as the training loss at
    the start, or where that is not there, as the worst loss that did not.

    Args:
        sweep: the problem is of.
        problem: of it.
        drawn: as of `src.compare.contest.contest`.

    Returns:
        None where contenders share no seed, or nothing came through.
    """
    found = final(problem, drawn)
    if found is None:
        return None
    seeds, there = shared(problem)
    rows = {label: [{row.seed: row for row in each.rows} for each in of_one] for label, of_one in there.items()}
    every = {row.job: row for of_one in rows.values() for own in of_one for row in own.values()}
    batches = any(BATCH in row.words for row in every.values())
    # else the training loss of a step is not that of all rows
    whole = sweep.runs[problem.contenders[0].first_job].config.get(BATCH, "full") == "full"
    if math.isfinite(start := start_of(sweep, problem)):
        lowest = min(float(one[np.isfinite(one)].min(initial=math.inf)) for one in found.losses.values())
        found = replace(found, given_up=max(start, lowest))
    if problem.metric == TRAIN:
        known = exact_by_seed(problem.contenders, partial(exact_of, sweep))
        found = replace(found, exact=np.array([known.get(seed, math.nan) for seed in seeds]))
    if len(sweep.rows) > MOST_RUNS or batches or (problem.metric == TRAIN and not whole):
        return found
    curves = {job: curves_of(sweep, row) for job, row in every.items()}
    steps = _steps(
        [of_one[problem.metric][0] for of_one in curves.values() if problem.metric in of_one], found.steps[-1]
    )
    losses = {
        label: np.array([[_along(curves[own[seed].job], own[seed], found, steps) for seed in seeds] for own in of_one])
        for label, of_one in rows.items()
    }
    before = {label: np.moveaxis(one, 2, 0) for label, one in losses.items()}
    return replace(
        found,
        steps=[*map(round, steps), *found.steps],
        losses={label: np.concatenate([before[label], one]) for label, one in found.losses.items()},
    )


def start_of(sweep: Sweep, problem: Problem) -> float:
    """The training loss before the first step, the median over the runs of best settings; NaN where it is not there."""
    curves = [curves_of(sweep, row).get(TRAIN, NO_LINE) for one in problem.contenders for row in one.best.rows]
    starts = [losses[0] for steps, losses in curves if len(steps) and steps[0] == 0 and np.isfinite(losses[0])]
    return float(np.median(starts)) if starts else math.nan


def _steps(recorded: Sequence[Numbers], last: int) -> Numbers:
    """Those before the last one of a budget that are among the recorded ones of the longest run."""
    known = max(recorded, key=len, default=np.empty(0))
    known = known[(known > 0) & (known < last)]
    if not len(known):
        return known
    even = np.geomspace(known[0], last, STEPS)[:-1]
    return np.unique(known[np.abs(np.log(known[:, None] / even)).argmin(0)])


def _along(curves: Mapping[str, Line], row: Row, found: Tried, steps: Numbers) -> Numbers:
    """The loss of a run at each of these steps; before the first that it has it is where it started."""
    at, values = curves.get(found.metric, NO_LINE)
    losses = np.where(np.isnan(values), np.inf, values)
    along = carried(at, losses, steps) if len(at) else np.full(len(steps), np.nan)
    ended = (steps >= row.steps) & (row.status != "completed")
    return np.where(ended | (row.status == "failed"), np.inf, np.where(np.isnan(along), found.given_up, along))
