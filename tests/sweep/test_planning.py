"""A sweep that is started, killed, resumed, enlarged and retried in any order ends as the one that went straight."""

import csv
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from src.sweep.call import Call
from src.sweep.failures import FAILED
from src.sweep.jobs import Composer, Job
from src.sweep.ledger import STACKS, Ledger, Outcome
from src.sweep.options import Launching
from src.sweep.planning import plan, without_rule
from src.sweep.training import Training
from src.sweep.worker import StackTask

OPTIONS = {
    **{"backend": "inline", "workers": None, "address": None, "memory": 1024, "max_runs": 10_000},
    **{"dry_run": False, "retry_failed": False, "files": "all", "submitit": {}},
}
CONFIG = Composer().job(["logger=none", "trainer.max_steps=7"]).config
BROKEN = {3, 11}
"""Seeds whose runs fail until they are mended."""


def job(seed: int) -> Job:
    words = (f"seed={seed}",)
    return Job(words, words, {}, CONFIG, f"of seed {seed}")


def outcome(seed: int) -> Outcome:
    return Outcome("completed", "all steps were taken", 7, {"train/loss": seed / 8}, f"of seed {seed}")


def seed_of(directory: Path) -> int:
    return int((directory / "seed").read_text())


class NoFiles:
    """Hydra's files tell nothing here."""

    def write(self, words: Any, raw: Any, number: int, directory: Path) -> None:
        (directory / "seed").write_text(words[0].partition("=")[2])


class Workers:
    """Train as `spread` does, in no time, until so many runs have ended."""

    def __init__(self, most: int, mended: bool) -> None:
        self.left, self.mended = most, mended

    def __call__(
        self, tasks: Iterable[StackTask], options: Launching, tell: Callable[[int, int, int], None]
    ) -> Iterator[tuple[StackTask, list[Outcome | str]]]:
        for task in tasks:
            ends = list[Outcome | str]()
            assert not any((spec.directory / "result.json").exists() for spec in task.specs)
            for spec in task.specs:
                if self.left == 0:  # killed in the middle of a stack, which has a checkpoint by then
                    Path(task.kept).parent.mkdir(exist_ok=True)
                    Path(task.kept).write_text(json.dumps([seed_of(spec.directory) for spec in task.specs]))
                    raise KeyboardInterrupt
                self.left -= 1
                seed = seed_of(spec.directory)
                if seed in BROKEN and not self.mended:
                    ends.append("it is broken")
                    continue
                ends.append(outcome(seed))
                (spec.directory / "result.json").write_text(json.dumps(vars(ends[-1])))
                tell(task.number, 1, 7)
            if all(isinstance(end, Outcome) for end in ends):
                Path(task.kept).unlink(missing_ok=True)
            yield task, ends


class SweepMachine(RuleBasedStateMachine):
    """One directory, and the seeds that were asked for in it."""

    @initialize()
    def begin(self) -> None:
        self.directory = Path(tempfile.mkdtemp())
        self.asked, self.finished = set[int](), dict[int, bytes]()

    def _command(self, seeds: Iterable[int], most: int = -1, retry: bool = False) -> None:
        """As the same words typed again, in a process of its own: nothing is remembered but what lies there."""
        seeds = list(dict.fromkeys(seeds))
        self.asked |= set(seeds)
        ledger, options = Ledger.read(self.directory), Launching.model_validate(OPTIONS | {"retry_failed": retry})
        jobs = [job(seed) for seed in seeds]
        entries = ledger.enter(jobs, ledger.begin(Call([], ["seed"], ["seed"], {}, [], {})))
        before, kept = deepcopy(ledger), self._kept()
        planned = plan(jobs, entries, ledger, options, pieces=2)
        assert ledger == before
        planned.enter(ledger)
        stacked = [index for stack in planned.stacks for index in stack.runs]
        assert len(stacked) == len(set(stacked))
        assert all(entries[index].outcome is None for index in stacked)
        ledger.save()
        with pytest.MonkeyPatch.context() as patch, suppress(KeyboardInterrupt):
            patch.setattr("src.sweep.executors.spread", Workers(most, mended=retry))
            Training(planned, ledger, options, NoFiles(), "the command", None).train()  # type: ignore[arg-type]
        FAILED.clear()
        finished = {seed_of(path.parent) for path in self.directory.glob("*/result.json")}
        assert kept - finished - set(seeds) <= self._kept()  # what others have is left alone

    def _kept(self) -> set[int]:
        """Seeds that have a checkpoint to go on from."""
        return {seed for path in (self.directory / STACKS).glob("*.ckpt") for seed in json.loads(path.read_text())}

    @rule(seeds=st.lists(st.integers(0, 15), min_size=1, max_size=9))
    def start(self, seeds: list[int]) -> None:
        self._command(seeds)

    @rule(seeds=st.lists(st.integers(0, 15), min_size=1, max_size=9), most=st.integers(0, 6))
    def kill(self, seeds: list[int], most: int) -> None:
        self._command([*sorted(self.asked), *seeds], most)

    @rule(seeds=st.lists(st.integers(0, 15), min_size=1, max_size=5), most=st.integers(0, 3))
    def kill_a_smaller_grid(self, seeds: list[int], most: int) -> None:
        self._command(seeds, most)

    @rule()
    def resume(self) -> None:
        if self.asked:
            self._command(sorted(self.asked))

    @rule()
    def retry(self) -> None:
        if self.asked:
            self._command(sorted(self.asked), retry=True)

    @rule(number=st.integers(0, 15))
    def lose_a_run(self, number: int) -> None:
        shutil.rmtree(self.directory / str(number), ignore_errors=True)
        self.finished.pop(number, None)

    @rule(seed=st.integers(0, 15))
    def move_a_run(self, seed: int) -> None:
        """A finished run is found by its fingerprint, wherever its directory has been moved to."""
        found = next((path for path in self.directory.glob("*/seed") if path.read_text() == str(seed)), None)
        if found is not None and int(found.parent.name) in self.finished:
            number = max(int(path.name) for path in self.directory.iterdir() if path.name.isdecimal()) + 1
            found.parent.rename(self.directory / str(number))
            self.finished[number] = self.finished.pop(int(found.parent.name))

    @invariant()
    def nothing_finished_is_touched(self) -> None:
        if not hasattr(self, "directory"):
            return
        now = {int(path.parent.name): path.read_bytes() for path in self.directory.glob("*/result.json")}
        assert {number: now.get(number) for number in self.finished} == self.finished
        self.finished = now
        fingerprints = [json.loads(content)["fingerprint"] for content in now.values()]
        assert len(fingerprints) == len(set(fingerprints))

    def teardown(self) -> None:
        if not hasattr(self, "directory"):
            return
        if self.asked:
            self._command(sorted(self.asked), retry=True)
            entries = Ledger.read(self.directory).entries
            assert {entry.fingerprint: entry.outcome for entry in entries} == {
                f"of seed {seed}": outcome(seed) for seed in self.asked
            }
            assert not (self.directory / STACKS).exists()
            with (self.directory / "results.csv").open(newline="", encoding="utf-8") as file:
                rows = [(int(row["seed"]), row["status"]) for row in csv.DictReader(file)]
            assert sorted(rows) == [(seed, "completed") for seed in sorted(self.asked)]
        shutil.rmtree(self.directory)


def test_a_stepper_that_was_chosen_is_kept(tmp_path: Path) -> None:
    """Where a compiler has come or gone since, say: a job's numbers are those of the stepper that it began with."""
    jobs, ledger = [job(seed) for seed in range(4)], Ledger(tmp_path)
    entries = ledger.enter(jobs, ledger.begin(Call([], ["seed"], ["seed"], {}, [], {})))
    entries[0].choice = {"stepper": "compiled"}
    entries[1].choice = {"stepper": "torch", "reason": "a reason"}
    for _ in range(2):
        planned = plan(jobs, entries, ledger, Launching.model_validate(OPTIONS), pieces=1)
        assert [(stack.choice.stepper, stack.runs) for stack in planned.stacks] == [
            ("compiled", (0,)),
            ("torch", (1,)),
            ("rules", (2, 3)),
        ]
        planned.enter(ledger)
        ledger.save()
        ledger = Ledger.read(tmp_path)
        entries = ledger.enter(jobs, 0)
    assert list(without_rule(planned)) == ["1 run trains one by one: a reason"]


TestSweep = SweepMachine.TestCase
TestSweep.settings = settings(max_examples=40, stateful_step_count=12, deadline=None)
