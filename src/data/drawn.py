"""Data drawn afresh from `data.seed`, whose truth is known.

All draws are float32 numbers of `torch.Generator().manual_seed(seed)`, training rows first, so that neither the
dtype of a run nor its number of validation and test rows changes what it is trained on.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Generator, Tensor

from src.data.problem import Problem, Rows, count, names
from src.models.activations import ACTIVATIONS
from src.seeds import stream


@dataclass(frozen=True, kw_only=True)
class Drawn(ABC):
    """`rows` rows for training; `val` and `test` are numbers of rows, or fractions of `rows`."""

    seed: int
    rows: int
    val: int | float
    test: int | float

    def problem(self) -> Problem:
        """Draw it."""
        generator = Generator().manual_seed(self.seed)
        sizes = [self.rows, count(self.val, self.rows), count(self.test, self.rows)]
        train, val, test = (self._draw(size, generator) if size else None for size in sizes)
        assert train is not None
        inputs, outputs = train.inputs.shape[-1], train.targets.shape[-1]
        return Problem(train, val, test, names("x", inputs), names("y", outputs), self._truth())

    @abstractmethod
    def _draw(self, rows: int, generator: Generator) -> Rows:
        """The next `rows` rows of the generator."""

    def _truth(self) -> dict[str, Tensor]:
        return {}


@dataclass(frozen=True, kw_only=True)
class Line(Drawn):
    """`y = slope x + intercept + noise ε` with ε standard normal; x in `[low, high]` as `spacing` says."""

    slope: float
    intercept: float
    noise: float
    low: float
    high: float
    spacing: str

    def _draw(self, rows: int, generator: Generator) -> Rows:
        span = self.high - self.low
        if self.spacing == "even":
            x = torch.linspace(self.low, self.high, rows, dtype=torch.float32)[:, None]
        elif self.spacing == "uniform":
            x = self.low + span * torch.rand(rows, 1, generator=generator, dtype=torch.float32)
        else:
            x = self.low + span / 2 + span / 2 * torch.randn(rows, 1, generator=generator, dtype=torch.float32)
        noise = torch.randn(rows, 1, generator=generator, dtype=torch.float32)
        return Rows(x, self.slope * x + self.intercept + self.noise * noise)

    def _truth(self) -> dict[str, Tensor]:
        return {"weight": _exactly([[self.slope]]), "bias": _exactly([self.intercept])}


@dataclass(frozen=True, kw_only=True)
class Features(Drawn):
    """`y = X w + intercept + noise ε`, where the Hessian of the training rows has a chosen condition number.

    The centred inputs are orthonormalised, stretched to variances from 1 down to `1 / condition_number` (evenly spaced
    in their logarithm) and rotated; the column of ones of a bias has variance 1, so it changes neither end.
    Validation and test rows are normal with that covariance.
    """

    inputs: int
    condition_number: float
    weights: list[float] | None
    intercept: float
    noise: float

    def _weight(self) -> Tensor:
        if self.weights is None:
            return torch.randn(self.inputs, 1, generator=stream(self.seed, "data.weights"), dtype=torch.float32)
        return torch.tensor(self.weights, dtype=torch.float32)[:, None]

    def _stretch(self) -> Tensor:
        """`[I, I]`: deviations along the principal axes, then the rotation of these axes."""
        low = -torch.log10(torch.tensor(self.condition_number, dtype=torch.float64)).item()
        variances = torch.logspace(low if self.inputs == 1 else 0.0, low, self.inputs, dtype=torch.float64)
        square = torch.randn(
            self.inputs, self.inputs, generator=stream(self.seed, "data.rotation"), dtype=torch.float32
        ).double()
        rotation = torch.linalg.qr(square).Q
        return variances.sqrt()[:, None] * rotation

    def problem(self) -> Problem:
        """Draw it; the training rows are then shaped to the exact condition number."""
        generator = Generator().manual_seed(self.seed)
        train = self._draw(self.rows, generator, exact=True)
        val, test = (
            self._draw(size, generator) if size else None
            for size in (count(self.val, self.rows), count(self.test, self.rows))
        )
        return Problem(train, val, test, names("x", self.inputs), names("y", 1), self._truth())

    def _draw(self, rows: int, generator: Generator, exact: bool = False) -> Rows:
        normal = torch.randn(rows, self.inputs, generator=generator, dtype=torch.float32).double()
        if exact:
            normal = torch.linalg.qr(normal - normal.mean(0)).Q * rows**0.5
        x = (normal @ self._stretch()).float()
        noise = torch.randn(rows, 1, generator=generator, dtype=torch.float32)
        return Rows(x, x @ self._weight() + self.intercept + self.noise * noise)

    def _truth(self) -> dict[str, Tensor]:
        weight = self._weight().double() if self.weights is None else _exactly(self.weights)[:, None]
        return {"weight": weight, "bias": _exactly([self.intercept])}


@dataclass(frozen=True, kw_only=True)
class Random(Drawn):
    """Inputs and targets without any relation, both standard normal."""

    inputs: int
    outputs: int

    def _draw(self, rows: int, generator: Generator) -> Rows:
        x = torch.randn(rows, self.inputs, generator=generator, dtype=torch.float32)
        return Rows(x, torch.randn(rows, self.outputs, generator=generator, dtype=torch.float32))


@dataclass(frozen=True, kw_only=True)
class Teacher(Drawn):
    """`y = f(x W1 + b1) W2 + noise ε` with x standard normal: a two-layer network makes the targets.

    W1 and b1 are normal with variance 1/I, W2 with variance 1/H.
    """

    inputs: int
    hidden: int
    outputs: int
    activation: str
    noise: float

    def network(self) -> dict[str, Tensor]:
        """The teacher: `weight1 [I, H]`, `bias1 [H]`, `weight2 [H, O]`."""

        def draw(name: str, *shape: int) -> Tensor:
            return torch.randn(*shape, generator=stream(self.seed, f"teacher.{name}"), dtype=torch.float32)

        return {
            "weight1": draw("weight1", self.inputs, self.hidden) / self.inputs**0.5,
            "bias1": draw("bias1", self.hidden) / self.inputs**0.5,
            "weight2": draw("weight2", self.hidden, self.outputs) / self.hidden**0.5,
        }

    def _draw(self, rows: int, generator: Generator) -> Rows:
        net = self.network()
        x = torch.randn(rows, self.inputs, generator=generator, dtype=torch.float32)
        y = ACTIVATIONS[self.activation].value(x @ net["weight1"] + net["bias1"]) @ net["weight2"]
        return Rows(x, y + self.noise * torch.randn(rows, self.outputs, generator=generator, dtype=torch.float32))


@dataclass(frozen=True, kw_only=True)
class Noise(Drawn):
    """What each row adds to the gradient of a surface: `noise ε` with ε standard normal, less the rows' mean.

    So all rows together have the true gradient, and mini-batches one whose noise has variance `noise²/B`, roughly;
    targets are 0.
    """

    noise: float

    def problem(self) -> Problem:
        """Draw it."""
        return replace(super().problem(), features=("x", "y"), targets=("f",))

    def _draw(self, rows: int, generator: Generator) -> Rows:
        normal = torch.randn(rows, 2, generator=generator, dtype=torch.float32).double()
        return Rows((self.noise * (normal - normal.mean(0))).float(), torch.zeros(rows, 1))


def _exactly(value: Any) -> Tensor:
    """Numbers of the config as they stand there, in float64."""
    return torch.tensor(value, dtype=torch.float64)
