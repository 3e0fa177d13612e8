"""What comes after the jobs of a sweep: the winners' confirmation, and the table."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from src.compare.baseline import NAME, beside
from src.compare.confirmation import fresh_jobs
from src.compare.contest import contest
from src.compare.remarks import remarks
from src.compare.selection import contenders
from src.compare.sentences import sentences
from src.compare.verdict import verdict
from src.config.data import Noise
from src.errors import LabError
from src.run_directory import RunDirectory, units
from src.sweep import tensorboard
from src.sweep.call import key_of, without_sign
from src.sweep.summary import table, wide
from src.sweep.sweep import Sweep

if TYPE_CHECKING:
    from src.compare.frames import Frames


def confirm(sweep: Sweep, seeds: int) -> None:
    """Train every winner again on fresh seeds, the same ones for each.

    Args:
        sweep: that has trained the jobs.
        seeds: how many.
    """
    there = [row for row in sweep.ledger.ended() if row.confirms is None]
    jobs, confirms = list[tuple[str, ...]](), list[int]()
    for winner in contenders(there):
        words = sweep.words(winner.first_job)
        for fresh in fresh_jobs(winner, there, seeds, sweep.config.seed):
            jobs.append(_with(words, fresh))
            confirms.append(winner.first_job)
    if jobs:
        sweep.confirm(jobs, confirms)


def _with(words: tuple[str, ...], fresh: dict[str, str]) -> tuple[str, ...]:
    """The words of a run with others in the place of those of the same keys."""
    values, kept = dict(fresh), []
    for word in words:
        key = next((key for key in values if without_sign(key) == without_sign(key_of(word))), None)
        kept.append(word if key is None else f"{key}={values.pop(key)}")
    return (*kept, *(f"{key}={value}" for key, value in values.items()))


def _baseline(directory: Path) -> "Frames | None":
    """The earlier comparison that a sweep is held against."""
    from src.compare.frames import read  # it imports polars, which others do without

    return read(directory / NAME) if (directory / NAME).is_file() else None


def tell(sweep: Sweep, within: float | None) -> None:
    """Print the winners, and where everything is.

    Args:
        sweep: that has trained.
        within: the share of a loss within which two are practically equal; None where a report tells the verdict.
    """
    ended, console = sweep.ledger.ended(), wide()
    if ended and sweep.first is not None:
        baseline = _baseline(sweep.directory)
        ended += [] if baseline is None else beside(ended, baseline.rows)
        best = contenders(ended)
        console.print(table(best, ended))
        data = sweep.first.data
        drawn = not isinstance(data, Noise) or data.noise > 0
        for remark in remarks(best, drawn):
            console.print(remark, highlight=False, markup=False)
        with suppress(LabError):  # a run that has failed has no result
            result = RunDirectory(sweep.directory / str(ended[0].job)).read_result()
            if what := units(result.get("loss", {}), result["targets"]):
                console.print(what, highlight=False, markup=False)
            for remark in baseline.as_baseline(result["environment"]) if baseline else ():
                console.print(remark, highlight=False, markup=False)
        for problem in contest(ended, within, drawn) if within is not None else ():
            told = [f"{problem.label}:"] if problem.label else []
            told += sentences(verdict(problem, {}, drawn))
            console.print(" ".join(told), highlight=False, markup=False)
        if sweep.tensorboard is not None and (left_out := tensorboard.remark(ended)):
            console.print(left_out, highlight=False, markup=False)
    where = sweep.directory.resolve()
    shown = where.relative_to(Path.cwd()) if where.is_relative_to(Path.cwd()) else where
    console.print(str(shown), style="dim", highlight=False, soft_wrap=True, markup=False)
