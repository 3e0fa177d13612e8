"""The runs that `tests.bench.sweep` trains in every way: their grid, data, starts and optimizers, and a bare loop.

Apart from the command, so that worker processes and the JAX program can import them.
"""

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from src.config.classes import import_class
from src.config.compose import compose
from src.config.schema import Config, check
from src.run.build import build_model, build_problem
from src.sweep.grid import Interval

OPTIMIZERS = ("sgd", "momentum", "adagrad", "rmsprop", "adam")
RATES = Interval(1e-4, 1.0, log=True)


@dataclass(frozen=True)
class Run:
    """One run of the benchmark."""

    optimizer: str
    lr: float
    seed: int


@dataclass(frozen=True)
class Jobs:
    """Every optimizer with every rate and seed, `steps` steps each."""

    optimizers: tuple[str, ...]
    points: int
    seeds: int
    steps: int

    def __len__(self) -> int:
        return len(self.optimizers) * self.points * self.seeds

    @property
    def rates(self) -> list[float]:
        """The learning rates, evenly spaced in the logarithm."""
        return [float(rate) for rate in RATES.values(self.points)]

    def sample(self, size: int) -> list[Run]:
        """`size` of the runs at most, spread over optimizers, rates and seeds."""
        size = min(size, len(self))
        of_each = math.ceil(size / len(self.optimizers))
        runs = []
        for turn in range(of_each):
            # from the middle of one's share of the rates, so that the sample has no more of the ends than the grid
            rate = self.rates[int((turn + 0.5) / of_each * self.points)]
            runs += [Run(name, rate, turn % self.seeds) for name in self.optimizers]
        return runs[:size]

    def words(self) -> list[str]:
        """What one types for them."""
        words = [f"optimizer={','.join(self.optimizers)}", f"seed=range(0,{self.seeds})"]
        if self.points > 1:
            words += ["optimizer.lr=tag(log,interval(1e-4,1))", f"hydra.sweeper.points={self.points}"]
        else:
            words += [f"optimizer.lr={self.rates[0]!r}"]
        return [*words, f"trainer.max_steps={self.steps}"]


@cache
def config(optimizer: str = "sgd", seed: int = 0) -> Config:
    """What this project's own run would be given, but for its rate and length."""
    return check(compose([f"optimizer={optimizer}", f"seed={seed}", "logger=none"]))


@cache
def line(seed: int) -> tuple[Tensor, Tensor, nn.Linear]:
    """Training rows `[N, 1]`, `[N, 1]` and the model at its start, as this project draws them."""
    problem = build_problem(config(seed=seed))
    model = nn.Linear(1, 1)
    model.load_state_dict(
        {
            name: start.view_as(model.get_parameter(name))
            for name, start in build_model(config(seed=seed), problem).state_dict().items()
        }
    )
    return problem.train.inputs, problem.train.targets, model


def model_at_start(seed: int) -> nn.Linear:
    """A model of one's own that starts there."""
    model = nn.Linear(1, 1)
    model.load_state_dict(line(seed)[2].state_dict())
    return model


def numbers(optimizer: str) -> dict[str, Any]:
    """What its class takes beside the rate."""
    return {
        k: v for k, v in config(optimizer).optimizer.arguments().items() if k not in ("_target_", "_partial_", "lr")
    }


def optimizer_of(run: Run, model: nn.Module) -> torch.optim.Optimizer:
    """Torch's own, as a lone run of this project has it."""
    kind = import_class(config(run.optimizer).optimizer.target_, "optimizer._target_", torch.optim.Optimizer)
    built = kind(model.parameters(), lr=run.lr, **numbers(run.optimizer))
    assert isinstance(built, torch.optim.Optimizer)
    return built


def final(model: nn.Linear) -> tuple[float, float]:
    """Its weight and bias."""
    return model.weight.item(), model.bias.item()


def bare(run: Run, steps: int) -> tuple[float, float]:
    """A loop as the tutorials have it; the final weight and bias."""
    x, y, _ = line(run.seed)
    model, loss = model_at_start(run.seed), nn.MSELoss()
    optimizer = optimizer_of(run, model)
    for _ in range(steps):
        error = loss(model(x), y)
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
    return final(model)
