"""What a sweep says at its end: a table of its winners."""

import math
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from src.compare.contest import Exact, above_exact, exact_by_seed, problem_labels
from src.compare.roles import noun
from src.compare.rows import Row, short, without_plus
from src.compare.selection import Contender, Figure


def wide() -> Console:
    """The terminal; where there is none, a table may be wider than the 80 columns that would be taken for one."""
    console = Console()
    return console if console.is_terminal else Console(width=max(console.width, 120))


def runs(number: int) -> str:
    """`1 run`, `1,000 runs`."""
    return f"{number:,} run{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """`12 s`, `3.4 min` or `2.1 h`."""
    if seconds < 100:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.2g} min" if seconds < 6000 else f"{seconds / 3600:.3g} h"


def table(
    winners: Sequence[Contender], rows: Sequence[Row], width: int | None = None, exact: Exact = lambda row: None
) -> Table:
    """A row per winner, by problem, as they came; the best of a problem first.

    Args:
        winners: as `contenders(rows)` gives them.
        rows: the runs of the sweep, confirmations included.
        width: of the terminal; in a narrower one intervals stand below their losses, rather than that numbers break.
        exact: the exact training loss of a run; where all are known, there is what is left above it.
    """
    drawn = _drawn(winners, rows, " ", exact)
    if width is not None and Console(width=10_000).measure(drawn).maximum > width:
        return _drawn(winners, rows, "\n", exact)
    return drawn


def _drawn(winners: Sequence[Contender], rows: Sequence[Row], between: str, exact: Exact) -> Table:
    metrics = list(dict.fromkeys(winner.figure.metric for winner in winners))
    problems = list(dict.fromkeys(tuple(winner.problem.items()) for winner in winners))
    of_problem = [[one for one in winners if tuple(one.problem.items()) == words] for words in problems]
    compared = noun(winners[0].compared) if any(winner.name for winner in winners) else ""
    confirming = sum(row.confirms is not None for row in rows)
    of_each = f"best setting of each {compared}" if compared else "best setting"
    title = f"{of_each}: {runs(len(rows) - confirming)}" + (f", {confirming:,} to confirm" if confirming else "")
    drawn = Table(title=title)
    several = len(problems) > 1
    for name in [*(["problem"] if several else []), *([compared] if compared else []), "best setting"]:
        drawn.add_column(name, overflow="fold", no_wrap=name == compared)
    found = dict.fromkeys(name for winner in winners for name in winner.scores)
    scores = [
        name for name in found if name.endswith(("/accuracy", "/rmse", "/r2"))
    ]  # the page has those of several targets
    known = [exact_by_seed(of_one, exact) for of_one in of_problem]
    above = ["train above exact"] if any(known) else []
    for name in (metrics[0] if len(metrics) == 1 else "loss", *above, *scores, "seeds", "steps", "diverged"):
        drawn.add_column(name, justify="right", no_wrap=True)
    for label, of_one, exact_losses in zip(problem_labels(list(map(dict, problems))), of_problem, known, strict=True):
        for one in sorted(of_one, key=lambda one: one.rank):
            cells = [*([label] if several else []), *([one.label] if compared else [])]
            own = [above_exact(one, exact_losses)] * len(above)
            own += [one.scores.get(name, math.nan) for name in scores]
            drawn.add_row(*map(Text, [*cells, *_cells(one, len(metrics) > 1, own, between)]))
    return drawn


def _cells(winner: Contender, several_metrics: bool, scores: Sequence[float], between: str) -> list[str]:
    """Best setting, loss, scores, seeds, steps and what diverged."""
    settings, figure = len(winner.settings), winner.figure
    lost = f"{winner.diverged} of {settings}"
    if not winner.came_through:
        return [f"none of {settings} came through", "", *[""] * len(scores), str(figure.seeds), "", lost]
    metric = f"{figure.metric} " if several_metrics else ""
    # beside the optimizer's name, its own numbers need no more than theirs
    setting = (
        short({without_plus(key).removeprefix("optimizer."): word for key, word in winner.best.tuned.items()})
        or "as it is"
    )
    beside = [f"{score:.4g}" if math.isfinite(score) else "" for score in scores]
    return [setting, metric + _loss(figure, between), *beside, str(figure.seeds), f"{winner.steps:,.10g}", lost]


def _loss(figure: Figure, between: str) -> str:
    """A loss with its interval, so much between them, or why there is none."""
    if figure.diverged:
        return f"diverged on {figure.diverged} of {figure.seeds} seeds"
    if figure.failed:
        return f"failed on {figure.failed} of {figure.seeds} seeds"
    if figure.interval is None:
        return f"{figure.value:.4g}"
    low, high = figure.interval
    return f"{figure.value:.4g}{between}[{low:.4g}, {high:.4g}]"
