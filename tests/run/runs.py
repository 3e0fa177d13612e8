"""Jobs of a test, as members of a stack and as runs of their own."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from src.engine.choose_stepper import Choice, choose_stepper
from src.errors import LabError
from src.run.build import RunSpec
from src.run.train import quiet, train
from src.run_directory import Result, RunDirectory, read_profiles, read_rows
from src.sweep.jobs import Composer

RULES = Choice("rules")
QUIET = ["callbacks.progress_bar=null"]


def members(root: Path, shared: Sequence[str], jobs: Sequence[Sequence[str]]) -> list[RunSpec]:
    """A member for each job, its directory made."""
    composer = _composer((*QUIET, *shared))
    found = []
    for number, job in enumerate(jobs):
        directory = root / str(number)
        directory.mkdir(parents=True, exist_ok=True)
        found.append(RunSpec(composer.job(job).config_in(directory), directory, "the command"))
    return found


@lru_cache(maxsize=16)
def _composer(words: tuple[str, ...]) -> Composer:
    """Kept: the words that jobs share take longest to compose."""
    return Composer(words)


def stacked(root: Path, shared: Sequence[str], jobs: Sequence[Sequence[str]], **knobs: Any) -> list[Result]:
    """The results of the jobs as one stack."""
    outcomes = train_stack(members(root, shared, jobs), root / "stack.ckpt", **knobs)
    assert all(isinstance(one, Result) for one in outcomes), outcomes
    return [one for one in outcomes if isinstance(one, Result)]


def alone(root: Path, shared: Sequence[str], job: Sequence[str]) -> Result:
    """The result of one job as a run of its own."""
    (spec,) = members(root, shared, [job])
    return train_alone(spec)


def train_stack(
    specs: Sequence[RunSpec], kept: Path, tell: Any = quiet, choice: Choice = RULES
) -> list[Result | LabError]:
    """Runs as one stack."""
    return train(specs, choice, kept=kept, tell=tell)


def train_alone(spec: RunSpec) -> Result:
    """A run of its own."""
    (outcome,) = train([spec], choose_stepper(spec.config, alone=True))
    if isinstance(outcome, LabError):
        raise outcome
    return outcome


def numbers(directory: Path) -> dict[str, Any]:
    """All numbers that a run has left, but for the time they took; of one that is kept in columns, what it would."""
    run = RunDirectory(directory)
    if (kept := run.kept) is not None:
        with TemporaryDirectory() as place:
            kept.whole().write(Path(place))
            return numbers(Path(place))
    result = run.read_result()
    for name in ("seconds", "environment", "stack_size", "stepper"):
        del result[name]
    checkpoints = {
        path.name: _plain(torch.load(path, weights_only=True)) for path in sorted(run.checkpoints.glob("*.ckpt"))
    }
    for checkpoint in checkpoints.values():
        assert "loops" not in checkpoint
        for name in ("python", "python_gauss"):  # threads of others, such as Dask's, draw from Python's generator too
            (checkpoint["descent_lab"]["random"] or {}).pop(name, None)
    return {
        "result": result,
        "curves": [*read_rows(run.curves_path), *read_profiles(directory)],
        "checkpoints": checkpoints,
    }


def _plain(value: Any) -> Any:
    """With tensors as their type, shape and bits, NaN included, so that == compares all of it."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, torch.Tensor):
        value = value.detach().clone(memory_format=torch.contiguous_format)  # of one number the stride may be any
        return str(value.dtype), list(value.shape), value.flatten().view(torch.uint8).tolist() if value.numel() else []
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value
