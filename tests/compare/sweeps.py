"""Runs of sweeps whose every number is chosen."""

from collections.abc import Mapping, Sequence

from src.compare.rows import Row
from src.compare.selection import Contender, contenders


def run(
    job: int,
    words: str,
    val: float | None = 1.0,
    status: str = "completed",
    confirms: int | None = None,
    **metrics: float,
) -> Row:
    named = {f"{name}/loss": loss for name, loss in metrics.items()}
    loss = {"train/loss": 0.5, "val/loss": val, **named}
    pairs = {key: value for key, _, value in (word.partition("=") for word in words.split())}
    return Row(job, pairs, status, 100, loss, confirms)


def grid(values: Mapping[str, Sequence[float | None]], **more: str) -> list[Row]:
    """Runs of each words, one for every value (None diverged), seeded 0, 1, 2 and so on."""
    rows: list[Row] = []
    for words, of_seeds in values.items():
        for seed, val in enumerate(of_seeds):
            status = "completed" if val is not None else "diverged"
            rows.append(run(len(rows), f"{words} seed={seed}", val, status))
    return rows


def only(rows: Sequence[Row]) -> Contender:
    (winner,) = contenders(rows)
    return winner
