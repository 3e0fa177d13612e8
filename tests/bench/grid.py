"""The runs that are trained here and by others: optimizers x learning rates x seeds of one problem, and its numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src.config.compose import compose
from src.config.schema import Config, check
from src.data.batch_order import BatchOrder
from src.run.build import build_model, build_problem
from src.sweep.grid import Interval

Array = NDArray[Any]


@dataclass(frozen=True)
class Drawn:
    """What the runs of each seed start from, as this project draws it, in the dtype of the run.

    Attributes:
        inputs: `[S, N, I]`.
        targets: `[S, N, O]`.
        start: every parameter by name, `[S, ...]` in its shape in a lone run.
        order: which rows each step sees, `[S, T, B]`; None: all.
    """

    inputs: Array
    targets: Array
    start: Mapping[str, Array]
    order: Array | None


@dataclass(frozen=True)
class Grid:
    """Every optimizer with every rate and seed, `steps` steps each.

    Attributes:
        problem: its words.
        optimizers: of conf/optimizer.
        points: rates, evenly spaced in the logarithm.
        seeds: of data, start and order.
        steps: of each.
        lowest: rate.
        highest: rate.
    """

    problem: tuple[str, ...]
    optimizers: tuple[str, ...]
    points: int
    seeds: int
    steps: int
    lowest: float = 1e-4
    highest: float = 1.0

    def __len__(self) -> int:
        return len(self.optimizers) * self.points * self.seeds

    def __str__(self) -> str:
        return f"{len(self):,} runs of {self.steps:,} steps"

    @property
    def rates(self) -> list[float]:
        """The learning rates."""
        return [float(rate) for rate in Interval(self.lowest, self.highest, log=True).values(self.points)]

    def words(self, rates: Sequence[float] = ()) -> list[str]:
        """What one types for them, or for those with these rates and the first seed."""
        words = [*self.problem, f"optimizer={','.join(self.optimizers)}", f"trainer.max_steps={self.steps}"]
        if rates or self.points == 1:
            return [*words, f"optimizer.lr={','.join(map(repr, rates or self.rates))}", "seed=0"]
        between = f"optimizer.lr=tag(log,interval({self.lowest},{self.highest}))"
        return [*words, between, f"hydra.sweeper.points={self.points}", f"seed=range(0,{self.seeds})"]

    def config(self, optimizer: str = "sgd", seed: int = 0) -> Config:
        """Of a run, but for its rate."""
        return check(compose([*self.problem, f"optimizer={optimizer}", f"seed={seed}", "logger=none"]))

    def numbers(self, optimizer: str) -> dict[str, Any]:
        """What its class takes beside the rate."""
        given = self.config(optimizer).optimizer.arguments()
        return {name: value for name, value in given.items() if name not in ("_target_", "_partial_", "lr")}

    def drawn(self, steps: int | None = None) -> Drawn:
        """Of every seed, the order of so many steps; all where it is not said."""
        seeds = range(self.seeds)
        configs = [self.config(seed=seed) for seed in seeds]
        problems = [build_problem(config) for config in configs]
        models = [build_model(config, problem) for config, problem in zip(configs, problems, strict=True)]
        dtype = configs[0].model.dtype
        rows = [(one.train.inputs.numpy(), one.train.targets.numpy()) for one in problems]
        starts = [{name: p.detach()[0].numpy() for name, p in model.named_parameters()} for model in models]
        size, order = configs[0].data.batch_size, None
        if size != "full":
            taken, sizes = BatchOrder(len(rows[0][0]), int(size), list(seeds)).steps(0, steps or self.steps)
            order = taken.numpy().astype(np.int32).reshape(self.seeds, len(sizes), int(size))
        return Drawn(
            np.stack([inputs for inputs, _ in rows]).astype(dtype),
            np.stack([targets for _, targets in rows]).astype(dtype),
            {name: np.stack([start[name] for start in starts]) for name in starts[0]},
            order,
        )


LINES = Grid((), ("sgd", "momentum", "adagrad", "rmsprop", "adam"), 25, 8, 2000)
"""1,000 noisy lines of 500 rows, all of which every step sees."""

NETWORKS = Grid(
    (
        *("model=two_layer", "model.hidden=32", "data=teacher", "data.inputs=10"),
        *("data.rows=512", "data.batch_size=32", "trainer.val_every_n_steps=2000"),
    ),
    ("adam",), 125, 8, 2000, highest=0.03,
)  # fmt: skip
"""1,000 networks 10-32-1, batches of 32."""
