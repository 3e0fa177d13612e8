"""What members see, on their device: every distinct data set once, who sees which; all rows, or batches in order."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate

import torch
from torch import Tensor

from src.data.batch_order import BatchOrder, shard
from src.data.problem import Problem, Rows
from src.engine.condensed_data import Condensed
from src.losses.loss import Loss

PARTS = ("train", "val", "test")
LARGEST_GATHERED = 2**18
"""Numbers of rows that are gathered at once for steps to come: they should still be in the cache when they are used."""

Batch = tuple[Tensor, Tensor, int | None]
"""Inputs `[P, B, I]`, targets `[P, B, O]`; where several processes share it, the rows of the whole batch, else None."""


class DeviceData:
    """The data of a stack.

    Args:
        problems: each distinct data set, of the same sizes.
        which: of each member, its place in `problems`.
        order_seeds: of each member, the seed of its batch order.
        batch_size: rows of a batch; all rows: every step sees all.
        loss: as the run trains.
        dtype: of the run.
        device: where it all lies.
        condense: where all rows of a linear model are kept as a few numbers: with a bias or without (True or False).
        rank: which of several processes this is: it sees its shard of every batch.
        world: how many they are.
    """

    def __init__(
        self,
        problems: Sequence[Problem],
        which: Sequence[int],
        order_seeds: Sequence[int],
        batch_size: int,
        loss: Loss,
        dtype: torch.dtype,
        device: torch.device,
        *,
        condense: bool | None = None,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.device, self.rank, self.world = device, rank, world
        self.number = len(problems[0].train)
        self.full_batch = batch_size >= self.number
        self.parts = [part for part in PARTS if getattr(problems[0], part) is not None]
        self._problems, self._dtype = problems, dtype
        self._which, self._order_seeds = list(which), list(order_seeds)
        self._order: BatchOrder | None
        self._distinct: dict[str, Rows] = {}
        self._distinct_condensed: dict[str, Condensed] = {}
        for part in self.parts:
            each = [getattr(problem, part) for problem in problems]
            if condense is not None:
                assert loss.least_squares
                pieces = [Condensed.of(one, condense, loss, dtype) for one in each]
                self._distinct_condensed[part] = Condensed.joined(pieces, device)
            if condense is None or (part == "train" and not self.full_batch):
                inputs, targets = (
                    [r.inputs.to(device, dtype) for r in each],
                    [r.targets.to(device, dtype) for r in each],
                )
                self._distinct[part] = Rows(_stacked(inputs), _stacked(targets))
        self._batch_size, self._order = batch_size, None
        self._read: tuple[int, Tensor] | None = None
        self._look_up()

    def _look_up(self) -> None:
        """Indices on the device, of the members that are there now, and the orders of their batches."""
        seeds = sorted(set(self._order_seeds))
        if not self.full_batch and (self._order is None or self._order.seeds != seeds):
            self._order = BatchOrder(self.number, self._batch_size, seeds)
        place = {seed: index for index, seed in enumerate(seeds)}
        self._data = torch.tensor(self._which, device=self.device)
        self._orders = torch.tensor([place[seed] for seed in self._order_seeds], device=self.device)
        self._rows: dict[str, Rows] = {}
        self._condensed: dict[str, Condensed] = {}

    def select(self, keep: Sequence[int]) -> "DeviceData":
        """What some members see."""
        some = copy.copy(self)
        some._which = [self._which[index] for index in keep]
        some._order_seeds = [self._order_seeds[index] for index in keep]
        some._look_up()
        return some

    @property
    def which(self) -> Tensor:
        """The place of each member's data among the distinct ones, `[P]`."""
        return self._data

    @property
    def distinct(self) -> Rows:
        """The training rows of every distinct data set, `[D, N, I]` and `[D, N, O]`."""
        return self._distinct["train"]

    @property
    def distinct_condensed(self) -> Condensed | None:
        """The same as a few numbers each, where steps see them so."""
        return self._distinct_condensed.get("train") if self.full_batch else None

    def order(self, first: int, count: int) -> tuple[Tensor, Tensor, Tensor] | None:
        """The rows that steps see: `[S, numbers]` in S orders, which of them is each member's `[P]`, where each step
        begins `[count + 1]`; None: every step sees all rows."""
        if self._order is None:
            return None
        order, sizes = self._order.steps(first, count)
        return order, self._orders, torch.tensor([0, *accumulate(sizes)])

    def sizes(self, first: int, count: int) -> list[int]:
        """How many rows each of these steps sees."""
        return [self.number] * count if self._order is None else self._order.sizes(first, count)

    @property
    def period(self) -> int:
        """After how many steps their sizes repeat."""
        return 1 if self._order is None or self.number % self._batch_size == 0 else self._order.steps_per_epoch

    @contextmanager
    def reading(self, first: int, order: Tensor | None) -> Iterator[None]:
        """Inside, the batches of the steps from `first` on are of these rows, `[S, numbers]` as in `order`."""
        self._read = None if order is None else (first, order)
        try:
            yield
        finally:
            self._read = None

    @property
    def problems(self) -> list[Problem]:
        """That of each member, `[P]`."""
        return [self._problems[index] for index in self._which]

    def condensed(self, part: str) -> Condensed | None:
        """All rows of a part as a few numbers, where they are kept so."""
        if part in self._distinct_condensed and part not in self._condensed:
            self._condensed[part] = self._distinct_condensed[part].select(self._data)
        return self._condensed.get(part)

    def rows(self, part: str) -> Rows:
        """All rows of a part, `[P, N, I]` and `[P, N, O]`; made anew where they are kept as a few numbers."""
        if part not in self._distinct:
            return next(self.pieces(part, len(getattr(self._problems[0], part))))
        if part not in self._rows:
            self._rows[part] = self._seen(self._distinct[part])
        return self._rows[part]

    def _seen(self, distinct: Rows) -> Rows:
        """Of each member its own; of one data set all see the same, not copied."""
        inputs, targets, members = distinct.inputs, distinct.targets, len(self._which)
        if len(inputs) == 1:
            return Rows(inputs.expand(members, -1, -1), targets.expand(members, -1, -1))
        return Rows(inputs[self._data], targets[self._data])

    def pieces(self, part: str, number: int) -> Iterator[Rows]:
        """All rows of a part, at most so many at a time; where they are kept as a few numbers, as they were before."""
        each = [getattr(problem, part) for problem in self._problems]
        for first in range(0, len(each[0]), number):
            some = slice(first, first + number)
            inputs = _stacked([rows.inputs[some].to(self.device, self._dtype) for rows in each])
            targets = _stacked([rows.targets[some].to(self.device, self._dtype) for rows in each])
            yield self._seen(Rows(inputs, targets))

    def batches(self, first: int, most: int) -> list[Batch]:
        """The batches of the steps from `first` on, of at most so many."""
        if self._order is None:
            rows = self.rows("train")
            if self.world == 1:
                return [(rows.inputs, rows.targets, None)] * most
            mine = shard(self.number, self.rank, self.world)
            return [(rows.inputs[:, mine], rows.targets[:, mine], self.number)] * most
        inputs, targets = self._distinct["train"].inputs, self._distinct["train"].targets
        width = (inputs.shape[-1] + targets.shape[-1]) * self._order.batch_size * len(self._which)
        count = max(1, min(most, LARGEST_GATHERED // width))
        if self._read is None:
            order, sizes = self._order.steps(first, count)
        else:
            start, sizes = sum(self.sizes(self._read[0], first - self._read[0])), self.sizes(first, count)
            order = self._read[1][:, start : start + sum(sizes)]
        places = order.to(self.device).index_select(0, self._orders).add_(self._data[:, None] * self.number)
        both = (_gathered(part, places).split(sizes, 1) for part in (inputs, targets))
        pieces = list(zip(*both, strict=True))
        if self.world == 1:
            return [(x, y, None) for x, y in pieces]
        shards = [shard(size, self.rank, self.world) for size in sizes]
        return [(x[:, one], y[:, one], size) for (x, y), one, size in zip(pieces, shards, sizes, strict=True)]


def _gathered(distinct: Tensor, places: Tensor) -> Tensor:
    """Rows `[P, B, columns]` of data sets `[D, N, columns]`, each by its place among the D N, `[P, B]`."""
    # torch takes numbers from a vector four times as fast as from a matrix of one column, and both faster than by `[]`
    table = distinct.flatten() if distinct.shape[2] == 1 else distinct.flatten(0, 1)
    return table.index_select(0, places.view(-1)).view(*places.shape, distinct.shape[2])


def _stacked(tensors: Sequence[Tensor]) -> Tensor:
    """With a leading axis; one alone is not copied."""
    return tensors[0][None] if len(tensors) == 1 else torch.stack(list(tensors))
