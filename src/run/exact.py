"""What theory has to say of a run: the exact answer in the data's units, what to expect, and where it is silent."""

import dataclasses
import json
import math
from collections.abc import Mapping, MutableMapping
from typing import Any

import torch
from torch import Tensor

from src.config.schema import WATCHING, Config
from src.data.problem import Problem
from src.engine.checkpoint import KEY, weights
from src.losses.loss import Loss
from src.models.member_axis import member
from src.models.model import Model
from src.optim.build import numbers_of, with_defaults
from src.optim.rules import Rule, rule_of
from src.run_directory import LOSSES
from src.theory import (
    Answer,
    Exact,
    LeastSquares,
    Method,
    NoMinimum,
    Path,
    decay_of,
    fixed_point,
    newton,
    noise_floor,
    solve,
)

MOST_COLUMNS = 2000
"""So many columns are decomposed in half a minute; the time grows with their third power."""


def answer(
    config: Config,
    problem: Problem,
    model: Model,
    loss: Loss,
    resumed: Mapping[str, Any] | None = None,
    solved: MutableMapping[Any, Exact | str] | None = None,
) -> Answer:
    """The exact answer for this run. Call it before the first step.

    Args:
        config: of the run.
        problem: its data.
        model: at its start.
        loss: as it trains.
        resumed: the checkpoint that it goes on from.
        solved: solutions for these data that are there already, and where this one is kept.
    """
    if model.surface is not None:
        return Answer(None, surface=model.surface)
    if not model.linear:
        return _none("only model=linear has one")
    columns = problem.train.inputs.shape[1]
    if columns > MOST_COLUMNS:
        return _none(f"of {columns:,} columns (more than {MOST_COLUMNS:,}) it takes long")
    name = config.optimizer.target_.rpartition(".")[2]
    size = config.data.batch_size
    batch = len(problem.train) if size == "full" else min(int(size), len(problem.train))
    batches = batch < len(problem.train)
    rule, numbers = rule_and_numbers(config)
    if numbers.get("maximize"):
        return _none("the loss is maximized")
    ridge, beside = decay_of(rule, numbers)
    if beside:
        rests = rule is not None and rule.rests_as_adamw and not numbers.get("amsgrad")
        why = _no_rest(config, batches) if rests else "where it comes to rest is not known"
        if why:
            return _none(f"{name}'s decay is beside the loss, and {why}")
    box = (beside, float(numbers["eps"])) if beside else None
    solved = {} if solved is None else solved
    exact = _solved(config, problem, loss, model.bias is not None, ridge, box, solved)
    if isinstance(exact, str):
        return _none(exact)
    scaling = problem.scaling
    unit = (loss.unit(scaling.target_scale) or 1.0) if scaling is not None else 1.0
    method = Method.of(rule, numbers)
    why = _unsteady(config) if method else f"{name}'s steps are not known to be one linear map of the parameters"
    if rule is None and not config.optimizer.target_.startswith("torch."):
        why = f"{name} is not known here"
    steady = method if why is None else None
    if batches:
        why = why or "mini-batches are drawn"
    elif resumed is not None and steady is not None and steady.momentum:
        why = "it is gone on from a checkpoint, with a velocity"
    # a sum over a batch has other rates than one over all rows
    judged = None if batches and loss.reduction == "sum" else steady
    many, decayed = () if beside else exact.many, bool(ridge or beside)
    solved_for = Answer(exact, scaling, unit, many, method=judged, decayed=decayed)
    if not isinstance(exact, LeastSquares):
        changes = f"the Hessian of {LOSSES.get(loss.name, loss.name)} changes along the way"
        return dataclasses.replace(solved_for, silent={"path and steps": changes})
    plain = steady is not None and batches and not steady.momentum and not ridge
    floor = noise_floor(problem.train, exact, steady.lr, batch, loss.reduction) if steady and plain else None
    solved_for = dataclasses.replace(solved_for, floor=floor)
    if steady is None or why is not None:
        silent = {"path and steps": why or ""}
        if plain and floor is None and judged:
            silent["floor of mini-batches"] = "at this learning rate their noise grows with the distance"
        return dataclasses.replace(solved_for, silent=silent)
    first, start = _start(model, resumed)
    path = Path(exact, steady, start)
    limit = math.inf if path.converges else _limit(config, problem, loss, path, resumed)
    return dataclasses.replace(
        solved_for,
        path=path,
        first=first,
        last=config.trainer.max_steps,
        limit=limit,
        stops=any(part is not None and not WATCHING.match(part.target_) for part in config.callbacks.values()),
        rounding=max(1e-12, torch.finfo(getattr(torch, config.model.dtype)).eps),
    )


def _none(why: str) -> Answer:
    """There is no exact answer, or none that is known."""
    return Answer(None, silent={"exact answer": why})


def _solved(
    config: Config,
    problem: Problem,
    loss: Loss,
    bias: bool,
    ridge: float,
    box: tuple[float, float] | None,
    solved: MutableMapping[Any, Exact | str],
) -> Exact | str:
    """The exact answer, kept for who asks the same; or why there is none, in words.

    Args:
        config: of the run.
        problem: its data.
        loss: as it trains.
        bias: whether the model has one.
        ridge: weight decay in the loss.
        box: ρ and ε of weight decay beside Adam's steps.
        solved: see `answer`.
    """
    if loss.least_squares:
        asked: Any = bias, loss.reduction, ridge
        if asked not in solved:
            solved[asked] = solve(problem.train, *asked)
        exact = solved[asked]
        if box and isinstance(exact, LeastSquares) and (*asked, box) not in solved:
            solved[*asked, box] = _moved(exact, fixed_point(exact, *box))
        return solved[*asked, box] if box else exact
    if not loss.convex:
        return f"{loss.name} does not say that it is convex"
    unknowns = (problem.inputs + bias) * problem.outputs
    if unknowns > newton.MOST_UNKNOWNS or len(problem.train) * unknowns**2 > newton.MOST_PRODUCTS:
        return f"of {unknowns:,} weights and biases and {len(problem.train):,} rows it takes long"
    asked = json.dumps(config.loss.arguments()), bias, loss.reduction, ridge, box
    if asked not in solved:
        found = newton.solve(problem.train, loss, bias, ridge, box)
        solved[asked] = found if isinstance(found, Exact) else _no_minimum(found, problem, loss)
    return solved[asked]


def _no_minimum(why: NoMinimum, problem: Problem, loss: Loss) -> str:
    """Why a loss has no minimum, and what descent does then."""
    if why is NoMinimum.UNKNOWN:
        return f"Newton's method finds no minimum of {loss.name}"
    for_ever = "so descent goes on for ever: the loss falls towards a limit, and weights grow without one"
    if why is NoMinimum.CONSTANT:
        return (
            f"{_constant(problem, loss)} in {'no' if loss.targets == 'one_hot' else 'every'} training row, {for_ever}"
        )
    if loss.targets == "counts":
        return f"all counts of some rows that the features tell from the others are 0, {for_ever}"
    if why is NoMinimum.PARTLY_SEPARABLE:
        return f"the classes are separable in part: some rows can be met ever better at no other's cost, {for_ever}"
    return f"the classes of the training rows are separable without a mistake, {for_ever.replace('a limit', '0')}"


def _constant(problem: Problem, loss: Loss) -> str:
    """What targets are in none of the training rows, or in all of them, with its verb."""
    if loss.targets == "one_hot":
        absent = problem.unseen
        return f"class {absent[0]} is" if len(absent) == 1 else f"classes {', '.join(absent)} are"
    ends = (part.tolist() for part in problem.train.targets.aminmax(dim=0))
    same = [(name, low) for name, low, high in zip(problem.targets, *ends, strict=True) if low == high]
    values = [(name, low) for name, low in same if loss.targets != "counts" or not low]  # of other counts there is one
    return " and ".join(f"{name} is {problem.classes[int(k)] if problem.classes else f'{k:g}'}" for name, k in values)


def rule_and_numbers(config: Config) -> tuple[Rule | None, dict[str, Any]]:
    """The rule of the optimizer, if it has one, and all its numbers, those included that its class has by default."""
    optimizer = config.optimizer
    numbers = with_defaults(optimizer.target_, numbers_of(optimizer.arguments()))
    return rule_of(optimizer.target_, optimizer.rule), numbers


def _start(model: Model, resumed: Mapping[str, Any] | None) -> tuple[int, Tensor]:
    """The step that a run starts at, and its parameters there, bias first, `[d, O]`."""
    values = weights(resumed) if resumed is not None else dict(model.state_dict())
    parts = [member(values[name].detach(), 0) for name in ("bias", "weight") if name in values]
    return 0 if resumed is None else int(resumed["global_step"]), torch.cat(parts).double().cpu()


def _limit(config: Config, problem: Problem, loss: Loss, path: Path, resumed: Mapping[str, Any] | None) -> float:
    """The loss above which the run has diverged, as `Divergence` has it, or at which its squares overflow."""
    added = problem.train.targets.numel() if loss.reduction == "mean" else 1
    largest, factor = torch.finfo(getattr(torch, config.model.dtype)).max / added, config.trainer.divergence_factor
    kept = resumed[KEY]["first_loss"] if resumed else None
    first = float(path.losses(torch.zeros(1))) if kept is None else float(kept)
    scale = max(first, float(loss.spread(problem.train.targets.double())))
    return min(factor * scale, largest) if factor and scale else largest


def _moved(exact: LeastSquares, solution: Tensor) -> LeastSquares:
    """The answer at `solution` instead."""
    modes = exact.eigenvectors.mT @ (solution - exact.solution)
    return dataclasses.replace(exact, solution=solution, loss=float(exact.loss_at(modes)))


def _no_rest(config: Config, batches: bool) -> str | None:
    """Why Adam with decay beside the loss has no fixed point that theory knows; None where it has."""
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
