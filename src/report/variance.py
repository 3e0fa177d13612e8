"""The table that tells where the variance of final losses comes from."""

import math
from collections.abc import Sequence

from src.compare.contest import Problem
from src.compare.roles import noun
from src.compare.variance import Part, parts
from src.report.tables import NOTHING, Cell, TableData

NAMES = {"data.seed": "data", "model.seed": "start", "data.shuffle_seed": "order", "seed": "seed", "setting": "setting"}
FACTOR = math.log(1.5)
"""Deviations up to here are told in per cent, larger ones as factors."""


def table(problems: Sequence[Problem]) -> TableData | None:
    """A row for each source of each contender on each problem; None where no two seeds were crossed."""
    rows = []
    for problem in problems:
        for one in problem.contenders:
            found = parts(one) if one.came_through else []
            whole, of_seeds = (
                sum(part.variance for part in some) or math.nan
                for some in (found, [part for part in found if part.keys != ("setting",)])
            )
            several = any(part.keys == ("setting",) for part in found)
            rows += [
                {
                    "problem": Cell.of(problem.label),
                    noun(problems[0].compared): Cell.of(one.label),
                    "source": Cell.of(_name(part)),
                    "share of variance": _share(part.variance / whole),
                    "of the seeds' part": _share(part.variance / of_seeds)
                    if several and part.keys != ("setting",)
                    else NOTHING,
                    "standard deviation": _deviation(part.variance),
                    "values": Cell.of(part.values),
                }
                for part in found
            ]
    if not rows:
        return None
    caption = (
        "Of the logarithm of the final loss: variance components of random effects, from the mean squares of a "
        "balanced crossed design, every value of each seed with every value of the others; what comes out below 0 is "
        "shown as 0. Seeds are told at each one's best setting, the rest being what they do together; settings "
        "are those that came through, so their part depends on what was tried. From five values a standard deviation "
        "is known to between 0.6 and 2.9 times itself."
    )
    return TableData.of("Where the variance comes from", rows, caption)


def _name(part: Part) -> str:
    """`data (data.seed)`; `data and start (data.seed, model.seed)` of seeds that advance together."""
    if not part.keys or part.keys == ("setting",):
        return part.keys[0] if part.keys else "rest (together)"
    return f"{' and '.join(NAMES[key] for key in part.keys)} ({', '.join(part.keys)})"


def _share(share: float) -> Cell:
    return Cell(f"{100 * share:.1f} %", share) if math.isfinite(share) else NOTHING


def _deviation(variance: float) -> Cell:
    deviation = math.sqrt(variance)
    percent = f"{100 * math.expm1(deviation):.2g} %" if deviation > 1e-9 else "0 %"  # less is rounding
    return Cell(percent if deviation < FACTOR else f"a factor of {math.exp(deviation):.3g}", deviation)
