"""Killed, and killed again: at random times and at random file operations, and gone on with until it is through."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.server import Command, Ended, Fault
from tests.faults.subjects import Tried, badly_told

KINDS = ("KILL", "TERM", "INT", "INT twice", "a worker")
SOON = 2.0
"""Seconds in which a command ends that is asked to."""
PATIENCE = 60.0
"""Seconds after which it hangs."""


@dataclass
class Killed:
    """What came of the kills of a kind.

    Attributes:
        kills: how many hit a command that was under way.
        histories: how many times a command was gone on with until its end.
        slowest: seconds from being asked to end until then.
        late: how many took longer than `SOON`.
        wrong: what was wrong, a line each.
    """

    kills: int = 0
    histories: int = 0
    slowest: float = 0.0
    late: int = 0
    wrong: list[str] = field(default_factory=list)


def killed(tried: Tried, kind: str, kills: int, most: int, seed: int = 0) -> Killed:
    """Kill a command so often.

    Args:
        tried: the command.
        kind: one of `KINDS`.
        kills: how many, in all.
        most: in one history.
        seed: of when.
    """
    drawn, found = random.Random(f"{seed}/{tried.subject.name}/{kind}"), Killed()
    while found.kills < kills:
        tried.renew()
        found.histories += 1
        ended = _history(tried, kind, min(drawn.randint(1, most), kills - found.kills), drawn, found)
        for sentence in tried.wrong(ended) if ended else []:
            found.wrong.append(f"history {found.histories}: {sentence}")
        if ended is None and len(found.wrong) > 3:
            break  # it hangs every time
    return found


def _history(tried: Tried, kind: str, kills: int, drawn: random.Random, found: Killed) -> Ended | None:
    """Kill a command so often, or until it is through; how it ended last; None: it hangs."""
    ended: Ended | None = None
    for _ in range(kills):
        words = tried.subject.typed(tried.directory)
        if kind == "KILL" and drawn.random() < 0.5:
            at = drawn.randint(1, len(tried.straight.calls))
            ended = tried.server.run(words, Fault(at, how="kill"), tried.top)
        else:
            command = tried.server.start(words)
            while not command.begun:
                time.sleep(0.005)
            time.sleep(drawn.uniform(0.0, 1.0) * tried.straight.seconds)
            asked = time.monotonic()
            _send(command, kind, drawn)
            try:
                ended = command.wait(asked - command.began + PATIENCE)
                if not gone(command.number):
                    found.wrong.append("processes are left")
                if left := [path.name for path in Path("/dev/shm").glob(f"*-{command.number}-*")]:
                    found.wrong.append(f"shared memory is left: {', '.join(left)}")
            except TimeoutError as hangs:
                found.wrong.append(str(hangs))
                return None
            if ended.status != 0 and kind != "a worker":
                found.slowest = max(found.slowest, time.monotonic() - asked)
                found.late += time.monotonic() - asked > SOON
        found.wrong += [f"{kind}: {sentence}" for sentence in badly_told(ended)]
        if ended.status == 0 and kind != "a worker":
            break
        found.kills += 1
    return ended


def _send(command: Command, kind: str, drawn: random.Random) -> None:
    if kind == "a worker":
        if workers := [number for number in group(command.number) if number != command.number]:
            Command(command.server, drawn.choice(workers), command.where).signal(signal.SIGKILL)
        return
    which = signal.Signals[f"SIG{kind.partition(' ')[0]}"]
    terminal = which == signal.SIGINT  # which sends it to all of its processes
    command.signal(which, group=terminal)
    if kind == "INT twice":
        time.sleep(drawn.choice([0.0, 0.01, 0.1, 0.5]))
        command.signal(which, group=terminal)


def group(number: int) -> Sequence[int]:
    """The processes of a process group."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, of = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(of) == number and state != "Z":
            found.append(int(stat.parent.name))
    return found


def gone(number: int, seconds: float = 10.0) -> bool:
    """Whether no process of a group is left, soon."""
    until = time.monotonic() + seconds
    while group(number):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True
