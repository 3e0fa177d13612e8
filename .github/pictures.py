"""The README's pictures: `make pictures`. Trains what it shows."""

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib as mpl
from matplotlib.figure import Figure

from src.autograd.__main__ import main as take_apart
from src.plots.chart import Axis, Chart, Line, series
from src.plots.palette import assign_looks
from src.plots.static import STYLE, draw
from src.report.run_files import Run
from src.report.single import findings_of
from src.run import run

SWEEP = [
    "optimizer=sgd,momentum,adagrad,rmsprop,adam",
    "optimizer.lr=tag(log,interval(1e-4,1))",
    "hydra.sweeper.points=25",
    "seed=range(0,8)",
]
RUNS = {"sgd": "0.01", "momentum": "0.01", "adam": "0.3"}
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
    """One figure: data and lines of the last run, loss curves of three optimizers."""
    lines = []
    with TemporaryDirectory() as folder:
        for name, rate in RUNS.items():
            where = Path(folder) / name
            words = [f"optimizer={name}", f"optimizer.lr={rate}", f"hydra.run.dir={where}"]
            run(["experiment=noisy_line", *words, "callbacks.progress_bar=null", "logger=none"])
            lines.append(Line(f"{name}, lr {rate}", *Run(where).curves["train/loss"]))
        (fit,) = (chart for chart in findings_of(Run(where)).charts if isinstance(chart, Chart) and chart.name == "fit")
    losses = Chart("losses", "Three optimizers", Axis("step"), Axis("training loss", log=True), lines=lines)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(13, 3.8), layout="constrained")
        for axes, chart in zip(figure.subplots(1, 2), (fit, losses), strict=True):
            draw(axes, chart, assign_looks(series([chart])))
            axes.set_title(chart.title, loc="left")
        figure.savefig(HERE / "noisy_line.png", dpi=120)


if __name__ == "__main__":
    main()
