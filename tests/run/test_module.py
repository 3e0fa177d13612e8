"""The data module: which blocks it gives the Trainer."""

from types import SimpleNamespace
from typing import Any, cast

import torch

from src.data.points import Points
from src.run.module import LabDataModule
from tests.kinds import data_of

CPU = torch.device("cpu")
NUMBERS = [float(n) for n in range(20)]
PROBLEM = data_of(Points, seed=0, train=12, val=5, test=3, x=NUMBERS, y=[0.1 * n for n in NUMBERS]).problem()


def attached(cuts=(), **knobs):
    """With a stand-in for what it asks of the Trainer."""
    datamodule = LabDataModule(PROBLEM, max_steps=20, pass_length=8, block_size=3, cuts=cuts, **knobs)
    trainer = SimpleNamespace(global_step=0)
    datamodule.trainer = cast(Any, trainer)
    return datamodule, trainer


def lengths(loader):
    return [(block.start, len(block)) for block in loader]


def test_a_pass_of_training_goes_from_the_trainers_step_to_the_next_validation():
    datamodule, trainer = attached(cuts=[7])
    loader = datamodule.train_dataloader()
    assert lengths(loader) == [(0, 3), (3, 3), (6, 1), (7, 1)]
    trainer.global_step = 8
    assert lengths(loader) == [(8, 3), (11, 3), (14, 2)]
    trainer.global_step = 18  # as after a resume
    assert lengths(loader) == [(18, 2)]


def test_there_may_be_no_validation():
    datamodule, _ = attached()
    assert datamodule.val_dataloader() == []


def test_all_validation_rows_are_one_batch():
    datamodule, _ = attached(validates=True)
    loader = datamodule.val_dataloader()
    for _ in range(2):
        assert list(loader) == [0]
    assert len(loader) == 1


def test_batches_are_not_moved_again():
    datamodule, _ = attached()
    block = next(iter(datamodule.train_dataloader()))
    assert datamodule.transfer_batch_to_device(block, CPU, 0) is block
