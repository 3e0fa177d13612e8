"""The tables of a report: which optimizer (or whatever is compared), how surely, and over all problems."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from src.compare.contest import Exact, Problem, Standing, above_exact, exact_by_seed
from src.compare.pairs import FEWEST_APART, Pair
from src.compare.remarks import counted
from src.compare.roles import noun
from src.compare.rows import short
from src.compare.selection import Contender
from src.compare.statistics import FEWEST, WITHIN
from src.compare.verdict import Reach
from src.report.target import Reaches


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
    def of(cls, value: float | str, digits: int = 4) -> "Cell":
        """A text, or a number to so many digits; an empty cell for one that is not finite."""
        if isinstance(value, str):
            return cls(value, value)
        return cls(f"{value:.{digits}g}", value) if math.isfinite(value) else NOTHING

    @property
    def key(self) -> str:
        """What it is sorted by; where it is no finite number there is nothing, which comes last either way."""
        nothing = self.value is None or (isinstance(self.value, float) and not math.isfinite(self.value))
        return "" if nothing else str(self.value)


NOTHING = Cell("", None)


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

    @property
    def numeric(self) -> list[bool]:
        """Of each column whether every value in it is a number, or is missing."""
        columns = zip(*self.rows, strict=True) if self.rows else [()] * len(self.columns)
        values = ([cell.value for cell in column if cell.value is not None] for column in columns)
        return [bool(column) and not any(isinstance(value, str) for value in column) for column in values]

    @classmethod
    def of(cls, name: str, rows: Sequence[Mapping[str, Cell]], caption: str) -> "TableData":
        """A table of rows by column, without the columns in which there is nothing."""
        columns = [column for column in rows[0] if any(row[column].text for row in rows)]
        return cls(name, columns, [[row[column] for column in columns] for row in rows], caption)


# --- which one -------------------------------------------------------------------------------------------------------

ALIKE = "not told apart"
ABOVE = "train above exact"
INTERVAL = "its 95 % interval (Student's, of the logarithms)"
ON_ALIKE = f"Rows that share a letter under “{ALIKE}” are those of which none is better than another, seed by seed. "
NEAR = f"{100 * (WITHIN - 1):.0f} %"


def headline(
    problems: Sequence[Problem], reached: Reaches, chance: bool = True, exact: Exact = lambda row: None
) -> TableData:
    """A row per contender and problem, the best of a problem first.

    Args:
        problems: of the sweep.
        reached: the target.
        chance: whether anything of its runs is drawn.
        exact: the exact training loss of a run.
    """
    contenders = [one for problem in problems for one in problem.contenders]
    metrics = {one.figure.metric for one in contenders}
    scores = list(dict.fromkeys(name for one in contenders for name in one.scores))
    compared, rows = noun(problems[0].compared), []
    unit = next((reach.unit for of_one in reached.values() for reach in of_one.values()), "step")
    for problem in problems:
        known = exact_by_seed(problem.contenders, exact)
        for one in ranked(problem, reached):
            reach = reached.get(problem.label, {}).get(one.label)
            rows.append(
                {
                    "problem": Cell.of(problem.label),
                    compared: Cell.of(one.label),
                    "best setting": Cell.of(best_setting(one)),
                    **_loss(one, len(metrics) > 1),
                    ABOVE: Cell.of(above_exact(one, known)),
                    **{name: Cell.of(one.scores.get(name, math.nan)) for name in scores},
                    ALIKE: Cell.of(problem.letters[one.label]),
                    "seeds": Cell.of(one.figure.seeds),
                    "steps": Cell(f"{one.steps:,.10g}", one.steps) if one.came_through else NOTHING,
                    f"{unit}s to target": NOTHING if reach is None else _target(reach, one),
                    "seconds to target": NOTHING
                    if reach is None or reach.seconds is None
                    else Cell.of(reach.seconds, 3),
                    "diverged settings": _lost(one),
                    "decades of good rates": _decades(one),
                }
            )
    tuned = ", and how hard was it to tune" if any(len(one.settings) > 1 for one in contenders) else ""
    caption = _on_headline(problems, reached, chance, unit, any(row[ABOVE].text for row in rows))
    return TableData.of(f"Which {compared}{tuned}?", rows, caption)


def ranked(problem: Problem, reached: Reaches) -> list[Contender]:
    """The best one first; those that are practically equal to it by their steps to the target, not by chance."""
    best, steps = problem.contenders[0], {key: one.steps for key, one in reached.get(problem.label, {}).items()}
    pairs = ((one, problem.pair(best.label, one.label)) for one in problem.contenders)
    equal = [one for one, pair in pairs if one is best or (pair is not None and pair.relation == "equal")]
    by_steps = sorted(equal, key=lambda one: (steps.get(one.label, math.inf), one.settings[0].rows[0].job))
    return by_steps + [one for one in problem.contenders if one not in equal]


def best_setting(one: Contender) -> str:
    """The winner's numbers, and which of them lie at an end of those tried."""
    if not one.came_through:
        return f"none of {len(one.settings)} came through"
    ends = {edge.key: f" ({edge.end} tried)" for edge in one.edges}
    words = [short({key.removeprefix("optimizer."): word}) + ends.get(key, "") for key, word in one.best.tuned.items()]
    return " ".join(words) or "as it is"


def _loss(one: Contender, several_metrics: bool) -> dict[str, Cell]:
    """The figure that counts, or what has become of it, and its interval."""
    figure = one.figure
    loss = Cell(f"{figure.metric} " * several_metrics + f"{figure.value:.4g}", figure.value)
    if not math.isfinite(figure.value):
        of = f" of {figure.seeds} seed{'s' * (figure.seeds > 1)}"
        loss = Cell(counted({"diverged": figure.diverged, "failed": figure.failed}, of), math.inf)
    return {"loss" if several_metrics else figure.metric: loss, "95 % interval": _interval(figure.interval)}


def _interval(interval: tuple[float, float] | None, form: str = ".4g") -> Cell:
    if interval is None or not all(map(math.isfinite, interval)):
        return NOTHING
    return Cell(f"{interval[0]:{form}} to {interval[1]:{form}}", interval[0])


def _target(reach: Reach, one: Contender) -> Cell:
    """The steps, and the setting where it is not the one of the lowest loss."""
    some = f"on {reach.reached} of {reach.seeds} seeds"
    if math.isfinite(reach.steps):
        words = {key.removeprefix("optimizer."): word for key, word in reach.setting.tuned.items()}
        about = [] if reach.setting is one.best else [short(words)]
        about += [some] if reach.reached < reach.seeds else []
        return Cell(
            f"{reach.steps:,.{10 if reach.unit == 'step' else 3}g}" + (f" ({', '.join(about)})" if about else ""),
            reach.steps,
        )
    return Cell(f"reached {some}" if reach.reached else "not reached", reach.steps)


def _lost(one: Contender) -> Cell:
    settings, failed = len(one.settings), f", {one.failed} failed" if one.failed else ""
    return Cell(f"{one.diverged} of {settings}{failed}", one.diverged / settings)


def _decades(one: Contender) -> Cell:
    width = one.good_rates
    return NOTHING if width is None else Cell(f"{'≥ ' if width.at_least else ''}{width.decades:.2f}", width.decades)


def _on_headline(problems: Sequence[Problem], reached: Reaches, chance: bool, unit: str, above: bool) -> str:
    """What its columns mean; `unit`: what the way to the target is counted in; `above`: whether `ABOVE` is there."""
    contenders = [one for problem in problems for one in problem.contenders]
    confirmed = [one for one in contenders if one.confirmed]
    how = "over the seeds"
    if any(len(one.settings) > 1 for one in contenders):
        how = "over the seeds on which the settings were selected, so the best of many flatters itself"
    if confirmed:
        how = "over fresh seeds, on which nothing was selected: the confirmation's"
        if len(confirmed) < len(contenders):
            how += ", where there is one; those without come last, and are not compared with them"
    intervals = sum(one.figure.interval is not None for one in contenders)
    seeds = max((one.figure.seeds for one in contenders), default=0)
    few = f"there {'is one seed' if seeds == 1 else f'are {seeds} seeds'}"
    why = few if seeds < FEWEST else "none came through on every seed"
    interval = f"with {INTERVAL}" if intervals else f"without interval, for {why}"
    sentences = [f"The loss is the geometric mean {how}; {interval}. "]
    if not chance:
        sentences = [
            "The loss is that of the one best setting: nothing here is drawn, so another seed is the same run. "
        ]
    if above:
        sentences.append(
            f"“{ABOVE}”: what the training loss of the same runs is above the exact one, as far as its digits tell. "
        )
    scores = {name.partition("/")[2].partition("[")[0] for one in contenders for name in one.scores}
    if "accuracy" in scores:
        sentences.append("Accuracy is that of the same runs, their mean. ")
    if scores - {"accuracy"}:
        sentences.append("RMSE and R² are those of the same runs, in the units of the table. ")
    if any(any(problem.letters.values()) for problem in problems):
        sentences.append(ON_ALIKE)
    if any(reached.values()):
        metrics = " or ".join(dict.fromkeys(reach.metric for of_one in reached.values() for reach in of_one.values()))
        sentences.append(
            f"The target is a {metrics} within {NEAR} of the lowest in which any of them ended on the same seed, or "
            f"within a thousandth of the way there from the start. Counted are the {unit}s after which a run stays "
            "there, the median over seeds (one that does not counts as infinite), of the setting with which it is "
            "soonest; that is told where it is not the best one. "
        )
    if any(one.good_rates is not None for one in contenders):
        sentences.append(
            f"Good rates are those around the best whose loss is within {NEAR} of its, interpolated in the "
            "logarithm of the rate; ≥ where the range may go on beyond what was tried or came through."
        )
    return "".join(sentences).strip()


# --- how surely, and over all problems -------------------------------------------------------------------------------


def against_the_best(problems: Sequence[Problem], reached: Reaches, within: float) -> TableData | None:
    """A row per contender and problem, beside the best one of the problem; None where no two can be compared.

    Args:
        problems: of the sweep.
        reached: the target, by which those are ranked that are practically equal.
        within: the share of a loss within which two are practically equal.
    """
    rows, compared = [], noun(problems[0].compared, several=True)
    for problem in problems:
        best, *others = ranked(problem, reached)
        for one in others:
            pair = problem.pair(best.label, one.label)
            if pair is not None:
                seen = pair.seen_from(best.label)
                rows.append({"problem": Cell.of(problem.label), **_pair(seen, noun(problem.compared))})
    if not rows:
        return None
    caption = (
        "The first of each problem beside every other, each at its best setting, on the same seeds. The ratio is that "
        "of the second's loss to the first's (of what lies above nine tenths of the exact loss, where settings were "
        "judged by one that has such), geometric mean. The probability is that of the first to end lower on a new "
        "seed. Intervals are at the level that Holm's correction for all pairs of this page leaves them; those of "
        "ratios that are practically equal are 95 %. “better”: the probability is at least 0.75, its interval lies "
        f"above one half (Bouthillier et al. 2021), and the ratio is past the margin of {within:.3g}; it takes "
        f"{FEWEST_APART} seeds or more. “practically equal”: the ratio's interval lies within the margin, which "
        "--equal-within sets. Won are seeds on which a loss is lower by more than that. "
        f"{compared.capitalize()} that are the same are told apart on at most one page in twenty."
    )
    return TableData.of("How surely", rows, caption)


def _pair(pair: Pair, compared: str) -> dict[str, Cell]:
    told = {"better": "better", "equal": "practically equal", "unknown": "not told apart"}[pair.relation]
    if pair.relation == "unknown" and pair.needed is not None:
        more = pair.needed - pair.seeds
        told += f"; about {more:,} more seed{'s' * (more > 1)} would tell"
    several = pair.seeds > 1
    return {
        compared: Cell.of(pair.first),
        "against": Cell.of(pair.second),
        "ratio of losses": Cell.of(pair.ratio, 5),
        "interval": _interval(pair.ratio_interval, ".5g"),
        "probability": Cell(f"{pair.probability:.2f}", pair.probability) if several else NOTHING,
        "its interval": _interval(pair.bounds, ".2f"),
        "seeds won": Cell(f"{pair.won} of {pair.seeds}, lost {pair.lost}", pair.won),
        "told": Cell.of(told),
    }


def across(standings: Sequence[Standing], problems: int, compared: str) -> TableData:
    """Losses over the best one of their problem, of those that were tried on all problems.

    Args:
        standings: at least two, the best one first.
        problems: on how many.
        compared: what they are, such as "optimizer".
    """
    rows = [
        {
            compared: Cell.of(one.label),
            "loss over the best": Cell.of(one.ratio.value),
            "95 % interval": _interval(one.ratio.interval),
            "problems won": Cell(f"{one.alone} of {problems}", one.alone),
            "won with others": Cell(f"{one.shared} of {problems}", one.shared),
        }
        for one in standings
    ]
    caption = (
        f"Each run's loss over that of the best {compared} on its problem: geometric mean over seeds and problems, "
        "with the 95 % interval of what seeds vary within problems. Won is a problem on which one is better than all "
        "others, with others one on which none is better, though it is not better than all."
    )
    return TableData.of("Over all problems", rows, caption)
