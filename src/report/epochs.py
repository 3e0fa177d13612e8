"""Epochs: where batches differ in size a step is not a step, and runs are held against each other by passes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from src.compare.roles import BATCH
from src.compare.rows import Row, number
from src.errors import LabError
from src.report.run_files import Run, is_number


@dataclass(frozen=True)
class Unit:
    """What the length of a descent is counted in.

    Attributes:
        name: "step" or "epoch".
        steps: in one of it, by the size of batches; empty for steps themselves.
    """

    name: str
    steps: Mapping[str | None, int]

    def of(self, row: Row) -> int:
        """Steps of a run in one of it."""
        return self.steps.get(row.words.get(BATCH), 1)


STEP = Unit("step", {})


def unit_of(rows: Sequence[Row], run: Run) -> Unit | None:
    """The unit in which runs can be held against each other; None where it is not known how many rows an epoch has.

    Args:
        rows: of the same data.
        run: one of them.
    """
    sizes = {row.words.get(BATCH) for row in rows}
    if len(sizes) < 2:
        return STEP
    of_an_epoch = number(rows[0].words.get("data.rows", run.config.get("data.rows", ""))) or _split(run)
    if of_an_epoch is None:
        return None
    given = {size: number(size or run.config.get(BATCH, "")) for size in sizes}
    return Unit(
        "epoch", {size: 1 if value is None else math.ceil(of_an_epoch / value) for size, value in given.items()}
    )


def _split(run: Run) -> float | None:
    """The training rows of a table; None where a result does not tell."""
    try:
        table = run.result.get("table")
    except LabError:
        return None
    if not isinstance(table, dict) or not is_number(read := table.get("rows")):
        return None
    used = read - sum(one for one in (table.get("rows_left_out") or {}).values() if is_number(one))
    parts = {name: run.config.get(f"data.{name}", "0") for name in ("train", "val", "test")}
    rows = {name: _share(text, used) for name, text in parts.items()}
    left = rows["train"] or used - (rows["val"] or 0) - (rows["test"] or 0)
    return left if left > 0 else None


def _share(text: str, total: float) -> int | None:
    """A number of rows, or a fraction of them."""
    value = number(text)
    return None if value is None else int(value) if text.isdecimal() else round(value * total)
