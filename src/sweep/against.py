"""One's own optimizer beside others, each with as many settings as it has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from src.compare.baseline import is_own
from src.errors import LabError
from src.sweep.call import key_of, without_sign
from src.sweep.grid import Axis, Grid, Words, axes_of, jobs_of
from src.sweep.jobs import Composer

GROUP, TARGET, ANY = "optimizer", "optimizer._target_", "optimizer=*"


@dataclass(frozen=True)
class Contender:
    """An optimizer and its settings.

    Attributes:
        identity: the words that all its settings have.
        tuned: the keys that they differ in.
        settings: their words.
    """

    identity: Words
    tuned: frozenset[str]
    settings: list[Words]

    @property
    def name(self) -> str:
        """The class where one is given, else the option."""
        words = {without_sign(key_of(word)): word.partition("=")[2] for word in self.identity}
        return words.get(TARGET) or words.get(GROUP) or "yours"


def compared(
    shared: Sequence[str], axes: Sequence[Axis], grid: Grid, names: Sequence[str], composer: Composer
) -> tuple[list[str], list[Words]]:
    """The jobs of a comparison.

    The words of the optimizer's section belong to one's own contender alone; whatever else has several values is
    crossed with every setting of every contender.

    Args:
        shared: the words of all jobs.
        axes: what has several values.
        grid: how they are made.
        names: the others, options of `conf/optimizer`.
        composer: of jobs.

    Returns:
        The words that all jobs share, and the jobs.

    Raises:
        LabError: they cannot have equally many settings.
    """
    (own, own_axes), (fixed, rest) = parted(shared, axes, grid)
    mine = own_contenders(own, own_axes, grid)
    same = {name for one in mine for name in names if _same(one, name, fixed, composer)}
    others = [name for name in dict.fromkeys(names) if name not in same]
    number = len(mine[0].settings) if mine else None
    contenders = [*mine, *(_other(name, grid, number) for name in others)]
    if len({len(one.settings) for one in contenders}) > 1:
        numbers = ", ".join(f"{one.name} has {len(one.settings)}" for one in contenders)
        raise LabError(
            f"a comparison gives every optimizer equally many settings, but {numbers}: "
            "give each one interval in hydra.sweeper.search, or say hydra.sweeper.draws=50"
        )
    around = jobs_of(rest, grid)
    return fixed, list(dict.fromkeys((*one, *job) for each in contenders for one in each.settings for job in around))


def parted(
    shared: Sequence[str], axes: Sequence[Axis], grid: Grid
) -> tuple[tuple[list[str], list[Axis]], tuple[list[str], list[Axis]]]:
    """Words and axes of one's own contender, and those of everybody.

    Raises:
        LabError: keys of both are to go together.
    """
    for keys in grid.together:
        if len({is_own(key) for key in keys}) > 1:
            raise LabError(f"keys that go together cannot be of the optimizer and not: {', '.join(keys)}")
    own, rest = (
        ([w for w in shared if is_own(key_of(w)) == mine], [axis for axis in axes if is_own(axis.key) == mine])
        for mine in (True, False)
    )
    return own, rest


def own_contenders(words: Sequence[str], axes: Sequence[Axis], grid: Grid) -> list[Contender]:
    """One's own optimizers, mostly one; none where nothing was typed of the optimizer."""
    if not words and not axes:
        return []
    which = [axis for axis in axes if without_sign(axis.key) in (GROUP, TARGET)]
    numbers = [axis for axis in axes if axis not in which]
    found = []
    for choice in jobs_of(which, replace(grid, search={})):
        identity = (*words, *choice)
        typed = {without_sign(key_of(word)) for word in identity} | {without_sign(axis.key) for axis in numbers}
        search = next((grid.search[word] for word in identity if word in grid.search), grid.search.get(ANY, {}))
        more = _axes({key: value for key, value in search.items() if without_sign(key) not in typed})
        settings = [(*identity, *setting) for setting in jobs_of([*numbers, *more], replace(grid, search={}))]
        found.append(Contender(identity, frozenset(without_sign(axis.key) for axis in [*numbers, *more]), settings))
    return found


def _other(name: str, grid: Grid, number: int | None) -> Contender:
    """A contender with its own range, `number` settings of it where that can be."""
    word = f"{GROUP}={name}"
    if number == 1:  # against one setting, the defaults
        return Contender((word,), frozenset(), [(word,)])
    axes = _axes(grid.search.get(word) or grid.search.get(ANY, {}))
    wanted = grid if number is None or grid.draws else replace(grid, points=number)
    settings = [(word, *setting) for setting in jobs_of(axes, replace(wanted, search={}))]
    return Contender((word,), frozenset(without_sign(axis.key) for axis in axes), settings)


def _axes(search: Mapping[str, Any]) -> list[Axis]:
    fixed, axes = axes_of([f"{key}={value}" for key, value in search.items()])
    return [*(Axis(key_of(word), (word.partition("=")[2],)) for word in fixed), *axes]


def _same(mine: Contender, name: str, fixed: Sequence[str], composer: Composer) -> bool:
    """Whether one's own is one of the others: the same class and numbers, but for those that are tuned."""
    try:
        own, other = (composer.compose([*fixed, *words])[GROUP] for words in (mine.identity, [f"{GROUP}={name}"]))
    except LabError:
        return False  # what is wrong is told of the jobs
    return all(
        own.get(key) == other.get(key) for key in own.keys() | other.keys() if f"{GROUP}.{key}" not in mine.tuned
    )
