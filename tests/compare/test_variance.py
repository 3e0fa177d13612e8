"""Variance components beside numbers from elsewhere: dummies and least squares, and designs whose truth is known."""

import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from src.compare.rows import Row
from src.compare.selection import contenders
from src.compare.variance import components, parts, widening


def drawn(draw: np.random.Generator, shape: tuple[int, ...], deviations: dict[tuple[int, ...], float]) -> NDArray:
    """A design of random effects: to every combination of the levels of some axes a normal draw."""
    values = np.zeros(shape)
    for axes, deviation in deviations.items():
        own = [size if axis in axes else 1 for axis, size in enumerate(shape)]
        values = values + deviation * draw.standard_normal(own)
    return values


def test_on_average_components_are_those_that_made_the_design() -> None:
    """400 designs of 4 by 3 by 5: the mean of estimates without bias, within four of its standard errors."""
    deviations = {(0,): 1.0, (1,): 0.5, (0, 1): 0.7, (1, 2): 0.3, (0, 1, 2): 0.4}  # none of axis 2 alone
    draw = np.random.default_rng(0)
    found = [components(drawn(draw, (4, 3, 5), deviations)) for _ in range(400)]
    for axes in found[0]:
        estimates = np.array([one[axes] for one in found])
        error = estimates.std(ddof=1) / np.sqrt(len(estimates))
        assert estimates.mean() == pytest.approx(deviations.get(axes, 0.0) ** 2, abs=4 * error)


def test_mean_squares_are_those_of_least_squares() -> None:
    """Two axes: sums of squares as the fall in residuals of regressions on dummies, and F as in the textbook."""
    values = np.random.default_rng(1).normal(size=(5, 4))
    rows, columns = (index.ravel() for index in np.indices(values.shape))
    y, ones = values.ravel(), np.ones((values.size, 1))

    def residual(*factors: NDArray) -> float:
        dummies = [(factor[:, None] == np.unique(factor)).astype(float) for factor in factors]
        design = np.hstack([ones, *dummies])
        return float(np.square(y - design @ np.linalg.lstsq(design, y, rcond=None)[0]).sum())

    total, both = residual(), residual(rows, columns)
    of_rows, rest = (total - residual(rows)) / 4, both / 12
    found = components(values)
    assert found[(0, 1)] == pytest.approx(rest, rel=1e-9)
    assert found[(0,)] == pytest.approx((of_rows - rest) / 4, rel=1e-9)
    # of one axis alone scipy has the mean squares' ratio: replications are the second one and the interaction
    one_way = stats.f_oneway(*values)[0]
    within = (total - 4 * of_rows) / 15
    assert of_rows / within == pytest.approx(one_way, rel=1e-9)


# --- of a sweep ------------------------------------------------------------------------------------------------------


def sweep(lost: bool = False) -> list[Row]:
    """Losses exp(data + setting) of 3 seeds of data, 2 starts, which the order follows, and 3 rates."""
    rows = []
    for job, (rate, data, start) in enumerate(itertools.product((1, 2, 3), range(3), range(2))):
        words = {"optimizer": "sgd", "optimizer.lr": f"{rate}", "data.seed": f"{data}", "model.seed": f"{start}"}
        words["data.shuffle_seed"] = f"{start}"
        status = "diverged" if lost and rate == 3 and data == 0 else "completed"
        rows.append(Row(job, words, status, 10, {"val/loss": float(np.exp(0.1 * data + rate))}, None, str(job)))
    return rows


def test_sources_of_a_sweep() -> None:
    """Of 0, 0.1 and 0.2 the variance is 0.01, of 1, 2 and 3 it is 1, of two settings 1/2; start and order none."""
    for lost, settings, variance in ((False, 3, 1.0), (True, 2, 0.5)):
        (one,) = contenders(sweep(lost))
        setting, data, start, rest = parts(one)
        assert (setting.keys, setting.values, setting.variance) == (("setting",), settings, pytest.approx(variance))
        assert (data.keys, data.values, data.variance) == (("data.seed",), 3, pytest.approx(0.01))
        assert (start.keys, start.values) == (("model.seed", "data.shuffle_seed"), 2)
        assert (rest.keys, rest.values) == ((), 6)
        assert [start.variance, rest.variance] == pytest.approx([0, 0], abs=1e-12)
        # the mean of three has a variance of 0.01/3; of six values 0, 0, 0.1, 0.1, 0.2, 0.2 that passes for 0.008/6
        assert widening(one) == pytest.approx(np.sqrt(2.5))


def test_seeds_that_are_not_crossed_tell_nothing() -> None:
    (one,) = contenders(sweep()[:-1])  # the best setting is whole
    assert parts(one)[0].keys == ("setting",)
    (one,) = contenders([row for row in sweep() if row.words["data.seed"] == "0"])
    assert parts(one) == []
    (one,) = contenders([row for row in sweep() if row.words["data.seed"] + row.words["model.seed"] != "11"])
    assert parts(one) == []
    words = [{"optimizer": "sgd", "seed": str(job), "data.seed": str(job)} for job in range(4)]
    together = [Row(job, of_one, "completed", 1, {"val/loss": 1.0 + job}) for job, of_one in enumerate(words)]
    (one,) = contenders(together)
    assert parts(one) == []
    assert widening(one) == 1


def test_fresh_seeds_are_not_crossed() -> None:
    """They advance together, so the interval of a confirmed loss holds as it is."""
    seeds = [(data, model, None) for data in range(3) for model in range(3)] + [(at, at, 0) for at in range(3, 11)]
    rows = [
        Row(job, {"data.seed": f"{d}", "model.seed": f"{m}"}, "completed", 1, {"val/loss": math.exp(d) + m / 100}, of)
        for job, (d, m, of) in enumerate(seeds)
    ]
    (alone,), (confirmed,) = contenders(rows[:9]), contenders(rows)
    assert widening(alone) == pytest.approx(2.0, rel=1e-3)
    assert widening(confirmed) == 1.0
