"""From jobs to a plan: what is left to train, cut into stacks. Nothing is written or changed here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from src.sweep.jobs import Job
from src.sweep.ledger import Entry, Ledger
from src.sweep.options import Launching

if TYPE_CHECKING:
    from src.engine.choose_stepper import Choice


@dataclass(frozen=True)
class StackPlan:
    """Runs that are trained together.

    Attributes:
        number: of the stack in its sweep.
        runs: positions of its members in `Plan.jobs`, none of them finished.
        choice: of their stepper.
        program: what they have in common, as a text.
        memory: bytes that training them takes, roughly.
        disk: bytes that their directories take, roughly.
    """

    number: int
    runs: tuple[int, ...]
    choice: "Choice"
    program: str
    memory: int
    disk: int


@dataclass(frozen=True)
class Plan:
    """What a command asks for, and how it is trained.

    Attributes:
        jobs: all of them.
        entries: their runs in the ledger, in the same order.
        stacks: of those that are not finished, in the order of their first jobs.
    """

    jobs: Sequence[Job]
    entries: Sequence[Entry]
    stacks: Sequence[StackPlan]

    @property
    def finished(self) -> int:
        """How many runs have their result."""
        return sum(entry.outcome is not None for entry in self.entries)

    def enter(self, ledger: Ledger) -> None:
        """Let the ledger of the plan take in how it is cut, and why which runs go alone; nothing is written."""
        for stack in self.stacks:
            entries = [self.entries[index] for index in stack.runs]
            ledger.stacks[stack.number] = [entry.number for entry in entries]
            for entry in entries:
                entry.alone = stack.choice.reason


@dataclass(frozen=True)
class _Program:
    """What a stack is cut from: the stepper of its runs, why that one, and how many members it takes."""

    choice: "Choice"
    text: str
    most: int
    memory: int
    disk: int


def plan(jobs: Sequence[Job], entries: Sequence[Entry], ledger: Ledger, options: Launching, pieces: int) -> Plan:
    """Cut what is left to train into stacks.

    A member's numbers do not depend on its stack, so what is unfinished is cut anew each time, but for stacks that have
    a checkpoint to go on from: their members stay together. Where only some of them are asked for, these begin anew, as
    the checkpoint would be lost to the others.

    Args:
        jobs: what is asked for.
        entries: their runs in the ledger.
        ledger: of the sweep.
        options: of the launcher.
        pieces: stacks of one program at least, as far as there are runs for two in each.
    """
    left = {entry.number: index for index, entry in enumerate(entries) if entry.is_left(options.retry_failed)}
    programs = _Programs(jobs, entries, options)
    kept = {number: runs for number, runs in ledger.stacks.items() if ledger.checkpoint(number).is_file()}
    unfinished = {entry.number for entry in ledger.entries if entry.is_left(options.retry_failed)}
    stacks = []
    for number, runs in kept.items():
        members = [run for run in runs if run in unfinished]
        asked = [left[run] for run in members if run in left]
        if asked and len(asked) == len(members) and len({programs.of(index).text for index in asked}) == 1:
            stacks.append(programs.stack(number, asked))
            left = {run: index for run, index in left.items() if run not in members}
    of_program: dict[str, list[int]] = {}
    for index in left.values():
        of_program.setdefault(programs.of(index).text, []).append(index)
    number = max([-1, *ledger.stacks]) + 1
    for runs in of_program.values():
        for part in programs.cut(runs, pieces):
            stacks.append(programs.stack(number, part))
            number += 1
    return Plan(jobs, entries, sorted(stacks, key=lambda one: one.runs[0]))


class _Programs:
    """The program of each job; a stepper that was chosen for a run before is kept."""

    def __init__(self, jobs: Sequence[Job], entries: Sequence[Entry], options: Launching) -> None:
        self.jobs, self.entries, self.memory = jobs, entries, options.memory * 2**20
        self._by_text: dict[str, _Program] = {}
        self._of: dict[int, _Program] = {}

    def of(self, index: int) -> _Program:
        """That of a job."""
        from src.engine.choose_stepper import (  # they import torch, which a finished sweep does without
            Choice,
            choose_stepper,
        )
        from src.sweep.stacking import disk_of, memory_of, most_members, program

        if index not in self._of:
            config, entry = self.jobs[index].config, self.entries[index]
            reason = choose_stepper(config).reason if entry.alone is None else entry.alone
            choice = Choice("torch", reason) if reason else Choice("rules")
            text = f"{reason}/{config.optimizer.target_}" if reason else program(config)
            if text not in self._by_text:
                most = 1 if reason else most_members(config, self.memory)
                self._by_text[text] = _Program(choice, text, most, memory_of(config), disk_of(config))
            self._of[index] = self._by_text[text]
        return self._of[index]

    def cut(self, runs: Sequence[int], pieces: int) -> list[Sequence[int]]:
        """Jobs of one program, a stack each."""
        from src.sweep.stacking import cut

        return cut(runs, self.of(runs[0]).most, pieces)

    def stack(self, number: int, runs: Sequence[int]) -> StackPlan:
        """A stack of jobs that have one program."""
        one = self.of(runs[0])
        return StackPlan(number, tuple(runs), one.choice, one.text, one.memory * len(runs), one.disk * len(runs))
