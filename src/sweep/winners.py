"""What comes after the jobs of a sweep: the winners' confirmation, and the table."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from src.compare.baseline import NAME, beside
from src.compare.confirmation import fresh_jobs
from src.compare.contest import contest
from src.compare.looks import FIRST, following
from src.compare.remarks import remarks
from src.compare.rows import Row
from src.compare.run_facts import lowest_loss
from src.compare.selection import Contender, contenders
from src.compare.sentences import at_a_look, sentences
from src.compare.verdict import Verdict, verdict
from src.errors import LabError
from src.run_directory import RunDirectory, look_at, typed, units
from src.sweep import tensorboard
from src.sweep.call import key_of, without_sign
from src.sweep.options import Sweeping
from src.sweep.summary import table, wide
from src.sweep.sweep import Sweep, is_drawn

if TYPE_CHECKING:
    from src.compare.frames import Frames


def confirm(sweep: Sweep, seeds: int) -> None:
    """Train every winner again on fresh seeds, the same ones for each.

    Args:
        sweep: that has trained the jobs.
        seeds: how many.
    """
    winners = contenders(_searched(sweep))
    who = f"the {len(winners)} winners" if len(winners) > 1 else "the winner"
    _train(sweep, winners, seeds, "confirming", f"confirming {who} on {seeds} fresh seeds")


def decide(sweep: Sweep, options: Sweeping) -> None:
    """Train winners on more and more fresh seeds until the best is told from the others, and tell each look.

    At the first look all of them have the same seeds, so that the grid decides nothing but settings; after it those
    go on of which none is better, on problems that are not decided. Typed again, it goes through the same looks: each
    sees the runs that it saw before, whatever has been trained since.

    Args:
        sweep: that has trained the jobs.
        options: of the sweeper.
    """
    left, seen, console = contenders(_searched(sweep)), set[int](), wide()
    seeds: int | None = min(options.confirm_seeds or FIRST, options.most_seeds)
    if sum(one.came_through for one in left) < 2:
        console.print(
            "hydra.sweeper.until: fewer than two that can be compared came through, so nothing is told apart",
            soft_wrap=True,
        )
        return
    number = 0
    while seeds is not None:
        sweep.ledger.looks = sorted({*sweep.ledger.looks, seeds})
        seen |= _train(sweep, left, seeds, "telling apart")
        rows = [row for row in sweep.ledger.ended() if row.confirms is None or row.job in seen]
        problems = contest(rows, options.equal_within, exact=_exact(sweep), looks=sweep.ledger.looks)
        found = [verdict(problem, {}) for problem in problems]
        number, here = number + 1, seeds
        seeds = following(seeds, options.most_seeds)
        trained = {tuple(one.problem.items()) for one in left}
        for one in (one for one in found if tuple(one.contenders[0].problem.items()) in trained):
            console.print(_look(one, number, here, seeds), highlight=False, markup=False, soft_wrap=True)
        left = [who for one in found if one.kind == "open" for who in one.leaders]
        if not left:
            return


def _look(found: Verdict, number: int, seeds: int, following: int | None) -> str:
    """A line on one problem."""
    label = f"{found.problem}: " if found.problem else ""
    next_one = f" yet; next on {following}" if following else f"; hydra.sweeper.most_seeds={2 * seeds} would go on"
    return f"look {number}, {seeds} fresh seeds: {label}{at_a_look(found)}{next_one if found.kind == 'open' else ''}"


def _searched(sweep: Sweep) -> list[Row]:
    return [row for row in sweep.ledger.ended() if row.confirms is None]


def _train(sweep: Sweep, winners: Sequence[Contender], seeds: int, phase: str, said: str = "") -> set[int]:
    """Train winners on the first `seeds` fresh seeds; the numbers of these runs."""
    searched, jobs, confirms = _searched(sweep), list[tuple[str, ...]](), list[int]()
    for winner in winners:
        words = sweep.words(winner.first_job)
        for fresh in fresh_jobs(winner, searched, seeds, sweep.config.seed):
            jobs.append(_with(words, fresh))
            confirms.append(winner.first_job)
    return {entry.number for entry in sweep.confirm(jobs, confirms, phase, said)} if jobs else set()


def _exact(sweep: Sweep) -> Callable[[Row], float | None]:
    """The lowest training loss that a run can have, where it is known."""

    def exact(row: Row) -> float | None:
        with suppress(LabError):  # a run that has failed has no result
            return lowest_loss(RunDirectory(sweep.directory / str(row.job)).read_result())
        return None

    return exact


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
        console.print(table(best, ended, console.width, _exact(sweep)))
        drawn = is_drawn(sweep.first)
        for remark in remarks(best, drawn):
            console.print(remark, highlight=False, markup=False)
        with suppress(LabError):  # a run that has failed has no result
            result = RunDirectory(sweep.directory / str(ended[0].job)).read_result()
            if what := units(result.get("loss", {}), result["targets"]):
                console.print(what, highlight=False, markup=False)
            for remark in baseline.as_baseline(result["environment"]) if baseline else ():
                console.print(remark, highlight=False, markup=False)
        for problem in contest(ended, within, drawn, _exact(sweep), sweep.ledger.looks) if within is not None else ():
            told = [f"{problem.label}:"] if problem.label else []
            told += sentences(verdict(problem, {}, drawn, exact=_exact(sweep)))
            console.print(" ".join(told), highlight=False, markup=False)
        if sweep.tensorboard is not None and (left_out := tensorboard.remark(ended)):
            console.print(left_out, highlight=False, markup=False)
    for line in (typed(sweep.directory), look_at(sweep.directory, sweep.tensorboard, page=within is None)):
        if line:
            console.print(line, style="dim", highlight=False, soft_wrap=True, markup=False)
