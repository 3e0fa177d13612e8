"""The tables of a report: which optimizer, how surely, and over all problems."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from src.compare.contest import FEWEST, Pair, Problem, Standing
from src.compare.remarks import counted
from src.compare.rows import short
from src.compare.selection import Contender
from src.compare.statistics import WITHIN, letters
from src.report.target import Reach, Reaches


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


# --- which optimizer -------------------------------------------------------------------------------------------------

HEADLINE = "Which optimizer, and how hard was it to tune?"
ALIKE = "not told apart"
ON_ALIKE = (
    f"Rows that share a letter under “{ALIKE}” are those whose intervals overlap: what was run cannot tell which of "
    "them is better. "
)
NEAR = f"{100 * (WITHIN - 1):.0f} %"


def headline(problems: Sequence[Problem], reached: Reaches, chance: bool = True) -> TableData:
    """A row per optimizer and problem, the best of a problem first.

    Args:
        problems: of the sweep.
        reached: the target.
        chance: whether anything of its runs is drawn.
    """
    contenders = [one for problem in problems for one in problem.contenders]
    metrics = {one.figure.metric for one in contenders}
    scores = list(dict.fromkeys(name for one in contenders for name in one.scores))
    rows = []
    for problem in problems:
        alike = letters([one.figure.interval if problem.comparable(one) else None for one in problem.contenders])
        for one, letter in zip(problem.contenders, alike, strict=True):
            reach = reached.get((problem.label, one.label))
            rows.append(
                {
                    "problem": Cell.of(problem.label),
                    "optimizer": Cell.of(one.label),
                    "best setting": Cell.of(best_setting(one)),
                    **_loss(one, len(metrics) > 1),
                    **{name: Cell.of(one.scores.get(name, math.nan)) for name in scores},
                    ALIKE: Cell.of(letter),
                    "seeds": Cell.of(one.figure.seeds),
                    "steps": Cell(f"{one.steps:,.10g}", one.steps) if one.came_through else NOTHING,
                    "steps to target": NOTHING if reach is None else _target(reach),
                    "seconds to target": NOTHING
                    if reach is None or reach.seconds is None
                    else Cell.of(reach.seconds, 3),
                    "diverged settings": _lost(one),
                    "decades of good rates": _decades(one),
                }
            )
    return TableData.of(HEADLINE, rows, _on_headline(problems, reached, chance))


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
        loss = Cell(
            counted({"diverged": figure.diverged, "failed": figure.failed}, f" of {figure.seeds} seeds"), math.inf
        )
    return {"loss" if several_metrics else figure.metric: loss, "95 % interval": _interval(figure.interval)}


def _interval(interval: tuple[float, float] | None, form: str = ".4g") -> Cell:
    if interval is None or not all(map(math.isfinite, interval)):
        return NOTHING
    return Cell(f"{interval[0]:{form}} to {interval[1]:{form}}", interval[0])


def _target(reach: Reach) -> Cell:
    some = f"on {reach.reached} of {reach.seeds} seeds"
    if math.isfinite(reach.steps):
        return Cell(f"{reach.steps:,.10g}" + (f" ({some})" if reach.reached < reach.seeds else ""), reach.steps)
    return Cell(f"reached {some}" if reach.reached else "not reached", reach.steps)


def _lost(one: Contender) -> Cell:
    settings, failed = len(one.settings), f", {one.failed} failed" if one.failed else ""
    return Cell(f"{one.diverged} of {settings}{failed}", one.diverged / settings)


def _decades(one: Contender) -> Cell:
    width = one.good_rates
    return NOTHING if width is None else Cell(f"{'≥ ' if width.at_least else ''}{width.decades:.2f}", width.decades)


def _on_headline(problems: Sequence[Problem], reached: Reaches, chance: bool) -> str:
    """What its columns mean."""
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
    one_seed = max((one.figure.seeds for one in contenders), default=0) < 2
    why = "there is one seed" if one_seed else "none came through on every seed"
    interval = "with its 95 % bootstrap interval" if intervals else f"without interval, for {why}"
    sentences = [f"The loss is the interquartile mean {how}; {interval}. "]
    if not chance:
        sentences = [
            "The loss is that of the one best setting: nothing here is drawn, so another seed is the same run. "
        ]
    if any(one.scores for one in contenders):
        sentences.append("RMSE and R² are those of the same runs, in the units of the table. ")
    if intervals > 1:
        sentences.append(ON_ALIKE)
    if reached:
        metric = next(iter(reached.values())).metric
        sentences.append(
            f"The target is a {metric} within {NEAR} of the lowest in which any of them ended on the same "
            "seed, or within a thousandth of the way there from the start; the figure is the median over seeds. "
        )
    if any(one.good_rates is not None for one in contenders):
        sentences.append(
            f"Good rates are those around the best whose loss is within {NEAR} of its, interpolated in the "
            "logarithm of the rate; ≥ where the range may go on beyond what was tried or came through."
        )
    return "".join(sentences).strip()


# --- how surely, and over all problems -------------------------------------------------------------------------------


def improvements(pairs: Sequence[Pair]) -> TableData:
    """A row per pair."""
    rows = [
        {
            "optimizer": Cell.of(pair.first),
            "against": Cell.of(pair.second),
            "probability": Cell(f"{pair.estimate.value:.2f}", pair.estimate.value),
            "95 % interval": _interval(pair.estimate.interval, ".2f"),
            "told apart": Cell.of({None: "", True: "yes", False: "no"}[pair.apart]),
            "pairs": Cell.of(pair.seeds),
            "problems": Cell.of(pair.problems),
        }
        for pair in pairs
    ]
    caption = (
        "How probable it is that the first ends in a lower loss than the second on the same seed, each at its best "
        "setting (Agarwal et al. 2021, paired by seed; equal losses count half), with the stratified bootstrap "
        f"interval. “told apart”: the interval lies above one half, of {FEWEST} pairs or more; fewer fall all on one "
        "side by chance more often than once in twenty times."
    )
    return TableData.of("Probability of improvement", rows, caption)


def across(standings: Sequence[Standing], problems: int) -> TableData:
    """Losses over the best one of their problem, of the optimizers that were tried on all problems.

    Args:
        standings: at least two, the best one first.
        problems: on how many.
    """
    intervals = [one.ratio.interval for one in standings]
    alike = letters([one if one is not None and all(map(math.isfinite, one)) else None for one in intervals])
    rows = [
        {
            "optimizer": Cell.of(one.label),
            "loss over the best": Cell.of(one.ratio.value),
            "95 % interval": _interval(one.ratio.interval),
            ALIKE: Cell.of(letter),
            "problems won": Cell(f"{one.won} of {problems}", one.won),
        }
        for one, letter in zip(standings, alike, strict=True)
    ]
    caption = (
        "Each run's loss over that of the best optimizer on its problem: the interquartile mean over all problems and "
        "seeds, with its stratified bootstrap interval (Agarwal et al. 2021; strata: problems). "
    ) + ON_ALIKE
    return TableData.of("Over all problems", rows, caption.strip())
