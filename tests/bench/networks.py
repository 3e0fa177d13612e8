"""A sweep of 1,000 networks: training beside JAX, and as a share of what the machine can do."""

from dataclasses import replace

from src.engine.compiled.compiler import NotCompiledError
from tests.bench.grid import NETWORKS, Grid
from tests.bench.in_jax import NETWORK
from tests.bench.measure import Figure, Way, ratio
from tests.bench.peak import multiply_adds
from tests.bench.sweeps import compared, on_cuda

TITLE = "networks 10-32-1 (batches of 32)"
QUICK = {"grid": replace(NETWORKS, points=25, seeds=4, steps=500)}
MULTIPLY_ADDS = 32 * (2 * 10 * 32 + 3 * 32)
"""Of a step: forward, and back to the weights of both layers and to the hidden numbers."""


def figures(rounds: int, grid: Grid = NETWORKS) -> list[Figure]:
    """Of Adam and of SGD."""
    found = []
    for optimizer in ("adam", "sgd"):
        one, peak = replace(grid, optimizers=(optimizer,)), "at the multiply-add peak"
        work, what = len(one) * one.steps * MULTIPLY_ADDS, f"training: {optimizer}, {peak} / here"
        ways: dict[str, Way] = {peak: lambda work=work: work / multiply_adds()}  # type: ignore[misc]
        try:
            multiply_adds()
        except NotCompiledError as why:
            ways, share = {}, Figure(what, [], at_least=0.35, about=str(why))
        taken, of_jax = compared(one, rounds, {f"{optimizer}, JAX": (NETWORK, 4.0)}, ways)
        if ways:
            share = ratio(what, taken, peak, "here", at_least=0.35, about=str(one))
        found += [*of_jax, share, on_cuda(one, optimizer, taken["here"])]
    return found
