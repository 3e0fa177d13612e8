"""The order of batches, and blocks: consecutive optimizer steps that are taken in one go, as ranges."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from src.seeds import stream


class BatchOrder:
    """Which rows optimizer step `t` sees: a fresh permutation every epoch, a function of (seed, epoch) only."""

    def __init__(self, rows: int, batch_size: int, seeds: Sequence[int]) -> None:
        self.rows, self.batch_size, self.seeds = rows, batch_size, seeds
        self.steps_per_epoch = -(-rows // batch_size)
        self._epoch, self._order = -1, torch.empty(len(seeds), rows, dtype=torch.long)

    def epoch(self, number: int) -> Tensor:
        """The order of epoch `number`, counted from 0: row numbers `[P, N]`, until another epoch is asked for."""
        if number != self._epoch:
            # in the memory of the epoch before: new pages cost as much as the permutations
            for seed, order in zip(self.seeds, self._order.unbind(), strict=True):
                torch.randperm(self.rows, generator=stream(seed, f"order.{number}"), out=order)
            self._epoch = number
        return self._order

    def steps(self, first: int, number: int) -> tuple[Tensor, list[int]]:
        """Row numbers `[P, sum of sizes]` of `number` steps from step `first` on, and the size of each step's batch."""
        sizes = self.sizes(first, number)
        found, place = torch.empty(len(self.seeds), sum(sizes), dtype=torch.long), 0
        while place < found.shape[1]:
            epoch, within = divmod(first, self.steps_per_epoch)
            some = self.epoch(epoch)[:, within * self.batch_size :][:, : found.shape[1] - place]
            found[:, place : place + some.shape[1]] = some
            place, first = place + some.shape[1], (epoch + 1) * self.steps_per_epoch
        return found, sizes

    def sizes(self, first: int, number: int) -> list[int]:
        """How many rows each of these steps sees: the last of an epoch what is left."""
        last = self.rows - (self.steps_per_epoch - 1) * self.batch_size
        ends = ((step + 1) % self.steps_per_epoch == 0 for step in range(first, first + number))
        return [last if end else self.batch_size for end in ends]


def shard(size: int, rank: int, world: int) -> slice:
    """The rows of a batch of `size` that process `rank` of `world` takes; shards differ by at most one row."""
    return slice(size * rank // world, size * (rank + 1) // world)


class Spans:
    """The blocks from the current step to the next validation or the end, as ranges of optimizer steps.

    Iterating anew starts from `step()`, which is true after a resume as well. Blocks are cut at multiples of every
    interval in `cuts`, at multiples of `pass_length` (where a pass ends), at each of `marks` and at `max_steps`.
    """

    def __init__(
        self,
        step: Callable[[], int],
        max_steps: int,
        pass_length: int,
        block_size: int,
        cuts: Sequence[int] = (),
        marks: Sequence[int] = (),
    ) -> None:
        self.step, self.max_steps, self.pass_length = step, max_steps, pass_length
        self.block_size, self.cuts, self.marks = block_size, cuts, marks

    def __iter__(self) -> Iterator[range]:
        step = self.step()
        end = min(_next(step, self.pass_length), self.max_steps)
        while step < end:
            cuts = [*(_next(step, cut) for cut in self.cuts), *(mark for mark in self.marks if mark > step)]
            stop = min([end, step + self.block_size, *cuts])
            yield range(step, stop)
            step = stop


def _next(step: int, interval: int) -> int:
    """The first multiple of `interval` after `step`."""
    return (step // interval + 1) * interval
