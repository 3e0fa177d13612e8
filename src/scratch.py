"""The same problem by hand, three ways, beside Lightning: `python -m src.scratch experiment=noisy_line`.

Read from here down: the gradients by hand, the update rules by hand, the four ways to descend, and the command that
holds them against each other. Arrays have their textbook shapes: weight `[I, O]`, bias `[1, O]`, rows `[B, I]`.
"""

import argparse
import inspect
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from src.config.classes import load
from src.config.compose import check_run, compose, parsed
from src.config.schema import Config, Linear, TwoLayer, check
from src.data.blocks import BatchOrder
from src.engine.curves import Told
from src.engine.loop import Loop
from src.engine.watchers import Watcher
from src.errors import LabError, told
from src.models.activations import ACTIVATIONS
from src.run.build import (
    RunSpec,
    build_loop,
    build_marks,
    build_members,
    build_model,
    build_problem,
    build_torch_stepper,
    build_trainer,
    cuts,
)
from src.run.module import Descent, LabDataModule

Array = NDArray[np.float64]
Parameters = Mapping[str, Any]

PARAMETERS_WITHIN = 1e-12
LOSSES_WITHIN = 1e-8


@dataclass(frozen=True)
class Task:
    """What is to be solved: rows, a model, a start, a rule and its numbers.

    Attributes:
        inputs: `[N, I]`.
        targets: `[N, O]`.
        order: which rows a step sees; None for all of them.
        start: every parameter by name.
        activation: of a two-layer model; None for a linear one.
        mean: whether the loss is the mean of the squares or their sum.
        target: the optimizer's class.
        numbers: of the optimizer.
        clip: the largest norm, or absolute value, of a gradient; None for any.
        clip_by_norm: which of the two.
        zero_every: gradients add up in between; 0: they are never zeroed.
        every: parameters are kept every so many steps.
    """

    inputs: Array
    targets: Array
    order: BatchOrder | None
    start: Mapping[str, Array]
    activation: str | None
    mean: bool
    target: str
    numbers: Mapping[str, Any]
    clip: float | None = None
    clip_by_norm: bool = True
    zero_every: int = 1
    every: int = 1

    def batch(self, step: int) -> tuple[Array, Array]:
        """The rows that optimizer step `step` sees."""
        if self.order is None:
            return self.inputs, self.targets
        rows = self.order.steps(step, 1)[0][0].numpy()
        return self.inputs[rows], self.targets[rows]

    def zeroes(self, step: int) -> bool:
        """Whether gradients are zeroed before this step."""
        return self.zero_every == 1 or (self.zero_every > 0 and step % self.zero_every == 0)

    def keeps(self, step: int, steps: int) -> bool:
        """Whether the parameters after `step` steps are kept."""
        return step % self.every == 0 or step == steps


@dataclass
class Trace:
    """A descent: the loss of the parameters after 0, 1, ... steps, and some of these parameters."""

    losses: dict[int, float] = field(default_factory=dict)
    parameters: dict[int, dict[str, Array]] = field(default_factory=dict)
    seconds: float = 0.0


# --- gradients by hand -----------------------------------------------------------------------------------------------


def linear_by_hand(w: Mapping[str, Array], x: Array, y: Array, mean: bool) -> tuple[float, dict[str, Array]]:
    """Loss and gradients of `ŷ = x W + b`: with `e = ŷ - y`, `∂L/∂W = xᵀ ∂L/∂ŷ` and `∂L/∂b = Σ ∂L/∂ŷ`."""
    error = x @ w["weight"] + w.get("bias", 0.0) - y
    loss, slope = squared_error(error, mean)
    return loss, {"weight": x.T @ slope, "bias": slope.sum(0, keepdims=True)}


def two_layer_by_hand(
    w: Mapping[str, Array], x: Array, y: Array, mean: bool, activation: str
) -> tuple[float, dict[str, Array]]:
    """Loss and gradients of `ŷ = f(x W₁ + b₁) W₂ + b₂`, by the chain rule from the output back."""
    value, derivative = NUMPY_ACTIVATIONS[activation]
    hidden = x @ w["weight1"] + w.get("bias1", 0.0)
    active = value(hidden)
    error = active @ w["weight2"] + w.get("bias2", 0.0) - y
    loss, slope = squared_error(error, mean)
    back = (slope @ w["weight2"].T) * derivative(hidden)
    return loss, {
        "weight1": x.T @ back,
        "bias1": back.sum(0, keepdims=True),
        "weight2": active.T @ slope,
        "bias2": slope.sum(0, keepdims=True),
    }


def squared_error(error: Array, mean: bool) -> tuple[float, Array]:
    """The loss, and its derivative by every prediction."""
    if mean:
        return float((error**2).mean()), 2 * error / error.size
    return float((error**2).sum()), 2 * error


NUMPY_ACTIVATIONS: Mapping[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "relu": (lambda z: np.maximum(z, 0.0), lambda z: (z > 0).astype(float)),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2),
    "identity": (lambda z: z, np.ones_like),
}


# --- update rules by hand, for arrays and tensors alike --------------------------------------------------------------
# w is changed in place; s is what the rule remembers of this parameter, empty before the first step


def sgd(
    w: Any,
    g: Any,
    s: dict[str, Any],
    lr: float,
    momentum: float = 0.0,
    dampening: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
) -> None:
    """`v <- β v + (1 - τ) g;  w <- w - a v`, or with Nesterov's form `w <- w - a (g + β v)`; torch's first v is g."""
    g = g + weight_decay * w
    if momentum:
        s["v"] = momentum * s["v"] + (1 - dampening) * g if "v" in s else g
        g = g + momentum * s["v"] if nesterov else s["v"]
    w -= lr * g


def momentum(w: Any, g: Any, s: dict[str, Any], lr: float, beta: float = 0.2) -> None:
    """`v <- (1 - β) g + β v;  w <- w - a v`."""
    s["v"] = (1 - beta) * g + beta * s.get("v", 0.0)
    w -= lr * s["v"]


def adagrad(w: Any, g: Any, s: dict[str, Any], lr: float, eps: float = 1e-7) -> None:
    """`s <- s + g²;  w <- w - a g/(√s + ε)`."""
    s["s"] = s.get("s", 0.0) + g**2
    w -= lr * g / (s["s"] ** 0.5 + eps)


def rmsprop(w: Any, g: Any, s: dict[str, Any], lr: float, alpha: float = 0.8, eps: float = 1e-7) -> None:
    """`s <- α s + (1 - α) g²;  w <- w - a g/(√s + ε)`."""
    s["s"] = alpha * s.get("s", 0.0) + (1 - alpha) * g**2
    w -= lr * g / (s["s"] ** 0.5 + eps)


def adam(
    w: Any, g: Any, s: dict[str, Any], lr: float, beta1: float = 0.8, beta2: float = 0.8, eps: float = 1e-7
) -> None:
    """`v <- β₁ v + (1 - β₁) g;  s <- β₂ s + (1 - β₂) g²;  w <- w - a v/(√s + ε)`."""
    s["v"] = beta1 * s.get("v", 0.0) + (1 - beta1) * g
    s["s"] = beta2 * s.get("s", 0.0) + (1 - beta2) * g**2
    w -= lr * s["v"] / (s["s"] ** 0.5 + eps)


def adam_corrected(
    w: Any,
    g: Any,
    s: dict[str, Any],
    lr: float = 1e-3,
    betas: Sequence[float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
) -> None:
    """torch's Adam: the averages are divided by `1 - βᵏ` after k steps, for they started at 0."""
    g = g + weight_decay * w
    s["k"] = s.get("k", 0) + 1
    s["v"] = betas[0] * s.get("v", 0.0) + (1 - betas[0]) * g
    s["s"] = betas[1] * s.get("s", 0.0) + (1 - betas[1]) * g**2
    v, second = s["v"] / (1 - betas[0] ** s["k"]), s["s"] / (1 - betas[1] ** s["k"])
    w -= lr * v / (second**0.5 + eps)


NAMES = (
    *("sgd", "momentum", "nesterov", "adam"),
    *("textbook_momentum", "textbook_adagrad", "textbook_rmsprop", "textbook_adam"),
)
RULES: Mapping[str, Callable[..., None]] = {
    "torch.optim.SGD": sgd,
    "torch.optim.Adam": adam_corrected,
    "src.optim.TextbookMomentum": momentum,
    "src.optim.TextbookAdaGrad": adagrad,
    "src.optim.TextbookRMSProp": rmsprop,
    "src.optim.TextbookAdam": adam,
}


# --- four ways to descend --------------------------------------------------------------------------------------------


def with_numpy(task: Task, steps: int) -> Trace:
    """NumPy, every gradient written by hand."""
    w = {name: value.copy() for name, value in task.start.items()}
    rule, state, path = RULES[task.target], {name: dict[str, Any]() for name in w}, Trace()
    added = {name: np.zeros_like(value) for name, value in w.items()}
    for step in range(steps + 1):
        x, y = task.batch(step)
        if task.activation is None:
            loss, gradient = linear_by_hand(w, x, y, task.mean)
        else:
            loss, gradient = two_layer_by_hand(w, x, y, task.mean, task.activation)
        path.losses[step] = loss
        if task.keeps(step, steps):
            path.parameters[step] = {name: value.copy() for name, value in w.items()}
        if step == steps:
            return path
        for name in w:
            added[name] = gradient[name] if task.zeroes(step) else added[name] + gradient[name]
        if task.clip is not None and task.clip_by_norm:
            norm = sum(float((g**2).sum()) for g in added.values()) ** 0.5
            added = {name: g * min(1.0, task.clip / (norm + 1e-6)) for name, g in added.items()}
        elif task.clip is not None:
            added = {name: g.clip(-task.clip, task.clip) for name, g in added.items()}
        for name in w:
            rule(w[name], added[name], state[name], **task.numbers)
    return path


def with_autograd(task: Task, steps: int) -> Trace:
    """Tensors, their gradients from autograd, the update by hand: `w -= lr * w.grad`."""
    w = {name: torch.tensor(value, requires_grad=True) for name, value in task.start.items()}
    rule, state, path = RULES[task.target], {name: dict[str, Any]() for name in w}, Trace()
    for step in range(steps + 1):
        x, y = map(torch.from_numpy, task.batch(step))
        if task.activation is None:
            prediction = x @ w["weight"] + w.get("bias", 0.0)
        else:
            hidden = ACTIVATIONS[task.activation].value(x @ w["weight1"] + w.get("bias1", 0.0))
            prediction = hidden @ w["weight2"] + w.get("bias2", 0.0)
        squares = (prediction - y) ** 2
        loss = squares.mean() if task.mean else squares.sum()
        path.losses[step] = loss.item()
        if task.keeps(step, steps):
            path.parameters[step] = {name: value.detach().numpy().copy() for name, value in w.items()}
        if step == steps:
            return path
        if task.zeroes(step):
            for value in w.values():
                value.grad = None
        loss.backward()
        _clip(task, list(w.values()))
        with torch.no_grad():
            for name, value in w.items():
                rule(value, value.grad, state[name], **task.numbers)
    return path


def with_module(task: Task, steps: int) -> Trace:
    """`nn.Module` and `torch.optim`."""
    model, names = _module(task)
    loss_of = nn.MSELoss(reduction="mean" if task.mean else "sum")
    optimizer = load(task.target, "optimizer._target_", torch.optim.Optimizer)(model.parameters(), **task.numbers)
    path = Trace()
    for step in range(steps + 1):
        x, y = map(torch.from_numpy, task.batch(step))
        loss = loss_of(model(x), y)
        path.losses[step] = loss.item()
        if task.keeps(step, steps):
            values = (value.detach().numpy().copy() for value in model.parameters())
            # nn.Linear keeps its weight as [O, I] and its bias as [O]
            path.parameters[step] = {
                name: v.T if v.ndim == 2 else v[None] for name, v in zip(names, values, strict=True)
            }
        if step == steps:
            return path
        if task.zeroes(step):
            optimizer.zero_grad()
        loss.backward()
        _clip(task, list(model.parameters()))
        optimizer.step()
    return path


def with_lightning(config: Config, task: Task) -> tuple[Trace, int]:
    """The run that `python -m src.train` makes, and the steps that it took: it stops where it diverges."""
    losses, keeper, knobs = dict[int, float](), Keeper(task.every), config.trainer

    def keep(step: int, name: str, value: float) -> None:
        if name == "train/loss":
            losses[step] = value

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (member,) = build_members([RunSpec(config, Path(folder))])
        if isinstance(member, LabError):
            raise member
        stepper = build_torch_stepper(config, member.problem, member.model)
        marks = build_marks(config, [keeper])
        loop = build_loop(stepper, [member], ["scratch"], marks, curves=Told(keep))
        data = LabDataModule(
            member.problem, knobs.max_steps, knobs.val_every_n_steps, knobs.block_size, cuts(config, [keeper]),
            validates=member.problem.val is not None,
        )  # fmt: skip
        build_trainer(config, Path(folder)).fit(Descent(loop, events=True), datamodule=data)
    kept = {step: loss / float(loop.unit[0]) for step, loss in losses.items()}
    last = loop.step
    if last not in kept:  # the batch that no step was taken on
        x, y = (torch.from_numpy(rows)[None] for rows in task.batch(last))
        with torch.no_grad():
            kept[last] = float(stepper.loss.value(member.model(x), y)[0])
    return Trace(kept, keeper.kept), last


class Keeper(Watcher):
    """Keeps the parameters every so many steps."""

    def __init__(self, every_n_steps: int) -> None:
        super().__init__(every_n_steps)
        self.kept: dict[int, dict[str, Array]] = {}

    def curves(self, loop: Loop) -> dict[str, Tensor]:
        """Copy them; there is no curve of it."""
        self.kept[loop.step] = {name: value.numpy()[0].copy() for name, value in loop.stepper.parameters().items()}
        return {}


def _clip(task: Task, parameters: list[Tensor]) -> None:
    if task.clip is not None and task.clip_by_norm:
        nn.utils.clip_grad_norm_(parameters, task.clip)
    elif task.clip is not None:
        nn.utils.clip_grad_value_(parameters, task.clip)


def _module(task: Task) -> tuple[nn.Module, list[str]]:
    """The model of layers of torch at the problem's start, and the names of its parameters."""
    start = task.start
    names = [name for name in ("weight", "bias", "weight1", "bias1", "weight2", "bias2") if name in start]
    layers: list[nn.Module] = []
    for weight in (name for name in names if name.startswith("weight")):
        bias = weight.replace("weight", "bias")
        inputs, outputs = start[weight].shape
        layer = nn.Linear(inputs, outputs, bias=bias in start, dtype=torch.float64)
        layer.weight.data = torch.tensor(start[weight].T.copy())
        if bias in start:
            layer.bias.data = torch.tensor(start[bias][0])
        layers.append(layer)
    between = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "identity": nn.Identity}
    if task.activation is not None:
        layers.insert(1, between[task.activation]())
    return nn.Sequential(*layers), names


# --- the command -----------------------------------------------------------------------------------------------------


def numbers_of(target: str) -> tuple[str, ...]:
    """What the rule by hand takes beside parameter, gradient and state."""
    return tuple(inspect.signature(RULES[target]).parameters)[3:]


def task_of(config: Config, every: int) -> Task:
    """What is to be solved, from a checked config.

    Raises:
        LabError: it has a part that is not written by hand here.
    """
    model, knobs = config.model, config.trainer
    if not isinstance(model, Linear | TwoLayer):
        raise LabError(f"{model.target_} is not written by hand here: model=linear or model=two_layer")
    target, numbers = config.optimizer.target_, config.optimizer.arguments()
    numbers = {name: value for name, value in numbers.items() if not name.startswith("_")}
    if target not in RULES:
        raise LabError(f"optimizer._target_={target} is not written by hand here; optimizer={', '.join(NAMES)} are")
    taken = numbers_of(target)
    if extra := [name for name in numbers if name not in taken]:
        raise LabError(f"optimizer.{extra[0]} is not written by hand here; {', '.join(taken)} are")
    if config.scheduler is not None:
        raise LabError("schedules are not written by hand here: scheduler=none")
    data = build_problem(config)
    built = build_model(config, data)
    size = config.data.batch_size
    rows, full = len(data.train), size == "full" or int(size) >= len(data.train)
    return Task(
        inputs=data.train.inputs.double().numpy(),
        targets=data.train.targets.double().numpy(),
        order=None if full else BatchOrder(rows, int(size), [config.data.shuffle_seed]),
        start={name: value.detach().double().numpy()[0] for name, value in built.named_parameters()},
        activation=model.activation if isinstance(model, TwoLayer) else None,
        mean=model.loss == "mean",
        target=target,
        numbers=numbers,
        clip=knobs.gradient_clip_val,
        clip_by_norm=knobs.gradient_clip_algorithm == "norm",
        zero_every=knobs.zero_grad_every_n_steps,
        every=every,
    )


@dataclass(frozen=True)
class Comparison:
    """The four descents, and how far apart they come.

    Some descents magnify rounding: a rule that divides by the size of the gradient does so wherever that vanishes. How
    much is measured, to be able to say why they part: by one more descent in NumPy, whose targets are moved in their
    last bit.

    Attributes:
        traces: by what each is called; Lightning's is the last.
        parameters: by step, the largest difference of two parameters, over the largest parameter there where that is
            above 1.
        losses: by step, the largest difference of two losses, relative.
        rounding: the same two for targets moved in their last bit, the largest up to each step.
    """

    traces: Mapping[str, Trace]
    parameters: Mapping[int, float]
    losses: Mapping[int, float]
    rounding: Sequence[Mapping[int, float]]

    @property
    def part_at(self) -> int | None:
        """The first step at which they are past the limits; None where they agree."""
        past = [step for step, apart in self.parameters.items() if not apart <= PARAMETERS_WITHIN]
        past += [step for step, apart in self.losses.items() if not apart <= LOSSES_WITHIN]
        return min(past, default=None)

    def _rounding_explains(self, step: int) -> bool:
        """Whether they are no further apart there than a hundred times what a last bit does."""
        pairs = zip((self.parameters, self.losses), self.rounding, strict=True)
        return all(apart.get(step, 0.0) <= 100 * rounding.get(step, np.inf) for apart, rounding in pairs)

    def verdict(self) -> str:
        """In words."""
        limits = f"(limits: {PARAMETERS_WITHIN:g} and {LOSSES_WITHIN:g})"
        far = f"parameters differ by {_worst(self.parameters):.1e}, losses by {_worst(self.losses):.1e} of themselves"
        first = self.part_at
        if first is None:
            return f"the four ways agree: {far} {limits}"
        told = f"the four ways do not agree from step {first:,} on: {far} {limits}"
        if not self._rounding_explains(first):
            return told
        return (
            f"{told}. This descent magnifies rounding: targets moved in their last bit move its parameters by "
            f"{_worst(self.rounding[0]):.1e}; fewer steps or a smaller learning rate show whether they agree"
        )


def compare(config: Config, every: int) -> Comparison:
    """Solve it four ways."""
    # compared ten times as often as printed
    task = task_of(config, next(kept for kept in range(max(1, every // 10), every + 1) if every % kept == 0))
    began = time.perf_counter()
    lightning, steps = with_lightning(config, task)
    lightning.seconds = time.perf_counter() - began
    traces = {}
    with np.errstate(all="ignore"):
        for name, way in {"NumPy": with_numpy, "autograd": with_autograd, "nn.Module": with_module}.items():
            began = time.perf_counter()
            traces[name] = way(task, steps)
            traces[name].seconds = time.perf_counter() - began
        signs = np.random.default_rng(0).choice([-1.0, 1.0], task.targets.shape)
        moved = with_numpy(replace(task, targets=task.targets * (1 + np.finfo(float).eps * signs)), steps)
        pair = {"NumPy": traces["NumPy"], "moved": moved}
        traces["Lightning"] = lightning
        rounding = [_so_far(how(pair)) for how in (parameters_apart, losses_apart)]
        return Comparison(traces, parameters_apart(traces), losses_apart(traces), rounding)


def parameters_apart(traces: Mapping[str, Trace]) -> dict[int, float]:
    """The largest difference of the parameters after each number of steps that all have kept."""
    apart = {}
    for step in sorted(set.intersection(*(set(trace.parameters) for trace in traces.values()))):
        kept = [trace.parameters[step] for trace in traces.values()]
        stacked = np.stack([np.concatenate([p.ravel() for _, p in sorted(values.items())]) for values in kept])
        apart[step] = _apart(stacked) / max(1.0, float(np.nan_to_num(np.abs(stacked)).max()))
    return apart


def losses_apart(traces: Mapping[str, Trace]) -> dict[int, float]:
    """The relative difference of the losses after each number of steps that all have one for."""
    apart = {}
    for step in sorted(set.intersection(*(set(trace.losses) for trace in traces.values()))):
        losses = np.array([trace.losses[step] for trace in traces.values()])
        apart[step] = _apart(losses[:, None]) / (float(np.nan_to_num(np.abs(losses)).max()) or 1.0)
    return apart


def _apart(rows: Array) -> float:
    """The largest difference of two rows; what is not finite in one must not be finite in any."""
    finite = np.isfinite(rows)
    shared = finite.all(0)
    if (finite.any(0) != shared).any():
        return np.inf
    return float((rows.max(0) - rows.min(0))[shared].max()) if shared.any() else 0.0


def _so_far(apart: Mapping[int, float]) -> dict[int, float]:
    return dict(zip(apart, np.maximum.accumulate(list(apart.values())).tolist(), strict=True))


def _worst(apart: Mapping[int, float]) -> float:
    return max(apart.values(), default=0.0)


def show(console: Console, comparison: Comparison, steps: int, every: int) -> None:
    """Losses side by side, the parameters at the end where they are few, and the verdict."""
    traces = comparison.traces
    table = Table()
    for column in ("step", *traces, "difference"):
        table.add_column(column, justify="right")
    last = max(comparison.parameters)
    for step, apart in comparison.parameters.items():
        if step % every and step != last:
            continue
        losses = [f"{trace.losses[step]:.6g}" if step in trace.losses else "" for trace in traces.values()]
        table.add_row(f"{step:,}", *losses, f"{apart:.1e}")
    table.add_section()
    table.add_row("seconds", *(f"{trace.seconds:.2f}" for trace in traces.values()), "", style="dim")
    console.print("loss after each number of steps, and the largest difference of the parameters there:")
    console.print(table)
    if last < steps:
        console.print(f"the Lightning run diverged after {last:,} of {steps:,} steps, and there the others end too")
    final = traces["Lightning"].parameters[last]
    if sum(value.size for value in final.values()) <= 6:
        ends = Table()
        for column in (f"after {last:,}", *traces):
            ends.add_column(column, justify="right")
        for name, value in final.items():
            for index in np.ndindex(value.shape):
                cell = name if value.size == 1 else f"{name}{list(index)}"
                ends.add_row(cell, *(f"{trace.parameters[last][name][index]:.10g}" for trace in traces.values()))
        console.print(ends)
    console.print(comparison.verdict(), style="green" if comparison.part_at is None else "red", soft_wrap=True)


def main(words: Sequence[str] | None = None) -> None:
    """The command; exit status 1 where the four ways do not agree."""
    parser = argparse.ArgumentParser(
        prog="python -m src.scratch",
        description="Solve the same problem in NumPy, with autograd, with nn.Module and torch.optim, and with "
        "Lightning, in float64 on the CPU, without callbacks, and hold the four against each other.",
        epilog="Overrides are those of src.train: experiment=random_two_layer optimizer=textbook_adam seed=3 ...",
    )
    parser.add_argument("--every", type=int, metavar="N", help="print every N steps (default: about ten times)")
    parser.add_argument("overrides", nargs="*", help="what to solve, such as experiment=noisy_line")
    arguments = parser.parse_intermixed_args(words)
    with told():
        config = _config(arguments.overrides)
        every = max(1, config.trainer.max_steps // 10) if arguments.every is None else arguments.every
        if every < 1:
            raise LabError(f"--every {arguments.every}: must be a number of steps above 0")
        comparison = compare(config, every)
        console = Console(highlight=False)
        show(console, comparison, config.trainer.max_steps, every)
        if comparison.part_at is not None:
            raise SystemExit(1)


def _config(overrides: Sequence[str]) -> Config:
    """The config in float64 on the CPU, every loss recorded, nothing beside the descent."""
    for word in overrides:
        if parsed(word).is_sweep_override():
            raise LabError(f"{word}: one problem at a time")
    fixed = ["model.dtype=float64", "trainer=cpu", "trainer.log_every_n_steps=1", "logger=none"]
    composed = compose([*overrides, *fixed])
    if composed.ckpt_path:
        raise LabError("ckpt_path: the four ways start together, at the start")
    check_run(composed)
    config = check(composed)
    return config.model_copy(update={"callbacks": {}})


if __name__ == "__main__":
    main()
