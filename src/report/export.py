"""Runs as tables: `python -m src.report export outputs/sweeps/SWEEP out.parquet`, a row a run, a row a curve point."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from src.compare.frames import Frames, Source, check_place, frames, write
from src.errors import LabError, exit_on_error
from src.report.reading import Sweep, gather, read
from src.report.recorded import Recorded
from src.run_directory import check_once
from src.sweep.summary import runs as counted

ENDINGS = ".parquet, .arrow, .feather or .csv"


def exported(directories: Sequence[str | Path]) -> Frames:
    """Sweeps, runs, or folders of runs as frames.

    Raises:
        LabError: there is no run in one of them, or one is given twice.
    """
    paths = [Path(directory) for directory in directories]
    check_once(paths)
    return frames([_source(one) for one in gather([read(path) for path in paths])])


def _source(sweep: Sweep) -> Source:
    own = [row for row in sweep.rows if not isinstance(sweep.runs[row.job], Recorded)]  # the others are read anew
    directories = [sweep.runs[row.job].directory for row in own]
    return Source(sweep.first.directory.parent, own, directories, sweep.unfinished, not sweep.lone)


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
        places = [Path(place) for place in (arguments.out, arguments.curves) if place]
        for place in places:
            check_place(place)
        if len({place.resolve() for place in places}) < len(places):
            raise LabError(f"--curves {arguments.curves} is the file of the runs: give it another name")
        found = exported(arguments.directory)
        found.write(places[0])
        told = [f"{arguments.out}: {counted(len(found.runs))}"]
        if arguments.curves:
            write(found.curves, places[1])
            told.append(f"{arguments.curves}: {len(found.curves):,} points of their curves")
        told += filter(None, [found.about.left_out])
        if missing := found.runs["run"].n_unique() - (found.curves["run"].n_unique() if len(found.curves) else 0):
            told.append(f"the curves of {counted(missing)} cannot be read, and are left out")
        print("\n".join(told))
