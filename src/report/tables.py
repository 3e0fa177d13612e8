"""The tables of a report: which optimizer, how surely, and over all problems."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from src.compare.contest import Contender, Problem, everywhere, ranked, short
from src.compare.selection import Figure
from src.compare.statistics import Estimate, Width, improvement, letters, stratified
from src.report.courses import Reach


@dataclass(frozen=True)
class Cell:
    """What is shown, and by what the column is sorted.

    Attributes:
        text: empty where there is nothing to say.
        value: a number or a text; None where there is none to compare.
    """

    text: str
    value: float | str | None

    @classmethod
    def of(cls, value: float, digits: int = 4) -> "Cell":
        """A number to so many digits; an empty cell for one that is not finite."""
        known = math.isfinite(value)
        return cls(f"{value:.{digits}g}", value) if known else NOTHING


NOTHING = Cell("", None)


def told(text: str) -> Cell:
    """A cell of text."""
    return Cell(text, text)


@dataclass(frozen=True)
class TableData:
    """A table.

    Attributes:
        name: its heading.
        columns: their headings.
        rows: a cell per column.
        caption: what the columns mean.
    """

    name: str
    columns: list[str]
    rows: list[list[Cell]]
    caption: str = ""


# --- which optimizer -------------------------------------------------------------------------------------------------

HEADLINE = "Which optimizer, and how hard was it to tune?"
ALIKE = "not told apart"
ON_ALIKE = (
    f"Rows that share a letter under “{ALIKE}” are those whose intervals overlap: what was run cannot tell which of "
    "them is better. "
)
WITHIN = 1.1
NEAR = f"{100 * (WITHIN - 1):.0f} %"
FEWEST = 6
"""Pairs that can tell two apart: 2 * 0.5 ** 6 is below 0.05 (the sign test)."""


def headline(
    problems: Sequence[Problem],
    reached: Mapping[tuple[str, str], Reach],
    widths: Mapping[tuple[str, str], Width | None],
) -> TableData:
    """A row per optimizer and problem, the best of a problem first.

    Args:
        problems: of the sweep.
        reached: the target, by labels of problem and contender.
        widths: of the range of good rates, by the same.
    """
    several, timed = len(problems) > 1, any(one.seconds is not None for one in reached.values())
    metrics = list(dict.fromkeys(one.figure.metric for problem in problems for one in problem.contenders))
    columns = [
        *(["problem"] if several else []),
        *("optimizer", "best setting", metrics[0] if len(metrics) == 1 else "loss", "95 % interval", ALIKE, "seeds"),
        *("steps", "steps to target", *(["seconds to target"] if timed else [])),
        *("diverged settings", "decades of good rates"),
    ]
    rows = []
    for problem in problems:
        alike = letters([one.figure.interval if problem.comparable(one) else None for one in problem.contenders])
        for one, letter in zip(problem.contenders, alike, strict=True):
            key = problem.label, one.label
            cells = [*([told(problem.label)] if several else []), told(one.label), told(best_setting(one))]
            cells += _loss(one, len(metrics) > 1)
            cells += [told(letter), Cell.of(one.figure.seeds), _steps(one)]
            cells += _target(reached.get(key), timed)
            cells += [_lost(one), _decades(widths.get(key))]
            rows.append(cells)
    empty = [place for place, cells in enumerate(zip(*rows, strict=True)) if not any(cell.text for cell in cells)]
    kept = [place for place in range(len(columns)) if place not in empty]
    return TableData(
        HEADLINE,
        [columns[place] for place in kept],
        [[cells[place] for place in kept] for cells in rows],
        _on_headline(problems, reached, widths),
    )


def best_setting(one: Contender) -> str:
    """The winner's numbers, those at an edge of the grid marked."""
    if not one.came_through:
        return f"none of {one.winner.settings} came through"
    ends = {edge.key: f" ({edge.end} tried)" for edge in one.winner.edges}
    words = [
        short({key.removeprefix("optimizer."): value}) + ends.get(key, "") for key, value in one.winner.tuned.items()
    ]
    return " ".join(words) or "as it is"


def _loss(one: Contender, several_metrics: bool) -> list[Cell]:
    figure = one.figure
    metric = f"{figure.metric} " if several_metrics else ""
    if not math.isfinite(figure.value):
        return [Cell(_why_lost(figure), math.inf), NOTHING]
    return [Cell(f"{metric}{figure.value:.4g}", figure.value), _interval(figure.interval)]


def _why_lost(figure: Figure) -> str:
    lost = {"diverged": figure.diverged, "failed": figure.failed}
    return " and ".join(f"{count} of {figure.seeds} seeds {how}" for how, count in lost.items() if count)


def _interval(interval: tuple[float, float] | None) -> Cell:
    if interval is None:
        return NOTHING
    return Cell(f"{interval[0]:.4g} to {interval[1]:.4g}", interval[0])


def _steps(one: Contender) -> Cell:
    return Cell(f"{one.winner.steps:,.10g}", one.winner.steps) if one.came_through else NOTHING


def _target(reach: Reach | None, timed: bool) -> list[Cell]:
    if reach is None:
        return [NOTHING] * (1 + timed)
    some = f"on {reach.reached} of {reach.seeds} seeds"
    if math.isfinite(reach.steps):
        steps = f"{reach.steps:,.10g}" + (f" ({some})" if reach.reached < reach.seeds else "")
    else:
        steps = f"reached {some}" if reach.reached else "not reached"
    cells = [Cell(steps, reach.steps)]
    return [*cells, Cell.of(math.inf if reach.seconds is None else reach.seconds, 3)] if timed else cells


def _lost(one: Contender) -> Cell:
    winner = one.winner
    failed = f", {winner.failed} failed" if winner.failed else ""
    return Cell(f"{winner.diverged} of {winner.settings}{failed}", winner.diverged / winner.settings)


def _decades(width: Width | None) -> Cell:
    if width is None:
        return NOTHING
    return Cell(f"{'≥ ' if width.at_least else ''}{width.decades:.2f}", width.decades)


def _on_headline(
    problems: Sequence[Problem],
    reached: Mapping[tuple[str, str], Reach],
    widths: Mapping[tuple[str, str], Width | None],
) -> str:
    """What its columns mean."""
    contenders = [one for problem in problems for one in problem.contenders]
    confirmed = [one for one in contenders if one.winner.confirmed]
    chosen = any(one.winner.settings > 1 for one in contenders)
    how = "over the seeds"
    if chosen:
        how = "over the seeds on which the settings were selected, so the best of many flatters itself"
    if confirmed:
        how = "over fresh seeds, on which nothing was selected: the confirmation's"
        if len(confirmed) < len(contenders):
            how += ", where there is one; those without come last, and are not compared with them"
    interval = any(one.figure.interval is not None for one in contenders)
    one_seed = max((one.figure.seeds for one in contenders), default=0) < 2
    why = "there is one seed" if one_seed else "none came through on every seed"
    told = "with its 95 % bootstrap interval" if interval else f"without interval, for {why}"
    sentences = [f"The loss is the interquartile mean {how}; {told}. "]
    if sum(one.figure.interval is not None for one in contenders) > 1:
        sentences.append(ON_ALIKE)
    if reached:
        metric = next(iter(reached.values())).metric
        sentences.append(
            f"The target is a {metric} within {NEAR} of the lowest in which any of them ended on the same "
            "seed, or within a thousandth of the way there from the start; the figure is the median over seeds. "
        )
    if any(width is not None for width in widths.values()):
        sentences.append(
            f"Good rates are those around the best whose loss is within {NEAR} of its, interpolated in the "
            "logarithm of the rate; ≥ where the range may go on beyond what was tried or came through."
        )
    return "".join(sentences).strip()


# --- how surely ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pair:
    """How often one optimizer beats another on the same seeds."""

    first: str
    second: str
    estimate: Estimate
    seeds: int
    problems: int


def pairs(problems: Sequence[Problem]) -> list[Pair]:
    """How probably one optimizer beats another, of every two that share two seeds or more; the better one first."""
    labels = ranked(problems)
    by_label = [{one.label: one for one in problem.contenders} for problem in problems]
    found = []
    for first, second in itertools.combinations(labels, 2):
        both = [_paired(one[first], one[second]) for one in by_label if first in one and second in one]
        shared = [pair for pair in both if len(pair[0]) > 1]
        if not shared:
            continue
        estimate, names = improvement(shared), (first, second)
        if estimate.value < 0.5:
            estimate, names = improvement([(theirs, ours) for ours, theirs in shared]), (second, first)
        found.append(Pair(*names, estimate, sum(len(ours) for ours, _ in shared), len(shared)))
    return found


def _paired(first: Contender, second: Contender) -> tuple[np.ndarray, np.ndarray]:
    """Losses of both on the seeds that both have."""
    seeds = [seed for seed in first.by_seed if seed in second.by_seed]
    confirmed = bool(first.winner.confirmed) == bool(second.winner.confirmed)
    if not (confirmed and first.came_through and second.came_through):
        seeds = []
    return np.array([first.by_seed[seed] for seed in seeds]), np.array([second.by_seed[seed] for seed in seeds])


def improvements(found: Sequence[Pair]) -> TableData:
    """A row per pair."""
    rows = []
    for pair in found:
        interval = pair.estimate.interval
        apart = "" if interval is None else "yes" if interval[0] > 0.5 and pair.seeds >= FEWEST else "no"
        cells = [told(pair.first), told(pair.second), Cell(f"{pair.estimate.value:.2f}", pair.estimate.value)]
        ends = NOTHING if interval is None else Cell(f"{interval[0]:.2f} to {interval[1]:.2f}", interval[0])
        rows.append([*cells, ends, told(apart), Cell.of(pair.seeds), Cell.of(pair.problems)])
    columns = ["optimizer", "against", "probability", "95 % interval", "told apart", "pairs", "problems"]
    caption = (
        "How probable it is that the first ends in a lower loss than the second on the same seed, each at its best "
        "setting (Agarwal et al. 2021, paired by seed; equal losses count half), with the stratified bootstrap "
        f"interval. “told apart”: the interval lies above one half, of {FEWEST} pairs or more; fewer fall all on one "
        "side by chance more often than once in twenty times."
    )
    return TableData("Probability of improvement", columns, rows, caption)


# --- over all problems -----------------------------------------------------------------------------------------------


def across(problems: Sequence[Problem]) -> TableData | None:
    """Losses over the best one of their problem, of the optimizers that were tried on all problems.

    None of fewer than two such optimizers, or than two problems that have a best loss above 0.
    """
    usable = [problem for problem in problems if 0 < problem.contenders[0].figure.value < math.inf]
    labels = everywhere(usable)
    usable = [
        problem for problem in usable if any(one.label in labels and one.came_through for one in problem.contenders)
    ]
    if len(usable) < 2 or len(labels) < 2:
        return None
    won, strata = dict.fromkeys(labels, 0), {label: list[np.ndarray]() for label in labels}
    for problem in usable:
        shown = [one for one in problem.contenders if one.label in won]
        best = min(one.figure.value for one in shown)
        for one in shown:
            strata[one.label].append(np.array([loss / best for loss in one.by_seed.values()]))
            won[one.label] += one.figure.value == best
    estimates = {label: stratified(scores) for label, scores in strata.items()}
    order = sorted(labels, key=lambda label: estimates[label].value)
    alike = letters([_finite(estimates[label].interval) for label in order])
    rows = [
        [
            *(
                told(label),
                Cell.of(estimates[label].value),
                _interval(_finite(estimates[label].interval)),
                told(letter),
            ),
            Cell(f"{won[label]} of {len(usable)}", won[label]),
        ]
        for label, letter in zip(order, alike, strict=True)
    ]
    columns = ["optimizer", "loss over the best", "95 % interval", ALIKE, "problems won"]
    caption = (
        "Each run's loss over that of the best optimizer on its problem: the interquartile mean over all problems and "
        "seeds, with its stratified bootstrap interval (Agarwal et al. 2021; strata: problems). "
    ) + ON_ALIKE
    return TableData("Over all problems", columns, rows, caption.strip())


def _finite(interval: tuple[float, float] | None) -> tuple[float, float] | None:
    return interval if interval is not None and all(map(math.isfinite, interval)) else None
