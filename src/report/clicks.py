"""What a click on a point of a picture tells: where the run is, and the command that trains it alone."""

from collections.abc import Iterable, Iterator, Mapping

from src.compare.rows import SEED_KEYS, without_plus
from src.config.overrides import python_command
from src.plots.chart import Chart, Parallel, Picture
from src.report.reading import Sweep
from src.report.run_files import Run
from src.run_directory import RunDirectory, typed


def runs(sweep: Sweep, pictures: Iterable[Picture]) -> dict[str, tuple[str, str]]:
    """Directory and command of every run that pictures name, by the name of its row."""
    named = dict.fromkeys(name for picture in pictures for name in _named(picture) if name)
    by_name: Mapping[str, Run] = {row.name: sweep.runs[row.job] for row in sweep.rows}
    return {name: (_where(run), trains(run)) for name in named if (run := by_name.get(name)) is not None}


def _where(run: Run) -> str:
    """Its directory, and where that is not there how it is made."""
    where = RunDirectory(run.directory)
    made = "" if where.kept is None else f" (python -m src.run_directory {typed(run.directory.parent)} {run.name})"
    return f"{typed(run.directory)}{made}"


def _named(picture: Picture) -> Iterator[str]:
    """The runs that are named, some of them more than once."""
    match picture:
        case Chart():
            for line in picture.lines:
                yield from line.runs
            for points in picture.points:
                yield from points.runs
        case Parallel():
            yield from (setting.run for setting in picture.settings)


def trains(run: Run, seeds: bool = True) -> str:
    """The command that trains a run of a sweep alone; empty where its words cannot be read.

    What a sweep file sets is set by it alone: there it is a sweep of one run.

    Args:
        run: of a sweep, or one that was trained alone.
        seeds: whether on its own; else on those that the config says.
    """
    words = run.typed
    if not words and run.hydra("overrides.yaml").strip() != "[]":
        return ""
    of_a_file = any(word.startswith("sweep=") for word in words)
    left_out = ("confirm_seeds", *(() if seeds or of_a_file else SEED_KEYS))
    words = [word for word in words if without_plus(word.partition("=")[0]) not in left_out]
    return python_command(["-m", *words, "hydra.sweeper.against=[]", "confirm_seeds=0"] if of_a_file else words)
