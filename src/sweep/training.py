"""The stacks of a sweep, trained as far as they are not finished, and what they leave in the ledger."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from src.errors import LabError, unwritable
from src.sweep import tensorboard
from src.sweep.failures import FAILED, failures
from src.sweep.hydra_files import HydraFiles
from src.sweep.jobs import Composed
from src.sweep.ledger import STATES, Ledger, Outcome, outcome_of
from src.sweep.options import Launching
from src.sweep.task import End, Task

REFRESH = 1.1
"""So many times the runs have to be done before TensorBoard is shown them: with each it would take the time of all."""


@dataclass(frozen=True)
class Training:
    """What it takes to train a sweep.

    Attributes:
        ledger: of the sweep.
        options: of the launcher.
        composed: gives the config of a run, by its place in the ledger.
        files: writes what Hydra writes for a run.
        command: what to type to go on.
        told: why runs are not in stacks, as far as it was said.
        place: where TensorBoard's files of the sweep go; None: there are none.
    """

    ledger: Ledger
    options: Launching
    composed: Callable[[int], Composed]
    files: HydraFiles
    command: str
    told: set[str]
    place: Path | None

    def train(self, places: Sequence[int]) -> None:
        """Train the stacks that these runs are in, as far as they are not finished, and write `results.csv`.

        Raises:
            LabError: nothing can be written any more.
            KeyboardInterrupt: it was interrupted; both say how to go on.
        """
        stacks = self.unfinished(places)
        members = {place for stack in stacks for place in self.ledger.stacks[stack]} | set(places)
        try:
            if stacks:
                self._train(stacks, members)
        except (KeyboardInterrupt, LabError, OSError) as error:
            done = self._stopped(stacks, members)
            told = f"{done:,} of {len(members):,} runs are finished; go on with: {self.command}"
            if isinstance(error, OSError):
                raise LabError(f"{unwritable(error)}; {told}") from None
            if isinstance(error, LabError):
                raise LabError(f"{error}; {told}") from None
            raise KeyboardInterrupt(f"interrupted: {told}") from None
        self._close()
        if told := failures(self.ledger):
            FAILED[:] = [LabError(told)]

    def _train(self, stacks: Sequence[int], members: Collection[int]) -> None:
        from src.sweep.executors import spread
        from src.sweep.progress import SweepBar

        self._tell_alone(stacks)
        steps, shown = {stack: self._steps(stack) for stack in stacks}, 0
        with SweepBar(len(members), self._done(members), sum(steps.values())) as bar:

            def tell(stack: int, runs: int, taken: int) -> None:
                steps[stack] -= taken
                bar.tell(runs, taken)

            with closing(spread(self._tasks(stacks), self.options, tell)) as ended:
                for task, ends in ended:
                    self._end(task, ends)
                    del steps[task.stack]
                    done = self._done(members)
                    bar.settle(done, sum(steps.values()))
                    if done > shown * REFRESH:
                        self._show()
                        shown = done

    def _show(self) -> None:
        """Bring what TensorBoard shows of the sweep up to date."""
        if self.place is not None:
            tensorboard.write(self.ledger, self.place)

    def _done(self, places: Collection[int]) -> int:
        """How many of these runs are finished."""
        return sum(self.ledger.entries[place].outcome is not None for place in places)

    def _stopped(self, stacks: Sequence[int], members: Collection[int]) -> int:
        """Take in what the stacks have finished until they were stopped; how many runs of all are finished."""
        entries = self.ledger.entries
        for place in (place for stack in stacks for place in self.ledger.stacks[stack]):
            run = self.ledger.run(entries[place])
            if entries[place].outcome is None and run.finished:
                self.ledger.end(entries[place], outcome_of(run))
        with suppress(OSError):  # a full disk, most likely, which is what has stopped them
            self._close()
        return self._done(members)

    def unfinished(self, places: Sequence[int]) -> list[int]:
        """The stacks of these runs in which there is something to train."""
        asked, entries = set(places), self.ledger.entries

        def open_(place: int) -> bool:
            failed = entries[place].failure is not None
            return entries[place].outcome is None and (self.options.retry_failed or not failed)

        return [n for n, stack in enumerate(self.ledger.stacks) if asked & set(stack) and any(map(open_, stack))]

    def _steps(self, stack: int) -> int:
        """Run-steps of a stack at most; its members are equally long."""
        members = self.ledger.stacks[stack]
        return len(members) * self.composed(members[0]).check(Path()).trainer.max_steps

    def _tell_alone(self, stacks: Sequence[int]) -> None:
        """Say, once for each reason, which runs train one by one."""
        reasons: dict[str, int] = {}
        for reason in (self.ledger.alone[stack] for stack in stacks):
            if reason:
                reasons[reason] = reasons.get(reason, 0) + 1
        for reason, number in reasons.items():
            if reason not in self.told:
                print(f"{number:,} {'runs train' if number > 1 else 'run trains'} one by one: {reason}")
        self.told.update(reasons)

    def _tasks(self, stacks: Sequence[int]) -> Iterator[Task]:
        """The stacks, each as it is taken, with what Hydra writes for its runs."""
        from src.engine.choice import Choice

        for stack in stacks:
            members = [self.ledger.entries[place] for place in self.ledger.stacks[stack]]
            composed = [self.composed(place) for place in self.ledger.stacks[stack]]
            where = [self.ledger.run(member) for member in members]
            configs = [one.check(run.path.absolute()) for one, run in zip(composed, where, strict=True)]
            alone = self.ledger.alone[stack]
            state = self.ledger.directory / STATES / f"{stack}.ckpt"
            for member, one, run in zip(members, composed, where, strict=True):
                if member.outcome is None:
                    run.path.mkdir(parents=True, exist_ok=True)  # .hydra/ may be switched off
                    self.files.write(one, member.number, run.path)
            yield Task(
                stack,
                tuple(configs),
                tuple(str(run.path.absolute()) for run in where),
                tuple(member.outcome is not None for member in members),
                Choice("torch", alone) if alone else Choice("rules"),
                str(state.absolute()),
                self.command,
            )

    def _end(self, task: Task, ends: Sequence[End]) -> None:
        """Take in how the members of a stack ended."""
        failed = False
        for place, end in zip(self.ledger.stacks[task.stack], ends, strict=True):
            entry = self.ledger.entries[place]
            if isinstance(end, Outcome):
                self.ledger.end(entry, end)
            elif end is not None:
                entry.failure, failed = end, True
        if failed:
            self.ledger.save()

    def _close(self) -> None:
        """Write what is known, and take away where no stack goes on from."""
        self.ledger.save()
        self.ledger.write_results()
        self._show()
        states = self.ledger.directory / STATES
        if states.is_dir() and not any(states.iterdir()):
            states.rmdir()
