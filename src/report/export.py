"""Runs as tables: `python -m src.report export outputs/sweeps/SWEEP out.parquet`, a row a run, or a row a curve point."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from src.compare.frames import Frames, Source, frames, write
from src.errors import LabError, exit_on_error
from src.report.reading import Sweep, gather, read

ENDINGS = ".parquet, .arrow, .feather or .csv"


def exported(directories: Sequence[str | Path]) -> Frames:
    """Sweeps, runs, or folders of runs as frames.

    Raises:
        LabError: there is no run in one of them.
    """
    return frames([_source(one) for one in gather([read(Path(directory)) for directory in directories])])


def _source(sweep: Sweep) -> Source:
    directories = {row.job: sweep.runs[row.job].directory for row in sweep.rows}
    return Source(
        sweep.first.directory.parent, sweep.rows, [directories[row.job] for row in sweep.rows], sweep.unfinished
    )


def main(words: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m src.report export",
        description="Write a table of runs: their swept keys, settings, losses, exact losses, seconds, and how they "
        f"ended. The ending of the file says as what: {ENDINGS}.",
        epilog="All but .csv hold each run's curve as well, in the column curve, and a .parquet what the runs share: "
        "hydra.sweeper.against=out.parquet trains one optimizer more beside them, and src.compare.load reads it.",
    )
    parser.add_argument("directory", nargs="+", help="of a sweep, a run, or a folder of runs")
    parser.add_argument("out", help="the file of the runs, a row a run")
    parser.add_argument("--curves", metavar="FILE", help="the curves too: a row a recorded step, a column a metric")
    arguments = parser.parse_args(words)
    with exit_on_error():
        found = exported(arguments.directory)
        found.write(Path(arguments.out))
        told = [f"{arguments.out}: {len(found.runs):,} runs"]
        if arguments.curves:
            write(found.curves, Path(arguments.curves))
            told.append(f"{arguments.curves}: {len(found.curves):,} points of their curves")
        if found.about.unfinished:
            told.append(f"{found.about.unfinished:,} more runs have not ended, and are left out")
        if missing := found.runs["run"].n_unique() - (found.curves["run"].n_unique() if len(found.curves) else 0):
            told.append(f"the curves of {missing:,} runs cannot be read, and are left out")
        print("\n".join(told))
