"""A run directory as it is shown: each of its files is read when it is asked for."""

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml
from numpy.typing import NDArray

from src.config.schema import flat
from src.errors import LabError, one_line
from src.plots.one_run import Histogram
from src.run_directory import HISTOGRAM_COLUMNS, RunDirectory

Line = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Steps and values, or x and y, `[N]` each."""
FIT = {"kind": pl.String, "x": pl.Float64, "y": pl.Float64, "rows": pl.Float64}
HISTOGRAMS = dict(zip(HISTOGRAM_COLUMNS, (pl.Int64, pl.String, pl.Float64, pl.Float64, pl.String), strict=True))


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
    """A run directory; its files are read when they are asked for.

    Attributes:
        directory: of the run.
        sweep: what its sweep is called, where there are several.
    """

    directory: Path
    sweep: str = ""

    @property
    def name(self) -> str:
        """Of the directory, behind that of its sweep where there are several."""
        name = self.directory.resolve().name
        return f"{self.sweep}/{name}" if self.sweep else name

    @cached_property
    def result(self) -> dict[str, Any]:
        """What `result.json` holds.

        Raises:
            LabError: the run is unfinished, or the file is broken.
        """
        result = RunDirectory(self.directory).read_result()
        metrics = result.get("metrics")
        numbers = isinstance(metrics, dict) and all(one is None or _is_number(one) for one in metrics.values())
        if result["status"] not in ("completed", "diverged") or not numbers or not _is_number(result.get("steps")):
            raise LabError(
                f"{self.directory / 'result.json'} is broken (status, steps and metrics are not those of a run)"
            )
        return result

    @cached_property
    def curves(self) -> dict[str, Line]:
        """The columns of `metrics.csv`, each without its empty cells.

        Raises:
            LabError: it is not there, or not such a file.
        """
        return _lines(RunDirectory(self.directory).curves_path, "the curves of a run")

    @cached_property
    def foreseen(self) -> dict[str, Line]:
        """The columns of `theory.csv` that hold anything, each without its empty cells; nothing where it is not there.

        Raises:
            LabError: it is not such a file.
        """
        path = RunDirectory(self.directory).theory_path
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
        try:
            table = pl.read_csv(path, schema=FIT)
            kinds = [
                table.filter(pl.col("kind") == kind).drop("kind").cast(pl.Float64).fill_null(math.nan).to_numpy()
                for kind in ("train", "moments", "fitted")
            ]
        except (OSError, pl.exceptions.PolarsError) as error:
            raise LabError(f"{path}: it cannot be read as the data of a run ({briefly(error)})") from None
        train, moments, fitted = kinds
        if not (len(moments) and len(train) and len(fitted) and np.isfinite(moments).all()):
            raise LabError(f"{path}: it cannot be read as the data of a run (rows are missing)")
        of_train, of_moments, of_fitted = ((kind[:, 0], kind[:, 1]) for kind in kinds)
        return Fit(of_train, of_moments, of_fitted, round(moments[:, 2].sum()))

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
        try:
            for step, name, low, high, counts in pl.read_csv(path, schema=HISTOGRAMS).iter_rows():
                held = np.array(counts.split(), dtype=np.float64)
                if not held.sum() > 0 or not low < high:
                    raise ValueError("a histogram that holds nothing")
                found.setdefault(name, {})[step] = Histogram(step, np.linspace(low, high, len(held) + 1), held)
        except (OSError, ValueError, TypeError, AttributeError, pl.exceptions.PolarsError) as error:
            raise LabError(f"{path}: it cannot be read as the histograms of a run ({briefly(error)})") from None
        return found

    @cached_property
    def config_text(self) -> str:
        """`.hydra/config.yaml` as it is; empty where there is none."""
        try:
            return (self.directory / ".hydra" / "config.yaml").read_text(encoding="utf-8")
        except (OSError, ValueError):
            return ""

    @cached_property
    def config(self) -> dict[str, str]:
        """The config as words: keys joined by dots, values as they are typed."""
        return {key: _word(value) for key, value in flat(_parsed(self.config_text)).items() if key and value != {}}

    @cached_property
    def choices(self) -> dict[str, str]:
        """The option of each group."""
        try:
            text = (self.directory / ".hydra" / "hydra.yaml").read_text(encoding="utf-8")
        except (OSError, ValueError):
            return {}
        chosen = _parsed(text)
        for key in ("hydra", "runtime", "choices"):
            chosen = chosen.get(key) if isinstance(chosen, dict) else None
        return {key: _word(value) for key, value in chosen.items()} if isinstance(chosen, dict) else {}

    @cached_property
    def words(self) -> dict[str, str]:
        """The overrides that it was started with, by key."""
        try:
            typed = _parsed((self.directory / ".hydra" / "overrides.yaml").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        whole = [word.lstrip("+").partition("=") for word in typed if isinstance(word, str)] if typed else []
        return {key: value for key, sign, value in whole if sign}


def briefly(error: BaseException) -> str:
    """What an exception says, without the values it lists and the advice to programmers that follows them."""
    return one_line(error).partition(": [")[0][:160]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _parsed(text: str) -> Any:
    """What YAML says; nothing where it is broken, for it is only shown."""
    try:
        return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError:
        return None


def _word(value: Any) -> str:
    """A value as it would be typed."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"[{','.join(map(_word, value))}]" if isinstance(value, list) else str(value)


def _lines(path: Path, what: str) -> dict[str, Line]:
    """The columns of a table over steps, each without its empty cells.

    Raises:
        LabError: it is not there, or not such a file.
    """
    try:
        table = pl.read_csv(path, infer_schema=False).cast(pl.Float64)
        steps = table["step"].to_numpy()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise LabError(f"{path}: it cannot be read as {what} ({briefly(error)})") from None
    if not (len(steps) and np.isfinite(steps).all() and (np.diff(steps) > 0).all()):
        why = "its steps do not ascend" if len(steps) else "it has no rows"
        raise LabError(f"{path}: it cannot be read as {what} ({why})")
    lines = {}
    for name in table.columns[1:]:
        there = table[name].is_not_null().to_numpy()
        lines[name] = steps[there], table[name].drop_nulls().to_numpy()
    return lines
