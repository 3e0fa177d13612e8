"""Make directories of runs that a sweep keeps in columns: `python -m src.run_directory SWEEP NUMBER...`."""

import argparse
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from src.errors import LabError, exit_on_error
from src.run_directory.directory import RunDirectory, typed
from src.run_directory.place import COLUMNS

SWEEP = "sweep.json"


def make(sweep: Path, numbers: Sequence[str]) -> dict[Path, bool]:
    """Write the directories of runs, to the bytes that `hydra.launcher.files=all` writes.

    One that is there is left as it is.

    Args:
        sweep: the directory of a sweep.
        numbers: of its runs: `7`, or `0-9`, both ends included.

    Returns:
        The directories, and whether they were made now.

    Raises:
        LabError: no such sweep or run, or one that has not ended.
    """
    if not (sweep / SWEEP).is_file():
        what = "is no directory of a sweep" if sweep.exists() else "is not there"
        raise LabError(f"{sweep} {what}: give one, such as outputs/sweeps/2026-11-21_09-00-00")
    asked = dict[int, RunDirectory]()
    for number in _asked(numbers):
        asked[number] = RunDirectory(sweep / str(number))
        _check(asked[number])
    return {run.path: run.make() for run in asked.values()}


def _asked(words: Sequence[str]) -> Iterator[int]:
    """The runs that are asked for."""
    for word in words:
        ends = re.fullmatch(r"(\d+)(?:-(\d+))?", word)
        some = range(int(ends[1]), int(ends[2] or ends[1]) + 1) if ends else ()
        if not some:
            raise LabError(f"{word}: give numbers of runs, such as 7 or 0-9")
        yield from some


def _check(run: RunDirectory) -> None:
    """Refuse what cannot be made."""
    if run.finished:
        return
    sweep, number = run.path.parent, int(run.path.name)
    try:
        held = json.loads((sweep / SWEEP).read_text(encoding="utf-8"))
        there = {job["number"] for job in held["jobs"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LabError(f"{sweep / SWEEP} cannot be read as a sweep ({error})") from None
    if number in there:
        raise LabError(f"run {number} of {sweep} has not ended: type the command of the sweep again to go on with it")
    raise LabError(f"run {number}: {sweep} has none of this number (it has {len(there):,}, {_range(there)})")


def _range(there: set[int]) -> str:
    return f"from {min(there)} to {max(there)}" if there else "so far"


def main(words: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m src.run_directory",
        description=f"Write the directories of runs of a sweep that was trained with hydra.launcher.files=few, which "
        f"keeps its runs in the columns of a few files ({COLUMNS}/): the same bytes as files=all writes.",
        epilog=f"As tables, for polars, duckdb or pandas: SWEEP/{COLUMNS}/*.results.parquet, a row a run, and "
        "*.curves.parquet, a row a step of a run. Reports, exports, src.predict and ckpt_path= need no directories.",
    )
    parser.add_argument("sweep", help="the directory of a sweep, such as outputs/sweeps/2026-11-21_09-00-00")
    parser.add_argument("number", nargs="+", help="of a run, such as 7, or of several, such as 0-9")
    arguments = parser.parse_args(words)
    with exit_on_error():
        made = make(Path(arguments.sweep), arguments.number)
        paths, before = list(made), list(made.values()).count(False)
        if len(paths) == 1:
            print(f"{typed(paths[0])}{' is there already' if before else ''}")
        else:
            already = f", {before:,} of them there already" if before else ""
            print(f"{typed(paths[0])} to {paths[-1].name}: {len(paths):,} directories{already}")


if __name__ == "__main__":
    main()
