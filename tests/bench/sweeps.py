"""Sweeps as they are typed, and the same runs by Hydra's own launcher and in JAX."""

import importlib.util
import math
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import yaml

from src.errors import LabError
from src.run_directory import RunDirectory, read_rows
from tests.bench.grid import Grid
from tests.bench.in_jax import EVERY, sweeps
from tests.bench.measure import CORES, Command, Figure, Peer, Way, command, in_turn, ratio

COMPILED = "trainer.stepper=compiled"
"""What is asked for: by itself that is only what takes long enough for a compiler to pay, which is not counted here."""
SAME = 1e-3
"""How far, relatively, the losses of half of the runs may be apart for two ways to compute the same."""


@dataclass(frozen=True)
class Swept:
    """A sweep, as its command was typed.

    Attributes:
        command: what it took.
        training: seconds of it in the loop, of all runs.
        stepper: which served.
        losses: of some runs by optimizer, seed and rate, at the last step that JAX records.
    """

    command: Command
    training: float
    stepper: str
    losses: dict[tuple[str, int, float], float]


def swept(grid: Grid, *words: str, looked_at: int = 20) -> Swept:
    """The whole command, every file written but the page.

    Raises:
        LabError: it failed, or a run of it did.
    """
    own = [f"hydra.launcher.max_runs={len(grid)}", "hydra.sweeper.report=false", *words]
    with tempfile.TemporaryDirectory() as temporary:
        where = Path(temporary) / "sweep"
        took = command("-m", "src.train", "-m", *grid.words(), *own, f"hydra.sweep.dir={where}")
        directories = sorted(path.parent for path in where.glob("*/result.json"))
        if len(directories) != len(grid):
            raise LabError(f"{len(directories)} of {len(grid)} runs have a result")
        results = [RunDirectory(one).read_result() for one in directories]
        some = directories[:: max(1, len(directories) // looked_at)]
        losses = {_run_in(one): _loss_at(one, grid.steps - EVERY) for one in some}
    training = sum(result["seconds"]["fit"] for result in results)
    return Swept(took, training, str(results[0]["stepper"]["name"]), losses)


def _run_in(directory: Path) -> tuple[str, int, float]:
    """Which run a directory is of, by the words that Hydra keeps there."""
    words = dict(word.split("=", 1) for word in yaml.safe_load((directory / ".hydra/overrides.yaml").read_text()))
    return words["optimizer"], int(words["seed"]), float(words["optimizer.lr"])


def _loss_at(directory: Path, step: int) -> float:
    return dict(read_rows(RunDirectory(directory).curves_path)).get(step, {}).get("train/loss", math.nan)


def by_hydra(grid: Grid, sample: int) -> float:
    """Seconds for all runs by Hydra's own launcher, one after another with every default on; a sample, scaled."""
    each = max(1, sample // len(grid.optimizers))
    rates = [grid.rates[int((k + 0.5) * grid.points / each)] for k in range(each)]
    with tempfile.TemporaryDirectory() as temporary:
        ways = ["hydra/launcher=basic", "hydra/sweeper=basic", f"hydra.sweep.dir={temporary}"]
        taken = command("-m", "src.train", "-m", *grid.words(rates), *ways).seconds
    start = command("-c", "import torch, lightning").seconds
    return start + (taken - start) / (each * len(grid.optimizers)) * len(grid)


class InJax:
    """The fastest program of the runs, compiled, in a process of its own.

    Attributes:
        about: how it was found.

    Raises:
        LabError: JAX is not there, or computes something else.
    """

    def __init__(self, grid: Grid, forms: Sequence[str], here: Swept) -> None:
        missing = [name for name in ("jax", "optax") if importlib.util.find_spec(name) is None]
        if missing:
            raise LabError(f"{' and '.join(missing)} not installed (pip install 'descent-lab[bench]')")
        self._peers = {devices: Peer(sweeps, grid, tuple(forms), devices) for devices in sorted({1, CORES})}
        try:
            told = {devices: peer() for devices, peer in self._peers.items()}
            devices = min(told, key=lambda one: told[one][0][0])
            (_, compiling, how), losses = told[devices]
            check_same(grid, here, losses)
        except LabError:
            self.close()
            raise
        self.about = f"JAX: {how}, {devices} {'device' if devices == 1 else 'devices'}; compiled in {compiling:.1f} s"
        self._fastest = self._peers[devices]

    def __call__(self) -> float:
        """Seconds of training."""
        return float(self._fastest())

    def close(self) -> None:
        """End all processes."""
        for peer in self._peers.values():
            peer.close()


def check_same(grid: Grid, here: Swept, losses: np.ndarray) -> None:
    """Hold losses `[O, S, R, K]`, of which the last is that of the same step, against those here.

    Raises:
        LabError: half of them are apart: it is something else that is computed.
    """
    apart = []
    for (optimizer, seed, rate), one in here.losses.items():
        nearest = int(np.argmin(np.abs(np.array(grid.rates) / rate - 1)))
        other = losses[grid.optimizers.index(optimizer), seed, nearest, -1]
        if math.isfinite(one) and math.isfinite(other):  # runs that diverge have ended here
            apart.append(abs(one - other) / max(abs(one), 1e-12))
    if not apart or statistics.median(apart) > SAME:
        raise LabError(f"its losses are {sorted(apart)} from the ones here: it does not compute the same")


def fastest(grid: Grid) -> tuple[str, Swept]:
    """The word that has it train fastest here, on one thread or on all; what is compiled is compiled by it."""
    tried = [
        (word, swept(grid, COMPILED, word)) for word in (f"trainer.threads={number}" for number in sorted({1, CORES}))
    ]
    return min(tried, key=lambda one: one[1].training)


def compared(
    grid: Grid,
    rounds: int,
    forms: Mapping[str, tuple[Sequence[str], float]],
    others: Mapping[str, Way] | None = None,
) -> tuple[dict[str, list[float]], list[Figure]]:
    """What the ways take in every round, "here" training and "whole" the command of it; and figures of rules and JAX.

    Args:
        grid: of the runs.
        rounds: of all ways in turn.
        forms: of JAX, by what they are called, and how many times as long as here they are to take.
        others: to be taken in turn with them.
    """
    word, first = fastest(grid)
    here, found, peers = list[Swept](), list[Figure](), dict[str, InJax]()

    def typed() -> float:
        here.append(swept(grid, COMPILED, word))
        return here[-1].command.seconds

    for name, (some, least) in forms.items():
        try:
            peers[name] = InJax(grid, some, first)
        except LabError as why:
            found.append(Figure(f"training: {name} / here", [], at_least=least, about=str(why)))
    try:
        taken = in_turn({"whole": typed, **(others or {}), **peers}, rounds)
    finally:
        for peer in peers.values():
            peer.close()
    taken["here"] = [one.training for one in here]
    found.append(rules_beside_c(grid, rounds, word))
    for name, peer in peers.items():
        told = f"{peer.about}; here: {here[-1].stepper}, {word}"
        found.append(ratio(f"training: {name} / here", taken, name, "here", at_least=forms[name][1], about=told))
    return taken, found


def rules_beside_c(grid: Grid, rounds: int, word: str) -> Figure:
    """Training by rules beside that by what is compiled of them, whichever serves by itself."""

    def way(stepper: str) -> Way:
        return lambda: swept(grid, word, f"trainer.stepper={stepper}").training

    ways = {stepper: way(stepper) for stepper in ("rules", "compiled")}
    return ratio("training: rules / compiled", in_turn(ways, rounds), "rules", "compiled")


def on_cuda(grid: Grid, what: str, here: Sequence[float], times: int = 1) -> Figure:
    """Training on a card, where there is one, of `times` as many runs as took so many seconds `here` in each round."""
    what = f"training, {what}: CPU / CUDA"
    if not torch.cuda.is_available():
        return Figure(what, [], about="there is no CUDA device")
    many = replace(grid, points=grid.points * times)
    swept(many, "trainer=gpu")  # what is set up once
    taken = {"CUDA": [swept(many, "trainer=gpu").training for _ in here], "CPU": [one * times for one in here]}
    return ratio(what, taken, "CPU", "CUDA", about=torch.cuda.get_device_name(), sampled=times > 1)
