"""The LightningDataModule: a problem on the Trainer's device, as blocks for training and whole for validation."""

from collections.abc import Iterator, Sequence
from typing import Any

import lightning as L
import torch

from src.data.blocks import Block, Blocks
from src.data.problem import Problem, Rows, check_batch_size


class Whole:
    """A loader that yields its rows once, as one batch."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[Rows]:
        return iter([self.rows])


class LabDataModule(L.LightningDataModule):
    """Blocks of batches, already on the device.

    Args:
        problem: the rows.
        batch_size: a number of rows, or "full".
        shuffle_seeds: the seed of the batch order, one per member.
        dtype: what the rows are cast to.
        val_every_n_steps: where a pass of the training loader ends, so that Lightning validates there.
        block_size: the most optimizer steps of a block.
        cuts: intervals in steps at whose multiples a block ends, for callbacks that act there.

    Raises:
        LabError: a batch of more rows than there are.
    """

    def __init__(
        self,
        problem: Problem,
        batch_size: int | str,
        shuffle_seeds: Sequence[int],
        *,
        dtype: torch.dtype,
        val_every_n_steps: int,
        block_size: int,
        cuts: Sequence[int] = (),
    ) -> None:
        super().__init__()
        check_batch_size(batch_size, len(problem.train))
        self.problem, self.shuffle_seeds, self.dtype = problem, shuffle_seeds, dtype
        self.batch_size = len(problem.train) if batch_size == "full" else int(batch_size)
        self.val_every_n_steps, self.block_size, self.cuts = val_every_n_steps, block_size, cuts
        self._there: dict[str, Rows] = {}

    @property
    def full_batch(self) -> bool:
        """Whether every step sees every row."""
        return self.batch_size >= len(self.problem.train)

    def rows(self, part: str, device: torch.device) -> Rows | None:
        """The rows of `train`, `val` or `test` with a leading member axis, moved to the device once."""
        key = f"{part}/{device}"
        rows = getattr(self.problem, part)
        if rows is not None and key not in self._there:
            self._there[key] = rows.to(device, self.dtype, len(self.shuffle_seeds))
        return self._there.get(key)

    def train_dataloader(self) -> Blocks:
        """Blocks from the Trainer's step to the next validation mark."""
        trainer = self.trainer
        assert trainer is not None
        rows = self.rows("train", trainer.strategy.root_device)
        assert rows is not None
        return Blocks(
            rows,
            self.batch_size,
            self.shuffle_seeds,
            step=lambda: trainer.global_step,
            max_steps=trainer.max_steps,
            pass_length=self.val_every_n_steps,
            block_size=self.block_size,
            cuts=self.cuts,
            rank=trainer.global_rank,
            world=trainer.world_size,
        )

    def val_dataloader(self) -> Whole | list[Any]:
        """All validation rows as one batch, in every process."""
        assert self.trainer is not None
        rows = self.rows("val", self.trainer.strategy.root_device)
        return [] if rows is None else Whole(rows)

    def transfer_batch_to_device(self, batch: Block | Rows, device: torch.device, dataloader_idx: int) -> Block | Rows:
        """Nothing to move: the rows are there already."""
        return batch
