"""A run of `experiment=line_long`, every default on, beside a bare PyTorch loop and an ordinary LightningModule."""

import contextlib
import os
import pty
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.callbacks import ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from src.run import run
from src.run_directory import Result
from tests.bench.measure import Figure, in_turn, ratio, timed

TITLE = "one run, a step (experiment=line_long)"
QUICK = {"steps": 3000, "ordinary_steps": 100}


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


def lab(steps: int, folder: Path, *words: str) -> Result:
    """This project, as a user has it."""
    where = folder / str(time.time_ns())
    result = run(["experiment=line_long", f"trainer.max_steps={steps}", *words, f"hydra.run.dir={where}"])
    assert result.steps == steps
    return result


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
    return timed(lambda: trainer.fit(Ordinary(), loader))


@contextlib.contextmanager
def with_terminal() -> Iterator[None]:
    """What is printed goes to a terminal that is read and thrown away, so that progress bars really draw."""
    leader, follower = pty.openpty()
    sys.stdout.flush()
    before = {stream: os.dup(stream) for stream in (1, 2)}
    threading.Thread(target=lambda: [None for _ in iter(lambda: os.read(leader, 65536), b"")], daemon=True).start()
    for stream in before:
        os.dup2(follower, stream)
    try:
        yield
    finally:
        sys.stdout.flush()
        for stream, kept in before.items():
            os.dup2(kept, stream)
            os.close(kept)


def figures(rounds: int, steps: int = 30_000, ordinary_steps: int = 300) -> list[Figure]:
    """A step's cost over that in the bare loop."""
    ours = {
        "by autograd": (["model.gradient=autograd"], 1.0),
        "by hand": (["model.gradient=by_hand"], 0.6),
        "compiled": (["trainer.stepper=compiled"], 0.1),
    }
    with tempfile.TemporaryDirectory() as temporary, with_terminal():
        folder = Path(temporary)
        ways, served, other = {"bare loop": lambda: bare(steps) / steps}, dict[str, str](), "ordinary LightningModule"
        for name, (words, _) in ours.items():
            # what is imported, built and compiled once is not a cost of a step
            served[name] = f"stepped by {lab(100, folder, *words).stepper['name']}"
            ways[name] = lambda words=words: lab(steps, folder, *words).seconds["fit"] / steps  # type: ignore[misc]
        ways[other] = lambda: ordinary(ordinary_steps, folder) / ordinary_steps
        taken = in_turn(ways, rounds)
    of_bare = partial(ratio, rounds=taken, under="bare loop", unit=1e-6, in_="µs")
    found = [of_bare(f"here, {n} / bare loop", over=n, at_most=ours[n][1], about=served[n]) for n in ours]
    return [*found, of_bare(f"{other} / bare loop", over=other, sampled=True)]
