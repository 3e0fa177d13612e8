"""Many members, stepped as one tensor program: by a per-member rule of their optimizer's class, or by the class."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from src.engine.condensed_data import Condensed
from src.engine.device_data import DeviceData
from src.engine.gradients import Autograd, ByHand, Gradients, OfSquares, Treatment
from src.engine.stepper import Leaf, State, Stepper
from src.losses.loss import Loss
from src.models.member_axis import point
from src.models.vmapped import Vmapped
from src.optim.rules import Rule, rule_of
from src.optim.stacked_class import StackedClass
from src.optim.stacked_rule import StackedRule, lone_group
from src.optim.stacked_schedule import chosen, entry

ROWS = 4096
"""Rows whose predictions are in memory at once, of all members."""
AT_ONCE = 2**24
"""Rows times parameters of those members that are computed together where the graph of all their rows is kept."""


class RuleStepper(Stepper):
    """Members whose parameters are rows of one tensor.

    All parameters of a member are one row of `flat [P, N]`, those of the module are views of it: to an element-wise
    rule there is one tensor, whatever the module is made of. Kernels for one row round otherwise than those for more:
    one member alone is computed twice, and inside there are never fewer than two rows.

    Args:
        size: members.
        module: parameters `[P, ...]`, views of `flat`; P is at least 2. One without `by_hand` is differentiated.
        flat: `[P, N]`.
        update: of these.
        loss: as they train.
        data: what they see.
        treatment: what happens to gradients; a limit is of each `[P]`.
        axis: what comes before a parameter's shape in a lone run: 1, or nothing.
    """

    def __init__(
        self,
        size: int,
        module: nn.Module,
        flat: Tensor,
        update: StackedRule | StackedClass,
        loss: Loss,
        data: DeviceData,
        treatment: Treatment,
        axis: tuple[int, ...] = (1,),
    ) -> None:
        self.axis = axis
        self.size, self.module, self.flat, self.update = size, module, flat, update
        self.loss, self.data, self.treatment = loss, data, treatment
        self.switches = update.switches
        if update.needs_loss:
            treatment.check_sums(update.path)
        self.shapes = {name: tuple(p.shape[1:]) for name, p in module.named_parameters()}
        self._before: Tensor | None = None
        self.gradient: OfSquares | ByHand | Autograd
        if data.full_batch and data.condensed("train") is not None:
            self.gradient = OfSquares(data, flat)
            self._out = self.gradient.out
        else:
            self.gradient, self._out = self._on_rows(), torch.empty_like(flat)

    def _on_rows(self) -> ByHand | Autograd:
        kind = Autograd if getattr(self.module, "by_hand", None) is None else ByHand
        return kind(self.data, self._receive, self.module, self.loss)

    # --- steps ---

    @torch.no_grad()
    def _take(self, first: int, ready: int) -> None:
        taken = 0
        while taken < ready:
            some = self.update.start(first + taken, ready - taken)
            self._go(first + taken, some, taken, 0)
            taken += some

    def _go(self, first: int, count: int, g: int, u: int) -> None:
        """Take steps that are ready: the first is number `g` of the gradient's, `u` of the update's."""
        update, gradient, out, plain = self.update, self.gradient, self._out, self.treatment.nothing
        loss = gradient.loss_of if update.needs_loss else _no_loss
        for k in range(count):
            gradient(g + k)
            treated = out if plain else self._treated(first + k)
            update(u + k, treated, loss(g + k))

    def _receive(self, gradients: Gradients, step: int) -> None:
        """Gradients of parameters side by side, as their rows are."""
        rows = len(self.flat)  # a tensor's length is slow to ask for
        torch.cat([g.reshape(rows, -1) for g in gradients if g is not None], 1, out=self._out)

    def _treated(self, step: int) -> Tensor:
        """The gradient `[P, N]` of this step as the rule sees it."""
        (treated,) = self.treatment([self._out], [self._before], step)
        assert treated is not None
        if self.treatment.zero_every != 1:  # not the tensor itself: the next gradient is written there
            self._before = treated.clone() if treated is self._out else treated
        return treated

    @torch.no_grad()
    def losses(self, part: str) -> Tensor:
        """Losses `[P]` over all rows of a part."""
        condensed = self.data.condensed(part)
        if condensed is None:
            return super().losses(part)
        return condensed.losses(self._residuals(condensed)[None])[0][: self.size]

    @torch.no_grad()
    def squares(self, part: str, units: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """Mean squared errors `[P, O]`, float64, over all rows of a part; see `Stepper.squares`."""
        condensed = self.data.condensed(part)
        if condensed is None or units is not None:
            return super().squares(part, units)
        each = condensed.losses_of_each(self._residuals(condensed))[: self.size].double()
        return (
            each / len(getattr(self.data.problems[0], part)) if self.loss.reduction == "sum" else each * each.shape[1]
        )

    def _predicted(self, part: str) -> Iterable[tuple[Tensor, Tensor]]:
        """As many at a time as do not depend on how many members there are, and so neither do the sums."""
        return ((self.module(rows.inputs), rows.targets) for rows in self.data.pieces(part, ROWS))

    @torch.no_grad()
    def gradients(self, part: str) -> list[Tensor | None]:
        """The gradient over all rows of a part, of all parameters side by side, `[P, N]`."""
        condensed = self.data.condensed(part)
        if condensed is None:
            rows = self.data.rows(part)
            with torch.enable_grad():
                _, gradients = self._on_rows().compute(rows.inputs, rows.targets)
            whole = torch.cat([g.reshape(len(self.flat), -1) for g in gradients if g is not None], 1)
        else:
            whole = torch.bmm(2 * condensed.factor.mT, self._residuals(condensed)).view_as(self.flat)
        return [whole[: self.size]]

    def named_gradients(self, part: str) -> dict[str, Tensor]:
        """Each `[P, n]`."""
        (whole,) = self.gradients(part)
        assert whole is not None
        sizes = [math.prod(shape) for shape in self.shapes.values()]
        return dict(zip(self.shapes, whole.split(sizes, 1), strict=True))

    def of_members(self, compute: Callable[[Stepper], Tensor]) -> Tensor:
        """Values `[P]`, of so many at a time as have room."""
        rows = len(self.data.problems[0].train)
        most = max(2, AT_ONCE // (rows * self.flat.shape[1]))
        if most >= self.size:
            return compute(self)
        pieces = torch.arange(self.size).split(most)
        return torch.cat([compute(self.select(some.tolist())) for some in pieces])

    def predictions(self, inputs: Tensor) -> Tensor:
        """Predictions `[P, B, O]` for inputs `[P, B, I]` of each."""
        return super().predictions(inputs[self._rows(range(self.size))])[: self.size]

    def _residuals(self, condensed: Condensed) -> Tensor:
        """`R t - z`, `[P, d, O]`."""
        theta = self.flat.view(len(self.flat), *condensed.offset.shape[1:])
        return torch.baddbmm(condensed.offset, condensed.factor, theta)

    # --- the parameters that are kept ---

    def eval(self) -> None:
        """Switch to them, where the optimizers have others while they train."""
        self.update.switch("eval")
        super().eval()

    def train(self) -> None:
        """Switch back to those that are trained."""
        self.update.switch("train")
        super().train()

    # --- numbers ---

    def rate(self) -> Tensor:
        """The learning rate of the step to come, `[P]`."""
        return self.update.rate()[: self.size]

    @property
    def rule(self) -> Rule | None:
        """That of their class, which takes their steps or not."""
        return self.update.rule if isinstance(self.update, StackedRule) else rule_of(self.update.path)

    def groups(self) -> Sequence[Mapping[str, Any]]:
        """As a lone run of each would have them."""
        update = self.update
        groups = [lone_group(update.path, own) for own in update.members[: self.size]]
        for name, values in (update.schedule.now() if update.schedule else {}).items():
            for group, value in zip(groups, values.tolist(), strict=False):
                group.update(entry(group, name, value))
        return groups

    @property
    def waits(self) -> bool:
        """Whether their schedules wait for a plateau."""
        return self.update.schedule is not None and self.update.schedule.plateau

    def plateau(self, metric: Tensor) -> None:
        """Tell the schedules what they wait for, `[P]`."""
        assert self.update.schedule is not None
        self.update.schedule.wait(metric[self._rows(range(self.size))])

    # --- state ---

    def _rows(self, keep: Sequence[int]) -> list[int]:
        """The rows of these members inside: of one alone twice."""
        return list(keep) if len(keep) > 1 else [keep[0]] * 2

    def parameters(self) -> dict[str, Tensor]:
        """Every parameter, `[P, I, O]` float64 on the CPU."""
        return {name: p.detach()[: self.size].double().cpu() for name, p in self.module.named_parameters()}

    @torch.no_grad()
    def state(self, step: int) -> State:
        """Rows, gradients that add up, the rule's state, the schedules'."""
        leaves: dict[str, Leaf] = {"flat": self.flat.clone(), **self.update.leaves()}
        if self._before is not None:
            leaves["gradient"] = self._before.clone()
        if self.size < len(self.flat):
            leaves = {name: chosen(leaf, range(self.size)) for name, leaf in leaves.items()}
        return State(torch.full((self.size,), step), leaves)

    @torch.no_grad()
    def load(self, state: State) -> None:
        """Go on from a state of these members, bit for bit; values are copied."""
        leaves = dict(state.leaves)
        if self.size < len(self.flat):
            leaves = {name: chosen(leaf, self._rows(range(self.size))) for name, leaf in leaves.items()}
        flat, before = leaves.pop("flat"), leaves.pop("gradient", None)
        assert isinstance(flat, Tensor)
        self.flat.copy_(flat)
        self._before = before.to(self.flat) if isinstance(before, Tensor) else None
        self.update.load(leaves)

    @torch.no_grad()
    def select(self, keep: Sequence[int]) -> RuleStepper:
        """A stepper of some members, in this order, that goes on from here with copies."""
        rows = self._rows(keep)
        where = torch.tensor(rows, device=self.flat.device)
        flat, clip = self.flat[where], self.treatment.clip
        treatment = self.treatment
        if isinstance(clip, Tensor):
            treatment = Treatment(treatment.zero_every, clip[where], treatment.by_norm)
        module = point(copy.copy(self.module), flat)
        if isinstance(module, Vmapped):
            module.choose(rows)
        some = type(self)(
            len(keep),
            module,
            flat,
            self.update.select(rows, flat),
            self.loss,
            self.data.select(rows),
            treatment,
            self.axis,
        )
        some._before = None if self._before is None else self._before[where]
        some._kept_parameters = self._kept_parameters
        return some

    def member(self, state: State, index: int) -> dict[str, Any]:
        """One member as its own optimizer over its own parameters would be."""
        leaves = dict(state.leaves)
        flat, before = leaves.pop("flat"), leaves.pop("gradient", None)
        shapes = [(*self.axis, *shape) for shape in self.shapes.values()]
        optimizer, schedule = self.update.member(leaves, index, shapes, int(state.step[index]))
        own = self._split(flat[index])
        return {
            "state_dict": self.module.kept(own, index) if isinstance(self.module, Vmapped) else own,
            "optimizer_states": [optimizer],
            "lr_schedulers": [] if schedule is None else [schedule],
            "gradients": None
            if self.treatment.zero_every == 1 or before is None
            else list(self._split(before[index]).values()),
            "random": None,
            "numbers": [lone_group(self.update.path, self.update.members[index])],
        }

    def go_on(self, kept: Mapping[str, Any], step: int) -> None:
        """Go on from the checkpoint of a run by itself, in torch's own layout: see `Stepper.go_on`."""
        schedule = kept["lr_schedulers"][0] if kept["lr_schedulers"] else None
        assert isinstance(self.update, StackedRule)
        leaves = self.update.taken(kept["optimizer_states"][0], schedule)
        leaves["flat"] = _side_by_side([kept["state_dict"][name] for name in self.shapes])
        if kept["gradients"] is not None:
            there = zip(kept["gradients"], self.shapes.values(), strict=True)
            leaves["gradient"] = _side_by_side([torch.zeros(shape) if g is None else g for g, shape in there])
        self.load(State(torch.tensor([step]), leaves))

    def share(self, model: nn.Module) -> None:
        """Make the trained parameters of the one member's own model views of its row."""
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        model.to(self.flat.device)
        for parameter, piece in zip(trained, self.flat[0].split([p.numel() for p in trained]), strict=True):
            parameter.data = piece.view_as(parameter)

    def _split(self, row: Any) -> dict[str, Tensor]:
        """A row as parameters by name, as a lone run has them."""
        pieces = row.detach().cpu().split([math.prod(shape) for shape in self.shapes.values()])
        return {
            name: piece.view(*self.axis, *shape).clone()
            for piece, (name, shape) in zip(pieces, self.shapes.items(), strict=True)
        }


def _side_by_side(values: Sequence[Tensor]) -> Tensor:
    """One member's as a row `[1, N]`."""
    return torch.cat([value.reshape(1, -1) for value in values], 1)


def _no_loss(k: int) -> None:
    """Of most updates, which do not look at it."""
