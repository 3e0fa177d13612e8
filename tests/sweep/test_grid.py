"""The jobs of a sweep, against the product, numpy's spacings and what is typed."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.config.compose import composing
from src.errors import LabError
from src.sweep.grid import Grid, Interval, axes_of, jobs_of


def jobs(*words: str, **grid: object) -> list[tuple[str, ...]]:
    return jobs_of(axes_of(words)[1], Grid(**grid))  # type: ignore[arg-type]


def test_a_grid_is_hydra_s_own_product() -> None:
    """The last key varies fastest, as in Hydra's basic sweeper; what has one value is shared."""
    words = ["optimizer=sgd,adam", "seed=range(0,3)", "experiment=line", "+optimizer.rho=choice(0.5,0.9)"]
    shared, axes = axes_of(words)
    assert shared == ["experiment=line"]
    product = itertools.product(("sgd", "adam"), range(3), (0.5, 0.9))
    assert jobs_of(axes, Grid()) == [(f"optimizer={o}", f"seed={s}", f"+optimizer.rho={r}") for o, s, r in product]


def test_a_glob_is_the_options_of_its_group() -> None:
    with composing() as hydra:
        _, (axis,) = axes_of(["optimizer=glob(adam*)"], hydra.config_loader)
    assert axis.values == ("adam", "adamax", "adamw")


def test_without_several_values_there_is_one_job() -> None:
    assert jobs("seed=3") == [()]


def test_of_two_words_for_a_key_the_later_counts() -> None:
    assert axes_of(["seed=1,2", "seed=3"]) == (["seed=3"], [])
    assert jobs("seed=3", "seed=1,2") == [("seed=1",), ("seed=2",)]


def numbers(found: list[tuple[str, ...]], place: int = 0) -> list[float]:
    return [float(job[place].partition("=")[2]) for job in found]


@given(
    st.floats(1e-6, 1e3), st.floats(1.01, 1e6), st.integers(2, 40), st.booleans()
)  # fmt: skip
def test_an_interval_is_spaced_as_numpy_spaces_it(low: float, factor: float, points: int, log: bool) -> None:
    high = low * factor
    word = f"lr=tag(log,interval({low!r},{high!r}))" if log else f"lr=interval({low!r},{high!r})"
    known = np.geomspace(low, high, points) if log else np.linspace(low, high, points)
    np.testing.assert_allclose(numbers(jobs(word, points=points)), known, rtol=1e-10)


def test_whole_numbers_come_once() -> None:
    assert jobs("hidden=tag(int,interval(1,4))", points=10) == [(f"hidden={n}",) for n in (1, 2, 3, 4)]
    assert jobs("hidden=tag(int,log,interval(1,16))", points=5) == [(f"hidden={n}",) for n in (1, 2, 4, 8, 16)]


@given(st.floats(-50, 50), st.floats(0.01, 100), st.integers(1, 12))
def test_whole_numbers_lie_inside_their_interval(low: float, width: float, points: int) -> None:
    """`interval(0.5,3)` rounds to 0 at its lower end, which is outside."""
    word = f"hidden=tag(int,interval({low!r},{low + width!r}))"
    if math.ceil(low) > math.floor(low + width):
        with pytest.raises(LabError, match="there is no whole number in this interval"):
            jobs(word)
        return
    for found in (jobs(word, points=points), jobs(word, draws=points)):
        assert all(low <= number <= low + width and number.is_integer() for number in numbers(found))
    assert jobs("hidden=tag(int,interval(0.5,3))", points=3) == [(f"hidden={n}",) for n in (1, 2, 3)]


def test_draws_are_seeded_and_shared_by_what_they_are_crossed_with() -> None:
    words = ["optimizer=sgd,adam", "lr=tag(log,interval(1e-4,1))", "noise=interval(0,1)", "seed=0,1"]
    drawn = jobs(*words, draws=200)
    assert len(drawn) == 2 * 200 * 2
    assert drawn == jobs(*words, draws=200)
    assert drawn != jobs(*words, draws=200, seed=1)
    settings = {optimizer: [job[1:3] for job in drawn if job[0] == optimizer] for optimizer in dict(drawn_by(drawn))}
    assert settings["optimizer=sgd"] == settings["optimizer=adam"]
    # evenly in the logarithm, and independent of each other
    rates, noises = np.log10(numbers(drawn, 1)[:400:2]), np.array(numbers(drawn, 2)[:400:2])
    assert np.quantile(rates, [0.25, 0.5, 0.75]) == pytest.approx([-3, -2, -1], abs=0.3)
    assert abs(np.corrcoef(rates, noises)[0, 1]) < 0.2
    # more draws keep those before
    assert jobs("lr=interval(0,1)", draws=5) == jobs("lr=interval(0,1)", draws=9)[:5]


def drawn_by(found: list[tuple[str, ...]]) -> list[tuple[str, str]]:
    return [(job[0], job[1]) for job in found]


def test_a_choice_has_a_range_of_its_own() -> None:
    search = {
        "optimizer=sgd": {"optimizer.lr": "tag(log,interval(1e-3,1))"},
        "optimizer=adam": {"optimizer.lr": "0.1,0.2", "optimizer.eps": 1e-6},
    }
    found = jobs("optimizer=sgd,adam,adagrad", "seed=0,1", points=2, search=search)
    assert found[:2] == [("optimizer=sgd", "seed=0", f"optimizer.lr={lr}") for lr in (0.001, 1.0)]
    assert found[4] == ("optimizer=adam", "seed=0", "optimizer.eps=1e-06", "optimizer.lr=0.1")
    assert found[-2:] == [("optimizer=adagrad", "seed=0"), ("optimizer=adagrad", "seed=1")]
    assert len(found) == 2 * 2 + 2 * 2 + 2
    # what is typed wins
    assert jobs("optimizer=sgd", "optimizer=sgd,adam", "optimizer.lr=0.5,0.6", search=search)[0] == (
        "optimizer=sgd", "optimizer.lr=0.5",
    )  # fmt: skip


def test_keys_that_go_together() -> None:
    found = jobs("rows=10,100", "seed=0,1", "batch=1,8", together=[["rows", "batch"]])
    assert found == [(f"rows={r}", f"seed={s}", f"batch={b}") for r, b in ((10, 1), (100, 8)) for s in (0, 1)]
    assert len(jobs("rows=10,100", "+more=1,8", together=[["rows", "more"]])) == 2
    with pytest.raises(LabError, match="equally many values: rows has 2, batch has 3"):
        jobs("rows=10,100", "batch=1,8,9", together=[["rows", "batch"]])


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("lr=interval(1,0)", "the interval's first end must be below its second"),
        ("lr=tag(log,interval(0,1))", "an interval that is spaced by its logarithm begins above 0"),
        ("lr=tag(logarithmic,interval(1,2))", "there is no tag logarithmic"),
        ("lr=logspace(1,2)", "logspace"),
    ],
)
def test_what_no_grid_can_be_made_of(word: str, sentence: str) -> None:
    with pytest.raises(LabError, match="lr=") as error:
        jobs(word)
    assert sentence in str(error.value)


@pytest.mark.parametrize("grid", [{"points": 0}, {"draws": 0}, {"draws": 2.5}])
def test_counts_are_whole_numbers_above_0(grid: dict[str, object]) -> None:
    with pytest.raises(LabError, match="must be a whole number above 0"):
        Grid(**grid)  # type: ignore[arg-type]


def test_an_interval_never_leaves_its_ends() -> None:
    interval = Interval(0.1, 0.3, log=True)
    assert [interval.at(0.0), interval.at(1.0)] == ["0.1", "0.3"]
