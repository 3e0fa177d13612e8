"""The README's pictures: `make pictures`. Trains what it shows."""

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import vl_convert
from PIL import Image

from src.autograd.__main__ import main as take_apart
from src.plots.chart import Axis, Chart, Line
from src.plots.files import alone
from src.report.run_files import Run
from src.report.single import findings_of
from src.run import run

SWEEP = [
    "optimizer=sgd,momentum,adagrad,rmsprop,adam",
    "model=two_layer",
    "data=teacher",
    "data.batch_size=32",
    "trainer.max_steps=500",
    "optimizer.lr=tag(log,interval(1e-4,1))",
    "hydra.sweeper.points=13",
    "seed=range(0,8)",
]
RUNS = {"sgd": "0.01", "momentum": "0.01", "adam": "0.3"}
HERE = Path(__file__).parent


def main() -> None:
    """All of them."""
    optimizers()
    take_apart(["x^2 y + y^2", "x=2", "y=3", f"graph={HERE / 'formula.png'}"])
    of_sweep(SWEEP, {"sensitivity.png": "sensitivity.png"})
    of_sweep(["sweep=race"], {"race.gif": "race.gif"})


def of_sweep(words: Sequence[str], kept: Mapping[str, str]) -> None:
    """Pictures from the report of a sweep, by the names that they are kept under."""
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "src.train", "-m", *words, f"hydra.sweep.dir={folder}/sweep"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        for picture, name in kept.items():
            shutil.copyfile(Path(folder) / "sweep" / "pictures" / picture, HERE / name)


def optimizers() -> None:
    """Side by side: data and lines of the first run, loss curves of three optimizers."""
    lines, fits = list[Line](), list[Chart]()
    with TemporaryDirectory() as folder:
        for name, rate in RUNS.items():
            where = Path(folder) / name
            words = [f"optimizer={name}", f"optimizer.lr={rate}", f"hydra.run.dir={where}"]
            run(["experiment=noisy_line", *words, "callbacks.progress_bar=null", "logger=none"])
            lines.append(Line(f"{name} (lr {rate})", *Run(where).curves["train/loss"]))
            fits += [one for one in findings_of(Run(where)).charts if isinstance(one, Chart) and one.name == "fit"]
    losses = Chart("losses", "Three optimizers", Axis("step"), Axis("training loss", log=True), lines=lines)
    narrow = [alone(chart) | {"width": 480} for chart in (fits[0], losses)]
    both = [Image.open(BytesIO(vl_convert.vegalite_to_png(spec, scale=2))) for spec in narrow]
    wide, high = sum(one.width for one in both), max(one.height for one in both)
    together = Image.new("RGB", (wide, high), "white")
    together.paste(both[0], (0, 0))
    together.paste(both[1], (both[0].width, 0))
    together.save(HERE / "noisy_line.png")


if __name__ == "__main__":
    main()
