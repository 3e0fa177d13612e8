"""The stacks of a plan, trained, and what they leave in the ledger."""

import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from src.config.schema import Config
from src.errors import LabError, unwritable
from src.run_directory.place import COLUMNS, settle
from src.sweep import tensorboard
from src.sweep.failures import FAILED, failures
from src.sweep.hydra_files import HydraFiles
from src.sweep.jobs import DIRECTORY
from src.sweep.ledger import STACKS, Entry, Ledger, Outcome, outcome_of
from src.sweep.options import Launching
from src.sweep.planning import Plan, StackPlan
from src.sweep.worker import End, StackTask

REFRESH = 20
"""TensorBoard is shown what has ended once so many times as long has passed as that takes: of all time a twentieth."""
PROGRESS = "ProgressBar"


@dataclass(frozen=True)
class Training:
    """The training of a plan.

    Attributes:
        plan: which stacks.
        ledger: of the sweep; it holds the runs of the plan.
        options: of the launcher.
        files: writes what Hydra writes for a run.
        command: what to type to go on.
        tensorboard: the directory of TensorBoard's files of the sweep; None: there are none.
        phase: what this is called on the terminal.
    """

    plan: Plan
    ledger: Ledger
    options: Launching
    files: HydraFiles
    command: str
    tensorboard: Path | None
    phase: str = "training"

    def train(self) -> None:
        """Train what is not finished, and write `results.csv`.

        Raises:
            LabError: nothing can be written any more.
            KeyboardInterrupt: it was interrupted; both say how to go on.
        """
        try:
            if self.plan.stacks:
                self._train()
        except (KeyboardInterrupt, LabError, OSError) as error:
            self._take_in_what_is_finished()
            plan = self.plan
            any_kept = any(self.ledger.checkpoint(stack.number).is_file() for stack in plan.stacks)
            kept = ", steps of others are kept" if any_kept else ""
            how = f"{plan.finished:,} of {len(plan.entries):,} runs are finished{kept}; go on with: {self.command}"
            if isinstance(error, KeyboardInterrupt):
                raise KeyboardInterrupt(f"interrupted: {how}") from None
            why = unwritable(error) if isinstance(error, OSError) else str(error)
            raise LabError(f"{why}; {how}") from None
        self._close()
        if (self.ledger.directory / COLUMNS).is_dir():
            from src.run_directory.columns import tidy

            tidy(self.ledger.directory)
        if message := failures(self.ledger):
            FAILED[:] = [LabError(message)]

    def _train(self) -> None:
        from src.sweep.executors import spread
        from src.sweep.progress import SweepBar, steps

        plan, shown, took = self.plan, monotonic(), 0.0
        stacks = {stack.number: stack for stack in plan.stacks}
        left = {stack.number: steps(plan, stack) for stack in plan.stacks}
        with SweepBar(self.phase, plan) as bar:

            def tell(stack: int, runs: int, taken: int) -> None:
                left[stack] -= taken
                bar.tell(runs, taken)

            with closing(spread(self._tasks(bar.begin), self.options, tell)) as ended:
                for task, ends in ended:
                    self._end(stacks[task.number], ends)
                    del left[task.number]
                    bar.settle(task.number, plan.finished, sum(left.values()))
                    if left and (now := monotonic()) - shown > REFRESH * took:
                        self._show()
                        shown, took = monotonic(), monotonic() - now

    def _tasks(self, begin: Callable[[int], None]) -> Iterator[StackTask]:
        """The stacks, each as it is taken, with what Hydra writes for its runs; `begin` is told of each."""
        from src.run.build import RunSpec

        for stack in self.plan.stacks:
            few = self.options.files == "few" and not why_directories(self.plan, stack)
            specs, texts = list[RunSpec](), dict[int, dict[str, str]]()
            self._reopen([self.plan.entries[index] for index in stack.runs])
            for index in stack.runs:
                job, entry = self.plan.jobs[index], self.plan.entries[index]
                directory = self.ledger.run(entry).path.absolute()
                if few:
                    texts[entry.number] = self.files.texts(job.words, job.raw, entry.number, directory)
                else:
                    directory.mkdir(parents=True, exist_ok=True)
                    self.files.write(job.words, job.raw, entry.number, directory)
                specs.append(RunSpec(_of_a_sweep(job.config_in(directory)), directory, self.command))
            if few:
                from src.run_directory.columns import write_hydra  # it imports polars, which others do without

                write_hydra(self.ledger.directory, stack.number, texts)
            kept = str(self.ledger.checkpoint(stack.number).absolute())
            paths = tuple(os.path.abspath(path) for path in sys.path)
            begin(stack.number)
            yield StackTask(stack.number, tuple(specs), stack.choice, kept, os.getcwd(), paths, stack.halving, few)

    def _reopen(self, entries: Sequence[Entry]) -> None:
        """Let go of the results of runs that were cut, and go on: events are written at their end again."""
        if (self.ledger.directory / COLUMNS).is_dir():
            from src.run_directory.columns import drop

            drop(self.ledger.directory, [entry.number for entry in entries])
        for run in filter(lambda run: run.finished, map(self.ledger.run, entries)):
            for path in (run.result_path, *run.path.glob("events.out.tfevents.*")):
                path.unlink()

    def _end(self, stack: StackPlan, ends: Sequence[End]) -> None:
        """Take in how the members of a stack ended."""
        entries = [self.plan.entries[index] for index in stack.runs]
        for entry, end in zip(entries, ends, strict=True):
            if isinstance(end, Outcome):
                self.ledger.end(entry, end)
            else:
                entry.failure = end
        if any(entry.failure for entry in entries):
            self.ledger.save()

    def _take_in_what_is_finished(self) -> None:
        """After a stop: what the stacks under way have finished until then."""
        for entry in self.plan.entries:
            run = self.ledger.run(entry)
            if entry.outcome is None and run.finished:
                self.ledger.end(entry, outcome_of(run))
        with suppress(OSError):  # a full disk, most likely, which is what has stopped them
            self._close()

    def _close(self) -> None:
        """Write what is known, and take away what stacks have left beside it, unless one goes on from there."""
        settle(self.ledger.directory)
        self.ledger.save(settled=True)
        self.ledger.write_results()
        self._show()
        stacks = self.ledger.directory / STACKS
        unfinished = {entry.number for entry in self.ledger.entries if entry.outcome is None}
        parts = self.ledger.parts()
        for number, runs in self.ledger.stacks.items():
            if unfinished.isdisjoint(runs) and number not in parts:
                self.ledger.checkpoint(number).unlink(missing_ok=True)
        if not any(stacks.glob("*.ckpt")):
            shutil.rmtree(stacks, ignore_errors=True)

    def _show(self) -> None:
        """Bring what TensorBoard shows of the sweep up to date."""
        if self.tensorboard is not None:
            tensorboard.write(self.ledger, self.tensorboard)


def _of_a_sweep(config: Config) -> Config:
    """Without what a sweep has for all its runs: the bar, and TensorBoard's files unless every run is to have them."""
    bars = [name for name, part in config.callbacks.items() if part and part.target_.endswith(PROGRESS)]
    boards = [name for name, part in config.logger.items() if part and part.runs == "best"]
    callbacks, logger = config.callbacks | dict.fromkeys(bars), config.logger | dict.fromkeys(boards)
    return config.model_copy(update={"callbacks": callbacks, "logger": logger})


def why_directories(plan: Plan, stack: StackPlan) -> str:
    """Why runs of a stack get a directory each, whatever `hydra.launcher.files` says; empty: they need none."""
    if stack.choice.events:
        return "they train one by one"
    for index in stack.runs:
        config = _of_a_sweep(plan.jobs[index].config)
        for section, parts in (("logger", config.logger), ("callbacks", config.callbacks)):
            for name, part in parts.items():
                if part is not None and DIRECTORY in str(part.model_extra):
                    return f"{section}.{name} writes into it"
    return ""


def with_directories(plan: Plan) -> Iterator[str]:
    """How many runs get a directory each all the same, and why, a sentence a reason."""
    of_reason = Counter[str]()
    for stack in plan.stacks:
        of_reason[why_directories(plan, stack)] += len(stack.runs)
    for reason, number in of_reason.items():
        if reason:
            yield f"{number:,} {'run gets' if number == 1 else 'runs get'} a directory each all the same: {reason}"
