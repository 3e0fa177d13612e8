"""What a sweep says at its end: a table of its winners, and remarks on how far to trust them."""

import math
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from src.compare.edges import short
from src.compare.selection import Figure, Row, Winner


def wide() -> Console:
    """The terminal; where there is none, a table may be wider than the 80 columns that would be taken for one."""
    console = Console()
    return console if console.is_terminal else Console(width=max(console.width, 120))


def runs(number: int) -> str:
    """`1 run`, `1,000 runs`."""
    return f"{number:,} run{'' if number == 1 else 's'}"


def _told(words: Mapping[str, str]) -> str:
    """Words one after the other."""
    return " ".join(f"{key}={short(value)}" for key, value in words.items())


def _best_first(winners: Sequence[Winner]) -> list[Winner]:
    """By problem, as they came; within a problem by the loss that counts."""
    problems = list(dict.fromkeys(_told(winner.problem) for winner in winners))
    return sorted(winners, key=lambda winner: (problems.index(_told(winner.problem)), winner.figure.value))


def table(winners: Sequence[Winner], rows: Sequence[Row]) -> Table:
    """A row per winner, the best of a problem first.

    Args:
        winners: as `winners(rows)` gives them.
        rows: the runs of the sweep, confirmations included.
    """
    metrics = list(dict.fromkeys(winner.figure.metric for winner in winners))
    problems, optimizers = len({_told(winner.problem) for winner in winners}) > 1, any(w.contender for w in winners)
    confirming = sum(row.confirms is not None for row in rows)
    of_each = "best setting of each optimizer" if optimizers else "best setting"
    title = f"{of_each}: {runs(len(rows) - confirming)}" + (f", {confirming:,} to confirm" if confirming else "")
    drawn = Table(title=title)
    for name in [*(["problem"] if problems else []), *(["optimizer"] if optimizers else []), "best setting"]:
        drawn.add_column(name, overflow="fold", no_wrap=name == "optimizer")
    for name in (metrics[0] if len(metrics) == 1 else "loss", "seeds", "steps", "diverged"):
        drawn.add_column(name, justify="right", no_wrap=True)
    names = _short_names(winners)
    for winner in _best_first(winners):
        cells = [*([_told(winner.problem)] if problems else []), *([names[winner.contender]] if optimizers else [])]
        drawn.add_row(*map(Text, [*cells, *_cells(winner, len(metrics) > 1)]))
    return drawn


def _short_names(winners: Sequence[Winner]) -> dict[str, str]:
    """Contenders by class without the module, where that tells them apart."""
    whole = list(dict.fromkeys(winner.contender for winner in winners))
    last = [name.rpartition(".")[2] for name in whole]
    return {name: short if last.count(short) == 1 else name for name, short in zip(whole, last, strict=True)}


def _cells(winner: Winner, several_metrics: bool) -> list[str]:
    """Best setting, loss, seeds, steps and what diverged."""
    lost = f"{winner.diverged} of {winner.settings}"
    if not _came_through(winner):
        return [f"none of {winner.settings} came through", "", str(winner.selected.seeds), "", lost]
    figure = winner.figure
    metric = f"{figure.metric} " if several_metrics else ""
    # beside the optimizer's name, its own numbers need no more than theirs
    setting = _told({key.removeprefix("optimizer."): value for key, value in winner.tuned.items()}) or "as it is"
    return [setting, metric + loss(figure), str(figure.seeds), f"{winner.steps:,.10g}", lost]


def loss(figure: Figure) -> str:
    """A loss with its interval, or why there is none."""
    if figure.diverged:
        return f"diverged on {figure.diverged} of {figure.seeds} seeds"
    if figure.failed:
        return f"failed on {figure.failed} of {figure.seeds} seeds"
    if figure.interval is None:
        return f"{figure.value:.4g}"
    low, high = figure.interval
    return f"{figure.value:.4g} [{low:.4g}, {high:.4g}]"


def remarks(winners: Sequence[Winner], chance: bool = True) -> list[str]:
    """What the losses are, where they do not hold, and which ranges to try next: plain text, brackets included.

    Args:
        winners: of the sweep.
        chance: whether anything of its runs is drawn, so that other seeds would be other runs.
    """
    told = _on_losses([winner for winner in winners if _came_through(winner)], chance)
    for winner in winners:
        problem = f" on {_told(winner.problem)}" if len({_told(one.problem) for one in winners}) > 1 else ""
        who = f"{winner.contender}{problem}".strip()
        about = _on_one(winner)
        if any(one.confirmed for one in winners) and _came_through(winner) and not winner.confirmed:
            about.append("not confirmed yet: its loss is the one it was selected by")
        told += [f"{who}: {remark}" if who else remark for remark in about]
    return told


def _came_through(winner: Winner) -> bool:
    return math.isfinite(winner.selected.value)


def _on_losses(winners: Sequence[Winner], chance: bool) -> list[str]:
    """How the losses of the table came about."""
    if not winners:
        return []
    confirmed = [winner for winner in winners if winner.confirmed]
    several = any(winner.figure.interval is not None for winner in winners)
    how = (
        "interquartile mean over seeds, with its 95 % bootstrap interval"
        if several
        else "of one seed, so without interval"
    )
    selected = " or ".join(dict.fromkeys(winner.selected.metric for winner in winners))
    if not chance:
        return [f"the losses are {selected}; nothing here is drawn, so they need no interval"]
    if not confirmed:
        told = [f"the losses are {selected}, on which the settings were selected: {how}"]
        if any(winner.settings > 1 for winner in winners):
            told.append("the best of many flatters itself: confirm_seeds=20 trains each winner on 20 fresh seeds")
    else:
        metrics = " or ".join(dict.fromkeys(winner.figure.metric for winner in confirmed))
        told = [f"selected on {selected}; the losses are {metrics} on fresh seeds: {how}"]
    if not several and not confirmed:
        told.append("more seeds, seed=range(0,8) say, show what is due to chance")
    return told


def _on_one(winner: Winner) -> list[str]:
    """What there is to say of one row of the table."""
    if not _came_through(winner):
        lost = {"diverged": winner.diverged, "failed": winner.failed}
        counts = " and ".join(f"{count} {how}" for how, count in lost.items() if count)
        return [f"no setting came through on every seed ({counts} of {winner.settings})"]
    told, figure = [], winner.figure
    if figure.interval is not None and figure.interval[0] == figure.interval[1]:
        told.append(f"its {figure.seeds} seeds gave one and the same loss: nothing here depends on them")
    return told + [
        f"{edge.key}={short(edge.value)} is the {edge.end} of {edge.tried} tried: try {edge.key}={edge.search}"
        for edge in winner.edges
    ]
