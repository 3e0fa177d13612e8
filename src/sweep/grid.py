"""From the words of a multirun to its jobs: a grid, or random draws, of whatever has several values."""

import itertools
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from hydra.errors import HydraException

from src.errors import LabError

Words = tuple[str, ...]
"""Overrides, such as `("optimizer=adam", "optimizer.lr=0.1")`, without those that all jobs share."""


MOST_VALUES = 1_000_000
"""Of one key; more would fill the memory before they could be refused."""


@dataclass(frozen=True)
class Interval:
    """`interval(low,high)` of Hydra's grammar; `tag(log,...)` spaces it evenly in the logarithm, `tag(int,...)` rounds.

    Attributes:
        low: its lower end, included.
        high: its upper end, included.
        log: whether it is spaced, and drawn from, evenly in the logarithm.
        whole: whether its values are whole numbers.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def at(self, share: float) -> str:
        """The value at `share` of the way from end to end, as it would be typed."""
        if self.log:
            value = math.exp(math.log(self.low) + share * (math.log(self.high) - math.log(self.low)))
        else:
            value = self.low + share * (self.high - self.low)
        value = min(max(value, self.low), self.high)
        return str(round(value)) if self.whole else repr(float(f"{value:.12g}"))

    def values(self, points: int) -> list[str]:
        """`points` values from end to end, each once; the lower end alone where there is one point."""
        shares = [index / (points - 1) for index in range(points)] if points > 1 else [0.0]
        return list(dict.fromkeys(self.at(share) for share in shares))


@dataclass(frozen=True)
class Axis:
    """A key with several values: a list of them, or an interval."""

    key: str
    values: tuple[str, ...] | Interval


@dataclass(frozen=True)
class Grid:
    """How jobs are made of axes.

    Attributes:
        points: values of an interval in a grid.
        draws: random settings from the intervals instead of a grid; None for the grid.
        seed: of the draws.
        together: lists of keys whose values advance together instead of being crossed.
        search: axes that belong to a choice, such as `{"optimizer=sgd": {"optimizer.lr": "0.1,1"}}`.
    """

    points: int = 10
    draws: int | None = None
    seed: int = 0
    together: Sequence[Sequence[str]] = ()
    search: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in (("points", self.points), ("draws", self.draws)):
            if value is not None and (type(value) is not int or value < 1):
                raise LabError(f"hydra.sweeper.{name}={value}: must be a whole number above 0")


def axes_of(words: Sequence[str], loader: ConfigLoader | None = None) -> tuple[list[str], list[Axis]]:
    """Words that all jobs share, and the axes, in the order typed; of two words for one key the later counts.

    Args:
        words: overrides.
        loader: of the config, for `glob(...)`.

    Raises:
        LabError: a word that Hydra's grammar does not take, an interval without an inside.
    """
    parser = OverridesParser.create(config_loader=loader)
    shared, axes = dict[str, str](), dict[str, Axis]()
    for word in words:
        try:
            override = parser.parse_override(word)
            override.config_loader = loader  # as `parse_overrides` does, whose errors are of several lines
            several = override.is_sweep_override()
            values = _values(override) if several else None
        except HydraException as error:
            raise LabError(f"{word}: {str(error).splitlines()[0]}") from None
        key = override.get_key_element()
        shared.pop(key, None)
        axes.pop(key, None)
        if values is None:
            shared[key] = word
        else:
            axes[key] = Axis(key, values)
    return list(shared.values()), list(axes.values())


def _values(override: Override) -> tuple[str, ...] | Interval:
    if override.is_discrete_sweep():
        values = tuple(itertools.islice(override.sweep_string_iterator(), MOST_VALUES + 1))
        if len(values) > MOST_VALUES:
            raise LabError(f"{override.input_line}: these are more than {MOST_VALUES:,} values")
        return values
    interval = override.value()
    assert isinstance(interval, IntervalSweep)
    low, high = interval.start, interval.end
    assert low is not None
    assert high is not None
    log, whole = "log" in interval.tags, "int" in interval.tags
    if unknown := interval.tags - {"log", "int"}:
        raise LabError(f"{override.input_line}: there is no tag {min(unknown)} (tags of an interval: log, int)")
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise LabError(f"{override.input_line}: the interval's first end must be below its second")
    if log and low <= 0:
        raise LabError(f"{override.input_line}: an interval that is spaced by its logarithm begins above 0")
    if whole:
        low, high = math.ceil(low), math.floor(high)
        if low > high:
            raise LabError(f"{override.input_line}: there is no whole number in this interval")
    return Interval(low, high, log, whole)


def jobs_of(axes: Sequence[Axis], grid: Grid) -> list[Words]:
    """Every job once, the last axis varying fastest; axes of `grid.search` come after those typed, which win.

    Raises:
        LabError: keys to advance together that do not.
    """
    jobs = dict[Words, None]()
    for words in _crossed(axes, grid):
        more = [axis for axis in _searched(words, grid) if axis.key not in {one.key for one in axes}]
        for rest in _crossed(more, grid) if more else [()]:
            jobs[(*words, *rest)] = None
    return list(jobs)


def _searched(words: Words, grid: Grid) -> list[Axis]:
    """The axes that belong to this job's choices."""
    if not any(word in grid.search for word in words):
        return []
    typed = [f"{key}={value}" for word in words for key, value in grid.search.get(word, {}).items()]
    fixed, axes = axes_of(typed)
    return [*(Axis(word.partition("=")[0], (word.partition("=")[2],)) for word in fixed), *axes]


def _crossed(axes: Sequence[Axis], grid: Grid) -> Iterator[Words]:
    """The product of the axes, those that go together advancing as one."""
    bundles = [_bundle(bundle, grid) for bundle in _bundles(axes, grid)]
    for parts in itertools.product(*bundles):
        words = {word.partition("=")[0]: word for part in parts for word in part}
        yield tuple(words[axis.key] for axis in axes)


def _bundles(axes: Sequence[Axis], grid: Grid) -> list[list[Axis]]:
    """Axes that are crossed with each other; with draws, all intervals are one such."""
    bundles: dict[str | None, list[Axis]] = {}
    for axis in axes:
        together = next((keys[0] for keys in grid.together if {axis.key, axis.key.lstrip("+")} & {*keys}), None)
        drawn = grid.draws is not None and isinstance(axis.values, Interval)
        bundles.setdefault(together or (None if drawn else axis.key), []).append(axis)
    return list(bundles.values())


def _bundle(axes: Sequence[Axis], grid: Grid) -> list[Words]:
    """The joint values of axes that advance together."""
    if grid.draws is not None and all(isinstance(axis.values, Interval) for axis in axes):
        return [tuple(_drawn(axis, grid.seed, draw) for axis in axes) for draw in range(grid.draws)]
    columns = []
    for axis in axes:
        values = axis.values.values(grid.points) if isinstance(axis.values, Interval) else axis.values
        columns.append([f"{axis.key}={value}" for value in values])
    if len({len(column) for column in columns}) > 1:
        counts = ", ".join(f"{axis.key} has {len(column)}" for axis, column in zip(axes, columns, strict=True))
        raise LabError(f"keys that go together need equally many values: {counts}")
    return list(zip(*columns, strict=True))


def _drawn(axis: Axis, seed: int, draw: int) -> str:
    """A value of an interval: the same share of it for the same key, seed and draw, whatever the interval is."""
    assert isinstance(axis.values, Interval)
    return f"{axis.key}={axis.values.at(random.Random(f'{seed}/{axis.key}/{draw}').random())}"
