"""Sweeps as frames: a row a run, and a row a recorded step; read from directories or files, and written to files."""

import json
import shlex
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from src.compare.baseline import NAME, NAMES, beside, unlike
from src.compare.contest import Problem, contest
from src.compare.pairs import EQUAL_WITHIN
from src.compare.roles import EVERYTHING
from src.compare.rows import Row, number, read_results
from src.compare.run_facts import Gathered, optimizer_of
from src.compare.selection import contenders
from src.errors import LabError, one_line, unwritable
from src.run_directory import RunDirectory, check_once
from src.run_directory.columns import columns

GONE = -(2**62)
"""The number of a run that is not among these: below any, also where these are numbered behind others."""
ABOUT, FORMAT, CURVE = "descent_lab", 1, "curve"
"""Of a file: under which name it says what all runs share, which version that is, and the column of the curves."""
EXPORT = "python -m src.report export has written, such as baseline.parquet"
FIRST = {
    **dict.fromkeys(("sweep", "run", "directory", "status", "reason"), pl.String),
    **{"steps": pl.Int64, "problem": pl.String, "optimizer": pl.String, "setting": pl.String},
}
LAST = {
    **{"exact": pl.Float64, "seconds": pl.Float64, "stack": pl.Int64},
    **{"fingerprint": pl.String, "confirms": pl.String, "words": pl.String},
}
WRITERS: Mapping[str, Callable[[pl.DataFrame, Path, dict[str, str]], Any]] = {
    ".parquet": lambda frame, path, about: frame.write_parquet(path, metadata=about),
    ".arrow": lambda frame, path, about: frame.write_ipc(path),
    ".feather": lambda frame, path, about: frame.write_ipc(path),
    ".csv": lambda frame, path, about: frame.write_csv(path),
}

Facts = Mapping[str, Any]
"""Of a run what `results.csv` does not say: the columns of a frame that are neither words nor metrics."""


@dataclass(frozen=True)
class About:
    """What the runs share.

    Attributes:
        metrics: the columns of `runs` that are such.
        config: of the runs that confirm nothing every value of each key that decides what is learned, how long and by
            which seeds, as their configs have it.
        contents: hashes of the tables that they read.
        shared: the words that all of them were started with.
        environment: versions and machine of the first.
        unfinished: how many more have not ended.
        looks: where fresh seeds came in until winners were told apart, how many there were at each look.
    """

    metrics: Sequence[str]
    config: Mapping[str, Sequence[Any]]
    contents: Sequence[str]
    shared: Sequence[str]
    environment: Mapping[str, Any]
    unfinished: int
    looks: Sequence[int] = ()

    @property
    def left_out(self) -> str:
        """A sentence on runs that have not ended; empty where all have."""
        more = "1 more run has" if self.unfinished == 1 else f"{self.unfinished:,} more runs have"
        return f"{more} not ended, and {'is' if self.unfinished == 1 else 'are'} left out" if self.unfinished else ""


@dataclass(frozen=True)
class Frames:
    """Runs as frames of polars.

    Attributes:
        runs: a row a run: `run`, its name, by which `curves` and `confirms` name it; `problem`, `optimizer` and
            `setting` as on the page of the sweep; a column a swept key and a metric; `exact`, the lowest training loss
            there is, where that is known; `seconds` of its training and the runs that shared them (`stack`); and
            `words`, the swept ones as they were typed.
        about: what they share.
        kept: curves that lie in no directory.
    """

    runs: pl.DataFrame
    about: About = field(repr=False)  # a page of configs where one looks at runs
    kept: pl.DataFrame | None = field(default=None, repr=False)

    @cached_property
    def curves(self) -> pl.DataFrame:
        """A row a recorded step: `run`, `step` and a column a metric, null where it was not taken at that step.

        A run whose `metrics.csv` cannot be read has no rows.
        """
        kept = [] if self.kept is None else [self.kept]
        held = set(self.kept["run"]) if self.kept is not None else set()
        there = self.runs.select("run", "directory").drop_nulls().iter_rows()
        read = _curves({run: Path(directory) for run, directory in there if run not in held})
        frames = [frame for frame in (read, *kept) if len(frame)]
        empty = pl.DataFrame(schema={"run": pl.String, "step": pl.Int64})
        return pl.concat(frames, how="diagonal") if frames else empty

    @cached_property
    def rows(self) -> list[Row]:
        """The runs as `src.compare` takes them, numbered from 0."""
        number_of = {run: index for index, run in enumerate(self.runs["run"])}
        return [
            Row(
                index,
                {key: value for key, _, value in (word.partition("=") for word in shlex.split(one["words"]))},
                one["status"],
                one["steps"] or 0,
                {name: one[name] for name in self.about.metrics},
                None if one["confirms"] is None else number_of.get(one["confirms"], GONE),
                one["run"],
                reason=one["reason"] or "",
            )
            for index, one in enumerate(self.runs.iter_rows(named=True))
        ]

    @property
    def drawn(self) -> bool:
        """Whether other seeds would be other runs; the gradient of a surface is exact, unless noise was asked for."""
        noise = any(number(str(value)) for value in self.about.config.get("data.noise", ()))
        surfaces = [str(name).endswith(".Surface") for name in self.about.config.get("model._target_", ())]
        return noise or not surfaces or not all(surfaces)

    def problems(self, equal_within: float = EQUAL_WITHIN) -> list[Problem]:
        """The contest on each problem, whose contenders and pairs `src.compare.verdict` sums up.

        Args:
            equal_within: the share of a loss within which two are practically equal.
        """
        exact = self.runs["exact"].to_list()
        return contest(self.rows, equal_within, self.drawn, lambda row: exact[row.job], self.about.looks)

    def as_baseline(self, environment: Mapping[str, Any]) -> list[str]:
        """Sentences on how far it can be trusted as an earlier comparison.

        Args:
            environment: versions and machine of the newcomer.
        """
        left_out = f"{NAME}: {self.about.left_out}" if self.about.left_out else ""
        return [one for one in (left_out, unlike(self.about.environment, environment)) if one]

    def write(self, path: Path) -> None:
        """Write the runs; .parquet, .arrow and .feather hold each one's curve as well, as a list in the column `curve`.

        Raises:
            LabError: an ending of no such file, or it cannot be written.
        """
        runs = self.runs
        if path.suffix != ".csv" and len(self.curves):
            points = pl.struct(pl.exclude("run")).alias(CURVE)
            runs = runs.join(self.curves.group_by("run", maintain_order=True).agg(points), "run", how="left")
        write(runs, path, {ABOUT: json.dumps({"format": FORMAT, **asdict(self.about)}, default=str)})


def write(frame: pl.DataFrame, path: Path, about: dict[str, str] | None = None) -> None:
    """Write a frame as the ending of a file says.

    Raises:
        LabError: an ending of no such file, or it cannot be written.
    """
    check_place(path)
    try:
        WRITERS[path.suffix](frame, path, about or {})
    except OSError as error:
        raise LabError(unwritable(error)) from None


def check_place(path: Path) -> None:
    """Refuse a file that could not be written, before there is anything to write.

    Raises:
        LabError: an ending of no such file, no such directory, or a directory in its place.
    """
    if path.suffix not in WRITERS:
        raise LabError(f"{path}: the ending says what is written, one of {', '.join(WRITERS)}")
    if not path.parent.is_dir():
        raise LabError(f"{path} cannot be written: there is no directory {path.parent}")
    if path.is_dir():
        raise LabError(f"{path} cannot be written: it is a directory")


# --- from files and directories --------------------------------------------------------------------------------------


def load(paths: Sequence[str | Path]) -> Frames:
    """What `src.compare.load` says."""
    if not paths:
        raise LabError("load() of nothing: give the directory of a sweep, such as outputs/sweeps/mine")
    if other := [type(path).__name__ for path in paths if not isinstance(path, str | Path)]:
        raise LabError(f"load() is given a {other[0]}: give paths one by one; of a list, load(*paths)")
    files = [Path(path) for path in paths if Path(path).is_file()]
    if files and len(paths) > 1:
        raise LabError(f"{files[0]} is a file: load it alone, or give directories of sweeps")
    check_once([Path(path) for path in paths])
    found = read(files[0]) if files else frames([_source(Path(path)) for path in paths])
    if found.about.left_out:
        warnings.warn(found.about.left_out, stacklevel=3)
    return found


def read(path: Path) -> Frames:
    """What `Frames.write` has written to a .parquet.

    Raises:
        LabError: it is not there, or not such a file.
    """
    if not path.is_file():
        raise LabError(f"{path} {'is a directory' if path.is_dir() else 'is not there'}: give a file that {EXPORT}")
    if path.suffix in WRITERS and path.suffix != ".parquet":
        raise LabError(f"{path}: of the files that are exported only a .parquet tells what the runs share: export one")
    try:
        about = pl.read_parquet_metadata(path).get(ABOUT)
        runs = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise LabError(f"{path} cannot be read as a .parquet ({one_line(error)[:160]})") from None
    try:
        held = json.loads(about or "")
        if held.pop("format") != FORMAT:
            raise LabError(f"{path} was exported by another version: export it again")
        told = About(**held)
        missing = [name for name in (*FIRST, *told.metrics, *LAST) if name not in runs.columns]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise LabError(f"{path} holds no runs of a sweep: give a file that {EXPORT}") from None
    if missing or not len(runs):
        raise LabError(f"{path} lacks {', '.join(missing) or 'rows'}: give a file as it was that {EXPORT}")
    if CURVE not in runs.columns:
        return Frames(runs, told)
    kept = runs.select("run", CURVE).drop_nulls().explode(CURVE).unnest(CURVE)
    return Frames(runs.drop(CURVE), told, kept)


@dataclass(frozen=True)
class Source:
    """The runs of a sweep.

    Attributes:
        path: of the sweep; the runs that it was compared with lie there as well.
        rows: those that have ended.
        directories: of each.
        unfinished: how many have not.
        whole: whether they are all of it, not some runs that were asked for one by one.
    """

    path: Path
    rows: Sequence[Row]
    directories: Sequence[Path]
    unfinished: int = 0
    whole: bool = True


def _source(path: Path) -> Source:
    """A sweep whose `results.csv` is whole, for without it one has to know how it was made."""
    results = path / "results.csv"
    if not path.exists() and path.suffix in WRITERS:
        raise LabError(f"{path} is not there: give the directory of a sweep, or a .parquet that {EXPORT}")
    if not results.is_file():
        what = "holds no results.csv" if path.is_dir() else "is not there"
        raise LabError(
            f"{path} {what}: give the directory of a sweep, or what `python -m src.report export {path} out.parquet` "
            "makes of a folder of runs"
        )
    rows, unfinished = read_results(results)
    if not rows:
        raise LabError(f"{path} holds no run that has ended ({unfinished} unfinished)")
    if not any(key in row.words for row in rows for key in (*NAMES, *EVERYTHING)):  # one optimizer, as on its page
        name = optimizer_of(path / rows[0].name)
        rows = [replace(row, words={"optimizer": name, **row.words}) for row in rows] if name else rows
    return Source(path, rows, [path / row.name for row in rows], unfinished)


def frames(sources: Sequence[Source]) -> Frames:
    """Runs as frames; those of several sweeps bear their sweep's name.

    Args:
        sources: one or more, each with one run or more.
    """
    names = [source.path.resolve().name for source in sources]
    names = [name if names.count(name) == 1 else str(one.path) for name, one in zip(names, sources, strict=True)]
    gathered, records, kept = Gathered(), list[dict[str, Any]](), list[pl.DataFrame]()
    rows, unfinished = list[Row](), 0
    for name, source in zip(names, sources, strict=True):
        before = f"{name}/" if len(sources) > 1 else ""
        facts = [gathered.take(directory, row) for row, directory in zip(source.rows, source.directories, strict=True)]
        asked = gathered.take_sweep(source.path)
        unfinished += max(source.unfinished, asked - len(source.rows)) if source.whole else source.unfinished
        there = list(source.rows)
        if source.whole and (path := source.path / NAME).is_file():
            baseline = read(path)
            there += beside(source.rows, baseline.rows)
            facts += [{key: one[key] for key in (*FIRST, *LAST)} for one in baseline.runs.iter_rows(named=True)]
            more = [row.name for row in there[len(source.rows) :]]
            renamed = dict(zip(baseline.runs["run"], (f"{before}{one}" for one in more), strict=True))
            kept.append(baseline.curves.with_columns(pl.col("run").replace_strict(renamed)))
        rows += there
        records += _records(name, before, there, facts)
    keys = dict.fromkeys(key for row in rows for key in row.words if key != "optimizer")
    metrics = list(dict.fromkeys(name for row in rows for name in row.metrics))
    columns = [
        *(pl.Series(name, [one[name] for one in records], kind) for name, kind in FIRST.items()),
        *(_column(_free(key, metrics), [row.words.get(key) for row in rows]) for key in keys),
        *(pl.Series(name, [row.metrics.get(name) for row in rows], pl.Float64) for name in metrics),
        *(pl.Series(name, [one[name] for one in records], kind) for name, kind in LAST.items()),
    ]
    shared, looks = gathered.shared, sorted(gathered.looks)
    about = About(metrics, gathered.config, gathered.contents, shared, gathered.environment, unfinished, looks)
    return Frames(pl.DataFrame(columns), about, pl.concat(kept, how="diagonal") if kept else None)


def _records(name: str, before: str, rows: Sequence[Row], facts: Sequence[Facts]) -> Iterator[dict[str, Any]]:
    """The columns of each run that are neither swept keys nor metrics."""
    found = {
        frozenset(one.rows[0].setting.items()): contender
        for contender in contenders(rows)
        for one in contender.settings
    }
    names = {row.job: f"{before}{row.name}" for row in rows}
    for row, of_run in zip(rows, facts, strict=True):
        contender = found.get(frozenset(row.setting.items()))  # none of a run that confirms one that is gone
        problem = {} if contender is None else contender.problem
        setting = {key: word for key, word in row.setting.items() if key not in (*problem, *NAMES)}
        if contender is not None and contender.compared == "optimizer":
            optimizer = contender.label
        else:
            optimizer = row.words.get("optimizer._target_") or row.words.get("optimizer", "")
        yield {
            **{key: of_run.get(key) for key in ("directory", "exact", "seconds", "stack", "fingerprint")},
            **{"sweep": name, "run": names[row.job], "status": row.status, "reason": row.reason, "steps": row.steps},
            **{"optimizer": optimizer, "problem": _typed(problem), "setting": _typed(setting)},
            "confirms": None if row.confirms is None else names.get(row.confirms, str(row.confirms)),
            "words": shlex.join(f"{key}={word}" for key, word in row.words.items()),
        }


def _typed(words: Mapping[str, str]) -> str:
    return " ".join(f"{key}={word}" for key, word in words.items())


def _free(key: str, metrics: Sequence[str]) -> str:
    """A key with the sign with which it was added, where its name is that of another column."""
    return f"+{key}" if key in (*FIRST, *LAST, *metrics, CURVE) else key


def _column(name: str, words: Sequence[str | None]) -> pl.Series:
    """A swept key: whole numbers, numbers, or texts; null where it does not apply, or is null."""
    found = [None if word == "null" else word for word in words]
    numbers = [None if word is None else number(word) for word in found]
    if any(word is not None and value is None for word, value in zip(found, numbers, strict=True)):
        return pl.Series(name, found, pl.String)
    if all(word is None or word.lstrip("+-").isdecimal() for word in found):
        return pl.Series(name, [None if word is None else int(word) for word in found], pl.Int64)
    return pl.Series(name, numbers, pl.Float64)


def _curves(directories: Mapping[str, Path]) -> pl.DataFrame:
    """The tables of several runs beneath each other; those with the same columns are read together."""
    alike: dict[tuple[str, ...], dict[str, str]] = {}
    in_columns: dict[Path, dict[int, str]] = {}
    for run, directory in directories.items():
        if RunDirectory(directory).kept is not None:
            in_columns.setdefault(directory.parent, {})[int(directory.name)] = run
            continue
        path = directory / "metrics.csv"
        try:
            with path.open(encoding="utf-8") as file:
                alike.setdefault(tuple(file.readline().strip().split(",")), {})[str(path)] = run
        except (OSError, ValueError):
            continue
    found = [_together(names, runs) for names, runs in alike.items() if names[0] == "step"]
    for sweep, names in in_columns.items():
        points = columns(sweep).points.filter(pl.col("run").is_in(list(names)))
        found.append(points.with_columns(pl.col("run").replace_strict(names, return_dtype=pl.String)))
    return pl.concat(found, how="diagonal") if found else pl.DataFrame()


def _together(columns: Sequence[str], runs: Mapping[str, str]) -> pl.DataFrame:
    """Where one of several cannot be read the others still can."""
    schema = dict.fromkeys(columns, pl.Float64)
    try:
        read = pl.scan_csv(list(runs), schema=schema, include_file_paths="run", glob=False).collect()
    except (OSError, pl.exceptions.PolarsError):
        if len(runs) == 1:
            return pl.DataFrame()
        return pl.concat([_together(columns, {path: run}) for path, run in runs.items()], how="diagonal")
    return read.select(pl.col("run").replace_strict(runs), pl.col("step").cast(pl.Int64), *columns[1:])
