"""Many members, stepped by compiled code: all steps of a block of one member, then of the next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from src.data.problem import Rows
from src.engine.compiled.compiler import NotCompiledError
from src.engine.compiled.kernel import HERE, VECTOR, Kernel, source, width
from src.engine.compiled.rule_source import rule_source
from src.engine.rule_stepper import RuleStepper
from src.models.linear import linear_in_c
from src.models.model import InC, Model
from src.optim.stacked_rule import StackedRule

LARGEST = 2**20
"""Bytes of a member's parameters, gradients and state: with more, products of matrices serve better than a cache."""
LARGEST_IN_LANES = 2**18
"""The same of condensed members that are stepped side by side, and of what they see: with more, one by one."""


class Program(NamedTuple):
    """Steps as C, the scalars that they take, and what members see as the template has it."""

    kernel: Kernel
    scalars: Sequence[str]
    inputs: Tensor
    targets: Tensor


class CompiledStepper(RuleStepper):
    """A `RuleStepper` whose steps are C; what it holds, keeps and tells is the same.

    The first step of all is taken as there, for a rule may make its state in it.
    """

    update: StackedRule
    _program: Program

    @classmethod
    def of(cls, stepper: RuleStepper) -> CompiledStepper:
        """The same members, before or after any step.

        Raises:
            NotCompiledError: why they cannot be, in words.
        """
        parts = (stepper.module, stepper.flat, stepper.update, stepper.loss, stepper.data, stepper.treatment)
        made = cls(stepper.size, *parts, stepper.axis)
        made._program = made._compiled()
        return made

    def _compiled(self) -> Program:
        update, data, loss, dtype = self.update, self.data, self.loss, self.flat.dtype
        assert isinstance(update, StackedRule)
        assert self.flat.device.type == "cpu"
        if loss.in_c is None:
            raise NotCompiledError(f"there is no C of the loss {loss.name}")
        rows, model, lanes = self._template(len(update.slots))
        numbers, slots = self.flat.shape[1], list(update.slots)
        if numbers * (len(slots) + 5) * dtype.itemsize > LARGEST:
            raise NotCompiledError(f"{numbers:,} parameters are more than stay in a cache")
        rule, scalars = rule_source(update.rule, update.acting, slots, update.scalar_names)
        averaged = loss.reduction == "mean" and data.distinct_condensed is None
        text = source(
            model,
            loss,
            rule,
            dtype,
            N=numbers,
            SLOTS=len(slots),
            SCALARS=len(scalars),
            ROWS=rows.inputs.shape[1] if data.full_batch else 0,
            MEAN_OF=averaged * (1 if loss.targets == "one_hot" else rows.targets.shape[2]),
            BY_NORM=int(self.treatment.by_norm),
        )
        missing = -rows.inputs.shape[2] % width(model.side, dtype) if model.padded else 0
        inputs = functional.pad(rows.inputs, (0, missing)).contiguous()
        return Program(Kernel(text, lanes), scalars, inputs, rows.targets.contiguous())

    def _template(self, slots: int) -> tuple[Rows, InC, int]:
        """What members see, how steps are taken of it, and how many members side by side."""
        condensed, bytes_ = self.data.distinct_condensed, self.flat.element_size()
        if condensed is None:
            model = self.module.in_c() if isinstance(self.module, Model) else None
            if model is None:
                raise NotCompiledError(f"there is no C of {type(self.module).__name__}")
            return self.data.distinct, model, 1
        # |R t - z|² is the sum of squares of a linear model without a bias, whose rows are R and whose targets are z
        rows, lanes = Rows(condensed.factor, -condensed.offset), 2 * VECTOR // bytes_
        inputs, outputs = condensed.offset.shape[1:]
        if inputs * (inputs + outputs * (slots + 5)) * lanes * bytes_ > LARGEST_IN_LANES:
            return rows, linear_in_c(inputs, outputs, bias=False), 1
        return rows, InC(HERE / "condensed.h", {"I": inputs, "O": outputs, "WIDTH": lanes}, lanes), lanes

    @torch.no_grad()
    def step(self, first: int, count: int) -> Tensor:
        """Take steps, see `Stepper.step`."""
        pieces, end, self.raised = list[Tensor](), first + count, None
        if not first:
            pieces.append(super().step(0, 1))
            first += 1
        try:
            while first < end and self.raised is None:
                ready = self.update.start(first, end - first, whole=True)
                pieces.append(self._taken(first, ready)[:, : self.size])
                first += ready
        except Exception as error:  # a schedule of a user's own can raise anything
            self.raised = error
        return pieces[0] if len(pieces) == 1 else torch.cat([self.flat.new_empty(0, self.size), *pieces])

    def _taken(self, first: int, count: int) -> Tensor:
        """Losses `[count, P]` before each of steps that are ready, which are taken."""
        update, treatment, data, program = self.update, self.treatment, self.data, self._program
        if treatment.zero_every != 1 and self._before is None:
            self._before = torch.zeros_like(self.flat)
        ahead, losses = update.scalars(count), self.flat.new_empty(count, len(self.flat))
        order, orders, begins = data.order(first, count) or (None, None, None)
        program.kernel(
            first=first,
            steps=count,
            members=len(self.flat),
            rows=program.inputs.shape[1],
            zero_every=treatment.zero_every,
            flat=self.flat,
            slots=[slot for slot in update.slots.values() if slot is not None],
            before=None if treatment.zero_every == 1 else self._before,
            scalars=[ahead[name] for name in program.scalars],
            inputs=program.inputs,
            targets=program.targets,
            which=data.which,
            order=order,
            orders=orders,
            begins=begins,
            limits=treatment.clip if isinstance(treatment.clip, Tensor) else None,
            losses=losses,
        )
        condensed = data.distinct_condensed
        return losses if condensed is None else losses.add_(condensed.rest[data.which])

    def select(self, keep: Sequence[int]) -> CompiledStepper:
        """A stepper of some members, in this order, that goes on from here with copies."""
        some = super().select(keep)
        assert isinstance(some, CompiledStepper)
        some._program = self._program
        return some
