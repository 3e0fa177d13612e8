"""Targets that are classes: their names, in an order that no seed changes, and the place of each row's among them."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from src.errors import LabError
from src.tables.columns import some

if TYPE_CHECKING:
    from src.losses.loss import Targets

MOST = 1000
"""Classes, at most: each is an output of the model."""


def in_order(names: Sequence[str]) -> tuple[str, ...]:
    """Whole numbers by their size, all else by the alphabet."""
    numbers = all(re.fullmatch(r"-?\d+", name) for name in names)
    return tuple(sorted(names, key=int) if numbers else sorted(names))


def names_of(table: str, parsed: Mapping[str, pl.Series], rows: np.ndarray, targets: "Targets") -> tuple[str, ...]:
    """The classes of the rows that are used, in their order; of several targets they are the same.

    Args:
        table: what to call it in a sentence.
        parsed: the targets, as `Column.parse` gives them, by name.
        rows: that are used, from 0.
        targets: "binary" or "one_hot".

    Raises:
        LabError: there are too many, or for a loss of two classes not two, or several targets have others.
    """
    found = {name: in_order(values.gather(rows).unique().to_list()) for name, values in parsed.items()}
    if targets == "one_hot":
        if len(found) > 1:
            raise LabError(
                f"data.target=[{','.join(found)}]: the classes of one column can be told apart with this loss; name "
                "one, or say loss=logistic where each column has two classes"
            )
        ((name, classes),) = found.items()
        if len(classes) > MOST:
            raise LabError(
                f"{table}: the target {name} has {len(classes):,} different values, too many for classes (at most "
                f"{MOST:,}): choose another data.target, or for numbers say loss=squares"
            )
        return classes
    classes = in_order(list({one for classes in found.values() for one in classes}))
    if len(classes) > 2:
        several = f"the targets {' and '.join(found)} have" if len(found) > 1 else f"the target {next(iter(found))} has"
        raise LabError(
            f"{table}: {several} {len(classes):,} values ({some(classes, 3)}), and this loss tells two classes apart"
            + ("; each target must have the same two" if len(found) > 1 else ": say loss=cross_entropy")
        )
    return classes


def places(parsed: pl.Series, classes: Sequence[str]) -> np.ndarray:
    """The place of each row's class `[N]`, float64; NaN where it has none of them."""
    codes = parsed.cast(pl.Enum(list(classes)), strict=False).to_physical()
    return codes.cast(pl.Float64).fill_null(np.nan).to_numpy()


def counts(places: np.ndarray, classes: Sequence[str]) -> dict[str, int]:
    """How many of these rows each class has."""
    return dict(zip(classes, np.bincount(places.astype(int), minlength=len(classes)).tolist(), strict=True))


def text_target(table: str, name: str, parsed: pl.Series) -> LabError:
    """Of a target of text with a loss for numbers, parsed as classes: the loss to say."""
    classes = parsed.drop_nulls().unique(maintain_order=True).to_list()
    suited = "loss=logistic (or cross_entropy)" if len(classes) == 2 else "loss=cross_entropy"
    return LabError(
        f"{table}: the target {name} must be numbers, but it is text of {len(classes):,} "
        f"value{'s' * (len(classes) > 1)} ({some(classes, 3)}): for classes say {suited}, else choose "
        "another data.target"
    )
