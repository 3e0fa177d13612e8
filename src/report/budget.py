"""What tuning costs: the best loss to be expected of so many settings; and how optimizers fare over many problems."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from src.compare.contest import Problem, everywhere
from src.compare.draws import Tried, outcomes, shared
from src.compare.roles import noun
from src.compare.statistics import Numbers, above, ratios, thinned
from src.plots import chart
from src.report.curves import above_it, loss_axis
from src.report.opened_runs import Shown
from src.report.steps import profile_of

MOST_POINTS = 100


def pictures(shown: Shown, tried: Tried | None) -> list[chart.Chart]:
    """What so many tries come to, and who is then best; nothing where no optimizer has several settings."""
    problem, exact = shown.problem, shown.judged_above
    if tried is None or tried.most < 2:
        return []
    tries = thinned(np.arange(1.0, tried.most + 1), MOST_POINTS).astype(int).tolist()
    tried = replace(tried, steps=tried.steps[-1:], losses={label: one[-1:] for label, one in tried.losses.items()})
    found = outcomes(tried, tries)
    spent = _above(tried, np.array([exact[seed] for seed in shared(problem)[0]])) if exact else tried
    expected_losses = outcomes(spent, tries) if exact else found
    axis = chart.Axis("settings tried", log=tried.most > 20, switch=True, whole=True)
    lines, chances = list[chart.Line](), list[chart.Line]()
    for index, (label, losses) in enumerate(tried.losses.items()):
        own, several = np.array(tries) <= losses.shape[1], f"of {losses.shape[1]} settings"
        loss, low, high = (
            part[index, -1, own] for part in (expected_losses.loss, expected_losses.low, expected_losses.high)
        )
        known = not np.isnan(low).any()
        if np.isfinite(losses[-1]).all(1).any():
            lines.append(
                chart.Line(label, np.array(tries)[own], loss, low if known else None, high if known else None, several)
            )
        chances.append(chart.Line(label, tries, found.first[index, -1], hover=several))
    over = (
        ""
        if lines[0].low is None
        else "; 95 % of such sweeps end within the band, by which settings and seeds they draw"
    )
    expected = chart.Chart(
        problem.named("budget"),
        f"Budget{problem.suffix}",
        axis,
        loss_axis(f"expected best {above_it(problem.metric, exact)}", [one.y for one in lines]),
        "The lowest loss to be expected of so many of the settings that were tried, drawn at random (Tang et al. 2020)"
        f"{over}. One that diverged, or ended above it, counts as given up: {spent.given_up:.4g}.",
        lines,
    )
    if len(chances) < 2:
        return [expected]
    best = chart.Chart(
        problem.named("best_after"),
        f"Chance of being best{problem.suffix}",
        axis,
        chart.Axis("chance", limits=(0.0, 1.0)),
        f"The chance of each {noun(problem.compared)} to be best after so many tries (Sivaprasad et al. 2020); those "
        "that are practically equal to the best share it.",
        chances,
        stacked=True,
    )
    return [expected, best]


def _above(tried: Tried, exact: Numbers) -> Tried:
    """The same of losses above the exact ones, `[seeds]`."""
    losses = {label: above(one, exact) for label, one in tried.losses.items()}
    unknown = np.full(len(exact), np.nan)
    return replace(tried, losses=losses, given_up=tried.given_up - float(exact.mean()), exact=unknown)


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
    left_out = f" {len(problems) - len(usable)} more had no best loss to compare with." if usable != problems else ""
    return profile_of(
        labels,
        over,
        2.0,
        "Performance profile",
        "loss over the best on the problem",
        f"On which share of {len(usable)} problems an optimizer, at its best setting, ends within a factor of the best "
        f"loss (Dolan and Moré 2002).{left_out}",
    )
