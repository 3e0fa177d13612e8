"""The best setting of each optimizer in a sweep, on which seeds it is trained again, and the table of both.

A sweep selects on `val/loss`; the best of a grid flatters itself, so what counts is its loss on fresh seeds.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from src.compare.edges import Edge, edges

SEED_KEYS = ("seed", "data.seed", "model.seed", "data.shuffle_seed")
RESAMPLES = 9_999

Words = Mapping[str, str]


@dataclass(frozen=True)
class Row:
    """A run of a sweep, as the ledger knows it.

    Attributes:
        job: its number.
        words: its swept overrides, key to value as typed: `{"optimizer": "adam", "optimizer.lr": "0.01", "seed": "3"}`.
        status: "completed", "diverged" or "failed".
        steps: optimizer steps taken.
        metrics: "train/loss", "val/loss" and "test/loss", as far as there are such rows; None where not finite.
        confirms: of a confirmation, the number of the winning setting's first job.
    """

    job: int
    words: Words
    status: str
    steps: int
    metrics: Mapping[str, float | None]
    confirms: int | None = None


@dataclass(frozen=True)
class Figure:
    """A loss over seeds.

    Attributes:
        metric: which loss.
        value: the interquartile mean; infinite where a seed diverged or failed.
        interval: 95 % of its bootstrap; None for one seed, or where the value is infinite.
        seeds: how many runs it is taken over.
        diverged: how many of them diverged, or ended in a loss that is not finite.
        failed: how many of them failed.
    """

    metric: str
    value: float
    interval: tuple[float, float] | None
    seeds: int
    diverged: int = 0
    failed: int = 0


@dataclass(frozen=True)
class Winner:
    """The best setting of one optimizer on one problem.

    Attributes:
        contender: the optimizer as it was chosen (`adam`, `mypackage.MyOptimizer`); empty where none was swept.
        problem: the words that are neither tuned, nor a seed, nor the optimizer.
        setting: all its words but the seeds; empty where nothing is swept but seeds.
        rows: the runs of that setting, confirmations not among them.
        selected: the loss by which it won; its value is infinite where no setting came through on every seed.
        confirmed: the loss on fresh seeds, once there are such runs.
        steps: the median over the runs of the figure that counts.
        settings: how many there were.
        diverged: of how many of them a seed diverged.
        failed: of how many others a seed failed.
        edges: its numbers that lie at an end of those tried.
    """

    contender: str
    problem: Words
    setting: Words
    rows: tuple[Row, ...]
    selected: Figure
    confirmed: Figure | None
    steps: float
    settings: int
    diverged: int
    failed: int
    edges: tuple[Edge, ...]

    @property
    def figure(self) -> Figure:
        """What counts: the confirmation where there is one."""
        return self.confirmed or self.selected

    @property
    def first_job(self) -> int:
        """The number of the setting's first job, which its confirmations name."""
        return min(row.job for row in self.rows)

    @property
    def tuned(self) -> dict[str, str]:
        """The words of its setting that neither name the optimizer nor the problem."""
        return {key: value for key, value in self.setting.items() if key not in self.problem and not _names(key)}


# --- statistics ------------------------------------------------------------------------------------------------------


def interquartile_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean along the last axis without the lowest and the highest quarter, rounded down to whole values.

    Of fewer than 4 values the mean. Agarwal et al. 2021, section 4.3; it is `scipy.stats.trim_mean(values, 0.25)`,
    whose import takes longer than many a sweep.
    """
    cut = values.shape[-1] // 4
    kept: NDArray[np.float64] = np.sort(values, axis=-1)[..., cut : values.shape[-1] - cut].mean(-1)
    return kept


def interval(values: Sequence[float]) -> tuple[float, float] | None:
    """95 % percentile bootstrap of the interquartile mean over seeds (Agarwal et al. 2021, section 4.1); None of one.

    Always the same for the same values: the generator is seeded.
    """
    if len(values) < 2:
        return None
    data, generator = np.array(values, dtype=np.float64), np.random.default_rng(0)
    means, at_once = [], max(1, 10_000_000 // len(values))
    for first in range(0, RESAMPLES, at_once):
        size = min(at_once, RESAMPLES - first), len(values)
        means.append(interquartile_mean(data[generator.integers(0, len(values), size)]))
    low, high = np.percentile(np.concatenate(means), [2.5, 97.5])
    return float(low), float(high)


def figure(rows: Sequence[Row], metric: str) -> Figure:
    """The loss of one setting over its runs; one that diverged or failed makes it infinite."""
    failed = sum(row.status == "failed" for row in rows)
    losses = [loss for row in rows if row.status == "completed" and (loss := row.metrics.get(metric)) is not None]
    diverged = len(rows) - failed - len(losses)
    if len(losses) < len(rows):
        return Figure(metric, math.inf, None, len(rows), diverged, failed)
    return Figure(metric, float(interquartile_mean(np.array(losses))), interval(losses), len(rows))


def loss_over_seeds(rows: Sequence[Row], metric: str) -> float:
    """`figure(rows, metric).value`, without the time that an interval takes."""
    losses = [row.metrics.get(metric) if row.status == "completed" else None for row in rows]
    known = [loss for loss in losses if loss is not None]
    return math.inf if len(known) < len(rows) else float(interquartile_mean(np.array(known)))


def _metric(rows: Iterable[Row], choices: Sequence[str]) -> str:
    """The first of `choices` that a run has."""
    there = {key for row in rows for key, loss in row.metrics.items() if loss is not None}
    return next((choice for choice in choices if choice in there), choices[-1])


# --- selection -------------------------------------------------------------------------------------------------------


def _bare(key: str) -> str:
    """A key as the config has it: what was added (`+optimizer.rho`) is a key like any other."""
    return key.lstrip("+")


def _names(key: str) -> bool:
    return _bare(key) in ("optimizer", "optimizer._target_")


def _tuned(key: str) -> bool:
    key = _bare(key)
    starts = ("optimizer.", "scheduler.", "trainer.gradient_clip_")
    return key in ("scheduler", "data.batch_size") or (key.startswith(starts) and not _names(key))


def setting_of(words: Words) -> dict[str, str]:
    """The words that are not seeds."""
    return {key: value for key, value in words.items() if _bare(key) not in SEED_KEYS}


def _contender(words: Words) -> tuple[str, frozenset[str]]:
    """Its name, and the keys of its own: one's own adam beside the usual one is told apart by what it sets."""
    bare = {_bare(key): value for key, value in words.items()}
    name = bare.get("optimizer._target_") or bare.get("optimizer") or ""
    return name, frozenset(key for key in bare if key.startswith("optimizer."))


def _along(settings: Sequence[Words]) -> frozenset[str]:
    """Keys of the trainer that go with the batch size, such as the steps of equally many epochs."""

    def follows(key: str, words: Sequence[str]) -> bool:
        seen: dict[tuple[str | None, ...], set[str | None]] = {}
        for one in settings:
            seen.setdefault(tuple(one.get(word) for word in words), set()).add(one.get(key))
        return all(len(values) == 1 for values in seen.values())

    keys = dict.fromkeys(key for words in settings for key in words)
    asked = [key for key in keys if _bare(key).startswith("trainer.") and not _tuned(key)]
    rest = [key for key in keys if key not in asked and not _tuned(key) and not _names(key)]
    batch = [key for key in keys if _bare(key) == "data.batch_size"]
    return frozenset(key for key in asked if batch and follows(key, [*rest, *batch]) and not follows(key, rest))


def winners(rows: Sequence[Row]) -> list[Winner]:
    """The best setting of each optimizer on each problem, in the order of their first jobs.

    A setting is a run's words without its seeds. Selected is on `val/loss` (`train/loss` where the problem has no
    validation rows), by its interquartile mean over seeds. A setting of which any seed diverged or failed counts as
    infinite, and one that has ended on fewer seeds than others cannot win. Of equally good ones the earlier is taken.

    Args:
        rows: the runs of a sweep, those that confirm a winner included.
    """
    searched = sorted((row for row in rows if row.confirms is None), key=lambda row: row.job)
    along = _along([setting_of(row.words) for row in searched])
    problems: dict[frozenset[tuple[str, str]], dict[tuple[str, frozenset[str]], list[Row]]] = {}
    # with one optimizer the sizes of batches are what is compared
    batches = not any(_names(key) for row in searched for key in row.words)
    for row in searched:
        words = frozenset(_problem(row.words, along, batches).items())
        problems.setdefault(words, {}).setdefault(_contender(row.words), []).append(row)
    found = []
    for contenders in problems.values():
        everyone = list(chain.from_iterable(contenders.values()))
        metric = _metric(everyone, ("val/loss", "train/loss"))
        problem = _problem(everyone[0].words, along, batches)
        found += [_winner(of_one, problem, metric, rows) for of_one in contenders.values()]
    return sorted(found, key=lambda winner: winner.first_job)


def _problem(words: Words, along: frozenset[str], batches: bool) -> dict[str, str]:
    def is_of_it(key: str) -> bool:
        if _bare(key) == "data.batch_size":
            return batches
        return not (_tuned(key) or _names(key) or key in along)

    return {key: value for key, value in setting_of(words).items() if is_of_it(key)}


def _edges(setting: Words, tried: Sequence[Words], problem: Words) -> tuple[Edge, ...]:
    """Of each number that was tuned, judged by what was tried beside it with all else the same, where there was any.

    A choice (a size of batches, a schedule) may have a range of its own.
    """
    found = list[Edge]()
    for key in (key for key in setting if _tuned(key) and key not in problem):
        alike = [one for one in tried if all(one.get(k) == setting.get(k) for k in {*one, *setting} if k != key)]
        several = len({one.get(key) for one in alike}) > 1
        found += edges(setting, alike if several else tried, [key])
    return tuple(found)


def settings_of(rows: Iterable[Row]) -> list[list[Row]]:
    """Runs by their words without the seeds, in the order in which they come; those that confirm are left out."""
    settings: dict[frozenset[tuple[str, str]], list[Row]] = {}
    for row in rows:
        if row.confirms is None:
            settings.setdefault(frozenset(setting_of(row.words).items()), []).append(row)
    return list(settings.values())


def _winner(rows: Sequence[Row], problem: Words, metric: str, everyone: Sequence[Row]) -> Winner:
    settings = settings_of(rows)
    # one that has not ended on every seed could win by the seeds that it has
    most = max(map(len, settings))
    whole = [of_one for of_one in settings if len(of_one) == most]
    best = min(whole, key=lambda of_one: loss_over_seeds(of_one, metric))
    selected, setting = figure(best, metric), setting_of(best[0].words)
    first = min(one.job for one in best)
    confirming = [row for row in everyone if row.confirms == first]
    counts = ("test/loss", "val/loss", "train/loss")
    reached = math.isfinite(selected.value)
    lost = [figure(of_one, metric) for of_one in settings if not math.isfinite(loss_over_seeds(of_one, metric))]
    tried = [setting_of(of_one[0].words) for of_one in settings]
    return Winner(
        contender=_contender(best[0].words)[0],
        problem=problem,
        setting=setting,
        rows=tuple(best),
        selected=selected,
        confirmed=figure(confirming, _metric(confirming, counts)) if confirming and reached else None,
        steps=float(np.median([row.steps for row in confirming or best])),
        settings=len(settings),
        diverged=sum(one.diverged > 0 for one in lost),
        failed=sum(one.diverged == 0 for one in lost),
        edges=_edges(setting, tried, problem) if reached else (),
    )


# --- confirmation ----------------------------------------------------------------------------------------------------


def fresh_jobs(winner: Winner, rows: Sequence[Row], number: int, seed: int = 0) -> list[dict[str, str]]:
    """The winner's words with seeds that no run of the sweep was selected on: the same seeds for every winner.

    Args:
        winner: one of `winners(rows)`.
        rows: the runs of the sweep.
        number: how many seeds; each key of a seed that was swept goes on from its largest.
        seed: of all runs, where the sweep varies none.

    Returns:
        Words of each job; none where no setting came through.
    """
    if not math.isfinite(winner.selected.value):
        return []
    used: dict[str, set[int]] = {}
    for row in rows:
        for key, value in row.words.items() if row.confirms is None else ():
            if _bare(key) in SEED_KEYS and value.isdecimal():
                used.setdefault(key, set()).add(int(value))
    columns = {key: _fresh(seeds, number) for key, seeds in (used or {"seed": {seed}}).items()}
    return [{**winner.setting, **{key: str(seeds[index]) for key, seeds in columns.items()}} for index in range(number)]


def _fresh(used: set[int], number: int) -> list[int]:
    """The numbers that follow the largest, and once those below 2**32 are spent, the smallest that are left."""
    largest = max(used)
    free = (one for one in chain(range(largest + 1, 2**32), range(largest)) if one not in used)
    return list(islice(free, number))
