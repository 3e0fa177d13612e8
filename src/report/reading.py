"""Run and sweep directories, read: of a sweep a row per run, of a run what `src.report.run_files` finds.

`results.csv` holds what is aggregated; `result.json` and `metrics.csv` are opened only of runs that are drawn.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from src.compare.selection import Row
from src.errors import LabError, one_line
from src.report.run_files import Run, briefly
from src.sweep.ledger import NAME, RESULTS, Ledger

EVERYTHING = ("experiment", "debug", "sweep")
"""Groups whose options set keys of any section."""


@dataclass(frozen=True)
class Sweep:
    """Runs to be compared.

    Attributes:
        name: of the directory.
        rows: of the runs that have ended.
        runs: their directories, by job.
        unfinished: how many have not ended.
        remarks: what could not be read, and what that means.
    """

    name: str
    rows: tuple[Row, ...]
    runs: Mapping[int, Run]
    unfinished: int = 0
    remarks: tuple[str, ...] = ()

    @cached_property
    def keys(self) -> list[str]:
        """What is swept, in the order it is written."""
        return list(dict.fromkeys(key for row in self.rows for key in row.words))

    @cached_property
    def first(self) -> Run:
        """The run that stands for what all of them share."""
        return self.runs[min(row.job for row in self.rows)]


def read(path: Path) -> Run | Sweep:
    """What lies in a directory.

    Raises:
        LabError: neither a finished run nor a sweep, or it is broken.
    """
    if not path.is_dir():
        what = "is a file" if path.exists() else "is not there"
        raise LabError(f"{path} {what}: give a run directory or a sweep directory, such as outputs/runs/...")
    if (path / NAME).is_file() or (path / RESULTS).is_file():
        return _sweep(path)
    if (path / "result.json").is_file():
        return Run(path)
    inside = sorted((one for one in path.iterdir() if one.is_dir()), key=_by_number)
    runs = [Run(one) for one in inside if (one / "result.json").is_file()]
    unfinished = sum((one / ".hydra").is_dir() and not (one / "result.json").is_file() for one in inside)
    if runs:
        return of_runs(runs, path.resolve().name, unfinished)
    if (path / ".hydra").is_dir():
        raise LabError(f"{path} holds no finished run (there is no result.json): train it to its end first")
    sweeps = [one.name for one in inside if (one / NAME).is_file()]
    if sweeps:
        raise LabError(f"{path} holds sweeps, not runs: give one or several of them, such as {path / sweeps[-1]}")
    told = f" ({unfinished} unfinished)" if unfinished else ""
    raise LabError(f"{path} holds no finished run{told}: give a run directory or a sweep directory")


def gather(found: Sequence[Run | Sweep]) -> list[Sweep]:
    """Sweeps as they are, and single runs together as one sweep behind them.

    Raises:
        LabError: none of the single runs can be read.
    """
    runs = [one for one in found if isinstance(one, Run)]
    return [*(one for one in found if isinstance(one, Sweep)), *([of_runs(runs, "runs")] if runs else [])]


def _by_number(path: Path) -> tuple[int, str]:
    return (int(path.name) if path.name.isdecimal() else 2**63), path.name


# --- a sweep of this launcher ----------------------------------------------------------------------------------------


def _sweep(path: Path) -> Sweep:
    """`results.csv`; where it is broken, or older than what has happened since, every run's own result."""
    listed, ledger, remarks = path / RESULTS, path / NAME, []
    rows, unfinished = list[Row](), 0
    try:
        rows, unfinished = _listed(listed) if listed.is_file() else (rows, 0)
    except LabError as error:
        if not ledger.is_file():
            raise
        remarks.append(f"{error}; the runs' own results are used instead")
    if ledger.is_file() and (not rows or unfinished or len(rows) != _asked(ledger)):
        rows, unfinished = _of_ledger(path)
    if not rows:
        raise LabError(
            f"{path} holds no run that has ended ({unfinished} unfinished): the same command goes on with it"
        )
    runs = {row.job: Run(path / str(row.job)) for row in rows}
    return _named(Sweep(path.resolve().name, tuple(rows), runs, unfinished, tuple(remarks)))


def _asked(path: Path) -> int:
    """How many runs `sweep.json` knows of."""
    try:
        return len(json.loads(path.read_text(encoding="utf-8"))["jobs"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LabError(f"{path} cannot be read as a sweep ({one_line(error)}): put it back, or take it away") from None


def _of_ledger(path: Path) -> tuple[list[Row], int]:
    ledger = Ledger.read(path)
    ended = ledger.ended()
    bare = [replace(row, words={key.lstrip("+"): value for key, value in row.words.items()}) for row in ended]
    return bare, len(ledger.entries) - len(ended)


def _listed(path: Path) -> tuple[list[Row], int]:
    """The runs of a `results.csv` that have ended, and how many have not.

    Raises:
        LabError: it is not such a file.
    """
    try:
        table = pl.read_csv(path, has_header=False, infer_schema=False)
        names, body = list(table.row(0)), table.slice(1)
        if names[:3] != ["job", "status", "reason"] or names[-2:] != ["confirms", "fingerprint"]:
            raise ValueError("its columns are not job, status, reason, ..., confirms, fingerprint")
        end = len(names) - 1 - names[::-1].index("steps")
        columns = [body.to_series(place) for place in range(len(names))]
        jobs, steps, confirms = (columns[place].cast(pl.Int64).to_list() for place in (0, end, -2))
        metrics = [columns[place].cast(pl.Float64).to_list() for place in range(end + 1, len(names) - 2)]
        swept = [columns[place].to_list() for place in range(3, end)]
        return _rows(names, end, jobs, columns[1].to_list(), steps, confirms, swept, metrics)
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        raise LabError(f"{path} cannot be read as the results of a sweep ({briefly(error)})") from None


def _rows(
    names: Sequence[str],
    end: int,
    jobs: Sequence[int],
    states: Sequence[str],
    steps: Sequence[int | None],
    confirms: Sequence[int | None],
    swept: Sequence[Sequence[str | None]],
    metrics: Sequence[Sequence[float | None]],
) -> tuple[list[Row], int]:
    """Rows of columns; `end` is the place of the steps among the names."""
    if wrong := set(states) - {"completed", "diverged", "failed", "unfinished"}:
        raise ValueError(f"a status {wrong.pop()!r}")
    if len(set(jobs)) < len(jobs):
        raise ValueError("a job is there twice")
    keys, losses = names[3:end], names[end + 1 : -2]
    rows, unfinished = [], 0
    for index, (job, status) in enumerate(zip(jobs, states, strict=True)):
        if status == "unfinished":
            unfinished += 1
            continue
        words = {key: value for key, column in zip(keys, swept, strict=True) if (value := column[index])}
        told = {name: _finite(column[index]) for name, column in zip(losses, metrics, strict=True)}
        rows.append(Row(job, words, status, steps[index] or 0, told, confirms[index]))
    return rows, unfinished


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value


# --- runs that were trained one by one -------------------------------------------------------------------------------


def of_runs(runs: Sequence[Run], name: str, unfinished: int = 0) -> Sweep:
    """Runs of any origin as a sweep over what they were started with, as far as that differs.

    Args:
        runs: finished or not, broken or not.
        name: of the whole.
        unfinished: how many more there are.

    Raises:
        LabError: none of them can be read.
    """
    kept, remarks, seen = [], [], dict[tuple[Any, ...], Run]()
    for run in runs:
        try:
            mark = run.result.get("fingerprint"), tuple(sorted(run.words.items()))
        except LabError as error:
            remarks.append(f"left out: {error}")
            continue
        if mark[0] is not None and mark in seen:
            remarks.append(f"left out: {run.name} repeats {seen[mark].name}, whose numbers it has")
        else:
            seen[mark] = run
            kept.append(run)
    if not kept:
        raise LabError(f"no run of {name} can be read: {'; '.join(remarks)}")
    rows = [
        Row(job, words, run.result["status"], int(run.result["steps"]), run.result["metrics"])
        for job, (run, words) in enumerate(zip(kept, _apart([run.words for run in kept], kept), strict=True))
    ]
    return _named(Sweep(name, tuple(rows), dict(enumerate(kept)), unfinished, tuple(remarks)))


def _apart(typed: Sequence[Mapping[str, str]], runs: Sequence[Run]) -> list[dict[str, str]]:
    """The words that tell runs apart; one that a run was not given has the value of its config."""
    keys = [key for key in dict.fromkeys(key for words in typed for key in words) if not key.startswith("hydra.")]
    differing = [key for key in keys if len({words.get(key) for words in typed}) > 1]
    return [filled(words, differing, run) for words, run in zip(typed, runs, strict=True)]


def filled(words: Mapping[str, str], keys: Sequence[str], run: Run) -> dict[str, str]:
    """Those of `keys` that apply to a run: as typed, else the option of a group, else the value of its config."""
    return {key: value for key in keys if (value := words.get(key) or _value(run, key)) is not None}


def _value(run: Run, key: str) -> str | None:
    value = run.choices.get(key) or run.config.get(key)
    if value is not None and value.startswith("${") and value.endswith("}"):
        return run.config.get(value[2:-1])  # data.seed is ${seed}
    return value


def _named(sweep: Sweep) -> Sweep:
    """With the optimizer's name in every row, where it is not swept but known."""
    names = {"optimizer", "optimizer._target_", *EVERYTHING}
    if names & set(sweep.keys):
        return sweep
    chosen = sweep.first.words.get("optimizer._target_") or sweep.first.choices.get("optimizer")
    chosen = chosen or sweep.first.config.get("optimizer._target_")
    if chosen is None:
        return sweep
    rows = tuple(replace(row, words={"optimizer": chosen, **row.words}) for row in sweep.rows)
    return replace(sweep, rows=rows)
