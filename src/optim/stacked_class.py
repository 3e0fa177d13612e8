"""The update of a stack by an optimizer's own class: for all that have no rule, and need no closure.

How much of the stack one tensor of the class may hold is its grain, which is found out on throwaway numbers.
"""

import copy
import hashlib
import platform
import sys
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from math import prod
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from src.cache import remembered
from src.config.classes import import_class
from src.errors import one_line, raised
from src.optim.build import instance, listed, load_state, numbers_of, switches, takes_member_axis
from src.optim.stacked_schedule import Leaves, StackedSchedule, chosen, entry, of_schedule
from src.seeds import packed, random_state, seeded, stream

Grain = Literal["setting", "tensor"]
"""What one tensor of the class holds: all parameters of all members of a setting, or one parameter of one member."""
GRAINS: tuple[Grain, ...] = get_args(Grain)
"""The coarsest first."""

Arguments = Mapping[str, Any]
Shapes = Sequence[tuple[int, ...]]

MULTIPLE = 64
"""Every tensor of the class begins so many numbers after the one before it, or a multiple: kernels see each alike."""
AHEAD = 64
"""Steps whose rates are asked for at once."""


@dataclass
class _Part:
    """Members of one setting, and their optimizer.

    Attributes:
        members: their rows in the stack.
        optimizer: over `parameters`.
        parameters: `[S, M]` alone, or `S` times those of a member.
        values: where their numbers belong; a class may put its own tensors in their place.
        gradients: of each.
    """

    members: list[int]
    optimizer: Optimizer
    parameters: list[nn.Parameter]
    values: list[Tensor]
    gradients: list[Tensor]

    @property
    def group(self) -> dict[str, Any]:
        return self.optimizer.param_groups[0]

    def step(self) -> None:
        for parameter, gradient in zip(self.parameters, self.gradients, strict=True):
            if parameter.grad is not gradient:
                parameter.grad = gradient
        self.optimizer.step()
        self.settle()

    @torch.no_grad()
    def settle(self) -> None:
        """Have the numbers where they belong, where the class has put tensors of its own in their place."""
        for parameter, place in zip(self.parameters, self.values, strict=True):
            if parameter.data_ptr() != place.data_ptr():
                if parameter.shape != place.shape:
                    changed = f"from {list(place.shape)} to {list(parameter.shape)}"
                    raise ValueError(f"{type(self.optimizer).__name__} changes the shape of a parameter {changed}")
                place.copy_(parameter)
                parameter.data = place


class StackedClass:
    """P members' own optimizers of one class, an instance a setting.

    The class works on tensors that lie in two of this object's, parameters and gradients, `[P, M]` each with members of
    a setting side by side; what a step needs and gives is copied for all members at once.

    Args:
        flat: `[P, N]`, a row for all parameters of a member; updated in place.
        path: the dotted name of the class.
        members: the arguments of each member.
        shapes: of a member's parameters, in the order of a row, as a lone run has them.
        grain: of the class.
        schedule: what overwrites numbers between steps.

    Raises:
        ValueError: the class refuses an argument.
    """

    needs_loss = False
    """A class that asks for the loss steps each member alone."""

    def __init__(
        self,
        flat: Tensor,
        path: str,
        members: Sequence[Arguments],
        shapes: Shapes,
        grain: Grain,
        schedule: StackedSchedule | None = None,
    ) -> None:
        self.flat, self.path, self.members = flat.detach(), path, [numbers_of(member) for member in members]
        self.shapes, self.grain, self.schedule = [tuple(shape) for shape in shapes], grain, schedule
        self._sizes = [prod(shape) for shape in self.shapes]
        self._rows: Mapping[str, Any] = {}
        together: dict[Any, list[int]] = {}
        for index, member in enumerate(self.members):
            together.setdefault(self._setting(index, member), []).append(index)
        order = [row for rows in together.values() for row in rows]
        self._order = None if order == sorted(order) else torch.tensor(order, device=self.flat.device)
        self._pieces = [self.flat.shape[1]] if grain == "setting" else self._sizes
        widths = [-(-size // MULTIPLE) * MULTIPLE for size in self._pieces]
        self._values, self._gradients = (self.flat.new_zeros(len(order), sum(widths)) for _ in range(2))
        # of all members the numbers that are in use, a view a piece
        self._into = [
            [wide[:, :size] for wide, size in zip(whole.split(widths, 1), self._pieces, strict=True)]
            for whole in (self._values, self._gradients)
        ]
        self._parts, first = list[_Part](), 0
        for rows in together.values():
            self._parts.append(self._part(rows, slice(first, first := first + len(rows))))
        self.switches = switches(self._parts[0].optimizer)
        self._place = {row: (part, k) for part in self._parts for k, row in enumerate(part.members)}
        self._copy_in()

    def _setting(self, index: int, member: Arguments) -> Any:
        """What members of one instance have in common; one whose rate waits for its own losses is alone."""
        if self.schedule is not None and not self.schedule.shared:
            return index
        schedule = {} if self.schedule is None else self.schedule.sections[index]
        return repr((sorted(member.items()), sorted(schedule.items())))

    def _part(self, rows: list[int], where: slice) -> _Part:
        wholes = zip((self._values, self._gradients), self._into, strict=True)
        values, gradients = (self._tensors(*whole, where) for whole in wholes)
        parameters = [nn.Parameter(value) for value in values]
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        return _Part(rows, built(self.path, self.members[rows[0]], parameters), parameters, values, gradients)

    def _tensors(self, whole: Tensor, pieces: Sequence[Tensor], where: slice) -> list[Tensor]:
        """What the class sees of these rows: all as one tensor, or each piece of each by itself."""
        if self.grain == "setting":
            return [whole[where]]
        rows = zip(*(piece[where] for piece in pieces), strict=True)
        return [piece.view(shape) for row in rows for piece, shape in zip(row, self.shapes, strict=True)]

    # --- steps ---

    def start(self, first: int, count: int) -> int:
        """Make ready what at most `count` steps need; for how many it is.

        Raises:
            ValueError: the schedule has come to its end.
        """
        if self.schedule is None:
            return count
        ready = count if self.schedule.plateau else min(count, AHEAD)
        self._rows = self.schedule.ahead(ready)
        return ready

    def __call__(self, k: int, gradient: Tensor, loss: Tensor | None = None) -> None:
        """Take the step after `k` more of those that are ready, with this gradient `[P, N]`."""
        self._copy(gradient, self._into[1])
        for part in self._parts:
            for name, values in self._rows.items():
                part.group.update(entry(part.group, name, float(values[k, part.members[0]])))
            part.step()
        self._copy_out()

    def _copy(self, whole: Tensor, into: Sequence[Tensor]) -> None:
        """The numbers of all members `[P, N]` to where the class sees them."""
        ordered = whole if self._order is None else whole[self._order]
        for place, numbers in zip(into, ordered.split(self._pieces, 1), strict=True):
            place.copy_(numbers)

    def _copy_in(self) -> None:
        with torch.no_grad():
            self._copy(self.flat, self._into[0])

    def _copy_out(self) -> None:
        for place, numbers in zip(self.flat.split(self._pieces, 1), self._into[0], strict=True):
            if self._order is None:
                place.copy_(numbers)
            else:
                place[self._order] = numbers

    def switch(self, mode: Literal["train", "eval"]) -> None:
        """Let a class that has others to evaluate than to train change its parameters (Defazio et al. 2024)."""
        if self.switches:
            for part in self._parts:
                getattr(part.optimizer, mode)()
                part.settle()
            self._copy_out()

    def rate(self) -> Tensor:
        """The learning rate of the step to come, float64 `[P]` on the CPU."""
        if self.schedule is not None:
            return torch.from_numpy(self.schedule.now()["lr"])
        rates = [self._place[row][0].group.get("lr", torch.nan) for row in range(len(self.members))]
        return torch.tensor([float(rate) for rate in rates], dtype=torch.float64)

    # --- state ---

    def leaves(self) -> dict[str, Tensor | tuple]:
        """Copies of all that steps change but `flat`: each member's `state_dict()`, and `schedule/`."""
        own = {"own": tuple(self._states())}
        return own | ({f"schedule/{k}": v for k, v in self.schedule.leaves().items()} if self.schedule else {})

    def _states(self) -> list[dict[str, Any]]:
        """The `state_dict()` of each member's own optimizer."""
        whole = {id(part): part.optimizer.state_dict() for part in self._parts}
        places = (self._place[row] for row in range(len(self.members)))
        return [self._state_of(part, k, whole[id(part)]) for part, k in places]

    def _state_of(self, part: _Part, k: int, kept: Mapping[str, Any]) -> dict[str, Any]:
        """That of member `k` of a part, of which the `state_dict()` is `kept`."""
        number = len(self.shapes)
        group = copy.deepcopy({key: value for key, value in part.group.items() if key != "params"})
        if self.grain == "tensor":
            own = {place: kept["state"].get(k * number + place) for place in range(number)}
            state = {place: copy.deepcopy(slots) for place, slots in own.items() if slots is not None}
        else:
            state = {place: {} for place in range(number) if kept["state"]}
            for name, value in kept["state"].get(0, {}).items():
                if isinstance(value, Tensor) and value.shape == part.parameters[0].shape:
                    pieces = value[k, : self.flat.shape[1]].split(self._sizes)
                    each: Sequence[Any] = [
                        piece.view(shape).clone() for piece, shape in zip(pieces, self.shapes, strict=True)
                    ]
                else:
                    each = [copy.deepcopy(value) for _ in range(number)]
                for place in range(number):
                    state[place][name] = each[place]
        return {"state": state, "param_groups": [{**group, "params": list(range(number))}]}

    def load(self, leaves: Leaves) -> None:
        """Go on from there, bit for bit."""
        for part in self._parts:
            own = [leaves["own"][row] for row in part.members]
            state: dict[int, Any] = {}
            for k, kept in enumerate(own):
                if self.grain == "tensor":
                    state |= {k * len(self.shapes) + place: slots for place, slots in kept["state"].items()}
                elif kept["state"]:
                    self._put(state.setdefault(0, {}), k, kept["state"], part.parameters[0])
            group = {**own[0]["param_groups"][0], "params": list(range(len(part.parameters)))}
            load_state(part.optimizer, {"state": copy.deepcopy(state), "param_groups": [copy.deepcopy(group)]})
        if self.schedule is not None:
            self.schedule.load(of_schedule(leaves))
        self._copy_in()

    def _put(self, slots: dict[str, Any], k: int, kept: Mapping[int, Mapping[str, Any]], parameter: Tensor) -> None:
        """A member's state into row `k` of that of its setting."""
        for name, value in kept[0].items():
            each = [kept[place][name] for place in range(len(self.shapes))]
            shaped = all(
                isinstance(one, Tensor) and tuple(one.shape) == shape
                for one, shape in zip(each, self.shapes, strict=True)
            )
            if shaped:
                if name not in slots:
                    slots[name] = torch.zeros_like(parameter, dtype=value.dtype)
                slots[name].data[k, : self.flat.shape[1]] = torch.cat([one.reshape(-1) for one in each])
            else:
                slots.setdefault(name, value)

    def select(self, keep: Sequence[int], flat: Tensor) -> "StackedClass":
        """The update of some members, going on from here.

        Args:
            keep: the members that stay, in their new order.
            flat: theirs, `[len(keep), N]`.
        """
        schedule = None if self.schedule is None else self.schedule.select(keep)
        members = [self.members[index] for index in keep]
        some = StackedClass(flat, self.path, members, self.shapes, self.grain, schedule)
        some.load({name: chosen(values, keep) for name, values in self.leaves().items()})
        return some

    def member(
        self, leaves: Leaves, index: int, shapes: Shapes, step: int
    ) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """The `state_dict()`s of the member's own optimizer and schedule; see `StackedRule.member`."""
        kept = leaves["own"][index]
        if self.schedule is None:
            return kept, None
        own = of_schedule(leaves)
        (group,) = kept["param_groups"]
        groups = [{**group, **self.schedule.group_entries(own, index)}]
        return {**kept, "param_groups": groups}, self.schedule.member(own, index)


def built(path: str, arguments: Arguments, parameters: Sequence[nn.Parameter]) -> Optimizer:
    """An optimizer of a class.

    Raises:
        ValueError: the class refuses an argument, or can do nothing with these parameters; the sentence is its own.
    """
    try:
        optimizer = instance(path, arguments, parameters)
    except Exception as error:  # a user's class can raise anything
        raise ValueError(f"{path} refuses {listed(arguments)}: {one_line(error)}") from None
    if switches(optimizer):
        optimizer.train()  # type: ignore[attr-defined]
    return optimizer


# --- the grain -------------------------------------------------------------------------------------------------------

TRIED, STEPS, CLOSE = ((3, 2), (1, 2), (5, 3)), 5, 1e-10
RATE = 0.1
"""A learning rate that moves parameters by more than `CLOSE`."""


@dataclass(frozen=True)
class Found:
    """What was found out of a class.

    Attributes:
        grain: the coarsest at which members step as each would alone; None: at none.
        why: there is none, in words that go on after "it has no rule, and".
    """

    grain: Grain | None
    why: str = ""


def grain_of(path: str, arguments: Arguments, dimensions: Iterable[int] = ()) -> Found:
    """How much of a stack one tensor of a class may hold.

    Found out on three members of a few numbers, two of one setting, in float64; and kept (src/cache.py), as that can
    take a minute.

    Args:
        path: the dotted name of the class.
        arguments: of a member.
        dimensions: how many those of its parameters have, to which some classes do different things; by default those
            of this project's models.
    """
    given = numbers_of(arguments)
    if isinstance(given.get("lr"), float | int):  # a sweep has many, and the class is the same
        given["lr"] = RATE
    there = tuple(sorted({*dimensions})) or (3 if takes_member_axis(path) else 2,)
    key = path, repr(sorted(given.items())), there
    if key not in _FOUND:
        shapes = [((1,) * (number - 2) + shape)[-number:] if number else () for number in there for shape in TRIED]
        _FOUND[key] = Found(**remembered("grain", [*key, *_code(path)], lambda: _find_out(path, given, shapes)))
    return _FOUND[key]


_FOUND: dict[tuple[str, str, tuple[int, ...]], Found] = {}
"""By class, arguments but for the learning rate, and dimensions."""


def _code(path: str) -> list[str]:
    """What a class does follows from: versions, this file, and all files of its package that are loaded."""
    kind = import_class(path, "optimizer._target_", Optimizer)
    packages = {one.__module__.partition(".")[0] for one in getattr(kind, "__mro__", (kind,))}
    packages = (packages | {path.partition(".")[0]}) - {"builtins", "torch", "typing", "collections", "abc"}
    loaded = sorted(name for name in sys.modules if name.partition(".")[0] in packages)
    files = [getattr(sys.modules[name], "__file__", None) for name in loaded]
    digest = hashlib.blake2b(digest_size=16)
    for file in (__file__, *(file for file in files if file and Path(file).is_file())):
        digest.update(Path(file).read_bytes())
    return [platform.python_version(), torch.__version__, digest.hexdigest()]


def _find_out(path: str, given: Arguments, shapes: Shapes) -> dict[str, Any]:
    """A `Found`, as plain values."""
    why = ""
    for grain in GRAINS:
        with seeded(0, "stacked_class.grain"), redirect_stdout(StringIO()):  # some greet whoever builds them
            try:
                why = _why_not(path, given, grain, shapes)
            except Exception as error:  # a user's class can raise anything
                why = f"it cannot step several members' parameters ({raised(error)})"
        if not why:
            return {"grain": grain}
    return {"grain": None, "why": why}


def _why_not(path: str, given: Arguments, grain: Grain, shapes: Shapes) -> str:
    """Why members of a class do not step at this grain as each would alone; empty: they do."""
    sizes = [prod(shape) for shape in shapes]
    generator = stream(0, "stacked_class.grain")
    flat = torch.randn(3, sum(sizes), generator=generator, dtype=torch.float64)
    other = {**given, "lr": RATE / 2} if given.get("lr") == RATE else given
    members = [given, other, given]
    lone = [[nn.Parameter(p.view(s).clone()) for p, s in zip(row.split(sizes), shapes, strict=True)] for row in flat]
    optimizers = [built(path, one, own) for one, own in zip(members, lone, strict=True)]
    stacked = StackedClass(flat, path, members, shapes, grain)
    random = packed(random_state(flat.device))
    for step in range(STEPS):
        gradient = 10.0 ** (step - 3) * torch.randn(flat.shape, generator=generator, dtype=torch.float64)
        for row, own, optimizer in zip(gradient, lone, optimizers, strict=True):
            for parameter, piece in zip(own, row.split(sizes), strict=True):
                parameter.grad = piece.view_as(parameter).clone()
            try:
                optimizer.step()
            except Exception as error:  # a user's class can raise anything; alone it is given a closure
                return f"it takes no step with gradients alone ({raised(error)})"
        if not _alike(packed(random_state(flat.device)), random):
            return "it draws random numbers"
        stacked(0, gradient)
        alone = torch.stack([torch.cat([p.detach().reshape(-1) for p in own]) for own in lone])
        if not alone.isfinite().all():
            return "its steps are not finite"
        if not torch.allclose(flat, alone, rtol=CLOSE, atol=CLOSE):
            return (
                "it keeps something beside the state of each parameter"
                if step > STEPS // 2
                else "what it does to a parameter depends on others"
            )
        if step == STEPS // 2:  # through a checkpoint, and fewer of them
            stacked = stacked.select([0, 1, 2], flat)
    if _alike(stacked._states(), [optimizer.state_dict() for optimizer in optimizers]):
        return ""
    return "its state_dict() keeps more than each parameter's own"


def _alike(ours: Any, lone: Any) -> bool:
    """Whether two states are built alike, and their numbers equal but for rounding."""
    if isinstance(lone, Tensor):
        if not isinstance(ours, Tensor) or ours.shape != lone.shape or ours.dtype != lone.dtype:
            return False
        return torch.allclose(ours.double(), lone.double(), rtol=CLOSE, atol=CLOSE)
    if isinstance(lone, Mapping):
        return isinstance(ours, Mapping) and ours.keys() == lone.keys() and all(_alike(ours[k], lone[k]) for k in lone)
    if isinstance(lone, list | tuple | deque):
        return isinstance(ours, list | tuple | deque) and len(ours) == len(lone) and all(map(_alike, ours, lone))
    if isinstance(lone, float):
        return isinstance(ours, float | int) and abs(ours - lone) <= CLOSE * abs(lone)
    return bool(ours == lone)
