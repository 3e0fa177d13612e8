"""What comes after the jobs of a sweep: the winners' confirmation, and the table."""

from pathlib import Path

from src.compare.selection import Row, fresh_jobs, winners
from src.sweep import tensorboard
from src.sweep.asked import bare, key_of
from src.sweep.launcher import StackLauncher
from src.sweep.summary import remarks, table, wide


def rows(launcher: StackLauncher) -> list[Row]:
    """Every run of the sweep directory that has ended."""
    assert launcher.ledger is not None
    return launcher.ledger.ended()


def confirm(launcher: StackLauncher, seeds: int) -> None:
    """Train every winner again on fresh seeds, the same ones for each.

    Args:
        launcher: that has trained the jobs.
        seeds: how many.
    """
    assert launcher.config is not None
    there = [row for row in rows(launcher) if row.confirms is None]
    jobs, confirms = list[tuple[str, ...]](), list[int]()
    for winner in winners(there):
        words = launcher.words(winner.first_job)
        for fresh in fresh_jobs(winner, there, seeds, launcher.config.seed):
            jobs.append(_with(words, fresh))
            confirms.append(winner.first_job)
    if jobs:
        launcher.confirm(jobs, confirms)


def _with(words: tuple[str, ...], fresh: dict[str, str]) -> tuple[str, ...]:
    """The words of a run with others in the place of those of the same keys."""
    values, kept = dict(fresh), []
    for word in words:
        key = next((key for key in values if bare(key) == bare(key_of(word))), None)
        kept.append(word if key is None else f"{key}={values.pop(key)}")
    return (*kept, *(f"{key}={value}" for key, value in values.items()))


def tell(launcher: StackLauncher) -> None:
    """Print the winners, and where everything is."""
    ended, console = rows(launcher), wide()
    if ended:
        best = winners(ended)
        console.print(table(best, ended))
        config = launcher.composed(0).check(Path())
        drawn = config.model.target_ != "src.models.Surface" or config.data.arguments().get("noise", 0) > 0
        for remark in remarks(best, drawn):
            console.print(remark, highlight=False, markup=False)
        if launcher.tensorboard is not None and (left_out := tensorboard.remark(ended)):
            console.print(left_out, highlight=False, markup=False)
    where = launcher.directory.resolve()
    shown = where.relative_to(Path.cwd()) if where.is_relative_to(Path.cwd()) else where
    console.print(str(shown), style="dim", highlight=False, soft_wrap=True, markup=False)
