"""One's own optimizer alone, held against an earlier comparison that `python -m src.report export` has written."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from src.compare.baseline import values
from src.compare.frames import Frames, read
from src.compare.run_facts import deciding, same
from src.compare.selection import contenders
from src.config.section import shown
from src.errors import LabError
from src.sweep.against import own_contenders, parted
from src.sweep.call import key_of, without_sign
from src.sweep.grid import Axis, Grid, Words, jobs_of
from src.sweep.jobs import Composer

MOST_TOLD = 5
Values = Mapping[str, Mapping[str, Any]]
"""Of each key its values, each by a text that is equal for equal ones."""


def newcomer(
    shared: Sequence[str], axes: Sequence[Axis], grid: Grid, path: Path, confirm_seeds: int, composer: Composer
) -> tuple[list[str], list[Words]]:
    """The jobs of one's own optimizer: on the data, seeds and steps of the others, with as many settings as they had.

    Args:
        shared: the words of all jobs.
        axes: what has several values.
        grid: how they are made; an interval has as many points as the others had settings.
        path: of the earlier comparison.
        confirm_seeds: on how many fresh seeds winners are trained again.
        composer: of jobs.

    Returns:
        The words that all jobs share, and the jobs.

    Raises:
        LabError: no optimizer was typed, or something is not as it was for the others: what, by name.
    """
    baseline = read(path)
    (own, own_axes), (fixed, rest) = parted(shared, axes, grid)
    number = max(len(one.settings) for one in contenders(baseline.rows))
    found = own_contenders(own, own_axes, grid)
    if not found:
        raise LabError(
            f"hydra.sweeper.against={path} needs a newcomer to train: say optimizer._target_=mypackage.MyOptimizer"
        )
    if grid.draws is None and any(len(one.settings) != number for one in found):
        found = own_contenders(own, own_axes, replace(grid, points=number))
    around = jobs_of(rest, grid)
    apart = [
        f"{one.name} has {len(one.settings)} settings here, and each optimizer {number} in {path}"
        for one in found
        if len(one.settings) != number
    ]
    with suppress(LabError):  # what cannot be composed is told of the jobs
        configs = [composer.compose((*fixed, *found[0].settings[0], *job)) for job in around]
        contents = {composer.check(config).content() for config in configs} - {None}
        apart += differences(configs, contents, baseline, path)
    if not apart:
        apart += _swept_apart(around, baseline, path)
    confirmed = max(Counter(row.confirms for row in baseline.rows if row.confirms is not None).values(), default=0)
    if confirmed != confirm_seeds:
        apart.append(f"confirm_seeds is {confirm_seeds} here and {confirmed} in {path}")
    if apart:
        more = f"; and {len(apart) - MOST_TOLD} more" if len(apart) > MOST_TOLD else ""
        raise LabError(
            f"{'; '.join(apart[:MOST_TOLD])}{more}: make it the same, or train the others again with yours "
            "(hydra.sweeper.against=[sgd,adam])"
        )
    return fixed, list(dict.fromkeys((*one, *job) for each in found for one in each.settings for job in around))


def differences(
    configs: Sequence[Mapping[str, Any]], contents: set[str | None], baseline: Frames, path: Path
) -> list[str]:
    """What decides the runs and is not the same: `data.noise is 0.1 here and 0.5 in baseline.parquet`.

    Args:
        configs: of the newcomer's jobs, with any of its settings.
        contents: hashes of the tables that they read.
        baseline: the earlier comparison.
        path: of it.
    """
    here, there = dict[str, dict[str, Any]](), dict[str, dict[str, Any]]()
    for config in configs:
        for key, value in deciding(config).items():
            here.setdefault(key, {})[same(value)] = value
    for key, several in baseline.about.config.items():
        there[key] = {same(value): value for value in several}
    read_there = set(baseline.about.contents)
    if contents and read_there:  # the rows count, not where they lie
        here.pop("data.path", None), there.pop("data.path", None)
    found = [
        f"{key} is {_listed(here.get(key))} here and {_listed(there.get(key))} in {path}"
        for key in dict.fromkeys((*here, *there))
        if here.get(key, {}).keys() != there.get(key, {}).keys()
    ]
    changed = contents and read_there and contents != read_there
    return found + ([f"the rows of the table are not those that {path} was made with"] if changed else [])


def _listed(values: Mapping[str, Any] | None) -> str:
    return ", ".join(map(shown, values.values())) if values else "not there"


def _swept_apart(around: Sequence[Words], baseline: Frames, path: Path) -> list[str]:
    """Keys beside the optimizer's that have several values here or there, but not in both."""
    here = _several({without_sign(key_of(word)): word.partition("=")[2] for word in job} for job in around)
    there = _several(row.words for row in baseline.rows if row.confirms is None)
    return [f"{key} is swept here, and not in {path}" for key in here if key not in there] + [
        f"{key} is swept in {path}, and not here" for key in there if key not in here
    ]


def _several(jobs: Iterable[Mapping[str, str]]) -> list[str]:
    return [key for key, words in values(jobs).items() if len(words) > 1]
