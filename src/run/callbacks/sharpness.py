"""How sharp the loss is along a run: the largest eigenvalue of its Hessian beside what the learning rate can bear."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING

import lightning as L
import torch

from src.errors import LabError, one_line
from src.run.callbacks.boards import show_together
from src.run.callbacks.every import EveryNSteps
from src.theory import Method, decay_of
from src.theory.curvature import hessian_product, largest_eigenvalue, random_start

if TYPE_CHECKING:
    from src.run.module import Descent


class Sharpness(EveryNSteps):
    """λmax of the Hessian of the loss over all training rows, beside 2/learning rate.

    Gradient descent is unstable where λmax is above 2/learning rate, yet on networks it climbs up to there and stays:
    the edge of stability (Cohen et al. 2021). Curves: `sharpness/lambda_max` and `sharpness/2_over_lr`, in the
    coordinates that descent sees; with momentum the edge is elsewhere, at `sharpness/edge` (2(1 + β)/learning rate for
    the heavy ball), and for an optimizer that is not gradient descent no edge is drawn. Weight decay in the loss is
    part of it. Computed in float64, whatever the dtype of the run; a function of one's own that has only a first
    derivative counts as linear.

    Args:
        every_n_steps: optimizer steps.
        tolerance: relative residual at which Lanczos's method stops.
        max_products: Hessian-vector products, at most; a curvature that has not converged by then is a lower bound.
    """

    def __init__(self, every_n_steps: int, tolerance: float = 1e-7, max_products: int = 100) -> None:
        super().__init__(every_n_steps)
        self.tolerance, self.max_products = tolerance, max_products

    def on_train_start(self, trainer: L.Trainer, pl_module: Descent) -> None:  # type: ignore[override]
        """Have TensorBoard show the curves in one chart."""
        show_together(trainer)
        super().on_train_start(trainer, pl_module)

    def act(self, trainer: L.Trainer, module: Descent, step: int) -> None:
        """Record the curves at this step; nothing where the loss or the curvature is not finite."""
        stepper = module.stepper
        rows, update = stepper.data.rows("train"), stepper.update
        try:
            with stepper.without_noise(), torch.enable_grad():
                model = copy.deepcopy(module.model).double()
                losses = stepper.loss.value(model(rows.inputs.double()), rows.targets.double())
        except Exception as error:  # a user's class can raise anything
            raise LabError(
                f"callbacks=sharpness: the model cannot be computed in float64 ({one_line(error)})"
            ) from None
        if not bool(losses.isfinite().all()):
            return
        product, size = hessian_product(losses, [p for p in model.parameters() if p.requires_grad])
        start = random_start(1, size).to(module.device)
        try:
            curvature = float(largest_eigenvalue(product, start, self.tolerance, self.max_products).value)
        except RuntimeError as error:
            raise LabError(f"callbacks=sharpness: no second derivative ({one_line(error)})") from None
        if not math.isfinite(curvature):
            return
        module.record(
            step, "sharpness/lambda_max", curvature + decay_of(update.rule, update.optimizer.param_groups[0])[0]
        )
        method = Method.of(update.rule, update.optimizer.param_groups[0])
        # a sum over a batch is another loss than the one over all rows, and has another edge
        whole = stepper.loss.reduction == "mean" or stepper.data.full_batch
        if method is not None and method.lr and whole:
            module.record(step, "sharpness/2_over_lr", 2 / method.lr)
            if method.momentum:
                module.record(step, "sharpness/edge", 2 / method.lr * method.factor)
