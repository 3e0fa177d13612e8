"""A training loop by hand, to hold a run of this project against: torch's own classes, nothing of `src.engine`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import ReduceLROnPlateau

from src.config.schema import Config, check
from src.data.problem import Problem
from src.engine import checkpoint
from src.optim.build import optimizer_class
from src.run.build import build_model, build_problem
from src.run_directory import Result, read_rows
from src.seeds import stream


def configured(result: Result) -> Config:
    """The config of a run, as it stands in its directory."""
    composed = OmegaConf.load(result.directory / ".hydra" / "config.yaml")
    assert isinstance(composed, DictConfig)
    return check(composed)


def parameters(result: Result, name: str = "last") -> dict[str, Tensor]:
    """The parameters of a run, as it left them in a checkpoint."""
    return checkpoint.weights(checkpoint.read(result.directory / "checkpoints" / f"{name}.ckpt"))


def curve(result: Result, name: str) -> dict[int, float]:
    """What a run recorded under this name, by step."""
    return {step: row[name] for step, row in read_rows(result.directory / "metrics.csv") if name in row}


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    """Whether these are the same parameters to the last bit, finite ones."""
    equal = [torch.equal(value, right[name]) and bool(value.isfinite().all()) for name, value in left.items()]
    return left.keys() == right.keys() and all(equal)


@dataclass
class Loop:
    """What a loop by hand has seen.

    Attributes:
        parameters: after the last step.
        losses: before each step.
        rates: for each step to come, and the one after the last.
        validations: losses over the validation rows, by step.
        sizes: of the gradients before they are clipped: the norm, or the largest number where that is clipped.
    """

    parameters: dict[str, Tensor] = field(default_factory=dict)
    losses: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    validations: dict[int, float] = field(default_factory=dict)
    sizes: list[float] = field(default_factory=list)


def built(section: dict[str, Any], first: Any, factory: Callable[[str], Any] = get_object) -> Any:
    """The class that a config names, over parameters or over an optimizer."""
    numbers = {k: tuple(v) if isinstance(v, list) else v for k, v in section.items() if not k.startswith("_")}
    return factory(section["_target_"])(first, **numbers)


def batches(config: Config, problem: Problem, step: int) -> tuple[Tensor, Tensor]:
    """The rows `[1, B, I]` and `[1, B, O]` of a step: a fresh permutation every epoch, cut from its front."""
    dtype, rows, size = getattr(torch, config.model.dtype), len(problem.train), config.data.batch_size
    inputs, targets = problem.train.inputs.to(dtype), problem.train.targets.to(dtype)
    if size == "full":
        return inputs[None], targets[None]
    epoch, within = divmod(step, -(-rows // size))
    order = torch.randperm(rows, generator=stream(config.data.shuffle_seed, f"order.{epoch}"))
    taken = order[within * size : (within + 1) * size]
    return inputs[taken][None], targets[taken][None]


def loop(result: Result, steps: int | None = None) -> Loop:
    """The training of this run by hand, as long as the run or `steps` steps."""
    config, seen = configured(result), Loop()
    problem = build_problem(config)
    model = build_model(config, problem)
    optimizer = built(config.optimizer.arguments(), list(model.parameters()), optimizer_class)
    scheduler = built(config.scheduler.arguments(), optimizer) if config.scheduler else None
    knobs = config.trainer
    for step in range(knobs.max_steps if steps is None else steps):
        inputs, targets = batches(config, problem, step)
        seen.rates.append(optimizer.param_groups[0]["lr"])

        def closure(inputs: Tensor = inputs, targets: Tensor = targets, step: int = step) -> Tensor:
            if knobs.zero_grad_every_n_steps and step % knobs.zero_grad_every_n_steps == 0:
                optimizer.zero_grad()
            loss = F.mse_loss(model(inputs), targets, reduction=config.model.loss)
            loss.backward()
            seen.sizes.append(_clip(config, model))
            return loss.detach()

        seen.losses.append(float(optimizer.step(closure)))
        after = step + 1
        if problem.val is not None and after % knobs.val_every_n_steps == 0:
            seen.validations[after] = _validation(model, config, problem)
        if isinstance(scheduler, ReduceLROnPlateau):
            if after in seen.validations:
                scheduler.step(seen.validations[after])
        elif scheduler is not None:
            scheduler.step()
    seen.rates.append(optimizer.param_groups[0]["lr"])
    seen.parameters = {name: p.detach() for name, p in model.named_parameters()}
    return seen


def _clip(config: Config, model: nn.Module) -> float:
    """Torch's own clipping; the size before it."""
    trained, limit = list(model.parameters()), config.trainer.gradient_clip_val
    gradients = [p.grad for p in trained if p.grad is not None]
    if config.trainer.gradient_clip_algorithm == "value":
        size = max(float(gradient.abs().max()) for gradient in gradients)
        nn.utils.clip_grad_value_(trained, limit if limit is not None else float("inf"))
        return size
    norm = float(nn.utils.get_total_norm(gradients))
    if limit is not None:
        nn.utils.clip_grad_norm_(trained, limit)
    return norm


@torch.no_grad()
def _validation(model: nn.Module, config: Config, problem: Problem) -> float:
    assert problem.val is not None
    inputs, targets = (
        t.to(getattr(torch, config.model.dtype))[None] for t in (problem.val.inputs, problem.val.targets)
    )
    return float(F.mse_loss(model(inputs), targets, reduction=config.model.loss))
