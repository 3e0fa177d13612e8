"""What tuning costs: the best loss to be expected of so many settings; and how optimizers fare over many problems."""

import math
from collections.abc import Sequence

import numpy as np

from src.compare.contest import Problem, everywhere
from src.compare.statistics import Numbers, expected_best, profile, ratios, thinned
from src.plots import chart
from src.report.courses import TRAIN, Course, Courses, loss_axis

MOST_POINTS = 100


def picture(problem: Problem, of_all: Courses) -> chart.Chart | None:
    """The expected best loss after k random settings; None where no optimizer has two of them."""
    shown = [one for one in problem.contenders if len(one.settings) > 1 and np.isfinite(one.means).any()]
    if not shown:
        return None
    given_up = _given_up(problem, of_all)
    lines = []
    for one in shown:
        draws = thinned(np.arange(1.0, len(one.settings) + 1), MOST_POINTS)
        expected = expected_best(np.minimum(one.means, given_up), draws.tolist())
        lines.append(chart.Line(one.label, draws, expected, hover=f"of {len(one.settings)} settings"))
    return chart.Chart(
        problem.named("budget"),
        f"Budget{problem.suffix}",
        chart.Axis("settings tried", log=max(len(one.settings) for one in shown) > 20, switch=True),
        loss_axis(f"expected best {problem.selected}", [one.y for one in lines]),
        "The lowest loss to be expected of so many settings drawn at random from those that were tried (Dodge et al. "
        f"2019). One that diverged, or ended above it, counts as {_told(problem, of_all)}: {given_up:.4g}.",
        lines,
    )


def _given_up(problem: Problem, of_all: Courses) -> float:
    """What a setting counts that came to nothing: the loss at the start, or the worst one that is known."""
    starts = _starts(problem, of_all)
    finite = np.concatenate([one.means[np.isfinite(one.means)] for one in problem.contenders])
    return max(float(np.median(starts)), float(finite.min())) if starts else float(finite.max())


def _told(problem: Problem, of_all: Courses) -> str:
    return "the training loss at the start" if _starts(problem, of_all) else "the worst loss of any setting"


def _starts(problem: Problem, of_all: Courses) -> list[float]:
    every: list[Course] = [c for one in problem.contenders for c in of_all.get((problem.label, one.label), ())]
    losses = [course.curves[TRAIN] for course in every if TRAIN in course.curves]
    return [float(values[0]) for steps, values in losses if len(steps) and steps[0] == 0 and math.isfinite(values[0])]


def profiles(problems: Sequence[Problem]) -> chart.Chart | None:
    """On which share of the problems an optimizer ends within a factor of the best one; None of fewer than two.

    Only optimizers that were tried on all of them can be held against each other.
    """
    usable = [problem for problem in problems if 0 <= problem.contenders[0].figure.value < math.inf]
    labels = everywhere(usable)
    if len(usable) < 2 or len(labels) < 2:
        return None
    by_label = [{one.label: one for one in problem.contenders} for problem in usable]
    over = ratios(np.array([[one[label].figure.value for label in labels] for one in by_label]))
    finite = over[np.isfinite(over)]
    end = max(2.0, 1.1 * float(finite.max()))
    lines = [_line(label, over[:, place], end) for place, label in enumerate(labels)]
    left_out = f" {len(problems) - len(usable)} more had no best loss to compare with." if usable != problems else ""
    return chart.Chart(
        "profile",
        "Performance profile",
        chart.Axis("loss over the best on the problem", log=True, switch=True),
        chart.Axis("share of problems", limits=(0.0, 1.05)),
        f"On which share of {len(usable)} problems an optimizer, at its best setting, ends within a factor of the best "
        f"loss (Dolan and Moré 2002).{left_out}",
        lines,
    )


def _line(label: str, over: Numbers, end: float) -> chart.Line:
    factors, share = profile(over)
    return chart.Line(label, np.append(factors, end), np.append(share, share[-1]), stairs=True)
