"""The sections of `data`, one for each kind in `src/data`; never imports torch."""

import math
from encodings.aliases import aliases
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, NonNegativeInt, PositiveInt, model_validator

from src.config.section import (
    Activation,
    ByClassPath,
    ClassPath,
    NotNegative,
    Number,
    Numbers,
    Open,
    Section,
    Seed,
    shown,
)
from src.config.table_path import SEPARATORS, expanded
from src.errors import nearest


def _share(value: Any) -> int | float:
    count = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    fraction = isinstance(value, float) and 0 <= value < 1
    if not (count or fraction):
        raise ValueError("must be a number of rows (0, 1, 2, ...) or a fraction of them (from 0.0 to below 1.0)")
    return value


def _batch_size(value: Any) -> int | Literal["full"]:
    if value == "full" or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return value
    raise ValueError("must be 'full' or a number of rows above 0")


def _decimal(value: str) -> str:
    if value not in (".", ","):
        raise ValueError("must be '.' or ','")
    return value


def _separator(value: str) -> str:
    if value not in SEPARATORS:
        raise ValueError("must be ',', ';', '|', tab or space")
    return value


def _encoding(value: str) -> str:
    try:
        "".encode(value)
    except LookupError:  # or it is of bytes, as base64 is
        close = nearest(value.lower().replace("-", "_"), {*aliases, *aliases.values()})
        raise ValueError(
            f"there is no such encoding{close} (any that Python knows: utf-8, latin-1, cp1252, ...)"
        ) from None
    return value


Share = Annotated[int | float, BeforeValidator(_share)]
BatchSize = Annotated[int | Literal["full"], BeforeValidator(_batch_size)]


class Data(Section):
    """What is learned from."""

    free = frozenset({"seed", "shuffle_seed"})

    target_: ClassPath = Field(alias="_target_")
    seed: Seed
    shuffle_seed: Seed
    batch_size: BatchSize

    def validates(self) -> bool:
        """Whether validation rows were asked for; how many there are may be known when the rows are."""
        return self.arguments().get("val") != 0

    def sizes(self) -> tuple[int, int, int]:
        """Inputs, outputs and training rows, to plan with; where only the data themselves know them, a guess."""
        keys = self.arguments()
        return keys.get("inputs", 1), keys.get("outputs", 1), keys.get("rows", 500)


class Drawn(Data):
    """Data drawn afresh: `rows` for training, and beside them `val` and `test` rows, numbers or fractions of `rows`."""

    rows: PositiveInt
    val: Share
    test: Share

    def validates(self) -> bool:
        """Whether there are validation rows."""
        return (self.val if isinstance(self.val, int) else round(self.val * self.rows)) > 0

    @model_validator(mode="after")
    def _batch_fits(self) -> "Drawn":
        if self.batch_size != "full" and self.batch_size > self.rows:
            raise ValueError(f"data.batch_size={self.batch_size} is more than the {self.rows} training rows")
        return self


class Line(Drawn):
    """A noisy line."""

    kind = "src.data.line.Line"
    free = Data.free | {"slope", "intercept", "noise", "low", "high", "spacing"}

    slope: Number
    intercept: Number
    noise: NotNegative
    low: Number
    high: Number
    spacing: Literal["even", "uniform", "normal"]

    @model_validator(mode="after")
    def _range(self) -> "Line":
        if self.low >= self.high:
            raise ValueError(f"data.low={self.low:g} must be below data.high={self.high:g}")
        return self


class Features(Drawn):
    """Several features with a chosen condition number."""

    kind = "src.data.features.Features"
    free = Data.free | {"condition_number", "weights", "intercept", "noise"}

    inputs: PositiveInt
    condition_number: Annotated[float, Field(ge=1, le=1e10)]  # float32 data cannot hold a larger one
    weights: list[Number] | None
    intercept: Number
    noise: NotNegative

    @model_validator(mode="after")
    def _sizes(self) -> "Features":
        if self.weights is not None and len(self.weights) != self.inputs:
            raise ValueError(f"data.weights has {len(self.weights)} numbers for data.inputs={self.inputs}")
        if self.rows <= self.inputs:
            raise ValueError(
                f"data.rows={self.rows} must be more than data.inputs={self.inputs}: "
                "with fewer no Hessian has the condition number asked for"
            )
        return self


class Random(Drawn):
    """Inputs and targets without any relation."""

    kind = "src.data.random.Random"

    inputs: PositiveInt
    outputs: PositiveInt


class Teacher(Drawn):
    """What a two-layer network with drawn weights makes."""

    kind = "src.data.teacher.Teacher"
    free = Data.free | {"hidden", "activation", "noise"}

    inputs: PositiveInt
    hidden: PositiveInt
    outputs: PositiveInt
    activation: Activation
    noise: NotNegative


class Noise(Drawn):
    """The noise of a surface's gradient."""

    kind = "src.data.noise.Noise"
    free = Data.free | {"noise"}

    noise: NotNegative

    @model_validator(mode="after")
    def _several(self) -> "Noise":
        if self.noise and self.rows == 1:
            message = "rows of noise average to 0, so one row has none: say data.rows=1000 data.batch_size=1"
            raise ValueError(f"data.noise={self.noise:g}: {message}")
        return self

    def sizes(self) -> tuple[int, int, int]:
        """A surface has two inputs, its coordinates, and its height is the one output."""
        return 2, 1, self.rows


class Listed(Data):
    """Data that are there: split by a number of rows or by fractions."""

    train: Share | None
    val: Share
    test: Share

    @model_validator(mode="after")
    def _adds_up(self) -> "Listed":
        if self.train is not None and not self.train:
            raise ValueError(f"data.train={self.train:g} leaves no rows for training (null takes the rest)")
        shares = {"train": self.train, "val": self.val, "test": self.test}
        fractions = {name: share for name, share in shares.items() if isinstance(share, float)}
        sums = " + ".join(f"data.{name}={share:g}" for name, share in fractions.items())
        total = sum(fractions.values())
        if self.train is None and total >= 1:
            raise ValueError(f"{sums} leaves no rows for training: the fractions must add up to less than 1")
        if len(fractions) == 3 and not math.isclose(total, 1, abs_tol=1e-9):
            raise ValueError(f"{sums} is {total:g}: the fractions must add up to 1 (data.train=null takes the rest)")
        if total > 1 + 1e-9:
            raise ValueError(f"{sums} is {total:g}: the fractions must not add up to more than 1")
        return self


class Points(Listed):
    """Points listed in the config."""

    kind = "src.data.points.Points"
    free = Data.free | {"x", "y"}

    x: Numbers
    y: Numbers

    @model_validator(mode="after")
    def _same_length(self) -> "Points":
        for name, rows in (("x", self.x), ("y", self.y)):
            widths = {len(row) if isinstance(row, list) else -1 for row in rows} if isinstance(rows, list) else set()
            flat = [n for row in rows for n in (row if isinstance(row, list) else [row])] if widths else []
            numbers = all(isinstance(n, int | float) and not isinstance(n, bool) for n in flat)
            if len(widths) != 1 or 0 in widths or not numbers:
                message = (
                    f"data.{name}={shown(rows)}: must be a list of numbers, or a list of equally long lists of them"
                )
                raise ValueError(message)
        if len(self.x) != len(self.y):
            raise ValueError(f"data.x has {len(self.x)} points and data.y has {len(self.y)}")
        if self.batch_size != "full" and self.batch_size > len(self.x):
            raise ValueError(f"data.batch_size={self.batch_size} is more than the {len(self.x)} points")
        return self

    def sizes(self) -> tuple[int, int, int]:
        """As they are written."""
        inputs, outputs = (len(rows[0]) if isinstance(rows[0], list) else 1 for rows in (self.x, self.y))
        return inputs, outputs, len(self.x)


class Framed(Listed):
    """Columns of a table; `features: null` is every column but the target."""

    features: list[str] | None
    standardize: bool


class Table(Framed):
    """The user's own file."""

    kind = "src.data.table.Table"

    path: str
    target: str | Annotated[list[str], Field(min_length=1)]
    leave_out: list[str]
    categories: NonNegativeInt
    missing: Literal["drop", "mean", "median", "refuse"]
    dates: Literal["days", "parts"]
    log_target: bool
    separator: Annotated[str, AfterValidator(_separator)] | None
    decimal: Annotated[str, AfterValidator(_decimal)] | None
    header: bool | None
    encoding: Annotated[str, AfterValidator(_encoding)] | None
    write_split: bool

    @property
    def targets(self) -> list[str]:
        """The columns that are predicted."""
        return [self.target] if isinstance(self.target, str) else self.target

    def sizes(self) -> tuple[int, int, int]:
        """Guessed from the size of the file."""
        columns = len(self.features or range(10))
        path = expanded(self.path)
        numbers = path.stat().st_size // 8 if path.is_file() else 0
        return columns, len(self.targets), max(1, numbers // (columns + 1))


class ScikitLearn(Framed):
    """A data set that scikit-learn ships."""

    kind = "src.data.scikit_learn.ScikitLearn"

    name: Literal["breast_cancer", "diabetes", "digits", "iris", "wine"]


class CustomData(Data, Open):
    """A class of the user's own; it takes every key that is not one of `Data`."""


AnyData = Annotated[Data, ByClassPath(CustomData)]
