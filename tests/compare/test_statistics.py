"""Statistics against scipy, the published definitions written out, and closed forms."""

import itertools
import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from src.compare.statistics import (
    carried,
    expected_best,
    first_below,
    improvement,
    interquartile_mean,
    letters,
    over_seeds,
    profile,
    ratios,
    stratified,
    thinned,
    width,
)

DRAWN = np.random.default_rng(7).lognormal(size=(40, 10))
numbers = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40)


def interval(values: np.ndarray) -> tuple[float, float]:
    """That of one setting."""
    _, (low,), (high,) = over_seeds([values])
    return low, high


@given(numbers)
def test_the_mean_is_scipy_s_trimmed_mean(values: list[float]) -> None:
    mean = float(interquartile_mean(np.array(values)))
    assert mean == pytest.approx(stats.trim_mean(values, 0.25), rel=1e-9, abs=1e-9)


def test_the_mean_by_hand() -> None:
    assert float(interquartile_mean(np.array([100.0, 3.0, 1.0, 2.0, -50.0, 4.0, 5.0, 6.0]))) == (2 + 3 + 4 + 5) / 4


@pytest.mark.parametrize("seeds", [2, 5, 8, 20])
def test_the_interval_is_scipy_s_percentile_bootstrap_of_sorted_values(seeds: int) -> None:
    values = np.sort(np.random.default_rng(seeds).lognormal(size=seeds))
    ends = stats.bootstrap(
        (values,),
        lambda data, axis: stats.trim_mean(data, 0.25, axis=axis),
        method="percentile",
        n_resamples=9_999,
        rng=np.random.default_rng(0),
    ).confidence_interval
    assert interval(values) == pytest.approx((ends.low, ends.high), rel=1e-12)


@given(st.permutations(range(10)))
@settings(max_examples=20, deadline=None)
def test_the_order_of_seeds_changes_nothing(order: list[int]) -> None:
    assert interval(DRAWN[0][order]) == interval(DRAWN[0])
    strata = [DRAWN[0][order], DRAWN[1][order][:7]]
    assert stratified(strata, 500) == stratified([np.sort(one) for one in strata], 500)
    first, second = DRAWN[2], DRAWN[3]
    assert improvement([(first[order], second[order])], 500) == improvement([(first, second)], 500)


def test_the_interval_covers_a_mean_that_is_given() -> None:
    """Of samples of 20 from a symmetric distribution around 3, nine in ten or more intervals hold the 3."""
    _, low, high = over_seeds(np.random.default_rng(1).normal(3, 1, (60, 20)))
    assert ((low <= 3) & (high >= 3)).sum() >= 54


def test_many_seeds_take_little_memory() -> None:
    tracemalloc.start()
    low, high = interval(np.random.default_rng(0).normal(size=3_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert high - low == pytest.approx(2 * 1.96 * 1.09 / math.sqrt(3_000), rel=0.15)  # Agarwal's efficiency
    assert peak < 400e6


def test_settings_of_different_seeds() -> None:
    """Each as if it were alone."""
    several = [DRAWN[0], DRAWN[1][:4], DRAWN[2][:1], DRAWN[3]]
    found, alone = over_seeds(several), [over_seeds([one]) for one in several]
    np.testing.assert_allclose(np.stack(found, 1), np.concatenate([np.stack(one, 1) for one in alone]), rtol=1e-14)


@pytest.mark.parametrize("seeds", [2, 3, 4, 5, 8, 10])
def test_interval_of_many_settings_is_that_of_each(seeds):
    values = DRAWN[:, :seeds]
    means, low, high = over_seeds(values)
    np.testing.assert_allclose(means, stats.trim_mean(values, 0.25, axis=1), rtol=1e-12)
    for row, start, end in zip(values, low, high, strict=True):
        drawn = stats.bootstrap(
            (row,), lambda x, axis: stats.trim_mean(x, 0.25, axis), method="percentile", n_resamples=9_999, rng=1
        ).bootstrap_distribution
        # few seeds have few different means, so an end is compared by the share of means on each side of it
        for edge, share in ((start, 0.025), (end, 0.975)):
            assert (drawn < edge * (1 - 1e-12)).mean() - 0.006 < share < (drawn <= edge * (1 + 1e-12)).mean() + 0.006


def test_weights_of_ranks_are_the_resamples_themselves():
    """The product of matrices against sorting every resample, by the same draws."""
    values = DRAWN[:3, :7]
    _, low, high = over_seeds(values, 500)
    ranks = np.random.default_rng(0).integers(0, 7, (500, 7))
    for row, start, end in zip(values, low, high, strict=True):
        means = [stats.trim_mean(np.sort(row)[one], 0.25) for one in ranks]
        np.testing.assert_allclose([start, end], np.percentile(means, [2.5, 97.5]), rtol=1e-12)


def test_a_setting_that_diverged_on_a_seed_is_infinite():
    means, low, high = over_seeds(np.array([[1.0, np.inf, 2.0, 3.0], [1.0, 1.0, 1.0, 1.0]]))
    assert means.tolist() == [math.inf, 1.0]
    assert np.isnan(low[0])
    assert (low[1], high[1]) == (1.0, 1.0)


def test_one_seed_has_no_interval():
    means, low, high = over_seeds(np.array([[3.0], [4.0]]))
    assert means.tolist() == [3.0, 4.0]
    assert np.isnan([low, high]).all()
    assert stratified([np.array([3.0])]).interval is None
    assert improvement([(np.array([1.0]), np.array([2.0]))]).interval is None


def test_a_small_spread_beside_a_large_mean_is_kept():
    values = 1e6 + 1e-6 * DRAWN[:1]
    _, low, high = over_seeds(values)
    _, first, last = over_seeds(1e-6 * DRAWN[:1])
    assert (high - low)[0] == pytest.approx((last - first)[0], rel=1e-3)


def test_stratified_interval_resamples_within_problems():
    """Two problems far apart: of resamples over all seeds the interval would hold the gap between them."""
    near, far = np.array([1.0, 1.1, 1.2, 1.3]), np.array([100.0, 100.1, 100.2, 100.3])
    estimate = stratified([near, far])
    assert estimate.value == pytest.approx(stats.trim_mean(np.concatenate([near, far]), 0.25))
    generator = np.random.default_rng(3)
    means = [
        stats.trim_mean(np.concatenate([generator.choice(near, 4), generator.choice(far, 4)]), 0.25)
        for _ in range(9_999)
    ]
    assert estimate.interval == pytest.approx(np.percentile(means, [2.5, 97.5]), abs=0.01)


def test_stratified_with_a_problem_that_diverged():
    """One eighth that is infinite is trimmed, three quarters are not."""
    assert math.isfinite(stratified([np.arange(1.0, 8.0), np.array([np.inf])]).value)
    lost = stratified([np.array([1.0, 2.0]), np.full(6, np.inf)])
    assert lost.value == math.inf
    assert lost.interval == (math.inf, math.inf)


def test_probability_of_improvement_is_the_share_of_pairs_won():
    ours, theirs = np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.0, 2.0, 1.0, 9.0])
    estimate = improvement([(ours, theirs)])
    assert estimate.value == pytest.approx((1 + 0.5 + 0 + 1) / 4)
    # all 4^4 resamples, each as likely: the exact bootstrap distribution
    exact = [np.mean(one) for one in itertools.product([1, 0.5, 0, 1], repeat=4)]
    assert estimate.interval == pytest.approx(np.percentile(exact, [2.5, 97.5]), abs=1e-9)
    assert improvement([(theirs, ours)]).value == pytest.approx(1 - estimate.value)


def test_probability_of_improvement_is_the_mean_over_problems():
    """Not over seeds: a problem with many seeds counts no more than one with few."""
    won, lost = (np.zeros(2), np.ones(2)), (np.ones(8), np.zeros(8))
    assert improvement([won, lost]).value == 0.5


def test_two_that_diverged_are_equal():
    infinite = np.full(3, np.inf)
    assert improvement([(infinite, infinite)]).value == 0.5
    assert improvement([(np.ones(3), infinite)]).value == 1


def test_letters():
    assert letters([(1, 2), (1.5, 3), (2.5, 4), (5, 6), None]) == ["a", "ab", "b", "c", ""]
    assert letters([(1, 1), (1, 1)]) == ["a", "a"]
    assert letters([]) == []


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 10)), max_size=9))
def test_rows_share_a_letter_just_where_their_intervals_overlap(drawn):
    intervals = [(low, low + size) for low, size in drawn]
    told = letters(intervals)
    for first, second in itertools.combinations(range(len(intervals)), 2):
        overlap = max(intervals[first][0], intervals[second][0]) <= min(intervals[first][1], intervals[second][1])
        assert bool(set(told[first]) & set(told[second])) == overlap


def test_width_interpolates_in_the_logarithm():
    """A loss of 1 + |log10 rate| is within 10 % of 1 for a tenth of a decade to each side."""
    rates = np.array([0.01, 0.1, 1.0, 10.0, 100.0])
    found = width(rates, 1 + np.abs(np.log10(rates)))
    assert found is not None
    assert found.decades == pytest.approx(0.2)
    assert (found.low, found.high) == pytest.approx((10**-0.1, 10**0.1))
    assert not found.at_least


def test_width_beside_what_diverged_or_was_not_tried():
    found = width(np.array([0.1, 1.0, 10.0]), np.array([1.05, 1.0, np.inf]))
    assert found is not None
    assert (found.low, found.high) == pytest.approx((0.1, 1.0))
    assert found.at_least


def test_width_is_of_the_range_around_the_best():
    """A second good rate beyond a bad one is another range."""
    found = width(np.array([1.0, 10.0, 100.0, 1000.0]), np.array([2.0, 1.0, 2.0, 1.01]))
    assert found is not None
    assert found.decades == pytest.approx(0.2)


def test_no_width_without_a_share_of_the_best_loss():
    rates = np.array([0.1, 1.0])
    assert width(rates, np.array([np.inf, np.inf])) is None
    assert width(rates, np.array([-1.0, 2.0])) is None


@pytest.mark.parametrize("draws", [1, 2, 3])
def test_expected_best_is_the_mean_over_all_draws(draws):
    losses = np.array([3.0, 1.0, 4.0, 1.0, 5.0])
    every = [min(one) for one in itertools.product(losses, repeat=draws)]
    assert expected_best(losses, [draws])[0] == pytest.approx(np.mean(every))


def test_expected_best_of_many_draws_is_the_best():
    assert expected_best(np.array([2.0, 1.0, 7.0]), [1, 200]) == pytest.approx([10 / 3, 1.0])


def test_profile():
    """Three problems, two optimizers; the third problem is solved by the second alone."""
    over = ratios(np.array([[1.0, 2.0], [8.0, 4.0], [np.inf, 5.0]]))
    assert over.tolist() == [[1.0, 2.0], [2.0, 1.0], [math.inf, 1.0]]
    factors, share = profile(over[:, 0])
    assert factors.tolist() == [1.0, 2.0]
    assert share == pytest.approx([1 / 3, 2 / 3])
    assert profile(over[:, 1])[1] == pytest.approx([2 / 3, 1.0])


def test_ratios_where_nothing_is_left_or_nothing_came_through():
    over = ratios(np.array([[0.0, 0.0, 1.0], [np.inf, np.inf, np.inf]]))
    assert over.tolist() == [[1.0, 1.0, math.inf], [math.inf] * 3]


def test_a_curve_is_carried_on_from_its_last_value():
    steps, values = np.array([0.0, 10.0, 20.0]), np.array([3.0, 2.0, 1.0])
    assert carried(steps, values, np.array([0.0, 5.0, 10.0, 30.0])).tolist() == [3.0, 3.0, 2.0, 1.0]
    assert np.isnan(carried(steps[1:], values[1:], np.array([0.0])))[0]


def test_first_step_below():
    steps, values = np.array([0.0, 10.0, 20.0, 30.0]), np.array([3.0, 1.0, 2.0, 0.5])
    assert first_below(steps, values, 1.0) == 10
    assert first_below(steps, values, 0.1) == math.inf


@given(st.integers(1, 5_000), st.integers(4, 300))
def test_thinned_keeps_both_ends(number, most):
    kept = thinned(np.arange(float(number)), most)
    assert (kept[0], kept[-1]) == (0, number - 1)
    assert len(kept) <= max(most, 4)
    assert (np.diff(kept) > 0).all()
