"""Student's distribution against scipy's."""

import pytest
from scipy import stats

from src.compare.student import above_zero, below, normal_cdf, p_value, quantile

FREEDOM = (2, 4, 7, 19, 3.7, 200)


@pytest.mark.parametrize("freedom", FREEDOM)
def test_probabilities_and_quantiles(freedom: float) -> None:
    for t in (-12.0, -1.3, 0.0, 2.5):
        assert below(t, freedom) == pytest.approx(stats.t.cdf(t, freedom), rel=1e-7, abs=1e-14)
    for probability in (0.8, 0.975, 0.9995):
        assert quantile(probability, freedom) == pytest.approx(stats.t.ppf(probability, freedom), rel=1e-9)
    assert p_value(-3.0, freedom) == p_value(3.0, freedom) == pytest.approx(2 * stats.t.sf(3.0, freedom), rel=1e-9)


@pytest.mark.parametrize("freedom", FREEDOM)
@pytest.mark.parametrize(("t", "shift"), [(1.0, 2.0), (-3.0, 1.0), (10.0, 8.0)])
def test_the_noncentral_one(freedom: float, t: float, shift: float) -> None:
    assert below(t, freedom, shift) == pytest.approx(stats.nct.cdf(t, freedom, shift), abs=1e-9)


@pytest.mark.parametrize("seeds", [5, 8, 20])
def test_the_lower_bound_is_one_half_just_where_the_test_rejects(seeds: int) -> None:
    critical = float(stats.t.ppf(0.975, seeds - 1))
    assert above_zero(critical, seeds, 0.05)[0] == pytest.approx(0.5, abs=1e-9)
    low, high = above_zero(2.0, seeds, 0.05)
    assert stats.nct.sf(2.0, seeds - 1, stats.norm.ppf(low) * seeds**0.5) == pytest.approx(0.025, abs=1e-9)
    assert stats.nct.cdf(2.0, seeds - 1, stats.norm.ppf(high) * seeds**0.5) == pytest.approx(0.025, abs=1e-9)


def test_far_out() -> None:
    assert above_zero(float("inf"), 5, 0.05) == (1.0, 1.0)
    assert normal_cdf(1.96) == pytest.approx(stats.norm.cdf(1.96))
