"""Whether a convex loss has a minimum on some rows at all, or falls for ever: surely, either way."""

import math
from enum import Enum, auto

import torch
from torch import Tensor

from src.losses.loss import Loss

LEFT = 1e-9
"""Of the point that `separating` begins with: a shorter rest is rounding."""

CURVED = 1e-5
"""Of the root of a Hessian's largest curvature: with a smaller one it may be rounding."""


class NoMinimum(Enum):
    """Why there is none."""

    CONSTANT = auto()
    """Predictions of one output fall, or rise, for ever, the same for all rows: of a class that none of them has."""
    SEPARABLE = auto()
    """Along some direction every row's loss falls, towards the lowest that it can be."""
    PARTLY_SEPARABLE = auto()
    """Some rows' does, and no other's rises: "quasi-complete" separation (Albert and Anderson 1984)."""
    UNKNOWN = auto()
    """None was found, and nothing is known that shows there is one or none."""


class Rays:
    """Rows, and whether their loss falls along predictions `[N, O]`, however far: by `Loss.margins`."""

    def __init__(self, loss: Loss, targets: Tensor) -> None:
        self.loss, self.targets = loss, targets
        probe = torch.rand(targets.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 0.5
        self.counts = self.margins(probe * torch.arange(1, targets.shape[1] + 1)) != 0

    def margins(self, predictions: Tensor, targets: Tensor | None = None) -> Tensor:
        """`[N, K]`; of others than these rows with their targets."""
        margins = self.loss.margins(predictions, self.targets if targets is None else targets)
        assert margins is not None
        return margins

    def all_fall(self, predictions: Tensor) -> bool:
        """Whether every row's falls."""
        return bool((self.margins(predictions) > 0)[self.counts].all())

    def constant(self) -> bool:
        """Whether one output may rise or fall for ever, for all rows alike, and no row's loss rises."""
        for output in range(self.targets.shape[1]):
            for sign in (-1.0, 1.0):
                predictions = torch.zeros_like(self.targets)
                predictions[:, output] = sign
                margins = self.margins(predictions)
                if bool((margins >= 0).all() & (margins > 0).any()):
                    return True
        return False

    def separating(self, design: Tensor, outputs: Tensor) -> Tensor | None:
        """Predictions `Z u Aᵀ` with no margin below 0, and some above; None where there are none.

        With a margin's weights as rows of a matrix M there is a λ above 0 with Mᵀλ = 0, or else u with M u at least 0
        but not 0 (Stiemke 1915). So λ = 1 + μ is sought with μ at least 0 and |Mᵀλ| least: where that is 0 there is
        none, and else u = Mᵀλ is one, for these are the conditions of that minimum. By Lawson and Hanson's method
        (1974, chapter 23), in which μ is not 0 for at most as many rows as there are unknowns.

        Args:
            design: Z, `[N, r]`.
            outputs: A, `[O, q]`.
        """
        design = design / design.norm(dim=1, keepdim=True).clamp(min=1e-300)  # a margin's sign is all that counts
        count = self.targets.shape[1]
        leaf = torch.zeros_like(self.targets, requires_grad=True)
        with torch.enable_grad():
            (weights,) = torch.autograd.grad(self.margins(leaf)[self.counts].sum(), leaf)
        first = (design.mT @ weights @ outputs).flatten()
        size, point = float(first.norm()), first
        rows, mu, held = first.new_zeros(0, len(first)), first.new_zeros(0), list[tuple[int, int]]()
        for _ in range(10 * len(first) + 10):
            if float(point.norm()) <= LEFT * size:
                return None
            predictions = design @ point.view(-1, outputs.shape[1]) @ outputs.mT
            margins = self.margins(predictions)
            open_ = torch.where(self.counts, margins, math.inf)
            for index in held:
                open_[index] = math.inf
            row, which = divmod(int(open_.argmin()), open_.shape[1])
            if float(open_[row, which]) >= -LEFT * float(point.norm()):
                return predictions
            own = self.margins(torch.eye(count).double(), self.targets[row].expand(count, count))[:, which]
            held.append((row, which))
            rows = torch.cat([rows, torch.outer(design[row], own @ outputs).view(1, -1)])
            mu = torch.cat([mu, mu.new_zeros(1)])
            while True:
                aim = torch.linalg.lstsq(rows.mT, -first[:, None]).solution[:, 0]
                if bool((aim > 0).all()):
                    break
                back = aim <= 0
                share = float((mu[back] / (mu[back] - aim[back])).min())
                mu = mu + share * (aim - mu)
                keep = ~(back & (mu <= 1e-14 * (1 + mu.max())))
                rows, mu, held = rows[keep], mu[keep], [one for one, k in zip(held, keep.tolist(), strict=True) if k]
                if not len(mu):
                    break
            mu = aim if len(mu) else mu
            point = first + mu @ rows
        return None


def certified(design: Tensor, outputs: Tensor, factor: Tensor, decrement: float) -> bool:
    """Whether there is a minimum, by Newton's decrement and the Hessian H somewhere.

    The third derivative of a loss that has `margins` is at most the second times the widest change R(v) of a row's
    predictions. So along v its slope at last is above `gᵀv + vᵀHv/R(v)` (Bach 2010, the proof of proposition 2), and
    above 0 in every direction if the decrement √(gᵀH⁻¹g) times the largest R(v)/√(vᵀHv) is below 1. Nothing is known
    where H is so flat in a direction that its curvature may be rounding.

    Args:
        design: Z, `[N, r]`.
        outputs: A, `[O, q]`.
        factor: of H, its lower Cholesky factor `[r q, r q]`.
        decrement: there.
    """
    size, width = design.shape[1], outputs.shape[1]
    stretched = torch.linalg.svdvals(factor)
    if len(stretched) and float(stretched[-1]) < CURVED * float(stretched[0]):
        return False
    inverse = torch.cholesky_inverse(factor).view(size, width, size, width).diagonal(dim1=1, dim2=3).sum(-1)
    widest = ((design @ inverse) * design).sum(1).max()
    return decrement * math.sqrt(2 * float(widest)) < 1
