"""What is tried: commands, what each must end in, and what is wrong with how it ended otherwise."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.faults.server import Ended, Fault, Server
from tests.run.runs import numbers

SHORT = ("trainer.max_steps=60", "trainer.val_every_n_steps=20", "trainer.log_every_n_steps=10")
LEFT_BEHIND = re.compile(r"\.(part|tmp|scratch|stacks)(/|$)")
NUMBERS = re.compile(r"\d+")
GO_ON = re.compile(r"go on with: python\S* -m (.*)$", re.MULTILINE)
MOST_LINES = 3
"""A message may have so many, such as the line that a finished sweep has before it."""


@dataclass(frozen=True)
class Subject:
    """A command that is disturbed.

    Attributes:
        name: in the table.
        words: what is typed, but for the directory.
        key: the word that says the directory; empty: it is the last word itself.
    """

    name: str
    words: tuple[str, ...]
    key: str = "hydra.run.dir="

    def typed(self, directory: Path) -> list[str]:
        """The command, in a directory."""
        return [*self.words, f"{self.key}{directory}"]


LINE = ("data.noise=1.0", "optimizer.lr=0.02", *SHORT, "callbacks.checkpoint.every_n_steps=20")
SWEPT = ("src.train", "-m", *LINE, "hydra.sweeper.report=false")
STOPPING = ("callbacks=early_stopping",)
ALONE = (
    "callbacks=[early_stopping,time_limit]",
    "callbacks.time_limit.duration=00:01:00:00",
    "logger.tensorboard.runs=all",
)
IN = "hydra.sweep.dir="
LOKY = ("hydra.launcher.backend=loky", "hydra.launcher.workers=2")
FAILING = (
    Subject("lone run", ("src.train", *LINE, *STOPPING, "callbacks.progress_bar=null")),
    Subject("stacks", (*SWEPT, "seed=0,1", "optimizer=sgd,adam", "optimizer.lr=0.02"), IN),
    Subject("rungs", (*SWEPT, "optimizer.lr=range(1,7)", "hydra.sweeper.rungs=[20]"), IN),
    Subject("run by run", (*SWEPT, *ALONE, "seed=0,1"), IN),
)
"""Commands whose files fail."""


def longer(subject: Subject) -> Subject:
    """The same with more steps, among which it is killed."""
    several = {"=60": "=20000", "=20": "=1000", "=10": "=500", "=[20]": "=[5000]"}
    words = [_longer(word, several) for word in subject.words]
    return replace(subject, words=tuple(words))


def _longer(word: str, several: Mapping[str, str]) -> str:
    key, _, value = word.partition("=")
    longer = key.startswith(("trainer.", "callbacks.checkpoint", "hydra.sweeper.rungs"))
    return f"{key}{several.get(f'={value}', f'={value}')}" if longer else word


KILLED = (
    *map(longer, FAILING),
    *(
        replace(longer(one), name=f"{one.name}, loky", words=(*longer(one).words, *LOKY))
        for one in (FAILING[1], FAILING[3])
    ),
)
"""Commands that are killed."""


@dataclass(frozen=True)
class Straight:
    """What a command ends in that nothing disturbs.

    Attributes:
        calls: its file operations.
        found: the numbers of each run, by its directory.
        files: names of what is there at the end, digits as they may differ left out.
        seconds: that it took.
    """

    calls: Sequence[tuple[str, str]]
    found: Mapping[str, Any]
    files: frozenset[str]
    seconds: float


class Tried:
    """A subject's command, tried in a directory that is as it was before each time."""

    def __init__(self, server: Server, subject: Subject) -> None:
        self.server, self.subject = server, subject
        self.top = server.folder / "tried"
        self.directory = self.top / "it"
        self.straight = self._straight()

    def _straight(self) -> Straight:
        self.renew()
        ended = self.server.run(self.subject.typed(self.directory), Fault(), self.top)
        assert ended.status == 0, ended
        return Straight(ended.calls, finished(self.directory), files(self.directory), ended.seconds)

    def renew(self) -> None:
        """Have the directory as it was before the command."""
        shutil.rmtree(self.top, ignore_errors=True)
        self.top.mkdir()

    def wrong(self, ended: Ended) -> list[str]:
        """What is wrong with how a disturbed command ended, and with what comes of typing it again."""
        found = badly_told(ended)
        before = {path: path.stat().st_mtime_ns for path in self.directory.rglob("result.json")}
        if ended.status == 0 and self._differ():
            found.append(f"it ends well with other numbers: {self._differ()}")
        words, tells = self.subject.typed(self.directory), GO_ON.search(ended.told)
        again = self.server.run(shlex.split(tells[1]) if tells else words)
        over = not self.subject.key.startswith("hydra.sweep") and bool(before)
        if again.status != 0 and not over:
            found.append(f"typed again it ends with {again.status}: {again.told.strip()[-500:]}")
        elif differ := self._differ():
            found.append(f"typed again it ends with other numbers: {differ}")
        if any(path.stat().st_mtime_ns != at for path, at in before.items()):
            found.append("what was finished is touched")
        if "Traceback" in again.told or again.told.count("\n") > MOST_LINES:
            found.append(f"typed again: {again.told.count(chr(10))} lines: {again.told.strip()[-300:]}")
        now = files(self.directory)
        if more := now - self.straight.files:
            found.append(f"left behind: {', '.join(sorted(more))}")
        if less := self.straight.files - now:
            found.append(f"missing: {', '.join(sorted(less))}")
        return found

    def _differ(self) -> str:
        """Which numbers are not those of the straight command."""
        now, then = finished(self.directory), self.straight.found
        if now.keys() != then.keys():
            return f"finished {sorted(now)}, not {sorted(then)}"
        return ", ".join(
            f"{run or 'it'}: {part}" for run in now for part in now[run] if now[run][part] != then[run][part]
        )


def finished(directory: Path) -> dict[str, Any]:
    """The numbers of each finished run, by its directory."""
    return {
        str(path.parent.relative_to(directory)): numbers(path.parent) for path in sorted(directory.rglob("result.json"))
    }


def files(directory: Path) -> frozenset[str]:
    """The files that are there, those of TensorBoard (of which a resume adds one) without numbers."""
    found = (str(path.relative_to(directory)) for path in directory.rglob("*"))
    return frozenset(re.sub(r"tfevents.*", "tfevents", name) for name in found)


def badly_told(ended: Ended) -> list[str]:
    """What is wrong with the words of a command that failed."""
    if ended.status == 0 and not ended.told:
        return []
    lines, found = ended.told.strip().splitlines(), list[str]()
    if "Traceback" in ended.told:
        found.append(f"a traceback of {len(lines)} lines: {lines[-1][:200]}")
    elif len(lines) > MOST_LINES:
        found.append(f"{len(lines)} lines: {lines[0][:200]}")
    elif ended.status > 0 and not lines:
        found.append(f"it ends with {ended.status}, and no word")
    return found


def sort_of(path: str) -> str:
    """A file's name without numbers: those of runs, of processes and of times."""
    return NUMBERS.sub("#", path.rpartition("/")[2])
