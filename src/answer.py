"""What theory has to say of a run: the exact answer in the data's units, what to expect, and where it is silent."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from src.config import Config
from src.data.problem import Problem, Scaling
from src.models.linear import Linear
from src.models.stack import member
from src.theory import Exact, Method, Path, fixed_point, noise_floor, solve

# weight decay of these is a term of the loss, so it moves the answer to the ridge solution
_DECAYING = ("SGD", "Adagrad", "RMSprop", "Adadelta", "Adam", "Adamax", "NAdam", "RAdam", "ASGD")
COUPLED = frozenset(f"torch.optim.{name}" for name in _DECAYING)
# with decay beside the loss, these come to rest where AdamW does
ADAMS = frozenset(f"torch.optim.{name}" for name in ("AdamW", "Adam", "NAdam", "RAdam"))


@dataclass(frozen=True)
class Answer:
    """The exact answer of a run and where its descent starts.

    Attributes:
        exact: in the coordinates that descent sees; None where there is none.
        scaling: of a table, to its own units.
        path: of full-batch gradient descent with constant numbers; of anything else theory knows none.
        floor: the loss at which mini-batches settle.
        silent: what theory has nothing to say of, and why.
    """

    exact: Exact | None
    scaling: Scaling | None = None
    path: Path | None = None
    floor: float | None = None
    silent: Mapping[str, str] = field(default_factory=dict)

    @property
    def unit(self) -> float:
        """What a loss of descent is multiplied by to be in the data's units."""
        return 1.0 if self.scaling is None else float(self.scaling.loss_scale()[0])

    def as_json(self) -> dict[str, Any]:
        """What `result.json` holds under `exact`: losses and parameters in the data's units, rates in descent's."""
        silent = {"not_applicable": dict(self.silent)} if self.silent else {}
        if self.exact is None:
            return silent
        exact, scaling, noise = self.exact, self.scaling, self.exact.noise_variance
        weight, bias = exact.weight, exact.intercept
        if scaling is not None:
            weight, bias = scaling.weight(weight), scaling.bias(weight, bias)
        lr, momentum = exact.heavy_ball
        return {
            "weight": weight.tolist(),
            **({} if bias is None else {"bias": bias.tolist()}),
            "train/loss": exact.loss * self.unit,
            "noise_variance": None if noise is None else noise * self.unit,
            "hessian_eigenvalues": exact.eigenvalues.tolist(),
            "rank": exact.rank,
            "condition_number": exact.condition_number,
            "critical_lr": exact.critical_lr if self.path is None else self.path.critical_lr,
            "critical_lr_formula": "2/λmax" if self.path is None else self.path.method.formula,
            "optimal_lr": exact.optimal_lr,
            "optimal_rate": exact.optimal_rate,
            "heavy_ball": {"lr": lr, "momentum": momentum},
            **({} if self.path is None else {"steps_within_1_percent": self.path.steps_within()}),
            **({} if self.floor is None else {"noise_floor": self.floor * self.unit}),
            **silent,
        }

    def warning(self) -> str | None:
        """Before a run: that its learning rate is past the critical one."""
        if self.path is None or not self.path.method.lr > self.path.critical_lr:
            return None
        method, critical = self.path.method, self.path.critical_lr
        return f"gradient descent will diverge: {method.lr:g} is above {method.formula} = {critical:.4g} of this data"

    def outlook(self, steps: int) -> str | None:
        """After a run: how many steps would have brought it within 1 % of its start's distance, if it took fewer."""
        if self.path is None:
            return None
        needed = self.path.steps_within()
        if needed is None or needed <= steps:
            return None
        told = f"{steps:,} steps are not enough: at this learning rate it takes about {needed:,} to come within 1 % of "
        told += "the start's distance"
        best = Path(self.path.exact, Method(self.path.exact.optimal_lr), self.path.start)
        fewer = best.steps_within()
        if fewer is None or fewer >= needed:
            return told
        plain = "the best fixed one" if not self.path.method.momentum else "the best without momentum"
        return f"{told} ({fewer:,} at {best.method.lr:.4g}, {plain})"


def answer(config: Config, problem: Problem, model: torch.nn.Module) -> Answer:
    """The exact answer for this run. Call it before the first step."""
    if not isinstance(model, Linear):
        return Answer(None, silent={"exact answer": "only model=linear has one"})
    arguments, target = config.optimizer.arguments(), config.optimizer.target_
    name = target.rpartition(".")[2]
    if arguments.get("maximize"):
        return Answer(None, silent={"exact answer": "the loss is maximized"})
    decay = float(arguments.get("weight_decay") or 0.0)
    if target == "torch.optim.ASGD":
        decay += float(arguments.get("lambd", 1e-4))
    beside = bool(decay) and (target not in COUPLED or bool(arguments.get("decoupled_weight_decay")))
    ridge = 0.0 if beside else decay
    exact = solve(problem.train, model.bias is not None, config.model.loss, ridge)
    size = config.data.batch_size
    batch = len(problem.train) if size == "full" else min(int(size), len(problem.train))
    if beside:
        why = _no_rest(config, target, arguments, batch < len(problem.train))
        if why:
            return Answer(None, silent={"exact answer": f"{name}'s decay is beside the loss, and {why}"})
        exact = _moved(exact, fixed_point(exact, decay, float(arguments.get("eps", 1e-8))))
    method, why = _method(config, arguments, batch < len(problem.train))
    if method is None:
        floor = _floor(config, arguments, problem, exact, batch)
        return Answer(exact, problem.scaling, None, floor, {"path and steps": why})
    parts = [member(p.detach(), 0) for p in (model.bias, model.weight) if p is not None]
    return Answer(exact, problem.scaling, Path(exact, method, torch.cat(parts).double().cpu()))


def _moved(exact: Exact, solution: Tensor) -> Exact:
    """The answer at `solution` instead."""
    modes = exact.eigenvectors.mT @ (solution - exact.solution)
    return dataclasses.replace(exact, solution=solution, loss=float(exact.loss_at(modes)))


def _no_rest(config: Config, target: str, arguments: Mapping[str, Any], batches: bool) -> str | None:
    """Why descent with decay beside the loss has no fixed point that theory knows; None where it has."""
    if target not in ADAMS or arguments.get("amsgrad"):
        return "where it comes to rest is not known"
    if batches:
        return "with mini-batches it depends on their noise"
    if config.trainer.gradient_clip_val is not None or config.trainer.zero_grad_every_n_steps != 1:
        return "with gradients that are clipped or added up it does not come to rest there"
    return None


def _steady(config: Config) -> str | None:
    """Why steps are not all the same map; None where they are."""
    if config.scheduler is not None:
        return "the learning rate changes"
    if config.trainer.gradient_clip_val is not None:
        return "gradients are clipped"
    return "gradients add up" if config.trainer.zero_grad_every_n_steps != 1 else None


def method_of(target: str, arguments: Mapping[str, Any]) -> Method | None:
    """The optimizer where its full-batch step with constant numbers is one linear map; else None."""
    lr = float(arguments.get("lr", 1e-3))
    if target == "torch.optim.SGD":
        momentum = float(arguments.get("momentum") or 0.0)
        dampening, nesterov = float(arguments.get("dampening") or 0.0), bool(arguments.get("nesterov"))
        return Method(lr, momentum, dampening, nesterov)
    if target == "src.optim.TextbookMomentum":
        beta = float(arguments.get("beta", 0.2))
        return Method(lr, beta, beta, first_whole=False)
    return None


def _method(config: Config, arguments: Mapping[str, Any], batches: bool) -> tuple[Method | None, str]:
    """The run's method where theory knows its path; else why it knows none."""
    target = config.optimizer.target_
    method = method_of(target, arguments)
    if method is None:
        name = target.rpartition(".")[2]
        own = target.startswith(("torch.", "src."))
        return None, f"{name}'s steps are no linear map of the parameters" if own else f"{name} is not known here"
    why = "mini-batches are drawn" if batches else _steady(config)
    return (None, why) if why else (method, "")


def _floor(
    config: Config, arguments: Mapping[str, Any], problem: Problem, exact: Exact, batch_size: int
) -> float | None:
    """Where plain mini-batch descent settles; None for anything else."""
    numbers = ("momentum", "weight_decay", "dampening", "nesterov")
    plain = config.optimizer.target_ == "torch.optim.SGD" and not any(arguments.get(name) for name in numbers)
    if not plain or batch_size == len(problem.train) or _steady(config):
        return None
    return noise_floor(problem.train, exact, float(arguments.get("lr", 1e-3)), batch_size, config.model.loss)


def curve_steps(max_steps: int, most: int = 100) -> Tensor:
    """Steps at which a predicted curve is drawn: evenly spaced and evenly in their logarithm, `[K]`."""
    even = torch.linspace(0, max_steps, most)
    late = torch.logspace(0, math.log10(max_steps), most)
    return torch.cat([even, late]).round().long().clamp(max=max_steps).unique()
