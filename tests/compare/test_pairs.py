"""The one paired test, against scipy, by hand, and on optimizers that are known to be the same or to differ."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from src.compare.pairs import FEWEST_APART, Pair, corrected, differences, letters, ordered
from tests.compare.simulated import LOSSES, told_apart

MARGIN = math.log1p(0.01)
NORMAL = np.random.default_rng(3).normal(-0.3, 0.5, 12)


def pair(*found: float, first: str = "a", second: str = "b", drawn: bool = True) -> Pair:
    return Pair(first, second, found, MARGIN, drawn)


# --- differences -----------------------------------------------------------------------------------------------------


def between(first: float, second: float, exact: float = math.nan, floor: float = 1e-16) -> float:
    (found,) = differences(np.array([first]), np.array([second]), np.array([exact]), floor)
    return float(found)


@pytest.mark.parametrize(
    ("first", "second", "exact", "known"),
    [
        (2.0, 1.0, math.nan, math.log(2)),
        (1.2, 1.1, 1.0, math.log(0.3 / 0.2)),  # 0.2 and 0.1 above the exact loss, and a tenth of it
        (1.0 + 1e-9, 1.0 + 5e-6, 1.0, -5e-5),  # both are at the exact answer: 5000 times as far is practically equal
        (1e-3, 1e-6, 0.0, math.log(1e3)),
        (1e-20, 1e-30, 0.0, 0.0),  # below rounding
        (0.0, 0.0, 0.0, 0.0),
        (-1.0, -2.0, math.nan, 0.5),  # of losses below 0, over the larger
        (-2.0, -2.0, -2.0, 0.0),
        (-1.0, -1.8, -2.0, math.log(1.2 / 0.4)),
        (math.inf, 1.0, math.nan, math.inf),
        (1.0, math.inf, math.nan, -math.inf),
        (math.inf, math.inf, math.nan, 0.0),
    ],
)
def test_the_difference_on_a_seed(first: float, second: float, exact: float, known: float) -> None:
    assert between(first, second, exact) == pytest.approx(known, rel=1e-3, abs=1e-12)
    assert between(second, first, exact) == pytest.approx(-known, rel=1e-3, abs=1e-12)


# --- the test --------------------------------------------------------------------------------------------------------


def test_it_is_scipy_s_paired_t_test() -> None:
    one = pair(*NORMAL)
    ours = stats.ttest_1samp(NORMAL, 0)
    assert np.abs(NORMAL).max() < 3 * np.median(np.abs(NORMAL))  # so none is cut
    assert one.t == pytest.approx(-ours.statistic)
    assert one.p == pytest.approx(ours.pvalue)
    assert one.probability == pytest.approx(stats.norm.cdf(-NORMAL.mean() / NORMAL.std(ddof=1)))
    ends = ours.confidence_interval(0.95)
    assert one.ratio == pytest.approx(math.exp(-NORMAL.mean()))
    assert one.ratio_interval == pytest.approx((math.exp(-ends.high), math.exp(-ends.low)))


@given(st.lists(st.floats(-3, 3), min_size=FEWEST_APART, max_size=20))
@settings(max_examples=30, deadline=None)
def test_a_bound_above_one_half_is_a_test_that_rejects(found: list[float]) -> None:
    one = pair(*found)
    assert one.bounds is not None
    assert one.p is not None
    assert (one.bounds[0] > 0.5) == (one.t > 0 and one.p < 0.05) or one.p == pytest.approx(0.05)


@given(st.lists(st.floats(-3, 3), min_size=FEWEST_APART, max_size=20))
@example([-0.2, -0.21, -0.19, -0.2, -0.22, -0.18, -0.2, -3.0])  # one seed that went wrong
@settings(max_examples=30, deadline=None)
def test_of_two_that_are_told_apart_the_interval_does_not_hold_one(found: list[float]) -> None:
    one = ordered("a", "b", np.array(found), MARGIN, True)
    assert one.relation != "better" or (one.ratio_interval is not None and one.ratio_interval[0] > 1)


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=12))
@settings(max_examples=30, deadline=None)
def test_who_comes_first_in_the_comparison_changes_nothing(found: list[float]) -> None:
    values = np.array(found)
    one, other = ordered("a", "b", values, MARGIN, True), ordered("b", "a", -values, MARGIN, True)
    assert one.relation == other.relation
    if one.t:
        assert one == other


def test_a_seed_that_came_to_nothing_does_not_hide_the_others() -> None:
    """The second is a little worse on 19 seeds, and came to nothing on one."""
    one = pair(*[-0.2 - 0.01 * (i % 3) for i in range(19)], -math.inf)
    assert one.relation == "better"
    assert (one.won, one.lost, one.ratio, one.ratio_interval) == (20, 0, math.inf, None)
    equal = pair(*[0.0] * 19, -math.inf)
    assert equal.relation == "unknown"  # lost on one of 20 is not practically equal


@pytest.mark.parametrize(
    ("found", "relation"),
    [
        ([-0.3, -0.31, -0.29, -0.3, -0.32], "better"),
        ([-0.3, -0.31, -0.29, -0.3], "unknown"),  # too few seeds
        ([-0.3, 0.5, -0.29, 0.1, -0.32], "unknown"),
        ([-0.004, -0.0041, -0.0039, -0.004, -0.0042], "equal"),  # beyond chance, but nobody would notice
        ([-0.004, -0.0041, -0.0039], "equal"),
        ([-0.02, -0.0001, -0.03, 0.01, -0.012], "unknown"),
        ([0.0] * 5, "equal"),
        ([0.0, 0.0], "unknown"),  # two seeds have no interval
    ],
)
def test_what_two_are(found: list[float], relation: str) -> None:
    assert pair(*found).relation == relation


def test_where_nothing_is_drawn_one_run_is_enough() -> None:
    assert pair(-0.5, drawn=False).relation == "better"
    assert pair(-0.005, drawn=False).relation == "equal"


def test_seeds_that_would_tell() -> None:
    """A difference of half a deviation, at a level of 0.05 and a power of 0.8: 34 pairs, as every table says."""
    found = np.array([-1.0, 1.0] * 4) * math.sqrt(7 / 8)
    shifted = pair(*(found - 0.5))
    assert shifted.cut.std(ddof=1) == pytest.approx(1)
    assert shifted.needed == pytest.approx(34, abs=1)
    assert pair(*found).needed is None  # no difference, but far too wide a spread to show that there is none
    # until (1.96 + 0.84) * 0.02 / sqrt(n) is within the margin
    assert pair(*(found * 0.02)).needed == pytest.approx((2.8 * 0.02 / MARGIN) ** 2, abs=3)
    assert pair(-1.0, -2.0).needed is None


def test_one_seed_far_off_says_how_many_it_takes_to_be_equal_as_it_decides_whether_they_are() -> None:
    """The interval that has to lie within the margin holds the far one whole: (1.96 + 0.84) sd / (margin - mean)."""
    one = pair(0.0001, 0.002, -0.0007, -0.0028, -0.03)
    found = np.array(one.differences)
    assert one.relation == "unknown"
    seeds = (2.8 * found.std(ddof=1) / (MARGIN - abs(found.mean()))) ** 2
    assert one.needed == pytest.approx(seeds, abs=3)


def test_a_pair_seen_from_the_other_one() -> None:
    one = replace(pair(-0.3, -0.31, 0.02, -0.3, -0.32), level=0.01)
    other = one.seen_from(one.second)
    assert (other.first, other.second) == (one.second, one.first)
    assert (other.won, other.lost) == (one.lost, one.won)
    assert other.ratio == pytest.approx(1 / one.ratio)
    assert other.probability == pytest.approx(1 - one.probability)
    assert other.needed == one.needed
    assert one.seen_from(one.first) is one


def test_holm() -> None:
    """Four p-values, against the sequence written out: 0.05/4, 0.05/3, 0.05/2, and where one fails the rest do."""
    shifts = (-2.0, -0.55, -0.5, 0.05)
    pairs = [pair(*(NORMAL + 0.3 + shift), second=str(shift)) for shift in shifts]
    found = corrected(pairs[::-1])[::-1]
    by_p = sorted((one.p, index) for index, one in enumerate(found) if one.p is not None)
    rejected = list(itertools.takewhile(lambda each: each[1][0] <= 0.05 / (4 - each[0]), enumerate(by_p)))
    names = {index for _, (_, index) in rejected}
    assert {i for i, one in enumerate(found) if one.bounds is not None and one.bounds[0] > 0.5} == names
    assert 0 < len(names) < 4
    assert found[by_p[0][1]].level == 0.05 / 4


# --- letters ---------------------------------------------------------------------------------------------------------


def lettered(apart: set[tuple[str, str]], labels: str) -> dict[str, str]:
    pairs = [
        pair(*([-1.0, -1.1, -1.2, -1.0, -1.1] if two in apart else [0.0] * 5), first=two[0], second=two[1])
        for two in itertools.combinations(labels, 2)
    ]
    return letters(list(labels), pairs)


def test_letters() -> None:
    assert lettered({("a", "c")}, "abc") == {"a": "a", "b": "ab", "c": "b"}
    assert lettered(set(), "ab") == {"a": "a", "b": "a"}
    assert lettered({("a", "b")}, "ab") == {"a": "a", "b": "b"}
    assert letters(["a"], []) == {"a": ""}


@given(st.sets(st.sampled_from(list(itertools.combinations("abcdef", 2)))))
@settings(max_examples=30, deadline=None)
def test_rows_share_a_letter_just_where_they_are_not_told_apart(apart: set[tuple[str, str]]) -> None:
    told = lettered(apart, "abcdef")
    for first, second in itertools.combinations("abcdef", 2):
        assert bool(set(told[first]) & set(told[second])) == ((first, second) not in apart)


# --- simulated: the whole table is tests/bench/intervals.py --------------------------------------------------------


@pytest.mark.parametrize("seeds", [3, 5, 8, 20])
@pytest.mark.parametrize("kind", LOSSES)
def test_identical_optimizers_are_told_apart_on_few_pages(kind: str, seeds: int) -> None:
    """Of 40 pages of 5 optimizers at most 5 %, and three deviations of that: 6."""
    random = np.random.default_rng(seeds)
    assert sum(bool(told_apart(LOSSES[kind](random, (5, seeds)))) for _ in range(40)) <= 6


def test_known_differences_are_found() -> None:
    """Four that are the same, and one whose losses are half of theirs: of 8 seeds that differ by 20 %."""
    random, found = np.random.default_rng(0), []
    for _ in range(20):
        losses = random.lognormal(0, 0.2, (5, 8))
        losses[0] /= 2
        found.append(told_apart(losses))
    best = [sum(("0", str(other)) in page for other in range(1, 5)) for page in found]
    assert np.mean(best) > 3
    assert sum(any("0" not in two for two in page) for page in found) <= 3
