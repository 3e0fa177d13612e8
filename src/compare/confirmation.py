"""On which seeds a winner is trained again, for the best of many flatters itself."""

from collections.abc import Sequence
from itertools import chain, islice

from src.compare.rows import SEED_KEYS, Row, without_plus
from src.compare.selection import Contender


def fresh_jobs(winner: Contender, rows: Sequence[Row], number: int, seed: int = 0) -> list[dict[str, str]]:
    """The winner's words with seeds that no run of the sweep was selected on: the same seeds for every winner.

    Args:
        winner: one of `contenders(rows)`.
        rows: the runs of the sweep.
        number: how many seeds; each key of a seed that was swept goes on from its largest.
        seed: of all runs, where the sweep varies none.

    Returns:
        Words of each job; none where no setting came through.
    """
    if not winner.came_through:
        return []
    used: dict[str, set[int]] = {}
    for row in rows:
        for key, value in row.words.items() if row.confirms is None else ():
            if without_plus(key) in SEED_KEYS and value.isdecimal():
                used.setdefault(key, set()).add(int(value))
    columns = {key: _fresh(seeds, number) for key, seeds in (used or {"seed": {seed}}).items()}
    setting = winner.best.rows[0].setting
    return [{**setting, **{key: str(seeds[index]) for key, seeds in columns.items()}} for index in range(number)]


def _fresh(used: set[int], number: int) -> list[int]:
    """The numbers that follow the largest, and once those below 2**32 are spent, the smallest that are left."""
    largest = max(used)
    free = (one for one in chain(range(largest + 1, 2**32), range(largest)) if one not in used)
    return list(islice(free, number))
