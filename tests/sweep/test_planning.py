"""How jobs are cut into stacks."""

from hypothesis import given
from hypothesis import strategies as st

from src.sweep.planning import cut


@given(st.integers(1, 400), st.integers(2, 50), st.integers(1, 8))
def test_stacks_are_equally_large_and_hold_every_run_once(runs: int, most: int, pieces: int) -> None:
    stacks = cut(range(runs), most, pieces)
    sizes = [len(stack) for stack in stacks]
    assert [run for stack in stacks for run in stack] == list(range(runs))
    assert max(sizes) <= most
    assert max(sizes) - min(sizes) <= 1
    assert len(sizes) >= min(pieces, runs // 2)
