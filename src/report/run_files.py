"""A run directory as it is shown: each of its files is read when it is asked for."""

import csv
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import polars as pl
from numpy.typing import NDArray

from src.compare.run_facts import below, parsed
from src.config.schema import flat
from src.config.section import as_typed
from src.errors import LabError, one_line
from src.plots.one_run import Histogram
from src.run_directory import CLASS_COLUMNS, PREDICTION_COLUMNS, PROFILE_COLUMNS, RunDirectory
from src.run_directory.ended import Points

Line = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Steps and values, or x and y, `[N]` each."""
CLASSES = dict(zip(CLASS_COLUMNS, (pl.String, pl.String, pl.Float64, pl.Float64), strict=True))
FIT = {"kind": pl.String, "x": pl.Float64, "y": pl.Float64, "rows": pl.Float64}
HISTOGRAMS = dict(zip(PROFILE_COLUMNS, (pl.Int64, pl.String, pl.Float64, pl.Float64, pl.String), strict=True))


@dataclass(frozen=True)
class Fit:
    """Data with one feature and one target, in their own units, and what the model makes of them; x and y each.

    Attributes:
        train: training rows; of many, every so many of them.
        moments: points with the means, variances and covariance of all training rows.
        fitted: final predictions over ascending x, not a number where they are not finite.
        rows: how many training rows there are.
    """

    train: Line
    moments: Line
    fitted: Line
    rows: int


@dataclass(frozen=True)
class Run:
    """A run directory; its files are read when they are asked for."""

    directory: Path

    @property
    def name(self) -> str:
        """Of the directory."""
        return self.directory.resolve().name

    @cached_property
    def result(self) -> dict[str, Any]:
        """What `result.json` holds.

        Raises:
            LabError: the run is unfinished, or the file is broken.
        """
        result = RunDirectory(self.directory).read_result()
        metrics = result.get("metrics")
        numbers = isinstance(metrics, dict) and all(one is None or is_number(one) for one in metrics.values())
        if (
            result["status"] not in ("completed", "diverged", "cut")
            or not numbers
            or not is_number(result.get("steps"))
        ):
            raise LabError(
                f"{self.directory / 'result.json'} is broken (status, steps and metrics are not those of a run)"
            )
        return result

    @cached_property
    def curves(self) -> dict[str, Line]:
        """The columns of `metrics.csv`, each without its empty cells, and of `way.csv` where it has more.

        Raises:
            LabError: it is not there, or not such a file.
        """
        where = RunDirectory(self.directory)
        if (kept := where.kept) is not None:
            where.check("metrics.csv")
            return _as_lines(kept.curves)
        lines, way = _lines(where.curves_path, "the curves of a run"), self.way
        more = {name: line for name, line in way.items() if name not in lines or len(lines[name][0]) < len(line[0])}
        return lines | more

    @cached_property
    def way(self) -> dict[str, Line]:
        """The columns of `way.csv`; nothing where it is not there.

        Raises:
            LabError: it is not such a file.
        """
        path = RunDirectory(self.directory).way_path
        return _lines(path, "the way of a run") if path.is_file() else {}

    @cached_property
    def foreseen(self) -> dict[str, Line]:
        """The columns of `theory.csv` that hold anything, each without its empty cells; nothing where it is not there.

        Raises:
            LabError: it is not such a file.
        """
        where = RunDirectory(self.directory)
        if (kept := where.kept) is not None:
            return _as_lines(kept.foreseen)
        path = where.theory_path
        lines = _lines(path, "what theory foresees of a run") if path.is_file() else {}
        return {name: line for name, line in lines.items() if len(line[0])}

    @cached_property
    def fit(self) -> Fit | None:
        """What `fit.csv` holds; None where it is not there.

        Raises:
            LabError: it is not such a file.
        """
        path = RunDirectory(self.directory).fit_path
        if not path.is_file():
            return None
        with _reading(path, "the data of a run"):
            table = pl.read_csv(path, schema=FIT)
            train, moments, fitted = (
                table.filter(pl.col("kind") == kind).drop("kind").cast(pl.Float64).fill_null(math.nan).to_numpy()
                for kind in ("train", "moments", "fitted")
            )
            if not (len(moments) and len(train) and len(fitted) and np.isfinite(moments).all()):
                raise ValueError("rows are missing")
        of_train, of_moments, of_fitted = ((kind[:, 0], kind[:, 1]) for kind in (train, moments, fitted))
        return Fit(of_train, of_moments, of_fitted, round(moments[:, 2].sum()))

    @cached_property
    def fitted_classes(self) -> dict[str, dict[str, Line]]:
        """What `classes.csv` holds, by kind and class: x and probabilities, of training rows not a number; nothing
        where it is not there.

        Raises:
            LabError: it is not such a file.
        """
        path, found = RunDirectory(self.directory).classes_path, dict[str, dict[str, Line]]()
        if not path.is_file():
            return found
        with _reading(path, "the classes of a run"):
            table = pl.read_csv(path, schema=CLASSES).with_columns(pl.col("probability").fill_null(math.nan))
            for (kind, name), rows in table.group_by("kind", "class", maintain_order=True):
                found.setdefault(str(kind), {})[str(name)] = rows["x"].to_numpy(), rows["probability"].to_numpy()
        return found

    @cached_property
    def predictions(self) -> dict[str, dict[str, Line]]:
        """What `predictions.csv` holds of numbers, by target and part; nothing where it is not there.

        Predicted and actual values, not a number where they are not finite.

        Raises:
            LabError: it is not such a file.
        """

        def values(rows: pl.DataFrame) -> Line:
            numbers = rows.select(pl.col("predicted", "actual").cast(pl.Float64).fill_null(math.nan))
            return numbers["predicted"].to_numpy(), numbers["actual"].to_numpy()

        return {} if self.classified else self._predicted(values)

    @cached_property
    def classified(self) -> dict[str, dict[str, list[tuple[str, str]]]]:
        """What it holds of classes, by target and part: of each row the actual class and the predicted one.

        Raises:
            LabError: it is not such a file.
        """
        return self._predicted(lambda rows: rows.select("actual", "predicted").drop_nulls().rows(), "probability")

    def _predicted(self, of: Callable[[pl.DataFrame], Any], *needed: str) -> dict[str, dict[str, Any]]:
        """`of` the rows of each target and part, all of them texts; nothing where a column that is needed is not."""
        path, found = RunDirectory(self.directory).predictions_path, dict[str, dict[str, Any]]()
        if not path.is_file():
            return found
        with _reading(path, "the predictions of a run"):
            table = pl.read_csv(path, infer_schema=False)
            if set(needed) <= set(table.columns):
                for (target, part), rows in table.select(*PREDICTION_COLUMNS).group_by(
                    "target", "part", maintain_order=True
                ):
                    found.setdefault(str(target), {})[str(part)] = of(rows)
        return found

    @cached_property
    def histograms(self) -> dict[str, dict[int, Histogram]]:
        """What `histograms.csv` holds, by name and step; nothing where it is not there.

        Raises:
            LabError: it is not such a file.
        """
        path = RunDirectory(self.directory).histograms_path
        found = dict[str, dict[int, Histogram]]()
        if not path.is_file():
            return found
        with _reading(path, "the histograms of a run"):
            for step, name, low, high, counts in pl.read_csv(path, schema=HISTOGRAMS).iter_rows():
                held = np.array(counts.split(), dtype=np.float64)
                if not held.sum() > 0 or not low < high:
                    raise ValueError("a histogram that holds nothing")
                found.setdefault(name, {})[step] = Histogram(step, np.linspace(low, high, len(held) + 1), held)
        return found

    @cached_property
    def environment(self) -> dict[str, str]:
        """Versions, machine and command; empty where its result cannot be read."""
        try:
            environment = self.result.get("environment")
        except LabError:
            return {}
        found = environment.items() if isinstance(environment, dict) else ()
        return {key: str(value) for key, value in found if value is not None}

    def hydra(self, name: str) -> str:
        """A file of `.hydra` as it is, for it is only shown; empty where there is none."""
        return RunDirectory(self.directory).hydra(name)

    @cached_property
    def config_text(self) -> str:
        """`.hydra/config.yaml` as it is; empty where there is none."""
        return self.hydra("config.yaml")

    @cached_property
    def config(self) -> dict[str, str]:
        """The config as words: keys joined by dots, values as they are typed."""
        return {key: as_typed(value) for key, value in flat(parsed(self.config_text)).items() if key and value != {}}

    @cached_property
    def choices(self) -> dict[str, str]:
        """The option of each group; of losses what its result says, for who goes on from a checkpoint types none, and
        one's own are all `custom`."""
        chosen = below(parsed(self.hydra("hydra.yaml")), "hydra", "runtime", "choices")
        found = {key: as_typed(value) for key, value in chosen.items()} if isinstance(chosen, dict) else {}
        with suppress(LabError):
            name = below(self.result, "loss", "name")
            if isinstance(name, str) and name not in found.get("loss", name):  # sum_of_squares is squares, too
                found["loss"] = name
        return found

    @cached_property
    def typed(self) -> list[str]:
        """The overrides that it was started with; none where they cannot be read."""
        found = parsed(self.hydra("overrides.yaml"))
        return [word for word in found if isinstance(word, str)] if isinstance(found, list) else []

    @cached_property
    def words(self) -> dict[str, str]:
        """The same by key."""
        whole = [word.lstrip("+").partition("=") for word in self.typed]
        return {key: value for key, sign, value in whole if sign}


def is_number(value: Any) -> TypeGuard[float]:
    """Whether a value of a JSON file is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


@contextmanager
def noted(remarks: list[str]) -> Iterator[None]:
    """Make a remark of what cannot be read, and go on without it."""
    try:
        yield
    except LabError as error:
        remarks.append(str(error))


@contextmanager
def _reading(path: Path, what: str) -> Iterator[None]:
    """Say in a sentence that a file is not what it should be, nor what the result stands for."""
    try:
        yield
        RunDirectory(path.parent).check(path.name)
    except (OSError, ValueError, TypeError, AttributeError, pl.exceptions.PolarsError) as error:
        # without the values that polars lists, and its advice to programmers behind them
        brief = one_line(error).partition(": [")[0][:160]
        raise LabError(f"{path}: it cannot be read as {what} ({brief})") from None


def _as_lines(curves: Mapping[str, Points]) -> dict[str, Line]:
    """Curves that are kept in columns, without profiles, which are no lines."""
    return {name: (np.array(at, dtype=float), values) for name, (at, values) in curves.items() if values.ndim == 1}


def _lines(path: Path, what: str) -> dict[str, Line]:
    """The columns of a table over steps, each without its empty cells.

    Raises:
        LabError: it is not there, or not such a file.
    """
    with _reading(path, what):
        # of many small files, all of which a sweep's page reads, ten times as fast as polars
        head, *rows = path.read_text(encoding="utf-8").splitlines()
        names, cells = next(csv.reader([head])), ",".join(rows).split(",")
        if names[0] != "step" or not rows:
            raise ValueError("it has no rows" if names[0] == "step" else "its first column is not step")
        table = np.array([cell or "nan" for cell in cells], dtype=np.float64).reshape(len(rows), len(names))
        there = np.array([bool(cell) for cell in cells]).reshape(table.shape)
        if not (np.isfinite(table[:, 0]).all() and (np.diff(table[:, 0]) > 0).all()):
            raise ValueError("its steps do not ascend")
    return {
        name: (table[own, 0], table[own, index])
        for index, (name, own) in enumerate(zip(names, there.T, strict=True))
        if index
    }
