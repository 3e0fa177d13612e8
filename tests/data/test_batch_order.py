"""Blocks as ranges of steps: where they are cut; the order of batches; and which rows of a batch each process takes."""

import itertools
from collections.abc import Iterator, Sequence
from types import SimpleNamespace

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from src.data.batch_order import BatchOrder, Spans, shard

seeds = st.integers(0, 2**32 - 1)


def spans(first: int = 0, **knobs) -> tuple[Spans, SimpleNamespace]:
    """Spans that start at step `first`, and at `cursor.step` once that is changed."""
    knobs = {"max_steps": 30, "pass_length": 1000, "block_size": 5} | knobs
    cursor = SimpleNamespace(step=first)
    return Spans(lambda: cursor.step, **knobs), cursor


def passes(loader: Spans, cursor: SimpleNamespace) -> Iterator[list[range]]:
    """Every pass of the loader to the end of training, each a list of blocks."""
    while cursor.step < loader.max_steps:
        one = list(loader)
        cursor.step += sum(map(len, one))
        yield one


# --- where blocks are cut --------------------------------------------------------------------------------------------

interval = st.integers(1, 12)


@given(
    max_steps=st.integers(1, 40),
    pass_length=interval,
    block_size=interval,
    cuts=st.lists(interval, max_size=2),
    first=st.integers(0, 39),
)
@settings(max_examples=150, deadline=None)
def test_blocks_are_as_long_as_they_may_be(max_steps, pass_length, block_size, cuts, first):
    loader, cursor = spans(first, max_steps=max_steps, pass_length=pass_length, block_size=block_size, cuts=cuts)
    step = first
    for one in passes(loader, cursor):
        for block in one:
            assert block.start == step
            inside = range(step + 1, step + len(block))
            marks = [number for number in inside if any(number % every == 0 for every in (pass_length, *cuts))]
            assert marks == []
            step += len(block)
            ends_for = [len(block) == block_size, step == max_steps, *(step % n == 0 for n in (pass_length, *cuts))]
            assert any(ends_for)
            assert len(block) <= block_size
        assert step % pass_length == 0 or step == max_steps
    assert step == max(first, max_steps)


def test_cuts_by_hand():
    loader, cursor = spans(max_steps=23, pass_length=10, block_size=4, cuts=[7])
    lengths = [[(block.start, len(block)) for block in one] for one in passes(loader, cursor)]
    assert lengths == [
        [(0, 4), (4, 3), (7, 3)],
        [(10, 4), (14, 4), (18, 2)],
        [(20, 1), (21, 2)],
    ]


def test_no_step_is_left_after_the_last():
    loader, _ = spans(first=30)
    assert list(loader) == []


def test_a_pass_does_not_notice_that_steps_are_taken_while_it_runs():
    # Lightning fetches a block ahead, before the steps of the one at hand are counted
    loader, cursor = spans(max_steps=20, pass_length=20)
    firsts = []
    for block in loader:
        firsts.append(block.start)
        cursor.step = block.stop
    assert firsts == [0, 5, 10, 15]


# --- the order of batches --------------------------------------------------------------------------------------------


def batches(order: BatchOrder, steps: int, first: int = 0) -> list[list[int]]:
    """Row numbers of the first seed's batches."""
    rows, sizes = order.steps(first, steps)
    return [piece[0].tolist() for piece in rows.split(sizes, 1)]


def epochs(steps: Sequence[list[int]], rows: int) -> list[list[int]]:
    """Row numbers, epoch by epoch."""
    flat = list(itertools.chain(*steps))
    return [flat[start : start + rows] for start in range(0, len(flat), rows)]


@given(rows=st.integers(2, 20), batch_size=st.integers(1, 19), seed=seeds)
@settings(max_examples=60, deadline=None)
def test_an_epoch_is_a_permutation_and_its_last_batch_what_is_left(rows, batch_size, seed):
    batch_size = min(batch_size, rows - 1)
    steps_per_epoch = -(-rows // batch_size)
    steps = batches(BatchOrder(rows, batch_size, [seed]), 3 * steps_per_epoch)
    last = rows - (steps_per_epoch - 1) * batch_size
    assert [len(step) for step in steps] == ([batch_size] * (steps_per_epoch - 1) + [last]) * 3
    for epoch in epochs(steps, rows):
        assert sorted(epoch) == list(range(rows))


def test_every_epoch_and_every_seed_is_shuffled_afresh():
    orders = [tuple(epoch) for seed in range(3) for epoch in epochs(batches(BatchOrder(50, 20, [seed]), 9), 50)]
    assert len(orders) == 9
    assert len(set(orders)) == 9
    assert tuple(range(50)) not in orders


def test_every_row_comes_first_about_as_often_as_any_other():
    order = BatchOrder(4, 1, [0])
    firsts = torch.cat([order.steps(4 * number, 1)[0][0] for number in range(2000)]).bincount(minlength=4)
    # six standard deviations of a binomial of 2,000 and 1/4
    assert firsts.sub(500).abs().max() < 6 * (2000 * 0.25 * 0.75) ** 0.5


@given(rows=st.integers(2, 20), sizes=st.tuples(st.integers(1, 19), st.integers(1, 19)), seed=seeds)
@settings(max_examples=40, deadline=None)
def test_the_order_does_not_depend_on_the_batch_size(rows, sizes, seed):
    def three_epochs(batch_size):
        batch_size = min(batch_size, rows - 1)
        return epochs(batches(BatchOrder(rows, batch_size, [seed]), 3 * -(-rows // batch_size)), rows)

    assert three_epochs(sizes[0]) == three_epochs(sizes[1])


def test_steps_may_be_asked_for_in_any_order():
    order = BatchOrder(10, 3, [0, 1])
    late, early = order.steps(17, 9), order.steps(2, 9)
    fresh = BatchOrder(10, 3, [0, 1])
    assert torch.equal(fresh.steps(2, 9)[0], early[0])
    assert torch.equal(fresh.steps(17, 9)[0], late[0])
    # an epoch is 3, 3, 3, 1
    assert early[1] == [3, 1, 3, 3, 3, 1, 3, 3, 3]
    assert late[1] == [3, 3, 1, 3, 3, 3, 1, 3, 3]


# --- processes -------------------------------------------------------------------------------------------------------


@given(size=st.integers(0, 50), world=st.integers(1, 9))
def test_shards_partition_a_batch_evenly(size, world):
    parts = [range(size)[shard(size, rank, world)] for rank in range(world)]
    assert list(itertools.chain(*parts)) == list(range(size))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
