"""A sweep for the price of a few runs? `python -m tests.bench.sweep [--quick] [--rounds 3] [--only launcher jax ...]`.

Trains the same 1,000 runs (5 optimizers x 25 rates x 8 seeds of a noisy line of 500 rows, full batch, 2,000 steps) by
this project's launcher, Hydra's basic one, an ordinary LightningModule, bare PyTorch loops over joblib and JAX, one
after the other; what would take too long is sampled and scaled. Then the same for 1 to 10,000 runs.
"""

import argparse
import importlib.util
import json
import logging
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import joblib
import lightning as L
import torch
import yaml
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from rich.console import Console
from rich.table import Table
from torch.utils.data import DataLoader, TensorDataset

from src.errors import LabError, exit_on_error
from src.run_directory import RunDirectory
from tests.bench.single import Ordinary
from tests.bench.sweep_runs import OPTIMIZERS, Jobs, Run, bare, final, line, model_at_start, optimizer_of

TOLERANCE = 1e-3
"""How far, relatively, final parameters of two ways may be apart for the ways to compute the same."""


@dataclass(frozen=True)
class Measured:
    """What one way took.

    Attributes:
        seconds: for all runs, scaled where only a sample was trained.
        about: how it was measured.
        parts: seconds of which it is made, where they were told apart.
        finals: `(weight, bias)` by run, to be held against those of the other ways.
    """

    seconds: float
    about: str = ""
    parts: Mapping[str, float] = field(default_factory=dict)
    finals: Mapping[Run, tuple[float, float]] = field(default_factory=dict)


# --- commands ---------------------------------------------------------------------------------------------------------


def command(*words: str) -> float:
    """Seconds that `python *words` takes.

    Raises:
        LabError: it failed; with the last line it said.
    """
    began = time.perf_counter()
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
        raise LabError(f"python {' '.join(words)} ended with {done.returncode}: {said}")
    return time.perf_counter() - began


@cache
def start_of_python() -> float:
    """Seconds until Python has imported what every training needs; the median of three."""
    return statistics.median(command("-c", "import torch, lightning") for _ in range(3))


def this_launcher(jobs: Jobs, rounds: int) -> Measured:
    """The whole command, every file written: the round with the median time."""
    return sorted((_launched(jobs) for _ in range(rounds)), key=lambda one: one.seconds)[rounds // 2]


def _launched(jobs: Jobs) -> Measured:
    with tempfile.TemporaryDirectory() as temporary:
        where = Path(temporary) / "sweep"
        own = [f"hydra.launcher.max_runs={len(jobs)}", "hydra.sweeper.report=false", f"hydra.sweep.dir={where}"]
        wall = command("-m", "src.train", "-m", *jobs.words(), *own)
        report = command("-m", "src.report", str(where))
        results = [(path.parent, RunDirectory(path.parent).read_result()) for path in where.glob("*/result.json")]
        if len(results) != len(jobs):
            raise LabError(f"the launcher wrote {len(results)} results of {len(jobs)} runs")
        training = sum(result["seconds"]["fit"] for _, result in results)
        finals = {_run_in(path, result): _parameters(result) for path, result in results}
    start = start_of_python()
    parts = {
        "starting Python": start,
        "training": training,
        "everything else": wall - start - training,
        "and, apart, its report": report,
    }
    return Measured(wall, "the whole command, every file written", parts, finals)


def _run_in(directory: Path, result: Mapping[str, Any]) -> Run:
    """Which run a directory is of, by the words that Hydra keeps there."""
    typed = yaml.safe_load((directory / ".hydra/overrides.yaml").read_text())
    words = dict(word.split("=", 1) for word in typed)
    return Run(words["optimizer"], float(words["optimizer.lr"]), result["seed"])


def _parameters(result: Mapping[str, Any]) -> tuple[float, float]:
    weight, bias = result["parameters"]["weight"][0][0], result["parameters"]["bias"][0]
    return (math.nan, math.nan) if weight is None or bias is None else (weight, bias)


def basic_launcher(jobs: Jobs, sample: int) -> Measured:
    """Hydra's own way: one run after the other, with every default on."""
    names, half = jobs.optimizers, max(1, sample // len(jobs.optimizers))
    rates = sorted({run.lr for run in jobs.sample(half * len(names))})
    words = [f"optimizer={','.join(names)}", f"optimizer.lr={','.join(map(repr, rates))}"]
    count = len(names) * len(rates)
    with tempfile.TemporaryDirectory() as temporary:
        ways = ["hydra/launcher=basic", "hydra/sweeper=basic", f"hydra.sweep.dir={temporary}"]
        wall = command("-m", "src.train", "-m", *words, f"trainer.max_steps={jobs.steps}", *ways)
    a_run = (wall - start_of_python()) / count
    return Measured(start_of_python() + a_run * len(jobs), f"{count} runs, scaled")


# --- ordinary ways ----------------------------------------------------------------------------------------------------


class OneRun(Ordinary):
    """The ordinary LightningModule with a run's start and optimizer."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.run_, self.model = run, model_at_start(run.seed)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return optimizer_of(self.run_, self.model)


def ordinary(jobs: Jobs, sample: int) -> Measured:
    """An ordinary LightningModule after the other, an epoch a step, with TensorBoard and a checkpoint."""
    runs, finals = jobs.sample(sample), {}
    for run in runs:
        line(run.seed)
    with tempfile.TemporaryDirectory() as temporary:
        began = time.perf_counter()
        for index, run in enumerate(runs):
            x, y, _ = line(run.seed)
            module, folder = OneRun(run), Path(temporary) / str(index)
            trainer = L.Trainer(
                max_steps=jobs.steps,
                max_epochs=-1,
                logger=TensorBoardLogger(folder),
                callbacks=[ModelCheckpoint(folder, every_n_train_steps=1000)],
                accelerator="cpu",
                enable_model_summary=False,
                enable_progress_bar=False,
                log_every_n_steps=10,
            )
            trainer.fit(module, DataLoader(TensorDataset(x, y), batch_size=len(x)))
            finals[run] = final(module.model)
        seconds = time.perf_counter() - began
    return Measured(seconds / len(runs) * len(jobs), f"{len(runs)} runs, scaled", finals=finals)


def _in_worker(run: Run, steps: int) -> tuple[float, float]:
    torch.set_num_threads(1)
    return bare(run, steps)


def over_joblib(jobs: Jobs, sample: int) -> Measured:
    """Bare loops over two processes that are there already."""
    runs, workers = jobs.sample(sample), min(2, len(jobs))
    with joblib.Parallel(n_jobs=workers) as parallel:
        # what is imported and drawn once is no cost of a run
        parallel(joblib.delayed(_in_worker)(run, 1) for run in runs * workers)
        began = time.perf_counter()
        ends = parallel(joblib.delayed(_in_worker)(run, jobs.steps) for run in runs)
        seconds = time.perf_counter() - began
    about = f"{len(runs)} runs on {workers} cores, scaled; workers started before"
    return Measured(seconds / len(runs) * len(jobs), about, finals=dict(zip(runs, ends, strict=True)))


# --- JAX --------------------------------------------------------------------------------------------------------------

JAX = {
    "autograd": "jax.grad of a member, vmap, scan",
    "by_hand": "gradient by hand, a seed's rows shared",
    "normal_equations": "the same on the normal equations",
}


ALL_CORES = sorted({1, os.cpu_count() or 1})


def has_jax() -> bool:
    """Whether what the JAX program needs is installed."""
    return all(importlib.util.find_spec(name) for name in ("jax", "optax"))


def jax(jobs: Jobs, rounds: int, cores: int) -> dict[str, Measured]:
    """Training only, by formulation; in a process of its own, since XLA is told its cores before it starts."""
    counted = "1 core" if cores == 1 else f"{cores} cores"
    words = ["--optimizers", *jobs.optimizers, "--points", jobs.points, "--seeds", jobs.seeds, "--steps", jobs.steps]
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary) / "measured.json"
        asked = [*words, "--rounds", rounds, "--cores", cores, "--out", out]
        command("-m", "tests.bench.sweep_jax", *map(str, asked))
        measured = json.loads(out.read_text())
    return {
        f"JAX, {counted}/{name}": Measured(
            one["train"],
            f"training only; compiled before in {one['compile']:.1f} s",
            {"compiling": one["compile"]},
            {Run(*run): (weight, bias) for *run, weight, bias in one["finals"]},
        )
        for name, one in measured.items()
    }


# --- what is printed --------------------------------------------------------------------------------------------------


def comparable(run: Run, steps: int) -> bool:
    """Whether rounding leaves its final parameters where they are.

    RMSprop that has arrived jumps about the minimum by its rate, and rounding decides to which side.
    """
    return run.optimizer != "rmsprop" or run.lr * steps <= 2


def check_same(ways: Mapping[str, Measured], steps: int) -> list[str]:
    """A line for every way whose final parameters were held against those of the bare loops.

    Raises:
        LabError: a way computes something else, so that its time says nothing.
    """
    reference, lines = ways["bare"].finals, []
    reference = {run: end for run, end in reference.items() if comparable(run, steps) and math.isfinite(sum(end))}
    for name, way in ways.items():
        both = reference.keys() & way.finals.keys()
        if name == "bare" or not both:
            continue
        apart = [math.dist(reference[run], way.finals[run]) / math.hypot(*reference[run]) for run in both]
        if not all(distance < TOLERANCE for distance in apart):
            raise LabError(f"{label(name)}: ends {apart} from the bare loops: it does not compute the same")
        near = f"within {max(apart):.0e} of" if max(apart) else "equal to"
        lines.append(f"{label(name)}: the final parameters of {len(both)} runs are {near} the bare loops'")
    return lines


TRAINING = "  of it training"
LABELS = {
    "launcher": "this launcher",
    "basic": "hydra/launcher=basic",
    "ordinary": "an ordinary LightningModule",
    "bare": "bare PyTorch loops, joblib",
}


def label(name: str) -> str:
    """What a way is called in a table."""
    kind, _, formulation = name.partition("/")
    return LABELS[name] if name in LABELS else f"{kind}: {JAX[formulation]}"


def ways_of(arguments: argparse.Namespace) -> dict[str, Callable[[Jobs, int], dict[str, Measured]]]:
    """Every way that was asked for: from the jobs and how often to repeat what is short, to what it took."""
    sample = arguments.sample
    ways: dict[str, Callable[[Jobs, int], dict[str, Measured]]] = {
        "bare": lambda jobs, _: {"bare": over_joblib(jobs, sample)},
        "launcher": lambda jobs, rounds: {"launcher": this_launcher(jobs, rounds)},
        "basic": lambda jobs, _: {"basic": basic_launcher(jobs, sample)},
        "ordinary": lambda jobs, _: {"ordinary": ordinary(jobs, sample)},
        "jax": lambda jobs, rounds: {k: v for cores in ALL_CORES for k, v in jax(jobs, max(rounds, 3), cores).items()},
    }
    return {name: ways[name] for name in ways if name == "bare" or name in arguments.only}


def shown(seconds: float) -> str:
    """Three digits, whole seconds from 100 on."""
    return f"{seconds:.3g}" if seconds < 100 else f"{seconds:,.0f}"


def comparison(jobs: Jobs, measured: Mapping[str, Measured]) -> Table:
    """Seconds, run-steps a second, and how many times the launcher's seconds."""
    runs = f"{len(jobs):,} runs ({len(jobs.optimizers)} optimizers x {jobs.points} rates x {jobs.seeds} seeds)"
    table = Table(title=f"{runs}, {jobs.steps:,} steps")
    for column in ("", "seconds", "run-steps a second", "x launcher", "x its training", "how"):
        table.add_column(column, justify="right" if column not in ("", "how") else "left")
    launcher = measured.get("launcher")

    def row(name: str, seconds: float, about: str) -> None:
        bases = (launcher.seconds, launcher.parts["training"]) if launcher else ()
        ratios = [f"{seconds / base:.3g}" for base in bases] or ["", ""]
        table.add_row(name, shown(seconds), f"{len(jobs) * jobs.steps / seconds:,.0f}", *ratios, about)

    for name, one in sorted(measured.items(), key=lambda item: item[0] != "launcher"):
        row(label(name), one.seconds, one.about)
        if name == "launcher":
            row(TRAINING, one.parts["training"], "the sum of seconds.fit")
            for part in (part for part in one.parts if part != "training"):
                table.add_row(f"  {part}", shown(one.parts[part]))
    return table


def growth(
    sizes: Sequence[Jobs],
    measured: Mapping[str, Measured],
    whole: Jobs,
    ways: Mapping[str, Callable[[Jobs, int], dict[str, Measured]]],
) -> Table:
    """Seconds by the number of runs, JAX on one core; what was sampled for `whole` is scaled."""
    again = {name: ways[name] for name in ("launcher", "jax") if name in ways}
    if "jax" in again:
        again["jax"] = lambda jobs, rounds: jax(jobs, max(rounds, 3), 1)
    columns: list[dict[str, float]] = []
    for jobs in sizes:
        there = measured if jobs == whole else {k: v for way in again.values() for k, v in way(jobs, 1).items()}
        column = dict[str, float]()
        for name, one in sorted(there.items(), key=lambda item: item[0] != "launcher"):
            column[label(name)] = one.seconds
            if name == "launcher":
                column[TRAINING] = one.parts["training"]
        scaled = {name: one for name, one in measured.items() if name in ("basic", "ordinary", "bare")}
        start = {"basic": start_of_python()} if "basic" in scaled else {}
        for name, one in scaled.items():
            fixed = start.get(name, 0.0)
            column[label(name)] = fixed + (one.seconds - fixed) * len(jobs) / len(whole)
        columns.append(column)
    table = Table(title="growth: seconds for so many runs (sampled ways scaled)")
    table.add_column("")
    for jobs in sizes:
        table.add_column(f"{len(jobs):,}", justify="right")
    # what is timed on all cores is so for `whole` only, and blank in the other columns
    for name in dict.fromkeys(name for column in reversed(columns) for name in column):
        table.add_row(name, *(shown(column[name]) if name in column else "" for column in columns))
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = ["launcher", "basic", "ordinary", "bare", "jax"]
    parser.add_argument("--quick", action="store_true", help="100 runs of 200 steps, growth up to them")
    parser.add_argument("--rounds", type=int, default=3, help="how often what is short is timed; the median counts")
    parser.add_argument("--sample", type=int, default=10, help="runs of the ways that are scaled")
    parser.add_argument("--only", nargs="+", choices=kinds, default=kinds, help="these, beside the bare loops")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    console = Console(width=None if sys.stdout.isatty() else 150)
    if "jax" in arguments.only and not has_jax():
        console.print("JAX is left out: it is not installed (pip install 'descent-lab[bench]')", markup=False)
        arguments.only = [name for name in arguments.only if name != "jax"]
    with exit_on_error():
        compare(arguments, console)


def compare(arguments: argparse.Namespace, console: Console) -> None:
    """Measure and print everything."""
    steps = 200 if arguments.quick else 2000
    sizes = [Jobs(OPTIMIZERS[:1], 1, 1, steps), Jobs(OPTIMIZERS, 2, 1, steps), Jobs(OPTIMIZERS, 5, 4, steps)]
    if not arguments.quick:
        sizes += [Jobs(OPTIMIZERS, 25, 8, steps), Jobs(OPTIMIZERS, 250, 8, steps)]
    whole, ways = sizes[2] if arguments.quick else sizes[3], ways_of(arguments)
    measured: dict[str, Measured] = {}
    for name, way in ways.items():
        with console.status(f"{name}: {len(whole):,} runs"):
            measured |= way(whole, arguments.rounds)
    console.print(comparison(whole, measured))
    for sentence in check_same(measured, steps):
        console.print(sentence)
    with console.status("growth"):
        console.print(growth(sizes, measured, whole, ways))
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, lightning {L.__version__}"
    console.print(f"{os.cpu_count()} cores; {versions}; import torch and lightning: {start_of_python():.1f} s")


if __name__ == "__main__":
    main()
