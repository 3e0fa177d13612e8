"""Labels become what a loss for classes takes: 0 and 1, or a column a class."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from src.data.problem import Problem, Rows
from src.errors import LabError
from src.losses.loss import Targets
from src.tables.classes import MOST
from src.tables.columns import some

PARTS = ("train", "val", "test")


def with_classes(name: str, problem: Problem, targets: Targets) -> Problem:
    """A problem as a loss takes it; nothing changes where the loss is not for classes.

    Labels are whole numbers `[N, 1]`, in the order of `problem.classes` from 0 where it names them, else any, in the
    order of their size. With "one_hot" they become columns `[N, C]`; targets of several columns are taken as those
    already, of one target that is called class. With "binary" each column is 0 and 1 already, or two labels.

    Args:
        name: what to call the data in a sentence.
        problem: with targets `[N, O]`.
        targets: what the loss takes.

    Raises:
        LabError: they are no whole numbers, are more than there are names, or for "binary" more than two.
    """
    if targets not in ("binary", "one_hot"):
        return replace(problem, classes=())
    rows = {part: one for part in PARTS if (one := getattr(problem, part)) is not None}
    if targets == "one_hot" and problem.outputs > 1:
        classes = tuple(problem.classes or problem.targets)
        if len(classes) != problem.outputs:
            raise LabError(f"{name} names {len(classes)} classes ({some(classes)}) for {problem.outputs} columns")
        return replace(problem, classes=classes, targets=problem.targets if len(problem.targets) == 1 else ("class",))
    labels = _labels(name, rows)
    if problem.classes:
        classes = tuple(problem.classes)
        beyond = labels[(labels < 0) | (labels >= len(classes))]
        if len(beyond):
            raise LabError(
                f"{name} names {len(classes)} classes ({some(classes)}), so its targets must be 0 to "
                f"{len(classes) - 1}, but one is {int(beyond[0])}"
            )
        labels = torch.arange(len(classes)).double()
    elif targets == "binary" and bool(((labels == 0) | (labels == 1)).all()):
        labels = torch.arange(2).double()
    classes = tuple(problem.classes) or tuple(str(int(label)) for label in labels)
    _check_number(name, classes, targets)

    def taken(one: Rows) -> Rows:
        places = torch.searchsorted(labels, one.targets.double().contiguous())
        if targets == "binary":
            return Rows(one.inputs, places.to(torch.float64))
        return Rows(one.inputs, torch.nn.functional.one_hot(places[:, 0], len(classes)).to(torch.float64))

    scaling, width = problem.scaling, problem.outputs if targets == "binary" else len(classes)
    if scaling is not None:
        no, one = torch.zeros(width).double(), torch.ones(width).double()
        scaling = replace(scaling, target_mean=no, target_scale=one)
    parts: dict[str, Any] = {part: taken(one) for part, one in rows.items()}
    return replace(problem, **parts, classes=classes, scaling=scaling)


def _labels(name: str, rows: dict[str, Rows]) -> Tensor:
    """The different targets of all parts, in order, float64."""
    for part, one in rows.items():
        targets = one.targets.double()
        wrong = (targets != targets.round()).any(1).nonzero()
        if len(wrong):
            row = int(wrong[0])
            raise LabError(
                f"{name}: targets must be classes, whole numbers, but {part} row {row} (from 0) has "
                f"{', '.join(f'{value:g}' for value in targets[row].tolist())}: for numbers say loss=squares"
            )
    return torch.cat([one.targets.double().flatten() for one in rows.values()]).unique()


def _check_number(name: str, classes: Sequence[str], targets: Targets) -> None:
    if targets == "binary" and len(classes) != 2:
        number = f"{len(classes)} different value{'s' * (len(classes) > 1)} ({some(classes)})"
        cure = ": say loss=cross_entropy" if len(classes) > 2 else ""
        raise LabError(f"{name}: this loss tells two classes apart, and the targets have {number}{cure}")
    if len(classes) < 2:
        raise LabError(f"{name}: all targets are {classes[0]}; there is nothing to tell apart")
    if len(classes) > MOST:
        raise LabError(
            f"{name}: targets have {len(classes):,} different values, too many for classes (at most {MOST:,}): for "
            "numbers say loss=squares"
        )
