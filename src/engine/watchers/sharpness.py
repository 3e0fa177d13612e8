"""How sharp the loss is along the way: the largest eigenvalue of its Hessian beside what the learning rate can bear."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from src.engine.watchers.watcher import Watcher
from src.errors import LabError, one_line
from src.theory import Method, decay_of
from src.theory.curvature import hessian_product, largest_eigenvalue, random_start

if TYPE_CHECKING:
    from src.engine.loop import Loop
    from src.engine.stepper import Stepper


class Sharpness(Watcher):
    """λmax of the Hessian of the loss over all training rows, beside 2/learning rate.

    Gradient descent is unstable where λmax is above 2/learning rate, yet on networks it climbs up to there and stays:
    the edge of stability (Cohen et al. 2021). Curves: `sharpness/lambda_max` and `sharpness/2_over_lr`, in the
    coordinates that descent sees; with momentum the edge is elsewhere, at `sharpness/edge` (2(1 + β)/learning rate for
    the heavy ball), and for an optimizer that is not gradient descent no edge is drawn. Weight decay in the loss is
    part of it. Computed in float64, whatever the dtype of the run; a function of one's own that has only a first
    derivative counts as linear. There is no value where the loss or the curvature is not finite.

    Args:
        every_n_steps: optimizer steps.
        tolerance: relative residual at which Lanczos's method stops.
        max_products: Hessian-vector products, at most; a curvature that has not converged by then is a lower bound.
    """

    together = True

    def __init__(self, every_n_steps: int, tolerance: float = 1e-7, max_products: int = 100) -> None:
        super().__init__(every_n_steps)
        self.tolerance, self.max_products = tolerance, max_products

    def curves(self, loop: Loop) -> Mapping[str, Tensor]:
        """All of them, `[P]` float64."""
        stepper = loop.stepper
        numbers, rule = stepper.groups(), stepper.rule
        decay = torch.tensor([decay_of(rule, own)[0] for own in numbers], dtype=torch.float64)
        curves = {"sharpness/lambda_max": stepper.of_members(self._largest) + decay}
        methods = [Method.of(rule, own) for own in numbers]
        # a sum over a batch is another loss than the one over all rows, and has another edge
        whole = stepper.loss.reduction == "mean" or stepper.data.full_batch
        if whole and any(method is not None and method.lr for method in methods):
            edges = [2 / one.lr if one is not None and one.lr else math.nan for one in methods]
            moved = [one.factor if one is not None and one.momentum else math.nan for one in methods]
            curves["sharpness/2_over_lr"] = torch.tensor(edges, dtype=torch.float64)
            curves["sharpness/edge"] = curves["sharpness/2_over_lr"] * torch.tensor(moved, dtype=torch.float64)
        return curves

    def _largest(self, stepper: Stepper) -> Tensor:
        """λmax `[P]` of members that share a program; NaN where it is not finite."""
        try:
            losses, parameters = stepper.in_float64("train")
        except Exception as error:  # a user's class can raise anything
            raise LabError(
                f"callbacks=sharpness: the model cannot be computed in float64 ({one_line(error)})"
            ) from None
        product, size = hessian_product(losses, parameters)
        fine = losses.detach().isfinite()

        def finite(vector: Tensor) -> Tensor:
            """`H v`, and 0 for a member whose loss or curvature is not finite: nobody else's is the worse for it."""
            nonlocal fine
            made = product(vector)
            fine = fine & made.isfinite().all(1)
            return made.where(fine[:, None], 0.0)

        start = random_start(len(losses), size).to(losses.device)
        try:
            largest = largest_eigenvalue(finite, start, self.tolerance, self.max_products).value
        except RuntimeError as error:
            raise LabError(f"callbacks=sharpness: no second derivative ({one_line(error)})") from None
        return largest.where(fine, math.nan)[: stepper.size].cpu()

    def curves_of(self, parameters: int) -> int:
        """All three."""
        return 3
