"""Data that are there: points in the config, the user's table, the diabetes data. Split, checked, standardized."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import torch
from torch import Tensor

from src.data.problem import Problem, Rows, Scaling, count, names
from src.errors import LabError, nearest
from src.seeds import stream


@dataclass(frozen=True, kw_only=True)
class Listed(ABC):
    """Rows that are split into training, validation and test: numbers of rows, or fractions; `train=None` the rest.

    Which row goes where is drawn from `seed`; inside each part rows keep their order.
    """

    seed: int
    train: int | float | None
    val: int | float
    test: int | float

    @abstractmethod
    def problem(self) -> Problem:
        """Read it."""

    def _split(self, rows: Rows) -> tuple[Rows, Rows | None, Rows | None]:
        total = len(rows)
        val, test = count(self.val, total), count(self.test, total)
        train = total - val - test if self.train is None else count(self.train, total)
        if isinstance(self.train, float) and isinstance(self.val, float) and isinstance(self.test, float):
            train = total - val - test  # they add up to 1, so rounding must not lose a row
        if train + val + test > total:
            raise LabError(f"{train} + {val} + {test} rows for training, validation and test: there are only {total}")
        if train < 1:
            raise LabError(f"of {total} rows, {val} for validation and {test} for test leave none to train on")
        shuffled = torch.randperm(total, generator=stream(self.seed, "data.split"))
        parts = [part.sort().values for part in shuffled[: train + val + test].split([train, val, test])]
        first, *others = (Rows(rows.inputs[part], rows.targets[part]) if len(part) else None for part in parts)
        assert first is not None
        return first, others[0], others[1]


@dataclass(frozen=True, kw_only=True)
class Points(Listed):
    """Points written in the config: `x` and `y` are lists of numbers, or of lists for several features or targets."""

    x: list[float] | list[list[float]]
    y: list[float] | list[list[float]]

    def problem(self) -> Problem:
        """As they are written, in float32."""
        inputs, targets = (t if t.dim() == 2 else t[:, None] for t in map(torch.tensor, (self.x, self.y)))
        train, val, test = self._split(Rows(inputs.float(), targets.float()))
        return Problem(train, val, test, names("x", inputs.shape[1]), names("y", targets.shape[1]))


@dataclass(frozen=True, kw_only=True)
class Framed(Listed):
    """Columns of a data frame, standardized by the training rows unless `standardize` is false."""

    features: Sequence[str] | None
    standardize: bool

    @abstractmethod
    def _frame(self) -> tuple[pl.DataFrame, str, str]:
        """The frame, the target's column and what to call the frame in a sentence."""

    def problem(self) -> Problem:
        """Read, check, split and scale it."""
        frame, target, name = self._frame()
        features = list(self.features) if self.features is not None else [c for c in frame.columns if c != target]
        if target in features:
            raise LabError(f"the target {target} is also among data.features")
        if not features:
            raise LabError(f"{name} has no feature columns besides the target {target}")
        columns = numbers(frame, [*features, target], name)
        train, val, test = self._split(Rows(columns[:, :-1], columns[:, -1:]))
        if bool((train.targets == train.targets[0]).all()):
            raise LabError(f"{name}: the target {target} is constant in the training rows; there is nothing to learn")
        scaling = Scaling.of(train.inputs, train.targets) if self.standardize else Scaling.identity(len(features), 1)
        scaled_val, scaled_test = (scaling.forward(part) if part else None for part in (val, test))
        return Problem(scaling.forward(train), scaled_val, scaled_test, features, [target], scaling=scaling)


@dataclass(frozen=True, kw_only=True)
class Table(Framed):
    """The user's CSV or Parquet file."""

    path: str
    target: str

    def _frame(self) -> tuple[pl.DataFrame, str, str]:
        return read(self.path), self.target, self.path


@dataclass(frozen=True, kw_only=True)
class Diabetes(Framed):
    """442 patients, 10 features, disease progression a year later (Efron, Hastie, Johnstone, Tibshirani 2004)."""

    def _frame(self) -> tuple[pl.DataFrame, str, str]:
        try:
            from sklearn.datasets import load_diabetes
        except ImportError:
            raise LabError("data=diabetes needs scikit-learn: pip install 'descent-lab[diabetes]'") from None
        bunch = load_diabetes(scaled=False)
        frame = pl.DataFrame(bunch.data, schema=list(bunch.feature_names))
        return frame.with_columns(pl.Series("progression", bunch.target)), "progression", "diabetes"


def read(path: str | Path) -> pl.DataFrame:
    """A CSV or Parquet file as a data frame with at least one row.

    Raises:
        LabError: it is not there, not such a file, cannot be read, or has no rows.
    """
    path = Path(path)
    if not path.is_file():
        raise LabError(f"data.path={path}: there is no such file")
    if path.suffix.lower() not in (".csv", ".tsv", ".parquet", ".pq"):
        raise LabError(f"data.path={path}: must be a .csv, .tsv or .parquet file")
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            frame = pl.read_parquet(path)
        else:
            separator = "\t" if path.suffix.lower() == ".tsv" else ","
            frame = pl.read_csv(path, separator=separator, infer_schema_length=None, encoding="utf8-lossy")
    except pl.exceptions.NoDataError:
        raise LabError(f"data.path={path}: the file is empty") from None
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise LabError(f"data.path={path}: it cannot be read ({reason})") from None
    if frame.is_empty():
        raise LabError(f"data.path={path}: the table has no rows")
    return frame.rename({column: column.strip().removeprefix("\ufeff") for column in frame.columns})


def numbers(frame: pl.DataFrame, columns: Sequence[str], name: str) -> Tensor:
    """These columns as float64 `[N, len(columns)]`.

    Raises:
        LabError: a column that is not there, text, missing or infinite values. Rows are counted from 1.
    """
    for column in columns:
        if column not in frame.columns:
            known = ", ".join(frame.columns)
            raise LabError(f"{name} has no column {column}{nearest(column, frame.columns)} (columns: {known})")
    tensors = []
    for column in columns:
        values = frame[column]
        if values.dtype == pl.String:
            values = values.str.strip_chars().replace("", None)
        parsed = values.cast(pl.Float64, strict=False) if not values.dtype.is_temporal() else values.clear(len(values))
        text = (parsed.is_null() & values.is_not_null()).arg_true()
        if len(text):
            raise LabError(
                f"{name}: column {column} must be numbers, but row {text[0] + 1} is {values[text[0]]!s}"
                f"{f' ({len(text)} such rows)' if len(text) > 1 else ''}; leave the column out with data.features=[...]"
            )
        bad = (parsed.is_null() | parsed.is_nan() | parsed.is_infinite()).fill_null(True).arg_true()
        if len(bad):
            rows = ", ".join(str(row + 1) for row in bad[:5]) + (", ..." if len(bad) > 5 else "")
            what = "missing" if parsed[bad[0]] is None else "not finite"
            raise LabError(f"{name}: column {column} is {what} in row {rows}; fill or drop such rows first")
        tensors.append(torch.from_numpy(parsed.to_numpy().copy()))
    return torch.stack(tensors, dim=1)
