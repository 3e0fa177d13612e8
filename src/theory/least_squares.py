"""The exact answer of a linear model, in float64: least squares or ridge, and the Hessian that descent feels.

With design matrix X (a column of ones for the bias), mean squared error, n rows and one output, the Hessian is
H = 2 XᵀX / n, and with the least-squares solution t*

    loss(t) = loss* + ½ (t - t*)ᵀ H (t - t*).

Weight decay ρ in the loss, ½ ρ |t|², adds ρ to every eigenvalue of H and moves t* to the ridge solution.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from src.data.design_matrix import Design
from src.data.problem import Rows
from src.theory.exact import Exact

LARGEST_ROTATED = 64
"""Up to so many columns, singular values far apart are computed by rotations, which take d² of them a sweep."""

ILL_CONDITIONED = 1e3
"""From this condition number of the scaled design on, the solution is refined with extended residuals."""


@dataclass(frozen=True)
class LeastSquares(Exact):
    """The least-squares or ridge solution.

    Attributes:
        rows: n.
        eigenvectors: of the Hessian, its columns, `[d, d]`.
        residual: the sum of squared residuals.
    """

    rows: int
    eigenvectors: Tensor
    residual: float
    quadratic = True

    @property
    def moving(self) -> int:
        """As the rank says: an eigenvalue may be below all float64."""
        return len(self.eigenvalues) if self.ridge > 0 else self.rank

    @property
    def noise_variance(self) -> float | None:
        """Unbiased: the squared residuals over the degrees of freedom that are left, if any are."""
        free = (self.rows - self.rank) * self.solution.shape[1]
        return self.residual / free if free > 0 and not self.ridge else None

    def evidence(self, unit: float) -> dict[str, Any]:
        """The variance of the noise."""
        return {"noise_variance": None if self.noise_variance is None else self.noise_variance * unit}

    def loss_at(self, modes: Tensor) -> Tensor:
        """Squared errors `[...]` at t* + U m for distances `[..., d, O]` along the eigenvectors U."""
        squares = 0.5 * (self.eigenvalues - self.ridge) @ modes.square().sum(-1)[..., None]
        # at the ridge solution the gradient of the squared error is not 0 but -ρ t*
        slope = self.ridge * self.eigenvectors.mT @ self.solution
        return self.loss + squares[..., 0] - (slope * modes).sum((-1, -2))


def solve(rows: Rows, bias: bool = True, reduction: str = "mean", ridge: float = 0.0) -> LeastSquares:
    """The exact answer for inputs `[N, I]` and targets `[N, O]`.

    One pass over the rows: a QR factorization of the column-scaled [1 X y], chunk by chunk (TSQR; Demmel et al. 2012),
    so nothing is squared and memory is O(d²). An ill-conditioned design takes a few passes more, which refine the
    solution with residuals in extended precision (corrected semi-normal equations; Björck 1987). Columns that depend on
    each other leave many solutions; this is the one of least norm.

    Args:
        rows: as descent sees them.
        bias: whether the model has one.
        reduction: of the squared errors, "mean" or "sum".
        ridge: weight decay in the loss, ½ ridge |t|² over all coordinates.
    """
    design = Design(rows.inputs, rows.targets, bias)
    count, outputs, size = len(design), design.outputs, design.size
    upper, right, rest = design.factor()
    unscaled = upper * design.scale
    weight = 2.0 if reduction == "sum" else 2.0 / (count * outputs)
    left, singular, turned = svd(unscaled)
    rank = _rank(torch.linalg.svdvals(upper), count)
    # the Hessian's eigenvalues are the squared singular values of the design; those past the rank are rounding
    eigenvalues = (weight * singular.square()).where(torch.arange(size) < rank, 0.0) + ridge
    if ridge > 0:
        shrink = singular / (singular.square() + ridge / weight)
        solution = turned.mT @ (shrink[:, None] * (left.mT @ right))
    elif rank < size:
        inverse = (1 / singular).where(torch.arange(size) < rank, 0.0)
        solution = turned.mT @ (inverse[:, None] * (left.mT @ right))
    else:
        solution = torch.linalg.solve_triangular(upper, right, upper=True) / design.scale[:, None]
        if float(torch.linalg.cond(upper)) > ILL_CONDITIONED:
            solution = design.refined(solution, upper)
    # what the solution leaves of Qᵀy is rounding, unless it was moved or there are fewer directions than columns
    left_over = (unscaled @ solution - right).square().sum() if ridge > 0 or rank < size else 0.0
    residual = float(left_over + rest.square().sum())
    return LeastSquares(
        solution=solution,
        loss=residual * weight / 2,
        rank=rank,
        rows=count,
        bias=bias,
        eigenvalues=eigenvalues.flip(0),
        eigenvectors=turned.mT.flip(1),
        residual=residual,
        ridge=ridge,
    )


def orthogonal(design: Design, ridge: float) -> tuple[Tensor, Tensor, Tensor]:
    """Coordinates u of the r directions that a design of rank r has, in which its columns are orthonormal but for √N.

    Returns:
        B `[d, r]`, with t = B u; the inverse of its transpose `[d, r]`, for gradients; and what a ridge multiplies the
        squares of u by, `[r]`.
    """
    upper, _, _ = design.factor()
    rank, unit = _rank(torch.linalg.svdvals(upper), len(design)), math.sqrt(len(design))
    if rank == design.size and not ridge:  # whatever the units of the columns
        inverse = torch.linalg.solve_triangular(upper, torch.eye(rank, dtype=torch.float64), upper=True)
        return inverse * unit / design.scale[:, None], (upper * design.scale).mT / unit, inverse.new_zeros(rank)
    _, singular, turned = svd(upper * design.scale)
    stretch, right = singular[:rank] / unit, turned[:rank].mT
    return right / stretch, right * stretch, ridge / stretch.square()


def svd(matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The singular value decomposition of `[d, d]`, the small singular values as accurate as the large ones.

    LAPACK's are accurate to rounding of the largest, so where the units of the columns are far apart the small ones
    would be noise; one-sided Jacobi rotations do not mind the scale of a column (Demmel and Veselić 1992).
    """
    left, singular, turned = torch.linalg.svd(matrix)
    if not len(singular) or len(singular) > LARGEST_ROTATED or float(singular[-1]) > 1e-6 * float(singular[0]):
        return left, singular, turned
    columns, right = matrix.mT.contiguous().numpy().copy(), np.eye(len(singular))
    unit = np.abs(columns).max() or 1.0
    columns /= unit  # squares of 1e±200 must neither overflow nor vanish
    for _ in range(60):
        rotated = False
        for p in range(len(columns)):
            for q in range(p + 1, len(columns)):
                own, other, both = columns[p] @ columns[p], columns[q] @ columns[q], columns[p] @ columns[q]
                if abs(both) <= 1e-15 * math.sqrt(own) * math.sqrt(other):
                    continue
                rotated = True
                with np.errstate(over="ignore"):  # past the largest number there is nothing to turn
                    slope = (other - own) / (2 * both)
                    tangent = math.copysign(1.0, slope) / (abs(slope) + math.hypot(1.0, slope))
                cosine = 1 / math.hypot(1.0, tangent)
                turn = cosine * np.array([[1.0, -tangent], [tangent, 1.0]])
                columns[[p, q]], right[[p, q]] = turn @ columns[[p, q]], turn @ right[[p, q]]
        if not rotated:
            break
    norms = np.sqrt((columns**2).sum(1))
    order = np.argsort(-norms)
    units = columns[order] / np.where(norms[order] > 0, norms[order], 1.0)[:, None]
    return torch.from_numpy(units.T.copy()), torch.from_numpy(unit * norms[order]), torch.from_numpy(right[order])


def _rank(singular: Tensor, rows: int) -> int:
    """How many singular values of the column-scaled design are more than rounding (as numpy's matrix_rank)."""
    largest = float(singular[0]) if len(singular) else 0.0
    tolerance = max(rows, len(singular)) * torch.finfo(torch.float64).eps * largest
    return int((singular > tolerance).sum())
