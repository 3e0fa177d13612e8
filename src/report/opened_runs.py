"""The runs behind the figures of a sweep, opened: their curves, their results, and what theory foresaw."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from src.compare.contest import TRAIN, Contender, Problem, exact_by_seed
from src.compare.roles import BATCH
from src.compare.rows import Row, Seed, short
from src.compare.run_facts import below
from src.compare.selection import Setting
from src.compare.statistics import Numbers, above
from src.report.all_curves import exact_of
from src.report.epochs import STEP, Unit, unit_of
from src.report.reading import Sweep
from src.report.run_files import Line, Run, noted

VAL, ACCURACY = "val/loss", "val/accuracy"


@dataclass(frozen=True)
class OpenRun:
    """A run that is shown step by step.

    Attributes:
        row: of it in the sweep.
        run: its directory.
        curves: the columns of `metrics.csv`.
        result: what `result.json` holds; empty where it cannot be read.
        foreseen: the columns of `theory.csv`; empty where there are none, or they cannot be read.
    """

    row: Row
    run: Run
    curves: Mapping[str, Line]
    result: Mapping[str, Any]
    foreseen: Mapping[str, Line]

    @property
    def exact(self) -> Mapping[str, Any]:
        """What theory says of it."""
        exact = self.result.get("exact")
        return exact if isinstance(exact, dict) else {}


@dataclass(frozen=True)
class Shown:
    """A problem that gets pictures.

    Attributes:
        problem: it.
        runs: those behind the figure of each contender that came through, by its label.
        unit: what the length of its descents is counted in; steps where it is not known what an epoch is.
        exact: the exact training loss of each seed, see `src.compare.contest.exact_by_seed`.
    """

    problem: Problem
    runs: Mapping[str, Sequence[OpenRun]]
    unit: Unit = STEP
    exact: Mapping[Seed, float] = field(default_factory=dict)

    @property
    def judged_above(self) -> Mapping[Seed, float]:
        """The exact losses that those by which settings were judged are shown above; nothing for none."""
        return self.exact if self.problem.metric == TRAIN else {}

    @property
    def whole(self) -> Mapping[Seed, float]:
        """The exact losses that curves of training are shown above; those of mini-batches may be below that of all."""
        first = [runs[0].run.config for runs in self.runs.values() if runs]  # a setting's runs have it in common
        full = all(config.get(BATCH, "full") == "full" for config in first)
        return self.exact if full else {}

    @property
    def quadratic(self) -> bool:
        """Whether every run's loss is, so that what theory says of a minimum holds from the start on."""
        runs = (run for runs in self.runs.values() for run in runs)
        return all(below(run.result, "loss", "least_squares") is not False for run in runs)

    def of(self, one: Contender) -> Sequence[OpenRun]:
        """The runs behind a contender's figure."""
        return self.runs.get(one.label, ())


def losses_of(setting: Setting, exact: Mapping[Seed, float]) -> Numbers:
    """By seed, `[n]`: those by which it was judged, or where there are exact ones those of training above them."""
    if not exact:
        return setting.losses
    training, known = zip(*((row.loss(TRAIN), exact.get(row.seed, math.nan)) for row in setting.rows), strict=True)
    return above(np.array(training), np.array(known))


def opened(sweep: Sweep, problems: Sequence[Problem]) -> tuple[list[Shown], list[str]]:
    """The problems with their runs, and remarks on what could not be read."""
    shown, lost = list[Shown](), list[str]()
    for problem in problems:
        runs = {
            one.label: [run for row in one.counted if (run := _opened(row, sweep.runs[row.job], lost)) is not None]
            for one in problem.contenders
            if one.came_through
        }
        counted = [row for one in problem.contenders for row in one.counted]
        unit = unit_of(counted, sweep.runs[counted[0].job]) or STEP
        shown.append(Shown(problem, runs, unit, exact_by_seed(problem.contenders, partial(exact_of, sweep))))
    return shown, _remarks(lost)


def _opened(row: Row, run: Run, lost: list[str]) -> OpenRun | None:
    """None where its curves cannot be read; curves without what theory says of them are better than none."""
    curves, result, foreseen = dict[str, Line](), dict[str, Any](), dict[str, Line]()
    with noted(lost):
        curves = run.curves
        with noted(lost):
            result = run.result
        with noted(lost):
            foreseen = run.foreseen
    return OpenRun(row, run, curves, result, foreseen) if curves else None


def _remarks(lost: Sequence[str], most: int = 3) -> list[str]:
    lost = list(dict.fromkeys(lost))
    more = [f"and {len(lost) - most} more files that cannot be read"] if len(lost) > most else []
    return [*(f"left out of what is shown step by step: {one}" for one in lost[:most]), *more]


def named(one: Contender, runs: Sequence[OpenRun]) -> str:
    """Setting and runs that a line is made of: `optimizer.lr=0.1 (runs 4 to 9)`, for its hover."""
    return f"{short(one.best.tuned)} ({_listed([run.row.name for run in runs])})".strip()


def _listed(names: Sequence[str], most: int = 6) -> str:
    """`runs 4 to 9`, or the first few of them."""
    if len(names) == 1:
        return f"run {names[0]}"
    if all(name.isdecimal() for name in names) and sorted(map(int, names)) == list(
        range(int(names[0]), int(names[0]) + len(names))
    ):
        return f"runs {names[0]} to {names[-1]}"
    return f"runs {', '.join(names[:most])}" + (f" and {len(names) - most} more" if len(names) > most else "")
