"""Looking again and again: `hydra.sweeper.until=told_apart` adds fresh seeds until winners are told apart.

A test that is repeated as seeds come in finds a difference sooner or later, where there is none too. So the level is
spent over the looks, half of what is left at each: look k = 1, 2, ... has the share 2**-k of it, and however many there
are, all of them together err no more often than one test would. This is alpha spending (Lan and DeMets 1983) by
Bonferroni's inequality, which asks nothing of how alike the looks are. The shares are not all the same because the
number of looks need not be known: a sweep may go on with a larger limit.

Over pairs the correction is Holm's, as without looks, of p-values that are divided by their shares. Who is beaten stays
so and gets no more seeds: a pair keeps the look that it was last tested at. A pair of equals that is told apart wrongly
has at some look a p-value below the level times 2**-k over the number of such pairs; the sum over looks and over pairs
is the level at most.
"""

from collections.abc import Sequence

FIRST = 8
"""Fresh seeds of the first look, unless `confirm_seeds` says."""


def look(seeds: int, looks: Sequence[int]) -> int:
    """Which look a test on so many fresh seeds is, from 1; 0 where nobody looks again.

    Args:
        seeds: that two winners share.
        looks: how many seeds there were at each look of the sweep, ascending.
    """
    return 1 + sum(one < seeds for one in looks) if looks else 0


def share(number: int) -> float:
    """Of the level, what a look may spend; all of it where there is but one test."""
    return 2.0**-number


def following(seeds: int, most: int) -> int | None:
    """Fresh seeds at the look after the one at `seeds`: twice as many, `most` at most; None: there is no more."""
    return min(2 * seeds, most) if seeds < most else None
