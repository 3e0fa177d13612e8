"""Batches, cut into blocks: consecutive optimizer steps that Lightning sees as one batch."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from src.data.problem import Rows
from src.seeds import stream

# The rows of a block are gathered at once; a block holds no more numbers than this (64 MiB in float64).
LARGEST_BLOCK = 2**23


class Block:
    """`K` consecutive batches, the first for optimizer step number `first`, already on the device.

    `batches[k]` is inputs `[P, B, I]` and targets `[P, B, O]`, the shard of this process where there are several;
    `sizes[k]` is the number of rows of the whole batch, over all processes.
    """

    __slots__ = ("batches", "first", "sizes")

    def __init__(self, first: int, batches: Sequence[tuple[Tensor, Tensor]], sizes: Sequence[int]) -> None:
        self.first, self.batches, self.sizes = first, batches, sizes

    def __len__(self) -> int:
        return len(self.batches)


class BatchOrder:
    """Which rows optimizer step `t` sees: a fresh permutation every epoch, a function of (seed, epoch) only."""

    def __init__(self, rows: int, batch_size: int, seeds: Sequence[int]) -> None:
        self.rows, self.batch_size, self.seeds = rows, batch_size, seeds
        self.steps_per_epoch = -(-rows // batch_size)
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.long)

    def epoch(self, number: int) -> Tensor:
        """The order of epoch `number`, counted from 0: row numbers `[P, N]`."""
        if number != self._epoch:
            orders = [torch.randperm(self.rows, generator=stream(s, f"order.{number}")) for s in self.seeds]
            self._epoch, self._order = number, torch.stack(orders)
        return self._order

    def steps(self, first: int, number: int) -> tuple[Tensor, list[int]]:
        """Row numbers `[P, sum of sizes]` of `number` steps from step `first` on, and the size of each step's batch."""
        pieces, sizes = [], []
        step, end = first, first + number
        while step < end:
            epoch, within = divmod(step, self.steps_per_epoch)
            taken = min(end - step, self.steps_per_epoch - within)
            start, stop = within * self.batch_size, min((within + taken) * self.batch_size, self.rows)
            pieces.append(self.epoch(epoch)[:, start:stop])
            full, rest = divmod(stop - start, self.batch_size)
            sizes += [self.batch_size] * full + ([rest] if rest else [])
            step += taken
        return torch.cat(pieces, dim=1), sizes


def shard(size: int, rank: int, world: int) -> slice:
    """The rows of a batch of `size` that process `rank` of `world` takes; shards differ by at most one row."""
    return slice(size * rank // world, size * (rank + 1) // world)


class Spans:
    """The blocks from the current step to the next validation mark or the end, as ranges of optimizer steps.

    Iterating anew starts from `step()`, which is true after a resume as well. Blocks are cut at multiples of every
    interval in `cuts`, at multiples of `pass_length` (where a pass ends) and at `max_steps`.
    """

    def __init__(
        self,
        step: Callable[[], int],
        max_steps: int,
        pass_length: int,
        block_size: int,
        cuts: Sequence[int] = (),
    ) -> None:
        self.step, self.max_steps, self.pass_length = step, max_steps, pass_length
        self.block_size, self.cuts = block_size, cuts

    def __iter__(self) -> Iterator[range]:
        step = self.step()
        end = min(_next(step, self.pass_length), self.max_steps)
        while step < end:
            stop = min([end, step + self.block_size, *(_next(step, cut) for cut in self.cuts)])
            yield range(step, stop)
            step = stop


class Blocks:
    """What the Trainer iterates over: the blocks of `Spans`, each with its batches."""

    def __init__(
        self,
        rows: Rows,
        batch_size: int,
        order_seeds: Sequence[int],
        *,
        step: Callable[[], int],
        max_steps: int,
        pass_length: int,
        block_size: int,
        cuts: Sequence[int] = (),
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.rows, self.batch_size = rows, batch_size
        self.rank, self.world = rank, world
        self.order = BatchOrder(len(rows), batch_size, order_seeds) if batch_size < len(rows) else None
        mine = shard(len(rows), rank, world)
        self.full = (rows.inputs[:, mine], rows.targets[:, mine]) if world > 1 else (rows.inputs, rows.targets)
        self.spans = Spans(step, max_steps, pass_length, self._block_size(block_size), cuts)

    def __iter__(self) -> Iterator[Block]:
        return (self._block(span.start, len(span)) for span in self.spans)

    def _block_size(self, most: int) -> int:
        if self.order is None:
            return most
        width = self.rows.inputs.shape[-1] + self.rows.targets.shape[-1]
        members = self.rows.inputs.shape[0]
        return max(1, min(most, LARGEST_BLOCK // (self.batch_size * width * members)))

    def _block(self, first: int, number: int) -> Block:
        if self.order is None:
            return Block(first, [self.full] * number, [len(self.rows)] * number)
        rows, sizes = self.order.steps(first, number)
        rows = rows.to(self.rows.inputs.device)
        inputs, targets = _take(self.rows.inputs, rows), _take(self.rows.targets, rows)
        batches = zip(inputs.split(sizes, 1), targets.split(sizes, 1), strict=True)
        if self.world == 1:
            return Block(first, list(batches), sizes)
        shards = (shard(size, self.rank, self.world) for size in sizes)
        return Block(first, [(x[:, mine], y[:, mine]) for (x, y), mine in zip(batches, shards, strict=True)], sizes)


def _next(step: int, interval: int) -> int:
    """The first multiple of `interval` after `step`."""
    return (step // interval + 1) * interval


def _take(tensor: Tensor, rows: Tensor) -> Tensor:
    """`tensor [P, N, C]` at `rows [P, M]`: `[P, M, C]`."""
    if rows.shape[0] == 1:
        return tensor[:, rows[0]]
    return tensor.gather(1, rows[:, :, None].expand(-1, -1, tensor.shape[-1]))
