"""What a user's own data may be given as, and what they cannot be."""

import torch

from src.data.problem import Problem, Rows


def problem(how: str) -> Problem:
    """Twelve rows of two features, whose sum is the target, given in some way."""
    x = torch.randn(12, 2, generator=torch.Generator().manual_seed(0))
    y, truth = x.sum(1, keepdim=True), {}
    if how == "followed":
        x = 1.0 * x.requires_grad_()
        y = x.sum(1, keepdim=True)
    if how == "truth":
        truth = {"weight": torch.ones(3, 1)}
    if how == "unnamed":
        return Problem(Rows(x, y), None, None, None, None)  # type: ignore[arg-type]
    made = {
        "arrays": lambda: (x.numpy(), y.numpy()),
        "lists": lambda: (x.tolist(), y.tolist()),
        "sparse": lambda: (x.to_sparse(), y),
        "float64": lambda: (x.double(), y.double()),
        "complex": lambda: (x.to(torch.complex64), y),
        "meta": lambda: (x.to("meta"), y),
        "flat": lambda: (x, y[:, 0]),
        "nothing": lambda: (x[:0], y[:0]),
        "text": lambda: ("x", "y"),
    }.get(how, lambda: (x, y))()
    rows = Rows(*made)  # type: ignore[arg-type]
    return Problem(rows, Rows(x[:0], y[:0]), (x, y) if how == "pair" else None, ["a", "b"], ["c"], truth)  # type: ignore
