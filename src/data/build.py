"""Data from the `data` section of a config: this project's kinds, or a class of the user's own."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from src.config.classes import building, built, import_class, parameters_of
from src.config.data import Data
from src.data.classes import with_classes
from src.data.kind import Kind
from src.data.problem import Problem, Rows
from src.errors import LabError, one_line
from src.losses.loss import Targets
from src.seeds import seeded


def build(section: Data, targets: Targets = "numbers") -> Problem:
    """Draw or read the data, with targets that are what the loss takes: see `src.data.classes`.

    A `Kind` takes its section whole. Another class or function of the user's own is given the keys that were added, and
    `seed` where it takes it; it is a `Problem`, gives one when it is called, or has a method `problem()` that does. The
    global generators are seeded for it.

    Raises:
        LabError: it cannot be imported or built, or gives something else.
    """
    kind = import_class(section.target_, "data._target_", object)
    if section.kind:
        return with_classes("data", kind(section, targets).problem(), targets)
    name = f"data._target_={section.target_}"
    with seeded(section.seed, "data.custom"), building(name, section):
        whole = isinstance(kind, type) and issubclass(kind, Kind)
        made = kind(section, targets) if whole else built(kind, name, section.model_extra or {}, {"seed": section.seed})
        problem = made.problem() if hasattr(made, "problem") else made
    if not isinstance(problem, Problem):
        raise LabError(f"{name} gives {type(problem).__name__}; it must give a src.data.problem.Problem")
    try:
        sizes = len(problem.features), len(problem.targets)
    except TypeError:
        raise LabError(f"{name} names no features or no targets: each is a list of names") from None
    train, val, test = (_checked(name, part, getattr(problem, part), *sizes) for part in ("train", "val", "test"))
    if train is None or 0 in sizes:
        raise LabError(f"{name} has no training rows, features or targets: each must be there")
    problem = replace(problem, train=train, val=val, test=test, truth=_truth(name, problem.truth, *sizes))
    return with_classes(name, problem, targets)


def _checked(name: str, part: str, rows: Any, inputs: int, outputs: int) -> Rows | None:
    """Rows of a user's own, as plain tensors; None where there are none.

    Raises:
        LabError: they are of other shapes, or no finite numbers.
    """
    if rows is None:
        return None
    try:  # arrays of NumPy, lists, and tensors that are somebody's gradient's or of another layout
        values = [torch.as_tensor(value).detach().to_dense().cpu() for value in (rows.inputs, rows.targets)]
    except Exception as error:  # a user's class can give anything
        raise LabError(f"{name}: its {part} rows are no src.data.problem.Rows of tensors ({one_line(error)})") from None
    shapes = [list(value.shape) for value in values]
    if shapes != [[*shapes[0][:1], size] for size in (inputs, outputs)]:
        wanted = f"for its features and targets they must be [rows, {inputs}] and [rows, {outputs}]"
        raise LabError(f"{name} has {part} inputs {shapes[0]} and targets {shapes[1]}; {wanted}")
    if any(value.is_complex() for value in values):
        raise LabError(f"{name}: its {part} rows have complex numbers, which are not learned from here")
    finite = values[0].isfinite().all(1) & values[1].isfinite().all(1)
    if not bool(finite.all()):
        raise LabError(f"{name}: {part} row {int(finite.int().argmin())} (from 0) has a number that is not finite")
    return Rows(*values) if len(finite) else None


def _truth(name: str, truth: Mapping[str, Any], inputs: int, outputs: int) -> dict[str, Tensor]:
    """What made the targets, as tensors that fit them."""
    shapes = {"weight": [inputs, outputs], "bias": [outputs]}
    found = {key: torch.as_tensor(value) for key, value in truth.items()}
    for key, value in found.items():
        if list(value.shape) != shapes.get(key, list(value.shape)):
            raise LabError(f"{name}: its truth has {key} {list(value.shape)}; it must be {shapes[key]}")
    return found


def takes_seed(section: Data) -> bool:
    """Whether data of the user's own are handed their seed; a class of this project has one number of rows for all.

    Raises:
        LabError: it cannot be imported.
    """
    kind = import_class(section.target_, "data._target_", object)
    whole = isinstance(kind, type) and issubclass(kind, Kind)
    return not section.kind and (whole or any(one.name == "seed" for one in parameters_of(kind) or ()))
