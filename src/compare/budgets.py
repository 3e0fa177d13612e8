"""What a comparison would have come to with fewer settings tried, or fewer steps taken."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Share:
    """A contender at one budget.

    Attributes:
        label: of it.
        loss: the expected loss of the best of the settings tried, above the exact one where that is known.
        low: where its 95 % interval begins.
        high: where it ends.
        first: the chance that it is the best of all.
    """

    label: str
    loss: float
    low: float
    high: float
    first: float


@dataclass(frozen=True)
class Spent:
    """What one budget would have said.

    Attributes:
        sentences: the answer first.
        shares: of the contenders, the best one first.
    """

    sentences: Sequence[str]
    shares: Sequence[Share]


@dataclass(frozen=True)
class Budgets:
    """What smaller budgets would have said.

    Attributes:
        tries: `[K]`, numbers of settings of each optimizer, ascending; the last is all of them.
        steps: `[S]`, numbers of steps, ascending; the last is all of them.
        spent: `[K][S]`.
    """

    tries: Sequence[int]
    steps: Sequence[int]
    spent: Sequence[Sequence[Spent]]
