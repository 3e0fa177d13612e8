"""A step with copies of a module and a loss of the user's own: what they raise, or spoil, is told before training."""

import copy

import torch
from torch import Tensor

from src.config.classes import telling
from src.config.schema import Config
from src.data.problem import Problem, Rows
from src.errors import LabError
from src.losses.loss import Loss
from src.models.model import Model
from src.seeds import seeded

ROWS = 1000
"""Of a larger batch the first so many are tried; in training every step looks at its shapes."""


def try_a_step(config: Config, problem: Problem, model: Model, loss: Loss) -> None:
    """Take the gradient of a batch, and of a shorter last one of an epoch; predict the rows that are not trained on.

    Model, loss, data and the run's random numbers are left as they are. What is of this project needs no trial; what
    cannot be copied has none, and fails in its first step if it must.

    Raises:
        LabError: it names the module or the loss, and the line of theirs that has raised.
    """
    if config.model.target_.startswith("src.") and config.loss.target_.startswith("src."):
        return
    try:
        model, loss = copy.deepcopy((model, loss))
    except Exception:  # a user's class can hold anything
        return
    trial, total = _Trial(config, model, loss), len(problem.train)
    size = total if config.data.batch_size == "full" else int(config.data.batch_size)
    rest = total % size if config.trainer.max_steps >= -(-total // size) else 0  # it may be past the last step
    with seeded(config.model.seed, "trial"):
        for _ in range(2):  # a second one finds what the first has left behind
            trial.train(problem.train, size, advice="; give a batch more rows: data.batch_size" * (size == 1 < total))
        if rest:
            which = f", the last of {total:,} rows in batches of {size:,}"
            trial.train(problem.train, rest, which, f"; {_better(size, total)}")
        for part in (problem.val, problem.test):
            if part is not None:
                trial.predict(part)


def _better(size: int, total: int) -> str:
    """The batch size next to this one whose last batch has more rows than this one's, and at least half of a whole."""
    others = (other for away in range(1, total) for other in (size - away, size + away) if 0 < other <= total)
    lasts = ((other, total % other or other) for other in others)
    nearest, last = next(pair for pair in lasts if pair[1] > total % size and 2 * pair[1] >= pair[0])
    return f"data.batch_size={nearest} ends in a batch of {last:,}"


class _Trial:
    """Copies of a model and a loss, to be spoilt."""

    def __init__(self, config: Config, model: Model, loss: Loss) -> None:
        self.model, self.loss, self.dtype = model, loss, getattr(torch, config.model.dtype)
        self.own_model, self.own_loss = f"model._target_={config.model.target_}", f"loss._target_={config.loss.target_}"

    def train(self, rows: Rows, number: int, which: str = "", advice: str = "") -> None:
        """Take the gradient of the first so many rows; a sentence tells which they are, and what to do."""
        inputs, targets, before = *self._first(rows, number), list(self.model.parameters())
        with torch.enable_grad():
            self.model.train()
            predictions = self._predictions(inputs, targets, f"train on a batch of {_rows(number)}{which}", advice)
            self._check_parameters(before)
            value = self._value(predictions, targets)
            if predictions.requires_grad:
                self._differentiate(value, predictions)
            elif self.model.by_hand is None:
                raise LabError(
                    f"{self.own_model}: no parameter that is trained has a part in its predictions (are they "
                    "detached, or made under no_grad?)"
                )

    def predict(self, rows: Rows) -> None:
        """Predict the first of these rows in evaluation mode."""
        with torch.no_grad():
            self.model.eval()
            self._predictions(*self._first(rows, len(rows)), f"predict {_rows(len(rows))}")

    def _first(self, rows: Rows, number: int) -> tuple[Tensor, Tensor]:
        """Inputs `[1, B, I]` and targets `[1, B, O]` as the run sees them; copies."""
        inputs, targets = (
            part[None, : min(number, ROWS)].to(self.dtype, copy=True) for part in (rows.inputs, rows.targets)
        )
        return inputs, targets

    def _predictions(self, inputs: Tensor, targets: Tensor, to_do: str, advice: str = "") -> Tensor:
        """What the model makes of inputs, of the shape of the targets."""
        with telling(f"{self.own_model} cannot {to_do}", advice):
            made = self.model(inputs)
        shape = list(made.shape) if isinstance(made, Tensor) else type(made).__name__
        if shape != list(targets.shape):
            raise LabError(
                f"{self.own_model} makes {shape} of {list(inputs.shape)}; it must make {list(targets.shape)}"
            )
        if not made.is_floating_point() or made.device != inputs.device:
            raise LabError(f"{self.own_model} makes {made.dtype} on {made.device}; it must make {self.dtype} on cpu")
        if inputs._version:
            raise LabError(f"{self.own_model} changes its inputs in place, which later steps see again: work on a copy")
        return made

    def _check_parameters(self, before: list[torch.nn.Parameter]) -> None:
        """Refuse a model that has other parameters than before: the optimizer has those that it began with."""
        after = list(self.model.parameters())
        if len(after) != len(before) or any(new is not old for new, old in zip(after, before, strict=True)):
            raise LabError(
                f"{self.own_model} makes parameters while it trains, which no optimizer has: make them in "
                "__init__, and change them in place"
            )

    def _value(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """The loss `[1]`."""
        shape, version = list(targets.shape), predictions._version
        with telling(f"{self.own_loss} cannot take predictions and targets {shape}"):
            value = self.loss.value(predictions, targets)
        given = f"{list(value.shape)} {value.dtype}" if isinstance(value, Tensor) else type(value).__name__
        if not isinstance(value, Tensor) or value.shape != (1,) or not value.is_floating_point():
            raise LabError(f"{self.own_loss} gives {given} of {shape}; it must give one number a member, [1]")
        if targets._version or predictions._version != version:
            raise LabError(f"{self.own_loss} changes its predictions or targets in place: let it work on copies")
        return value

    def _differentiate(self, value: Tensor, predictions: Tensor) -> None:
        """The derivative of a loss by the predictions, and theirs by the parameters."""
        slopes = None
        if value.requires_grad:
            with telling(f"{self.own_loss} has no derivative"):
                (slopes,) = torch.autograd.grad(value.sum(), predictions, allow_unused=True)
        if slopes is not None:
            with telling(f"{self.own_model} has no gradient"):
                predictions.backward(slopes)
        elif not self.loss.by_hand:
            raise LabError(f"{self.own_loss} does not depend on the predictions (are they detached in it?)")


def _rows(number: int) -> str:
    return f"{number:,} row{'s' * (number != 1)}"
