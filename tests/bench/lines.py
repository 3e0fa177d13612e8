"""A sweep of 1,000 lines: the whole command beside Hydra's own launcher, and training beside JAX."""

from dataclasses import replace

from tests.bench.grid import LINES, Grid
from tests.bench.in_jax import EQUATIONS, GRAD
from tests.bench.measure import Figure, ratio
from tests.bench.sweeps import by_hydra, compared, on_cuda

TITLE = "lines (5 optimizers, 500 rows, full batch)"
QUICK = {"grid": replace(LINES, points=5, seeds=4, steps=200), "sample": 5}


def figures(rounds: int, grid: Grid = LINES, sample: int = 10) -> list[Figure]:
    """Of the runs of a grid; by Hydra's own launcher a sample of them."""
    forms = {"JAX by jax.grad": (GRAD, 5.0), "JAX on the normal equations": (EQUATIONS, 1.0)}
    hydra = "Hydra's own launcher"
    taken, of_jax = compared(grid, rounds, forms, {hydra: lambda: by_hydra(grid, sample)})
    whole = ratio(f"whole command: {hydra} / here", taken, hydra, "whole", at_least=100, about=str(grid), sampled=True)
    many = on_cuda(grid, f"{100 * len(grid):,} lines", taken["here"], 100)
    return [whole, *of_jax, on_cuda(grid, "lines", taken["here"]), many]
