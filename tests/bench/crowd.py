"""A comparison as large as Schmidt et al. 2021 needed: `sweep=crowded_valley`, its report included."""

import tempfile
from pathlib import Path

from tests.bench.measure import CORES, Figure, command

TITLE = "sweep=crowded_valley, 50,400 runs"
QUICK = {"seeds": 1}
FULL = {"seeds": 30}
SEEDS, RUNS, STEPS, MINUTES, GIGABYTES = 30, 50_400, 1000, 10, 4


def figures(rounds: int, seeds: int = 3, steps: int = STEPS, words: tuple[str, ...] = ()) -> list[Figure]:
    """Once, of so many of its seeds; time above that of the imports is scaled to all run-steps."""
    several = [f"seed=range(0,{seeds})", f"data.seed=range(0,{seeds})"] if seeds < SEEDS else []
    with tempfile.TemporaryDirectory() as temporary:
        where = [f"hydra.sweep.dir={temporary}/sweep", f"trainer.threads={CORES}", f"trainer.max_steps={steps}"]
        took = command("-m", "src.train", "-m", "sweep=crowded_valley", *several, *words, *where)
        runs = len(list(Path(temporary).glob("sweep/*/result.json")))
    start, sampled = command("-c", "import torch").seconds, runs * steps < RUNS * STEPS
    seconds = start + (took.seconds - start) * (RUNS * STEPS) / (runs * steps)
    about = f"{runs:,} runs of {steps:,} steps took {took.seconds:.0f} s and {took.memory / 1e9:.2f} GB"
    return [
        Figure("minutes / 10", [seconds / 60 / MINUTES], at_most=1.0, about=about, sampled=sampled),
        Figure("gigabytes / 4", [took.memory / 1e9 / GIGABYTES], at_most=1.0, about="not scaled" if sampled else ""),
    ]
