"""Runs of an earlier comparison, of which a sweep directory has the export alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from src.compare.baseline import beside
from src.compare.frames import Frames, read
from src.compare.rows import Row
from src.config.section import as_typed
from src.errors import LabError
from src.report.run_files import Line, Run
from src.sweep.hydra_files import to_yaml


@dataclass(frozen=True)
class Recorded(Run):
    """A run without a directory; what an export does not hold of it cannot be read.

    Attributes:
        directory: where it would lie in the file.
        held: what `result.json` held of it.
        points: of its curve, a row a step; None where there are none.
        overrides: the words that it was started with.
        same: of the config what all runs of the export have.
    """

    held: Mapping[str, Any]
    points: pl.DataFrame | None
    overrides: Sequence[str]
    same: Mapping[str, str]

    @cached_property
    def result(self) -> dict[str, Any]:
        """Status, steps, metrics, exact loss and seconds."""
        return dict(self.held)

    @cached_property
    def curves(self) -> dict[str, Line]:
        """The columns of its curve, each without its empty cells.

        Raises:
            LabError: the export holds none.
        """
        if self.points is None:
            raise LabError(f"{self.directory.parent} holds no curves of its runs")
        steps, lines = self.points["step"].cast(pl.Float64).to_numpy(), dict[str, Line]()
        for name in self.points.columns:
            there = self.points[name].is_not_null().to_numpy()
            if name not in ("run", "step") and there.any():
                lines[name] = steps[there], self.points[name].drop_nulls().to_numpy()
        return lines

    @cached_property
    def config(self) -> dict[str, str]:
        """The config as words, as far as all runs have the same."""
        return dict(self.same)

    def hydra(self, name: str) -> str:
        """The words that it was started with; of other files nothing."""
        return to_yaml(list(self.overrides)) if name == "overrides.yaml" else ""


def recorded(path: Path, own: Sequence[Row]) -> tuple[Frames, list[tuple[Row, Recorded]]]:
    """An earlier comparison, and its runs as rows of the newcomer's sweep.

    Args:
        path: of the export.
        own: the rows of the newcomer.

    Raises:
        LabError: it cannot be read.
    """
    frames = read(path)
    about, curves = frames.about, frames.curves
    points = (
        {}
        if curves.is_empty()
        else {name: of_run for (name,), of_run in curves.partition_by("run", as_dict=True).items()}
    )
    same = {key: as_typed(values[0]) for key, values in about.config.items() if len(values) == 1}
    rows = beside(own, frames.rows)
    found = []
    for row, before, one in zip(rows, frames.rows, frames.runs.iter_rows(named=True), strict=True):
        held = {
            **{"status": row.status, "reason": row.reason, "steps": row.steps, "metrics": row.metrics},
            **{"exact": {} if one["exact"] is None else {"train/loss": one["exact"]}},
            **{"seconds": {"fit": one["seconds"]}, "stack_size": one["stack"], "fingerprint": one["fingerprint"]},
        }
        overrides = [*about.shared, *(f"{key}={word}" for key, word in before.words.items())]
        found.append((row, Recorded(path / before.name, held, points.get(before.name), overrides, same)))
    return frames, found
