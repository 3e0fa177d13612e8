"""The course of a stack's runs beside their steps: curves, early stopping, the best state so far, seconds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from lightning.pytorch.callbacks import EarlyStopping
from torch import Tensor

from src.callbacks import LearningRate, Parameters
from src.callbacks.every import EveryNSteps
from src.data.problem import Scaling
from src.descent import in_units
from src.optim.stacked_schedules import StackedPlateau
from src.stack.history import History
from src.stack.stack import Stack
from src.stack.state import State


@dataclass(frozen=True)
class Marks:
    """When something happens, the same for all members.

    Attributes:
        max_steps: the last optimizer step.
        val_every: early stopping and plateau schedules act at multiples of it.
        log_every: how far the loss curve is thinned.
        watchers: callbacks that record curves at multiples of their own.
        best_by: the metric that `best.ckpt` is best by, and "min" or "max"; None: there is none.
    """

    max_steps: int
    val_every: int
    log_every: int
    watchers: Sequence[EveryNSteps] = ()
    best_by: tuple[str, str] | None = None


@dataclass
class Best:
    """The best state of each member so far.

    Attributes:
        value: of the metric, `[P]`; NaN until there is one.
        state: at that step.
        stoppers: what each member's early stopping knew then; None where there is none.
    """

    value: Tensor
    state: State
    stoppers: list[dict[str, Any]] | None = None


@dataclass
class Course:
    """A stack on its way.

    Attributes:
        stack: the members that have not ended.
        marks: when something happens.
        scalings: of each member's table, to tell parameters in its units.
        stoppers: each member's own early stopping; None where there is none.
        history: the curves.
        best: for `best.ckpt`.
        seconds: each member's share of the time, `[P]`.
        watched: the metrics of the last validation mark in the data's units, each `[P]`.
        last_loss: before the last step, `[P]`.
    """

    stack: Stack
    marks: Marks
    scalings: Sequence[Scaling | None]
    stoppers: Sequence[EarlyStopping] | None = None
    history: History = field(default_factory=History)
    best: Best | None = None
    seconds: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.float64))
    watched: dict[str, Tensor] = field(default_factory=dict)
    last_loss: Tensor | None = None

    def __post_init__(self) -> None:
        if not len(self.seconds):
            self.seconds = torch.zeros(self.stack.members, dtype=torch.float64)

    def select(self, indices: Sequence[int]) -> "Course":
        """Of some members; the one that is alone is there twice, as in its stack."""
        chosen = list(indices) if len(indices) > 1 else [indices[0]] * 2
        where = torch.tensor(chosen)
        return Course(
            self.stack.select(indices),
            self.marks,
            [self.scalings[index] for index in chosen],
            None if self.stoppers is None else [self.stoppers[index] for index in chosen],
            self.history.select(chosen),
            None if self.best is None else _chosen(self.best, chosen),
            self.seconds[where],
            {name: value[where] for name, value in self.watched.items()},
            None if self.last_loss is None else self.last_loss[where.to(self.last_loss.device)],
        )

    # --- along the way ---

    def record(self, name: str, step: int, values: Tensor) -> None:
        """Add values `[P]` to a curve."""
        self.history.record(name, [step], values[None])

    def record_losses(self, first: int, losses: Tensor, last: bool = False) -> None:
        """Add those losses `[K, P]` of consecutive steps that are logged, and the last one if it is asked for."""
        indices = list(range(-first % self.marks.log_every, len(losses), self.marks.log_every))
        if last and (not indices or indices[-1] != len(losses) - 1):
            indices.append(len(losses) - 1)
        steps = [first + index for index in indices]
        self.history.record("train/loss", steps, losses[indices].double() * self.stack.numbers.unit)

    def watch(self, step: int, *, before: bool = False, always: bool = False) -> None:
        """Let the watchers record what they do after (or before) a block, at their multiples."""
        for watcher in self.marks.watchers:
            now = always or isinstance(watcher, LearningRate) == before
            if now and (always or step % watcher.every_n_steps == 0):
                for name, values in self._watch(watcher).items():
                    self.record(name, step, values)

    def _watch(self, watcher: EveryNSteps) -> Mapping[str, Tensor]:
        if isinstance(watcher, LearningRate):
            return {"lr": self.stack.rate()}
        if isinstance(watcher, Parameters):
            return watcher.curves(reported(self.stack, self.scalings))
        return {"gradient_norm": self.stack.gradient_norm().double().cpu()}

    def validate(self, step: int) -> None:
        """Losses over the validation rows; the metrics of this mark."""
        unit = self.stack.numbers.unit.cpu()
        self.watched = {}
        if "val" in self.stack.sight.parts:
            self.watched["val/loss"] = self.stack.losses("val").double().cpu() * unit
            self.record("val/loss", step, self.watched["val/loss"])
        if self.last_loss is not None:
            self.watched["train/loss"] = self.last_loss.double().cpu() * unit

    def at_mark(self, step: int) -> list[bool]:
        """What is done once the metrics of a mark are known; which members stop here, `[P]`."""
        stopped = [False] * self.stack.members
        if step and step % self.marks.val_every == 0:
            if isinstance(self.stack.schedule, StackedPlateau):
                waited = self.watched.get("val/loss", self.last_loss)
                self.stack.schedule.step(waited)
            stopped = self._stop_early(step)
        if self.marks.best_by is not None:
            self._keep_best(step, *self.marks.best_by)
        return stopped

    def _stop_early(self, step: int) -> list[bool]:
        if self.stoppers is None:
            return [False] * self.stack.members
        values = self.watched[str(self.stoppers[0].monitor)]
        decided: dict[int, bool] = {}  # a member that is there twice has one stopper
        for name, stopper, value in zip(self.stack.ids, self.stoppers, values, strict=True):
            if name not in decided:
                decided[name], reason = stopper._evaluate_stopping_criteria(value)
                if decided[name]:
                    stopper.stopping_reason_message = reason
                    stopper.stopped_epoch = step // self.marks.val_every - 1
        return [decided[name] for name in self.stack.ids]

    def _keep_best(self, step: int, metric: str, mode: str) -> None:
        value = self.watched.get(metric)
        if value is None:
            return
        now = State.of(self.stack, step)
        known = None if self.stoppers is None else [stopper.state_dict() for stopper in self.stoppers]
        if self.best is None:
            self.best = Best(torch.full_like(value, math.nan), now, known)
        old = self.best.value
        better = value.isfinite() & (old.isnan() | (value < old if mode == "min" else value > old))
        if known is not None and self.best.stoppers is not None:
            pairs = zip(better.tolist(), known, self.best.stoppers, strict=True)
            known = [new if so else before for so, new, before in pairs]
        self.best = Best(torch.where(better, value, old), self.best.state.replaced(better, now), known)

    # --- going on ---

    def state_dict(self) -> dict[str, Any]:
        """Plain values and tensors: all that `steps` and marks change."""
        return {
            "ids": list(self.stack.ids),
            "stack": self.stack.state_dict(),
            "first_loss": self.stack.numbers.first_loss,
            "stoppers": None if self.stoppers is None else [stopper.state_dict() for stopper in self.stoppers],
            "history": self.history.state_dict(),
            "best": None
            if self.best is None
            else {"value": self.best.value, "state": self.best.state.tensors, "stoppers": self.best.stoppers},
            "seconds": self.seconds,
            "last_loss": self.last_loss,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from it, with the members that are called `ids` there."""
        self.stack.load_state_dict(state["stack"])
        numbers = self.stack.numbers
        self.stack.numbers = replace(numbers, first_loss=state["first_loss"].to(numbers.first_loss))
        if self.stoppers is not None:
            for stopper, kept in zip(self.stoppers, state["stoppers"], strict=True):
                stopper.load_state_dict(kept)
        self.history.load_state_dict(state["history"])
        if state["best"] is not None:
            kept = state["best"]
            self.best = Best(kept["value"], State(kept["state"]), kept["stoppers"])
        self.seconds, self.last_loss = state["seconds"], state["last_loss"]


def _chosen(best: Best, indices: Sequence[int]) -> Best:
    """Of some members."""
    known = None if best.stoppers is None else [best.stoppers[index] for index in indices]
    where = torch.tensor(list(indices))
    return Best(best.value[where], best.state.select(where), known)


def reported(stack: Stack, scalings: Sequence[Scaling | None]) -> dict[str, Tensor]:
    """Every parameter `[P, I, O]` by name in float64 on the CPU; a linear model's in the units of the data."""
    values = {name: p.detach().double().cpu() for name, p in stack.model.named_parameters()}
    return in_units(values, scalings) if stack.linear else values
