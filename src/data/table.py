"""Tables: read, checked, and standardized by their training rows."""

from abc import abstractmethod
from collections.abc import Sequence

import polars as pl
import torch

from src.config import data as sections
from src.data.given import Listed
from src.data.problem import Problem, Rows, Scaling
from src.errors import LabError
from src.tables.columns import numbers
from src.tables.once import read_table
from src.tables.reading import Reading


class Framed(Listed):
    """Columns of a data frame, standardized by the training rows unless `standardize` is false."""

    section: sections.Framed

    @abstractmethod
    def _frame(self) -> tuple[pl.DataFrame, Sequence[str], str]:
        """The frame, the targets' columns and what to call the frame in a sentence."""

    def problem(self) -> Problem:
        """Read, check, split and scale it."""
        section, (frame, targets, name) = self.section, self._frame()
        (target,) = targets
        features = list(section.features) if section.features is not None else [c for c in frame.columns if c != target]
        if target in features:
            raise LabError(f"the target {target} is also among data.features: leave it out there")
        twice = [feature for feature in features if features.count(feature) > 1]
        if twice:
            raise LabError(f"data.features names {twice[0]} {features.count(twice[0])} times: once is enough")
        if section.features == []:
            raise LabError("data.features=[] names no column: null takes every column but the target")
        columns = torch.from_numpy(numbers(frame, [*features, target], name))
        if not features:
            raise LabError(f"{name} has no columns besides the target {target}: there is nothing to predict it from")
        train, val, test = self._split(Rows(columns[:, :-1], columns[:, -1:]))
        if bool((train.targets == train.targets[0]).all()):
            raise LabError(f"{name}: the target {target} is constant in the training rows; there is nothing to learn")
        scaling = Scaling.of(train.inputs, train.targets) if section.standardize else Scaling.identity(len(features), 1)
        scaled_val, scaled_test = (scaling.forward(part) if part else None for part in (val, test))
        return Problem(scaling.forward(train), scaled_val, scaled_test, features, [target], scaling=scaling)


class Table(Framed):
    """The user's own file."""

    section: sections.Table

    def _frame(self) -> tuple[pl.DataFrame, Sequence[str], str]:
        section = self.section
        how = Reading(section.separator, section.decimal, section.header, section.encoding)
        return read_table(section.path, how).frame, section.targets, section.path
