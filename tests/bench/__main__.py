"""What this project costs beside other ways, one table: `python -m tests.bench [ROW ...] [--quick] [--rounds 5]`.

Ratios come first: the median of rounds in which all ways were taken in turn, from the lowest to the highest. `*`: some
of it was measured on a sample, and scaled. Everything, with each round and the machine, goes to `bench.json`.
"""

import argparse
import contextlib
import importlib
import logging
import statistics
import warnings
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from src.errors import LabError, exit_on_error
from tests.bench.measure import Figure, machine, short, write

ROWS = ("one_run", "lines", "networks", "two_layer", "own", "start_up", "growth", "crowd")
"""Modules beside this one: what they measure is told by `figures`, with how long it takes by QUICK and FULL."""


def measured(row: str, rounds: int, length: str) -> tuple[str, list[Figure]]:
    """Title and figures of a row."""
    module: Any = importlib.import_module(f"tests.bench.{row}")
    try:
        return module.TITLE, module.figures(rounds, **getattr(module, length, {}))
    except LabError as why:
        return module.TITLE, [Figure("all of it", [], about=str(why))]


def table(rows: dict[str, list[Figure]], rounds: int) -> Table:
    """Rows by their titles."""
    made = Table(title=f"median of {rounds} rounds, taken in turn", caption="* measured on a sample, and scaled")
    for column in ("ratio", "lowest", "highest", "wanted", ""):
        made.add_column(column, justify="right", no_wrap=True)
    made.add_column("of")
    made.add_column("which is")
    for title, figures in rows.items():
        made.add_section()
        made.add_row("", "", "", "", "", f"[bold]{title}[/bold]", "")
        for one in figures:
            made.add_row(*map(escape, cells(one)))
    return made


def cells(one: Figure) -> list[str]:
    """A figure as a row."""
    if not one.values:
        return ["not measured", "", "", one.wanted, "", one.what, one.about]
    middle = f"{short(statistics.median(one.values))}{'*' if one.sampled else ''}"
    spread = [short(end) for end in (min(one.values), max(one.values))] if len(one.values) > 1 else ["", ""]
    return [middle, *spread, one.wanted, {None: "", True: "✓", False: "✗"}[one.met], one.what, one.about]


def main() -> None:
    parser = argparse.ArgumentParser(
        "python -m tests.bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"all where none is named: {', '.join(ROWS)}")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--quick", action="store_true", help="shorter runs, fewer sizes: minutes")
    length.add_argument("--full", action="store_true", help="nothing is left out or sampled that takes many minutes")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is timed")
    parser.add_argument("--out", type=Path, default=Path("bench.json"), help="the file of all rounds")
    arguments = parser.parse_args()
    if wrong := [row for row in arguments.rows if row not in ROWS]:
        parser.error(f"{', '.join(wrong)}: there are {', '.join(ROWS)}")
    if arguments.rounds < 1:
        parser.error(f"--rounds {arguments.rounds}: must be at least 1")
    try:
        write(arguments.out, {})
    except OSError as error:
        parser.error(f"--out {arguments.out}: cannot be written: {error.strerror}")
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    how = "QUICK" if arguments.quick else "FULL" if arguments.full else "DEFAULT"
    console, found, kept = Console(), dict[str, list[Figure]](), dict[str, list[Figure]]()
    with exit_on_error():
        for row in arguments.rows or ROWS:
            with console.status(row) if console.is_terminal else contextlib.nullcontext():
                title, figures = measured(row, arguments.rounds, how)
            found[title] = kept[row] = figures
            write(arguments.out, kept)  # at once: what comes after it may be interrupted
        (console if console.is_terminal else Console(width=200)).print(table(found, arguments.rounds))
        about = machine()
        told = ", ".join(f"{name} {about[name]}" for name in ("python", "torch", "lightning", "jax"))
        told = f"{about['processor']}, {about['cores']} cores, load {about['load']:.1f}; {told}; {arguments.out}"
        console.print(told, soft_wrap=True)


if __name__ == "__main__":
    main()
