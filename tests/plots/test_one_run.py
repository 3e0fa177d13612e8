"""Pictures of one run, against numpy and the figures of the noisy line."""

import math

import numpy as np
import pytest
import torch

from src.plots.chart import Contours
from src.plots.one_run import Histogram, Valley, above, fit, histograms, loss_surface, losses


def _noisy_line() -> Valley:
    """100 times evenly from 0 to 10, y = 2x + 1 + 2ε, seed 42; its figures are in the tests of `src.theory` too."""
    x = torch.linspace(0, 10, 100)[:, None]
    noise = torch.randn(100, 1, generator=torch.Generator().manual_seed(42))
    return Valley(x[:, 0].double().numpy(), (2 * x + 1 + 2 * noise)[:, 0].double().numpy())


def _way(weight: list[float], bias: list[float]) -> Contours:
    return loss_surface(_noisy_line(), list(range(len(weight))), weight, bias)


# --- losses ----------------------------------------------------------------------------------------------------------


def test_losses_beside_what_theory_foresaw() -> None:
    taken = {"train/loss": ([0, 1], [4.0, 2.0]), "val/loss": ([1], [3.0]), "lr": ([0], [0.1])}
    chart = losses(taken, {"predicted_loss": ([0, 1, 2], [4.0, 2.1, 1.9])}, exact=0.5)
    assert chart is not None
    assert [(line.name, line.role) for line in chart.lines] == [
        ("training", "series"),
        ("validation", "series"),
        ("predicted by theory", "reference"),
    ]
    assert [(level.name, level.at, level.axis) for level in chart.levels] == [("exact loss 0.5", 0.5, "y")]
    assert chart.y.log
    assert list(chart.lines[2].x) == [0, 1]  # the run was stopped there
    marked = losses(taken, {}, exact=0.0, best=1)
    assert marked is not None
    # there is no 0 on a logarithmic axis
    assert [(level.name, level.at, level.axis) for level in marked.levels] == [
        ("lowest validation loss, step 1", 1, "x")
    ]


def test_what_is_left_of_a_loss_beside_theory_which_has_no_rounding() -> None:
    left, path = np.array([8.0, 1e-7, 1e-7]), np.array([8.0, 1e-3, 1e-12, 1e-20])
    chart = above((np.array([0.0, 10, 20]), left), (np.array([0.0, 5, 10, 30]), path), 0.5)
    training, theory = chart.lines
    assert (list(training.y), list(theory.x), list(theory.y)) == ([8.0, 1e-7, 1e-7], [0, 5], [8.0, 1e-3])
    assert chart.y.log
    assert chart.caption == "The exact loss is 0.5. Flat at the bottom is rounding."


def test_a_line_that_runs_away_does_not_squeeze_the_data() -> None:
    """Data from 0 to 1: up to ten heights of the window of 1.1 from its middle the line is shown whole."""
    for end, limits in ((11.4, None), (11.6, pytest.approx((-0.05, 1.05)))):
        chart = fit(([0.0, 1.0], [0.0, 1.0]), ([0.0, 1.0], [0.0, end]), {}, ("x", "y"))
        assert chart.y.limits == limits
        assert ("from 0 to 11.6" in chart.caption) == (limits is not None)
        assert np.isnan(np.asarray(chart.lines[0].y)).tolist() == [False, limits is not None]


def test_losses_that_are_not_positive_have_a_linear_axis() -> None:
    chart = losses({"train/loss": ([0, 1], [0.0, -2.0])}, {}, None)
    assert chart is not None
    assert not chart.y.log
    assert not chart.y.switch
    assert losses({"lr": ([0], [0.1])}, {}, None) is None


def test_fit_has_the_data_and_the_lines() -> None:
    chart = fit(([0, 1], [1, 3]), ([0.0, 1.0], [0.5, 2.5]), {"true": ([0, 1], [1, 3])}, ("hours", "points"))
    assert (chart.x.label, chart.y.label) == ("hours", "points")
    fitted, true = chart.lines
    assert list(fitted.y) == [0.5, 2.5]
    assert np.asarray(true.y).tolist() == [1, 3]
    assert true.role == "reference"


# --- the way over the loss -------------------------------------------------------------------------------------------


def test_valley_is_that_of_the_noisy_line() -> None:
    valley = _noisy_line()
    assert np.linalg.eigvalsh(valley.hessian) == pytest.approx([0.496398, 68.50697], rel=1e-6)
    assert valley.lowest == pytest.approx([1.98821, 1.17848], abs=5e-6)
    assert float(valley.losses(*valley.lowest)) == pytest.approx(3.85161, abs=5e-6)


@pytest.mark.parametrize("summed", [False, True])
def test_heights_are_the_losses_themselves(summed: bool) -> None:
    mean = _noisy_line()
    valley = Valley(mean.x, mean.y, unit=100 if summed else 1)
    for weight, bias in [(0.0, 0.0), (2.0, 1.0), (-3.0, 40.0)]:
        squares = (weight * valley.x + bias - valley.y) ** 2
        height = float(valley.losses(np.array(weight), np.array(bias)))
        assert height == pytest.approx(squares.sum() if summed else squares.mean(), rel=1e-12)


def test_axes_of_the_valley_go_through_its_lowest_place_at_right_angles() -> None:
    picture = _way([0.0, 2.0], [0.0, 0.5])
    flat, steep = (np.stack([line.x, line.y], 1) for line in picture.axes)
    lowest = _noisy_line().lowest
    for line in (flat, steep):
        assert line.mean(0) == pytest.approx(lowest)
    directions = [line[1] - line[0] for line in (flat, steep)]
    assert directions[0] @ directions[1] == pytest.approx(0, abs=1e-9)
    valley = _noisy_line()
    rises = [float(valley.losses(*(lowest + one / np.linalg.norm(one)))) - 3.85161 for one in directions]
    assert rises == pytest.approx([0.496398 / 2, 68.50697 / 2], rel=1e-3)
    assert picture.axes[0].name == "flattest axis (λ = 0.4964)"


def test_window_holds_the_path_and_the_exact_answer() -> None:
    picture = _way([0.0, 2.1], [0.0, 0.5])
    for axis, held in ((picture.x, [0.0, 2.1, 1.98821]), (picture.y, [0.0, 0.5, 1.17848])):
        assert axis.limits is not None
        assert all(axis.limits[0] < one < axis.limits[1] for one in held)


def test_window_stays_near_where_a_path_runs_away() -> None:
    picture = _way([0.0, 1e3, -1e9, math.inf], [0.0, 1e3, 1e9, math.nan])
    assert picture.x.limits is not None
    assert picture.x.limits[1] - picture.x.limits[0] < 10
    assert np.isfinite(picture.heights).all()


def test_a_single_place_has_a_window() -> None:
    lowest = _noisy_line().lowest
    picture = _way([float(lowest[0])], [float(lowest[1])])
    assert picture.x.limits is not None
    assert picture.x.limits[0] < lowest[0] < picture.x.limits[1]


def test_data_at_one_place_have_a_valley_without_a_floor() -> None:
    """All x the same: of the many least squares the one of least norm, w = b/3 where x = 3 throughout."""
    valley = Valley(np.array([3.0, 3.0]), np.array([10.0, 10.0]))
    assert valley.lowest == pytest.approx([3.0, 1.0])
    assert np.isfinite(loss_surface(valley, [0], [0.0], [0.0]).heights).all()


# --- histograms ------------------------------------------------------------------------------------------------------


def test_histogram_on_bins_that_nest_is_that_of_numpy() -> None:
    values = np.random.default_rng(0).normal(size=1_000)
    fine = np.linspace(values.min(), values.max(), 601)
    heat = histograms("h", "H", "value", [Histogram(7, fine, np.histogram(values, fine)[0].astype(float))])
    assert heat.x == [7.0]
    assert heat.values.shape == (60, 1)
    assert heat.values.sum() == pytest.approx(1)
    middles = np.asarray(heat.y, dtype=float)
    width = middles[1] - middles[0]
    edges = np.append(middles - width / 2, middles[-1] + width / 2)
    # a bin of the picture is not a whole number of fine ones: its ends may hold a share of one each
    assert heat.values[:, 0] == pytest.approx(np.histogram(values, edges)[0] / 1_000, abs=0.008)


def test_histogram_of_one_value_and_of_several_ranges() -> None:
    same = Histogram(0, np.array([0.0, 0.0, 0.0]), np.array([0.0, 5.0]))
    wide = Histogram(5, np.array([-1.0, 3.0]), np.array([8.0]))
    for taken in ([same], [same, wide]):
        heat = histograms("h", "H", "value", taken)
        assert heat.values.sum(0) == pytest.approx(np.ones(len(taken)))
    (spread,) = histograms("h", "H", "value", [wide]).values.T
    assert spread[5:-5] == pytest.approx(np.full(50, spread[30]))
