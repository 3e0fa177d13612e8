"""What every exact answer of a linear model says: where the loss is lowest, and the rates that its Hessian allows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor

Many = Literal["columns", "outputs", "level"]
"""Why there are many answers: columns depend on each other; the same number added to all outputs of a row changes
nothing, as of classes; the loss is level around the answer."""


@dataclass(frozen=True)
class Exact:
    """The exact answer of a linear model, in the coordinates that descent sees.

    Coordinates are the bias first (where there is one), then the I weights: d in all, of each output.

    Attributes:
        solution: t*, `[d, O]`; of all solutions the one of least norm, but where the loss is level around them.
        loss: there, mean or sum, without the decay.
        rank: of the design, d unless columns depend on each other.
        bias: whether the first coordinate is a bias.
        eigenvalues: of the Hessian there, ridge included, ascending: `[d]` of squares, each O times, else `[d O]`;
            exactly 0 along which nothing changes.
        ridge: weight decay in the loss.
        quadratic: the Hessian is the same everywhere, so that rates hold from any start; else near the answer.
    """

    solution: Tensor
    loss: float
    rank: int
    bias: bool
    eigenvalues: Tensor
    ridge: float
    quadratic: ClassVar[bool] = False

    @property
    def weight(self) -> Tensor:
        """`[I, O]`."""
        return self.solution[1:] if self.bias else self.solution

    @property
    def intercept(self) -> Tensor | None:
        """The bias `[O]`."""
        return self.solution[0] if self.bias else None

    @property
    def many(self) -> Sequence[Many]:
        """Why there are other solutions; empty where there is no other."""
        return ("columns",) if self.rank < len(self.solution) and not self.ridge else ()

    @property
    def moving(self) -> int:
        """Along how many eigenvectors descent moves."""
        return int((self.eigenvalues > 0).sum())

    @property
    def largest(self) -> float:
        """λmax."""
        return float(self.eigenvalues[-1])

    @property
    def smallest(self) -> float:
        """The smallest eigenvalue of a direction along which descent moves; 0 where it is below all float64."""
        return float(self.eigenvalues[-self.moving]) if self.moving else 0.0

    @property
    def condition_number(self) -> float:
        """λmax/λmin; infinite where λmin is below all float64."""
        return self.largest / self.smallest if self.smallest else math.inf

    @property
    def critical_lr(self) -> float:
        """2/λmax: gradient descent diverges above."""
        return 2 / self.largest if self.largest else math.inf

    @property
    def optimal_lr(self) -> float:
        """2/(λmin + λmax), the best fixed learning rate (Polyak 1964; Nesterov 2018, theorem 2.1.15)."""
        return 2 / (self.smallest + self.largest) if self.largest else math.inf

    @property
    def optimal_rate(self) -> float:
        """(κ - 1)/(κ + 1): what the distance shrinks by in a step at `optimal_lr`."""
        return (self.largest - self.smallest) / (self.largest + self.smallest) if self.largest else 1.0

    @property
    def heavy_ball(self) -> tuple[float, float]:
        """The best learning rate and momentum β of the heavy ball, v <- β v + g (Polyak 1964, theorem 9)."""
        low, high = math.sqrt(self.smallest), math.sqrt(self.largest)
        return ((2 / (low + high)) ** 2, ((high - low) / (high + low)) ** 2) if high else (math.inf, math.nan)

    def evidence(self, unit: float) -> dict[str, Any]:
        """What `result.json` holds beside what every answer has.

        Args:
            unit: what a loss of descent is multiplied by to be in the data's units.
        """
        raise NotImplementedError
