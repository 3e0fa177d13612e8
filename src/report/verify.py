"""Whether runs are as they were written: `python -m src.report verify DIRECTORY...`."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from src.errors import LabError, exit_on_error
from src.run_directory import RunDirectory, check_once
from src.run_directory.place import COLUMNS
from src.run_directory.seal import damage
from src.sweep.ledger import numbers


def found(directory: Path) -> tuple[int, list[str]]:
    """How many finished runs there are in a sweep, a run, or a folder of runs, and what of them is not as it was.

    Raises:
        LabError: there is none.
    """
    runs = list(_runs(directory))
    if not runs:
        raise LabError(f"{directory}: there is no finished run in it")
    return len(runs), [*_kept(directory), *(sentence for run in runs for sentence in run.wrong())]


def _runs(directory: Path) -> Iterator[RunDirectory]:
    if (run := RunDirectory(directory)).finished:
        yield run
        return
    others = (path for path in directory.iterdir() if not path.name.isdecimal()) if directory.is_dir() else ()
    for path in [*(directory / str(number) for number in sorted(numbers(directory))), *sorted(others)]:
        if (run := RunDirectory(path)).finished:
            yield run


def _kept(directory: Path) -> Iterator[str]:
    """The states of runs in columns."""
    for path in sorted((directory / COLUMNS).glob("*.ckpt")):
        if wrong := damage(path.read_bytes()):
            yield f"{path}: {wrong}"


def main(words: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m src.report verify",
        description="Hold every finished run against what was written: its result, curves and other files against the "
        "digests in result.json, its checkpoints against their own, and whose they are.",
    )
    parser.add_argument("directory", nargs="+", help="of a sweep, a run, or a folder of runs")
    arguments = parser.parse_args(words)
    with exit_on_error():
        paths = [Path(directory) for directory in arguments.directory]
        check_once(paths)
        wrong = list[str]()
        for path in paths:
            number, sentences = found(path)
            runs = "1 run" if number == 1 else f"{number:,} runs"
            files = "1 file is" if len(sentences) == 1 else f"{len(sentences):,} files are"
            print(f"{path}: {runs}, {f'{files} not as written' if sentences else 'all as written'}")
            wrong += sentences
        print("\n".join(wrong), end="\n" * bool(wrong))
        if wrong:
            raise SystemExit(1)
