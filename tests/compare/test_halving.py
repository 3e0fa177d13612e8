"""Which settings go on at a rung, by hand."""

import math

import pytest

from src.compare.halving import End, Halving
from src.compare.remarks import remarks
from src.compare.rows import Row
from src.compare.selection import contenders

SIX = Halving([10, 20], "1/3", settings=[[2 * index, 2 * index + 1] for index in range(6)], parts=[1, 2])


def losses(*of_settings: float) -> dict[int, float]:
    """Two seeds each, twice as high and half as high: the geometric mean is the number."""
    return {run: loss * factor for i, loss in enumerate(of_settings) for run, factor in ((2 * i, 2), (2 * i + 1, 0.5))}


def test_the_best_by_the_geometric_mean_go_on_with_all_of_their_seeds() -> None:
    """The arithmetic mean would take the second, of 1 and 0.01, only after the third, of 0.3 and 0.3."""
    now = losses(5, 9, 9, 9, 4, 5) | {2: 1.0, 3: 0.01, 4: 0.3, 5: 0.3}
    behind, going, racing = SIX.behind(10, now, {})
    assert (behind, going, racing) == ({0, 1, 6, 7, 8, 9, 10, 11}, 2, 6)
    assert SIX.behind(20, {run: now[run] for run in range(2, 6)}, {run: End(True, 10, 9) for run in behind}) == (
        {4, 5}, 1, 2,
    )  # fmt: skip


def test_what_ended_before_counts_by_its_end_and_equally_good_ones_by_their_order() -> None:
    now = losses(1, 1, 1, 1, 1, 1)
    assert SIX.behind(10, now, {})[0] == set(range(4, 12))
    lost, stopped = End(False, 3, math.inf), End(False, 3, 0.1)
    rest = {run: now[run] for run in range(2, 12)}
    assert SIX.behind(10, rest, {0: stopped, 1: stopped})[0] == set(range(4, 12))  # it has one of the two places
    assert SIX.behind(10, now | {1: math.inf}, {})[0] == {0, 1, *range(6, 12)}
    del now[0]
    assert SIX.behind(10, now, {0: lost})[0] == {1, *range(6, 12)}
    del now[1]
    assert SIX.behind(10, now, {})[0] == set(range(6, 12))  # it has failed


@pytest.mark.parametrize("written", [{0, 1, 6}, {7}, set(range(6, 12))])
def test_a_race_that_was_killed_while_it_was_written_down_is_decided_as_it_was(written: set[int]) -> None:
    now = losses(6, 1, 2, 3, 4, 5)
    behind, going, racing = SIX.behind(10, now, {})
    rest = {run: loss for run, loss in now.items() if run not in written}
    again = SIX.behind(10, rest, {run: End(True, 10, now[run]) for run in written & behind})
    assert again == (behind - written, going, racing)


def test_a_run_that_is_trained_again_behind_its_mates_is_cut_where_they_were() -> None:
    """All that is known of the others is how they ended: the first two settings went on, the third was cut at 20."""
    ended = {run: End(run > 3, 10, 1) for run in range(12) if run > 5} | {0: End(False, 30, 9), 1: End(False, 30, 9)}
    ended |= {4: End(True, 20, 1)}
    assert SIX.behind(10, {5: 100.0}, ended)[0] == set()
    assert SIX.behind(20, {5: 100.0}, ended)[0] == {5}


def test_seeds_that_are_added_go_as_far_as_those_that_were_raced() -> None:
    """The first two settings went on; a seed of each is added, the worst one to the best setting."""
    more = Halving([10, 20], "1/3", settings=[[12 + index] for index in range(6)], parts=[3, 4], mates=SIX.settings)
    ended = {run: End(run > 3, 10 if run > 3 else 30, 1) for run in range(12)}
    assert more.behind(10, {12 + index: 9.0 - index for index in range(6)}, ended)[0] == {14, 15, 16, 17}


def test_how_many_go_on_and_what_that_takes() -> None:
    """25 settings of 8 seeds, a third at 30, 100 and 300 of 1,000 steps: 25, 9, 3 and 1 of them."""
    of_25 = Halving([30, 100, 300], "1/3", settings=[[8 * s + seed for seed in range(8)] for s in range(25)])
    assert [of_25.most(rung) for rung in of_25.rungs] == [9, 3, 1]
    assert of_25.steps(1000) == 8 * (25 * 30 + 9 * 70 + 3 * 200 + 1 * 700)
    assert Halving([30, 100], "1/3", 30, of_25.settings).most(100) == 9  # the first that is ahead


def test_a_setting_that_was_cut_cannot_win_and_is_told() -> None:
    """Its loss at the rung is the lowest. 3 of 4 at 10 of 100 steps: 30 + 100 of 400 run-steps are taken."""
    rows = [
        Row(job, {"optimizer.lr": f"0.{job + 1}"}, "cut" if job < 3 else "completed", steps, {"val/loss": loss})
        for job, (steps, loss) in enumerate([(10, 0.1), (10, 2.0), (10, 3.0), (100, 0.5)])
    ]
    (one,) = contenders(rows)
    assert (one.best.rows[0].job, one.cut, one.diverged, one.failed) == (3, 3, 0, 0)
    assert one.good_rates is None
    told = remarks([one])
    assert (
        "3 of 4 settings were cut at step 10, and shown with the loss there; that saved 67 % of the run-steps; "
        "that one of them would have won cannot be excluded (hydra.sweeper.rungs=[] lets them go on)"
    ) in told
    assert "a setting of those that were cut had a lower loss at the rung than its best one in the end" in told
