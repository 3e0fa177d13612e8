"""Control of a training, for `P` members: blocks, divergence, validation, stopping, the best state, who leaves."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from src.data.problem import Scaling, in_units
from src.engine.curves import Curves
from src.engine.divergence import Divergence
from src.engine.early_stopping import EarlyStopping, Patience
from src.engine.outcome import Cause, Outcome
from src.engine.scores import accuracies, scores
from src.engine.stepper import State, Stepper
from src.engine.watchers import Watcher
from src.errors import LabError


@dataclass(frozen=True)
class Intervals:
    """When something happens, the same for all members.

    Attributes:
        max_steps: the last optimizer step.
        val_every: validation, early stopping and plateau schedules are at multiples of it.
        log_every: how far the loss curve is thinned.
        watchers: record curves at multiples of their own.
        best_by: the metric that the best state is best by, and "min" or "max"; None: there is none.
        stopping: early stopping; None: there is none.
    """

    max_steps: int
    val_every: int
    log_every: int = 1
    watchers: Sequence[Watcher] = ()
    best_by: tuple[str, Literal["min", "max"]] | None = None
    stopping: EarlyStopping | None = None


@dataclass(frozen=True)
class Best:
    """The best state of each member so far.

    Attributes:
        value: of the metric, `[P]` float64; NaN until there is one.
        state: at that step.
        patience: what early stopping knew then, each `[P]`.
    """

    value: Tensor
    state: State
    patience: Mapping[str, Tensor]

    def select(self, keep: Sequence[int]) -> Best:
        """Those of some members, in this order."""
        where = list(keep)
        patience = {name: value[where] for name, value in self.patience.items()}
        return Best(self.value[where], self.state.select(where), patience)


@dataclass(frozen=True)
class Step:
    """A step that was looked at; all trained parameters side by side, float64 on the CPU.

    Attributes:
        step: how many were taken after it.
        weights: before it, `[P, N]`.
        update: what it added to them, `[P, N]`.
        gradient: at the weights before it, over all training rows, `[P, N]`.
    """

    step: int
    weights: Tensor
    update: Tensor
    gradient: Tensor

    def select(self, keep: Sequence[int]) -> Step:
        """That of some members, in this order."""
        where = list(keep)
        return Step(self.step, self.weights[where], self.update[where], self.gradient[where])


class Loop:
    """Trains members block by block.

    A member whose loss diverges ends at the step whose loss it is, in the parameters whose loss it is; one that stops
    early ends at that validation. Members that have ended leave, as a loop of their own, and the others go on as if
    those had never been there.

    Args:
        stepper: of the members.
        ids: what each is called.
        intervals: when something happens.
        divergence: when a loss has diverged.
        unit: what a loss is multiplied by to be in the data's units, `[P]` float64.
        scalings: of each member's table, to tell parameters in its units.
        leave: takes the loop of those who have ended, before their last validation; this loop itself, where it is all.
        tell: takes how many run-steps were taken, after every block.

    Attributes:
        curves: where values are recorded.
        step: optimizer steps taken.
        last_loss: before the last step, `[P]`.
        last_step: the last one after which a watcher looked that asks for it; None: there was none.
        metrics: of the last validation, in the data's units, each `[P]` float64.
        best: by `intervals.best_by`; None: not yet.
        ended: why these members have ended; None: they go on. `[P]`
        final: losses over all rows of each part in the data's units, and `src.engine.scores`, each `[P]`; empty until
            `finish`.
        seconds: each member's share of the time, `[P]`.
        over: nobody is left.
        looks: numbers of steps after each of which `look` is told, with the number.
    """

    def __init__(
        self,
        stepper: Stepper,
        ids: Sequence[str],
        intervals: Intervals,
        divergence: Divergence,
        unit: Tensor,
        scalings: Sequence[Scaling | None],
        leave: Callable[[Loop], None] = lambda loop: None,
        tell: Callable[[int], None] = lambda steps: None,
    ) -> None:
        self.stepper, self.ids, self.intervals, self.divergence = stepper, list(ids), intervals, divergence
        self.unit, self.scalings, self.leave, self.tell = unit, list(scalings), leave, tell
        self.curves, self.step = Curves(), 0
        self.last_loss: Tensor | None = None
        self.last_step: Step | None = None
        self.patience = None if intervals.stopping is None else Patience(intervals.stopping, len(self.ids))
        self.metrics: dict[str, Tensor] = {}
        self.best: Best | None = None
        self.ended: list[Outcome] | None = None
        self.final: dict[str, Tensor] = {}
        self.seconds = torch.zeros(len(self.ids), dtype=torch.float64)
        self.over = False
        self.looks, self.look = frozenset[int](), _nobody
        self._clock = time.perf_counter()
        self._watched_at = dict[int, int]()
        self._evaluated: State | None = None

    # --- one block ---

    def start(self) -> None:
        """Before the first block of this session: the first point of every curve."""
        self._clock = time.perf_counter()
        if self.step == 0:
            self.watch(always=True)

    def watch(self, *, before: bool = False, always: bool = False) -> None:
        """Let the watchers record what they do after (or before) a block, at their multiples."""
        for index, watcher in enumerate(self.intervals.watchers):
            due = self.step % watcher.every_n_steps == 0 and watcher.before_a_block == before
            if (always or due) and self._watched_at.get(index) != self.step:
                self._watched_at[index] = self.step
                for name, values in watcher.curves(self).items():
                    self.curves.record(name, [self.step], values[None])

    def advance(self, block: range) -> int:
        """Take the steps of a block; who diverges in it has ended.

        Returns:
            how many steps were taken: fewer than the block has only where nobody is left.

        Raises:
            Exception: what a step has raised, unless a loss had diverged before it.
        """
        self.watch(before=True)
        before = self.stepper.state(block.start)
        losses = self._steps(block)
        bad = self.divergence.first_in(losses)
        if self.stepper.raised is not None and not bool((bad < len(losses)).all()):
            raise self.stepper.raised  # the tail of a block that has diverged may overflow in any way
        self.tell(int(bad.sum()))
        self.share_time()
        if bool((bad == len(block)).all()):
            self._take_in(block.start, losses)
            self.step = block.stop
            self.watch()
            return len(block)
        fine = (bad == len(block)).nonzero()[:, 0].tolist()
        return self._let_diverged_go(before, block, losses, bad.tolist(), fine)

    def _steps(self, block: range) -> Tensor:
        """Take the steps of a block: losses `[K, P]`; cut at `looks`, and before a step that a watcher looks at."""
        last, taken, pieces = block.stop == self.intervals.max_steps, block.start, list[Tensor]()
        apart = any(one.of_a_step and (last or block.stop % one.every_n_steps == 0) for one in self.intervals.watchers)
        ends = {block.stop, block.stop - apart, *self.looks.intersection(range(block.start, block.stop))}
        for end in sorted(ends - {block.start}):
            looked_at = apart and end == block.stop
            pieces.append(self._looked_at(end) if looked_at else self.stepper.step(taken, end - taken))
            if self.stepper.raised is not None:
                break
            if end in self.looks:
                self.look(end)
            taken = end
        return torch.cat(pieces)

    def _looked_at(self, end: int) -> Tensor:
        """Take the last step of a block, and keep what watchers see of it: losses `[1, P]`."""
        stepper = self.stepper
        weights, gradients = stepper.parameters(), stepper.named_gradients("train")
        slopes = {name: gradients.get(name, torch.zeros_like(value)) for name, value in weights.items()}
        flat, losses = _side_by_side(weights), stepper.step(end - 1, 1)
        update = _side_by_side(stepper.parameters()) - flat
        self.last_step = Step(end, flat, update, _side_by_side(slopes))
        return losses

    def _take_in(self, first: int, losses: Tensor, last: bool = False) -> None:
        """Record those losses `[K, P]` of consecutive steps that are logged, and the last one if it is asked for."""
        self.last_loss = losses[-1]
        every, start = self.intervals.log_every, -first % self.intervals.log_every
        steps, logged = list(range(first + start, first + len(losses), every)), losses[start::every]
        if last and (not steps or steps[-1] != first + len(losses) - 1):
            steps, logged = [*steps, first + len(losses) - 1], torch.cat([logged, losses[-1:]])
        self.curves.record("train/loss", steps, logged.double() * self.unit)

    def _let_diverged_go(self, before: State, block: range, losses: Tensor, at: list[int], fine: list[int]) -> int:
        """End diverged members in the parameters whose loss it was: from the block's start, as loops of their own.

        Members' bits do not depend on the stack, so those that go on keep what they have.
        """
        gone = sorted((index for index in range(len(at)) if at[index] < len(block)), key=lambda index: at[index])
        rest = self.select(fine) if fine else None
        self.stepper.load(before)
        earlier = losses[:1] * torch.nan if self.last_loss is None else self.last_loss[None]
        previous = torch.cat([earlier, losses])
        going, taken = (self if len(gone) == len(at) and gone == sorted(gone) else self.select(gone)), 0
        while gone:
            end = at[gone[0]]
            here = [position for position, index in enumerate(gone) if at[index] == end]
            stay = [position for position in range(len(gone)) if position not in here]
            if end > taken:
                going.stepper.step(block.start + taken, end - taken)
            part = going.select(here) if stay else going
            out = [gone[position] for position in here]
            part._take_in(block.start, losses[: end + 1, out], last=True)
            step = block.start + end
            part._end("start" if step == 0 else "loss", step, part._jumps(losses[end, out], previous[end, out]))
            going, taken = (going.select(stay) if stay else going), end
            self.leave(part)
            gone = [gone[position] for position in stay]
        if rest is None:
            self.over = True
            return end
        rest._take_in(block.start, losses[:, fine])
        self._become(rest)
        self.step = block.stop
        self.watch()
        return len(block)

    def _jumps(self, losses: Tensor, before: Tensor) -> list[dict[str, float]]:
        """The loss `before [P]`, in the data's units, of each whose loss is not finite now and had not grown."""
        calm = (~losses.isfinite()).cpu() & (before.double().cpu() <= self.divergence.scale.cpu())
        values = self._in_units(before).tolist()
        return [{"before": value} if so else {} for value, so in zip(values, calm.tolist(), strict=True)]

    def _end(self, cause: Cause, step: int, values: Sequence[Mapping[str, float]] | None = None) -> None:
        """End all of these members after `step` steps; `values` are what each one's sentence needs."""
        self.step, self.over = step, True
        self.ended = [Outcome(cause, step, values[index] if values else {}) for index in range(len(self.ids))]

    def _become(self, rest: Loop) -> None:
        """Be the loop of these members only: the caller holds this object."""
        self.__dict__.update({name: value for name, value in rest.__dict__.items() if name not in ("leave", "tell")})

    def share_time(self) -> None:
        """Give each member its share of the time since this was last done."""
        now = time.perf_counter()
        self.seconds += (now - self._clock) / len(self.ids)
        self._clock = now

    # --- validations ---

    def validate(self) -> dict[str, Tensor]:
        """Measure `val/loss` over the validation rows, and of classes `val/accuracy`, which are recorded; `train/loss`
        is that before the last step.

        Returns:
            all in the data's units, `[P]` float64 on the CPU, as far as they are there.
        """
        self.metrics = {}
        if "val" in self.stepper.data.parts:
            with self.stepper.evaluating():
                self.metrics["val/loss"] = self._in_units(losses := self.stepper.losses("val"))
                if self.stepper.loss.classifies:
                    self.metrics["val/accuracy"] = accuracies(self.stepper, "val", losses)
                # the best state is of these parameters; to switch once more would move the bits of all by rounding
                self._evaluated = self.stepper.state(self.step) if self.stepper.switches else None
            for name, values in self.metrics.items():
                self.curves.record(name, [self.step], values[None])
        if self.last_loss is not None:
            self.metrics["train/loss"] = self._in_units(self.last_loss)
        return self.metrics

    def decide(self) -> None:
        """Decide by the metrics of the last validation: plateau schedules, who stops, the best state so far.

        Schedules and early stopping act at multiples of the interval only, the best state at any validation.

        Raises:
            LabError: early stopping watches a metric that there is not.
        """
        stops: list[Cause | None] = [None] * len(self.ids)
        waited = list[dict[str, float]]()
        if self.step and self.step % self.intervals.val_every == 0:
            if self.stepper.waits:
                metric = self.metrics.get("val/loss", self.last_loss)
                assert metric is not None
                self.stepper.plateau(metric)
            if self.patience is not None and self.ended is None:
                metric = self._watched(self.patience.rule.monitor)
                stops = self.patience.stops(metric)
                values = {"metric": metric, **self.patience.values()}
                columns = zip(*(value.tolist() for value in values.values()), strict=True)
                waited = [dict(zip(values, column, strict=True)) for column in columns]
        if self.intervals.best_by is not None:
            self._keep_best(*self.intervals.best_by)
        self.share_time()
        if any(stops):
            self.let_go(stops, waited)

    def _watched(self, monitor: str) -> Tensor:
        if monitor not in self.metrics:
            there = ", ".join(self.metrics) or "none yet"
            raise LabError(f"callbacks.early_stopping.monitor={monitor}: there is no such metric (there are: {there})")
        return self.metrics[monitor]

    def measured(self) -> Tensor:
        """`val/loss`, without such rows `train/loss` over all rows, as `validate` gives it; nothing is recorded.

        To switch to the parameters that are evaluated, and back, rounds: those that are trained stay what they are.
        """
        before = self.stepper.state(self.step) if self.stepper.switches else None
        with self.stepper.evaluating():
            losses = self._in_units(self.stepper.losses("val" if "val" in self.stepper.data.parts else "train"))
        if before is not None:
            self.stepper.load(before)
        return losses

    def let_go(self, stops: Sequence[Cause | None], values: Sequence[Mapping[str, float]]) -> None:
        """End those that have a cause to, with what each one's sentence needs; the others go on."""
        stay = [index for index, cause in enumerate(stops) if cause is None]
        rest = self.select(stay) if stay else None
        for cause in dict.fromkeys(cause for cause in stops if cause is not None):
            here = [index for index, own in enumerate(stops) if own == cause]
            part = self.select(here) if len(here) < len(stops) else self
            part._end(cause, self.step, [values[index] for index in here])
            self.leave(part)
        if rest is None:
            self.over = True
        else:
            self._become(rest)

    def _keep_best(self, metric: str, mode: Literal["min", "max"]) -> None:
        value = self.metrics.get(metric)
        if value is None:
            return
        old = torch.full_like(value, math.nan) if self.best is None else self.best.value
        better = value.isfinite() & (old.isnan() | (value < old if mode == "min" else value > old))
        if not bool(better.any()):
            return
        state, patience = (
            self._evaluated or self.stepper.state(self.step),
            self.patience.values() if self.patience else {},
        )
        if self.best is not None:
            state = state.where(better, self.best.state)
            patience = {name: torch.where(better, new, self.best.patience[name]) for name, new in patience.items()}
        self.best = Best(torch.where(better, value, old), state, patience)

    # --- the end ---

    def finish(self) -> None:
        """The last curves and the final losses, in the parameters that are kept; `ended` has the outcome of each."""
        self.stepper.eval()
        self.watch(always=True)
        losses = {part: self.stepper.losses(part) for part in self.stepper.data.parts}
        self.final = {f"{part}/loss": self._in_units(loss) for part, loss in losses.items()}
        for part, loss in losses.items():
            self.final |= scores(self.stepper, part, loss)
        ended = self.ended or [Outcome("all_steps", self.step)] * len(self.ids)
        if not ended[0].diverged:
            if self.stepper.data.full_batch:
                self.curves.record("train/loss", [self.step], self.final["train/loss"][None])
                bad = self.divergence.first_in(losses["train"][None]) == 0
            else:
                bad = ~losses["train"].isfinite()
            if bool(bad.any()):
                before = losses["train"] * torch.nan if self.last_loss is None else self.last_loss
                columns = zip(bad.tolist(), self._jumps(losses["train"], before), ended, strict=True)
                ended = [Outcome("loss", self.step, jump) if so else one for so, jump, one in columns]
        self.ended, self.over = ended, True

    def leave_with_all_steps(self) -> None:
        """Those that are left have taken all steps."""
        self.share_time()
        self._end("all_steps", self.step)
        self.leave(self)

    def _in_units(self, losses: Tensor) -> Tensor:
        return losses.double().cpu() * self.unit.cpu()

    def parameters(self) -> dict[str, Tensor]:
        """Every parameter `[P, I, O]` by name in float64 on the CPU; a linear model's in the units of the data."""
        values = self.stepper.parameters()
        return in_units(values, self.scalings) if self.stepper.module.linear else values

    # --- members and state ---

    def select(self, keep: Sequence[int]) -> Loop:
        """A loop of some members, in this order, that goes on from here with copies of their values."""
        where, some = list(keep), copy.copy(self)
        some._watched_at = dict(self._watched_at)
        some._evaluated = None if self._evaluated is None else self._evaluated.select(where)
        some.stepper = self.stepper.select(where)
        some.ids, some.scalings = [self.ids[k] for k in where], [self.scalings[k] for k in where]
        some.divergence, some.unit = self.divergence.select(where), self.unit[where]
        some.curves, some.seconds = self.curves.select(where), self.seconds[where]
        some.last_loss = None if self.last_loss is None else self.last_loss[where]
        some.last_step = None if self.last_step is None else self.last_step.select(where)
        some.patience = None if self.patience is None else self.patience.select(where)
        some.metrics = {name: value[where] for name, value in self.metrics.items()}
        some.best = None if self.best is None else self.best.select(where)
        some.ended = None if self.ended is None else [self.ended[k] for k in where]
        return some

    def state_dict(self) -> dict[str, Any]:
        """Plain values and tensors, copies: all that blocks and validations change."""
        state, best = self.stepper.state(self.step), self.best
        return {
            "ids": list(self.ids),
            "step": self.step,
            "state": dict(state.leaves),
            "first_loss": self.divergence.first,
            # a view of a whole block's losses, all of which would be written
            "last_loss": None if self.last_loss is None else self.last_loss.clone(),
            "patience": self.patience and self.patience.state_dict(),
            "curves": self.curves.columns(),
            "best": best
            and {
                "of": self.best_of,
                "value": best.value,
                "step": best.state.step,
                "state": dict(best.state.leaves),
                "patience": dict(best.patience),
            },
            "seconds": self.seconds.clone(),
        }

    @property
    def best_of(self) -> list[str]:
        """The metric that the best state is best by, and its mode; empty where there is none."""
        return list(self.intervals.best_by or ())

    def load_state_dict(self, kept: Mapping[str, Any]) -> None:
        """Go on from it; its members are these or more."""
        rows = [kept["ids"].index(name) for name in self.ids]
        self.step = int(kept["step"])
        self.stepper.load(State(torch.full((len(kept["ids"]),), self.step), kept["state"]).select(rows))
        self.divergence.first = kept["first_loss"][rows].to(self.divergence.first)
        self.last_loss = None if kept["last_loss"] is None else kept["last_loss"][rows].to(self.stepper.data.device)
        if self.patience is not None:
            self.patience.load_state_dict(kept["patience"], rows)
        curves = {name: (steps, values[:, rows]) for name, (steps, values) in kept["curves"].items()}
        self.curves.load_state_dict(curves)
        best = kept["best"]
        if best is not None and best["of"] == self.best_of:
            self.best = Best(best["value"], State(best["step"], best["state"]), best["patience"]).select(rows)
        self.seconds = kept["seconds"][rows]


def _nobody(step: int) -> None:
    """Looks at no step."""


def _side_by_side(values: Mapping[str, Tensor]) -> Tensor:
    """Values `[P, ...]` of each parameter as `[P, N]`, float64 on the CPU."""
    return torch.cat([value.flatten(1) for value in values.values()], 1).detach().double().cpu()
