"""Looking again and again, as fresh seeds come in."""

import numpy as np
import pytest

from src.compare.contest import contest
from src.compare.looks import FIRST, following, look, share
from src.compare.sentences import at_a_look, sentences
from src.compare.verdict import Verdict, verdict
from tests.compare.simulated import LOSSES, told_apart_at_any_look
from tests.compare.sweeps import run


def test_all_looks_together_spend_the_level() -> None:
    assert [share(number) for number in (0, 1, 2, 3)] == [1, 1 / 2, 1 / 4, 1 / 8]
    assert sum(share(number) for number in range(1, 50)) == pytest.approx(1)


def test_seeds_double_up_to_the_limit() -> None:
    looks = [FIRST]
    while (seeds := following(looks[-1], 50)) is not None:
        looks.append(seeds)
    assert looks == [8, 16, 32, 50]
    # who was beaten keeps the look at which that was; between two looks a test counts as the next one
    assert [look(seeds, looks) for seeds in (8, 16, 20, 50)] == [1, 2, 3, 4]
    assert look(20, []) == 0


@pytest.mark.parametrize("kind", ["normal", "two minima"])
def test_identical_optimizers_are_told_apart_in_at_most_one_sweep_in_twenty(kind: str) -> None:
    """Of 200, so up to four standard errors above the 3.5 % of `tests/bench/intervals.py`."""
    random = np.random.default_rng(0)
    sweeps = [LOSSES[kind](random, (2, 64)) for _ in range(200)]
    assert np.mean([bool(told_apart_at_any_look(one)) for one in sweeps]) <= 0.0875


def test_a_difference_is_found_at_a_later_look_and_who_was_beaten_stays_so() -> None:
    losses = LOSSES["normal"](np.random.default_rng(2), (3, 64))
    losses[1] *= 1.1
    losses[2] *= 2
    found = told_apart_at_any_look(losses)
    assert ("0", "1") in found
    assert ("0", "2") in found
    assert ("0", "1") not in told_apart_at_any_look(losses[:, :8])


def found(seeds: int, factor: float, looks: tuple[int, ...], spread: float = 0.05) -> Verdict:
    """Of adam, whose losses are some sgd's times a factor but for chance."""
    random, rows = np.random.default_rng(3), []
    for job, optimizer in enumerate(("sgd", "adam")):
        rows.append(run(job, f"optimizer={optimizer} optimizer.lr=1 seed=0", 1.0, confirms=None))
    for seed in range(seeds):
        for job, loss in enumerate((1.0, factor * float(np.exp(spread * random.normal())))):
            words = f"optimizer={('sgd', 'adam')[job]} optimizer.lr=1 seed={1 + seed}"
            rows.append(run(len(rows), words, 1.0, confirms=job, test=loss))
    (problem,) = contest(rows, looks=looks)
    return verdict(problem, {})


def test_what_a_look_says() -> None:
    apart, equal, neither = found(8, 0.7, (8,)), found(32, 1.0, (8, 16, 32), 0.01), found(8, 0.97, (8, 16))
    assert at_a_look(apart).startswith("adam is lowest; sgd, the nearest, is 46 % above it (36 % to 57 %), and")
    assert at_a_look(apart).endswith("higher on 8 of 8 seeds: told apart")
    assert at_a_look(equal) == "sgd and adam differ by at most 0.7 %: practically equal"
    assert at_a_look(neither).endswith("seeds: not told apart")
    assert sentences(apart)[-1] == (
        "Certainty: confirmed on 8 fresh seeds, "
        "at the first look (alpha spending: each takes half of what is left of 5 %)."
    )
    assert sentences(equal)[-1] == (
        "Certainty: confirmed on 32 fresh seeds, "
        "after three looks (alpha spending: each takes half of what is left of 5 %)."
    )
    assert sentences(found(8, 0.7, ()))[-1] == "Certainty: confirmed on 8 fresh seeds."


def test_a_look_holds_equals_to_what_it_spends() -> None:
    """At 8 seeds of the third look a wider interval than at 8 of the only one."""
    one, third = (found(8, 1.0, looks, 0.005).rival for looks in ((), (2, 4, 8)))
    assert one is not None
    assert third is not None
    assert (one.relation, third.relation) == ("equal", "unknown")
    assert third.spent == pytest.approx(0.05 / 8)
