"""Runs of a sweep as data: a row a run, as `results.csv` holds them, and the settings that rows share."""

import csv
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from src.errors import LabError, one_line

SEED_KEYS = ("seed", "data.seed", "model.seed", "data.shuffle_seed")
STATES = ("completed", "diverged", "cut", "failed", "unfinished")

Words = Mapping[str, str]
"""Overrides, key to value, as typed: `{"optimizer": "adam", "optimizer.lr": "0.01", "seed": "3"}`."""

Seed = tuple[str | None, ...]
"""The values of `SEED_KEYS`."""


@dataclass(frozen=True)
class Row:
    """A run of a sweep that has ended.

    Attributes:
        job: its number.
        words: its swept overrides.
        status: "completed", "diverged", "cut" (at a rung: its losses are those there) or "failed".
        steps: optimizer steps taken.
        metrics: "train/loss", "val/loss" and "test/loss", as far as there are such rows, and "test/accuracy",
            "test/rmse" and so on, by which nothing is compared; None where not finite.
        confirms: of a confirmation, the number of the winning setting's first job.
        name: of its directory, behind that of its sweep where several are compared.
        origin: the sweep that it is of, where others hold what is called the same.
        reason: a sentence on why it ended there.
    """

    job: int
    words: Words
    status: str
    steps: int
    metrics: Mapping[str, float | None]
    confirms: int | None = None
    name: str = ""
    origin: str = ""
    reason: str = ""

    def loss(self, metric: str) -> float:
        """A final loss, or another metric; infinite where the run diverged or failed."""
        loss = self.metrics.get(metric) if self.status in ("completed", "cut") else None
        return math.inf if loss is None else loss

    @property
    def setting(self) -> dict[str, str]:
        """The words that are not seeds."""
        return {key: value for key, value in self.words.items() if without_plus(key) not in SEED_KEYS}

    @cached_property
    def seed(self) -> Seed:
        """The values of `SEED_KEYS`."""
        return tuple(self.words.get(key) for key in SEED_KEYS)


def without_plus(key: str) -> str:
    """A key as the config has it: what was added (`+optimizer.rho`) is a key like any other."""
    return key.lstrip("+")


def number(word: str) -> float | None:
    """The number that a word stands for; None for one that is none, or not finite."""
    try:
        value = float(word)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def short(words: str | Words) -> str:
    """A word as it is typed, but a number of a grid with its 12 digits to 4 of them; of several `key=word key=word`."""
    if not isinstance(words, str):
        return " ".join(f"{key}={short(word)}" for key, word in words.items())
    value = number(words) if len(words) > 9 else None
    return words if value is None else f"{value:.4g}"


def by_setting(rows: Iterable[Row]) -> list[list[Row]]:
    """The runs of each setting of a sweep, as they come; those that confirm a winner are left out."""
    settings: dict[tuple[frozenset[tuple[str, str]], str], list[Row]] = {}
    for row in rows:
        if row.confirms is None:
            settings.setdefault((frozenset(row.setting.items()), row.origin), []).append(row)
    return list(settings.values())


def read_results(path: Path) -> tuple[list[Row], int]:
    """The runs of a `results.csv` that have ended, and how many have not.

    Raises:
        LabError: it is not such a file.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            names, *lines = csv.reader(file)
        if names[:3] != ["job", "status", "reason"] or names[-2:] != ["confirms", "fingerprint"]:
            raise ValueError("its columns are not job, status, reason, ..., confirms, fingerprint")
        steps = len(names) - 1 - names[::-1].index("steps")  # the last one: a key may be called that, too
        rows = [_row(names, line, steps) for line in lines]
    except (OSError, ValueError, csv.Error) as error:
        raise LabError(f"{path} cannot be read as the results of a sweep ({one_line(error)})") from None
    if len({row.job for row in rows}) < len(rows):
        raise LabError(f"{path} cannot be read as the results of a sweep (a job is there twice)")
    ended = [row for row in rows if row.status != "unfinished"]
    return ended, len(rows) - len(ended)


def _row(names: list[str], line: list[str], steps: int) -> Row:
    """A line of `results.csv`; `steps` is the position of that column."""
    if len(line) != len(names):
        raise ValueError(f"a row of {len(line)} cells under {len(names)} columns")
    job, status, confirms = line[0], line[1], line[-2]
    if status not in STATES:
        raise ValueError(f"a status {status!r}")
    words = {without_plus(key): word for key, word in zip(names[3:steps], line[3:steps], strict=True) if word}
    losses = dict(zip(names[steps + 1 : -2], map(_finite, line[steps + 1 : -2]), strict=True))
    taken = int(line[steps]) if line[steps] else 0
    return Row(int(job), words, status, taken, losses, int(confirms) if confirms else None, job, reason=line[2])


def _finite(cell: str) -> float | None:
    value = float(cell) if cell else math.nan
    return value if math.isfinite(value) else None
