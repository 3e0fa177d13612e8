"""What is learned from, once it is drawn or read: rows for training, validation and test, and what is known of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from src.errors import LabError
from src.tables.account import Account
from src.tables.encoding import Encoding

LARGEST_BLOCK = 2**24
"""Of so many numbers there may be copies; of more at once there may be no room for them."""


@dataclass(frozen=True)
class Rows:
    """Inputs `[N, I]` and targets `[N, O]`, or with a leading member axis `[P, N, I]` and `[P, N, O]`."""

    inputs: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return self.inputs.shape[-2]


@dataclass(frozen=True)
class Scaling:
    """How a table's units become those that descent sees: `(value - mean) / scale`, column by column.

    Means and scales are float64, of shape `[I]` for the inputs and `[O]` for the targets.

    Attributes:
        log_target: descent sees the targets' natural logarithm, scaled; means and scales are those of the logarithm.
    """

    input_mean: Tensor
    input_scale: Tensor
    target_mean: Tensor
    target_scale: Tensor
    log_target: bool = False

    @classmethod
    def identity(cls, inputs: int, outputs: int, log_target: bool = False) -> "Scaling":
        """Units as they are, but for the logarithm."""
        zeros, ones = torch.zeros(max(inputs, outputs)).double(), torch.ones(max(inputs, outputs)).double()
        return cls(zeros[:inputs], ones[:inputs], zeros[:outputs], ones[:outputs], log_target)

    @classmethod
    def of(cls, inputs: Tensor, targets: Tensor, log_target: bool = False) -> "Scaling":
        """To mean 0 and deviation 1 over these rows `[N, I]`, `[N, O]`; a constant column keeps its scale."""
        targets = targets.log() if log_target else targets

        def scale(columns: Tensor) -> Tensor:
            # divided by the largest first, so that squares of 1e±200 neither overflow nor vanish
            largest = columns.abs().amax(0)
            unit = columns / largest.where(largest > 0, 1.0)
            deviation = unit.std(0, correction=0) * largest
            constant = (columns == columns[:1]).all(0) | (deviation == 0)
            return deviation.where(~constant, 1.0)

        def mean(columns: Tensor) -> Tensor:
            constant = (columns == columns[:1]).all(0)
            return columns[0].where(constant, (columns / len(columns)).sum(0))

        means, scales = [], []
        for block in inputs.split(max(1, LARGEST_BLOCK // len(inputs)), 1):
            block = block.contiguous()
            means.append(mean(block))
            scales.append(scale(block - means[-1]))
        centre = mean(targets)
        return cls(torch.cat(means), torch.cat(scales), centre, scale(targets - centre), log_target)

    def forward(self, rows: Rows) -> Rows:
        """From the table's units to those of descent."""
        inputs, targets = rows.inputs.double(), rows.targets.double()
        targets = targets.log() if self.log_target else targets
        return Rows((inputs - self.input_mean) / self.input_scale, (targets - self.target_mean) / self.target_scale)

    def predictions(self, predictions: Tensor) -> Tensor:
        """Predictions `[..., O]` back in the table's units."""
        own = predictions.double() * self.target_scale + self.target_mean
        return own.exp() if self.log_target else own

    def weight(self, weight: Tensor) -> Tensor:
        """The weight `[I, O]` of a linear model, in the table's units."""
        return weight.double() / self.input_scale[:, None] * self.target_scale

    def bias(self, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The bias `[O]` of a linear model with weight `[I, O]`, in the table's units."""
        own = 0.0 if bias is None else bias.double() * self.target_scale
        return own + self.target_mean - self.input_mean @ self.weight(weight)

    def loss_scale(self) -> Tensor:
        """What a squared error of each target `[O]` is multiplied by to be in the table's units."""
        return self.target_scale.square()

    def state(self) -> dict[str, Any]:
        """As plain values, for a checkpoint."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: value.tolist() if isinstance(value, Tensor) else value for name, value in values.items()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Scaling":
        """From what `state` gave."""
        lists = {name: value for name, value in state.items() if isinstance(value, list)}
        return cls(**{**state, **{name: torch.tensor(value, dtype=torch.float64) for name, value in lists.items()}})


@dataclass(frozen=True)
class Problem:
    """A data set, split.

    Attributes:
        truth: the weight `[I, O]` and bias `[O]` that made the targets, where they did.
        scaling: of a table, from its units to those of descent.
        table: what was done to it.
        encoding: of its columns.
        sizes_by_split: whether they depend on which rows are for training, whose values are the categories.
        classes: the names of what targets are, in the order of a loss's probabilities; none where they are numbers.
    """

    train: Rows
    val: Rows | None
    test: Rows | None
    features: Sequence[str]
    targets: Sequence[str]
    truth: Mapping[str, Tensor] = field(default_factory=dict)
    scaling: Scaling | None = None
    table: Account | None = None
    encoding: Encoding | None = None
    sizes_by_split: bool = False
    classes: Sequence[str] = ()

    @property
    def unseen(self) -> list[str]:
        """The classes that no training row has."""
        seen = self.train.targets.any(0).tolist()
        if self.outputs == len(self.targets):  # 0 and 1
            seen = [not self.train.targets.all(), any(seen)]
        return [name for name, there in zip(self.classes, seen, strict=False) if not there]

    @property
    def inputs(self) -> int:
        """How many features."""
        return self.train.inputs.shape[-1]

    @property
    def outputs(self) -> int:
        """How many numbers are predicted: one a target, or one a class."""
        return self.train.targets.shape[-1]

    @property
    def sizes(self) -> tuple[int, ...]:
        """What a stack cannot mix: inputs, outputs and the training, validation and test rows."""
        rows = (0 if part is None else len(part) for part in (self.train, self.val, self.test))
        return self.inputs, self.outputs, *rows

    @cached_property
    def variances(self) -> dict[str, Tensor]:
        """Of the targets of each part, `[O]`, as descent sees them."""
        parts = {"train": self.train, "val": self.val, "test": self.test}
        return {name: variance(part.targets) for name, part in parts.items() if part is not None}

    @cached_property
    def variances_after_exp(self) -> dict[str, Tensor]:
        """The same in the units of a table whose logarithm is fitted."""
        assert self.scaling is not None
        parts = {"train": self.train, "val": self.val, "test": self.test}
        return {name: variance(self.scaling.predictions(part.targets)) for name, part in parts.items() if part}

    def describe(self) -> dict[str, Any]:
        """What a checkpoint keeps of it, to predict from another table: names and units, plain values."""
        scaling = self.scaling or Scaling.identity(self.inputs, self.outputs)
        encoding = self.encoding or Encoding.of_numbers(self.features)
        return {
            "features": list(self.features),
            "targets": list(self.targets),
            "outputs": self.outputs,
            "classes": list(self.classes),
            "scaling": scaling.state(),
            "encoding": encoding.state(),
        }


def in_units(values: Mapping[str, Tensor], scalings: Sequence[Scaling | None]) -> dict[str, Tensor]:
    """The parameters `[P, I, O]` of linear models in the units of each member's data."""
    if all(scaling is None for scaling in scalings):
        return dict(values)
    bias = values.get("bias", torch.zeros(len(scalings), 1, 1, dtype=torch.float64))
    weights, biases = [], []
    for scaling, weight, own in zip(scalings, values["weight"], bias, strict=True):
        weights.append(weight if scaling is None else scaling.weight(weight))
        biases.append(own[0] if scaling is None else scaling.bias(weight, own[0]))
    return {"weight": torch.stack(weights), "bias": torch.stack(biases)[:, None]}


def variance(targets: Tensor) -> Tensor:
    """The mean squared deviation `[O]` of targets `[N, O]`, float64; exactly 0 where they are constant."""
    deviations = targets.double() - targets.double().mean(0)
    constant = (targets == targets[:1]).all(0)
    return deviations.square().mean(0).where(~constant, 0.0)


def count(share: int | float, total: int) -> int:
    """A number of rows, given as itself or as a fraction of `total`."""
    return share if isinstance(share, int) else round(share * total)


def names(prefix: str, number: int) -> list[str]:
    """`x`, or `x1`, `x2`, ... when there are several."""
    return [prefix] if number == 1 else [f"{prefix}{index}" for index in range(1, number + 1)]


def check_batch_size(batch_size: int | str, rows: int) -> None:
    """Refuse a batch of more rows than there are to train on.

    Raises:
        LabError: it is.
    """
    if batch_size != "full" and int(batch_size) > rows:
        raise LabError(f"data.batch_size={batch_size} is more than the {rows} training rows")
