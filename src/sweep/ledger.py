"""A sweep directory: which runs it holds, how they were cut into stacks, and which of them failed.

`sweep.json` says what was asked for and how it was cut; that a run is finished is said by its own result alone.
"""

import csv
import json
import os
import sys
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from src.compare.halving import Halving
from src.compare.rows import Row, without_plus
from src.errors import LabError
from src.run_directory import RunDirectory
from src.run_directory.place import COLUMNS, boot
from src.sweep.call import Call, words_of
from src.sweep.jobs import Job

NAME, RESULTS, STACKS = "sweep.json", "results.csv", ".stacks"
FORMAT = 4


@dataclass(frozen=True)
class Outcome:
    """How a run ended, as far as a sweep needs to know.

    Attributes:
        status: "completed", "diverged" or "cut".
        reason: a sentence on why it ended there.
        steps: optimizer steps taken.
        metrics: the final losses.
        fingerprint: of the run.
    """

    status: str
    reason: str
    steps: int
    metrics: Mapping[str, float | None]
    fingerprint: str


@dataclass
class Entry:
    """A run of the sweep.

    Attributes:
        number: of the job, and the name of its directory.
        fingerprint: of its job.
        swept: the words that tell it apart.
        call: which of the commands asked for it.
        confirms: where it confirms a winner, the number of the winning setting's first job.
        choice: of its stepper, what `src.engine.choose_stepper.Choice` is made of; None: it is not decided yet.
        outcome: None while it is not finished.
        failure: why it failed, if it did.
        result_fingerprint: the one in its result, where it is another: of a run that goes on from a checkpoint.
    """

    number: int
    fingerprint: str
    swept: tuple[str, ...]
    call: int
    confirms: int | None = None
    choice: Mapping[str, Any] | None = None
    outcome: Outcome | None = None
    failure: str | None = None
    result_fingerprint: str | None = None

    @property
    def status(self) -> str:
        """`completed`, `diverged`, `cut`, `failed` or `unfinished`."""
        return self.outcome.status if self.outcome else "unfinished" if self.failure is None else "failed"

    @property
    def cut(self) -> bool:
        """Whether it was cut at a rung."""
        return self.outcome is not None and self.outcome.status == "cut"

    @property
    def expected(self) -> str:
        """The fingerprint that its result has, once there is one."""
        return self.result_fingerprint or self.fingerprint


@dataclass
class Ledger:
    """What a sweep directory holds.

    Attributes:
        directory: of the sweep.
        calls: what was asked for, by one command after the other.
        entries: the runs, in the order in which they were asked for.
        stacks: the numbers of the runs that are trained together now, by the number of their stack.
        halvings: which settings were raced in a stack, by its number.
        looks: of a sweep until winners are told apart, on how many fresh seeds each time, ascending.
        boot: during which start of the machine it was saved, where what was written then may not be on the disk.
    """

    directory: Path
    calls: list[Call] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    stacks: dict[int, list[int]] = field(default_factory=dict)
    halvings: dict[int, Halving] = field(default_factory=dict)
    looks: list[int] = field(default_factory=list)
    boot: str = ""

    def run(self, entry: Entry) -> RunDirectory:
        """Where a run's files are."""
        return RunDirectory(self.directory / str(entry.number))

    # --- what is there ---

    @classmethod
    def read(cls, directory: Path) -> "Ledger":
        """What is known of a directory, which may not be there yet.

        Raises:
            LabError: what lies there cannot be read.
        """
        ledger = cls.without_results(directory)
        if ledger.boot not in ("", boot()):
            _redo_what_is_not_whole(directory)
        ledger._find(_finished(directory))
        return ledger

    @classmethod
    def without_results(cls, directory: Path) -> "Ledger":
        """What `sweep.json` says; which runs are finished is not looked for.

        Raises:
            LabError: it cannot be read.
        """
        ledger = cls(directory)
        path = directory / NAME
        if not path.is_file():
            return ledger
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            then = kept.get("format")
        except (OSError, ValueError, AttributeError) as error:
            raise LabError(_unreadable(path, error)) from None
        if then is None:
            raise LabError(_unreadable(path, KeyError("format")))
        if then != FORMAT:
            raise LabError(
                f"{path} was written by another version (format {then}, not {FORMAT}): choose another hydra.sweep.dir"
            )
        try:
            ledger.calls = [Call(**call) for call in kept["calls"]]
            ledger.stacks = {int(number): runs for number, runs in kept["stacks"].items()}
            ledger.halvings = {int(number): Halving(**one) for number, one in kept.get("halvings", {}).items()}
            ledger.looks, ledger.boot = kept.get("looks", []), kept.get("boot", "")
            ledger.entries = [Entry(**job | {"swept": tuple(job["swept"])}) for job in kept["jobs"]]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise LabError(_unreadable(path, error)) from None
        return ledger

    def _find(self, finished: Mapping[int, Outcome]) -> None:
        """Give every run its result, wherever its directory was moved to; what names a run by its number follows."""
        left, before = dict(finished), [entry.number for entry in self.entries]
        for entry in self.entries:
            if entry.number in left and left[entry.number].fingerprint == entry.expected:
                entry.outcome = left.pop(entry.number)
        moved: dict[str, list[int]] = {}
        for number, outcome in sorted(left.items(), reverse=True):
            moved.setdefault(outcome.fingerprint, []).append(number)
        free = self._next_number(finished)
        for entry in self.entries:
            if entry.outcome is None and (numbers := moved.get(entry.expected)):
                entry.number = numbers.pop()
                entry.outcome = left[entry.number]
            elif entry.outcome is None and entry.number in finished:
                entry.number, free = free, free + 1  # another run lies there
        now = {old: entry.number for old, entry in zip(before, self.entries, strict=True)}
        for entry in self.entries:
            entry.confirms = None if entry.confirms is None else now.get(entry.confirms, entry.confirms)
        self.stacks = {stack: [now.get(run, run) for run in runs] for stack, runs in self.stacks.items()}
        for one in self.halvings.values():
            for settings in (one.settings, one.mates):
                settings[:] = [[now.get(run, run) for run in runs] for runs in settings]

    def _next_number(self, there: Iterable[int] = ()) -> int:
        return max([-1, *there, *(entry.number for entry in self.entries)]) + 1

    # --- what is asked for ---

    def check_same(self, call: Call) -> None:
        """Refuse to mix two sweeps.

        Raises:
            LabError: what is not swept is not the same as it was, or a sampler asks for other settings.
        """
        for before in self.calls:
            if apart := call.study_differences(before):
                raise LabError(
                    f"{self.directory} holds a sweep whose sampler asks for other settings: {', '.join(apart[:5])}; "
                    "choose another hydra.sweep.dir"
                )
            if differences := call.differences(before):
                which = ", ".join(differences[:5])
                raise LabError(
                    f"{self.directory} holds a sweep that differs in what neither sweeps: {which}; "
                    "choose another hydra.sweep.dir"
                )

    def begin(self, call: Call) -> int:
        """Take in what a command asks for; its place in `calls`.

        Raises:
            LabError: what is not swept is not the same as it was.
        """
        self.check_same(call)
        if call not in self.calls:
            self.calls.append(call)
        return self.calls.index(call)

    def go_on(self, number: int, call: Call, jobs: Sequence[Job]) -> list[Job]:
        """Take in the next jobs of a command that asks for them by and by, as Optuna does.

        Returns:
            The jobs, with those of their words that not all jobs of the command share.
        """
        before = list(self.calls[number].shared)
        lost = self.calls[number].join(call)
        for entry in self.entries:
            if entry.call == number:
                entry.swept = (*entry.swept, *lost)
        apart = {word for word in call.shared if word not in before}
        return [replace(job, swept=tuple(w for w in job.words if w in apart or w in job.swept)) for job in jobs]

    def enter(self, jobs: Sequence[Job], call: int, confirms: Sequence[int | None] = ()) -> list[Entry]:
        """Take in jobs; those that are there already keep their number, others get the next free ones.

        A job is the run of the same fingerprint and words, else one of the same fingerprint (`lr=0.1` is `lr=1e-1`),
        else one of the same words, whose table or options have changed since.

        Args:
            jobs: what is asked for.
            call: which of `calls` asks.
            confirms: of each job; none are confirmations where it is left out.

        Returns:
            The run of each job.

        Raises:
            LabError: a table, or an option of the user's own, has changed since a run was trained with it.
        """
        found = self._there(jobs)
        free = self._next_number(numbers(self.directory))
        for index, (job, winner) in enumerate(zip(jobs, confirms or [None] * len(jobs), strict=True)):
            if index not in found:
                found[index], free = Entry(free, job.fingerprint, job.swept, call), free + 1
                self.entries.append(found[index])
            elif found[index].fingerprint != job.fingerprint:
                self._reread(found[index], job)
            entry = found[index]
            entry.confirms, entry.swept, entry.call = winner, job.swept, call
        return [found[index] for index in range(len(jobs))]

    def _there(self, jobs: Sequence[Job]) -> dict[int, Entry]:
        """The run of each job that has one, by the job's position; no run is two jobs'."""
        found, runs = dict[int, Entry](), list(enumerate(self.entries))
        typed = [frozenset(self.words(entry)) for entry in self.entries]
        keys: tuple[Callable[[str, frozenset[str]], Hashable], ...] = (
            lambda fingerprint, words: (fingerprint, words),
            lambda fingerprint, words: fingerprint,
            lambda fingerprint, words: words,
        )
        for key in keys:
            waiting: dict[Hashable, list[int]] = {}
            for position, entry in reversed(runs):
                waiting.setdefault(key(entry.fingerprint, typed[position]), []).append(position)
            matched = set[int]()
            for index, job in enumerate(jobs):
                if index not in found and (same := waiting.get(key(job.fingerprint, frozenset(job.words)))):
                    matched.add(same[-1])
                    found[index] = self.entries[same.pop()]
            runs = [run for run in runs if run[0] not in matched]
        return found

    def words(self, entry: Entry) -> tuple[str, ...]:
        """All words of a run."""
        return (*self.calls[entry.call].shared, *entry.swept)

    def _reread(self, entry: Entry, job: Job) -> None:
        """Take a job for the one that the same words have asked for before, though they say something else by now.

        Raises:
            LabError: it has been trained with what they said then.
        """
        if entry.outcome is not None:
            raise LabError(
                f"{self.directory}: what run {entry.number} was trained with has changed since (the table, or an "
                "option of your own); choose another hydra.sweep.dir"
            )
        entry.fingerprint, entry.choice = job.fingerprint, None

    # --- what is left ---

    def left(self, retry_failed: bool, halving: Halving | None = None) -> set[int]:
        """The numbers of the runs that are still to be trained: what is finished is skipped.

        Args:
            retry_failed: whether what has failed is trained again.
            halving: the rungs that are asked for: what was cut at the same ones is finished.
        """
        cut = {run for _, one, runs in self._cuts() if one.asks_as(halving) for run in runs}
        waiting = (e for e in self.entries if e.outcome is None and (e.failure is None or retry_failed))
        return {e.number for e in self.entries if e.cut and e.number not in cut} | {e.number for e in waiting}

    def parts(self) -> dict[int, list[int]]:
        """The runs that were cut, as stacks that can go on."""
        return {part: runs for part, _, runs in self._cuts()}

    def _cuts(self) -> Iterator[tuple[int, Halving, list[int]]]:
        """Of every rung the runs that were cut there: the stack that they are now, among which settings, and they."""
        at = {entry.number: entry.outcome.steps for entry in self.entries if entry.outcome and entry.cut}
        for _, one in sorted(self.halvings.items(), reverse=True):  # some were cut more than once: the last time
            for rung in one.ahead:
                if runs := [run for setting in one.settings for run in setting if at.get(run) == rung]:
                    for run in runs:
                        del at[run]
                    yield one.part(rung), one, runs

    def checkpoint(self, stack: int) -> Path:
        """What a stack goes on from."""
        return self.directory / STACKS / f"{stack}.ckpt"

    # --- writing ---

    def save(self, settled: bool = False) -> None:
        """Write `sweep.json`, whole or not at all.

        Args:
            settled: all that was written into the directory is on the disk.
        """
        self.boot = "" if settled else boot()
        kept = {
            "format": FORMAT,
            "calls": [asdict(call) for call in self.calls],
            "jobs": [_without_none(entry) for entry in self.entries],
            "stacks": self.stacks,
            **({"halvings": {number: asdict(one) for number, one in self.halvings.items()}} if self.halvings else {}),
            **({"looks": self.looks} if self.looks else {}),
            **({"boot": self.boot} if self.boot else {}),
        }
        _replace(self.directory / NAME, json.dumps(kept, separators=(",", ":")))

    def end(self, entry: Entry, outcome: Outcome) -> None:
        """Take in the result of a run."""
        entry.outcome, entry.failure = outcome, None
        entry.result_fingerprint = None if outcome.fingerprint == entry.fingerprint else outcome.fingerprint

    def rows(self) -> list[tuple[Entry, dict[str, str]]]:
        """Every run with its swept words, by number."""
        keys = list(dict.fromkeys(key for call in self.calls for key in call.keys))
        rows = ((entry, words_of(entry.swept, self.calls[entry.call], keys)) for entry in self.entries)
        return sorted(rows, key=lambda row: row[0].number)

    def ended(self) -> list[Row]:
        """Every run that has ended, or failed, as winners are chosen among them."""
        found = []
        for entry, words in self.rows():
            if entry.outcome is not None:
                one = entry.outcome
                found.append(
                    Row(entry.number, words, one.status, one.steps, one.metrics, entry.confirms, reason=one.reason)
                )
            elif entry.failure is not None:
                found.append(Row(entry.number, words, "failed", 0, {}, entry.confirms, reason=entry.failure))
        return found

    def write_results(self) -> None:
        """Write `results.csv`: a row per run."""
        rows = self.rows()
        keys = list(dict.fromkeys(key for _, words in rows for key in words))
        metrics = list(dict.fromkeys(name for entry, _ in rows if entry.outcome for name in entry.outcome.metrics))
        table: list[list[Any]] = [
            ["job", "status", "reason", *map(without_plus, keys), "steps", *metrics, "confirms", "fingerprint"]
        ]
        for entry, words in rows:
            one = entry.outcome
            table.append(
                [
                    *(entry.number, entry.status, one.reason if one else entry.failure),
                    *(words.get(key) for key in keys),
                    *(one.steps if one else None, *(one.metrics.get(name) if one else None for name in metrics)),
                    *(entry.confirms, entry.fingerprint),
                ]
            )
        temporary = self.directory / f"{RESULTS}.tmp"
        with temporary.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(table)
        temporary.replace(self.directory / RESULTS)


def _without_none(entry: Entry) -> dict[str, Any]:
    """Without what is told by `result.json`, and what is not known."""
    return {key: value for key, value in vars(entry).items() if value is not None and key != "outcome"}


def _unreadable(path: Path, error: Exception) -> str:
    return f"{path} cannot be read as a sweep ({error}): put it back, or choose another hydra.sweep.dir"


def _replace(path: Path, text: str) -> None:
    temporary = path.with_suffix(".tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def numbered(directory: Path) -> list[Path]:
    """The directories that may be runs' own."""
    return [path for path in directory.iterdir() if path.name.isdecimal()] if directory.is_dir() else []


def numbers(directory: Path) -> set[int]:
    """The numbers of runs that have a directory, or are kept in columns."""
    held = {int(path.name) for path in numbered(directory)}
    if (directory / COLUMNS).is_dir():
        from src.run_directory.columns import columns  # it imports polars, which others do without

        held |= columns(directory).runs.keys()
    return held


def _finished(directory: Path) -> dict[int, Outcome]:
    """How every finished run ended, by number.

    Raises:
        LabError: a result is broken.
    """
    found = {}
    for number in sorted(numbers(directory)):
        where = RunDirectory(directory / str(number))
        if where.finished:
            try:
                found[number] = outcome_of(where)
            except LabError as error:
                again = where.result_path if where.kept is None else where.kept.where
                raise LabError(f"{error}; take {again} away to have what is in it trained again") from None
    return found


def _redo_what_is_not_whole(directory: Path) -> None:
    """After a power cut, files that were written before may be empty or cut: such runs have no result any more."""
    gone = list[int]()
    for number in sorted(numbers(directory)):
        where = RunDirectory(directory / str(number))
        if where.finished and any(where.wrong()):
            gone.append(number)
            if where.kept is None:
                where.result_path.unlink()
    if in_columns := [number for number in gone if not (directory / str(number)).is_dir()]:
        from src.run_directory.columns import drop

        drop(directory, in_columns)
    if gone:
        runs = "1 run is" if len(gone) == 1 else f"{len(gone):,} runs are"
        print(f"{directory}: the machine went down before all was on its disk; {runs} trained again", file=sys.stderr)


def outcome_of(where: RunDirectory) -> Outcome:
    """How a finished run ended.

    Raises:
        LabError: its `result.json` is broken.
    """
    result = where.read_result()
    try:
        return Outcome(**{name: result[name] for name in Outcome.__dataclass_fields__})
    except KeyError as error:
        raise LabError(f"{where.path / 'result.json'} is broken ({error} is missing)") from None
