"""`experiment=random_two_layer`, a network 64-1000-100-10 in float64, beside NumPy, bare PyTorch and JAX."""

import importlib.util
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from src.errors import LabError
from src.run import run
from tests.bench.grid import Grid
from tests.bench.in_jax import two_layer
from tests.bench.measure import CORES, Figure, Peer, Way, in_turn, ratio, timed
from tests.bench.peak import matrix_multiply_adds

TITLE = "64-1000-100-10 in float64 (experiment=random_two_layer)"
QUICK = {"steps": 100}
RATE = 1e-6
MULTIPLY_ADDS = 64 * (2 * 1000 * 100 + 3 * 100 * 10)
SAME = 1e-6


def by_numpy(x: np.ndarray, y: np.ndarray, weights: Sequence[np.ndarray], steps: int) -> float:
    """Backpropagation as a textbook has it; the final loss. Weights change in place."""
    w1, w2 = weights
    for _ in range(steps):
        hidden = x @ w1
        active = np.maximum(hidden, 0)
        slope = 2 * (active @ w2 - y)
        back = (slope @ w2.T) * (hidden > 0)
        w2 -= RATE * (active.T @ slope)
        w1 -= RATE * (x.T @ back)
    return float(((np.maximum(x @ w1, 0) @ w2 - y) ** 2).sum())


def by_torch(x: torch.Tensor, y: torch.Tensor, weights: Sequence[nn.Parameter], steps: int) -> float:
    """A loop as the tutorials have it; the final loss."""
    w1, w2 = weights
    optimizer = torch.optim.SGD([w1, w2], lr=RATE)
    for _ in range(steps):
        loss = (torch.relu(x @ w1) @ w2 - y).square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return float((torch.relu(x @ w1) @ w2 - y).detach().square().sum())


def figures(rounds: int, steps: int = 500) -> list[Figure]:
    """The fit of a run, with every default on, over the training of each; all of them on all cores."""
    peak = "at the matrix-multiply peak"
    words = ("experiment=random_two_layer", f"trainer.max_steps={steps}", f"trainer.threads={CORES}")
    drawn = Grid(words, ("sgd",), 1, 1, steps, RATE, RATE).drawn()
    x, y, starts = drawn.inputs[0], drawn.targets[0], [each[0] for each in drawn.start.values()]
    x_, y_, ends = torch.from_numpy(x), torch.from_numpy(y), dict[str, float]()

    def numpy() -> float:
        weights = [each.copy() for each in starts]
        return timed(lambda: ends.update(NumPy=by_numpy(x, y, weights, steps)))

    def pytorch() -> float:
        before, weights = torch.get_num_threads(), [nn.Parameter(torch.from_numpy(each).clone()) for each in starts]
        torch.set_num_threads(CORES)
        try:
            return timed(lambda: ends.update(PyTorch=by_torch(x_, y_, weights, steps)))
        finally:
            torch.set_num_threads(before)

    def here(folder: Path) -> float:
        where = f"hydra.run.dir={folder / str(len(list(folder.iterdir())))}"
        found = run([*words, "callbacks.progress_bar=null", where])
        ends["here"] = found.metrics["train/loss"] or math.nan
        return found.seconds["fit"]

    with tempfile.TemporaryDirectory() as folder:
        ways: dict[str, Way] = {"here": lambda: here(Path(folder)), "NumPy": numpy, "PyTorch": pytorch}
        for way in ways.values():
            way()  # what is imported and built once is no cost of a step
        if jax := importlib.util.find_spec("jax"):
            ways["JAX"] = Peer(two_layer, drawn, RATE, steps)
            ends["JAX"] = ways["JAX"]()
        apart = {name: abs(end / ends["NumPy"] - 1) for name, end in ends.items()}
        if not max(apart.values()) < SAME:
            raise LabError(f"the losses of all ways are not the same, but {ends}")
        ways[peak] = lambda: MULTIPLY_ADDS * steps / matrix_multiply_adds()
        taken = in_turn(ways, rounds)
    others = [name for name in ways if name not in ("here", peak)]
    found = [ratio(f"here, by hand / {name}", taken, "here", name, at_most=1.0) for name in others]
    if not jax:
        found.append(Figure("here, by hand / JAX", [], at_most=1.0, about="jax is not installed"))
    return [*found, *(ratio(f"{peak} / {name}", taken, peak, name) for name in ways if name != peak)]
