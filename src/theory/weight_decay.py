"""Weight decay as a term of the loss and beside it, and where Adam with the latter (AdamW) comes to rest."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from src.optim.rules import Rule
from src.theory.least_squares import LeastSquares


def decay_of(rule: Rule | None, numbers: Mapping[str, Any]) -> tuple[float, float]:
    """Weight decay as a term of the loss (ridge), and beside it.

    Args:
        rule: of the optimizer; without one nobody knows that its decay is in the loss.
        numbers: all arguments of the optimizer.
    """
    decay = sum(float(numbers.get(name) or 0.0) for name in (rule.decay if rule else ("weight_decay",)))
    decoupled = rule is None or "decoupled_weight_decay" in rule.always or numbers.get("decoupled_weight_decay")
    return (0.0, decay) if decoupled else (decay, 0.0)


def fixed_point(exact: LeastSquares, decay: float, eps: float) -> Tensor:
    """The parameters `[d, O]` that AdamW leaves where they are.

    At rest its averages are m = g and v = g², so the step a g/(|g| + ε) and the decay a ρ t cancel in every coordinate:

        g(t) + ε ρ t/(1 - ρ |t|) = 0,        |t| < 1/ρ,

    whatever the learning rate (Loshchilov and Hutter 2019, algorithm 2). It is the minimum of the loss plus a barrier
    at ±1/ρ: as ε vanishes, of the loss inside that box (Xie and Li 2024). Solved by Newton's method from inside the
    box, with ε lowered step by step.

    Args:
        exact: without ridge.
        decay: ρ, above 0.
        eps: ε, above 0.
    """
    hessian = (exact.eigenvectors * exact.eigenvalues) @ exact.eigenvectors.mT
    columns = [_column(hessian, column, decay, eps) for column in exact.solution.mT]
    return torch.stack(columns, 1)


def barrier(t: Tensor, decay: float, eps: float) -> tuple[float, Tensor, Tensor]:
    """What `fixed_point` adds to a loss, infinite outside its box, and its first and second derivatives by each number.

    It is -(ε/ρ) Σ (ρ |t| + log(1 - ρ |t|)).
    """
    share = decay * t.abs()
    room = 1 - share
    height = -float((share + torch.log1p(-share)).sum()) * eps / decay if bool((room > 0).all()) else math.inf
    return height, eps * decay * t / room, eps * decay / room.square()


def _column(hessian: Tensor, solution: Tensor, decay: float, eps: float) -> Tensor:
    """For one output: `solution [d]` is where `hessian` has its minimum."""
    inside = 0.9 / decay
    t = solution.clamp(-inside, inside)
    scale = float((hessian @ solution).abs().max()) or 1.0
    softness = max(eps, scale) if bool((t != solution).any()) else eps
    while True:
        t = _newton(hessian, solution, decay, softness, t)
        if softness == eps:
            return t
        softness = max(eps, softness / 10)


def _newton(hessian: Tensor, solution: Tensor, decay: float, eps: float, t: Tensor) -> Tensor:
    def potential(at: Tensor) -> float:
        away = at - solution
        return float(0.5 * away @ hessian @ away) + barrier(at, decay, eps)[0]

    for _ in range(100):
        _, pull, curved = barrier(t, decay, eps)
        step = torch.linalg.solve(hessian + torch.diag(curved), hessian @ (t - solution) + pull)
        here, length = potential(t), 1.0
        while length > 1e-12:
            there = t - length * step
            if potential(there) <= here:
                break
            length /= 2
        else:
            return t
        t = there
        if float(step.abs().max()) <= 1e-15 * max(1e-300, float(t.abs().max())):
            return t
    return t
