"""What every model of this project is, and says of itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor, nn

from src.config.classes import reset_facts
from src.config.surfaces import Function


@dataclass(frozen=True)
class InC:
    """A model's loss and gradient as a template of C, of which `src.engine.compiled` makes a program.

    Attributes:
        file: it.
        sizes: what is defined in it, by name.
        side: how many numbers lie side by side in vectors.
        padded: whether inputs are among them.
    """

    file: Path
    sizes: Mapping[str, int | str]
    side: int
    padded: bool = False


class Model(nn.Module):
    """A model of one member, from its section of the config; `src.models.member_axis` joins several.

    One that has a method `by_hand(inputs, targets, loss, rows)`, which gives losses `[P]` and the gradient of each
    parameter in the order of `parameters()`, has its gradient by hand. A subclass with another `forward` loses
    `by_hand`, `linear`, `shown` and `in_c` of the class above it, one with another `by_hand` all but the first: it
    states them anew.

    Attributes:
        member_axis: parameters are `[P, I, O]`; a user's own module has any.
        by_hand: see above; None: autograd only.
        linear: predictions are `x W + b` with parameters `weight` and `bias` (None: without).
        shown: results tell its parameters.
        surface: what is gone down, where nothing is predicted.
    """

    member_axis: ClassVar[bool] = True
    by_hand: ClassVar[Callable[..., Any] | None] = None
    linear: ClassVar[bool] = False
    shown: ClassVar[bool] = False
    surface: Function | None = None

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        reset_facts(cls, Model, ("forward",), ("by_hand",))
        reset_facts(cls, Model, ("forward", "by_hand"), ("linear", "shown", "in_c"))

    def forward(self, inputs: Tensor) -> Tensor:
        """Predictions `[P, B, O]` for inputs `[P, B, I]`."""
        raise NotImplementedError

    def in_c(self) -> InC | None:
        """It as C, where there is a template of it."""
        return None
