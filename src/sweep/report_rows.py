"""The runs of a sweep directory that have ended, for whoever compares them without training."""

import json
from dataclasses import replace
from pathlib import Path

from src.compare.rows import Row, read_results, without_plus
from src.errors import LabError, one_line
from src.sweep.ledger import NAME, RESULTS, Ledger


def is_sweep(directory: Path) -> bool:
    """Whether a directory is that of a sweep of this launcher."""
    return (directory / NAME).is_file() or (directory / RESULTS).is_file()


def ended_runs(directory: Path) -> tuple[list[Row], int, list[str]]:
    """The runs that have ended, how many have not, and remarks on what could not be read.

    Taken is `results.csv`; where it is broken, or older than what has happened since, every run's own result.

    Raises:
        LabError: nothing of it can be read.
    """
    rows, unfinished, remarks = list[Row](), 0, list[str]()
    results, ledger = directory / RESULTS, directory / NAME
    try:
        rows, unfinished = read_results(results) if results.is_file() else (rows, 0)
    except LabError as error:
        if not ledger.is_file():
            raise
        remarks.append(f"{error}; the runs' own results are used instead")
    if ledger.is_file() and (not rows or unfinished or len(rows) != _asked(ledger)):
        sweep = Ledger.read(directory)
        rows = [
            replace(row, words={without_plus(key): word for key, word in row.words.items()}, name=str(row.job))
            for row in sweep.ended()
        ]
        unfinished = len(sweep.entries) - len(rows)
    return rows, unfinished, remarks


def looks_of(directory: Path) -> tuple[int, ...]:
    """Of a sweep until winners are told apart, on how many fresh seeds they were looked at, each time."""
    try:
        return tuple(Ledger.without_results(directory).looks)
    except LabError:  # its rows could be read, which is what counts
        return ()


def _asked(path: Path) -> int:
    """How many runs `sweep.json` holds."""
    try:
        return len(json.loads(path.read_text(encoding="utf-8"))["jobs"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LabError(f"{path} cannot be read as a sweep ({one_line(error)}): put it back, or take it away") from None
