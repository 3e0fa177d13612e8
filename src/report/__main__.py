"""Look at runs: `python -m src.report outputs/sweeps/SWEEP` makes one page of a sweep, a run, or several to compare."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from src.errors import LabError, exit_on_error

NAME = "report.html"


def report(
    directories: Sequence[str | Path],
    out: str | Path | None = None,
    heat: tuple[str, str] | None = None,
    equal_within: float | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> list[Path]:
    """Write the page and the pictures of a sweep, of a run, or of several of either beside each other.

    Args:
        directories: of sweeps, runs, or folders of runs.
        out: the page's file; `report.html` in the first directory where it is not given.
        heat: two swept keys to draw the loss over; by default the optimizer and its learning rate.
        equal_within: the share of a loss within which two are practically equal; by default what the sweep says.
        tell: is called with the verdict on each problem.

    Returns:
        Every file that was written, the page first.

    Raises:
        LabError: there is no run in one of them, one is given twice, or a file cannot be written.
    """
    from src.report.findings import findings  # after the arguments: these take a while to import
    from src.report.page import write
    from src.report.reading import gather, read
    from src.report.run_files import Run
    from src.report.single import findings_of
    from src.run_directory import check_once

    paths = [Path(directory) for directory in directories]
    page = paths[0] / NAME if out is None else Path(out)
    if page.is_dir():
        raise LabError(f"--out {page} is a directory; give a file, such as {page / NAME}")
    check_once(paths)
    found = [read(path) for path in paths]
    if len(found) == 1 and isinstance(found[0], Run):
        if heat is not None:
            raise LabError(f"--heat {' '.join(heat)}: a single run has no swept keys; leave it out, or give a sweep")
        return write(findings_of(found[0]), page)
    if equal_within is not None and not 0 <= equal_within < 1:
        raise LabError(f"--equal-within {equal_within:g}: give a share of the loss from 0 to below 1, such as 0.01")
    said = findings(gather(found), heat, equal_within)
    for one in said.answers:
        tell(one.text)
    return write(said, page)


def main(words: Sequence[str] | None = None) -> None:
    """The command."""
    words = sys.argv[1:] if words is None else words
    if words[:1] == ["export"]:
        from src.report.export import main as export

        return export(words[1:])
    if words[:1] == ["verify"]:
        from src.report.verify import main as verify

        return verify(words[1:])
    parser = argparse.ArgumentParser(
        prog="python -m src.report",
        description="Make one page, and its pictures as files, of a sweep, of a run, or of several to compare.",
        epilog="The page is one file that needs no network; its pictures are in the folder pictures beside it. "
        "`python -m src.report export --help`: the runs and their curves as a table instead. "
        "`python -m src.report verify --help`: whether they are as they were written.",
    )
    parser.add_argument("directory", nargs="+", help="of a sweep or a run, such as outputs/sweeps/2026-11-21_09-00-00")
    parser.add_argument("-o", "--out", metavar="FILE", help=f"the page (default: {NAME} in the first directory)")
    parser.add_argument("--heat", nargs=2, metavar="KEY", help="two swept keys for the heat map, the rows' first")
    parser.add_argument(
        "--equal-within", type=float, metavar="SHARE", help="of the loss: what is closer is practically equal (0.01)"
    )
    arguments = parser.parse_args(words)
    with exit_on_error():
        heat, within = arguments.heat and tuple(arguments.heat), arguments.equal_within
        written = report(arguments.directory, arguments.out, heat, within, print)
        size = written[0].stat().st_size / 1e6
        pictures = f"; {len(written) - 1} pictures in {written[1].parent}" if len(written) > 1 else ""
        print(f"{written[0]} ({size:.1f} MB){pictures}")


if __name__ == "__main__":
    main()
