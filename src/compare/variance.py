"""Where the variance of final losses comes from: which data, which start, which order of batches, which setting."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from src.compare.rows import SEED_KEYS, Row
from src.compare.selection import Contender
from src.compare.statistics import Numbers

WIDER = 1.1
"""How many times as wide intervals ought to be before it is said."""


@dataclass(frozen=True)
class Part:
    """What varies.

    Attributes:
        keys: the seeds that make it, those that advance together; "setting" for the tuned numbers; none for what is
            left, the interactions.
        values: how many there were of it.
        variance: of the logarithm of the loss, at least 0.
    """

    keys: tuple[str, ...]
    values: int
    variance: float


def parts(one: Contender) -> list[Part]:
    """What the final loss of an optimizer varies with: its settings first, where several came through, then its seeds.

    The seeds' parts are those at its best setting. Logarithms are taken, and the means of a balanced crossed design:
    every value of a seed with every value of the others.

    Returns:
        Nothing where the seeds are not crossed, two of them at least, or a loss is not above 0.
    """
    keys, losses = _crossed(one.best.rows, one.metric)
    if not keys:
        return []
    found = components(losses)
    alone = [Part(names, losses.shape[axis], max(0.0, found[(axis,)])) for axis, names in enumerate(keys)]
    rest = sum(variance for axes, variance in found.items() if len(axes) > 1)
    return [*_settings(one, keys), *alone, Part((), losses.size, max(0.0, rest))]


def widening(one: Contender) -> float:
    """How many times as wide the interval of the loss that counts ought to be, whose runs count as independent.

    Runs that share a seed are not: the mean has the variance `Σ_S σ²_S / Π_{i ∈ S} n_i`. 1 where nothing is crossed.
    """
    keys, losses = _crossed(one.counted, one.figure.metric)
    counted = float(losses.var(ddof=1)) / losses.size if keys else 0.0
    if not counted > 0:
        return 1.0
    found = components(losses).items()
    own = sum(max(0.0, part) / math.prod(losses.shape[axis] for axis in axes) for axes, part in found)
    return math.sqrt(own / counted)


def _settings(one: Contender, keys: Sequence[tuple[str, ...]]) -> list[Part]:
    """What is due to the settings, of those that came through on the seeds of the best one."""
    tried = [_crossed(setting.rows, one.metric) for setting in one.settings]
    kept = [losses for own, losses in tried if own == keys]
    shapes = {losses.shape for losses in kept}
    if len(kept) < 2 or len(shapes) > 1:
        return []
    return [Part(("setting",), len(kept), max(0.0, components(np.stack(kept))[(0,)]))]


def _crossed(rows: Sequence[Row], metric: str) -> tuple[list[tuple[str, ...]], Numbers]:
    """The seeds that vary, those that advance together as one, and the logarithms of the losses, an axis each.

    Nothing where it is no balanced crossed design of two at least, or a loss is not above 0.
    """
    factors: dict[tuple[int, ...], tuple[str, ...]] = {}
    for key in SEED_KEYS:
        values: dict[str | None, int] = {}
        index = tuple(values.setdefault(row.words.get(key), len(values)) for row in rows)
        if len(values) > 1:
            factors[index] = (*factors.get(index, ()), key)
    shape = tuple(max(index) + 1 for index in factors)
    losses = np.array([row.loss(metric) for row in rows])
    if len(shape) < 2 or math.prod(shape) != len(rows) or not ((losses > 0) & np.isfinite(losses)).all():
        return [], np.empty(0)
    table = np.full(shape, np.nan)
    table[tuple(np.array(index) for index in factors)] = np.log(losses)
    return ([*factors.values()], table) if not np.isnan(table).any() else ([], np.empty(0))


def components(values: Numbers) -> dict[tuple[int, ...], float]:
    """Variance components of a crossed design with one value a cell: of every axis, and of every set of them.

    Of random effects `y = μ + Σ_S a_S`, a draw of variance σ²_S for each combination of the levels of the axes S, the
    mean squares MS_S of the analysis of variance have the expectation `Σ_{T ⊇ S} σ²_T Π_{i ∉ T} n_i` (Searle, Casella
    and McCulloch 1992, section 4.4), which is solved for σ²_S: without bias, and so below 0 at times. The interaction
    of all axes holds whatever else varies.

    Args:
        values: at least 2 along each axis.

    Returns:
        By axes, ascending.
    """
    every = range(values.ndim)
    subsets = [axes for size in range(1, values.ndim + 1) for axes in itertools.combinations(every, size)]
    squares = {}
    for axes in subsets:
        effect = values.mean(tuple(set(every) - set(axes)), keepdims=True)
        for axis in axes:
            effect = effect - effect.mean(axis, keepdims=True)
        freedom = math.prod(values.shape[axis] - 1 for axis in axes)
        squares[axes] = values.size / effect.size * float(np.square(effect).sum()) / freedom
    return {
        axes: sum((-1) ** (len(more) - len(axes)) * squares[more] for more in subsets if set(axes) <= set(more))
        / math.prod(values.shape[axis] for axis in set(every) - set(axes))
        for axes in subsets
    }
