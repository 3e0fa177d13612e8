"""Runs of a sweep that are kept in few files, in columns, instead of a directory each, which is made when it is wanted.

In the folder `columns` of the sweep directory; a part holds the runs of a stack that were written together:

| file | what |
|---|---|
| `STACK.hydra.parquet` | `run`, and the texts of the files in `.hydra/` |
| `STACK.PART.curves.parquet` | `run`, `step` and a column a curve, with those of `theory.csv` as `theory/...` |
| `STACK.PART.ckpt` | the last and the best states of all runs, see `src.run_directory.checkpoint_file` |
| `STACK.PART.results.parquet` | a row a run: how it ended, its metrics, and the text of its `result.json` |

The results come last: a run is finished once it has a row there, and a part without them is nobody's.
"""

import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from src.errors import LabError, one_line
from src.run_directory.curves import Line
from src.run_directory.digests import of_run
from src.run_directory.ended import EndedRun, Points
from src.run_directory.place import COLUMNS, place

RESULTS, TYPED = ".results.parquet", ".hydra.parquet"
THEORY = "theory/"
HYDRA = ("config.yaml", "hydra.yaml", "overrides.yaml")
TOLD = ("status", "reason", "steps", "cause", "seed", "fingerprint")
"""Of a result what has a column by its own name, before those of its metrics."""
TEXTS = {"result": "result.json", "split": "split.csv"}
"""The columns with the texts of files that are kept as they are."""


# --- writing ---------------------------------------------------------------------------------------------------------


def write_hydra(sweep: Path, stack: int, runs: Mapping[int, Mapping[str, str]]) -> None:
    """Keep the texts of the files in `.hydra/` of a stack's runs, by their numbers; those of its others stay.

    Raises:
        OSError: they cannot be written.
    """
    (sweep / COLUMNS).mkdir(exist_ok=True)
    path = sweep / COLUMNS / f"{stack}{TYPED}"
    kept = {**_hydra(path), **{run: tuple(texts[name] for name in HYDRA) for run, texts in runs.items()}}
    columns = zip(HYDRA, zip(*kept.values(), strict=True), strict=True)
    _write(path, pl.DataFrame({"run": list(kept), **{name: list(texts) for name, texts in columns}}))


def put_hydra(sweep: Path, stack: int, directory: Path) -> None:
    """Write `.hydra/` of a run that gets its directory all the same.

    Raises:
        OSError: it cannot be written.
    """
    (directory / ".hydra").mkdir(parents=True, exist_ok=True)
    texts = _hydra(sweep / COLUMNS / f"{stack}{TYPED}")[int(directory.name)]
    for name, text in zip(HYDRA, texts, strict=True):
        (directory / ".hydra" / name).write_text(text, encoding="utf-8")


def _hydra(path: Path) -> dict[int, tuple[str, ...]]:
    """The texts that are kept there, in the order of HYDRA, by run."""
    frame = _read(path) if path.is_file() else pl.DataFrame(schema=["run", *HYDRA])
    return {run: tuple(texts) for run, *texts in frame.select("run", *HYDRA).iter_rows()}


class Gathering:
    """The runs of a stack, gathered as they end and written as one part.

    Args:
        sweep: the directory of the sweep.
        stack: its number; nobody else writes runs of it. What a kill has left of a part is taken away.
    """

    def __init__(self, sweep: Path, stack: int) -> None:
        self.folder, self.stack = sweep / COLUMNS, stack
        self._ended = dict[int, EndedRun]()
        whole = set(self._parts(RESULTS))
        for part in {*self._parts(".curves.parquet"), *self._parts(".ckpt")} - whole:
            _take_away(self.folder / f"{stack}.{part}")

    def _parts(self, ending: str) -> Iterator[int]:
        return (int(path.name.split(".")[1]) for path in self.folder.glob(f"{self.stack}.*{ending}"))

    def add(self, run: int, ended: EndedRun) -> None:
        """Gather a run, by its number."""
        self._ended[run] = ended

    def write(self) -> None:
        """Write what is gathered, as a part of its own; the results last, so that they stand for all.

        Raises:
            OSError: it cannot be written.
        """
        if not self._ended:
            return
        from src.run_directory.checkpoint_file import packed, save

        self.folder.mkdir(exist_ok=True)
        stem = self.folder / f"{self.stack}.{max(self._parts(RESULTS), default=-1) + 1}"
        trees = [one.checkpoints for one in self._ended.values()]
        if any(trees):
            save(Path(f"{stem}.ckpt"), {"runs": list(self._ended), **packed(trees)})
        _write(Path(f"{stem}.curves.parquet"), _points(self._ended))
        _write(Path(f"{stem}{RESULTS}"), _results(self._ended))
        self._ended = {}


def _points(ended: Mapping[int, EndedRun]) -> pl.DataFrame:
    """The curves of runs beneath each other, a row a step; a cell is null where a curve has no point."""
    of_runs = [_all_curves(one) for one in ended.values()]
    none = np.empty(0, dtype=np.int64)
    steps = [np.unique(np.concatenate([none, *(at for at, _ in own.values())])) for own in of_runs]
    starts = np.cumsum([0, *map(len, steps)])
    columns = {
        "run": pl.Series(np.repeat(list(ended), np.diff(starts)), dtype=pl.Int64),
        "step": pl.Series(np.concatenate(steps), dtype=pl.Int64),
    }
    runs = list(zip(of_runs, steps, starts, strict=False))
    for name in dict.fromkeys(name for own in of_runs for name in own):
        there = [(start + np.searchsorted(at, own[name][0]), own[name][1]) for own, at, start in runs if name in own]
        columns[name] = _column(int(starts[-1]), there)
    return pl.DataFrame(columns)


def _all_curves(one: EndedRun) -> dict[str, Points]:
    """Those that were measured, and behind them what theory foresees."""
    foreseen = {f"{THEORY}{name}": line for name, line in one.foreseen.items()}
    return {**one.curves, **{name: ([at for at, _ in line], np.array(line)[:, 1]) for name, line in foreseen.items()}}


def _column(length: int, there: Sequence[tuple[NDArray[np.int64], NDArray[np.float64]]]) -> pl.Series:
    """Values at rows of a column, numbers or lists of numbers; null in the others."""
    if there[0][1].ndim > 1:
        lists: list[list[float] | None] = [None] * length
        for rows, profiles in there:
            for row, profile in zip(rows, profiles.tolist(), strict=True):
                lists[row] = profile
        return pl.Series(lists, dtype=pl.List(pl.Float64))
    numbers, empty = np.zeros(length), np.ones(length, dtype=bool)
    for rows, values in there:
        numbers[rows], empty[rows] = values, False
    return pl.Series(numbers).set(pl.Series(empty), None)


def _results(ended: Mapping[int, EndedRun]) -> pl.DataFrame:
    """A row a run."""
    texts = [one.texts for one in ended.values()]
    results = [json.loads(text["result.json"]) for text in texts]
    metrics = dict.fromkeys(name for one in results for name in one["metrics"])
    return pl.DataFrame(
        {
            "run": list(ended),
            **{name: [one[name] for one in results] for name in TOLD},
            "seconds": pl.Series([one["seconds"]["fit"] for one in results], dtype=pl.Float64),
            **{name: pl.Series([one["metrics"].get(name) for one in results], dtype=pl.Float64) for name in metrics},
            "curves": pl.Series([list(_all_curves(one)) for one in ended.values()], dtype=pl.List(pl.String)),
            **{name: pl.Series([one.get(file) for one in texts], dtype=pl.String) for name, file in TEXTS.items()},
        },
        infer_schema_length=None,
    )


def _write(path: Path, frame: pl.DataFrame) -> None:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    place(path, buffer.getvalue())


def drop(sweep: Path, runs: Iterable[int]) -> None:
    """Let go of what is kept of runs that are trained on.

    Raises:
        OSError: it cannot be taken away.
    """
    gone = set(runs)
    for part in columns(sweep).parts:
        if gone.isdisjoint(part.runs):
            continue
        left = part.results.filter(~pl.col("run").is_in(gone))
        if len(left):
            _write(part.path(RESULTS), left)
        else:
            _take_away(part.stem)


def tidy(sweep: Path) -> None:
    """Take away what stands for nobody, once no stack is under way: what was begun and never whole."""
    folder = sweep / COLUMNS
    whole = {path.name.removesuffix(RESULTS) for path in folder.glob(f"*{RESULTS}")}
    stacks = {stem.split(".")[0] for stem in whole}
    for path in folder.iterdir():
        stack, part, *_ = path.name.split(".")
        if f"{stack}.{part}" not in whole and not (part == "hydra" and stack in stacks):
            path.unlink()


def _take_away(stem: Path) -> None:
    """The files of a part, the results first."""
    for ending in (RESULTS, ".curves.parquet", ".ckpt"):
        Path(f"{stem}{ending}").unlink(missing_ok=True)


# --- reading ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """Runs that were written together; each file is read when it is asked for.

    Attributes:
        stem: of the paths of its files, `columns/STACK.PART`.
        written: when its results were, in nanoseconds since the epoch.
    """

    stem: Path
    written: int

    def path(self, ending: str) -> Path:
        """Of one of its files."""
        return Path(f"{self.stem}{ending}")

    @cached_property
    def results(self) -> pl.DataFrame:
        """A row a run."""
        return _read(self.path(RESULTS))

    @cached_property
    def runs(self) -> dict[int, int]:
        """The rows of runs, by their numbers."""
        return {run: row for row, run in enumerate(self.results["run"].to_list())}

    @cached_property
    def points(self) -> pl.DataFrame:
        """A row a step of a run: `run`, `step`, and a column a curve."""
        return _read(self.path(".curves.parquet"))

    @cached_property
    def slices(self) -> dict[int, tuple[int, int]]:
        """Where in `points` each run begins, and how many rows it has."""
        runs, starts, numbers = np.unique(self.points["run"].to_numpy(), return_index=True, return_counts=True)
        return dict(zip(runs.tolist(), zip(starts.tolist(), numbers.tolist(), strict=True), strict=True))

    @cached_property
    def _numbers(self) -> dict[str, tuple[NDArray[np.bool_], Any]]:
        """Of each column of `points` which cells there are, and all values; of lists as polars has them."""
        return {
            one.name: (one.is_not_null().to_numpy(), one if isinstance(one.dtype, pl.List) else one.to_numpy())
            for one in self.points.iter_columns()
        }

    def curve(self, run: int, name: str) -> Points:
        """One of a run, by its number."""
        begin, length = self.slices[run]
        own, (there, values) = slice(begin, begin + length), self._numbers[name]
        steps, values = self._numbers["step"][1][own], values[own]
        profiles = isinstance(values, pl.Series)
        return steps[there[own]].tolist(), np.array(values.drop_nulls().to_list()) if profiles else values[there[own]]

    @cached_property
    def hydra(self) -> dict[int, tuple[str, ...]]:
        """The texts of the files in `.hydra/`, in the order of HYDRA, by run."""
        return _hydra(self.stem.with_name(f"{self.stem.name.partition('.')[0]}{TYPED}"))

    @cached_property
    def checkpoints(self) -> dict[str, Any]:
        """The states of all its runs; nothing where they have none."""
        from src.run_directory.checkpoint_file import read

        path = self.path(".ckpt")
        return read(path) if path.is_file() else {"runs": [], "of": {}}


@dataclass(frozen=True)
class KeptRun:
    """A finished run that has no directory.

    Attributes:
        part: that it is in.
        number: of the run.
    """

    part: Part
    number: int

    @property
    def where(self) -> Path:
        """The file with its result."""
        return self.part.path(RESULTS)

    @property
    def result(self) -> str:
        """The text of its `result.json`."""
        return str(self._row["result"])

    @property
    def _row(self) -> dict[str, Any]:
        return self.part.results.row(self.part.runs[self.number], named=True)

    def hydra(self, name: str) -> str:
        """The text of a file in `.hydra/`; empty where there is none."""
        return dict(zip(HYDRA, self.part.hydra.get(self.number, ()), strict=False)).get(name, "")

    @property
    def curves(self) -> dict[str, Points]:
        """Those that were measured, by name."""
        return {name: curve for name, curve in self._curves.items() if not name.startswith(THEORY)}

    @property
    def foreseen(self) -> dict[str, Points]:
        """Those that theory foresees, as the columns of `theory.csv` are called."""
        return {name.removeprefix(THEORY): c for name, c in self._curves.items() if name.startswith(THEORY)}

    @property
    def _curves(self) -> dict[str, Points]:
        return {name: self.part.curve(self.number, name) for name in self._row["curves"]}

    def whole(self) -> EndedRun:
        """All of it.

        Raises:
            LabError: a file cannot be read.
        """
        from src.run_directory.checkpoint_file import unpacked

        row, states = self._row, self.part.checkpoints
        texts = {file: row[name] for name, file in TEXTS.items()} | {
            f".hydra/{name}": self.hydra(name) or None for name in HYDRA
        }
        own = unpacked(states, states["runs"].index(self.number)) if self.number in states["runs"] else {}
        return EndedRun({name: one for name, one in texts.items() if one is not None}, self.curves, self._lines, own)

    @property
    def digests(self) -> dict[str, str]:
        """Of what is kept now; its result has those of what was written."""
        row = self._row
        texts = {file: row[name] for name, file in TEXTS.items() if name != "result" and row[name] is not None}
        return of_run(self.curves, self._lines, texts)

    @property
    def _lines(self) -> dict[str, Line]:
        return {name: list(zip(at, one.tolist(), strict=True)) for name, (at, one) in self.foreseen.items()}


@dataclass(frozen=True)
class Columns:
    """What a sweep keeps in columns.

    Attributes:
        parts: of it, the oldest first.
    """

    parts: Sequence[Part]

    @cached_property
    def runs(self) -> dict[int, KeptRun]:
        """By their numbers; of a run that is there twice the newer."""
        return {run: KeptRun(part, run) for part in self.parts for run in part.runs}

    @cached_property
    def points(self) -> pl.DataFrame:
        """What `metrics.csv` of all runs would hold, a row a step: `run`, `step` and a column a curve."""
        left_out = pl.selectors.starts_with(THEORY) | pl.selectors.by_dtype(pl.List(pl.Float64))
        points = pl.concat([part.points.select(~left_out) for part in self.parts], how="diagonal")
        return points.filter(pl.any_horizontal(pl.exclude("run", "step").is_not_null()))


def columns(sweep: Path) -> Columns:
    """What a sweep directory keeps in columns; nothing where there is no such folder."""
    try:
        with os.scandir(sweep / COLUMNS) as found:
            files = [(one.stat(), one.path) for one in found if one.name.endswith(RESULTS)]
    except (FileNotFoundError, NotADirectoryError):
        files = []
    return _columns(tuple(sorted((how.st_mtime_ns, how.st_size, path) for how, path in files)))


@lru_cache(maxsize=8)
def _columns(files: tuple[tuple[int, int, str], ...]) -> Columns:
    return Columns([_part(*one) for one in files])


@lru_cache(maxsize=1024)
def _part(written: int, size: int, path: str) -> Part:
    return Part(Path(path.removesuffix(RESULTS)), written)


def kept(directory: Path) -> KeptRun | None:
    """The run that would have this directory, if its sweep keeps it in columns."""
    return columns(directory.parent).runs.get(int(directory.name)) if directory.name.isdecimal() else None


def _read(path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        stack, part, *_ = path.name.split(".")
        runs = path.with_name(f"{stack}.{part if part.isdecimal() else '*'}{RESULTS}")
        raise LabError(
            f"{path} cannot be read ({one_line(error)[:160]}): remove {runs} to have its runs trained again"
        ) from None
