"""What members see on their device: which rows a step takes, in whose order, and what is copied for it."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from src.data.points import Points
from src.data.problem import Problem, Rows
from src.engine import device_data as module
from src.engine.device_data import Batch, DeviceData
from src.losses.squared_error import SquaredError
from src.run.build import _data
from tests.kinds import data_of
from tests.run.runs import members as specs

CPU = torch.device("cpu")
NUMBERS = [float(n) for n in range(20)]
PROBLEM = data_of(Points, seed=0, train=12, val=5, test=3, x=NUMBERS, y=[0.1 * n for n in NUMBERS]).problem()
WITHOUT_VALIDATION = data_of(Points, seed=0, train=None, val=0, test=0, x=NUMBERS, y=NUMBERS).problem()

seeds = st.integers(0, 2**32 - 1)


def numbered(rows: int, member: int = 0) -> Problem:
    """Rows whose input is their number, plus 1000 times the member's, and whose targets are `[-input, 2 input]`."""
    inputs = 1000.0 * member + torch.arange(rows, dtype=torch.float32)[:, None]
    return Problem(Rows(inputs, torch.cat([-inputs, 2 * inputs], 1)), None, None, ["x"], ["y1", "y2"])


def own(rows: int, members: int) -> tuple[list[Problem], range]:
    """A data set of its own for each member."""
    return [numbered(rows, member) for member in range(members)], range(members)


def data(problems, which, batch_size, order_seeds, dtype=torch.float32, **knobs) -> DeviceData:
    return DeviceData(problems, which, order_seeds, batch_size, SquaredError(), dtype, CPU, **knobs)


def alone(rows: int, batch_size: int, seed: int = 0, **knobs) -> DeviceData:
    """One member's."""
    return data([numbered(rows)], [0], batch_size, [seed], **knobs)


def gathered(some: DeviceData, steps: int = 30, first: int = 0, most: int = 5) -> list[Batch]:
    """The batches of these steps, asked for at most so many at once."""
    found: list[Batch] = []
    while first + len(found) < steps:
        found += some.batches(first + len(found), min(most, steps - first - len(found)))
    return found


def taken(some: DeviceData, steps: int = 30, **knobs: int) -> list[list[list[int]]]:
    """Of each step the row numbers `[P, B]` of its batch, checked against its targets."""
    for inputs, targets, _ in (found := gathered(some, steps, **knobs)):
        assert torch.equal(targets, torch.cat([-inputs, 2 * inputs], dim=2))
    return [inputs[:, :, 0].int().tolist() for inputs, _, _ in found]


def epochs(steps, rows):
    """Row numbers of one member, epoch by epoch."""
    flat = list(itertools.chain(*(step[0] for step in steps)))
    return [flat[start : start + rows] for start in range(0, len(flat), rows)]


# --- which rows ------------------------------------------------------------------------------------------------------


def test_a_full_batch_is_every_row_in_its_own_place():
    problem = numbered(7)
    some = data([problem], [0], 7, [0])
    assert some.full_batch
    batches = gathered(some, 9)
    assert len(batches) == 9
    for inputs, targets, rows in batches:
        assert (inputs.data_ptr(), targets.data_ptr()) == (
            problem.train.inputs.data_ptr(),
            problem.train.targets.data_ptr(),
        )
        assert inputs.shape == (1, 7, 1)
        assert rows is None


@given(rows=st.integers(2, 20), batch_size=st.integers(1, 19), seed=seeds)
@settings(max_examples=60, deadline=None)
def test_an_epoch_is_a_permutation_and_its_last_batch_what_is_left(rows, batch_size, seed):
    batch_size = min(batch_size, rows - 1)
    steps_per_epoch = -(-rows // batch_size)
    steps = taken(alone(rows, batch_size, seed), 3 * steps_per_epoch)
    last = rows - (steps_per_epoch - 1) * batch_size
    assert [len(step[0]) for step in steps] == ([batch_size] * (steps_per_epoch - 1) + [last]) * 3
    for epoch in epochs(steps, rows):
        assert sorted(epoch) == list(range(rows))


@given(
    rows=st.integers(2, 20),
    batch_size=st.integers(1, 19),
    seed=seeds,
    first=st.integers(0, 29),
    most=st.integers(1, 40),
)
@settings(max_examples=40, deadline=None)
def test_batches_are_a_function_of_the_step_only(rows, batch_size, seed, first, most):
    batch_size = min(batch_size, rows - 1)
    whole = taken(alone(rows, batch_size, seed), most=1)
    some = alone(rows, batch_size, seed)
    assert taken(some, most=most) == whole
    assert taken(some, first=first, most=most) == whole[first:]  # after steps that come later
    assert taken(alone(rows, batch_size, seed), first=first, most=most) == whole[first:]


def test_longer_training_begins_with_the_shorter():
    assert taken(alone(10, 3), 50)[:20] == taken(alone(10, 3), 20)


# --- members ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 4, 11])
def test_each_member_takes_its_own_rows_in_its_own_order(batch_size):
    members = (3, 5, 3)
    together = taken(data(*own(12, 3), batch_size, members))
    for member, seed in enumerate(members):
        lone = taken(alone(12, batch_size, seed))
        assert [[n - 1000 * member for n in step[member]] for step in together] == [step[0] for step in lone]
    assert [step[0] for step in together] != [step[1] for step in together]


def test_members_of_other_orders_share_one_copy_of_the_rows():
    problem = numbered(12)
    shared = data([problem], [0, 0, 0], 5, (3, 5, 7))
    assert shared.rows("train").inputs.shape == (3, 12, 1)
    assert shared.rows("train").inputs.stride()[0] == 0
    assert shared.rows("train").inputs.data_ptr() == problem.train.inputs.data_ptr()
    together = taken(shared)
    for member, seed in enumerate((3, 5, 7)):
        assert [step[member] for step in together] == [step[0] for step in taken(alone(12, 5, seed))]


def test_members_of_one_order_take_their_own_rows_by_it():
    together = taken(data(*own(12, 2), 5, (3, 3)))
    for step, (lone,) in zip(together, taken(alone(12, 5, 3)), strict=True):
        assert step == [lone, [1000 + n for n in lone]]


@pytest.mark.parametrize("batch_size", [4, 12])
@pytest.mark.parametrize("keep", [[2, 0], [1], [3, 2, 1, 0], [0, 0]])
def test_some_members_see_what_they_saw_among_all(batch_size, keep):
    """Members 0 and 3 see the same data, 1 and 3 in the same order."""
    problems = [numbered(12, member) for member in range(3)]
    whole = data(problems, [0, 1, 2, 0], batch_size, [5, 7, 9, 7])
    expected = [[step[index] for index in keep] for step in taken(whole)]
    assert taken(whole.select(keep)) == expected
    assert taken(whole.select([3, 1, 2, 0]).select([[3, 1, 2, 0].index(index) for index in keep])) == expected
    for ours, its in zip(
        (whole.select(keep).rows("train").inputs, whole.select(keep).rows("train").targets),
        (whole.rows("train").inputs, whole.rows("train").targets),
        strict=True,
    ):
        assert torch.equal(ours, its[keep])


# --- processes -------------------------------------------------------------------------------------------------------


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
    whole = taken(data(*own(rows, len(members)), batch_size, members))
    shards = [
        taken(data(*own(rows, len(members)), batch_size, members, rank=rank, world=world)) for rank in range(world)
    ]
    for step, batch in enumerate(whole):
        for member in range(len(members)):
            parts = [shards[rank][step][member] for rank in range(world)]
            assert list(itertools.chain(*parts)) == batch[member]
            assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("batch_size", [5, 12])
def test_a_process_knows_the_size_of_the_whole_batch(batch_size):
    sizes = [size for _, _, size in gathered(alone(12, batch_size, rank=1, world=3))]
    assert sizes == [inputs.shape[1] for inputs, _, _ in gathered(alone(12, batch_size))]
    assert sum(size for size in sizes[:5] if size) == (5 + 5 + 2 + 5 + 5 if batch_size == 5 else 5 * 12)


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
def test_no_more_numbers_are_gathered_than_the_largest(monkeypatch, largest, members, steps):
    some = data(*own(10, members), 4, range(members))
    free = taken(some, 16, most=8)
    monkeypatch.setattr(module, "LARGEST_GATHERED", largest)
    lengths, step = [], 0
    while step < 16:
        lengths.append(len(some.batches(step, min(8, 16 - step))))
        step += lengths[-1]
    assert lengths == [steps] * (16 // steps) + ([16 % steps] if 16 % steps else [])
    assert taken(some, 16, most=8) == free


def test_full_batches_are_no_copies_and_have_no_largest_number(monkeypatch):
    monkeypatch.setattr(module, "LARGEST_GATHERED", 1)
    assert len(alone(10, 10).batches(0, 8)) == 8


def test_what_is_gathered_at_once_is_2_mebibytes_of_float64():
    assert module.LARGEST_GATHERED * 8 == 2 * 2**20


# --- parts and dtypes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("members", [1, 3])
def test_rows_have_the_dtype_of_the_run_and_an_axis_for_its_members(dtype, members):
    some = data([PROBLEM], [0] * members, 5, range(members), dtype)
    assert some.parts == ["train", "val", "test"]
    for part in some.parts:
        rows, source = some.rows(part), getattr(PROBLEM, part)
        assert rows.inputs.dtype == rows.targets.dtype == dtype
        assert len(rows.inputs) == len(rows.targets) == members
        for member in range(members):
            assert torch.equal(rows.inputs[member], source.inputs.to(dtype))
            assert torch.equal(rows.targets[member], source.targets.to(dtype))


def test_rows_are_moved_to_a_device_once():
    some = data([PROBLEM], [0], 5, [0])
    assert some.rows("train") is some.rows("train")
    assert some.rows("train") is not some.rows("val")


def test_there_may_be_no_validation_rows():
    assert data([WITHOUT_VALIDATION], [0], 5, [0]).parts == ["train"]


def test_all_validation_rows_are_seen_by_every_process():
    part = PROBLEM.val
    assert part is not None
    for rank in range(2):
        rows = data([PROBLEM], [0], 5, [0], rank=rank, world=2).rows("val")
        assert torch.equal(rows.inputs[0], part.inputs)
        assert torch.equal(rows.targets[0], part.targets.float())


def test_processes_take_their_shards():
    parts = []
    for rank in range(2):
        batches = data([PROBLEM], [0], 12, [0], rank=rank, world=2).batches(0, 3)
        assert [rows for _, _, rows in batches] == [12, 12, 12]
        parts.append(batches[0][0])
    assert torch.equal(torch.cat(parts, dim=1)[0], PROBLEM.train.inputs)


# --- from a config ---------------------------------------------------------------------------------------------------


def configured(root, size) -> DeviceData:
    """As a run of this batch size has it."""
    (spec,) = specs(root, [], [[f"data.batch_size={size}"]])
    return _data(spec.config, SquaredError(), [PROBLEM], [0], [0], CPU)


@pytest.mark.parametrize(("batch_size", "rows", "full"), [("full", 12, True), (12, 12, True), (5, 5, False)])
def test_a_batch_size_is_a_number_or_all(tmp_path, batch_size, rows, full):
    some = configured(tmp_path, batch_size)
    assert (some.batches(0, 1)[0][0].shape[1], some.full_batch) == (rows, full)


@pytest.mark.parametrize("batch_size", [5, 12])
def test_condensed_rows_are_each_members_own(batch_size):
    problems, order_seeds = [numbered(12, member) for member in range(2)], (3, 5, 7)
    whole = data(problems, [1, 0, 1], batch_size, order_seeds, torch.float64, condense=True)
    few = whole.condensed("train")
    assert few is not None
    theta = torch.tensor([[[0.5, -1.0], [2.0, 3.0]]], dtype=torch.float64).expand(3, -1, -1)
    plain = data(problems, [1, 0, 1], batch_size, order_seeds, torch.float64).rows("train")
    expected = SquaredError().value(plain.inputs @ theta[:, :1] + theta[:, 1:], plain.targets)
    residual = few.offset + few.factor @ theta
    torch.testing.assert_close(few.losses(residual[None])[0], expected, rtol=1e-12, atol=0)
    part = whole.select([2, 1]).condensed("train")
    assert part is not None
    assert torch.equal(part.factor, few.factor[[2, 1]])
    assert torch.equal(part.rest, few.rest[[2, 1]])
    if batch_size == 5:  # of batches the rows themselves are needed
        assert taken(whole) == taken(data(problems, [1, 0, 1], batch_size, order_seeds, torch.float64))
