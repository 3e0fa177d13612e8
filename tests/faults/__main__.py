"""What was tried, how often, and what was lost: `python -m tests.faults` (`make faults`), a row a command and fault."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from tests.faults.calls import faults, tried_with
from tests.faults.kills import KINDS, killed
from tests.faults.server import Server, serving
from tests.faults.subjects import FAILING, KILLED, Subject, Tried

FILES = "a file operation"

Row = tuple[str, str, str, list[str]]
"""The command, the fault, how often, and what was wrong."""


def main() -> None:
    """The command; its exit status is 1 where anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--kills", type=int, default=50, metavar="N", help="of a kind, for each command (50)")
    parser.add_argument("--calls", type=int, default=2, metavar="N", help="of each kind and file that fail (2)")
    parser.add_argument("--in-a-row", type=int, default=10, metavar="N", help="kills, before it comes through (10)")
    parser.add_argument("--seed", type=int, default=0, help="of when it is killed")
    parser.add_argument("--only", metavar="NAME", help="one of the commands, such as 'lone run'")
    parser.add_argument("--fault", choices=[FILES, *KINDS], metavar="NAME", help=f"one of: {FILES}, {', '.join(KINDS)}")
    chosen = parser.parse_args()
    console, began, wrong = Console(width=max(Console().width, 120)), time.monotonic(), 0
    table = Table("command", "fault", "tried", "wrong", title="what was tried, and what was lost")
    with serving() as server:
        for command, fault, tried, found in rows(server, chosen):
            print(f"{command}, {fault}: {tried}, {len(found)} wrong", *found, sep="\n  ", flush=True)
            table.add_row(command, fault, tried, str(len(found)) if found else "")
            wrong += len(found)
    console.print(table)
    print(f"{(time.monotonic() - began) / 60:.1f} minutes, {wrong} wrong")
    sys.exit(1 if wrong else 0)


def rows(server: Server, chosen: argparse.Namespace) -> Iterator[Row]:
    """Every command with everything that is done to it."""

    def asked(subjects: tuple[Subject, ...]) -> list[Subject]:
        return [one for one in subjects if chosen.only in (None, one.name)]

    for subject in asked(FAILING) if chosen.fault in (None, FILES) else []:
        tried, found, how_often = Tried(server, subject), list[str](), Counter[str]()
        for fault in faults(tried, chosen.calls):
            how, sentences = tried_with(tried, fault)
            how_often[how] += 1
            found += sentences
        told = ", ".join(f"{number} {how}" for how, number in how_often.items())
        yield subject.name, FILES, f"{told} of {len(tried.straight.calls)} calls", found
    for subject in asked(KILLED) if chosen.fault != FILES else []:
        tried = Tried(server, subject)
        for kind in KINDS:
            if chosen.fault not in (None, kind) or (kind == "a worker" and "loky" not in subject.name):
                continue
            one = killed(tried, kind, chosen.kills, chosen.in_a_row, chosen.seed)
            slowest = f", gone after {one.slowest:.1f} s at most" if one.slowest else ""
            yield subject.name, kind, f"{one.kills} kills in {one.histories} histories{slowest}", one.wrong


if __name__ == "__main__":
    main()
