"""What tuning costs: the best loss to be expected of so many settings; and how optimizers fare over many problems."""

import math
from collections.abc import Sequence

import numpy as np

from src.compare.contest import Problem, everywhere
from src.compare.statistics import Numbers, expected_best, profile, ratios, thinned
from src.plots import chart
from src.report.curves import loss_axis
from src.report.opened_runs import TRAIN, Shown

MOST_POINTS = 100


def picture(shown: Shown) -> chart.Chart | None:
    """The expected best loss after k random settings; None where no optimizer has two of them."""
    problem = shown.problem
    several = [one for one in problem.contenders if len(one.settings) > 1 and np.isfinite(one.means).any()]
    if not several:
        return None
    given_up, what = _given_up(shown)
    lines = []
    for one in several:
        draws = thinned(np.arange(1.0, len(one.settings) + 1), MOST_POINTS)
        expected = expected_best(np.minimum(one.means, given_up), draws.tolist())
        lines.append(chart.Line(one.label, draws, expected, hover=f"of {len(one.settings)} settings"))
    return chart.Chart(
        problem.named("budget"),
        f"Budget{problem.suffix}",
        chart.Axis("settings tried", log=max(len(one.settings) for one in several) > 20, switch=True),
        loss_axis(f"expected best {problem.metric}", [one.y for one in lines]),
        "The lowest loss to be expected of so many settings drawn at random from those that were tried (Dodge et al. "
        f"2019). One that diverged, or ended above it, counts as {what}: {given_up:.4g}.",
        lines,
    )


def _given_up(shown: Shown) -> tuple[float, str]:
    """What a setting counts that came to nothing: the loss at the start, or where that is not there the worst one."""
    curves = [run.curves[TRAIN] for runs in shown.runs.values() for run in runs if TRAIN in run.curves]
    starts = [float(loss[0]) for steps, loss in curves if len(steps) and steps[0] == 0 and math.isfinite(loss[0])]
    means = np.concatenate([one.means for one in shown.problem.contenders])
    finite = means[np.isfinite(means)]
    if starts:
        return max(float(np.median(starts)), float(finite.min())), "the training loss at the start"
    return float(finite.max()), "the worst loss of any setting"


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
    end = max(2.0, 1.1 * float(over[np.isfinite(over)].max()))
    left_out = f" {len(problems) - len(usable)} more had no best loss to compare with." if usable != problems else ""
    return chart.Chart(
        "profile",
        "Performance profile",
        chart.Axis("loss over the best on the problem", log=True, switch=True),
        chart.Axis("share of problems", limits=(0.0, 1.05)),
        f"On which share of {len(usable)} problems an optimizer, at its best setting, ends within a factor of the best "
        f"loss (Dolan and Moré 2002).{left_out}",
        [_line(label, factors, end) for label, factors in zip(labels, over.T, strict=True)],
    )


def _line(label: str, over: Numbers, end: float) -> chart.Line:
    factors, share = profile(over)
    return chart.Line(label, np.append(factors, end), np.append(share, share[-1]), stairs=True)
