"""What every model of this project is, and says of itself."""

from typing import ClassVar

from torch import Tensor, nn

from src.config.surfaces import Function


class Model(nn.Module):
    """A model of one member, from its section of the config; `src.models.member_axis` joins several.

    One that has a method `by_hand(inputs, targets, loss, rows)`, which gives losses `[P]` and the gradient of each
    parameter in the order of `parameters()`, can be trained in a stack.

    Attributes:
        member_axis: parameters are `[P, I, O]`; a user's own module has any.
        linear: predictions are `x W + b` with parameters `weight` and `bias` (None: without).
        shown: results tell its parameters.
        surface: what is gone down, where nothing is predicted.
    """

    member_axis: ClassVar[bool] = True
    linear: ClassVar[bool] = False
    shown: ClassVar[bool] = False
    surface: Function | None = None

    def forward(self, inputs: Tensor) -> Tensor:
        """Predictions `[P, B, O]` for inputs `[P, B, I]`."""
        raise NotImplementedError
