"""Values by name and step: what is recorded later wins, and recording does not copy everything each time."""

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from src.engine.curves import Curves


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=6, unique=True).map(sorted), min_size=1, max_size=20))
def test_columns_are_what_was_recorded_last_at_each_step(pieces: list[list[int]]) -> None:
    curves, expected, number = Curves(), dict[int, float](), 0.0
    for steps in pieces:
        values = torch.arange(number, number + len(steps), dtype=torch.float64)[:, None]
        curves.record("loss", steps, values)
        expected |= dict(zip(steps, values[:, 0].tolist(), strict=True))
        number += len(steps)
    steps, values = curves.columns()["loss"]
    assert (steps, values[:, 0].tolist()) == (sorted(expected), [expected[step] for step in sorted(expected)])


def test_so_many_single_records_are_few_tensors() -> None:
    curves = Curves()
    for step in range(1000):
        curves.record("weight", [step], torch.full((1, 2), float(step)))
    assert len(curves._pieces["weight"]) <= math.log2(1000) + 1
