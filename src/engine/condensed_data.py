"""All rows of a linear model under squared error as a few numbers: after one pass, no step needs the rows again.

With the QR factorization of the design, `X = Q R`, the sum of squares over all rows is `|R t - z|² + rest`, where
`z = Qᵀ y` and `rest` is what no parameter can take away (Golub and Van Loan, Matrix Computations, 5.3). It is the same
loss of the same parameters with d rows instead of n; nothing cancels, as it would in `tᵀ XᵀX t - 2 yᵀ X t + yᵀ y`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from src.data.design_matrix import Design
from src.data.problem import Rows
from src.losses.loss import Loss


@dataclass(frozen=True)
class Condensed:
    """A loss `|R t - z|² + rest` per member; parameters `t [P, d, O]` are the weight's rows, then the bias.

    Attributes:
        factor: R, `[P, d, d]`.
        offset: -z, `[P, d, O]`.
        rest: `[P]`.
        rests: of each output, `[P, O]`.
    """

    factor: Tensor
    offset: Tensor
    rest: Tensor
    rests: Tensor

    @classmethod
    def of(cls, rows: Rows, bias: bool, loss: Loss, dtype: torch.dtype) -> "Condensed":
        """Of one member's rows `[N, I]` and `[N, O]`, as a run of this dtype sees them; computed in float64."""
        inputs, targets = rows.inputs.to(dtype), rows.targets.to(dtype)
        design = Design(inputs, targets, bias)
        upper, right, left = design.factor()
        factor = upper * design.scale
        if bias:
            factor = torch.cat([factor[:, 1:], factor[:, :1]], 1)
        # scaled before the squares: a float32 run must not overflow before its loss does
        unit = 1.0 if loss.reduction == "sum" else (targets.shape[0] * targets.shape[1]) ** -0.5
        rests = (left * unit).square()
        rest, rests = rests.sum(), rests.sum(0)
        pieces = (factor * unit, -right * unit, rest, rests)
        return cls(*(piece.to(dtype)[None] for piece in pieces))

    @classmethod
    def joined(cls, parts: Sequence["Condensed"], device: torch.device) -> "Condensed":
        """One member after another."""
        columns = ([getattr(part, name) for part in parts] for name in cls.__dataclass_fields__)
        return cls(*(torch.cat(column).to(device) for column in columns))

    def select(self, indices: Tensor) -> "Condensed":
        """Some members."""
        return Condensed(*(getattr(self, name)[indices] for name in self.__dataclass_fields__))

    def losses(self, residuals: Tensor) -> Tensor:
        """Losses `[K, P]` of residuals `[K, P, d, O]`."""
        return residuals.square().sum((2, 3)) + self.rest

    def losses_of_each(self, residuals: Tensor) -> Tensor:
        """The part of each output in the losses, `[P, O]`, of residuals `[P, d, O]`."""
        return residuals.square().sum(1) + self.rests
