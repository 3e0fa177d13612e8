"""Data from the `data` section of a config: this project's kinds, or a class of the user's own."""

from src.config.classes import building, built, import_class, parameters_of
from src.config.data import Data
from src.data.kind import Kind
from src.data.problem import Problem
from src.errors import LabError
from src.seeds import seeded


def build(section: Data) -> Problem:
    """Draw or read the data.

    A `Kind` takes its section whole. Another class or function of the user's own is given the keys that were added, and
    `seed` where it takes it; it is a `Problem`, gives one when it is called, or has a method `problem()` that does. The
    global generators are seeded for it.

    Raises:
        LabError: it cannot be imported or built, or gives something else.
    """
    kind = import_class(section.target_, "data._target_", object)
    if section.kind:
        return kind(section).problem()
    name = f"data._target_={section.target_}"
    with seeded(section.seed, "data.custom"), building(name, section):
        whole = isinstance(kind, type) and issubclass(kind, Kind)
        made = kind(section) if whole else built(kind, name, section.model_extra or {}, {"seed": section.seed})
        problem = made.problem() if hasattr(made, "problem") else made
    if not isinstance(problem, Problem):
        raise LabError(f"{name} gives {type(problem).__name__}; it must give a src.data.problem.Problem")
    sizes = [len(problem.features), len(problem.targets)]
    for part in ("train", "val", "test"):
        rows = getattr(problem, part)
        shapes = [] if rows is None else [list(rows.inputs.shape), list(rows.targets.shape)]
        if rows is not None and shapes != [[*shapes[0][:1], size] for size in sizes]:
            wanted = (
                f"{shapes[0]} and targets {shapes[1]}; for its features and targets they must be [rows, {sizes[0]}]"
            )
            raise LabError(f"{name} has {part} inputs {wanted} and [rows, {sizes[1]}]")
        finite = None if rows is None else rows.inputs.isfinite().all(1) & rows.targets.isfinite().all(1)
        if finite is not None and not bool(finite.all()):
            raise LabError(f"{name}: {part} row {int(finite.int().argmin())} (from 0) has a number that is not finite")
    return problem


def takes_seed(section: Data) -> bool:
    """Whether data of the user's own are handed their seed; a class of this project has one number of rows for all.

    Raises:
        LabError: it cannot be imported.
    """
    kind = import_class(section.target_, "data._target_", object)
    whole = isinstance(kind, type) and issubclass(kind, Kind)
    return not section.kind and (whole or any(one.name == "seed" for one in parameters_of(kind) or ()))
