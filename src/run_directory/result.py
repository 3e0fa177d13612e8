"""The result of a run: what `result.json` holds, and the words for it."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from src.run_directory.digests import signed

Status = Literal["completed", "diverged", "cut"]
_JSON = json.JSONEncoder(allow_nan=False).encode


@dataclass(frozen=True)
class Result:
    """How a run ended, and in what.

    Attributes:
        status: "completed", "diverged", or "cut": at a rung of a sweep, from which a later command lets it go on.
        reason: a sentence on why it ended there.
        steps: optimizer steps taken; of a diverged run, those before the loss that diverged.
        metrics: "train/loss", "val/loss", "test/loss" of the final parameters, and of classes "train/accuracy", of
            numbers in a table "train/rmse", "train/r2" and so on, see `src.engine.scores`; None where it is not finite.
        parameters: of a linear model, "weight" `[I][O]` and "bias" `[O]` in the units of the data; of a surface "point"
            `[2]`.
        exact: of a linear model, what it should have been; of a surface its minima: see
            `src.theory.prediction.Answer.as_json`.
        features: what the inputs are called.
        targets: what is predicted.
        truth: the same, as the data were made, where that is known.
        seconds: "fit" and "total".
        device: where it ran.
        stack_size: members trained together.
        stepper: "name" of what took the steps, see `src.engine.choose_stepper.Choice`, and the "reason";
            and the "chosen" one where that could not be made.
        cause: what ended it: see `src.engine.outcome.Cause`.
        seed: of the run.
        fingerprint: a hash of the config that decides the numbers.
        environment: versions, git commit, processor or card, command.
        directory: the run directory.
        loss: what the losses are: "name", the word of conf/loss or the class of one's own; "least_squares", whether
            squared errors; "reduction", "mean" or "sum"; "units", "data" (a table's own, too) or "standardized";
            "logarithm", whether they are of the targets' logarithm.
        table: what was done to a table: see `src.tables.account.Account`.
        classes: what the targets can be, in their order; none of numbers.
    """

    status: Status
    reason: str
    steps: int
    metrics: Mapping[str, float | None]
    parameters: Mapping[str, Any]
    features: Sequence[str]
    targets: Sequence[str]
    truth: Mapping[str, Any]
    exact: Mapping[str, Any]
    seconds: Mapping[str, float]
    device: str
    stack_size: int
    stepper: Mapping[str, str]
    cause: str
    seed: int
    fingerprint: str
    environment: Mapping[str, Any]
    directory: Path
    loss: Mapping[str, Any] = field(default_factory=dict)
    table: Mapping[str, Any] = field(default_factory=dict)
    classes: Sequence[str] = ()

    def outputs(self, number: int) -> Sequence[str]:
        """What so many outputs of a model are called: the targets, or where its classes have one each, those."""
        return self.targets if number == len(self.targets) else self.classes

    def as_json(self) -> dict[str, Any]:
        """What `result.json` holds: everything but where it is; what is not finite is null."""
        return _plain({name: getattr(self, name) for name in self.__dataclass_fields__ if name != "directory"})

    def as_text(self, files: Mapping[str, str]) -> str:
        """The text of `result.json`, a line a key, and behind them the digests of the files beside it and of itself.

        Args:
            files: the digests, by the names of the files, see `src.run_directory.digests`.

        Raises:
            TypeError: it holds what JSON has no word for.
        """
        whole = {**self.as_json(), "files": files}
        return signed([f"  {_JSON(name)}: {_JSON(value)}" for name, value in whole.items()])


LOSSES = {
    "squares": "the squared error",
    "huber": "Huber's loss",
    "logistic": "the logistic loss",
    "cross_entropy": "the cross-entropy",
    "poisson": "Poisson's loss, half the deviance",
}
"""Those of conf/loss, as they are called."""


def what_it_is(loss: Mapping[str, Any]) -> str:
    """A sentence on what a loss is; empty of the height of a surface, and of runs of before, whose results do not tell.

    Args:
        loss: as `Result.loss`.
    """
    name = loss.get("name", "")
    if not name or loss.get("reduction") == "value":
        return ""
    return f"the loss is {LOSSES.get(name, name)}, its {loss['reduction']} over rows"


def units(loss: Mapping[str, Any], targets: Sequence[str]) -> str:
    """A sentence on losses that are not in the units of the data; empty where they are.

    Args:
        loss: as `Result.loss`.
        targets: what they are called.
    """
    log = loss.get("logarithm")
    of = f"the logarithm of {' and '.join(targets)}" if log else "the target"
    if loss.get("units", "data") == "data":
        return f"losses and parameters are of {of}" if log else ""
    if loss["least_squares"]:
        return f"losses are over {len(targets)} standardized targets{f', {of}' if log else ''}: they have no unit"
    whose = f" of {of}" if log else ""
    return f"losses are in standardized units{whose} (data.standardize=false: in those of the table)"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
