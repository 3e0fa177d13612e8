"""A stack: the parameters, optimizer, schedule and data of many runs, stepped as one tensor program."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from src.descent import bearable
from src.models import Linear
from src.models.loss import Loss
from src.models.stack import point
from src.optim.stacked import Stacked
from src.optim.stacked_schedules import StackedPlateau, StackedSchedule
from src.stack.sight import Sight

LARGEST_HISTORY = 2**22
"""Residuals that are kept at once before their losses are computed."""


@dataclass(frozen=True)
class Common:
    """What all members of a stack have in common.

    Attributes:
        loss: as the runs train.
        zero_every: gradients add up in between; 0: they are never zeroed.
        clip_by_norm: rather than by value.
    """

    loss: Loss
    zero_every: int = 1
    clip_by_norm: bool = True


@dataclass(frozen=True)
class Numbers:
    """What each member has of its own beside its optimizer's numbers, each `[P]`.

    Attributes:
        clip: largest norm or absolute value of a gradient; None where no gradient is clipped.
        divergence_factor: times the larger of first loss (without its sign) and `spread`, the loss that has diverged;
            inf: any is fine.
        spread: see `src.run.target_spread`.
        unit: what a loss is multiplied by to be in the data's units.
        first_loss: before the first step; NaN until it is known.
    """

    clip: Tensor | None
    divergence_factor: Tensor
    spread: Tensor
    unit: Tensor
    first_loss: Tensor

    def select(self, indices: Tensor) -> "Numbers":
        """Of some members."""
        return Numbers(
            None if self.clip is None else self.clip[indices],
            self.divergence_factor[indices],
            self.spread[indices],
            self.unit[indices],
            self.first_loss[indices],
        )


class Stack:
    """Members trained together. There are never fewer than two: one alone is there twice.

    All parameters of a member are one row of `flat [P, N]`, those of the model are views of it: to an element-wise
    optimizer there is one tensor, whatever the model is made of.

    Args:
        ids: what each member is called; one that is there twice counts once.
        model: parameters `[P, I, O]`.
        optimizer: built over the parameter that `flatten` gave for this model.
        schedule: of the optimizer, or None.
        sight: the data.
        common: what all members share.
        numbers: what they do not.
    """

    def __init__(
        self,
        ids: Sequence[int],
        model: nn.Module,
        optimizer: Stacked,
        schedule: StackedSchedule | None,
        sight: Sight,
        common: Common,
        numbers: Numbers,
    ) -> None:
        self.ids, self.model, self.sight, self.common, self.numbers = list(ids), model, sight, common, numbers
        self.optimizer, self.schedule = optimizer, schedule
        self.flat: nn.Parameter = optimizer.param_groups[0]["params"][0]
        self.members = len(self.ids)
        self.shapes = {name: tuple(p.shape[1:]) for name, p in model.named_parameters()}
        first = {name: index for index, name in reversed(list(enumerate(self.ids)))}
        self.distinct = sorted(first.values())
        """The place of each member, without the copy of one that is alone."""
        self._each_step = None if isinstance(schedule, StackedPlateau) else schedule
        self._plain = self._each_step is None and common.zero_every == 1 and numbers.clip is None

    # --- steps ---

    @torch.no_grad()
    def descend(self, first: int, steps: int) -> Tensor:
        """Take optimizer steps number `first` to `first + steps - 1`; the losses `[steps, P]` before each."""
        condensed = self.sight.condensed("train") if self.sight.full_batch else None
        if condensed is None:
            return self._descend_on_rows(first, steps)
        shape = (self.members, *condensed.offset.shape[1:])
        theta, gradient = self.flat.view(shape), torch.empty_like(self.flat)
        into, twice, losses = gradient.view(shape), 2 * condensed.factor.mT, list[Tensor]()
        most, bound = max(1, LARGEST_HISTORY // theta.numel()), None
        for start in range(first, first + steps, most):
            number = min(most, first + steps - start)
            residuals = torch.empty((number, *shape), dtype=theta.dtype, device=theta.device)
            for step, residual in enumerate(residuals.unbind(0), start):
                torch.baddbmm(condensed.offset, condensed.factor, theta, out=residual)
                torch.bmm(twice, residual, out=into)
                if bound is not None:
                    bound()
                    continue
                self._step(gradient, step)
                bound = self.optimizer.bound() if self._plain else None
            losses.append(condensed.losses(residuals))
        return torch.cat(losses)

    def _descend_on_rows(self, first: int, steps: int) -> Tensor:
        gradient, losses, step = torch.empty_like(self.flat), list[Tensor](), first
        while step < first + steps:
            for inputs, targets in self.sight.batches(step, first + steps - step):
                losses.append(self._gradient(inputs, targets, gradient))
                self._step(gradient, step)
                step += 1
        return torch.stack(losses)

    def _gradient(self, inputs: Tensor, targets: Tensor, into: Tensor) -> Tensor:
        """Write the gradient on these rows into a `[P, N]`; the losses `[P]`."""
        losses, gradients = self.model.by_hand(inputs, targets, self.common.loss)  # type: ignore[operator]
        torch.cat([gradient.reshape(self.members, -1) for gradient in gradients], 1, out=into)
        return losses

    def _step(self, gradient: Tensor, step: int) -> None:
        """One optimizer step with this gradient `[P, N]`: added to what has added up, clipped."""
        zero = self.common.zero_every and step % self.common.zero_every == 0
        if self.common.zero_every == 1:
            self.flat.grad = gradient
        else:  # not the tensor itself: the next gradient is written there
            before = None if zero else self.flat.grad
            self.flat.grad = gradient.clone() if before is None else before + gradient
        if self.numbers.clip is not None:
            self._clip(self.numbers.clip.to(gradient.dtype)[:, None])
        self.optimizer.take()
        if self._each_step is not None:
            self._each_step.step()

    def _clip(self, limit: Tensor) -> None:
        gradient = self.flat.grad
        assert gradient is not None
        if self.common.clip_by_norm:
            norm = gradient.square().sum(1, keepdim=True).sqrt()
            self.flat.grad = gradient * (limit / (norm + 1e-6)).clamp(max=1.0)
        else:
            self.flat.grad = torch.maximum(torch.minimum(gradient, limit), -limit)

    # --- what can be seen of it ---

    @torch.no_grad()
    def losses(self, part: str) -> Tensor:
        """Losses `[P]` over all rows of `train`, `val` or `test`."""
        condensed = self.sight.condensed(part)
        if condensed is None:
            rows = self.sight.whole(part)
            return self.common.loss.value(self.model(rows.inputs), rows.targets)
        theta = self.flat.view(self.members, *condensed.offset.shape[1:])
        return condensed.losses(torch.baddbmm(condensed.offset, condensed.factor, theta)[None])[0]

    def rate(self) -> Tensor:
        """The learning rate of the step to come, `[P]`."""
        return self.optimizer.param_groups[0]["lr"].cpu().clone()

    @torch.no_grad()
    def gradient_norm(self) -> Tensor:
        """The norm of the gradient over all training rows, before any clipping, `[P]`."""
        gradient, condensed = torch.empty_like(self.flat), self.sight.condensed("train")
        if condensed is None:
            rows = self.sight.whole("train")
            self._gradient(rows.inputs, rows.targets, gradient)
        else:
            theta = self.flat.view(self.members, *condensed.offset.shape[1:])
            residual = torch.baddbmm(condensed.offset, condensed.factor, theta)
            gradient = torch.bmm(2 * condensed.factor.mT, residual).view_as(self.flat)
        return gradient.square().sum(1).sqrt()

    @property
    def linear(self) -> bool:
        """Whether the model is linear."""
        return isinstance(self.model, Linear)

    def diverged_in(self, losses: Tensor) -> Tensor:
        """The first of the losses `[K, P]`, of consecutive steps, at which each member has diverged; K: none, `[P]`."""
        own = self.numbers
        if bool(own.first_loss.isnan().all()):
            self.numbers = own = replace(own, first_loss=losses[0].double())
        scale = torch.maximum(own.first_loss.abs(), own.spread).to(losses)
        fine = bearable(losses, scale, own.divergence_factor.to(losses))
        index = torch.arange(len(losses), device=losses.device)[:, None]
        return torch.where(fine, len(losses), index).amin(0)

    # --- members, and going on ---

    @torch.no_grad()
    def select(self, indices: Sequence[int]) -> "Stack":
        """Some members only, going on from here; one alone is taken twice."""
        chosen = list(indices) if len(indices) > 1 else [indices[0]] * 2
        where = torch.tensor(chosen, device=self.flat.device)
        flat = nn.Parameter(self.flat[where])
        flat.grad = None if self.flat.grad is None else self.flat.grad[where].clone()
        optimizer = self.optimizer.select(chosen, [flat])
        schedule = None if self.schedule is None else self.schedule.select(chosen, optimizer)
        return Stack(
            [self.ids[index] for index in chosen],
            point(copy.copy(self.model), flat),
            optimizer,
            schedule,
            self.sight.select(chosen),
            self.common,
            self.numbers.select(where),
        )

    def snapshot(self) -> dict[str, Any]:
        """All that steps change, to go back to."""
        return {
            "flat": self.flat.detach().clone(),
            "gradient": None if self.flat.grad is None else self.flat.grad.detach().clone(),
            "optimizer": self.optimizer.snapshot(),
            "schedule": None if self.schedule is None else self.schedule.state_dict(),
        }

    @torch.no_grad()
    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Go back to a snapshot."""
        self._take(snapshot)
        self.optimizer.restore(snapshot["optimizer"])

    def state_dict(self) -> dict[str, Any]:
        """The same for a checkpoint."""
        return {**self.snapshot(), "optimizer": self.optimizer.state_dict()}

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint of as many members."""
        self._take(state)
        self.optimizer.load_state_dict(state["optimizer"])

    def _take(self, state: Mapping[str, Any]) -> None:
        gradient = state["gradient"]
        self.flat.copy_(state["flat"])
        self.flat.grad = None if gradient is None else gradient.to(self.flat)
        if self.schedule is not None:
            self.schedule.load_state_dict(dict(state["schedule"]))
