"""Which runs of a sweep TensorBoard shows: of each optimizer the best with its curves, of others a row in a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from src.board.sessions import Session
from src.report.reading import Sweep
from src.sweep.edges import number
from src.sweep.winners import Row, Winner, winners

LONGEST = 200
"""Bytes of a run's name, at most, but for its number: it is the name of a directory."""


@dataclass(frozen=True)
class Shown:
    """A run of the view.

    Attributes:
        session: its row in the HParams table.
        directory: the run's own, whose curves are shown; None: its final losses alone.
    """

    session: Session
    directory: Path | None


@dataclass(frozen=True)
class Choice:
    """The runs of a sweep, by how they are shown.

    Attributes:
        path: of the sweep.
        sweep: as it is read.
    """

    path: Path
    sweep: Sweep

    @cached_property
    def every(self) -> bool:
        """Whether each run is shown with its curves, as `logger.tensorboard.runs=all` says."""
        return self.sweep.first.config.get("logger.tensorboard.runs") == "all"

    @cached_property
    def best(self) -> dict[int, str]:
        """The best run of each optimizer, by job: what it is called."""
        found = {}
        for winner in winners(self.sweep.rows):
            row = min(winner.rows, key=lambda row: _loss(row, winner.selected.metric))
            found[row.job] = _name(winner, row)
        return found

    @cached_property
    def others(self) -> list[Row]:
        """The other runs."""
        return [row for row in self.sweep.rows if row.job not in self.best]

    @property
    def rows(self) -> int:
        """How many rows may be thinned."""
        return 0 if self.every else len(self.others)

    @property
    def always(self) -> int:
        """How many runs are shown in any case."""
        return len(self.sweep.rows) - self.rows

    def shown(self, most: int) -> dict[str, Shown]:
        """Every run that is shown, by name.

        Args:
            most: rows besides the best runs; of more, evenly many are left out.
        """
        found = {name: self._shown(job, curves=True) for job, name in self.best.items()}
        width = len(str(max(row.job for row in self.sweep.rows)))
        kept = self.others if self.every else thinned(self.others, most)
        folder = "runs" if self.every else "table"
        return found | {f"{folder}/{row.job:0{width}}": self._shown(row.job, self.every) for row in kept}

    def told(self, most: int) -> str:
        """What is shown of it, in a sentence."""
        runs = len(self.sweep.rows)
        if self.every:
            return f"{self.path}: all {runs:,} runs"
        best = "the best run" if len(self.best) == 1 else f"the best run of each of {len(self.best)} optimizers"
        if self.rows <= most:
            return f"{self.path}: {best}; all {runs:,} runs in HParams"
        return (
            f"{self.path}: {best}; {most + len(self.best):,} of {runs:,} runs in HParams, because TensorBoard slows "
            f"down (all: python -m src.report {self.path})"
        )

    @cached_property
    def _by_job(self) -> Mapping[int, Row]:
        return {row.job: row for row in self.sweep.rows}

    def _shown(self, job: int, curves: bool) -> Shown:
        row, directory = self._by_job[job], self.sweep.runs[job].directory
        words = dict(row.words) if row.confirms is None else {**row.words, "confirms": str(row.confirms)}
        session = Session(words, row.status, row.steps, row.metrics, ended(directory))
        return Shown(session, directory if curves else None)


def thinned(rows: Sequence[Row], most: int) -> list[Row]:
    """At most so many of the rows, evenly spread over them, the first and the last among them."""
    if len(rows) <= most:
        return list(rows)
    places = np.linspace(0, len(rows) - 1, max(0, most)).round().astype(int)
    return [rows[place] for place in places]


def shares(sizes: Sequence[int], total: int) -> list[int]:
    """How many of `total` each gets: all that it wants, or as many as any other that gets fewer than it wants."""
    given, left = [0] * len(sizes), max(0, total)
    for served, place in enumerate(sorted(range(len(sizes)), key=lambda place: sizes[place])):
        given[place] = min(sizes[place], left // (len(sizes) - served))
        left -= given[place]
    return given


def ended(directory: Path) -> float:
    """When a run ended, or was last written to, in seconds since the epoch; 0 where there is none."""
    try:
        return directory.stat().st_mtime
    except OSError:
        return 0.0


def _loss(row: Row, metric: str) -> float:
    loss = row.metrics.get(metric) if row.status == "completed" else None
    return float("inf") if loss is None else loss


def _name(winner: Winner, row: Row) -> str:
    """`adam lr=0.01, run 17`: a name that can be one of a directory."""
    words = {key.removeprefix("optimizer."): _short(word) for key, word in {**winner.problem, **winner.tuned}.items()}
    told = " ".join([winner.contender.rpartition(".")[2] or "best", *(f"{key}={words[key]}" for key in words)])
    return f"{told.replace('/', '_').encode()[:LONGEST].decode(errors='ignore')}, run {row.job}"


def _short(word: str) -> str:
    """A word as it is typed, but a number of a grid with its 12 digits to 4 of them."""
    known = number(word) if len(word) > 9 else None
    return word if known is None else f"{known:.4g}"
