"""Run and sweep directories, read: of a sweep a row per run, of a run what `src.report.run_files` finds.

`results.csv` holds what is aggregated; `result.json` and `metrics.csv` are opened only of runs that are drawn.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from src.compare.baseline import NAME, NAMES
from src.compare.roles import EVERYTHING
from src.compare.rows import Row
from src.config.schema import WATCHING
from src.errors import LabError
from src.report.recorded import recorded
from src.report.run_files import Run, noted
from src.run_directory import RunDirectory
from src.sweep.report_rows import ended_runs, is_sweep, looks_of


@dataclass(frozen=True)
class Sweep:
    """Runs to be compared.

    Attributes:
        name: of the directory.
        rows: of the runs that have ended.
        runs: their directories, by job.
        unfinished: how many have not ended.
        remarks: what could not be read, and what that means.
        lone: whether they are runs that were given one by one.
        looks: where fresh seeds came in until winners were told apart, how many there were at each look.
    """

    name: str
    rows: tuple[Row, ...]
    runs: Mapping[int, Run]
    unfinished: int = 0
    remarks: tuple[str, ...] = ()
    lone: bool = False
    looks: tuple[int, ...] = ()

    @cached_property
    def keys(self) -> list[str]:
        """What is swept, in the order it is written."""
        return list(dict.fromkeys(key for row in self.rows for key in row.words))

    @cached_property
    def first(self) -> Run:
        """The run that stands for what all of them share."""
        return self.runs[min(row.job for row in self.rows)]


def read(path: Path) -> Run | Sweep:
    """What lies in a directory; of a run that its sweep keeps in columns it is made.

    Raises:
        LabError: neither a finished run nor a sweep, or it is broken.
    """
    RunDirectory(path).make()
    if not path.is_dir():
        what = "is a file" if path.exists() else "is not there"
        raise LabError(f"{path} {what}: give a run directory or a sweep directory, such as outputs/runs/...")
    if is_sweep(path):
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
    if sweeps := [one.name for one in inside if is_sweep(one)]:
        raise LabError(f"{path} holds sweeps, not runs: give one or several of them, such as {path / sweeps[-1]}")
    more = f" ({unfinished} unfinished)" if unfinished else ""
    raise LabError(f"{path} holds no finished run{more}: give a run directory or a sweep directory")


def gather(found: Sequence[Run | Sweep]) -> list[Sweep]:
    """Sweeps as they are, and single runs together as one sweep behind them.

    Raises:
        LabError: none of the single runs can be read.
    """
    runs = [one for one in found if isinstance(one, Run)]
    sweeps = [one for one in found if isinstance(one, Sweep)]
    name = runs[0].name if len(runs) == 1 else "runs"
    return [*sweeps, *([replace(of_runs(runs, name), lone=True)] if runs else [])]


def _by_number(path: Path) -> tuple[int, str]:
    return (int(path.name) if path.name.isdecimal() else 2**63), path.name


def _sweep(path: Path) -> Sweep:
    """A sweep of this launcher."""
    rows, unfinished, remarks = ended_runs(path)
    if not rows:
        raise LabError(
            f"{path} holds no run that has ended ({unfinished} unfinished): the same command goes on with it"
        )
    runs: dict[int, Run] = {row.job: Run(path / str(row.job)) for row in rows}
    if (path / NAME).is_file():
        with noted(remarks):
            baseline, found = recorded(path / NAME, rows)
            remarks.append(f"{len(found):,} of these runs are those of {NAME}")
            remarks += baseline.as_baseline(runs[rows[0].job].environment)
            rows, runs = [*rows, *(row for row, _ in found)], runs | {row.job: run for row, run in found}
    return _named(Sweep(path.resolve().name, tuple(rows), runs, unfinished, tuple(remarks), looks=looks_of(path)))


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
            key = run.result.get("fingerprint"), tuple(sorted(run.words.items()))
        except LabError as error:
            remarks.append(f"left out: {error}")
            continue
        if key[0] is not None and key in seen:
            remarks.append(f"left out: {run.name} repeats {seen[key].name}, whose numbers it has")
        else:
            seen[key] = run
            kept.append(run)
    if not kept:
        raise LabError(f"no run of {name} can be read: {'; '.join(remarks)}")
    only_watched = {"hydra", "logger"} | ({"callbacks"} if all(map(_only_watches, kept)) else set())
    typed = [key for run in kept for key in run.words if key.partition(".")[0] not in only_watched]
    keys = [key for key in dict.fromkeys(typed) if len({run.words.get(key) for run in kept}) > 1]
    rows = []
    for job, run in enumerate(kept):
        result, words = run.result, filled(run.words, keys, run)
        rows.append(Row(job, words, result["status"], int(result["steps"]), result["metrics"], name=run.name))
    return _named(Sweep(name, tuple(rows), dict(enumerate(kept)), unfinished, tuple(remarks)))


def filled(words: Mapping[str, str], keys: Sequence[str], run: Run) -> dict[str, str]:
    """Those of `keys` that apply to a run: as typed, else the option of a group, else the value of its config.

    A group that could set everything, and sets nothing, tells nothing.
    """
    found = {key: value for key in keys if (value := words.get(key) or _value(run, key)) is not None}
    return {key: value for key, value in found.items() if not (key in EVERYTHING and value == "null")}


def _only_watches(run: Run) -> bool:
    """Whether no callback of a run decides what it comes to."""
    targets = (name for key, name in run.config.items() if re.fullmatch(r"callbacks\.\w+\._target_", key))
    return all(map(WATCHING.match, targets))


def _value(run: Run, key: str) -> str | None:
    value = (None if "." in key else run.choices.get(key)) or run.config.get(key)  # a group has no dots
    if value is not None and value.startswith("${") and value.endswith("}"):
        return run.config.get(value[2:-1])  # data.seed is ${seed}
    return value


def _named(sweep: Sweep) -> Sweep:
    """With the optimizer's name in every row, where it is not swept but can be found."""
    if {*NAMES, *EVERYTHING} & set(sweep.keys):
        return sweep
    run = sweep.first
    chosen = run.words.get("optimizer._target_") or _value(run, "optimizer") or run.config.get("optimizer._target_")
    if chosen is None:
        return sweep
    return replace(sweep, rows=tuple(replace(row, words={"optimizer": chosen, **row.words}) for row in sweep.rows))
