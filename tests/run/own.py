"""Callbacks, optimizers and modules of a user's own, each with a need of its own that a run must meet."""

import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn
from torch.optim import Optimizer

from tests.own import Crash


class CrashOnce(Crash):
    """Crashes the first time: the marker that it leaves lets the same command through when it is typed again."""

    def __init__(self, at: int, marker: str) -> None:
        super().__init__(at)
        self.marker = Path(marker)

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *rest: Any) -> None:
        if trainer.global_step >= self.at and not self.marker.exists():
            self.marker.touch()
            super().on_train_batch_end(trainer, pl_module, *rest)


class Stumbles(Callback):
    """Raises in one of Lightning's hooks."""

    counts_steps = True

    def __init__(self, hook: str, missing: bool = False) -> None:
        self.missing = missing
        setattr(self, hook, self.stumble)

    def stumble(self, *rest: Any) -> None:
        if self.missing:
            Path("no such file").read_text(encoding="utf-8")
        raise ArithmeticError("no such number")


class Falls(torch.optim.SGD):
    """Raises in its third step."""

    taken = 0

    def step(self, closure: Any = None) -> Any:
        self.taken += 1
        if self.taken == 3:
            raise ArithmeticError("no such step")
        return super().step(closure)


class Batches(Callback):
    """Writes down which optimizer step it sees at the end of a batch, a line each."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *rest: Any) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"{trainer.global_step}\n")


class Averaging(Optimizer):
    """Descent along an average of gradients, whose weight is called `decay` in the parameter group, not `beta1`."""

    def __init__(self, params: Iterable[Any], lr: float, beta1: float = 0.9) -> None:
        super().__init__(params, {"lr": lr, "decay": beta1})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for w in group["params"]:
                average = self.state[w].setdefault("average", torch.zeros_like(w))
                average.lerp_(w.grad, 1 - group["decay"])
                w.add_(average, alpha=-group["lr"])


class Remembering(Optimizer):
    """Descent along the average of the last three gradients, all of its state in float32 inside lists and dicts."""

    def __init__(self, params: Iterable[Any], lr: float) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for w in group["params"]:
                state = self.state[w]
                if not state:
                    state["history"] = []
                    state["inner"] = {"steps": 0, "deeper": {"total": torch.zeros_like(w, dtype=torch.float32)}}
                    state["signs"] = [torch.zeros_like(w, dtype=torch.int8)]
                state["history"] = [*state["history"], w.grad.float()][-3:]
                state["inner"]["steps"] += 1
                state["inner"]["deeper"]["total"] += w.grad.float()
                state["signs"][0].copy_(w.grad.sign())
                total = state["inner"]["deeper"]["total"] / state["inner"]["steps"]
                average = torch.stack(state["history"]).mean(0)
                w.add_((average + 0.1 * total).to(w), alpha=-group["lr"])


DRAWS: dict[str, Callable[[], float]] = {
    "numpy": np.random.standard_normal,
    "python": lambda: random.gauss(0.0, 1.0),
    "torch": lambda: torch.randn(()).item(),
}
"""A number from each global generator."""


class Noisy(Optimizer):
    """Descent with a little noise, drawn from a global generator."""

    def __init__(self, params: Iterable[Any], lr: float, source: str) -> None:
        super().__init__(params, {"lr": lr})
        self.source = source

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for w in group["params"]:
                w.add_(w.grad + 0.1 * DRAWS[self.source](), alpha=-group["lr"])


class Jittering(nn.Module):
    """A linear model whose inputs are scaled by a random number in training."""

    def __init__(self, inputs: int, outputs: int, source: str) -> None:
        super().__init__()
        self.layer, self.source = nn.Linear(inputs, outputs), source

    def forward(self, rows: Tensor) -> Tensor:
        if not self.training:
            return self.layer(rows)
        return self.layer(rows * (1 + 0.1 * DRAWS[self.source]()))


class Normed(nn.Module):
    """A linear model on batch-normalized inputs: its running statistics are buffers, not parameters."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norm, self.layer = nn.BatchNorm1d(inputs), nn.Linear(inputs, outputs)

    def forward(self, rows: Tensor) -> Tensor:
        return self.layer(self.norm(rows))


class Told(Callback):
    """Is told a text of any length that it does not need."""

    def __init__(self, text: str) -> None:
        self.text = text
