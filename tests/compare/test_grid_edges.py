"""Edges of a grid, against ranges worked out by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.compare.grid_edges import Edge, edges
from src.sweep.grid import Interval, axes_of


def edge(key: str, best: str, *tried: str) -> Edge | None:
    found = edges({key: best}, [{key: one} for one in tried], [key])
    return found[0] if found else None


def search(key: str, best: str, *tried: str) -> str | None:
    found = edge(key, best, *tried)
    return found.search if found else None


RATES = ("0.001", "0.01", "0.1")


@pytest.mark.parametrize(
    ("key", "best", "tried", "known"),
    [
        # as wide as before, around the edge
        ("optimizer.lr", "0.1", RATES, "tag(log,interval(0.01,1))"),
        ("optimizer.lr", "0.001", RATES, "tag(log,interval(0.0001,0.01))"),
        ("optimizer.lr", "1e-3", ("1e-3", "2e-3"), "tag(log,interval(0.000707,0.00141))"),
        ("optimizer.lr", "0.5", ("0.1", "0.2", "0.3", "0.4", "0.5"), "interval(0.3,0.7)"),
        ("scheduler.eta_min", "0.3", ("0.1", "0.2", "0.3"), "interval(0.2,0.4)"),
        # 0 is no learning rate, so there is always less
        ("optimizer.lr", "0.1", ("0.1", "0.2", "0.3", "0.4"), "interval(0.01,0.25)"),
        # what stays below 1
        ("optimizer.momentum", "0.9", ("0.5", "0.7", "0.9"), "interval(0.7,0.99)"),
        ("optimizer.beta2", "0.999", ("0.997", "0.998", "0.999"), "interval(0.998,0.9999)"),
        ("scheduler.gamma", "0.9", ("0.5", "0.7", "0.9"), "interval(0.7,1)"),
        # what may be 0
        ("optimizer.momentum", "0.2", ("0.2", "0.5", "0.8"), "interval(0,0.5)"),
        # whole numbers
        ("data.batch_size", "4", ("4", "16", "64"), "tag(int,log,interval(1,16))"),
        ("scheduler.patience", "3", ("1", "2", "3"), "tag(int,interval(2,4))"),
        ("data.batch_size", "64", ("4", "16", "64"), "tag(int,log,interval(16,256))"),
        # one's own keys
        ("+optimizer.rho", "4", ("1", "2", "4"), "tag(int,log,interval(2,8))"),
        ("optimizer.tilt", "-2", ("-2", "0.5", "3"), "interval(-4.5,0.5)"),
        ("optimizer.tilt", "3.5", ("0", "0.5", "3.5"), "interval(1.75,5.25)"),
    ],
)
def test_the_range_to_try_next(key: str, best: str, tried: tuple[str, ...], known: str) -> None:
    assert search(key, best, *tried) == known
    (axis,) = axes_of([f"lr={known}"])[1]  # it is Hydra's grammar
    assert isinstance(axis.values, Interval)


@pytest.mark.parametrize(
    ("key", "best", "tried"),
    [
        ("optimizer.lr", "0.01", RATES),  # in the middle
        ("optimizer.lr", "0.01", ("0.01",)),  # one value
        ("optimizer.lr", "0.01", ("0.01", "1e-2")),  # the same number twice
        ("optimizer.lr", "10", ("9", "10", "100")),  # as texts 10 comes first
        ("optimizer.momentum", "0", ("0", "0.5", "0.9")),  # nothing below
        ("optimizer.momentum", "0.0", ("0.0", "0.5")),
        ("data.batch_size", "1", ("1", "8")),
        ("data.batch_size", "64", ("8", "64", "full")),  # full is more
        ("data.batch_size", "full", ("8", "64", "full")),  # and no number
        ("trainer.gradient_clip_val", "10", ("1", "10", "null")),  # not clipped at all is beyond
        ("optimizer.betas", "[0.9,0.99]", ("[0.9,0.99]", "[0.8,0.99]")),
        ("optimizer.decay", "0", ("0", "0.1")),  # one's own that was not tried below 0
        ("scheduler", "cosine", ("cosine", "none")),
    ],
)
def test_no_edge(key: str, best: str, tried: tuple[str, ...]) -> None:
    assert edge(key, best, *tried) is None


def test_which_end_and_of_how_many() -> None:
    assert edge("optimizer.lr", "0.10", "0.10", "0.1", "0.01") == Edge(
        "optimizer.lr", "0.10", "largest", 2, "tag(log,interval(0.0316,0.316))"
    )


@given(st.floats(1e-8, 1e4), st.floats(1.5, 1e3), st.integers(3, 12), st.booleans())
def test_the_range_reaches_beyond_the_edge(low: float, ratio: float, points: int, largest: bool) -> None:
    texts = Interval(low, low * ratio, log=True).values(points)
    best = texts[-1] if largest else texts[0]
    found = search("optimizer.lr", best, *texts)
    assert found is not None
    values = axes_of([f"lr={found}"])[1][0].values
    assert isinstance(values, Interval)
    assert values.log
    assert values.low < float(best) < values.high
    assert math.log(values.high / values.low) == pytest.approx(math.log(ratio), abs=0.02)
