"""The schedules of a stack: torch's own scheduler classes, over learning rates that are arrays.

A scheduler of torch computes what depends on the step in Python's numbers and then multiplies and adds the learning
rate, so over an array it gives every member the bits of a scheduler of its own.
"""

import contextlib
import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from src.config.classes import import_class
from src.optim.build import first_step, listed, numbers_of, unguarded

_TORCH = "torch.optim.lr_scheduler."
_PLATEAU = f"{_TORCH}ReduceLROnPlateau"
OVER_ARRAYS: Mapping[str, tuple[str, ...]] = {
    f"{_TORCH}CosineAnnealingLR": ("eta_min",),
    f"{_TORCH}ExponentialLR": ("gamma",),
    f"{_TORCH}StepLR": ("gamma",),
    f"{_TORCH}MultiStepLR": (),
    f"{_TORCH}LinearLR": (),
    f"{_TORCH}PolynomialLR": (),
    f"{_TORCH}ConstantLR": (),
    f"{_TORCH}CosineAnnealingWarmRestarts": (),
    f"{_TORCH}CyclicLR": ("base_lr", "max_lr", "base_momentum", "max_momentum"),
    f"{_TORCH}OneCycleLR": ("max_lr", "base_momentum", "max_momentum"),
    "src.optim.warmup_cosine": (),
}
"""Schedulers that only multiply and add the learning rate; arguments of which the same is true are arrays as well."""

_COUNTS: Mapping[str, type] = {
    "last_epoch": int, "_step_count": int, "T_cur": int, "T_i": int,
    "best": float, "num_bad_epochs": int, "cooldown_counter": int,
}  # fmt: skip
"""What steps change in torch's schedulers beside the numbers of the parameter group (and `_last_lr`, which is `lr`)."""

Leaves = Mapping[str, Any]
"""By name: a tensor `[P, ...]`, or a tuple of P opaque values."""


@unguarded
class _Numbers(Optimizer):
    """What a scheduler sees of an optimizer: a parameter group."""

    _opt_called = True  # else torch warns of a scheduler's step without the optimizer's


@dataclass(frozen=True)
class _Part:
    """Members that one scheduler serves: with numbers that are arrays, or one member with its own."""

    members: np.ndarray
    scheduler: LRScheduler

    @property
    def group(self) -> dict[str, Any]:
        return self.scheduler.optimizer.param_groups[0]


class StackedSchedule:
    """P members' own schedules: torch's scheduler over an optimizer whose numbers are float64 arrays `[P]`.

    There is one scheduler for each distinct set of arguments, and one for each member where the class is not known to
    give the same bits over arrays (plateaus, a user's own).

    Args:
        path: the dotted name of the scheduler's class or of a function that makes one.
        sections: the arguments of each member; keys that start with `_` are passed over.
        groups: each member's own parameter group, without its parameters.

    Raises:
        ValueError: torch refuses an argument, when it is built or in its first step; the sentence is its own.
    """

    plateau: bool
    """It waits for a metric instead of stepping."""

    shared: bool
    """Members of the same numbers have the same rates: they depend on the step alone."""

    names: tuple[str, ...]
    """The numbers that it overwrites: `lr`, `momentum`, `betas.0`. A class of the user's own may overwrite any."""

    def __init__(self, path: str, sections: Sequence[Mapping], groups: Sequence[Mapping[str, Any]]) -> None:
        if len(sections) != len(groups):
            raise ValueError(f"{len(groups)} members cannot have {len(sections)} schedules")
        self.path, self.groups = path, [dict(group) for group in groups]
        self.sections = [numbers_of(section) for section in sections]
        self._arrays = OVER_ARRAYS.get(path)
        self._opaque = self._arrays is None and path != _PLATEAU
        self.shared = self._arrays is not None
        shared = [self._shared(section) for section in self.sections]
        for index in sorted({text: index for index, text in reversed([*enumerate(shared)])}.values()):
            with self._refusing(self.sections[index]):
                first_step(self._scheduler(self.sections[index], self.groups[index]))
        alike: dict[Any, list[int]] = {}
        for index, text in enumerate(shared):
            alike.setdefault(index if self._arrays is None else text, []).append(index)
        self._parts = [_Part(np.array(members), self._over(members)) for members in alike.values()]
        self._part_of = {index: (part, k) for part in self._parts for k, index in enumerate(part.members)}
        first = self._parts[0].scheduler
        self.plateau = isinstance(first, ReduceLROnPlateau)
        self._counts = [] if self._opaque else [name for name in _COUNTS if hasattr(first, name)]
        cycles = {bool(getattr(part.scheduler, "cycle_momentum", False)) for part in self._parts}
        if len(cycles) > 1:  # a member's bits would depend on the others
            raise ValueError(f"{path}: cycle_momentum must be the same in all members of a stack")
        cycled = ["betas.0" if "betas" in self.groups[0] else "momentum"] * (cycles == {True})
        self.names = tuple(_numbers(self.groups[0])) if self._opaque else ("lr", *cycled)

    # --- steps ---

    def ahead(self, count: int) -> dict[str, np.ndarray]:
        """Take `count` steps; the numbers before each of them, `[count, P]` by name. A plateau's are `now`'s.

        Raises:
            ValueError: the schedule has come to its end.
        """
        if self.plateau:
            return {name: np.broadcast_to(values, (count, len(values))) for name, values in self.now().items()}
        rows = {name: np.empty((count, len(self.groups))) for name in self.names}
        for part in self._parts:
            with self._refusing(self.sections[part.members[0]]):
                for k in range(count):
                    for name, values in rows.items():
                        values[k, part.members] = number(part.group, name)
                    part.scheduler.step()
        return rows

    def now(self) -> dict[str, np.ndarray]:
        """The numbers of the step to come, `[P]` by name."""
        return {name: self._gathered([number(part.group, name) for part in self._parts]) for name in self.names}

    def wait(self, metric: Tensor) -> None:
        """Tell a plateau what is watched of each member, `[P]`."""
        for index, value in enumerate(metric.tolist()):
            self._part_of[index][0].scheduler.step(value)

    def _gathered(self, parts: Sequence[Any]) -> np.ndarray:
        """What each of the parts has, in the order of the members, `[P]`."""
        values = np.empty(len(self.groups))
        for part, value in zip(self._parts, parts, strict=True):
            values[part.members] = value
        return values

    # --- state ---

    def leaves(self) -> dict[str, Tensor | tuple]:
        """Copies of all that steps change: float64 `[P]` on the CPU, or P states of a class of the user's own."""
        if self._opaque:
            schedulers = [self._part_of[index][0].scheduler for index in range(len(self.groups))]
            return {"own": tuple(copy.deepcopy((own.state_dict(), _without_params(own))) for own in schedulers)}
        counts = {
            name: self._gathered([getattr(part.scheduler, name) for part in self._parts]) for name in self._counts
        }
        return {name: torch.from_numpy(values) for name, values in {**self.now(), **counts}.items()}

    def load(self, leaves: Leaves) -> None:
        """Go on from there; members that share a scheduler must be at the same step."""
        for part in self._parts:
            if self._opaque:
                state, group = copy.deepcopy(leaves["own"][part.members[0]])
                part.scheduler.load_state_dict(state)
                part.group.update(group)
                continue
            for name in self._counts:
                setattr(part.scheduler, name, _COUNTS[name](leaves[name][part.members[0]]))
            for name in self.names:
                values = np.array([float(leaves[name][index]) for index in part.members])
                part.group.update(entry(part.group, name, float(values[0]) if self._arrays is None else values))
            part.scheduler._last_lr = [part.group["lr"]]

    def select(self, keep: Sequence[int]) -> "StackedSchedule":
        """The schedules of some members, going on from here."""
        sections, groups = [self.sections[index] for index in keep], [self.groups[index] for index in keep]
        some = StackedSchedule(self.path, sections, groups)
        some.load({name: chosen(values, keep) for name, values in self.leaves().items()})
        return some

    def member(self, leaves: Leaves, index: int) -> dict[str, Any]:
        """The `state_dict()` that the member's own scheduler would have."""
        if self._opaque:
            return copy.deepcopy(leaves["own"][index][0])
        part = self._part_of[index][0]
        state = {name: self._own(value, index) for name, value in part.scheduler.state_dict().items()}
        counts = {name: _COUNTS[name](leaves[name][index]) for name in self._counts}
        return {**state, **counts, "_last_lr": [self._as_given(leaves["lr"][index], index)]}

    def taken(self, group: Mapping[str, Any], state: Mapping[str, Any]) -> dict[str, Tensor | tuple]:
        """Leaves of one member, from its own parameter group and its scheduler's `state_dict()`: `member` backwards."""
        if self._opaque:
            own = {key: value for key, value in group.items() if key != "params"}
            return {"own": (copy.deepcopy((dict(state), own)),)}
        values = {name: number(group, name) for name in self.names} | {name: state[name] for name in self._counts}
        return {name: torch.tensor([float(value)], dtype=torch.float64) for name, value in values.items()}

    def group_entries(self, leaves: Leaves, index: int) -> dict[str, Any]:
        """What the member's own scheduler would have put into its parameter group, or changed there."""
        if self._opaque:
            return copy.deepcopy(leaves["own"][index][1])
        own, group = self.groups[index], self._part_of[index][0].group
        entries = {key: self._own(group[key], index) for key in group if key not in own and key != "params"}
        for name in self.names:
            entries |= entry(own, name, self._as_given(leaves[name][index], index))
        return entries

    def _own(self, value: Any, index: int) -> Any:
        """A member's own of what its scheduler keeps: arrays, and lists of a parameter group's."""
        if isinstance(value, list):
            return [self._own(one, index) for one in value]
        if isinstance(value, np.ndarray):
            return self._as_given(value[self._part_of[index][1]], index)
        return copy.deepcopy(value)

    def _as_given(self, value: Any, index: int) -> float:
        """A rate of 1 that was given as an integer is still one (torch may have made it 1.0 by a product with 1.0)."""
        given = self.groups[index]["lr"]
        return given if value == given else float(value)

    # --- schedulers ---

    def _shared(self, section: Mapping[str, Any]) -> str:
        """What members of one scheduler have in common; as a text, in which 1 is not 1.0."""
        return repr([(key, None if self._array(key, value) else value) for key, value in sorted(section.items())])

    def _array(self, key: str, value: Any) -> bool:
        return key in (self._arrays or ()) and isinstance(value, float)

    def _over(self, members: Sequence[int]) -> LRScheduler:
        """The scheduler of these members."""
        section, group = self.sections[members[0]], self.groups[members[0]]
        if self._arrays is None:
            return self._scheduler(section, group)
        arrays = {
            key: np.array([self.sections[index][key] for index in members])
            for key, value in section.items()
            if self._array(key, value)
        }
        rates = np.array([self.groups[index]["lr"] for index in members], dtype=np.float64)
        return self._scheduler({**section, **arrays}, {**group, "lr": rates})

    def _scheduler(self, section: Mapping[str, Any], group: Mapping[str, Any]) -> LRScheduler:
        factory = import_class(self.path, "scheduler._target_", LRScheduler)
        optimizer = _Numbers([nn.Parameter(torch.zeros(1))], dict(group))
        with self._refusing(section):
            scheduler = factory(optimizer, **section)
        if not isinstance(scheduler, LRScheduler):
            made = type(scheduler).__name__
            raise ValueError(f"scheduler._target_={self.path} makes a {made}, not an LRScheduler of torch")
        return scheduler

    @contextlib.contextmanager
    def _refusing(self, section: Mapping[str, Any]) -> Iterator[None]:
        try:
            with np.errstate(all="ignore"):
                yield
        except Exception as error:  # a user's class can raise anything
            raise ValueError(f"{self.path} refuses {listed(section)}: {error}") from None


def fits_stack(section: Mapping[str, Any]) -> bool:
    """Whether a stack can have it: not where momentum passes through 0, and torch leaves its buffer as it is."""
    ends = [section.get("base_momentum"), section.get("max_momentum")]
    return not section.get("cycle_momentum", True) or all(end is None or end != 0 for end in ends)


def chosen(values: Tensor | tuple, keep: Sequence[int]) -> Tensor | tuple:
    """Of some members only: `[P, ...]`, or P opaque values."""
    return values[list(keep)] if isinstance(values, Tensor) else tuple(values[index] for index in keep)


def of_schedule(leaves: Leaves) -> dict[str, Any]:
    """Those leaves of an update that are its schedule's, by the schedule's own names."""
    return {name.removeprefix("schedule/"): value for name, value in leaves.items() if name.startswith("schedule/")}


def number(group: Mapping[str, Any], name: str) -> Any:
    """A number of a parameter group by a name such as `lr` or `betas.0`."""
    key, _, index = name.partition(".")
    return group[key][int(index)] if index else group[key]


def entry(group: Mapping[str, Any], name: str, value: Any) -> dict[str, Any]:
    """What of the group is another once its number `lr`, `momentum` or `betas.0` is `value`."""
    key, _, index = name.partition(".")
    return {key: (value, *group[key][1:]) if index else value}


def _without_params(scheduler: LRScheduler) -> dict[str, Any]:
    return {key: value for key, value in scheduler.optimizer.param_groups[0].items() if key != "params"}


def _numbers(group: Mapping[str, Any]) -> Iterator[str]:
    """The names of the numbers of a parameter group: `lr`, `betas.0`, `betas.1`."""
    for key, value in group.items():
        if isinstance(value, tuple):
            yield from (f"{key}.{index}" for index in range(len(value)))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield key
