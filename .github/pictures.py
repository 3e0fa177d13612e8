"""The README's pictures: `make pictures`. Trains what it shows."""

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from matplotlib.figure import Figure

from src.autograd.__main__ import main as take_apart
from src.config.compose import compose
from src.config.schema import check
from src.plots.fit import BLUE, GREEN, ORANGE, draw_fit
from src.run.build import build_problem, run
from src.run_directory import read_rows

SWEEP = [
    "optimizer=sgd,momentum,adagrad,rmsprop,adam",
    "optimizer.lr=tag(log,interval(1e-4,1))",
    "hydra.sweeper.points=25",
    "seed=range(0,8)",
]
RUNS = {"sgd": (BLUE, "0.01"), "momentum": (ORANGE, "0.01"), "adam": (GREEN, "0.3")}


HERE = Path(__file__).parent


def main() -> None:
    """All of them."""
    optimizers()
    take_apart(["x^2 y + y^2", "x=2", "y=3", f"graph={HERE / 'formula.png'}"])
    of_sweep(SWEEP, {"sensitivity.png": "sensitivity.png"})
    of_sweep(["sweep=race"], {"race.png": "race.png"})


def of_sweep(words: Sequence[str], kept: Mapping[str, str]) -> None:
    """Pictures from the report of a sweep, by the names that they are kept under."""
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "src.train", "-m", *words, f"hydra.sweep.dir={folder}/sweep"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        for picture, name in kept.items():
            shutil.copyfile(Path(folder) / "sweep" / "pictures" / picture, HERE / name)


def optimizers() -> None:
    """One figure: data and fitted line, loss curves of three optimizers."""
    figure = Figure(figsize=(9.6, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    with TemporaryDirectory() as folder:
        for name, (colour, rate) in RUNS.items():
            where = Path(folder) / name
            words = [f"optimizer={name}", f"optimizer.lr={rate}", f"hydra.run.dir={where}"]
            result = run(["experiment=noisy_line", *words, "callbacks.progress_bar=null", "logger=none"])
            rows = [(step, row["train/loss"]) for step, row in read_rows(where / "metrics.csv") if "train/loss" in row]
            right.plot(*zip(*rows, strict=True), color=colour, label=f"{name}, lr {rate}")
        weight, bias = torch.tensor(result.parameters["weight"]), torch.tensor(result.parameters["bias"])
    problem = build_problem(check(compose(["experiment=noisy_line", "logger=none"])))
    draw_fit(left, problem, lambda x: x @ weight.double() + bias.double())
    left.set_title("experiment=noisy_line")
    right.set(yscale="log", xlabel="optimizer steps", ylabel="training loss", title="three optimizers")
    right.legend(frameon=False)
    right.spines[["top", "right"]].set_visible(False)
    figure.savefig(HERE / "noisy_line.png", dpi=160)


if __name__ == "__main__":
    main()
