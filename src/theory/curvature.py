"""The largest eigenvalue of a Hessian that is never formed: Lanczos's method on Hessian-vector products."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from src.seeds import stream


@dataclass(frozen=True)
class Largest:
    """What `largest_eigenvalue` found, per member.

    Attributes:
        value: λmax `[P]`, approached from below.
        residual: |H u - λ u| of its unit vector u `[P]`: some eigenvalue is as near to `value` as that.
    """

    value: Tensor
    residual: Tensor

    def converged(self, tolerance: float) -> Tensor:
        """Whether the residual is at most `tolerance` of its value, `[P]`."""
        return self.residual <= tolerance * self.value.abs()

    def where(self, take: Tensor, other: "Largest") -> "Largest":
        """This of the members `take` `[P]`, and of the rest the other."""
        value, residual = self.value.where(take, other.value), self.residual.where(take, other.residual)
        return Largest(value, residual)


def hessian_product(losses: Tensor, parameters: Sequence[Tensor]) -> tuple[Callable[[Tensor], Tensor], int]:
    """`v [P, n] -> H v [P, n]`, each member's own, and n.

    Members' losses are independent, so the Hessian of their sum is block by block every member's (Pearlmutter 1994).

    Args:
        losses: `[P]`, with their graph.
        parameters: each `[P, ...]`, or of any shape where P is 1.
    """
    members = len(losses)
    gradients = torch.autograd.grad(losses.sum(), parameters, create_graph=True, allow_unused=True)
    used = [(g, p) for g, p in zip(gradients, parameters, strict=True) if g is not None]
    flat = torch.cat([g.reshape(members, -1) for g, _ in used], 1)

    def product(vector: Tensor) -> Tensor:
        if not flat.requires_grad:  # the loss is linear
            return torch.zeros_like(vector)
        parts = torch.autograd.grad(flat, [p for _, p in used], vector, retain_graph=True, materialize_grads=True)
        return torch.cat([part.reshape(members, -1) for part in parts], 1)

    return product, flat.shape[1]


def largest_eigenvalue(
    product: Callable[[Tensor], Tensor], start: Tensor, tolerance: float = 1e-7, most: int = 100
) -> Largest:
    """λmax of symmetric matrices, by Lanczos's method with full reorthogonalization.

    After k products it is the largest eigenvalue of the matrix on the k-dimensional Krylov space of `start`; with the
    tridiagonal T = QᵀHQ and its unit eigenvector s, the residual is β_k |s_k| (Parlett 1998, section 13.2).

    Each member's values are those of its own number of products: what it has once it has converged stays.

    Args:
        product: `v [P, n] -> H v [P, n]`.
        start: `[P, n]`, in general position.
        tolerance: of the residual, relative to the eigenvalue.
        most: products, at most.
    """
    basis = [start / start.norm(dim=1, keepdim=True)]
    diagonal, beside = list[Tensor](), list[Tensor]()
    found: Largest | None = None
    alive = torch.ones(len(start), dtype=torch.bool, device=start.device)
    while True:
        vector = product(basis[-1])
        alpha = (vector * basis[-1]).sum(1)
        # a member whose Krylov space is exhausted goes on with a value that is not above its largest
        diagonal.append(torch.where(alive, alpha, diagonal[0] if diagonal else alpha))
        whole = torch.stack(basis, 1)
        for _ in range(2):  # once is not enough to keep them orthogonal to rounding (Giraud et al. 2005)
            vector = vector - (whole.mT @ (whole @ vector[:, :, None]))[:, :, 0]
        beta = vector.norm(dim=1)
        values, vectors = torch.linalg.eigh(_tridiagonal(diagonal, beside))
        scale = values.abs().amax(1)
        alive = alive & (beta > 1e-13 * scale)
        beta = beta.where(alive, 0.0)
        now = Largest(values[:, -1], beta * vectors[:, -1, -1].abs())
        found = now if found is None else found.where(found.converged(tolerance), now)
        exhausted = len(diagonal) >= min(most, start.shape[1]) or not bool(alive.any())
        if exhausted or bool(found.converged(tolerance).all()):
            return found
        beside.append(beta)
        basis.append(torch.where(alive[:, None], vector / beta.where(alive, 1.0)[:, None], 0.0))


def _tridiagonal(diagonal: Sequence[Tensor], beside: Sequence[Tensor]) -> Tensor:
    """`[P, k, k]` from k diagonals `[P]` and k - 1 next to them."""
    matrix = torch.diag_embed(torch.stack(list(diagonal), 1))
    if beside:
        off = torch.diag_embed(torch.stack(list(beside), 1), offset=1)
        matrix = matrix + off + off.mT
    return matrix


def random_start(members: int, size: int) -> Tensor:
    """The same direction for every member and every time: `[P, n]`, float64."""
    one = torch.randn(1, size, generator=stream(0, "curvature"), dtype=torch.float64)
    return one.expand(members, -1)
