"""Lanczos's method, against dense eigenvalues."""

import pytest
import torch
from torch import Tensor

from src.theory.curvature import hessian_product, largest_eigenvalue, random_start

DOUBLE = torch.float64


def symmetric(eigenvalues: Tensor, seed: int = 0) -> Tensor:
    """A dense matrix with these eigenvalues."""
    square = torch.randn(
        len(eigenvalues), len(eigenvalues), generator=torch.Generator().manual_seed(seed), dtype=DOUBLE
    )
    rotation = torch.linalg.qr(square).Q
    return (rotation * eigenvalues) @ rotation.T


SPECTRA = {
    "spread": torch.logspace(-3, 2, 80, dtype=DOUBLE),
    "the largest is not the largest in size": torch.linspace(-100.0, 1.0, 60, dtype=DOUBLE),
    "all the same": torch.full((10,), 3.0, dtype=DOUBLE),
    "all below zero": -torch.linspace(1.0, 2.0, 12, dtype=DOUBLE),
    "one number": torch.tensor([7.0], dtype=DOUBLE),
    "nothing": torch.zeros(5, dtype=DOUBLE),
    "low rank": torch.tensor([5.0, 4.0, *[0.0] * 30], dtype=DOUBLE),
}


@pytest.mark.parametrize("kind", SPECTRA)
def test_the_largest_eigenvalue(kind: str) -> None:
    matrix = symmetric(SPECTRA[kind])
    found = largest_eigenvalue(lambda v: v @ matrix, random_start(1, len(matrix)), 1e-7, most=200)
    assert float(found.value) == pytest.approx(float(SPECTRA[kind].max()), rel=1e-10, abs=1e-12)
    assert bool(found.converged(1e-7)) or kind == "nothing"


def test_members_have_their_own() -> None:
    """One of them exhausts its Krylov space at once, the others go on."""
    matrices = torch.stack([symmetric(SPECTRA["spread"], seed) * (seed + 1) for seed in range(3)])
    matrices[1] = 2 * torch.eye(80)
    product = lambda v: (matrices @ v[:, :, None])[:, :, 0]  # noqa: E731
    found = largest_eigenvalue(product, random_start(3, 80), 1e-9, most=200)
    assert found.value.tolist() == pytest.approx([100.0, 2.0, 300.0], rel=1e-10)
    # who has converged waits for the others without another product's rounding
    first = largest_eigenvalue(lambda v: product(v.expand(3, -1))[1:2], random_start(1, 80), 1e-9, most=200)
    assert torch.equal(found.value[1:2], first.value)


def test_too_few_products_leave_a_lower_bound_and_say_so() -> None:
    eigenvalues = torch.linspace(1.0, 2.0, 200, dtype=DOUBLE)
    matrix = symmetric(eigenvalues)
    found = largest_eigenvalue(lambda v: v @ matrix, random_start(1, 200), 1e-7, most=4)
    assert 1.0 < float(found.value) < 2.0
    assert not found.converged(1e-7)
    # some eigenvalue is as near as the residual
    assert float((eigenvalues - found.value).abs().min()) <= float(found.residual)


def test_hessian_products_are_those_of_the_dense_hessian() -> None:
    generator = torch.Generator().manual_seed(0)
    w = torch.randn(2, 3, 4, generator=generator, dtype=DOUBLE, requires_grad=True)
    b = torch.randn(2, 1, 4, generator=generator, dtype=DOUBLE, requires_grad=True)
    unused = torch.randn(2, 5, dtype=DOUBLE, requires_grad=True)
    x = torch.randn(2, 7, 3, generator=generator, dtype=DOUBLE)

    def loss(flat: Tensor, member: int) -> Tensor:
        return (x[member] @ flat[:12].view(3, 4) + flat[12:]).tanh().square().sum()

    flat = torch.cat([w.reshape(2, -1), b.reshape(2, -1)], 1)
    losses = torch.stack([loss(flat[member], member) for member in range(2)])
    product, size = hessian_product(losses, [w, b, unused])
    assert size == 16
    vector = torch.randn(2, 16, generator=generator, dtype=DOUBLE)
    for member in range(2):
        dense = torch.autograd.functional.hessian(lambda t, m=member: loss(t, m), flat[member].detach())
        torch.testing.assert_close(product(vector)[member], dense @ vector[member], rtol=1e-10, atol=1e-12)


def test_a_loss_without_curvature() -> None:
    w = torch.ones(1, 3, dtype=DOUBLE, requires_grad=True)
    product, size = hessian_product(w.sum(1), [w])
    assert float(largest_eigenvalue(product, random_start(1, size)).value) == 0
