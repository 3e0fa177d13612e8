"""The best setting of each contender (optimizer, scheduler, size of batches: `src.compare.roles`) on each problem.

A sweep selects on `val/loss`; the best of a grid flatters itself, so what counts is its loss on fresh seeds, where it
has been confirmed: see `src.compare.confirmation`.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from src.compare.grid_edges import Edge, edges
from src.compare.pairs import EQUAL_WITHIN
from src.compare.roles import OPTIMIZER, Kind, Roles, labels_of, roles_of
from src.compare.rows import Row, Words, by_setting, number
from src.compare.statistics import Numbers, Width, over_seeds, width

RATE = "optimizer.lr"
SELECTED_BY = ("val/loss", "train/loss")
CONFIRMED_BY = ("test/loss", *SELECTED_BY)


@dataclass(frozen=True)
class Figure:
    """A loss over seeds.

    Attributes:
        metric: which loss.
        value: the geometric mean; infinite where a seed diverged or failed.
        interval: 95 %; None for too few seeds, or where the value is infinite.
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
class Setting:
    """The runs of one setting, one a seed.

    Attributes:
        rows: by job.
        tuned: the words that name neither a seed, nor what is compared, nor the problem, nor go with another.
        losses: `[n]`, by which it was judged; infinite where it diverged or failed.
        loss: the geometric mean of them; infinite where one of them is.
    """

    rows: tuple[Row, ...]
    tuned: Words
    losses: Numbers
    loss: float

    @property
    def cut(self) -> bool:
        """Whether it was cut at a rung, so that it has no final loss."""
        return any(row.status == "cut" for row in self.rows)


@dataclass(frozen=True)
class Contender:
    """One of what is compared, an optimizer say, on one problem, with all of its settings and the best one of them.

    Attributes:
        name: as it was chosen (`adam`, `mypackage.MyOptimizer`, `32`); empty where nothing was.
        label: what it is called in tables and pictures, the same on every problem (`adam`, `hidden=32`).
        compared: the key that tells contenders apart.
        problem: the words that are neither tuned, nor a seed, nor what is compared.
        metric: the loss by which settings were judged.
        settings: in the order of their first jobs.
        best: the setting that won; one that has ended on fewer seeds than others, or was cut at a rung, cannot.
        confirming: the runs of the best setting on fresh seeds, by job; none where no setting came through.
    """

    name: str
    label: str
    compared: str
    problem: Words
    metric: str
    settings: tuple[Setting, ...]
    best: Setting
    confirming: tuple[Row, ...]

    @property
    def value(self) -> str:
        """Of the key that is compared, as axes show it: of an optimizer, and where an origin is told, the label."""
        return self.label if self.compared == OPTIMIZER or self.best.rows[0].origin else self.name

    @property
    def rank(self) -> tuple[bool, int, float]:
        """By which contenders of a problem are sorted: who was beaten at a look has fewer fresh seeds than others."""
        return not self.came_through, -len(self.confirming), self.figure.value

    @property
    def came_through(self) -> bool:
        """Whether any setting ended in a finite loss on every seed."""
        return math.isfinite(self.best.loss)

    @property
    def first_job(self) -> int:
        """The number of the best setting's first job, which its confirmations name."""
        return self.best.rows[0].job

    @property
    def confirmed(self) -> bool:
        """Whether what counts are fresh seeds."""
        return bool(self.confirming)

    @property
    def counted(self) -> tuple[Row, ...]:
        """The runs behind the figure that counts: the confirmation's where there is one."""
        return self.confirming or self.best.rows

    @cached_property
    def figure(self) -> Figure:
        """What counts: the loss on fresh seeds, once there are such runs, else the one it was selected by."""
        return figure(self.counted, _metric(self.counted, CONFIRMED_BY) if self.confirmed else self.metric)

    @cached_property
    def scores(self) -> dict[str, float]:
        """Over the rows of the loss that counts: accuracy and R² (mean), RMSE (geometric mean, as the loss)."""
        part = self.figure.metric.partition("/")[0]
        names = dict.fromkeys(name for row in self.counted for name in row.metrics)
        there = {name: np.array([row.loss(name) for row in self.counted]) for name in names}
        return {
            name: float(over_seeds([values])[0][0] if name.startswith(f"{part}/rmse") else values.mean())
            for name, values in there.items()
            if name.startswith((f"{part}/accuracy", f"{part}/rmse", f"{part}/r2"))
        }

    @property
    def steps(self) -> float:
        """The median over the runs of the figure that counts."""
        return float(np.median([row.steps for row in self.counted]))

    @property
    def diverged(self) -> int:
        """Of how many settings a seed diverged."""
        return sum(any(self._diverged(row) for row in setting.rows) for setting in self.settings)

    @property
    def failed(self) -> int:
        """Of how many others a seed failed."""
        return sum(math.isinf(setting.loss) for setting in self.settings) - self.diverged

    def _diverged(self, row: Row) -> bool:
        return row.status != "failed" and math.isinf(row.loss(self.metric))

    @property
    def cut(self) -> int:
        """How many settings were cut at a rung, so that their losses are not those of the whole length."""
        return sum(setting.cut for setting in self.settings)

    @property
    def means(self) -> Numbers:
        """`loss` of each setting, `[S]`."""
        return np.array([setting.loss for setting in self.settings])

    @property
    def edges(self) -> tuple[Edge, ...]:
        """The best setting's numbers that lie at an end of those tried."""
        return self.edges_of(self.best) if self.came_through else ()

    def edges_of(self, one: Setting) -> tuple[Edge, ...]:
        """A setting's numbers that lie at an end of those tried.

        Each is judged by what was tried beside it with all else the same, where there was any: a choice (a size of
        batches, a schedule) may have a range of its own. Where another number does practically as well there is no
        need to look beyond.
        """
        setting, found = one.rows[0].setting, list[Edge]()
        good = [each.tuned for each in self.settings if each.loss - one.loss <= EQUAL_WITHIN * abs(one.loss)]
        tried = [each.rows[0].setting for each in self.settings]
        for key in (key for key in one.tuned if len({words.get(key) for words in good}) == 1):
            alike = [one for one in tried if all(one.get(k) == setting.get(k) for k in {*one, *setting} if k != key)]
            several = len({one.get(key) for one in alike}) > 1
            found += edges(setting, alike if several else tried, [key])
        return tuple(found)

    def along(self, key: str) -> list[tuple[float, Setting]]:
        """The best setting with every number that one key was given, ascending, all else the same."""
        found: dict[float, Setting] = {}
        for setting in self.settings:
            value = number(setting.tuned.get(key, ""))
            if value is not None and {**setting.tuned, key: ""} == {**self.best.tuned, key: ""}:
                found.setdefault(value, setting)
        return sorted(found.items(), key=lambda item: item[0])

    def numbers(self, key: str) -> list[float]:
        """The different numbers that a key was given, ascending."""
        return sorted({one for setting in self.settings if (one := number(setting.tuned.get(key, ""))) is not None})

    @cached_property
    def good_rates(self) -> Width | None:
        """The range of rates around the best; None where fewer than two were tried so, or some were cut."""
        tried = [(rate, setting.loss) for rate, setting in self.along(RATE) if rate > 0]
        if len(tried) < 2 or self.cut or not self.came_through:
            return None
        rates, losses = zip(*tried, strict=True)
        return width(np.array(rates), np.array(losses))


def figure(rows: Sequence[Row], metric: str) -> Figure:
    """The loss of one setting over its runs; one that diverged or failed makes it infinite.

    Args:
        rows: its runs, in any order.
        metric: which loss.
    """
    losses, failed = np.array([row.loss(metric) for row in rows]), sum(row.status == "failed" for row in rows)
    (value,), (low,), (high,) = over_seeds([losses])
    interval = None if math.isnan(low) else (float(low), float(high))
    return Figure(metric, float(value), interval, len(rows), int(np.isinf(losses).sum()) - failed, failed)


def _metric(rows: Iterable[Row], choices: Sequence[str]) -> str:
    """The first of `choices` that a run has."""
    there = {key for row in rows for key, loss in row.metrics.items() if loss is not None}
    return next((choice for choice in choices if choice in there), choices[-1])


# --- selection -------------------------------------------------------------------------------------------------------


def contenders(rows: Sequence[Row]) -> list[Contender]:
    """What a sweep compares on each problem, in the order of the first jobs of their best settings.

    A setting is a run's words without its seeds. Selected is on `val/loss` (`train/loss` where the problem has no
    validation rows), by its geometric mean over seeds. A setting of which any seed diverged or failed counts as
    infinite. Of equally good ones the earlier is taken.

    Args:
        rows: the runs of a sweep, in any order, those that confirm a winner included.
    """
    rows = sorted(rows, key=lambda row: row.job)
    settings, confirming = by_setting(rows), dict[int, list[Row]]()
    for row in rows:
        if row.confirms is not None:
            confirming.setdefault(row.confirms, []).append(row)
    roles = roles_of(of_one[0] for of_one in settings)  # seeds have none
    problems: dict[frozenset[tuple[str, str]], dict[Kind, list[list[Row]]]] = {}
    for of_one in settings:
        words = frozenset(roles.problem(of_one[0]).items())
        problems.setdefault(words, {}).setdefault(roles.kind(of_one[0]), []).append(of_one)
    labels = labels_of(roles.compared, {kind for of_problem in problems.values() for kind in of_problem})
    found = []
    for of_problem in problems.values():
        everyone = [row for of_kind in of_problem.values() for of_one in of_kind for row in of_one]
        metric, problem = _metric(everyone, SELECTED_BY), roles.problem(everyone[0])
        for kind, of_kind in of_problem.items():
            judged = _settings(of_kind, roles, metric)
            best = _best(judged)
            fresh = confirming.get(best.rows[0].job, ()) if math.isfinite(best.loss) else ()
            found.append(Contender(kind[0], labels[kind], roles.compared, problem, metric, judged, best, tuple(fresh)))
    return sorted(found, key=lambda one: one.first_job)


def _settings(found: Sequence[Sequence[Row]], roles: Roles, metric: str) -> tuple[Setting, ...]:
    losses = [np.array([row.loss(metric) for row in of_one]) for of_one in found]
    means = over_seeds(losses)[0].tolist()
    return tuple(
        Setting(tuple(of_one), {key: word for key, word in of_one[0].setting.items() if roles.tunes(key)}, *has)
        for of_one, *has in zip(found, losses, means, strict=True)
    )


def _best(settings: Sequence[Setting]) -> Setting:
    # one that has not ended on every seed could win by the seeds that it has
    most = max(len(setting.rows) for setting in settings)
    return min((one for one in settings if len(one.rows) == most), key=lambda one: (one.cut, one.loss))
