"""Lightning at the cost of a bare loop? `python -m tests.bench.single [--rounds 5] [--steps 30000]`.

Trains `experiment=line_long` with every default on (progress bar, TensorBoard, checkpoints) with gradients by autograd
and by hand, a bare PyTorch loop that takes the same steps, and an ordinary LightningModule, in turn in one process.
Prints the median of each fit time over the bare loop's of the same round.
"""

import argparse
import logging
import os
import pty
import statistics
import tempfile
import threading
import time
import warnings
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.callbacks import ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from src.run import run


def rows() -> tuple[Tensor, Tensor]:
    """50 rows of y = 3x + 0.8."""
    x = torch.rand(50, 1)
    return x, 3 * x + 0.8


def bare(steps: int) -> float:
    """A loop as the tutorials have it."""
    x, y = rows()
    model, loss = nn.Linear(1, 1), nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001)
    began = time.perf_counter()
    for _ in range(steps):
        error = loss(model(x), y)
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
    return time.perf_counter() - began


def lab(steps: int, gradient: str, folder: Path) -> float:
    """This project, as a user has it."""
    name = f"{gradient}-{time.time_ns()}"
    words = ["experiment=line_long", f"trainer.max_steps={steps}", f"model.gradient={gradient}"]
    result = run([*words, f"hydra.run.dir={folder / name}"])
    assert result.steps == steps
    return result.seconds["fit"]


class Ordinary(L.LightningModule):
    """A LightningModule as the documentation has it: a batch is a step."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Linear(1, 1)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        loss = nn.functional.mse_loss(self.model(x), y)
        self.log("train/loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.001)


def ordinary(steps: int, folder: Path) -> float:
    """Full-batch descent in an ordinary module: an epoch is a step."""
    loader = DataLoader(TensorDataset(*rows()), batch_size=50)
    logger = TensorBoardLogger(folder, name=f"ordinary-{time.time_ns()}")
    callbacks = [ModelCheckpoint(folder / "ordinary", every_n_train_steps=5000), RichProgressBar(refresh_rate=10)]
    trainer = L.Trainer(
        max_steps=steps,
        max_epochs=-1,
        logger=logger,
        callbacks=callbacks,
        accelerator="cpu",
        enable_model_summary=False,
        log_every_n_steps=100,
    )
    began = time.perf_counter()
    trainer.fit(Ordinary(), loader)
    return time.perf_counter() - began


def with_terminal() -> None:
    """Give standard error a terminal that is read and thrown away, so that the progress bar really draws."""
    leader, follower = pty.openpty()
    threading.Thread(target=lambda: [None for _ in iter(lambda: os.read(leader, 65536), b"")], daemon=True).start()
    os.dup2(follower, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often each is timed")
    parser.add_argument("--steps", type=int, default=30_000, help="optimizer steps of a run")
    parser.add_argument("--ordinary-steps", type=int, default=300, help="of the ordinary module, scaled up")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    with_terminal()
    ratios: dict[str, list[float]] = {"autograd": [], "by_hand": [], "ordinary": []}
    micros: dict[str, list[float]] = {"bare": [], "autograd": [], "by_hand": [], "ordinary": []}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        lab(100, "autograd", folder)  # what is imported and built once is not a cost of a step
        for _ in range(arguments.rounds):
            micros["bare"].append(bare(arguments.steps) / arguments.steps)
            for gradient in ("autograd", "by_hand"):
                micros[gradient].append(lab(arguments.steps, gradient, folder) / arguments.steps)
            micros["ordinary"].append(ordinary(arguments.ordinary_steps, folder) / arguments.ordinary_steps)
            for name, values in ratios.items():
                values.append(micros[name][-1] / micros["bare"][-1])
    table = Table(title=f"experiment=line_long, {arguments.steps:,} steps, median of {arguments.rounds} rounds")
    for column in ("", "µs a step", "ratio", "lowest", "highest"):
        table.add_column(column, justify="left" if not column else "right")
    labels = {
        "autograd": "Descent Lab, gradient=autograd",
        "by_hand": "Descent Lab, gradient=by_hand",
        "ordinary": f"an ordinary LightningModule ({arguments.ordinary_steps} steps)",
    }
    table.add_row("a bare PyTorch loop", f"{statistics.median(micros['bare']) * 1e6:.1f}", "1", "", "")
    for name, label in labels.items():
        middle, values = statistics.median(micros[name]) * 1e6, ratios[name]
        figures = [statistics.median(values), min(values), max(values)]
        table.add_row(label, f"{middle:.1f}", *(f"{figure:.2f}" for figure in figures))
    Console().print(table)


if __name__ == "__main__":
    main()
