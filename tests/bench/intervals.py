"""What intervals cover, and how often a page tells optimizers apart: `python -m tests.bench.intervals [--pages 2000]`.

Simulated losses whose truth is known (`tests.compare.simulated`), at 3, 5, 8 and 20 seeds. Covered: how often the
interval of a setting's loss holds the geometric mean of the distribution, beside the percentile bootstrap of that; the
interval of the ratio of two losses the ratio; the interval of the probability to end lower that probability. Told
apart: of 5 optimizers that are the same, on how many pages any two are (at most 5 %); of one that is better, how many
of the 4 others are found to be worse. A second table: how often the best of so many of the settings that were
tried lies in its interval, and of as many other settings. A third: how often optimizers that are the same are told
apart by `hydra.sweeper.until=told_apart`, at any of its looks at 8, 16, 32 and 64 seeds, and how often they would be
without spending the level over them.
"""

import argparse
import math

import numpy as np
from rich.console import Console
from rich.table import Table

from src.compare.draws import Tried, outcomes
from src.compare.pairs import LEVEL, Pair, differences
from src.compare.statistics import over_seeds
from tests.compare.simulated import LOSSES, SETTINGS, Numbers, told_apart, told_apart_at_any_look

SEEDS = (3, 5, 8, 20)
SHIFT = {"normal": 0.9, "log-normal": math.exp(-1), "heavy tails": math.exp(-2), "two minima": 0.1}
"""By which the better one's losses are multiplied."""


def bootstrap(values: Numbers, random: np.random.Generator) -> tuple[Numbers, Numbers]:
    """The percentile bootstrap."""
    drawn = random.integers(0, values.shape[1], (999, values.shape[1]))
    low, high = np.exp(np.percentile([np.log(values[:, one]).mean(1) for one in drawn], (2.5, 97.5), axis=0))
    return low, high


def share(ends: tuple[Numbers, Numbers] | Numbers, truth: float) -> str:
    """Of the intervals those that hold the truth; their lower and upper ends, `[N]` each."""
    low, high = ends
    return f"{100 * np.mean((low <= truth) & (truth <= high)):.1f}"


def of_pairs(kind: str, seeds: int, pages: int, random: np.random.Generator) -> tuple[str, str]:
    """What the intervals of the ratio and of the probability cover, of two of which one is better."""
    draw, shift, unknown = LOSSES[kind], SHIFT[kind], np.full(seeds, np.nan)
    many = draw(random, (2, 400_000))
    truth = float(np.mean(many[0] * shift < many[1])), 1 / shift
    found = []
    for _ in range(pages):
        first, second = draw(random, (2, seeds))
        found.append(Pair("a", "b", tuple(differences(first * shift, second, unknown, 1.0)), 0.01, True, LEVEL))
    ratios = np.array([one.ratio_interval for one in found])
    bounds = np.array([one.bounds or (math.nan, math.nan) for one in found])
    probability = share(bounds.T, truth[0]) if found[0].bounds else "none"
    return share(ratios.T, truth[1]), probability


def of_budgets(sweeps: int) -> Table:
    """How often the best of so many settings lies in the interval."""
    table = Table(title=f"the best of so many settings, in per cent of {sweeps:,} sweeps")
    for column in ("settings", "tried", "seeds", "of 1", "2", "4", "half", "all"):
        table.add_column(column, justify="left" if column == "settings" else "right")
    for kind, draw in SETTINGS.items():
        for settings, seeds in ((10, 3), (25, 8)):
            random, tries, within = np.random.default_rng(0), [1, 2, 4, settings // 2, settings], []
            for _ in range(sweeps):
                levels = draw(random, (settings,))
                losses = levels[:, None] * random.lognormal(0, 0.05, (settings, seeds))
                one = Tried("val/loss", [1], {"a": losses[None]}, math.inf, np.full(seeds, np.nan), 0.01, True)
                found = outcomes(one, tries)
                seen = np.log(losses).mean(1)
                some = [random.permutation(settings)[:k] for k in tries]
                best = np.array(
                    [[levels[own[seen[own].argmin()]] for own in some], [draw(random, (k,)).min() for k in tries]]
                )
                within.append((found.low[0, 0] <= best) & (best <= found.high[0, 0]))
            told = [f"{100 * same:.0f}, {100 * other:.0f}" for same, other in np.mean(within, 0).T]
            table.add_row(kind, str(settings), str(seeds), *told)
    return table


def over_looks(pages: int) -> Table:
    """On how many of so many sweeps any two optimizers that are the same are told apart at any look."""
    table = Table(title=f"same, told apart at any of four looks, in per cent of {pages:,} sweeps")
    for column in ("losses", "optimizers", "level spent over looks", "not spent"):
        table.add_column(column, justify="right" if column != "losses" else "left")
    for kind, draw in LOSSES.items():
        for optimizers in (2, 5):
            random = np.random.default_rng(optimizers)
            sweeps = [draw(random, (optimizers, 64)) for _ in range(pages)]
            spent = np.mean([bool(told_apart_at_any_look(one)) for one in sweeps])
            naive = np.mean([any(told_apart(one[:, :seeds]) for seeds in (8, 16, 32, 64)) for one in sweeps])
            table.add_row(kind, str(optimizers), f"{100 * spent:.1f}", f"{100 * naive:.1f}")
    return table


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=2000)
    pages = parser.parse_args().pages
    table = Table(title=f"in per cent of {pages:,} simulations")
    table.add_column("losses", no_wrap=True)
    for column in (
        "seeds",
        "covers the mean",
        "bootstrap",
        "ratio",
        "probability",
        "same, told apart",
        "better, found",
    ):
        table.add_column(column, justify="right")
    for kind, draw in LOSSES.items():
        for seeds in SEEDS:
            random = np.random.default_rng(seeds)
            truth = math.exp(np.log(draw(random, (1_000_000,))).mean())
            values = draw(random, (pages, seeds))
            _, low, high = over_seeds(values)
            same = np.mean([bool(told_apart(draw(random, (5, seeds)))) for _ in range(pages)])
            better = []
            for _ in range(max(1, pages // 10)):
                losses = draw(random, (5, seeds))
                losses[0] *= SHIFT[kind]
                found = told_apart(losses)
                better.append(sum(("0", str(other)) in found for other in range(1, 5)) / 4)
            table.add_row(
                kind,
                str(seeds),
                share((low, high), truth),
                share(bootstrap(values, random), truth),
                *of_pairs(kind, seeds, max(1, pages // 4), random),
                f"{100 * same:.1f}",
                f"{100 * np.mean(better):.0f}",
            )
    Console(width=120).print(table)
    Console(width=120).print(of_budgets(max(1, pages // 5)))
    Console(width=120).print(over_looks(max(1, pages // 2)))


if __name__ == "__main__":
    main()
