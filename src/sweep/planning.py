"""From jobs to a plan: what is left to train, cut into stacks. Nothing is written or changed here."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count, islice
from typing import TYPE_CHECKING, Any

from src.compare.halving import Halving
from src.compare.rows import Row
from src.compare.selection import contenders
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
        halving: at which rungs settings leave; None: all are trained to the end.
        remark: a sentence where that is not as it is asked for; empty: it is.
    """

    number: int
    runs: tuple[int, ...]
    choice: "Choice"
    program: str
    memory: int
    disk: int
    halving: Halving | None = None
    remark: str = ""


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
            if stack.halving:
                ledger.halvings[stack.number] = stack.halving
            for entry in entries:
                entry.choice, entry.outcome = stack.choice.as_kept(), None  # it may have been cut


@dataclass(frozen=True)
class _Program:
    """What a stack is cut from: the stepper of its runs, why that one, and how many members it takes."""

    choice: "Choice"
    text: str
    most: int
    memory: int
    disk: int


def plan(
    jobs: Sequence[Job],
    entries: Sequence[Entry],
    ledger: Ledger,
    options: Launching,
    pieces: int,
    halving: Halving | None = None,
) -> Plan:
    """Cut what is left to train into stacks.

    A member's numbers do not depend on its stack, so what is unfinished is cut anew each time, but for stacks that have
    a checkpoint to go on from: their members stay together. Where only some of them are asked for, these begin anew, as
    the checkpoint would be lost to the others.

    With rungs a new stack has the settings of one optimizer on one problem, and stays as it is until all have ended;
    seeds that are added to settings which were raced at the same rungs go as far as those did. What was cut at other
    rungs goes on, raced among itself at those that are ahead; a stack that is between other rungs goes on to its end.

    Args:
        jobs: what is asked for.
        entries: their runs in the ledger.
        ledger: of the sweep.
        options: of the launcher.
        pieces: stacks of one program at least, as far as there are runs for two in each; of what is raced, one.
        halving: the rungs that are asked for; None: there are none.
    """
    unfinished = ledger.left(options.retry_failed, halving)
    left = {entry.number: index for index, entry in enumerate(entries) if entry.number in unfinished}
    programs, race, stacks = _Programs(jobs, entries, options), _Race(entries, ledger, halving), list[StackPlan]()
    for number, runs in (ledger.parts() | ledger.stacks).items():
        begun = race.begun(number)
        waiting = unfinished.intersection(begun.runs if begun else runs)
        asked = sorted(left[run] for run in waiting if run in left)
        together = asked and len(asked) == len(waiting) and len({programs.of(index).text for index in asked}) == 1
        if together and (begun or ledger.checkpoint(number).is_file()):
            cut_there = None if number in ledger.stacks else entries[asked[0]].outcome
            own = begun or (race.among(race.settings(asked), cut_there.steps) if cut_there else None)
            remark = "" if own or cut_there or not halving else "what is between other rungs goes on to its end"
            stacks.append(programs.stack(number, asked, own, remark))
            left = {run: index for run, index in left.items() if run not in waiting}
    of_program: dict[Any, list[int]] = {}
    for run, index in left.items():
        one = programs.of(index)
        raced = None if one.choice.events else race.contender(run)
        of_program.setdefault((one.text, raced), []).append(index)
    for (_, contender), together in of_program.items():
        settings = [] if contender is None else race.settings(together)
        pieces_of_settings, remark = programs.cut_settings(settings) if settings else ([], "")
        if not pieces_of_settings:
            stacks += [programs.stack(next(race.free), p, None, remark) for p in programs.cut(together, pieces)]
        for piece in pieces_of_settings:
            members = sorted(index for setting in piece for index in setting)
            stacks.append(programs.stack(next(race.free), members, race.among(piece), remark))
    return Plan(jobs, entries, sorted(stacks, key=lambda one: one.runs[0]))


class _Race:
    """Which settings are raced against which, and the numbers of stacks that are free.

    Args:
        entries: the runs of the jobs.
        ledger: of the sweep.
        halving: the rungs that are asked for; None: nothing is raced.
    """

    def __init__(self, entries: Sequence[Entry], ledger: Ledger, halving: Halving | None) -> None:
        self.entries, self.halvings, self.halving = entries, ledger.halvings, halving
        rows = ledger.rows() if halving else []
        known = contenders([Row(e.number, words, e.status, 0, {}) for e, words in rows if e.confirms is None])
        settings = ((which, one) for which, of_one in enumerate(known) for one in of_one.settings)
        self._of = {row.job: (which, one.rows[0].job) for which, one in settings for row in one.rows}
        parts = (part for one in ledger.halvings.values() for part in one.parts)
        self.free = count(max([-1, *ledger.stacks, *parts]) + 1)
        waiting, self._before = {e.number for e in ledger.entries if e.status == "unfinished"}, dict[Any, Halving]()
        for _, one in sorted(ledger.halvings.items()):
            if one.asks_as(halving) and not one.after and waiting.isdisjoint(one.runs):
                self._before |= {self._of[runs[0]]: one for runs in one.everyone}

    def begun(self, stack: int) -> Halving | None:
        """The race of a stack, if it is the one that is asked for."""
        before = self.halvings.get(stack)
        return before if before is not None and before.asks_as(self.halving) else None

    def contender(self, run: int) -> Any:
        """What runs have in common whose settings are raced together, by the run's number; None: it is not raced."""
        return (self._of[run][0], id(self._before.get(self._of[run]))) if self.halving else None

    def settings(self, jobs: Iterable[int]) -> list[list[int]]:
        """The jobs of each setting; none where nothing is raced."""
        found: dict[Any, list[int]] = {}
        for index in jobs if self.halving else ():
            found.setdefault(self._of[self.entries[index].number], []).append(index)
        return list(found.values())

    def among(self, settings: Sequence[Sequence[int]], after: int = 0) -> Halving | None:
        """A new race, of settings by their jobs, that were cut after so many steps; None where nothing can be cut."""
        runs = [[self.entries[index].number for index in setting] for setting in settings]
        before = None if after else self._before.get(self._of.get(runs[0][0]))
        if self.halving is None or (before is None and len(runs) < 2):
            return None
        new = replace(self.halving, after=after, settings=runs)
        if before is not None:
            added = {self._of[of_one[0]]: of_one for of_one in runs}
            mates = before.everyone
            new = replace(new, settings=[added.get(self._of[one[0]], []) for one in mates], mates=mates)
        return replace(new, parts=list(islice(self.free, len(new.ahead))))


class _Programs:
    """The program of each job; a stepper that was chosen for a run before is kept."""

    def __init__(self, jobs: Sequence[Job], entries: Sequence[Entry], options: Launching) -> None:
        self.jobs, self.entries, self.memory = jobs, entries, options.memory * 2**20
        self.few = options.files == "few"
        self._by_text: dict[str, _Program] = {}
        self._chosen: dict[str, Choice] = {}
        self._of: dict[int, _Program] = {}

    def of(self, index: int) -> _Program:
        """That of a job."""
        from src.sweep.stacking import disk_of, memory_of, most_members  # torch, which a finished sweep does without

        if index not in self._of:
            config = self.jobs[index].config
            choice, text = self._choice(index)
            if text not in self._by_text:
                disk = disk_of(config, self.few and not choice.events)
                most = 1 if choice.events else most_members(config, self.memory)
                self._by_text[text] = _Program(choice, text, most, memory_of(config), disk)
            self._of[index] = self._by_text[text]
        return self._of[index]

    def _choice(self, index: int) -> tuple["Choice", str]:
        """The stepper of a job, and what all that share a stack with it have in common, as a text.

        Whether the steps are C depends on no number that members have of their own: it is found out once a program.
        """
        from src.engine.choose_stepper import Choice, choose_stepper
        from src.sweep.stacking import program, work_of

        config, kept = self.jobs[index].config, self.entries[index].choice
        choice = Choice(**kept) if kept else choose_stepper(config)
        if choice.events:
            return choice, f"{choice.stepper}: {choice.reason}/{config.optimizer.target_}"
        text = program(config, choice)
        if not kept and choice.stepper == "rules":
            if text not in self._chosen:
                self._chosen[text] = choose_stepper(config, work=work_of(config))
            choice = self._chosen[text]
        return choice, f"{choice.stepper}: {text}"

    def cut(self, runs: Sequence[int], pieces: int) -> list[Sequence[int]]:
        """Jobs of one program, a stack each."""
        from src.sweep.stacking import cut

        return cut(runs, self.of(runs[0]).most, pieces)

    def cut_settings(self, settings: Sequence[Sequence[int]]) -> tuple[list[Sequence[Sequence[int]]], str]:
        """Settings of one program, all seeds of each, in as few stacks as memory allows.

        Args:
            settings: the jobs of each.

        Returns:
            The settings of each stack, none where they do not fit; and what is to be said of it.
        """
        from src.sweep.stacking import MOST, cut

        one, number = self.of(settings[0][0]), len(settings)
        most = min(MOST, self.memory // max(1, one.memory)) // max(map(len, settings))
        if most < min(2, number):
            why = "a stack of hydra.launcher.memory does not hold two settings: all are trained to the end"
            return [], why * (number > 1)
        pieces = cut(settings, most)
        why = f"{number:,} settings are raced in {len(pieces):,} stacks of hydra.launcher.memory, each by itself"
        return pieces, why * (len(pieces) > 1)

    def stack(self, number: int, runs: Sequence[int], halving: Halving | None = None, remark: str = "") -> StackPlan:
        """A stack of jobs that have one program."""
        one, size = self.of(runs[0]), len(runs)
        memory, disk = one.memory * size, one.disk * size
        return StackPlan(number, tuple(runs), one.choice, one.text, memory, disk, halving, remark)


def without_rule(plan: Plan, raced: bool = False) -> Iterator[str]:
    """How many runs are not stepped together by a rule, and why, a sentence a reason.

    Args:
        plan: of the sweep.
        raced: whether there are rungs, which those that train one by one have not.
    """
    of_choice: Counter[Choice] = Counter()
    for stack in plan.stacks:
        of_choice[stack.choice] += len(stack.runs)
    for choice, number in of_choice.items():
        runs = f"{number:,} {'run' if number == 1 else 'runs'}"
        if choice.events:
            whole = " and to the end, for rungs are of stacks" if raced else ""
            yield f"{runs} {'trains' if number == 1 else 'train'} one by one{whole}: {choice.reason}"
        elif choice.stepper == "each":
            yield f"{runs} {'takes its' if number == 1 else 'take their'} steps one after another: {choice.reason}"
        elif choice.stepper == "class":
            yield f"{runs} {'is' if number == 1 else 'are'} stepped by the class itself: {choice.reason}"
        elif choice.chosen == "compiled":
            yield f"{runs} {'is' if number == 1 else 'are'} stepped by rules, not by compiled code: {choice.reason}"
