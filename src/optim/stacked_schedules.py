"""Schedules of a stack: the learning rates of all members, each by numbers of its own, written at once after a step.

What depends on the step and a schedule's numbers alone is computed ahead, some steps at a time and once for every
distinct set of numbers, by torch's own formula in Python's numbers: a cosine of another library would end in other
learning rates, where `1 + cos` is nearly 0.
"""

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from src.load import load
from src.optim.schedules import WarmupCosine
from src.optim.stacked import Arguments, Stacked, plain

_AHEAD = 2**20
"""How many numbers are computed ahead at most."""


class StackedSchedule(LRScheduler):
    """A schedule over a `Stacked` optimizer; `param_groups[0]["lr"]` is overwritten in place.

    Args:
        optimizer: of the stack.
        path: the dotted name of the lone schedule's class or function.
        members: the arguments of each member; keys that start with `_` are passed over.

    Raises:
        ValueError: arguments that it does not serve, that differ where they must not, or that torch refuses.
    """

    numbers: ClassVar[Mapping[str, float | None]] = {}
    """Arguments that may differ per member, and their defaults."""

    options: ClassVar[Mapping[str, Any]] = {}
    """Arguments that must not, and their defaults."""

    held: ClassVar[tuple[str, ...]] = ()
    """Those of `numbers` that are used in every step: float64 `[P]` in `own`."""

    progress: ClassVar[tuple[str, ...]] = ()
    """What torch's own keeps per run besides the step: float64 `[P]` in `own`."""

    optimizer: Stacked

    def __init__(self, optimizer: Stacked, path: str, members: Sequence[Arguments]) -> None:
        # not LRScheduler's own: it would take the learning rates for one number
        self.optimizer, self.path, self.members = optimizer, path, [plain(member) for member in members]
        self._check()
        self.lone = [self._lone_state(member) for member in self.members]
        self.last_epoch, self._step_count = 0, 1
        self.own = {name: self._number(name) for name in self.held}
        self._forget()
        self._begin(optimizer.param_groups[0])

    @classmethod
    def serves(cls, arguments: Arguments) -> bool:
        """Whether members with such arguments can be scheduled in a stack."""
        return all(
            isinstance(value, type(cls.options[key]))
            if key in cls.options
            else key in cls.numbers and isinstance(value, int | float) and not isinstance(value, bool)
            for key, value in arguments.items()
        )

    # --- a step ---

    @torch.no_grad()
    def step(self, epoch: int | None = None) -> None:
        """Set the numbers of the step to come."""
        self.last_epoch += 1
        self._step_count += 1
        self._follow()
        self._set(self.optimizer.param_groups[0])

    def get_last_lr(self) -> list[float | Tensor]:
        """The learning rates `[P]`, in a list of the one parameter group."""
        return [self.optimizer.param_groups[0]["lr"].clone()]

    def _begin(self, group: dict[str, Any]) -> None:
        """Do what torch's constructor does to a parameter group."""
        self.own["base_lrs"] = group.setdefault("initial_lr", group["lr"].clone()).clone()

    def _set(self, group: dict[str, Any]) -> None:
        """Overwrite numbers for step `last_epoch`."""
        raise NotImplementedError

    def _number(self, name: str) -> Tensor:
        """One argument of all members, `[P]`."""
        return self._tensor([member.get(name, self.numbers[name]) for member in self.members])

    def _tensor(self, values: Sequence[Any]) -> Tensor:
        return torch.tensor(values, dtype=torch.float64, device=self.optimizer.param_groups[0]["lr"].device)

    def _follow(self) -> None:
        """To the device of the optimizer's numbers, which follow the parameters."""
        device = self.optimizer.param_groups[0]["lr"].device
        if any(value.device != device for value in self.own.values()):
            self.own = {name: value.to(device) for name, value in self.own.items()}
            self._forget()

    # --- what is computed ahead ---

    def _forget(self) -> None:
        self._rows: Sequence[tuple[Tensor, ...]] = ()
        self._first = -1

    def _row(self) -> tuple[Tensor, ...]:
        """What `_ahead` has for step `last_epoch`, each `[P]`."""
        index = self.last_epoch - self._first
        if not 0 <= index < len(self._rows):
            count = max(1, min(256, _AHEAD // len(self.members)))
            tables = self._ahead(range(self.last_epoch, self.last_epoch + count))
            self._rows, self._first, index = list(zip(*tables, strict=True)), self.last_epoch, 0
        return self._rows[index]

    def _ahead(self, steps: range) -> tuple[Tensor, ...]:
        """Tables `[len(steps), P]`."""
        raise NotImplementedError

    def _table(self, steps: range, sets: Sequence[Any], column: Callable[[range, Any], list[float]]) -> Tensor:
        """`[len(steps), P]` of `column(steps, numbers)`, once for every distinct one of the members' `sets`."""
        columns = {numbers: index for index, numbers in enumerate(dict.fromkeys(sets))}
        values = self._tensor([column(steps, numbers) for numbers in columns]).T.contiguous()
        return values[:, torch.tensor([columns[numbers] for numbers in sets], device=values.device)]

    def _sets(self, *names: str) -> list[tuple[Any, ...]]:
        """These numbers of each member, as they were given."""
        return [tuple(member.get(name, self.numbers[name]) for name in names) for member in self.members]

    # --- members, and going on ---

    def member_state_dict(self, index: int) -> dict[str, Any]:
        """The `state_dict()` that the member's own schedule would have by now."""
        state = copy.deepcopy(self.lone[index])
        state.update(last_epoch=self.last_epoch, _last_lr=[float(self.optimizer.param_groups[0]["lr"][index])])
        if "_step_count" in state:
            state["_step_count"] = self._step_count
        if "base_lrs" in self.own:
            state["base_lrs"] = [float(self.own["base_lrs"][index])]
        return state | {name: type(state[name])(self.own[name][index]) for name in self.progress}

    def load_members(self, states: Sequence[Mapping[str, Any]]) -> None:
        """Go on from the members' own schedules; their optimizers' state is loaded apart.

        Raises:
            ValueError: another number of members, or members that are not at the same step.
        """
        if len(states) != len(self.members):
            raise ValueError(f"a stack of {len(self.members)} members cannot go on from the state of {len(states)}")
        steps = {state["last_epoch"] for state in states}
        if len(steps) > 1:
            raise ValueError(f"members of a stack must be at the same step, not at {sorted(steps)}")
        self.last_epoch, self._step_count = steps.pop(), states[0].get("_step_count", 1)
        if "base_lrs" in self.own:
            self.own["base_lrs"] = self._tensor([state["base_lrs"][0] for state in states])
        for name in self.progress:
            self.own[name] = self._tensor([state[name] for state in states])
        self._forget()

    def select(self, indices: Sequence[int], optimizer: Stacked) -> "StackedSchedule":
        """The schedule of some members only, over their optimizer, going on from here."""
        chosen = copy.copy(self)
        chosen.optimizer = optimizer
        chosen.members = [self.members[index] for index in indices]
        chosen.lone = [self.lone[index] for index in indices]
        where = torch.tensor(indices)
        chosen.own = {name: value[where.to(value.device)] for name, value in self.own.items()}
        chosen._forget()
        return chosen

    def state_dict(self) -> dict[str, Any]:
        """The whole stack's: counts, and what is kept per member."""
        own = {name: value.clone() for name, value in self.own.items()}
        return {"last_epoch": self.last_epoch, "_step_count": self._step_count, "own": own}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a whole stack's state."""
        self.last_epoch, self._step_count = state_dict["last_epoch"], state_dict["_step_count"]
        device = self.optimizer.param_groups[0]["lr"].device
        self.own = {name: value.clone().to(device) for name, value in state_dict["own"].items()}
        self._forget()

    # --- refused ---

    def _check(self) -> None:
        if len(self.members) != len(self.optimizer.members):
            raise ValueError(f"{len(self.optimizer.members)} members cannot have {len(self.members)} schedules")
        for member in self.members:
            if not self.serves(member):
                given = ", ".join(f"{key}={value}" for key, value in member.items())
                raise ValueError(f"a stack cannot be scheduled by {self.path} with {given}")
        for option, default in self.options.items():
            if len({member.get(option, default) for member in self.members}) > 1:
                raise ValueError(f"{self.path}: {option} must be the same in all members of a stack")

    def _lone_state(self, member: Arguments) -> dict[str, Any]:
        over = tuple(sorted(self.optimizer.members[0].items()))
        return _lone_state(self.path, tuple(sorted(member.items())), self.optimizer.path, over)

    def _option(self, name: str) -> Any:
        return self.members[0].get(name, self.options[name])


@lru_cache(maxsize=100_000)
def _lone_state(
    path: str, arguments: tuple[tuple[str, Any], ...], optimizer: str, over: tuple[tuple[str, Any], ...]
) -> dict[str, Any]:
    """The state that torch's own schedule begins with; some numbers are refused only in its first step."""
    factory = load(path, "scheduler._target_", LRScheduler)
    lone = load(optimizer, "optimizer._target_", Optimizer)([nn.Parameter(torch.zeros(1))], **dict(over))
    try:
        scheduler = factory(lone, **dict(arguments))
        state = copy.deepcopy(scheduler.state_dict())
        lone.step()
        scheduler.step(1.0) if isinstance(scheduler, ReduceLROnPlateau) else scheduler.step()
    except Exception as error:
        told = ", ".join(f"{key}={value}" for key, value in arguments)
        raise ValueError(f"{path} refuses {told}: {error}") from None
    return state


class _Exponential(StackedSchedule):
    """`a <- γ a` every step."""

    numbers: ClassVar[Mapping[str, float | None]] = {"gamma": None}
    held = ("gamma",)

    def _set(self, group: dict[str, Any]) -> None:
        group["lr"].mul_(self.own["gamma"])


class _Step(StackedSchedule):
    """`a <- γ a` every `step_size` steps."""

    numbers: ClassVar[Mapping[str, float | None]] = {"step_size": None, "gamma": 0.1}

    def _set(self, group: dict[str, Any]) -> None:
        group["lr"].mul_(self._row()[0])

    def _ahead(self, steps: range) -> tuple[Tensor, ...]:
        def factors(steps: range, numbers: tuple[float, float]) -> list[float]:
            size, gamma = numbers
            return [1.0 if t % size else gamma for t in steps]

        return (self._table(steps, self._sets("step_size", "gamma"), factors),)


class _Cosine(StackedSchedule):
    """Loshchilov and Hutter 2017, equation 5, from step to step as torch takes it: `a <- r (a - a_min) + a_min`.

    At the bottom, where r would be 0 / 0, the first step of the way up is added instead.
    """

    numbers: ClassVar[Mapping[str, float | None]] = {"T_max": None, "eta_min": 0.0}
    held = ("eta_min",)

    def _set(self, group: dict[str, Any]) -> None:
        ratio, up = self._row()
        group["lr"].sub_(self.own["eta_min"]).mul_(ratio).add_(up)

    def _ahead(self, steps: range) -> tuple[Tensor, ...]:
        least, periods = self.own["eta_min"], self._sets("T_max")
        up = self._table(steps, periods, _up) * (self.own["base_lrs"] - least) / 2 + least
        return self._table(steps, periods, _ratio), up


def _bottom(t: int, period: float) -> bool:
    return (t - 1 - period) % (2 * period) == 0


def _ratio(steps: range, numbers: tuple[float]) -> list[float]:
    (period,) = numbers
    heights = [1 + math.cos(math.pi * t / period) for t in range(steps.start - 1, steps.stop)]
    pairs = zip(steps, heights, heights[1:], strict=False)
    return [1.0 if _bottom(t, period) else after / before for t, before, after in pairs]


def _up(steps: range, numbers: tuple[float]) -> list[float]:
    (period,) = numbers
    first = 1 - math.cos(math.pi / period)
    return [first if _bottom(t, period) else 0.0 for t in steps]


class _WarmupCosine(StackedSchedule):
    """See `src.optim.warmup_cosine`."""

    numbers: ClassVar[Mapping[str, float | None]] = {"warmup_steps": None, "total_steps": None}

    def _begin(self, group: dict[str, Any]) -> None:
        super()._begin(group)
        self._set(group)

    def _set(self, group: dict[str, Any]) -> None:
        torch.mul(self.own["base_lrs"], self._row()[0], out=group["lr"])

    def _ahead(self, steps: range) -> tuple[Tensor, ...]:
        def factors(steps: range, numbers: tuple[int, int]) -> list[float]:
            return list(map(WarmupCosine(*numbers), steps))

        return (self._table(steps, self._sets("warmup_steps", "total_steps"), factors),)


class _OneCycle(StackedSchedule):
    """Smith and Topin 2018: up to `max_lr` and down again, momentum (or β₁) the other way."""

    numbers: ClassVar[Mapping[str, float | None]] = {
        "max_lr": None, "total_steps": None, "epochs": None, "steps_per_epoch": None, "pct_start": 0.3,
        "base_momentum": 0.85, "max_momentum": 0.95, "div_factor": 25.0, "final_div_factor": 1e4,
    }  # fmt: skip
    options: ClassVar[Mapping[str, Any]] = {"anneal_strategy": "cos", "cycle_momentum": True, "three_phase": False}
    held = ("max_lr", "max_momentum", "base_momentum")

    @classmethod
    def serves(cls, arguments: Arguments) -> bool:
        """A momentum that passes through 0 is not served: torch leaves its buffer as it is in that step."""
        still = arguments.get("cycle_momentum", True) is False
        fine = still or (arguments.get("base_momentum", 1) != 0 and arguments.get("max_momentum", 1) != 0)
        return fine and super().serves(arguments)

    def _begin(self, group: dict[str, Any]) -> None:
        first = self.own["max_lr"] / self._number("div_factor")
        self.own |= {"base_lrs": first, "min_lr": first / self._number("final_div_factor")}
        group |= {"initial_lr": first.clone(), **{name: self.own[name].clone() for name in ("max_lr", "min_lr")}}
        if self._option("cycle_momentum"):
            group |= {name: self.own[name].clone() for name in ("max_momentum", "base_momentum")}
            self.optimizer.cycle_momentum()
        self._set(group)

    def _set(self, group: dict[str, Any]) -> None:
        lr, *momentum = self._row()
        if self.last_epoch > self._total:
            raise ValueError(f"step {self.last_epoch} is after the last of the schedule, total_steps={self._total}")
        group["lr"].copy_(lr)
        if momentum:
            (group["betas"][0] if "betas" in group else group["momentum"]).copy_(momentum[0])

    def _ahead(self, steps: range) -> tuple[Tensor, ...]:
        ends = [tuple(phase["end_step"] for phase in lone["_schedule_phases"]) for lone in self.lone]
        cosine, last = self._option("anneal_strategy") == "cos", len(ends[0]) - 1
        self._total = min(lone["total_steps"] for lone in self.lone)
        phase = self._table(steps, ends, lambda steps, n: [_phase(t, n)[0] for t in steps]).long()
        way = self._table(steps, ends, _cosine_way if cosine else lambda steps, n: [_phase(t, n)[1] for t in steps])

        def between(names: Sequence[str]) -> Tensor:
            corners = torch.stack([self.own[name] for name in names])
            start, end = corners.gather(0, phase), corners.gather(0, phase + 1)
            return end + (start - end) / 2.0 * way if cosine else (end - start) * way + start

        back = ["base_lrs"] if last == 2 else []
        rates = between(["base_lrs", "max_lr", *back, "min_lr"])
        if not self._option("cycle_momentum"):
            return (rates,)
        return rates, between(["max_momentum", "base_momentum", "max_momentum", "max_momentum"][: last + 2])


def _phase(t: int, ends: tuple[float, ...]) -> tuple[int, float]:
    """The phase of step t, and how much of it has passed."""
    start = 0.0
    for phase, end in enumerate(ends):
        if t <= end or phase == len(ends) - 1:
            break
        start = end
    return phase, (t - start) / (end - start) if end != start else math.nan


def _cosine_way(steps: range, ends: tuple[float, ...]) -> list[float]:
    return [math.cos(math.pi * _phase(t, ends)[1]) + 1 for t in steps]


class StackedPlateau(StackedSchedule, ReduceLROnPlateau):
    """`a <- factor a` for each member whose own metric has not become better for `patience` steps of the schedule."""

    numbers: ClassVar[Mapping[str, float | None]] = {
        "factor": 0.1, "patience": 10, "threshold": 1e-4, "cooldown": 0, "min_lr": 0.0, "eps": 1e-8,
    }  # fmt: skip
    options: ClassVar[Mapping[str, Any]] = {"mode": "min", "threshold_mode": "rel"}
    held = ("factor", "patience", "threshold", "cooldown", "min_lr", "eps")
    progress = ("best", "num_bad_epochs", "cooldown_counter")

    def _begin(self, group: dict[str, Any]) -> None:
        self.own |= {name: self._tensor([lone[name] for lone in self.lone]) for name in self.progress}

    @torch.no_grad()
    def step(self, metrics: Any, epoch: int | None = None) -> None:  # type: ignore[override]
        """Reduce the learning rates of those members that have waited too long.

        Args:
            metrics: `[P]`, what is watched of each member.
            epoch: not used.
        """
        self.last_epoch += 1
        self._follow()
        own, lr = self.own, self.optimizer.param_groups[0]["lr"]
        current = metrics.to(own["best"])
        better = self._better(current)
        own["best"] = torch.where(better, current, own["best"])
        cooling = own["cooldown_counter"] > 0
        bad = torch.where(better | cooling, 0.0, own["num_bad_epochs"] + 1)
        counter = own["cooldown_counter"] - cooling.double()
        reduced = bad > own["patience"]
        lower = torch.maximum(lr * own["factor"], own["min_lr"])
        lr.copy_(torch.where(reduced & (lr - lower > own["eps"]), lower, lr))
        own["cooldown_counter"] = torch.where(reduced, own["cooldown"], counter)
        own["num_bad_epochs"] = torch.where(reduced, 0.0, bad)

    def _better(self, current: Tensor) -> Tensor:
        best, threshold = self.own["best"], self.own["threshold"]
        least = self._option("mode") == "min"
        if self._option("threshold_mode") == "rel":
            return current < best * (1 - threshold) if least else current > best * (threshold + 1)
        return current < best - threshold if least else current > best + threshold


_TORCH = "torch.optim.lr_scheduler."
SCHEDULES: Mapping[str, type[StackedSchedule]] = {
    f"{_TORCH}CosineAnnealingLR": _Cosine,
    f"{_TORCH}ExponentialLR": _Exponential,
    f"{_TORCH}StepLR": _Step,
    f"{_TORCH}OneCycleLR": _OneCycle,
    f"{_TORCH}ReduceLROnPlateau": StackedPlateau,
    "src.optim.warmup_cosine": _WarmupCosine,
}
"""By the dotted name of the lone schedule."""


def has_schedule(path: str, arguments: Arguments) -> bool:
    """Whether members with this schedule and such arguments can be trained in a stack."""
    return path in SCHEDULES and SCHEDULES[path].serves(plain(arguments))


def stacked_schedule(optimizer: Stacked, path: str, members: Sequence[Arguments]) -> StackedSchedule:
    """The schedule of a stack: see `StackedSchedule`."""
    if path not in SCHEDULES:
        raise ValueError(f"{path} has no form for a stack; those that have one: {', '.join(SCHEDULES)}")
    return SCHEDULES[path](optimizer, path, members)
