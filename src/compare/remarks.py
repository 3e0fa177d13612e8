"""What there is to say of the winners of a sweep, in sentences: how far to trust their losses, what to try next."""

from collections.abc import Mapping, Sequence

from src.compare.pairs import EQUAL_WITHIN
from src.compare.rows import short
from src.compare.selection import Contender


def remarks(winners: Sequence[Contender], chance: bool = True) -> list[str]:
    """What the losses are, where they do not hold, and which ranges to try next: plain text, brackets included.

    Args:
        winners: of the sweep.
        chance: whether anything of its runs is drawn, so that other seeds would be other runs.
    """
    found = [*_on_losses([winner for winner in winners if winner.came_through], chance), *_on_cut(winners)]
    several = len({short(winner.problem) for winner in winners}) > 1
    for winner in winners:
        who = f"{winner.label if winner.name else ''}{f' on {short(winner.problem)}' if several else ''}".strip()
        about = _on_one(winner)
        if any(one.confirmed for one in winners) and winner.came_through and not winner.confirmed:
            about.append("not confirmed yet: its loss is the one it was selected by")
        found += [f"{who}: {remark}" if who else remark for remark in about]
    return found


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
    *others, last = [f"{rung:,}" for rung in sorted(at)]
    where = f"steps {', '.join(others)} and {last}" if others else f"step {last}"
    were = "was" if number == 1 else "were"
    return [
        f"{number:,} of {tried:,} settings {were} cut at {where}, and shown with the loss there; that saved "
        f"{100 * left // (taken + left)} % of the run-steps; that one of them would have won cannot be excluded "
        "(hydra.sweeper.rungs=[] lets them go on)"
    ]


def _on_one(winner: Contender) -> list[str]:
    """What there is to say of one row of the table."""
    if not winner.came_through:
        lost = counted({"diverged": winner.diverged, "failed": winner.failed})
        return [f"no setting came through on every seed ({lost} of {len(winner.settings)})"]
    found, figure = [], winner.figure
    if figure.seeds > 1 and len({row.loss(figure.metric) for row in winner.counted}) == 1:
        found.append(f"its {figure.seeds} seeds gave one and the same loss: nothing here depends on them")
    lower = sum(one.cut and winner.best.loss - one.loss > EQUAL_WITHIN * abs(one.loss) for one in winner.settings)
    if lower:
        which = "a setting" if lower == 1 else f"{lower} settings"
        found.append(f"{which} of those that were cut had a lower loss at the rung than its best one in the end")
    return found + [
        f"{edge.key}={short(edge.value)} is the {edge.end} of {edge.tried} tried: try {edge.key}={edge.search}"
        for edge in winner.edges
    ]


def counted(numbers: Mapping[str, int], of: str = "") -> str:
    """`3 of 8 seeds diverged and 1 of 8 seeds failed`: those numbers that are not 0.

    Args:
        numbers: by what is counted.
        of: what stands behind each number.
    """
    return " and ".join(f"{number:,}{of} {what}" for what, number in numbers.items() if number)
