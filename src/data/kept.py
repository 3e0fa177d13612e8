"""Tables that are read already, for whoever trains on them in the same process."""

import torch

from src.config.data import Data
from src.data.build import build
from src.data.problem import Problem, Rows
from src.losses.loss import Targets
from src.tables.once import identity

MOST = 2**30
"""Bytes of problems that are kept, unless it is one only."""

_problems: dict[tuple[str, Targets], Problem] = {}


def problem_of(section: Data, targets: Targets) -> Problem:
    """The problem that was kept, or else drawn or read now: see `src.data.build`."""
    found = _problems.get((identity(section), targets)) if _problems else None
    return build(section, targets) if found is None else found


def keep(section: Data, targets: Targets, problem: Problem) -> None:
    """Keep it, as far as there is room."""
    if not _problems or sum(map(_bytes, [problem, *_problems.values()])) <= MOST:
        _problems[identity(section), targets] = problem


def forget() -> None:
    """Keep nothing any more."""
    _problems.clear()


def _bytes(problem: Problem) -> int:
    parts = [part for part in (problem.train, problem.val, problem.test) if isinstance(part, Rows)]
    tensors: list[torch.Tensor] = [tensor for part in parts for tensor in (part.inputs, part.targets)]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
