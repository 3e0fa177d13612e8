"""What every loss is, and says of itself."""

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from src.config.classes import reset_facts
from src.errors import LabError


def _of_one_shape(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method of a loss that takes predictions and targets of the same shape only: torch would stretch one of them."""

    @wraps(method)
    def checked(self: "Loss", predictions: Tensor, targets: Tensor, rows: int | None = None) -> Any:
        if predictions.shape != targets.shape:
            shapes = f"predictions {list(predictions.shape)} and targets {list(targets.shape)}"
            raise LabError(f"{type(self).__name__} is given {shapes}: a model must make what the targets are")
        return method(self, predictions, targets) if rows is None else method(self, predictions, targets, rows)

    return checked


Targets = Literal["numbers", "binary", "one_hot", "counts"]
"""What targets are: any numbers; 0 or 1; a column a class, 1 in that of the row and 0 else; 0, 1, 2 and so on."""

TAKEN: Mapping[Targets, tuple[str, Callable[[Tensor], Tensor]]] = {
    "binary": ("0 or 1", lambda targets: ((targets == 0) | (targets == 1)).all(-1)),
    "one_hot": (
        "a column a class, 1 in that of the row and 0 in the others",
        lambda targets: ((targets == 0) | (targets == 1)).all(-1) & (targets.sum(-1) == 1),
    ),
    "counts": ("counts: 0, 1, 2 and so on", lambda targets: ((targets >= 0) & (targets == targets.round())).all(-1)),
}
"""In words, and whether rows `[N, O]` are that, `[N]`; of what is not any numbers."""


FACTS = (
    "least_squares",
    "convex",
    "targets",
    "each_and_slopes",
    "in_c",
    "derivative",
    "curvature",
    "difference",
    "unit",
    "constant",
    "margins",
    "probabilities",
    "chosen",
    "expected",
)
"""What a loss says of its formula, which another formula takes back."""


class Loss:
    """What is made small, of every member by itself: predictions and targets are `[P, B, O]`, losses `[P]`.

    They are of the same shape, in a subclass too: else `value` and `derivative` raise a `LabError`.

    A loss of one's own that is written so has `each`, and can be trained in a stack; autograd derives it where it has
    no `each_and_slopes` and no `derivative`. A subclass with another `value` or `each` has none of the `FACTS` of the
    class above it, and says anew what holds.

    Args:
        reduction: "mean" or "sum" over rows and outputs (`model.loss`); "value" of a surface.

    Attributes:
        name: the word of conf/loss, or of one's own the class's name.
        least_squares: a linear model with it is least squares: steps on all rows may be condensed, and theory holds.
        per_member: it is a mean or a sum over rows, so that those of shards add up.
        targets: what it takes; classes and counts are not standardized.
        in_c: attributes that the function of its name in losses.h takes, which are defined in upper case there; None:
            there is none.
        convex: in the predictions, so that a linear model has an exact answer, which Newton's method finds.
    """

    name: str
    least_squares = False
    per_member = True
    targets: ClassVar[Targets] = "numbers"
    convex = False
    in_c: ClassVar[tuple[str, ...] | None] = None

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "name" not in vars(cls):
            cls.name = cls.__name__
        for name in vars(cls).keys() & {"value", "derivative"}:
            setattr(cls, name, _of_one_shape(vars(cls)[name]))
        reset_facts(cls, Loss, ("value", "each"), FACTS)

    def __init__(self, reduction: str = "mean") -> None:
        self.reduction = reduction

    def each(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """What is averaged or added up: `[P, B, O]`, or one number a row, `[P, B]`."""
        raise NotImplementedError

    def each_and_slopes(self, predictions: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """By hand: `each`, and the derivatives `[P, B, O]` of their sum by the predictions."""
        raise NotImplementedError

    @_of_one_shape
    def value(self, predictions: Tensor, targets: Tensor, rows: int | None = None) -> Tensor:
        """Losses `[P]`.

        With `rows` given, B is this process's shard of a batch of that many rows, and shards' losses and gradients add
        up to the whole batch's, however uneven the shards are.
        """
        each = self.each(predictions, targets)
        if each.shape not in (predictions.shape, predictions.shape[:2]):
            name, wanted = type(self).__name__, "one number an output [P, B, O], or a row [P, B]"
            raise LabError(f"{name}.each gives {list(each.shape)} of {list(predictions.shape)}: it must give {wanted}")
        return each.flatten(1).sum(1) / self._divisor(each, rows)

    @_of_one_shape
    def derivative(self, predictions: Tensor, targets: Tensor, rows: int | None = None) -> tuple[Tensor, Tensor]:
        """Losses `[P]` and their derivatives `[P, B, O]` by the predictions."""
        if type(self).each_and_slopes is not Loss.each_and_slopes:
            each, slopes = self.each_and_slopes(predictions, targets)
            divisor = self._divisor(each, rows)
            return each.flatten(1).sum(1) / divisor, slopes / divisor
        with torch.enable_grad():
            leaf = predictions.detach().requires_grad_()
            losses = self.value(leaf, targets, rows)
            (slopes,) = torch.autograd.grad(losses.sum(), leaf)
        return losses.detach(), slopes

    def _divisor(self, each: Tensor, rows: int | None) -> int:
        return 1 if self.reduction == "sum" else numbers(each, rows)

    def curvature(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """The second derivatives `[P, B, O, O]` of each row's loss by its predictions, as they count in `value`."""
        with torch.enable_grad():
            leaf = predictions.detach().requires_grad_()
            (slopes,) = torch.autograd.grad(self.value(leaf, targets).sum(), leaf, create_graph=True)
            if not slopes.requires_grad:  # it is linear
                return slopes.new_zeros((*slopes.shape, slopes.shape[-1]))
            rows = [torch.autograd.grad(one.sum(), leaf, retain_graph=True)[0] for one in slopes.unbind(-1)]
        return torch.stack(rows, -2)

    def probabilities(self, predictions: Tensor) -> Tensor:
        """The probability `[..., C]` of each class by predictions `[..., O]`, where targets are classes."""
        raise NotImplementedError

    def check(self, targets: Tensor, names: Sequence[str], part: str) -> None:
        """Refuse targets that are not what it takes.

        Args:
            targets: `[N, O]`.
            names: of the targets.
            part: "train", "val" or "test".

        Raises:
            LabError: it tells one.
        """
        if self.targets not in TAKEN:
            return
        words, holds = TAKEN[self.targets]
        wrong = targets[~holds(targets)]
        if len(wrong):
            found = ", ".join(f"{value:g}" for value in wrong[0][:8].tolist()) + ", ..." * (wrong.shape[1] > 8)
            where = f"in {len(wrong):,} of {len(targets):,} {part} rows {', '.join(names)} is not (first {found})"
            raise LabError(f"the loss {self.name} takes {words}; {where}: loss=squares takes any numbers")

    def chosen(self, values: Tensor) -> Tensor:
        """The classes `[..., 1]` that predictions, or targets, `[..., O]` say, by their place; "binary": `[..., O]`."""
        return values.argmax(-1, keepdim=True) if self.targets == "one_hot" else (values > 0).long()

    def expected(self, predictions: Tensor) -> Tensor:
        """What the targets are on average by predictions `[..., O]`: here the predictions themselves."""
        return predictions

    @property
    def classifies(self) -> bool:
        """Whether targets are classes, so that there are accuracies."""
        return self.targets in ("binary", "one_hot")

    @property
    def by_hand(self) -> bool:
        """Whether its derivative is written by hand."""
        kind = type(self)
        return kind.derivative is not Loss.derivative or kind.each_and_slopes is not Loss.each_and_slopes

    def difference(self, above: Tensor, below: Tensor, targets: Tensor) -> tuple[float, float]:
        """The loss at one of two predictions `[1, B, O]` less that at the other, and what rounding does to it."""
        value, slopes = self.derivative(above, targets)
        rounding = (torch.maximum(above.abs(), below.abs()) * slopes).norm() + value.abs()
        return float(value - self.value(below, targets)), float(torch.finfo(above.dtype).eps * rounding)

    def unit(self, target_scale: Tensor) -> float | None:
        """What a loss of descent is multiplied by to be in the units of a table whose targets were divided by `[O]`.

        None where no factor does that; such losses are told in the units that descent sees.
        """
        return None

    def margins(self, predictions: Tensor, targets: Tensor) -> Tensor | None:
        """Numbers `[..., K]` of rows `[..., O]`, linear in the predictions, that say where the loss has no minimum.

        Along predictions whose margins are all at least 0 no row's loss ever rises, and along no others; where one is
        above 0 a loss falls without end. A loss that has them is convex, and its third derivative along a direction
        at most the second times the widest change of a row's predictions (Bach 2010), as of exp and of softmax. None:
        the loss has a minimum whatever the rows, or nobody knows.
        """
        return None

    def constant(self, targets: Tensor) -> Tensor:
        """The best prediction `[O]` of targets `[N, O]` that is the same for all of them; here their mean."""
        return targets.mean(0)

    def spread(self, targets: Tensor) -> Tensor:
        """The loss `[1]` of that prediction of all targets `[N, O]`, to tell when a loss has diverged."""
        return self.value(self.constant(targets).expand_as(targets)[None], targets[None])


def numbers(each: Tensor, rows: int | None) -> int:
    """How many numbers a mean over rows, and outputs if there are, is taken over; `rows` of the whole batch."""
    return (each.shape[1] if rows is None else rows) * each.shape[2:].numel()
