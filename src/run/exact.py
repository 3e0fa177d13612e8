"""What theory has to say of a run: the exact answer in the data's units, what to expect, and where it is silent."""

import dataclasses
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from src.config.schema import Config
from src.config.surfaces import Function
from src.data.problem import Problem, Scaling
from src.models.linear import Linear
from src.models.stack import member
from src.models.surface import Surface
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
        unique: whether there is no other exact answer.
        method: of gradient descent with constant numbers, in mini-batches or not; of anything else None.
        path: of it on all rows, where theory knows where it starts.
        first: the step that the path starts at.
        floor: the loss at which mini-batches settle.
        silent: what theory has nothing to say of, and why.
        surface: what is gone down, where that is no model.
    """

    exact: Exact | None
    scaling: Scaling | None = None
    unique: bool = True
    method: Method | None = None
    path: Path | None = None
    first: int = 0
    floor: float | None = None
    silent: Mapping[str, str] = field(default_factory=dict)
    surface: Function | None = None

    @property
    def unit(self) -> float:
        """What a loss of descent is multiplied by to be in the data's units."""
        return 1.0 if self.scaling is None else float(self.scaling.loss_scale()[0])

    @property
    def critical_lr(self) -> float | None:
        """What the run's learning rate has to be below; None where theory knows no such rate."""
        return None if self.exact is None or self.method is None else self.method.factor * self.exact.critical_lr

    def as_json(self, point: Tensor | None = None) -> dict[str, Any]:
        """What `result.json` holds under `exact`: losses and parameters in the data's units, rates in descent's.

        Args:
            point: where a descent on a surface ended, `[1, 2]`.
        """
        if self.surface is not None:
            return _of_surface(self.surface, point)
        silent = {"not_applicable": dict(self.silent)} if self.silent else {}
        if self.exact is None:
            return silent
        exact, scaling, noise = self.exact, self.scaling, self.exact.noise_variance
        weight, bias = exact.weight, exact.intercept
        if scaling is not None:
            weight, bias = scaling.weight(weight), scaling.bias(weight, bias)
        lr, momentum = exact.heavy_ball if exact.smallest else (None, None)
        steps = None if self.path is None or self.first else self.path.steps_within_1_percent
        return {
            "weight": weight.tolist(),
            **({} if bias is None else {"bias": bias.tolist()}),
            "train/loss": exact.loss * self.unit,
            "noise_variance": None if noise is None else noise * self.unit,
            "hessian_eigenvalues": exact.eigenvalues.tolist(),
            "rank": exact.rank,
            "unique": self.unique,
            "condition_number": exact.condition_number,
            "critical_lr": exact.critical_lr if self.critical_lr is None else self.critical_lr,
            "critical_lr_formula": "2/λmax" if self.method is None else self.method.formula,
            "optimal_lr": exact.optimal_lr,
            "optimal_rate": exact.optimal_rate,
            "heavy_ball": {"lr": lr, "momentum": momentum},
            **({} if steps is None else {"steps_within_1_percent": steps}),
            **({} if self.floor is None else {"noise_floor": self.floor * self.unit}),
            **silent,
        }

    def warning(self) -> str | None:
        """Before a run: that its learning rate is past the critical one."""
        if self.method is None or self.critical_lr is None or not self.method.lr > self.critical_lr:
            return None
        if self.method.momentum >= 1:
            what = "diverge" if self.method.momentum > 1 else "not converge"
            return f"gradient descent will {what}: momentum {self.method.momentum:g} is not below 1"
        critical = f"{self.method.formula} = {self.critical_lr:.4g} of this data"
        return f"gradient descent will diverge: {self.method.lr:g} is above {critical}"

    def outlook(self, steps: int) -> str | None:
        """After a run: how many steps would have brought it within 1 % of its start's distance, if it took fewer."""
        if self.path is None or self.first or not self.path.method.lr < self.path.critical_lr:
            return None
        needed = self.path.steps_within_1_percent
        if needed is not None and needed <= steps:
            return None
        about = "more than 10¹²" if needed is None else f"about {needed:,}"
        told = f"{steps:,} steps are not enough: at this learning rate it takes {about} to come within 1 % of "
        told += "the start's distance"
        best = Path(self.path.exact, Method(self.path.exact.optimal_lr), self.path.start)
        fewer = best.steps_within_1_percent
        if fewer is None or (needed is not None and fewer >= needed):
            return told
        plain = "the best fixed one" if not self.path.method.momentum else "the best without momentum"
        return f"{told} ({fewer:,} at {best.method.lr:.4g}, {plain})"


def answer(
    config: Config,
    problem: Problem,
    model: torch.nn.Module,
    resumed: Mapping[str, Any] | None = None,
    solved: MutableMapping[Any, Exact] | None = None,
) -> Answer:
    """The exact answer for this run. Call it before the first step.

    Args:
        config: of the run.
        problem: its data.
        model: at its start.
        resumed: the checkpoint that it goes on from.
        solved: solutions for these data that are known already, and where this one is kept.
    """
    if isinstance(model, Surface):
        return Answer(None, surface=model.function)
    if not isinstance(model, Linear):
        return Answer(None, silent={"exact answer": "only model=linear has one"})
    arguments, target = config.optimizer.arguments(), config.optimizer.target_
    name = target.rpartition(".")[2]
    if arguments.get("maximize"):
        return Answer(None, silent={"exact answer": "the loss is maximized"})
    ridge, beside = decay_of(target, arguments)
    solved, asked = {} if solved is None else solved, (model.bias is not None, config.model.loss, ridge)
    if asked not in solved:
        solved[asked] = solve(problem.train, *asked)
    exact = solved[asked]
    unique = exact.unique
    size = config.data.batch_size
    batch = len(problem.train) if size == "full" else min(int(size), len(problem.train))
    batches = batch < len(problem.train)
    if beside:
        why = _no_rest(config, target, arguments, batches)
        if why:
            return Answer(None, silent={"exact answer": f"{name}'s decay is beside the loss, and {why}"})
        exact, unique = _moved(exact, fixed_point(exact, beside, float(arguments.get("eps", 1e-8)))), True
    method, why = method_of(target, arguments), _unsteady(config)
    if method is None:
        own = target.startswith(("torch.", "src."))
        why = f"{name}'s steps are no linear map of the parameters" if own else f"{name} is not known here"
    steady = method if why is None else None
    if batches:
        why = why or "mini-batches are drawn"
    elif resumed is not None and steady is not None and steady.momentum:
        why = "it is gone on from a checkpoint, with a velocity"
    plain = steady is not None and batches and not steady.momentum and not ridge
    floor = noise_floor(problem.train, exact, steady.lr, batch, config.model.loss) if steady and plain else None
    # a sum over a batch has other rates than one over all rows
    judged = None if batches and config.model.loss == "sum" else steady
    known = Answer(exact, problem.scaling, unique, method=judged, floor=floor)
    if steady is None or why is not None:
        return dataclasses.replace(known, silent={"path and steps": why or ""})
    first, start = _start(model, resumed)
    return dataclasses.replace(known, path=Path(exact, steady, start), first=first)


def _of_surface(surface: Function, point: Tensor | None) -> dict[str, Any]:
    """Its minima, and the one nearest to where a descent ended."""
    known = {
        "formula": surface.formula,
        "source": surface.source,
        "minima": [list(place) for place in surface.minima],
        "saddles": [list(place) for place in surface.saddles],
        "train/loss": 0.0,
        **({} if surface.away is None else {"away": surface.away}),
    }
    if point is None:
        return known
    nearest, distance = surface.nearest(*point[0].tolist())
    return {**known, "nearest": list(nearest), "distance": distance}


def _start(model: Linear, resumed: Mapping[str, Any] | None) -> tuple[int, Tensor]:
    """The step that a run starts at, and its parameters there, bias first, `[d, O]`."""
    values = dict(model.named_parameters())
    if resumed is not None:  # names in a checkpoint have the prefix of the module that hosts the model
        values = {name.removeprefix("model."): value for name, value in resumed["state_dict"].items()}
    parts = [member(values[name].detach(), 0) for name in ("bias", "weight") if name in values]
    return 0 if resumed is None else int(resumed["global_step"]), torch.cat(parts).double().cpu()


def decay_of(target: str, arguments: Mapping[str, Any]) -> tuple[float, float]:
    """Weight decay as a term of the loss (ridge), and beside it."""
    decay = float(arguments.get("weight_decay") or 0.0)
    if target == "torch.optim.ASGD":
        decay += float(arguments.get("lambd", 1e-4))
    beside = target not in COUPLED or bool(arguments.get("decoupled_weight_decay"))
    return (0.0, decay) if beside else (decay, 0.0)


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


def _unsteady(config: Config) -> str | None:
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
