"""The LightningModule of a stack: it takes the steps of a block for all members, and lets those go that have ended."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Checkpoint as LightningCheckpoint
from torch import Tensor

from src.checkpoint import start_a_pass
from src.data.blocks import Spans
from src.descent import count
from src.stack.course import Course

KEY = "stack"
"""Where a stack's checkpoint keeps its course."""

Losses = dict[str, Tensor]


@dataclass(frozen=True)
class Ended:
    """Members whose runs have ended together.

    Attributes:
        course: theirs alone.
        step: optimizer steps taken.
        diverged: of each, `[P]`.
        final: losses over all rows of each part in the data's units, each `[P]`.
    """

    course: Course
    step: int
    diverged: list[bool]
    final: Losses


class StackDescent(L.LightningModule):
    """Gradient descent of many runs at once (manual optimization).

    A run that diverges ends at the step whose loss has diverged, one that meets its early-stopping rule at that mark;
    it leaves the stack, and the others go on as if it had never been there.

    Args:
        course: of the stack.
        end: takes what has ended.
        tell: takes how many run-steps were taken, after every block.
    """

    def __init__(self, course: Course, end: Callable[[Ended], None], tell: Callable[[int], None]) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.strict_loading = False  # the parameters are part of the course
        self.course: Course | None = course
        self.model = course.stack.model
        self._end, self._tell = end, tell
        self._clock = time.perf_counter()

    # --- one block ---

    def training_step(self, block: range, batch_idx: int) -> None:
        """Take the block's optimizer steps with every member; those that diverge end here."""
        course = self.course
        assert course is not None
        before, stack = course.stack.snapshot(), course.stack
        losses = stack.descend(block.start, len(block))
        bad = stack.diverged_in(losses).tolist()
        count(self.trainer, len(block))
        self._tell(sum(min(bad[index], len(block)) for index in stack.distinct))
        self._share_time()
        fine = [index for index, at in enumerate(bad) if at == len(block)]
        if len(fine) < len(bad):
            self._let_diverged_go(course, before, block.start, losses, bad)
            if not fine:
                return
            course, losses = self.course, losses[:, fine if len(fine) > 1 else fine * 2]
            assert course is not None
        course.last_loss = losses[-1]
        course.record_losses(block.start, losses)
        course.watch(block.stop)
        if block.stop % course.marks.val_every == 0 or block.stop == course.marks.max_steps:
            self._mark(course, block.stop)

    def _let_diverged_go(
        self, course: Course, before: dict[str, Any], first: int, losses: Tensor, bad: list[int]
    ) -> None:
        """End diverged members in the parameters whose loss it was: from the block's start, as a stack of their own.

        Members' bits do not depend on the stack, so those that go on keep what they have.
        """
        gone = [index for index in course.stack.distinct if bad[index] < len(losses)]
        gone.sort(key=lambda index: bad[index])
        fine = [index for index, at in enumerate(bad) if at == len(losses)]
        rest = course.select(fine) if fine else None
        course.stack.restore(before)
        going, taken = course.select(gone), 0
        while gone:
            at = bad[gone[0]]
            here = [place for place, index in enumerate(gone) if bad[index] == at]
            if at > taken:
                going.stack.descend(first + taken, at - taken)
            part, taken = going.select(here), at
            history = losses[: at + 1, [gone[place] for place in here] * (2 if len(here) == 1 else 1)]
            part.last_loss = history[-1]
            part.record_losses(first, history, last=True)
            self._end_at(part, first + at, diverged=True)
            stay = [place for place in range(len(gone)) if place not in here]
            gone = [gone[place] for place in stay]
            going = going.select(stay) if stay else going
        self._go_on_with(rest)

    def _end_at(self, part: Course, step: int, diverged: bool = False) -> None:
        """What a run alone does at its end: a validation where it diverged, its last curves, its final losses."""
        if diverged:
            part.validate(step)
            part.at_mark(step)
        part.watch(step, always=True)
        unit, sight = part.stack.numbers.unit.cpu(), part.stack.sight
        losses = {name: part.stack.losses(name) for name in sight.parts}
        final = {f"{name}/loss": loss.double().cpu() * unit for name, loss in losses.items()}
        ends = [diverged] * part.stack.members
        if not diverged:
            last = losses["train"]
            if sight.full_batch:
                part.record("train/loss", step, final["train/loss"])
                ends = (part.stack.diverged_in(last[None]) == 0).tolist()
            else:
                ends = (~last.isfinite()).tolist()
        self._end(Ended(part, step, ends, final))

    def _go_on_with(self, course: Course | None) -> None:
        """From here on with these members; with none, training ends."""
        self.course = course
        if course is None:
            self.trainer.should_stop = True
            return
        self.model = course.stack.model
        self.trainer.strategy.optimizers = [course.stack.optimizer]
        for config in self.trainer.strategy.lr_scheduler_configs:
            assert course.stack.schedule is not None
            config.scheduler = course.stack.schedule

    def _share_time(self) -> None:
        """Give each member its share of the time since the last block."""
        now = time.perf_counter()
        if self.course is not None:
            self.course.seconds += (now - self._clock) / len(self.course.stack.distinct)
        self._clock = now

    # --- marks ---

    def on_train_start(self) -> None:
        """The first point of every curve."""
        self._clock = time.perf_counter()
        if self.course is not None and self.trainer.global_step == 0:
            self.course.watch(0, always=True)

    def on_train_batch_start(self, batch: range, batch_idx: int) -> None:
        """The learning rate is told before a block: a plateau schedule steps after the block before has ended."""
        if self.course is not None:
            self.course.watch(batch.start, before=True)

    def _mark(self, course: Course, step: int) -> None:
        """A validation: who stops early leaves. Lightning's own would end a pass of its loader, which takes longer."""
        course.validate(step)
        stopped = course.at_mark(step)
        self._share_time()
        if any(stopped):
            part = course.select([index for index in course.stack.distinct if stopped[index]])
            stay = [index for index, over in enumerate(stopped) if not over]
            rest = course.select(stay) if stay else None
            self._end_at(part, step)
            self._go_on_with(rest)

    def on_train_end(self) -> None:
        """Those that are left have taken all steps."""
        if self.course is not None and self.trainer.global_step >= self.trainer.max_steps:
            self._share_time()
            self._end_at(self.course, self.trainer.global_step)
            self.course = None

    # --- Lightning's other hooks ---

    def configure_optimizers(self) -> Any:
        """The stack's own."""
        assert self.course is not None
        stack = self.course.stack
        if stack.schedule is None:
            return stack.optimizer
        return {"optimizer": stack.optimizer, "lr_scheduler": {"scheduler": stack.schedule, "monitor": "val/loss"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the course; the optimizer's state is part of it."""
        assert self.course is not None
        checkpoint[KEY] = self.course.state_dict()
        checkpoint["optimizer_states"], checkpoint["lr_schedulers"], checkpoint["state_dict"] = [], [], {}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with a fresh pass of the loader."""
        assert self.course is not None
        start_a_pass(checkpoint["loops"]["fit_loop"])
        self.course.load_state_dict(checkpoint[KEY])


class StackCheckpoint(LightningCheckpoint):
    """The stack's own checkpoint at multiples of `every_n_steps`, to go on from after a kill.

    Args:
        path: of the file.
        every_n_steps: optimizer steps.
    """

    def __init__(self, path: Path, every_n_steps: int) -> None:
        self.path, self.every_n_steps = path, every_n_steps

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """After a block and its mark; at the end of all there is nothing to go on from."""
        assert isinstance(pl_module, StackDescent)
        ended = trainer.global_step >= trainer.max_steps or pl_module.course is None
        if ended or trainer.global_step % self.every_n_steps:
            return
        half = self.path.with_suffix(".part")  # a kill in the middle must leave the last good one
        trainer.save_checkpoint(half)
        half.replace(self.path)


class StackDataModule(L.LightningDataModule):
    """Ranges of steps, which are the blocks of a stack: it takes the rows itself, for whoever is left.

    Args:
        max_steps: the last step.
        block_size: the most steps of a block.
        cuts: intervals at whose multiples a block ends.
    """

    def __init__(self, max_steps: int, block_size: int, cuts: Sequence[int]) -> None:
        super().__init__()
        self.max_steps, self.block_size, self.cuts = max_steps, block_size, cuts

    def train_dataloader(self) -> Spans:
        """From the Trainer's step to the last one, in one pass."""
        trainer = self.trainer
        assert trainer is not None
        return Spans(lambda: trainer.global_step, self.max_steps, self.max_steps, self.block_size, self.cuts)

    def transfer_batch_to_device(self, batch: range, device: torch.device, dataloader_idx: int) -> range:
        """Nothing to move."""
        return batch
