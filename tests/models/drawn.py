"""Models of several members, with rows, drawn by hypothesis."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from src.losses.loss import Loss
from src.models.activations import ACTIVATIONS
from src.models.linear import Linear
from src.models.member_axis import stack
from src.models.two_layer import TwoLayer
from tests.kinds import model_of
from tests.losses.drawn import OF_TORCH, loss_of, targets_for


@dataclass(frozen=True)
class Case:
    """`P` members alone and their inputs `[P, B, I]`, targets `[P, B, O]`, all in float64."""

    members: list[nn.Module]
    inputs: Tensor
    targets: Tensor
    loss: Loss
    activation: str = "identity"

    @property
    def whole(self) -> Any:
        """The members as one stack."""
        return stack(self.members)

    def rows(self, part: slice) -> "Case":
        """The same members and some of the rows."""
        return replace(self, inputs=self.inputs[:, part], targets=self.targets[:, part])


@st.composite
def cases(draw: st.DrawFn, most_members: int = 3) -> Case:
    """Any model, loss and shape, small."""
    inputs, outputs, hidden = (draw(st.integers(1, 4)) for _ in range(3))
    members, rows, seed = draw(st.integers(1, most_members)), draw(st.integers(1, 6)), draw(st.integers(0, 2**31))
    bias, reduction = draw(st.booleans()), draw(st.sampled_from(["mean", "sum"]))
    activation = draw(st.sampled_from([None, *ACTIVATIONS]))
    keys: dict[str, Any] = {"bias": bias, "start": "normal", "dtype": torch.float64}
    models = [
        model_of(Linear, inputs, outputs, seed=seed + p, **keys)
        if activation is None
        else model_of(TwoLayer, inputs, outputs, hidden=hidden, activation=activation, seed=seed + p, **keys)
        for p in range(members)
    ]
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(members, rows, inputs, generator=generator, dtype=torch.float64)
    loss = loss_of(draw(st.sampled_from(list(OF_TORCH))), reduction)
    y = targets_for(loss, (members, rows, outputs), generator)
    return Case(list(models), x, y, loss, activation or "identity")
