"""The data module: what it gives the Trainer, on the device and in the dtype of the run."""

from types import SimpleNamespace

import pytest
import torch

from src.data import Points
from src.data.blocks import Blocks
from src.data.module import LabDataModule
from src.errors import LabError

CPU = torch.device("cpu")
NUMBERS = [float(n) for n in range(20)]
PROBLEM = Points(seed=0, train=12, val=5, test=3, x=NUMBERS, y=[0.1 * n for n in NUMBERS]).problem()
WITHOUT_VALIDATION = Points(seed=0, train=None, val=0, test=0, x=NUMBERS, y=NUMBERS).problem()


def module(batch_size=5, shuffle_seeds=(0,), problem=PROBLEM, dtype=torch.float32, **knobs):
    knobs = {"val_every_n_steps": 8, "block_size": 3} | knobs
    return LabDataModule(problem, batch_size, shuffle_seeds, dtype=dtype, **knobs)


def attached(datamodule, **state):
    """With a stand-in for what it asks of the Trainer."""
    defaults = {"global_step": 0, "max_steps": 20, "global_rank": 0, "world_size": 1}
    trainer = SimpleNamespace(strategy=SimpleNamespace(root_device=CPU), **{**defaults, **state})
    datamodule.trainer = trainer
    return datamodule, trainer


@pytest.mark.parametrize(("batch_size", "rows", "full"), [("full", 12, True), (12, 12, True), (5, 5, False)])
def test_a_batch_size_is_a_number_or_all(batch_size, rows, full):
    datamodule = module(batch_size)
    assert (datamodule.batch_size, datamodule.full_batch) == (rows, full)


def test_a_batch_larger_than_the_training_rows_is_refused():
    with pytest.raises(LabError, match=r"data\.batch_size=13 is more than the 12 training rows"):
        module(13)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("members", [1, 3])
def test_rows_have_the_dtype_of_the_run_and_an_axis_for_its_members(dtype, members):
    datamodule = module(shuffle_seeds=range(members), dtype=dtype)
    for part in ("train", "val", "test"):
        rows, source = datamodule.rows(part, CPU), getattr(PROBLEM, part)
        assert rows is not None
        assert rows.inputs.dtype == rows.targets.dtype == dtype
        for member in range(members):
            assert torch.equal(rows.inputs[member], source.inputs.to(dtype))
            assert torch.equal(rows.targets[member], source.targets.to(dtype))


def test_rows_are_moved_to_a_device_once():
    datamodule = module()
    assert datamodule.rows("train", CPU) is datamodule.rows("train", CPU)
    assert datamodule.rows("train", CPU) is not datamodule.rows("val", CPU)


def test_there_may_be_no_validation_rows():
    datamodule, _ = attached(module(problem=WITHOUT_VALIDATION))
    assert datamodule.rows("val", CPU) is None
    assert datamodule.val_dataloader() == []


def test_all_validation_rows_are_one_batch_in_every_process():
    part = PROBLEM.val
    assert part is not None
    for rank in range(2):
        datamodule, _ = attached(module(), world_size=2, global_rank=rank)
        loader = datamodule.val_dataloader()
        for _ in range(2):
            (rows,) = loader
            assert torch.equal(rows.inputs[0], part.inputs)
            assert torch.equal(rows.targets[0], part.targets.float())
        assert len(loader) == 1


def lengths(loader):
    return [(block.first, len(block)) for block in loader]


def test_a_pass_of_training_goes_from_the_trainers_step_to_the_next_validation():
    datamodule, trainer = attached(module(cuts=[7]))
    loader = datamodule.train_dataloader()
    assert lengths(loader) == [(0, 3), (3, 3), (6, 1), (7, 1)]
    trainer.global_step = 8
    assert lengths(loader) == [(8, 3), (11, 3), (14, 2)]
    trainer.global_step = 18  # as after a resume
    assert lengths(loader) == [(18, 2)]


def test_the_loader_gives_the_rows_of_blocks_of_the_same_seed():
    datamodule, _ = attached(module(shuffle_seeds=[3]))
    rows = datamodule.rows("train", CPU)
    direct = Blocks(rows, 5, [3], step=lambda: 0, max_steps=20, pass_length=8, block_size=100)
    expected = [batch for block in direct for batch in block.batches]
    got = [batch for block in datamodule.train_dataloader() for batch in block.batches]
    assert len(got) == len(expected) == 8
    for (inputs, targets), (x, y) in zip(got, expected, strict=True):
        assert torch.equal(inputs, x)
        assert torch.equal(targets, y)


def test_processes_take_their_shards():
    parts = []
    for rank in range(2):
        datamodule, _ = attached(module("full"), world_size=2, global_rank=rank)
        block = next(iter(datamodule.train_dataloader()))
        assert list(block.sizes) == [12, 12, 12]
        parts.append(block.batches[0][0])
    assert torch.equal(torch.cat(parts, dim=1)[0], PROBLEM.train.inputs)


def test_batches_are_not_moved_again():
    datamodule, _ = attached(module())
    block = next(iter(datamodule.train_dataloader()))
    assert datamodule.transfer_batch_to_device(block, CPU, 0) is block
