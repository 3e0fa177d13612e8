"""What the members of a stack see: every distinct data set once, and who sees which; all rows, or batches in order."""

from collections.abc import Sequence

import torch
from torch import Tensor

from src.data.blocks import BatchOrder
from src.data.problem import Problem, Rows
from src.models.loss import Loss, SquaredError
from src.stack.condensed import Condensed

PARTS = ("train", "val", "test")
LARGEST_GATHERED = 2**18
"""Numbers of rows that are gathered at once for steps to come: they should still be in the cache when they are used."""


class Sight:
    """The data of a stack.

    Args:
        problems: each distinct data set, of the same sizes.
        which: of each member, its place in `problems`.
        order_seeds: of each member, the seed of its batch order.
        batch_size: rows of a batch; all rows: every step sees all.
        condense: the loss of a linear model with a bias or without one (True or False); None for any other model.
        loss: as the run trains.
        dtype: of the run.
        device: where it all lies.
    """

    def __init__(
        self,
        problems: Sequence[Problem],
        which: Sequence[int],
        order_seeds: Sequence[int],
        batch_size: int,
        condense: bool | None,
        loss: Loss,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.device, self.loss = device, loss
        self.rows = len(problems[0].train)
        self.full_batch = batch_size >= self.rows
        self.parts = [part for part in PARTS if getattr(problems[0], part) is not None]
        self._which, self._order_seeds = list(which), list(order_seeds)
        self._whole: dict[str, Rows] = {}
        self._condensed: dict[str, Condensed] = {}
        self._inputs: dict[str, Tensor] = {}
        self._targets: dict[str, Tensor] = {}
        self._distinct: dict[str, Condensed] = {}
        for part in self.parts:
            rows = [getattr(problem, part) for problem in problems]
            if condense is not None:
                assert isinstance(loss, SquaredError)
                each = [Condensed.of(one, condense, loss, dtype) for one in rows]
                self._distinct[part] = Condensed.joined(each, device)
            if condense is None or (part == "train" and not self.full_batch):
                self._inputs[part] = torch.stack([one.inputs.to(device, dtype) for one in rows])
                self._targets[part] = torch.stack([one.targets.to(device, dtype) for one in rows])
        self._seeds = sorted(set(order_seeds))
        self.order = None if self.full_batch else BatchOrder(self.rows, batch_size, self._seeds)
        self._choose()

    def _choose(self) -> None:
        """Indices on the device, of the members that are there now."""
        place = {seed: index for index, seed in enumerate(self._seeds)}
        self._data = torch.tensor(self._which, device=self.device)
        self._orders = torch.tensor([place[seed] for seed in self._order_seeds], device=self.device)
        self._whole, self._condensed = {}, {}

    def select(self, indices: Sequence[int]) -> "Sight":
        """What some members see."""
        chosen = object.__new__(Sight)
        chosen.__dict__ |= self.__dict__
        chosen._which = [self._which[index] for index in indices]
        chosen._order_seeds = [self._order_seeds[index] for index in indices]
        chosen._choose()
        return chosen

    def condensed(self, part: str) -> Condensed | None:
        """All rows of a part as a few numbers, where the model is linear."""
        if part in self._distinct and part not in self._condensed:
            self._condensed[part] = self._distinct[part].select(self._data)
        return self._condensed.get(part)

    def whole(self, part: str) -> Rows:
        """All rows of a part, `[P, N, I]` and `[P, N, O]`."""
        if part not in self._whole:
            inputs, targets = self._inputs[part], self._targets[part]
            if len(inputs) == 1:  # seen by each, not copied
                members = len(self._which)
                self._whole[part] = Rows(inputs.expand(members, -1, -1), targets.expand(members, -1, -1))
            else:
                self._whole[part] = Rows(inputs[self._data], targets[self._data])
        return self._whole[part]

    def batches(self, first: int, most: int) -> list[tuple[Tensor, Tensor]]:
        """Inputs `[P, B, I]` and targets `[P, B, O]` of the steps from `first` on, of at most so many."""
        if self.order is None:
            rows = self.whole("train")
            return [(rows.inputs, rows.targets)] * most
        inputs, targets = self._inputs["train"], self._targets["train"]
        width = (inputs.shape[-1] + targets.shape[-1]) * self.order.batch_size * len(self._which)
        order, sizes = self.order.steps(first, max(1, min(most, LARGEST_GATHERED // width)))
        taken, members = order.to(self.device)[self._orders], self._data[:, None]
        return list(zip(inputs[members, taken].split(sizes, 1), targets[members, taken].split(sizes, 1), strict=True))
