"""What a comparison would have come to with fewer settings tried, or fewer steps taken."""

from collections.abc import Sequence
from dataclasses import dataclass

from src.compare.draws import Share as Share
from src.compare.draws import Tried, outcomes, shares
from src.compare.sentences import of_budget


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


def budgets(tried: Tried) -> Budgets | None:
    """What smaller budgets would have said, tries by powers of two; None where there is but one budget."""
    fewest = min(one.shape[1] for one in tried.losses.values())
    powers = [2**power for power in range(tried.most.bit_length()) if 2**power < tried.most]
    tries = sorted({*powers, fewest, tried.most})
    if len(tries) == len(tried.steps) == 1:
        return None
    found = outcomes(tried, tries)
    told = [[shares(tried, found, s, k) for s in range(len(tried.steps))] for k in range(len(tries))]
    least = min(one.loss for one in told[-1][-1])
    return Budgets(
        tries,
        tried.steps,
        [
            [
                Spent(of_budget(tried, one, several, steps, least), one)
                for steps, one in zip(tried.steps, row, strict=True)
            ]
            for several, row in zip(tries, told, strict=True)
        ],
    )
