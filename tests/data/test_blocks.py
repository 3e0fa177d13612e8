"""Blocks: where they are cut, which rows they hold, and which of those each process takes."""

import itertools
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from src.data import Rows
from src.data import blocks as module
from src.data.blocks import BatchOrder, Blocks, shard

seeds = st.integers(0, 2**32 - 1)


def numbered(rows, members=1):
    """Rows whose input is their number, plus 1000 per member, and whose targets are `[-input, 2 input]`."""
    inputs = 1000.0 * torch.arange(members)[:, None, None] + torch.arange(rows)[None, :, None]
    return Rows(inputs, torch.cat([-inputs, 2 * inputs], dim=2))


def blocks(rows, batch_size, order_seeds=(0,), first=0, **knobs):
    """Blocks that start at step `first`, and at `cursor.step` once that is changed."""
    data = rows if isinstance(rows, Rows) else numbered(rows)
    knobs = {"max_steps": 30, "pass_length": 1000, "block_size": 5} | knobs
    cursor = SimpleNamespace(step=first)
    return Blocks(data, batch_size, order_seeds, step=lambda: cursor.step, **knobs), cursor


def passes(loader, cursor):
    """Every pass of the loader to the end of training, each a list of blocks."""
    while cursor.step < loader.spans.max_steps:
        one = list(loader)
        cursor.step += sum(map(len, one))
        yield one


def taken(*args, **knobs):
    """The whole training as a list over steps: row numbers `[P, B]` of each batch, checked against its targets."""
    steps = []
    for block in itertools.chain(*passes(*blocks(*args, **knobs))):
        for inputs, targets in block.batches:
            assert torch.equal(targets, torch.cat([-inputs, 2 * inputs], dim=2))
            steps.append(inputs[:, :, 0].int().tolist())
    return steps


def epochs(steps, rows):
    """Row numbers of one member, epoch by epoch."""
    flat = list(itertools.chain(*(step[0] for step in steps)))
    return [flat[start : start + rows] for start in range(0, len(flat), rows)]


# --- where blocks are cut --------------------------------------------------------------------------------------------

interval = st.integers(1, 12)


@given(
    max_steps=st.integers(1, 40),
    pass_length=interval,
    block_size=interval,
    cuts=st.lists(interval, max_size=2),
    first=st.integers(0, 39),
    batch_size=st.sampled_from([3, 10]),  # of 10 rows: by order, and full
)
@settings(max_examples=150, deadline=None)
def test_blocks_are_as_long_as_they_may_be(max_steps, pass_length, block_size, cuts, first, batch_size):
    loader, cursor = blocks(
        10, batch_size, first=first, max_steps=max_steps, pass_length=pass_length, block_size=block_size, cuts=cuts
    )
    step = first
    for one in passes(loader, cursor):
        for block in one:
            assert block.first == step
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
    loader, cursor = blocks(10, 10, max_steps=23, pass_length=10, block_size=4, cuts=[7])
    lengths = [[(block.first, len(block)) for block in one] for one in passes(loader, cursor)]
    assert lengths == [
        [(0, 4), (4, 3), (7, 3)],
        [(10, 4), (14, 4), (18, 2)],
        [(20, 1), (21, 2)],
    ]


def test_no_step_is_left_after_the_last():
    loader, _ = blocks(10, 3, first=30)
    assert list(loader) == []


def test_a_pass_does_not_notice_that_steps_are_taken_while_it_runs():
    # Lightning fetches a block ahead, before the steps of the one at hand are counted
    loader, cursor = blocks(10, 3, max_steps=20, pass_length=20)
    firsts = []
    for block in loader:
        firsts.append(block.first)
        cursor.step = block.first + len(block)
    assert firsts == [0, 5, 10, 15]


# --- which rows ------------------------------------------------------------------------------------------------------


def test_a_full_batch_is_every_row_in_its_own_place():
    data = numbered(7)
    loader, _ = blocks(data, 7, max_steps=9)
    for block in loader:
        assert list(block.sizes) == [7] * len(block)
        for inputs, targets in block.batches:
            assert (inputs.data_ptr(), targets.data_ptr()) == (data.inputs.data_ptr(), data.targets.data_ptr())
            assert inputs.shape == (1, 7, 1)


@given(rows=st.integers(2, 20), batch_size=st.integers(1, 19), seed=seeds)
@settings(max_examples=60, deadline=None)
def test_an_epoch_is_a_permutation_and_its_last_batch_what_is_left(rows, batch_size, seed):
    batch_size = min(batch_size, rows - 1)
    steps_per_epoch = -(-rows // batch_size)
    steps = taken(rows, batch_size, (seed,), max_steps=3 * steps_per_epoch)
    sizes = [len(step[0]) for step in steps]
    last = rows - (steps_per_epoch - 1) * batch_size
    assert sizes == ([batch_size] * (steps_per_epoch - 1) + [last]) * 3
    for epoch in epochs(steps, rows):
        assert sorted(epoch) == list(range(rows))


def test_every_epoch_and_every_seed_is_shuffled_afresh():
    orders = [tuple(epoch) for seed in range(3) for epoch in epochs(taken(50, 20, (seed,), max_steps=9), 50)]
    assert len(orders) == 9
    assert len(set(orders)) == 9
    assert tuple(range(50)) not in orders


def test_every_row_comes_first_about_as_often_as_any_other():
    order = BatchOrder(4, 1, [0])
    firsts = torch.stack([order.epoch(number)[0, 0] for number in range(2000)]).bincount(minlength=4)
    # six standard deviations of a binomial of 2,000 and 1/4
    assert firsts.sub(500).abs().max() < 6 * (2000 * 0.25 * 0.75) ** 0.5


@given(rows=st.integers(2, 20), sizes=st.tuples(st.integers(1, 19), st.integers(1, 19)), seed=seeds)
@settings(max_examples=40, deadline=None)
def test_the_order_does_not_depend_on_the_batch_size(rows, sizes, seed):
    def three_epochs(batch_size):
        batch_size = min(batch_size, rows - 1)
        return epochs(taken(rows, batch_size, (seed,), max_steps=3 * -(-rows // batch_size)), rows)

    assert three_epochs(sizes[0]) == three_epochs(sizes[1])


@given(
    rows=st.integers(2, 20),
    batch_size=st.integers(1, 19),
    seed=seeds,
    first=st.integers(0, 29),
    pass_length=st.integers(1, 40),
    cuts=st.lists(st.integers(1, 12), max_size=2),
)
@settings(max_examples=40, deadline=None)
def test_batches_are_a_function_of_the_step_only(rows, batch_size, seed, first, pass_length, cuts):
    batch_size = min(batch_size, rows - 1)
    whole = taken(rows, batch_size, (seed,), block_size=1)
    for block_size in (1, 7, 100):
        knobs = {"block_size": block_size, "pass_length": pass_length, "cuts": cuts}
        assert taken(rows, batch_size, (seed,), **knobs) == whole
        assert taken(rows, batch_size, (seed,), first=first, **knobs) == whole[first:]


def test_longer_training_begins_with_the_shorter():
    assert taken(10, 3, max_steps=50)[:20] == taken(10, 3, max_steps=20)


def test_steps_may_be_asked_for_in_any_order():
    order = BatchOrder(10, 3, [0, 1])
    late, early = order.steps(17, 9), order.steps(2, 9)
    fresh = BatchOrder(10, 3, [0, 1])
    assert torch.equal(fresh.steps(2, 9)[0], early[0])
    assert torch.equal(fresh.steps(17, 9)[0], late[0])
    # an epoch is 3, 3, 3, 1
    assert early[1] == [3, 1, 3, 3, 3, 1, 3, 3, 3]
    assert late[1] == [3, 3, 1, 3, 3, 3, 1, 3, 3]


# --- members ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 4, 11])
def test_each_member_takes_its_own_rows_in_its_own_order(batch_size):
    members = (3, 5, 3)
    together = taken(numbered(12, 3), batch_size, members)
    for member, seed in enumerate(members):
        alone = taken(numbered(12), batch_size, (seed,))
        assert [[n - 1000 * member for n in step[member]] for step in together] == [step[0] for step in alone]
    assert [step[0] for step in together] != [step[1] for step in together]


def test_members_of_other_orders_share_one_copy_of_the_rows():
    lone = numbered(12)
    shared = Rows(lone.inputs[0], lone.targets[0]).to(torch.device("cpu"), torch.float32, 3)
    assert shared.inputs.stride()[0] == 0
    together = taken(shared, 5, (3, 5, 7))
    for member, seed in enumerate((3, 5, 7)):
        assert [step[member] for step in together] == [step[0] for step in taken(12, 5, (seed,))]


def test_members_of_one_order_take_their_own_rows_by_it():
    together = taken(numbered(12, 2), 5, (3,))
    for step, alone in zip(together, taken(12, 5, (3,)), strict=True):
        assert step == [alone[0], [1000 + n for n in alone[0]]]


# --- processes -------------------------------------------------------------------------------------------------------


@given(size=st.integers(0, 50), world=st.integers(1, 9))
def test_shards_partition_a_batch_evenly(size, world):
    parts = [range(size)[shard(size, rank, world)] for rank in range(world)]
    assert list(itertools.chain(*parts)) == list(range(size))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("world", [2, 3])
@pytest.mark.parametrize(
    ("rows", "batch_size"),
    [
        (12, 6),
        (12, 5),  # 5, 5, 2: uneven, and an empty shard where there are three processes
        (12, 1),  # empty shards in all processes but one
        (12, 12),  # full
        (2, 2),  # full, fewer rows than processes where there are three
    ],
)
@pytest.mark.parametrize("members", [(0,), (4, 7)], ids=["lone", "two"])
def test_processes_share_every_batch(rows, batch_size, world, members):
    data = numbered(rows, len(members))
    whole = taken(data, batch_size, members)
    shards = [taken(data, batch_size, members, rank=rank, world=world) for rank in range(world)]
    for step, batch in enumerate(whole):
        for member in range(len(members)):
            parts = [shards[rank][step][member] for rank in range(world)]
            assert list(itertools.chain(*parts)) == batch[member]
            assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("batch_size", [5, 12])
def test_a_process_knows_the_size_of_the_whole_batch(batch_size):
    def sizes(**knobs):
        loader, cursor = blocks(12, batch_size, **knobs)
        return [(block.first, list(block.sizes)) for one in passes(loader, cursor) for block in one]

    assert sizes(rank=1, world=3) == sizes()
    assert sum(sizes()[0][1]) == (5 + 5 + 2 + 5 + 5 if batch_size == 5 else 5 * 12)


# --- memory ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("largest", "members", "steps"),
    [
        (10_000, 1, 8),  # as asked for
        (60, 1, 5),  # 4 rows of 1 input and 2 targets are 12 numbers
        (60, 2, 2),
        (71, 1, 5),
        (11, 1, 1),  # never less than a step
    ],
)
def test_a_block_holds_no_more_numbers_than_the_largest(monkeypatch, largest, members, steps):
    knobs = {"max_steps": 16, "block_size": 8}
    data = numbered(10, members)
    order_seeds = tuple(range(members))
    free = taken(data, 4, order_seeds, **knobs)
    monkeypatch.setattr(module, "LARGEST_BLOCK", largest)
    lengths = [len(block) for one in passes(*blocks(data, 4, order_seeds, **knobs)) for block in one]
    assert lengths == [steps] * (16 // steps) + ([16 % steps] if 16 % steps else [])
    assert taken(data, 4, order_seeds, **knobs) == free


def test_full_batches_are_no_copies_and_have_no_largest_block(monkeypatch):
    monkeypatch.setattr(module, "LARGEST_BLOCK", 1)
    lengths = [len(block) for one in passes(*blocks(10, 10, max_steps=16, block_size=8)) for block in one]
    assert lengths == [8, 8]


def test_the_largest_block_is_64_mebibytes_of_float64():
    assert module.LARGEST_BLOCK * 8 == 64 * 2**20
