"""The design matrix of a linear model, and all that its rows say, factored: a pass over the rows for a few numbers."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

CHUNK = 32_768
"""Rows that are factored at once: memory does not grow with the rows."""


class Design:
    """The design [1 X] and the targets, seen a chunk of rows at a time, its columns scaled to a largest value of 1."""

    def __init__(self, inputs: Tensor, targets: Tensor, bias: bool) -> None:
        self.inputs, self.targets, self.bias = inputs, targets, bias
        self.outputs, self.size = targets.shape[1], inputs.shape[1] + bias
        largest = torch.maximum(inputs.amax(0), -inputs.amin(0)).double()
        largest = largest.where(largest > 0, 1.0)
        self.scale = torch.cat([torch.ones(1, dtype=torch.float64), largest]) if bias else largest

    def __len__(self) -> int:
        return len(self.inputs)

    def chunks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The design `[C, d]`, unscaled, and the targets `[C, O]`."""
        for start in range(0, len(self), CHUNK):
            inputs = self.inputs[start : start + CHUNK].double()
            ones = torch.ones(len(inputs), int(self.bias), dtype=torch.float64)
            yield torch.cat([ones, inputs], 1), self.targets[start : start + CHUNK].double()

    def squares_along(self, directions: Tensor, solution: Tensor) -> tuple[Tensor, Tensor]:
        """`Σ |r|² z²` and `Σ z² (z²)ᵀ`, `[d]` and `[d, d]`, over rows with coordinates z along `directions [d, d]`.

        r are the residuals at `solution [d, O]`.
        """
        noise, fourth = torch.zeros(self.size).double(), torch.zeros(self.size, self.size).double()
        for design, targets in self.chunks():
            squares = (design @ directions).square()
            noise += squares.mT @ (design @ solution - targets).square().sum(1)
            fourth += squares.mT @ squares
        return noise, fourth

    def factor(self) -> tuple[Tensor, Tensor, Tensor]:
        """R of the scaled design `[d, d]`, Qᵀy `[d, O]`, and the factor of what is left of y."""
        triangle = torch.zeros(0, self.size + self.outputs, dtype=torch.float64)
        for design, targets in self.chunks():
            rows = torch.cat([design.div_(self.scale), targets], 1)
            triangle = torch.linalg.qr(torch.cat([triangle, rows]), mode="r").R
        short = self.size + self.outputs - len(triangle)
        triangle = torch.cat([triangle, torch.zeros(max(short, 0), triangle.shape[1], dtype=torch.float64)])
        return (
            triangle[: self.size, : self.size],
            triangle[: self.size, self.size :],
            triangle[self.size :, self.size :],
        )

    def refined(self, solution: Tensor, upper: Tensor, passes: int = 4) -> Tensor:
        """The solution `[d, O]` after a few corrections from residuals in extended precision."""
        for _ in range(passes):
            gradient = np.zeros((self.size, self.outputs), dtype=np.longdouble)
            for design, targets in self.chunks():
                long = design.numpy().astype(np.longdouble)
                residual = targets.numpy().astype(np.longdouble) - long @ solution.numpy().astype(np.longdouble)
                gradient += (long / self.scale.numpy()).T @ residual
            right = torch.from_numpy(gradient.astype(np.float64))
            half = torch.linalg.solve_triangular(upper.mT, right, upper=False)
            step = torch.linalg.solve_triangular(upper, half, upper=True) / self.scale[:, None]
            solution = solution + step
            if bool((step.abs() <= 1e-15 * solution.abs()).all()):
                break
        return solution
