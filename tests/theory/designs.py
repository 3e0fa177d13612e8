"""Designs that hypothesis draws, and descent on them in plain float64."""

import torch
from hypothesis import strategies as st

from src.data.features import Features
from src.data.problem import Rows
from tests.kinds import data_of

designs = st.builds(
    lambda seed, inputs, condition: data_of(Features,
        seed=seed, rows=40, val=0, test=0, inputs=inputs, condition_number=condition, weights=None, intercept=0.5,
        noise=0.3,
    ).problem().train,
    seed=st.integers(0, 2**32 - 1),
    inputs=st.integers(1, 5),
    condition=st.floats(1, 200),
)  # fmt: skip


def descend(
    data: Rows, lr: float, steps: int, bias: bool = True, decay: float = 0.0
) -> tuple[list[torch.Tensor], list[float]]:
    """Full-batch gradient descent from 0: parameters and squared errors after 0, 1, ..., steps."""
    design = data.inputs.double()
    design = torch.cat([torch.ones(len(design), 1).double(), design], 1) if bias else design
    t = torch.zeros(design.shape[1], 1, dtype=torch.float64)
    path, losses = [], []
    for _ in range(steps + 1):
        error = design @ t - data.targets.double()
        path.append(t)
        losses.append(float(error.square().mean()))
        t = t - lr * (2 / len(design) * design.T @ error + decay * t)
    return path, losses
