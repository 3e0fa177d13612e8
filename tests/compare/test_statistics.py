"""Statistics against scipy, the published definitions written out, and closed forms."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from src.compare.statistics import (
    above,
    carried,
    over_seeds,
    profile,
    ranks_of_best,
    ratios,
    settled,
    stratified,
    thinned,
    width,
)

DRAWN = np.random.default_rng(7).lognormal(size=(40, 10))


def interval(values: np.ndarray) -> tuple[float, float]:
    """That of one setting."""
    _, (low,), (high,) = over_seeds([values])
    return low, high


@given(st.lists(st.floats(1e-9, 1e6), min_size=1, max_size=40))
def test_the_mean_is_scipy_s_geometric_one(values: list[float]) -> None:
    assert over_seeds([np.array(values)])[0][0] == pytest.approx(stats.gmean(values), rel=1e-9)


def test_of_what_is_not_above_0_it_is_the_mean() -> None:
    assert over_seeds([np.array([0.0, 3.0]), np.array([-2.0, 3.0])])[0].tolist() == [1.5, 0.5]


@pytest.mark.parametrize(
    ("losses", "floor"),
    [
        ([1.5, 1.25], 2.0**-23),  # numbers of single precision
        ([2.7 * (1 - 1e-8), 3.1], 2.0**-23),  # such in a table's units: doubles would not lie so far below
        ([1.0 + 1e-12, 1.1], 2.0**-52),
    ],
)
def test_what_is_above_is_no_finer_than_digits(losses: list[float], floor: float) -> None:
    exact = min(losses) if losses[0] < 2 else 2.7
    found = above(np.array(losses), exact)
    assert found.tolist() == [max(loss - exact, floor * exact) for loss in losses]
    assert found.min() == floor * exact


@pytest.mark.parametrize("seeds", [3, 5, 8, 20])
def test_the_interval_is_scipy_s_of_the_mean_logarithm(seeds: int) -> None:
    values = np.random.default_rng(seeds).lognormal(size=seeds)
    logs = np.log(values)
    ends = stats.t.interval(0.95, seeds - 1, logs.mean(), stats.sem(logs))
    assert interval(values) == pytest.approx(np.exp(ends), rel=1e-10)
    below = values - 5  # some of them are not above 0
    assert interval(below) == pytest.approx(stats.t.interval(0.95, seeds - 1, below.mean(), stats.sem(below)), rel=1e-9)


@given(st.permutations(range(10)))
@settings(max_examples=20, deadline=None)
def test_the_order_of_seeds_changes_nothing(order: list[int]) -> None:
    assert interval(DRAWN[0][order]) == interval(DRAWN[0])


@pytest.mark.parametrize("seeds", [3, 5, 8, 20])
def test_what_the_interval_covers(seeds: int) -> None:
    """Log-normal losses, whose median is 1: 600 intervals, of which 95 % hold it, give or take three deviations."""
    _, low, high = over_seeds(np.random.default_rng(1).lognormal(0, 1, (600, seeds)))
    assert ((low <= 1) & (high >= 1)).mean() == pytest.approx(0.95, abs=3 * math.sqrt(0.95 * 0.05 / 600))


def test_settings_of_different_seeds() -> None:
    """Each as if it were alone."""
    several = [DRAWN[0], DRAWN[1][:4], DRAWN[2][:1], DRAWN[3]]
    found, alone = over_seeds(several), [over_seeds([one]) for one in several]
    np.testing.assert_allclose(np.stack(found, 1), np.concatenate([np.stack(one, 1) for one in alone]), rtol=1e-14)


def test_a_setting_that_diverged_on_a_seed_is_infinite():
    means, low, high = over_seeds(np.array([[1.0, np.inf, 2.0, 3.0], [1.0, 1.0, 1.0, 1.0]]))
    assert means.tolist() == [math.inf, 1.0]
    assert np.isnan(low[0])
    assert (low[1], high[1]) == (1.0, 1.0)


@pytest.mark.parametrize("seeds", [1, 2])
def test_few_seeds_have_no_interval(seeds):
    means, low, high = over_seeds(np.array([[3.0, 5.0][:seeds], [4.0, 4.0][:seeds]]))
    assert means.tolist() == pytest.approx([[3.0, math.sqrt(15)][seeds - 1], 4.0])
    assert np.isnan([low, high]).all()
    assert stratified([np.full(seeds, 4.0)]).interval is None


def test_a_small_spread_beside_a_large_mean_is_kept():
    values = 1e6 + 1e-6 * DRAWN[:1]
    _, low, high = over_seeds(values)
    first, last = stats.t.interval(0.95, 9, 0, 1e-6 * stats.sem(DRAWN[0]))
    assert (high - low)[0] == pytest.approx(last - first, rel=1e-3)


def test_stratified_is_the_geometric_mean_with_welch_s_interval():
    """Of two problems the difference of the logarithms has the same error as their sum, and that scipy knows."""
    first, second = DRAWN[0], DRAWN[1][:6] ** 2
    logs = np.log(first), np.log(second)
    estimate = stratified([first, second])
    assert estimate.value == pytest.approx(math.exp((logs[0].mean() + logs[1].mean()) / 2))
    assert estimate.interval is not None
    half = math.log(estimate.interval[1] / estimate.interval[0]) / 2
    welch = stats.ttest_ind(*logs, equal_var=False).confidence_interval(0.95)
    assert half == pytest.approx((welch.high - welch.low) / 4)
    assert math.log(estimate.value) == pytest.approx(math.log(estimate.interval[0]) + half)


def test_stratified_with_a_problem_that_diverged():
    assert stratified([np.arange(1.0, 8.0), np.array([1.0, np.inf, 2.0])]).value == math.inf


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


@pytest.mark.parametrize("draws", [1, 2, 3, 5])
def test_expected_best_is_the_mean_over_all_draws(draws):
    losses = np.array([3.0, 1.0, 4.0, 1.0, 5.0])
    every = [min(one) for one in itertools.combinations(losses, draws)]
    assert ranks_of_best(5, [draws]) @ np.sort(losses) == pytest.approx(np.mean(every))


def test_the_best_of_more_draws_than_there_are_is_the_best():
    assert ranks_of_best(3, [1, 200]) == pytest.approx(np.array([[1, 1, 1], [3, 0, 0]]) / 3)


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


def test_the_step_from_which_a_loss_stays_below():
    steps, values = np.array([0.0, 10.0, 20.0, 30.0]), np.array([3.0, 1.0, 2.0, 0.5])
    assert settled(steps, values, 1.0) == 30
    assert settled(steps, values, 2.0) == 10
    assert settled(steps, values, 5.0) == 0
    assert settled(steps, values, 0.1) == math.inf
    assert settled(steps, np.array([3.0, 1.0, 1.0, np.nan]), 1.0) == math.inf
    assert settled(steps[:0], values[:0], 1.0) == math.inf


@given(st.integers(1, 5_000), st.integers(4, 300))
def test_thinned_keeps_both_ends(number, most):
    kept = thinned(np.arange(float(number)), most)
    assert (kept[0], kept[-1]) == (0, number - 1)
    assert len(kept) <= max(most, 4)
    assert (np.diff(kept) > 0).all()
