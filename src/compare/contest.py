"""A sweep as a contest: on each problem its contenders, each with all of its settings and the best one of them.

Which setting won is decided by `src.compare.selection`; here its rows are found again, with the losses of all others.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from src.compare.edges import by_logarithm, number
from src.compare.selection import SEED_KEYS, Figure, Row, Winner, winners
from src.compare.statistics import Numbers, over_seeds
from src.report.reading import Sweep

RATE = "optimizer.lr"
Words = Mapping[str, str]


def short(words: Words) -> str:
    """Words one after the other; numbers of a grid, which have 12 digits, to 4 of them."""
    return " ".join(f"{key}={_short(value)}" for key, value in words.items())


def _short(value: str) -> str:
    known = number(value) if len(value) > 9 else None
    return value if known is None else f"{known:.4g}"


@dataclass(frozen=True)
class Setting:
    """The runs of one setting.

    Attributes:
        words: its tuned words.
        run: the name of its first run.
        losses: by which it was judged, one a seed `[n]`; infinite where it diverged or failed.
    """

    words: Words
    run: str
    losses: Numbers


@dataclass(frozen=True)
class Contender:
    """An optimizer on one problem.

    Attributes:
        label: its name in tables and pictures, the same on every problem.
        winner: its best setting.
        counted: the runs behind the figure that counts: the confirmation's where there is one.
        runs: their names, as they are told.
        settings: all of its settings.
    """

    label: str
    winner: Winner
    counted: tuple[Row, ...]
    runs: str
    settings: tuple[Setting, ...]

    @property
    def figure(self) -> Figure:
        """What counts."""
        return self.winner.figure

    @property
    def came_through(self) -> bool:
        """Whether any setting ended in a finite loss on every seed."""
        return math.isfinite(self.winner.selected.value)

    @cached_property
    def means(self) -> Numbers:
        """The interquartile mean over seeds of each setting, `[S]`; infinite where a seed was lost."""
        means = np.empty(len(self.settings))
        sizes = np.array([len(setting.losses) for setting in self.settings])
        for size in np.unique(sizes):
            places = np.flatnonzero(sizes == size)
            means[places] = over_seeds(np.stack([self.settings[place].losses for place in places]), 1)[0]
        return means

    @cached_property
    def by_seed(self) -> dict[tuple[str | None, ...], float]:
        """The losses that count, by the words that make the seed."""
        metric = self.figure.metric
        return {seed_of(row.words): loss_of(row, metric) for row in self.counted}

    def slice(self, key: str) -> list[tuple[float, int]]:
        """The winner's setting with every number of one key: those, ascending, and the places of the settings."""
        rest = {name: value for name, value in self.winner.tuned.items() if name != key}
        found: dict[float, int] = {}
        for place, setting in enumerate(self.settings):
            value = number(setting.words.get(key, ""))
            if value is not None and {**setting.words, key: ""} == {**rest, key: ""}:
                found.setdefault(value, place)
        return sorted(found.items())

    def numbers(self, key: str) -> list[float]:
        """The different numbers that a key was given, ascending."""
        return sorted({one for setting in self.settings if (one := number(setting.words.get(key, ""))) is not None})


@dataclass(frozen=True)
class Problem:
    """What several contenders were tried on.

    Attributes:
        label: its words; empty where there is but one problem.
        words: the same, by key.
        contenders: the best one first.
        number: from 1; 0 where there is but one problem.
    """

    label: str
    words: Words
    contenders: tuple[Contender, ...]
    number: int = 0

    def comparable(self, one: Contender) -> bool:
        """Whether a contender's figure can be held against the best one's: both confirmed, neither, or lost."""
        return not one.came_through or bool(one.winner.confirmed) == bool(self.contenders[0].winner.confirmed)

    @property
    def selected(self) -> str:
        """The loss by which the settings were judged."""
        return self.contenders[0].winner.selected.metric

    @property
    def suffix(self) -> str:
        """What its pictures' titles end in."""
        return f": {self.label}" if self.label else ""

    def named(self, picture: str) -> str:
        """The name of a picture of it."""
        return f"{picture}_{self.number}" if self.number else picture

    def tuned_key(self) -> str | None:
        """The key that is told apart in pictures: the learning rate, or the first one with several numbers."""
        keys = dict.fromkeys([RATE, *(key for one in self.contenders for key in one.winner.tuned)])
        return next((key for key in keys if any(len(one.numbers(key)) > 1 for one in self.contenders)), None)

    def log_spaced(self, key: str) -> bool:
        """Whether the numbers of a key are spaced by factors."""
        numbers = sorted({one for contender in self.contenders for one in contender.numbers(key)})
        return len(numbers) > 1 and by_logarithm(numbers)


def seed_of(words: Words) -> tuple[str | None, ...]:
    """The values of the keys that make a seed."""
    return tuple(words.get(key) for key in SEED_KEYS)


def loss_of(row: Row, metric: str) -> float:
    """A run's loss; infinite where it diverged or failed."""
    loss = row.metrics.get(metric) if row.status == "completed" else None
    return math.inf if loss is None else loss


def everywhere(problems: Sequence[Problem]) -> list[str]:
    """The labels of those contenders that can be held against the best one on every one of these problems."""
    there = [{one.label for one in problem.contenders if problem.comparable(one)} for problem in problems]
    shared = set.intersection(*there) if there else set()
    return [label for label in ranked(problems) if label in shared]


def ranked(problems: Sequence[Problem]) -> list[str]:
    """The contenders' labels by their mean place over the problems."""
    places: dict[str, list[int]] = {}
    for problem in problems:
        for place, one in enumerate(problem.contenders):
            places.setdefault(one.label, []).append(place)
    return sorted(places, key=lambda label: sum(places[label]) / len(places[label]))


# --- finding them ----------------------------------------------------------------------------------------------------


def contest(sweep: Sweep) -> list[Problem]:
    """The problems of a sweep, in the order of their first jobs."""
    rows, best = sweep.rows, winners(sweep.rows)
    labels, settings = _labels(best), _settings(sweep, best)
    confirming: dict[int, list[Row]] = {}
    for row in rows:
        if row.confirms is not None:
            confirming.setdefault(row.confirms, []).append(row)
    problems: dict[tuple[tuple[str, str], ...], list[Contender]] = {}
    for winner, label, of_one in zip(best, labels, settings, strict=True):
        fresh = tuple(confirming.get(winner.first_job, ())) if winner.confirmed else ()
        counted = fresh or winner.rows
        contender = Contender(label, winner, counted, _listed([sweep.runs[row.job].name for row in counted]), of_one)
        problems.setdefault(tuple(winner.problem.items()), []).append(contender)
    labelled = _problem_labels([of_one[0].winner.problem for of_one in problems.values()])
    return [
        Problem(
            told,
            of_one[0].winner.problem,
            tuple(sorted(of_one, key=lambda one: (one.came_through and not one.winner.confirmed, one.figure.value))),
            number if len(problems) > 1 else 0,
        )
        for number, (told, of_one) in enumerate(zip(labelled, problems.values(), strict=True), 1)
    ]


def _listed(names: Sequence[str], most: int = 6) -> str:
    """`runs 4 to 9`, or the first few of them."""
    if len(names) == 1:
        return f"run {names[0]}"
    if all(name.isdecimal() for name in names) and sorted(map(int, names)) == list(
        range(int(names[0]), int(names[0]) + len(names))
    ):
        return f"runs {names[0]} to {names[-1]}"
    return f"runs {', '.join(names[:most])}" + (f" and {len(names) - most} more" if len(names) > most else "")


def _problem_labels(problems: Sequence[Words]) -> list[str]:
    """What tells them apart: the words that not all have; nothing for one alone."""
    if len(problems) < 2:
        return [""]
    shared = set.intersection(*(set(words.items()) for words in problems))
    apart = [dict(item for item in words.items() if item not in shared) for words in problems]
    told = [_without_section(words) for words in apart]
    whole = [" ".join(f"{key}={value}" for key, value in words.items()) for words in apart]
    return [(one if told.count(one) == 1 else full) or "as it is" for one, full in zip(told, whole, strict=True)]


def _without_section(words: Words) -> str:
    """`noise=0.5` of `data.noise=0.5`; of one option alone its name, `teacher` of `experiment=teacher`."""
    if len(words) == 1 and all("." not in key and number(value) is None for key, value in words.items()):
        return next(iter(words.values()))
    return short({key.rpartition(".")[2]: value for key, value in words.items()})


def _kind(winner: Winner) -> tuple[str, frozenset[str]]:
    return _kind_of(winner.setting)


def _kind_of(words: Words) -> tuple[str, frozenset[str]]:
    """Name and own keys: what tells contenders apart."""
    name = words.get("optimizer._target_") or words.get("optimizer") or ""
    return name, frozenset(key for key in words if key.startswith("optimizer."))


def _labels(best: Sequence[Winner]) -> list[str]:
    """Names that are as short as they can be, yet different."""
    kinds = list(dict.fromkeys(map(_kind, best)))
    whole = [name or "the optimizer" for name, _ in kinds]
    last = [name.rpartition(".")[2] if " " not in name else name for name in whole]
    names = [one if last.count(one) == whole.count(full) else full for one, full in zip(last, whole, strict=True)]
    told = {}
    for (kind, keys), name in zip(kinds, names, strict=True):
        own = [key.removeprefix("optimizer.") for key in sorted(keys) if key != "optimizer._target_"]
        told[kind, keys] = f"{name} [{', '.join(own) or 'as it is'}]" if names.count(name) > 1 else name
    return [told[_kind(winner)] for winner in best]


def _settings(sweep: Sweep, best: Sequence[Winner]) -> list[tuple[Setting, ...]]:
    """The settings of each winner's contender on its problem."""
    shapes = sorted({tuple(winner.problem) for winner in best}, key=len, reverse=True)
    places = {
        (tuple(winner.problem), tuple(winner.problem.values()), _kind(winner)): place
        for place, winner in enumerate(best)
    }
    found: list[dict[frozenset[tuple[str, str]], tuple[Words, int, list[float]]]] = [{} for _ in best]
    for row in sweep.rows:
        if row.confirms is not None:
            continue
        words = {key: value for key, value in row.words.items() if key not in SEED_KEYS}
        kind = _kind_of(words)
        marks = ((shape, tuple(words.get(key) for key in shape), kind) for shape in shapes)
        place = next(places[mark] for mark in marks if mark in places)  # the one with most words in common
        _, _, losses = found[place].setdefault(frozenset(words.items()), (words, row.job, []))
        losses.append(loss_of(row, best[place].selected.metric))
    return [
        tuple(
            Setting(_tuned(words, winner), sweep.runs[job].name, np.array(losses))
            for words, job, losses in of_one.values()
        )
        for winner, of_one in zip(best, found, strict=True)
    ]


def _tuned(words: Words, winner: Winner) -> dict[str, str]:
    """The words that neither name the optimizer nor the problem, as `Winner.tuned` has them."""
    names = ("optimizer", "optimizer._target_")
    return {key: value for key, value in words.items() if key not in winner.problem and key not in names}
