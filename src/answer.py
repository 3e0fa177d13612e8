"""What theory has to say of a run of a linear model: the exact answer in the data's units, and what to expect."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from src.config import Config
from src.data.problem import Problem, Scaling
from src.models.linear import Linear
from src.models.stack import member
from src.theory import Exact, solve

# weight decay of these is a term of the loss, so it moves the answer; others (AdamW) shrink the weights beside it
_DECAYING = ("SGD", "Adagrad", "RMSprop", "Adadelta", "Adam", "Adamax", "NAdam", "RAdam", "ASGD")
COUPLED = frozenset(f"torch.optim.{name}" for name in _DECAYING)


@dataclass(frozen=True)
class Answer:
    """The exact answer of a run and where its descent starts.

    Attributes:
        exact: in the coordinates that descent sees.
        start: the initial parameters there, bias first, `[d, O]`.
        scaling: of a table, to its own units.
        plain: learning rate, momentum and weight decay, where the run is plain full-batch gradient descent or the heavy
            ball, of which theory can tell the path; else None.
    """

    exact: Exact
    start: Tensor
    scaling: Scaling | None
    plain: tuple[float, float, float] | None

    def as_json(self) -> dict[str, Any]:
        """What `result.json` holds under `exact`: losses and parameters in the data's units, rates in descent's."""
        exact, scaling = self.exact, self.scaling
        unit = 1.0 if scaling is None else float(scaling.loss_scale()[0])
        weight, bias = exact.weight, exact.intercept
        if scaling is not None:
            weight, bias = scaling.weight(weight), scaling.bias(weight, bias)
        noise = exact.noise_variance
        return {
            "weight": weight.tolist(),
            **({} if bias is None else {"bias": bias.tolist()}),
            "train/loss": exact.loss * unit,
            "noise_variance": None if noise is None else noise * unit,
            "hessian_eigenvalues": exact.eigenvalues.tolist(),
            "rank": exact.rank,
            "condition_number": exact.condition_number,
            "critical_lr": exact.critical_lr,
            "optimal_lr": exact.optimal_lr,
        }

    def warning(self) -> str | None:
        """Before a run: that its learning rate is past the critical one."""
        if self.plain is None:
            return None
        lr, momentum, decay = self.plain
        critical = 2 * (1 + momentum) / (self.exact.largest + decay) if self.exact.largest + decay > 0 else float("inf")
        if lr <= critical:
            return None
        formula = f"2(1 + {momentum:g})/λmax" if momentum else "2/λmax"
        return f"gradient descent will diverge: {lr:g} is above {formula} = {critical:.4g} of this data"

    def outlook(self, steps: int) -> str | None:
        """After a run: how many steps would have brought it within 1 % of its start's distance, if it took fewer."""
        if self.plain is None or self.plain[1] or self.plain[2]:
            return None
        needed = self.exact.steps_within(self.start, self.plain[0])
        if needed is None or needed <= steps:
            return None
        best = self.exact.optimal_lr
        return (
            f"not enough, at this learning rate it takes about {needed:,} to come within 1 % of the start's distance "
            f"({self.exact.steps_within(self.start, best):,} at {best:.4g}, the best fixed one)"
        )


def answer(config: Config, problem: Problem, model: torch.nn.Module) -> Answer | None:
    """The exact answer for this run; None where theory has none. Call it before the first step."""
    if not isinstance(model, Linear):
        return None
    arguments = config.optimizer.arguments()
    if arguments.get("weight_decay") and config.optimizer.target_ not in COUPLED:
        return None  # decay beside the loss has a fixed point of its own
    decay = float(arguments.get("weight_decay", 0.0)) if config.optimizer.target_ in COUPLED else 0.0
    exact = solve(problem.train, model.bias is not None, config.model.loss, decay)
    parts = [member(p.detach(), 0) for p in (model.bias, model.weight) if p is not None]
    return Answer(exact, torch.cat(parts).double().cpu(), problem.scaling, _plain(config, arguments, decay))


def _plain(config: Config, arguments: Mapping[str, Any], decay: float) -> tuple[float, float, float] | None:
    """Learning rate, momentum and decay of full-batch descent whose every step is the same linear map; else None."""
    rows = config.data.arguments().get("rows")
    full = config.data.batch_size == "full" or config.data.batch_size == rows
    steady = config.scheduler is None and config.trainer.gradient_clip_val is None
    heavy_ball = not arguments.get("nesterov") and not arguments.get("dampening") and not arguments.get("maximize")
    zeroed = config.trainer.zero_grad_every_n_steps == 1
    if config.optimizer.target_ != "torch.optim.SGD" or not (full and steady and heavy_ball and zeroed):
        return None
    return float(arguments.get("lr", 1e-3)), float(arguments.get("momentum", 0.0)), decay
