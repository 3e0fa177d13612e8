"""Tables: read, chosen from, split, encoded, and standardized by their training rows."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from src.config import data as sections
from src.data.given import Listed
from src.data.problem import Problem, Rows, Scaling
from src.errors import LabError
from src.tables.account import Account
from src.tables.choosing import Asked, Chosen, choose, nothing_left
from src.tables.classes import counts, names_of, places
from src.tables.encoding import Encoding
from src.tables.once import read_table
from src.tables.reading import Reading, ReadTable


class Framed(Listed):
    """Columns of a data frame, standardized by the training rows unless `standardize` is false."""

    section: sections.Framed

    @abstractmethod
    def _table(self) -> tuple[ReadTable, Asked]:
        """The table, and what is asked of it."""

    def problem(self) -> Problem:
        """Read it, choose columns and rows, split, encode and scale."""
        table, asked = self._table()
        asked = replace(asked, targets_are=self.targets_are)
        name, total, chosen = table.name, len(table.frame), choose(table, asked)
        del table  # text that is parsed now may be most of the memory
        targets, classes = self._targets(name, chosen)
        if asked.log_target and self.targets_are != "numbers":
            what = "counts" if self.targets_are == "counts" else "classes"
            raise LabError(f"data.log_target=true: this loss takes {what}, as they are; say data.log_target=false")
        if asked.log_target:
            _check_positive(name, chosen, targets)
        parts = [chosen.rows[part.numpy()] for part in self._split(len(chosen.rows))]
        _check_varies(name, chosen, targets[parts[0]])
        encoding = Encoding.fit(name, chosen, parts[0], asked.missing, asked.dates)
        left_out = {**chosen.columns_left_out, **_constant(chosen, encoding)}
        if not encoding.features:
            raise LabError(nothing_left(name, asked.targets, left_out))
        # a validation or test row may have a category that no training row has
        usable, unseen = encoding.usable(chosen.parsed, total, chosen.rows)
        parts = [part[usable[part]] for part in parts]
        train, val, test = (
            Rows(*(torch.from_numpy(part) for part in (encoding.numbers(chosen.parsed, rows), targets[rows])))
            for rows in parts
        )
        scaling = identity = Scaling.identity(len(encoding.names), len(chosen.targets), asked.log_target)
        if self.section.standardize:
            scaling = Scaling.of(train.inputs, train.targets, asked.log_target)
        if self.targets_are != "numbers":
            scaling = replace(scaling, target_mean=identity.target_mean, target_scale=identity.target_scale)
        used = encoding.features
        account = Account(
            name,
            total,
            chosen.told,
            {**chosen.rows_left_out, **{why: len(rows) for why, rows in unseen.items()}},
            [one.name for one in used if one.column.kind == "number"],
            {one.name: one.levels for one in used if one.categorical},
            [one.name for one in chosen.features if one.kind == "date"],
            left_out,
            {
                one.name: counts(targets[parts[0], column], classes)
                for column, one in enumerate(chosen.targets if classes else ())
            },
            {part: rows + 1 for part, rows in zip(("train", "val", "test"), parts, strict=True)},
        )
        return Problem(
            _scaled(scaling, train),
            _scaled(scaling, val) if len(val) else None,
            _scaled(scaling, test) if len(test) else None,
            encoding.names,
            [one.name for one in chosen.targets],
            scaling=scaling,
            table=account,
            encoding=encoding,
            sizes_by_split=any(
                one.kind == "category" or (one.kind == "date" and asked.dates == "parts") for one in chosen.features
            ),
            classes=classes,
        )

    def _targets(self, name: str, chosen: Chosen) -> tuple[np.ndarray, Sequence[str]]:
        """Targets of all rows, `[N, O]` float64, and the names of classes, whose places they are; none of numbers."""
        parsed = {one.name: chosen.parsed[one.name] for one in chosen.targets}
        if self.targets_are not in ("binary", "one_hot"):
            return np.stack([values.to_numpy() for values in parsed.values()], 1).astype(np.float64), ()
        classes = names_of(name, parsed, chosen.rows, self.targets_are)
        return np.stack([places(values, classes) for values in parsed.values()], 1), classes


class Table(Framed):
    """The user's own file."""

    section: sections.Table

    def _table(self) -> tuple[ReadTable, Asked]:
        section = self.section
        how = Reading(section.separator, section.decimal, section.header, section.encoding)
        asked = Asked(
            section.targets,
            section.features,
            section.leave_out,
            section.categories,
            section.missing,
            section.dates,
            section.log_target,
        )
        return read_table(section.path, how), asked


def _scaled(scaling: Scaling, rows: Rows) -> Rows:
    """In place for the inputs: there may be no room for another copy of them."""
    inputs = rows.inputs.sub_(scaling.input_mean).div_(scaling.input_scale)
    return Rows(inputs, scaling.forward(Rows(inputs[:0], rows.targets)).targets)


def _check_varies(table: str, chosen: Chosen, targets: np.ndarray) -> None:
    """Refuse a target that is constant in the training rows `[n, O]`."""
    constant = (targets == targets[:1]).all(0)
    if constant.any():
        name = chosen.targets[int(constant.argmax())].name
        raise LabError(f"{table}: the target {name} is constant in the training rows; there is nothing to learn")


def _check_positive(table: str, chosen: Chosen, targets: np.ndarray) -> None:
    """Refuse a target `[N, O]` that has no logarithm in a row that is used."""
    wrong = np.argwhere(~(targets[chosen.rows] > 0))
    if len(wrong):
        place, column = wrong[0]
        row, more = chosen.rows[place], f" ({len(wrong):,} such numbers)" if len(wrong) > 1 else ""
        raise LabError(
            f"data.log_target=true: {table}: the target {chosen.targets[column].name} must be above 0, but row "
            f"{row + 1} is {targets[row, column]:g}{more}; say data.log_target=false"
        )


def _constant(chosen: Chosen, encoding: Encoding) -> dict[str, str]:
    """Columns that the encoding left out, with the reason."""
    used = {feature.column.name for feature in encoding.features}
    return {one.name: "one value in the training rows" for one in chosen.features if one.name not in used}
