"""What there is to say of the winners of a sweep, in sentences: how far to trust their losses, what to try next."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from src.compare.pairs import EQUAL_WITHIN
from src.compare.rows import short
from src.compare.selection import Contender
from src.compare.variance import WIDER, widening

MOST_NAMED = 3
"""Winners that a remark names; the others are counted."""


@dataclass(frozen=True)
class _Remark:
    """What there is to say of a winner, and what the same would be of several.

    Attributes:
        alone: of one.
        together: of several, whose names follow.
        detail: what stands behind a name of several; empty for nothing.
    """

    alone: str
    together: str
    detail: str = ""


def remarks(winners: Sequence[Contender], chance: bool = True) -> list[str]:
    """What the losses are, where they do not hold, and which ranges to try next: plain text, brackets included.

    What is to be said of several winners is one remark.

    Args:
        winners: of the sweep.
        chance: whether anything of its runs is drawn, so that other seeds would be other runs.
    """
    several = len({short(winner.problem) for winner in winners}) > 1
    confirmed = any(winner.confirmed for winner in winners)
    alike = dict[str, list[tuple[str, _Remark]]]()
    for winner in winners:
        who = f"{winner.label if winner.name else ''}{f' on {short(winner.problem)}' if several else ''}".strip()
        for remark in _on_one(winner, confirmed):
            alike.setdefault(remark.together, []).append((who, remark))
    there = [winner for winner in winners if winner.came_through]
    found = [*_on_losses(there, chance), *_on_crossed(there), *_on_cut(winners)]
    return found + [_told(of_winners) for of_winners in alike.values()]


def _told(alike: Sequence[tuple[str, _Remark]]) -> str:
    """One sentence for one or several winners, by name."""
    (who, first), *others = alike
    if not others:
        return f"{who}: {first.alone}" if who else first.alone
    named = [f"{name} ({one.detail})" if one.detail else name for name, one in alike[:MOST_NAMED]]
    more = [f"{len(alike) - MOST_NAMED} more"] if len(alike) > MOST_NAMED else []
    return f"{first.together}: {listed([*named, *more])}"


def _on_losses(winners: Sequence[Contender], chance: bool) -> list[str]:
    """How the losses of the table came about."""
    if not winners:
        return []
    confirmed = [winner for winner in winners if winner.confirmed]
    several = any(winner.figure.interval is not None for winner in winners)
    seeds = max(winner.figure.seeds for winner in winners)
    how = f"of {'one seed' if seeds == 1 else f'{seeds} seeds'}, so without interval"
    if several:
        how = "geometric mean over seeds, with its 95 % interval"
    selected = " or ".join(dict.fromkeys(winner.metric for winner in winners))
    if not chance:
        return [f"the losses are {selected}; nothing here is drawn, so they need no interval"]
    if confirmed:
        metrics = " or ".join(dict.fromkeys(winner.figure.metric for winner in confirmed))
        return [f"selected on {selected}; the losses are {metrics} on fresh seeds: {how}"]
    found = [f"the losses are {selected}, on which the settings were selected: {how}"]
    if any(len(winner.settings) > 1 for winner in winners):
        found.append("the best of many flatters itself: confirm_seeds=20 trains each winner on 20 fresh seeds")
    if not several:
        found.append("more seeds, seed=range(0,8) say, show what is due to chance")
    return found


def _on_crossed(winners: Sequence[Contender]) -> list[str]:
    """What crossed seeds mean for intervals; those of fresh seeds are drawn anew for every run."""
    wider = max((widening(one) for one in winners if not one.confirmed), default=1.0)
    if not wider > WIDER:
        return []
    return [
        "seeds are crossed, and runs that share one are not independent, though intervals count them so: those of "
        f"losses ought to be up to {wider:.1f} times as wide (seed=range(0,8) draws everything anew)"
    ]


def _on_cut(winners: Sequence[Contender]) -> list[str]:
    """How many settings were cut at rungs, and what that saved and cost."""
    number, tried = sum(one.cut for one in winners), sum(len(one.settings) for one in winners)
    if not number:
        return []
    at, taken, left = set[int](), 0, 0
    for one in winners:
        rows = [row for setting in one.settings for row in setting.rows]
        cut, longest = [row.steps for row in rows if row.status == "cut"], max(row.steps for row in rows)
        at, taken = at.union(cut), taken + sum(row.steps for row in rows)
        left += longest * len(cut) - sum(cut)
    where = f"step{'s' * (len(at) > 1)} {listed([f'{rung:,}' for rung in sorted(at)])}"
    were = "was" if number == 1 else "were"
    return [
        f"{number:,} of {tried:,} settings {were} cut at {where}, and shown with the loss there; that saved "
        f"{100 * left // (taken + left)} % of the run-steps; that one of them would have won cannot be excluded "
        "(hydra.sweeper.rungs=[] lets them go on)"
    ]


def _on_one(winner: Contender, confirmed: bool) -> Iterator[_Remark]:
    """What there is to say of one row of the table; `confirmed` where any of them is."""
    if not winner.came_through:
        lost = counted({"diverged": winner.diverged, "failed": winner.failed}) + f" of {len(winner.settings)}"
        what = "no setting came through on every seed"
        yield _Remark(f"{what} ({lost})", what, lost)
        return
    figure = winner.figure
    if figure.seeds > 1 and len({row.loss(figure.metric) for row in winner.counted}) == 1:
        yield _Remark(
            f"its {figure.seeds} seeds gave one and the same loss: nothing here depends on them",
            "every seed gave one and the same loss",
        )
    lower = sum(one.cut and winner.best.loss - one.loss > EQUAL_WITHIN * abs(one.loss) for one in winner.settings)
    if lower:
        which = "a setting" if lower == 1 else f"{lower} settings"
        rest = "a lower loss at the rung than its best one in the end"
        yield _Remark(
            f"{which} of those that were cut had {rest}", f"of those that were cut some had {rest}", f"{lower}"
        )
    for edge in winner.edges:
        value, search = short(edge.value), f"try {edge.key}={edge.search}"
        yield _Remark(
            f"{edge.key}={value} is the {edge.end} of {edge.tried} tried: {search}",
            f"the best {edge.key} is the {edge.end} that was tried",
            f"{value}; {search}",
        )
    if confirmed and not winner.confirmed:
        what = "not confirmed yet"
        yield _Remark(f"{what}: its loss is the one it was selected by", f"{what}, the loss is that of the selection")


def counted(numbers: Mapping[str, int], of: str = "") -> str:
    """`3 of 8 seeds diverged and 1 of 8 seeds failed`: those numbers that are not 0.

    Args:
        numbers: by what is counted.
        of: what stands behind each number.
    """
    return " and ".join(f"{number:,}{of} {what}" for what, number in numbers.items() if number)


def listed(labels: Sequence[str]) -> str:
    """`a, b and c`."""
    return f"{', '.join(labels[:-1])} and {labels[-1]}" if len(labels) > 1 else labels[0]
