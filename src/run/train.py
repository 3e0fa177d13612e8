"""A run, or a thousand, from checked configs to results. There is no other way to a result."""

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.compare.halving import Halving
from src.config.check_run import check_free
from src.data.batch_order import Spans
from src.engine.checkpoint import check_fits, not_resumed
from src.engine.choose_stepper import Choice
from src.engine.compiled.compiler import NotCompiledError
from src.engine.gradient_check import check_gradients
from src.engine.loop import Loop
from src.engine.rule_stepper import RuleStepper
from src.engine.stepper import Stepper
from src.engine.torch_stepper import TorchStepper
from src.errors import FULL_ERROR, LabError, raised
from src.run.build import (
    Member,
    RunSpec,
    build_intervals,
    build_loop,
    build_members,
    build_stepper,
    building,
    tell_once,
)
from src.run.first_steps import compiled, held
from src.run.member_directories import write_members
from src.run.page_files import split_text, write_classes, write_fit, write_predictions
from src.run.parts import Checkpoint, cuts, stack_parts
from src.run.processes import check_shared, first_process, launch, launched
from src.run.result import result
from src.run.resume import Resume, load_stack, own_checkpoint
from src.run.rungs import Rungs
from src.run.stack import StackCheckpoint, descend, save_stack
from src.run.tensorboard import hyperparameters
from src.run_directory import MetricsFile, Result, RunDirectory, write_theory
from src.tables.account import unlearned
from src.theory.prediction import lines

if TYPE_CHECKING:
    import lightning as L

    from src.run.module import Descent
    from src.run_directory.columns import Gathering

Tell = Callable[[int, int], None]
"""Takes how many runs have ended and how many run-steps were taken since it was last called."""


def quiet(runs: int, steps: int) -> None:
    """For those who want to know nothing of progress."""


def train(
    specs: Sequence[RunSpec],
    choice: Choice,
    *,
    kept: Path | None = None,
    halving: Halving | None = None,
    few: bool = False,
    tell: Tell = quiet,
) -> list[Result | LabError]:
    """Train runs of one program together, and write their directories.

    Args:
        specs: any number of runs for rules; one for torch's own class, which has Lightning's events.
        choice: of the stepper.
        kept: where a stack keeps its checkpoint, to go on from after a kill or failure; deleted once all have a result.
        halving: at which rungs members leave a stack; their state is kept beside its checkpoint, to go on from.
        few: keep what a stack leaves in columns of its sweep instead, see `src.run_directory.columns`; needs `kept`.
        tell: of progress.

    Returns:
        of each run its result, or why it failed.

    Raises:
        OSError: nothing can be written any more.
        KeyboardInterrupt: it was interrupted; it says how to go on.
        Exception: what was raised in a run or stack, under HYDRA_FULL_ERROR=1.
    """
    training = _Training(specs, choice, kept, halving, few, tell)
    try:
        with building(specs[0].config):
            try:
                training.train()
            finally:
                training.write_gathered()
    except OSError:
        raise
    except KeyboardInterrupt as interrupt:
        if not training.alone:  # its sweep says how to go on
            raise
        how = training.where.how_to_go_on(specs[0].command)
        raise KeyboardInterrupt(f"{str(interrupt) or 'interrupted'}{how}") from None
    except Exception as error:  # a user's class can raise anything, and it must not take a sweep with it
        if not isinstance(error, LabError) and FULL_ERROR:
            raise
        if training.choice.stepper in ("class", "each") and len(specs) > 1:
            rest = Choice("torch", training.choice.reason)  # whose it is shows where each trains by itself
            if few and kept:
                from src.run_directory.columns import put_hydra

                for spec in specs:
                    if spec.directory not in training.outcomes:
                        put_hydra(spec.directory.parent, int(kept.stem), spec.directory)
            return [training.outcomes.get(s.directory) or train([s], rest, kept=kept, tell=tell)[0] for s in specs]
        reason = error if isinstance(error, LabError) else training.failed(error)
    else:
        reason = LabError("it was not trained")
    ends = [training.outcomes.get(spec.directory, reason) for spec in specs]
    if kept is not None and not any(isinstance(end, LabError) for end in ends):
        kept.unlink(missing_ok=True)
    return ends


class _Training:
    """Runs on their way from configs to results, which are in `outcomes` by their directories.

    A run by itself has Lightning's events, and is written when Lightning has done with it. A stack does without, and
    whoever ends is written at once.
    """

    def __init__(
        self,
        specs: Sequence[RunSpec],
        choice: Choice,
        kept: Path | None,
        halving: Halving | None,
        few: bool,
        tell: Tell,
    ) -> None:
        self.specs, self.choice, self.kept, self.halving, self.tell = specs, choice, kept, halving, tell
        self.config, self.alone = specs[0].config, choice.events
        self.began, self.where = time.perf_counter(), RunDirectory(specs[0].directory)
        self.outcomes: dict[Path, Result | LabError] = {}
        self.members: dict[str, Member] = {}
        self.resume: Resume | None = None
        self._gathering: Gathering | None = None
        if few and kept and not self.alone:
            from src.run_directory import columns  # it imports polars, which others do without

            self._gathering = columns.Gathering(self.where.path.parent, int(kept.stem))

    def train(self) -> None:
        """Build, fit, write."""
        config, knobs = self.config, self.config.trainer
        if self.alone:
            check_free(self.where.path)
            self.resume = Resume.of(config, self.where.path)
        for spec, built in zip(self.specs, build_members(self.specs, self.resume), strict=True):
            if isinstance(built, LabError):
                self.outcomes[spec.directory] = built
            else:
                self.members[spec.directory.name] = built
        members = list(self.members.values())
        if not members:
            return
        stepper = self._built(members)
        if self.alone:
            if resume := self.resume:
                with own_checkpoint() if resume.in_place else nullcontext():
                    about, model = members[0].about, members[0].model
                    check_fits(resume.checkpoint, config, about, model, resume.path, resume.in_place)
            check_shared(members[0])
            warning = not_resumed(stepper.update) if isinstance(stepper, TorchStepper) else ""
            if warning and first_process():
                print(f"warning: {warning}", file=sys.stderr)
            if knobs.strategy == "ddp" and not launched():
                launch(knobs.devices, self.specs[0])
                self.outcomes[self.where.path] = self.where.result()
                return
            if config.check_gradients and first_process():
                rows, seed = members[0].problem.train, config.model.seed
                print(check_gradients(members[0].model, stepper.loss, rows, seed).sentence())
        if self.alone:
            self._with_events(stepper, members[0])
        else:
            self._without_events(stepper, members)

    def _built(self, members: Sequence[Member]) -> Stepper:
        """The stepper that was chosen, or the one that can serve where it cannot."""
        asked = f"trainer.stepper={self.config.trainer.stepper}"
        if (choice := held(members, self.choice)) != self.choice:
            if self.alone and self.kept is None:
                raise LabError(f"{asked}: {choice.reason}; leave it out, and torch's own class takes the steps")
            self.choice = Choice("torch", choice.reason) if self.alone else choice
            if not self.alone:
                print(f"{len(members):,} runs take their steps one after another: {choice.reason}", file=sys.stderr)
        stepper = build_stepper(members, self.choice)
        if self.choice.stepper == "compiled" and isinstance(stepper, RuleStepper):
            try:
                stepper = compiled(stepper)
            except NotCompiledError as why:
                tell_once(
                    f"{'the run is' if self.alone else 'stacks are'} stepped by rules, not by compiled code: {why}"
                )
                self.choice = replace(self.choice, stepper="rules", reason=str(why), chosen="compiled")
        if self.alone and isinstance(stepper, RuleStepper):
            stepper.share(members[0].model)
        return stepper

    def failed(self, error: Exception) -> LabError:
        """What a user's class, or a bug, has raised, as the reason of the runs; Python shows where it comes from."""
        more = " (HYDRA_FULL_ERROR=1 shows all of the way there)" if self.alone else ""
        reason = LabError(f"the {'run' if self.alone else 'stack'} failed: {raised(error)}{more}")
        reason.__cause__ = error
        return reason

    # --- many: nobody listens, and whoever ends is written at once ---

    @property
    def rungs(self) -> Sequence[int]:
        """Steps at which members may be cut."""
        return self.halving.ahead if self.halving else ()

    @cached_property
    def any_length(self) -> dict[str, str]:
        """The fingerprint of each member and of its curves, without its length, by its id."""
        return {name: one.config.fingerprint(length=False, curves=True) for name, one in self.members.items()}

    def _without_events(self, stepper: Stepper, members: Sequence[Member]) -> None:
        config, knobs, parts = self.config, self.config.trainer, stack_parts(self.config)
        loop, after = self._loop(stepper, members, parts), list[Callable[[Loop], None]]()
        if self.kept is not None:
            load_stack(loop, self.kept, self.any_length)
            every = [one.every_n_steps for one in parts if isinstance(one, Checkpoint)]
            if self.halving:
                after.append(Rungs(self.halving, self.where.path.parent, self.write_gathered))
                every = every or [knobs.max_steps]
            before = self.write_gathered
            after += [StackCheckpoint(self.kept, steps, self.any_length, self.rungs, before) for steps in every]
        blocks = Spans(
            lambda: loop.step, knobs.max_steps, knobs.max_steps, knobs.block_size, cuts(config, parts), self.rungs
        )
        descend(loop, blocks, after, config.model.seed)

    def _loop(self, stepper: Stepper, members: Sequence[Member], parts: Sequence[Any]) -> Loop:
        intervals = build_intervals(self.config, parts)
        return build_loop(stepper, members, list(self.members), intervals, self._leave, lambda n: self.tell(0, n))

    def _leave(self, loop: Loop) -> None:
        """Validate members that have ended where a run by itself does, and write their directories."""
        if self.alone:
            return
        cause = None if loop.ended is None else loop.ended[0].cause
        if cause == "cut" and self.halving and self.kept:
            part = self.kept.with_name(f"{self.halving.part(loop.step)}.ckpt")
            if not part.is_file():  # else it has more members: some were written before a kill
                save_stack(part, loop, self.any_length)
        if cause in ("loss", "start") or (cause == "cut" and loop.step % loop.intervals.val_every):
            loop.validate()
            loop.decide()
        loop.finish()
        members = [self.members[name] for name in loop.ids]
        self.outcomes |= write_members(loop, members, self.choice, len(self.members), self._gathering)
        self.tell(len(members), 0)

    def write_gathered(self) -> None:
        """Write the members that have ended until now, where they are kept in columns."""
        if self._gathering is not None:
            self._gathering.write()

    # --- one: callbacks and loggers listen, and it is written at the end ---

    def _with_events(self, stepper: Stepper, member: Member) -> None:
        """Of several processes the first writes and talks."""
        from lightning.pytorch.callbacks import Callback  # Lightning's import takes longer than many a stack
        from lightning.pytorch.loggers import Logger

        from src.run.callbacks.compatibility import check_callbacks, print_price
        from src.run.callbacks.theory import Theory
        from src.run.callbacks.way import Way
        from src.run.module import Descent, LabDataModule
        from src.run.trainer import build_loggers, build_parts, build_trainer, fit

        config, where, resume, first = self.config, self.where, self.resume, first_process()
        knobs, parts = config.trainer, build_parts(config)
        slow, loop = check_callbacks(parts), self._loop(stepper, [member], parts)
        callbacks, loggers, file = [one for one in parts if isinstance(one, Callback)], list[Logger](), None
        where.path.mkdir(parents=True, exist_ok=True)
        if first:
            loggers = build_loggers(config, where.path, resume.step if resume and resume.in_place else None)
            file = resume.file(where.curves_path) if resume else MetricsFile(where.curves_path)
            if self.kept is None and member.problem.table is not None:  # a sweep tells it once, of all its runs
                print("\n".join(member.problem.table.lines()))
            elif unseen := member.problem.unseen:
                print(f"warning: {unlearned(unseen)}", file=sys.stderr)
            print_price(slow)
            if resume:
                print(f"goes on from step {resume.step:,} of {resume.path}")
                resume.carry_over(where, file, loggers, loop.best_of)
            if member.answer.exact is not None:
                callbacks.append(Theory(member.answer))
            rows = resume.rows(where.way_path, ()) if resume else MetricsFile(where.way_path, columns=())
            callbacks.append(Way(rows, config.trainer.max_steps))
            if warning := member.answer.warning():
                print(f"warning: {warning}", file=sys.stderr)
        shown, about = hyperparameters(config), member.about
        module = Descent(loop, member.model, about=about, file=file, hyperparameters=shown, resume=resume)
        trainer = build_trainer(config, where.path, callbacks, loggers)
        data = LabDataModule(
            member.problem, knobs.max_steps, knobs.val_every_n_steps, 1 if slow else knobs.block_size,
            cuts(config, parts), validates="val" in stepper.data.parts,
        )  # fmt: skip
        started = time.perf_counter()
        if resume is None or not resume.over:
            fit(trainer, module, data, resume.path if resume else None, config.model.seed)
        self._write(module, trainer, member, time.perf_counter() - started)

    def _write(self, module: "Descent", trainer: "L.Trainer", member: Member, seconds: float) -> None:
        """Write what is written at the end; `seconds` is what Lightning took."""
        from src.run.callbacks.theory import Theory
        from src.run.trainer import close

        if not module.loop.final:  # there was nothing left to do, and Lightning has not begun
            module.trainer = trainer
            module.begin()
            module.on_train_end()
        callbacks: Sequence[Any] = trainer.callbacks  # type: ignore[attr-defined]
        seconds -= sum(callback.seconds for callback in callbacks if isinstance(callback, Theory))
        taken = {"fit": seconds, "total": time.perf_counter() - self.began}
        found = result(module.loop, 0, member, self.choice, taken, 1)
        if first_process():
            if self.config.trainer.profiler:
                print(trainer.profiler.summary())  # type: ignore[attr-defined]
            write_theory(self.where.theory_path, lines(member.answer, self.config.trainer.max_steps))
            write_fit(self.where.path, member.problem, module.expected_rows)
            if member.answer.surface is None:  # which has a height, and no rows to predict
                write_predictions(self.where.path, member.problem, module.predict_rows, member.loss)
            if (account := member.split) is not None:
                self.where.split_path.write_bytes(split_text(account).encode())
            write_classes(self.where.path, member.problem, module.predict_rows, member.loss, found.exact)
            self.where.write_result(found)
            close(trainer.loggers)
        self.outcomes[self.where.path] = found  # it has none where its files could not be written
        self.tell(1, 0)
