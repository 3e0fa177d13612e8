"""How time and memory of a sweep grow with its runs, with the rows of its data, and with their features."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from tests.bench.grid import LINES, NETWORKS, Grid
from tests.bench.measure import Figure, short
from tests.bench.sweeps import swept

TITLE = "growth: the exponent of time and of memory"
QUICK = {"runs": (1, 10, 100), "networks": (1, 10, 100), "rows": (100, 1000, 10_000), "features": (1, 10, 100)}
FULL = {"runs": (1, 10, 100, 1000, 10_000, 100_000)}
STEPS = 200


KINDS = ("CPU time", "training", "memory")
Exponent = Callable[[Sequence[int], Sequence[float]], float]
Points = Mapping[str, Sequence[float]]
"""Of each kind the value at each size: CPU seconds of the whole command, seconds of training in it, bytes."""


def above_fixed(sizes: Sequence[int], values: Sequence[float]) -> float:
    """The exponent p of `a + b size^p` through the three largest sizes, each the same multiple of the one before.

    What is the same at every size (imports) is in `a`. NaN where the values do not grow.
    """
    (first, middle, last), grows = values[-3:], sizes[-1] / sizes[-2]
    if not last > middle > first:
        return math.nan
    return math.log((last - middle) / (middle - first)) / math.log(grows)


def over_all(sizes: Sequence[int], values: Sequence[float]) -> float:
    """The exponent from the smallest size to the largest, whatever is fixed included."""
    return math.log(values[-1] / values[0]) / math.log(sizes[-1] / sizes[0])


def figures(
    rounds: int,  # of what is short; these are whole families, measured once
    runs: Sequence[int] = (1, 10, 100, 1000, 10_000),
    networks: Sequence[int] = (1, 10, 100, 1000, 10_000),
    rows: Sequence[int] = (100, 1000, 10_000, 100_000, 1_000_000),
    features: Sequence[int] = (1, 10, 100, 1000),
) -> list[Figure]:
    """Whole commands, and the exponents by which they grow."""
    line, network = replace(LINES, optimizers=("sgd",), seeds=1, steps=STEPS), replace(NETWORKS, seeds=1, steps=STEPS)
    few = replace(line, points=100)
    found = []
    for what, one, sizes in (("lines", line, runs), ("networks", network, networks)):
        points = _measured([replace(one, points=size) for size in sizes])
        found += [_figure(f"{what}, by runs", kind, sizes, points, above_fixed, 1.1) for kind in ("CPU time", "memory")]
    points = _measured([replace(few, problem=(f"data.rows={size}",)) for size in rows])
    for kind in KINDS:
        most = 0.1 if kind == "training" else None
        found.append(_figure("100 full-batch lines, by rows", kind, rows, points, over_all, most))
    wide = [("data=features", f"data.inputs={size}", "data.rows=2000") for size in features]
    points = _measured([replace(few, problem=words, highest=0.01) for words in wide])
    return [*found, *(_figure("100 linear models, by features", kind, features, points, over_all) for kind in KINDS)]


def _measured(grids: Sequence[Grid]) -> Points:
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for grid in grids:
        one = swept(grid, looked_at=1)
        for kind, value in zip(KINDS, (one.command.cpu, one.training, one.command.memory), strict=True):
            found[kind].append(value)
    return found


def _figure(
    what: str, kind: str, sizes: Sequence[int], points: Points, exponent: Exponent, most: float | None = None
) -> Figure:
    values, unit, in_ = points[kind], *((2**20, "MB") if kind == "memory" else (1, "s"))
    told = ", ".join(f"{size:,}: {short(value / unit)}" for size, value in zip(sizes, values, strict=True))
    found = exponent(sizes, values)
    about = f"{told} {in_}"
    if math.isnan(found):
        return Figure(f"{what}: {kind}", [], at_most=most, about=f"does not grow: {about}")
    return Figure(f"{what}: {kind}", [found], at_most=most, about=about, rounds={kind: values})
