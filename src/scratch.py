"""The same problem by hand, three ways, beside Lightning: `python -m src.scratch experiment=noisy_line`.

Read from here down: the gradients by hand, the update rules by hand, the four ways to descend, and the command that
holds them against each other. Arrays have their textbook shapes: weight `[I, O]`, bias `[1, O]`, rows `[B, I]`.
"""

import argparse
import inspect
import itertools
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Column, Table
from torch import Tensor, nn

from src.config.check_run import check_run
from src.config.compose import compose
from src.config.models import Linear, TwoLayer
from src.config.overrides import parsed
from src.config.schema import Config, check
from src.data.batch_order import BatchOrder
from src.engine.loop import Loop
from src.engine.watchers import Watcher
from src.errors import LabError, exit_on_error
from src.models.activations import ACTIVATIONS
from src.optim.build import instance
from src.run import build
from src.run.module import Descent, LabDataModule
from src.run.parts import cuts
from src.run.trainer import build_trainer

Array = NDArray[np.float64]
Parameters = Mapping[str, Array]
Memory = dict[str, Any]
Steps = Iterator[tuple[float, Parameters]]
"""Of each step the loss before it, and the parameters that it starts from, which the step will change."""
LossByHand = Callable[[Array, Array], tuple[float, Array]]
"""Of predictions and targets `[B, O]` the loss, and its derivative by each prediction."""

PARAMETERS_WITHIN = 1e-12
LOSSES_WITHIN = 1e-8


@dataclass(frozen=True)
class Task:
    """What is to be solved: rows, a model, a start, a rule and its numbers.

    Attributes:
        inputs: `[N, I]`.
        targets: `[N, O]`.
        order: which rows a step sees; None for all of them.
        start: every parameter by name, in the order of the layers.
        activation: of a two-layer model; None for a linear one.
        loss: its word in conf/loss.
        loss_numbers: that it takes beside predictions and targets.
        mean: whether it is the mean or the sum over rows.
        target: the optimizer's class.
        numbers: of the optimizer.
        clip: the largest norm, or absolute value, of a gradient; None for any.
        clip_by_norm: which of the two.
        zero_every: gradients add up in between; 0: they are never zeroed.
    """

    inputs: Array
    targets: Array
    order: BatchOrder | None
    start: Parameters
    activation: str | None
    loss: str
    loss_numbers: Mapping[str, Any]
    mean: bool
    target: str
    numbers: Mapping[str, Any]
    clip: float | None = None
    clip_by_norm: bool = True
    zero_every: int = 1

    def batch(self, step: int) -> tuple[Array, Array]:
        """The rows that optimizer step `step` sees."""
        if self.order is None:
            return self.inputs, self.targets
        rows = self.order.steps(step, 1)[0][0].numpy()
        return self.inputs[rows], self.targets[rows]

    def loss_by_hand(self, p: Array, y: Array) -> tuple[float, Array]:
        """The loss of predictions `[B, O]`, and its derivative by each of them."""
        each, slope = LOSSES[self.loss].by_hand(p, y, **self.loss_numbers)
        number = each.size if self.mean else 1
        return float(each.sum()) / number, slope / number

    def zeroes(self, step: int) -> bool:
        """Whether gradients are zeroed before this step."""
        return self.zero_every > 0 and step % self.zero_every == 0


# --- gradients by hand -----------------------------------------------------------------------------------------------


def linear_by_hand(w: Parameters, x: Array, y: Array, loss: LossByHand) -> tuple[float, dict[str, Array]]:
    """Loss and gradients of `ŷ = x W + b`: `∂L/∂W = xᵀ ∂L/∂ŷ` and `∂L/∂b = Σ ∂L/∂ŷ`."""
    value, slope = loss(x @ w["weight"] + w.get("bias", 0.0), y)
    return value, {"weight": x.T @ slope, "bias": slope.sum(0, keepdims=True)}


def two_layer_by_hand(
    w: Parameters, x: Array, y: Array, loss: LossByHand, activation: str
) -> tuple[float, dict[str, Array]]:
    """Loss and gradients of `ŷ = f(x W₁ + b₁) W₂ + b₂`, by the chain rule from the output back."""
    active_of, derivative = NUMPY_ACTIVATIONS[activation]
    hidden = x @ w["weight1"] + w.get("bias1", 0.0)
    active = active_of(hidden)
    value, slope = loss(active @ w["weight2"] + w.get("bias2", 0.0), y)
    back = (slope @ w["weight2"].T) * derivative(hidden)
    return value, {
        "weight1": x.T @ back,
        "bias1": back.sum(0, keepdims=True),
        "weight2": active.T @ slope,
        "bias2": slope.sum(0, keepdims=True),
    }


NUMPY_ACTIVATIONS: Mapping[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "relu": (lambda z: np.maximum(z, 0.0), lambda z: (z > 0).astype(float)),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2),
    "identity": (lambda z: z, np.ones_like),
}


# --- losses by hand: of every row and output, or of every row; and the derivative by predictions p, for targets y -----


def squared_error(p: Array, y: Array) -> tuple[Array, Array]:
    """`e²` with `e = p - y`."""
    error = p - y
    return error**2, 2 * error


def huber(p: Array, y: Array, delta: float) -> tuple[Array, Array]:
    """`½ e²` within δ, `δ (|e| - ½ δ)` beyond."""
    error, size = p - y, np.abs(p - y)
    small = size <= delta
    return np.where(small, error**2 / 2, delta * (size - delta / 2)), np.where(small, error, delta * np.sign(error))


def logistic(p: Array, y: Array) -> tuple[Array, Array]:
    """`log(1 + exp(p)) - y p`."""
    return np.logaddexp(0.0, p) - y * p, 1 / (1 + np.exp(-p)) - y


def cross_entropy(p: Array, y: Array) -> tuple[Array, Array]:
    """`log Σ exp(p) - y · p`, a number a row."""
    log_sum = np.logaddexp.reduce(p, 1, keepdims=True)
    return log_sum[:, 0] - (y * p).sum(1), np.exp(p - log_sum) - y


def poisson(p: Array, y: Array) -> tuple[Array, Array]:
    """`exp(p) - y p`, and what no prediction changes, `y log y - y`."""
    return np.exp(p) - y * p + y * np.log(np.maximum(y, 1)) - y, np.exp(p) - y


@dataclass(frozen=True)
class LossThreeWays:
    """`by_hand` as above; `value` in tensors, for autograd; `module` made with "mean" or "sum" and a loss's numbers."""

    by_hand: Callable[..., tuple[Array, Array]]
    value: Callable[..., Tensor]
    module: Callable[..., Callable[[Tensor, Tensor], Tensor]]


def _poisson_module(reduction: str) -> Callable[[Tensor, Tensor], Tensor]:
    """torch's leaves out what no prediction changes."""
    loss = nn.PoissonNLLLoss(reduction=reduction)
    return lambda p, y: loss(p, y) + getattr(y * y.clamp(min=1).log() - y, reduction)()


LOSSES: Mapping[str, LossThreeWays] = {
    "squares": LossThreeWays(squared_error, lambda p, y: (p - y) ** 2, nn.MSELoss),
    "huber": LossThreeWays(
        huber,
        lambda p, y, delta: torch.where((p - y).abs() <= delta, (p - y) ** 2 / 2, delta * ((p - y).abs() - delta / 2)),
        nn.HuberLoss,
    ),
    "logistic": LossThreeWays(
        logistic, lambda p, y: torch.logaddexp(torch.zeros_like(p), p) - y * p, nn.BCEWithLogitsLoss
    ),
    "cross_entropy": LossThreeWays(cross_entropy, lambda p, y: p.logsumexp(1) - (y * p).sum(1), nn.CrossEntropyLoss),
    "poisson": LossThreeWays(poisson, lambda p, y: p.exp() - y * p + y * y.clamp(min=1).log() - y, _poisson_module),
}


# --- update rules by hand, for arrays and tensors alike --------------------------------------------------------------
# w is changed in place; s is what the rule remembers of this parameter, empty before the first step


def sgd(
    w: Any,
    g: Any,
    s: Memory,
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


def momentum(w: Any, g: Any, s: Memory, lr: float, beta: float = 0.2) -> None:
    """`v <- (1 - β) g + β v;  w <- w - a v`."""
    s["v"] = (1 - beta) * g + beta * s.get("v", 0.0)
    w -= lr * s["v"]


def adagrad(w: Any, g: Any, s: Memory, lr: float, eps: float = 1e-7) -> None:
    """`s <- s + g²;  w <- w - a g/(√s + ε)`."""
    s["s"] = s.get("s", 0.0) + g**2
    w -= lr * g / (s["s"] ** 0.5 + eps)


def rmsprop(w: Any, g: Any, s: Memory, lr: float, alpha: float = 0.8, eps: float = 1e-7) -> None:
    """`s <- α s + (1 - α) g²;  w <- w - a g/(√s + ε)`."""
    s["s"] = alpha * s.get("s", 0.0) + (1 - alpha) * g**2
    w -= lr * g / (s["s"] ** 0.5 + eps)


def adam(w: Any, g: Any, s: Memory, lr: float, beta1: float = 0.8, beta2: float = 0.8, eps: float = 1e-7) -> None:
    """`v <- β₁ v + (1 - β₁) g;  s <- β₂ s + (1 - β₂) g²;  w <- w - a v/(√s + ε)`."""
    s["v"] = beta1 * s.get("v", 0.0) + (1 - beta1) * g
    s["s"] = beta2 * s.get("s", 0.0) + (1 - beta2) * g**2
    w -= lr * s["v"] / (s["s"] ** 0.5 + eps)


def adam_corrected(
    w: Any,
    g: Any,
    s: Memory,
    lr: float,
    betas: Sequence[float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0,
) -> None:
    """torch's Adam: the averages are divided by `1 - βᵏ` after k steps, for they started at 0."""
    g = g + weight_decay * w
    s["k"] = s.get("k", 0) + 1
    s["v"] = betas[0] * s.get("v", 0.0) + (1 - betas[0]) * g
    s["s"] = betas[1] * s.get("s", 0.0) + (1 - betas[1]) * g**2
    v, second = s["v"] / (1 - betas[0] ** s["k"]), s["s"] / (1 - betas[1] ** s["k"])
    w -= lr * v / (second**0.5 + eps)


NAMES = "sgd, momentum, nesterov, adam, textbook_momentum, textbook_adagrad, textbook_rmsprop, textbook_adam"
RULES: Mapping[str, Callable[..., None]] = {
    "torch.optim.SGD": sgd,
    "torch.optim.Adam": adam_corrected,
    "src.optim.TextbookMomentum": momentum,
    "src.optim.TextbookAdaGrad": adagrad,
    "src.optim.TextbookRMSProp": rmsprop,
    "src.optim.TextbookAdam": adam,
}


# --- four ways to descend --------------------------------------------------------------------------------------------


def with_numpy(task: Task) -> Steps:
    """NumPy, every gradient written by hand."""
    w = {name: value.copy() for name, value in task.start.items()}
    rule, state = RULES[task.target], {name: Memory() for name in w}
    added: dict[str, Any] = dict.fromkeys(w, 0.0)
    for step in itertools.count():
        x, y = task.batch(step)
        if task.activation is None:
            loss, gradient = linear_by_hand(w, x, y, task.loss_by_hand)
        else:
            loss, gradient = two_layer_by_hand(w, x, y, task.loss_by_hand, task.activation)
        yield loss, w
        if task.zeroes(step):
            added = dict.fromkeys(w, 0.0)
        added = {name: added[name] + gradient[name] for name in w}
        if task.clip is not None and task.clip_by_norm:
            norm = sum(float((g**2).sum()) for g in added.values()) ** 0.5
            added = {name: g * min(1.0, task.clip / (norm + 1e-6)) for name, g in added.items()}
        elif task.clip is not None:
            added = {name: g.clip(-task.clip, task.clip) for name, g in added.items()}
        for name in w:
            rule(w[name], added[name], state[name], **task.numbers)


def with_autograd(task: Task) -> Steps:
    """Tensors, their gradients from autograd, the update by hand: `w -= lr * w.grad`."""
    w = {name: torch.tensor(value, requires_grad=True) for name, value in task.start.items()}
    rule, state = RULES[task.target], {name: Memory() for name in w}
    for step in itertools.count():
        x, y = map(torch.from_numpy, task.batch(step))
        if task.activation is None:
            prediction = x @ w["weight"] + w.get("bias", 0.0)
        else:
            hidden = ACTIVATIONS[task.activation].value(x @ w["weight1"] + w.get("bias1", 0.0))
            prediction = hidden @ w["weight2"] + w.get("bias2", 0.0)
        each = LOSSES[task.loss].value(prediction, y, **task.loss_numbers)
        loss = each.mean() if task.mean else each.sum()
        yield loss.item(), {name: value.detach().numpy() for name, value in w.items()}
        if task.zeroes(step):
            for value in w.values():
                value.grad = None
        loss.backward()
        _clip(task, list(w.values()))
        with torch.no_grad():
            for name, value in w.items():
                rule(value, value.grad, state[name], **task.numbers)


def with_module(task: Task) -> Steps:
    """`nn.Module` and `torch.optim`; `nn.Linear` keeps its weight as `[O, I]` and its bias as `[O]`."""
    layers: list[nn.Module] = []
    for layer in ("",) if task.activation is None else ("1", "2"):
        inputs, outputs = task.start[f"weight{layer}"].shape
        layers.append(nn.Linear(inputs, outputs, bias=f"bias{layer}" in task.start, dtype=torch.float64))
    if task.activation is not None:
        layers.insert(1, TORCH_ACTIVATIONS[task.activation]())
    model = nn.Sequential(*layers)
    for parameter, value in zip(model.parameters(), task.start.values(), strict=True):
        parameter.data.copy_(torch.from_numpy(value.T).reshape(parameter.shape))
    loss_of = LOSSES[task.loss].module(reduction="mean" if task.mean else "sum", **task.loss_numbers)
    optimizer = instance(task.target, task.numbers, model.parameters())
    for step in itertools.count():
        x, y = map(torch.from_numpy, task.batch(step))
        loss = loss_of(model(x), y)
        pairs = zip(task.start.items(), model.parameters(), strict=True)
        yield loss.item(), {name: value.detach().numpy().T.reshape(first.shape) for (name, first), value in pairs}
        if task.zeroes(step):
            optimizer.zero_grad()
        loss.backward()
        _clip(task, list(model.parameters()))
        optimizer.step()


TORCH_ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "identity": nn.Identity}


def _clip(task: Task, parameters: list[Tensor]) -> None:
    if task.clip is not None and task.clip_by_norm:
        nn.utils.clip_grad_norm_(parameters, task.clip)
    elif task.clip is not None:
        nn.utils.clip_grad_value_(parameters, task.clip)


@dataclass(frozen=True)
class Trace:
    """A descent: by step the loss of the parameters after so many steps, some of these parameters, and its time."""

    losses: Mapping[int, float]
    parameters: Mapping[int, Parameters]
    seconds: float


def follow(descent: Steps, steps: int, every: int = 1) -> Trace:
    """Take so many steps of a descent; parameters are kept at the start, at multiples of `every` and at the end."""
    began = time.perf_counter()
    losses, parameters = dict[int, float](), dict[int, Parameters]()
    for step, (loss, w) in enumerate(itertools.islice(descent, steps + 1)):
        losses[step] = loss
        if step % every == 0 or step == steps:
            parameters[step] = {name: value.copy() for name, value in w.items()}
    return Trace(losses, parameters, time.perf_counter() - began)


def with_lightning(config: Config, task: Task, every: int) -> Trace:
    """The run that `python -m src.train` makes: it ends early where it diverges."""
    began, keeper, knobs = time.perf_counter(), Keeper(every), config.trainer
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (member,) = build.build_members([build.RunSpec(config, Path(folder))])
        if isinstance(member, LabError):
            raise member
        stepper = build.build_torch_stepper(member)
        loop = build.build_loop(stepper, [member], ["scratch"], build.build_intervals(config, [keeper]))
        data = LabDataModule(
            member.problem, knobs.max_steps, knobs.val_every_n_steps, knobs.block_size, cuts(config, [keeper]),
            validates=member.problem.val is not None,
        )  # fmt: skip
        build_trainer(config, Path(folder)).fit(Descent(loop, member.model), datamodule=data)
    steps, values = loop.curves.columns()["train/loss"]
    losses = dict(zip(steps, (values[:, 0] / loop.unit[0]).tolist(), strict=True))
    if loop.step not in losses:  # the batch that no step was taken on
        x, y = (torch.from_numpy(rows)[None] for rows in task.batch(loop.step))
        with torch.no_grad():
            losses[loop.step] = float(stepper.loss.value(member.model(x), y)[0])
    return Trace(losses, keeper.kept, time.perf_counter() - began)


class Keeper(Watcher):
    """Keeps the parameters every so many steps."""

    def __init__(self, every_n_steps: int) -> None:
        super().__init__(every_n_steps)
        self.kept: dict[int, Parameters] = {}

    def curves(self, loop: Loop) -> dict[str, Tensor]:
        """No curve; the parameters are copied."""
        self.kept[loop.step] = {name: value.numpy()[0].copy() for name, value in loop.stepper.parameters().items()}
        return {}


# --- the command -----------------------------------------------------------------------------------------------------


def task_of(config: Config) -> Task:
    """What is to be solved, from a checked config.

    Raises:
        LabError: it has a part that is not written by hand here.
    """
    model, knobs = config.model, config.trainer
    if not isinstance(model, Linear | TwoLayer):
        raise LabError(f"{model.target_} is not written by hand here: model=linear or model=two_layer")
    loss = build.build_loss(config)
    name = "squares" if loss.least_squares else loss.name
    if name not in LOSSES:
        raise LabError(f"{config.loss.target_} is not written by hand here: loss={', '.join(LOSSES)} are")
    loss_numbers = {key: number for key, number in config.loss.arguments().items() if key != "_target_"}
    target, numbers = config.optimizer.target_, config.optimizer.arguments()
    numbers = {name: value for name, value in numbers.items() if not name.startswith("_")}
    if target not in RULES:
        raise LabError(f"optimizer._target_={target} is not written by hand here; optimizer={NAMES} are")
    taken = list(inspect.signature(RULES[target]).parameters)[3:]  # after parameter, gradient and state
    if extra := [name for name in numbers if name not in taken]:
        raise LabError(f"optimizer.{extra[0]} is not written by hand here; {', '.join(taken)} are")
    if config.scheduler is not None:
        raise LabError("schedules are not written by hand here: scheduler=none")
    data = build.build_problem(config)
    built = build.build_model(config, data)
    size = config.data.batch_size
    rows, full = len(data.train), size == "full" or int(size) >= len(data.train)
    return Task(
        inputs=data.train.inputs.double().numpy(),
        targets=data.train.targets.double().numpy(),
        order=None if full else BatchOrder(rows, int(size), [config.data.shuffle_seed]),
        start={name: value.detach().double().numpy()[0] for name, value in built.named_parameters()},
        activation=model.activation if isinstance(model, TwoLayer) else None,
        loss=name,
        loss_numbers={} if loss.least_squares else loss_numbers,
        mean=model.loss == "mean",
        target=target,
        numbers=numbers,
        clip=knobs.gradient_clip_val,
        clip_by_norm=knobs.gradient_clip_algorithm == "norm",
        zero_every=knobs.zero_grad_every_n_steps,
    )


@dataclass(frozen=True)
class Comparison:
    """The four descents, and how far apart they come.

    Some descents magnify rounding: a rule that divides by the size of the gradient does so wherever that vanishes. How
    much is measured, to be able to say why they part: by one more descent in NumPy, whose targets are moved in their
    last bit.

    Attributes:
        traces: by what each is called; Lightning's is the last.
        parameters: by step, as `parameters_apart` of the four.
        losses: by step, as `losses_apart` of the four.
        rounding: the same two of NumPy and NumPy with targets moved in their last bit.
    """

    traces: Mapping[str, Trace]
    parameters: Mapping[int, float]
    losses: Mapping[int, float]
    rounding: tuple[Mapping[int, float], Mapping[int, float]]

    @property
    def part_at(self) -> int | None:
        """The first step at which they are past the limits; None where they agree."""
        past = [step for step, apart in self.parameters.items() if not apart <= PARAMETERS_WITHIN]
        past += [step for step, apart in self.losses.items() if not apart <= LOSSES_WITHIN]
        return min(past, default=None)

    def _rounding_explains(self, at: int) -> bool:
        """Whether they are no further apart there than a hundred times what a last bit has done up to there."""
        return all(
            apart.get(at, 0.0) <= 100 * max(moved for step, moved in rounding.items() if step <= at)
            for apart, rounding in zip((self.parameters, self.losses), self.rounding, strict=True)
        )

    def verdict(self) -> str:
        """In words."""
        worst, worst_loss, moved = (max(x.values()) for x in (self.parameters, self.losses, self.rounding[0]))
        far = f"parameters differ by {worst:.1e}, losses by {worst_loss:.1e} of themselves"
        far += f" (limits: {PARAMETERS_WITHIN:g} and {LOSSES_WITHIN:g})"
        first = self.part_at
        if first is None:
            return f"the four ways agree: {far}"
        why = (
            ". This descent magnifies rounding: targets moved in their last bit move its parameters by "
            f"{moved:.1e}; fewer steps or a smaller learning rate show whether they agree"
        )
        return (
            f"the four ways do not agree from step {first:,} on: {far}{why if self._rounding_explains(first) else ''}"
        )


def compare(config: Config, every: int) -> Comparison:
    """Solve it four ways; parameters are compared ten times as often as they are printed."""
    task, often = task_of(config), next(n for n in range(max(1, every // 10), every + 1) if every % n == 0)
    lightning = with_lightning(config, task, often)
    steps = max(lightning.losses)
    signs = np.random.default_rng(0).choice([-1.0, 1.0], task.targets.shape)
    moved = replace(task, targets=task.targets * (1 + np.finfo(float).eps * signs))
    with np.errstate(all="ignore"):
        ways = {"NumPy": with_numpy, "autograd": with_autograd, "nn.Module": with_module}
        traces = {name: follow(way(task), steps, often) for name, way in ways.items()}
        pair = [traces["NumPy"], follow(with_numpy(moved), steps, often)]
        traces["Lightning"] = lightning
        four = list(traces.values())
        rounding = parameters_apart(pair), losses_apart(pair)
        return Comparison(traces, parameters_apart(four), losses_apart(four), rounding)


def parameters_apart(traces: Sequence[Trace]) -> dict[int, float]:
    """By step, the largest difference of two parameters, over the largest parameter there where that is above 1."""
    apart = {}
    for step in traces[0].parameters:
        kept = [trace.parameters[step] for trace in traces]
        rows = np.stack([np.concatenate([w[name].ravel() for name in sorted(w)]) for w in kept])
        apart[step] = _apart(rows) / max(1.0, _largest(rows))
    return apart


def losses_apart(traces: Sequence[Trace]) -> dict[int, float]:
    """By step, the largest difference of two losses, relative."""
    apart = {}
    for step in traces[0].losses:
        rows = np.array([[trace.losses[step]] for trace in traces])
        apart[step] = _apart(rows) / (_largest(rows) or 1.0)
    return apart


def _apart(rows: Array) -> float:
    """The largest difference of two rows; what is not finite in one must not be finite in any."""
    finite = np.isfinite(rows)
    shared = finite.all(0)
    if (finite.any(0) != shared).any():
        return np.inf
    return float((rows.max(0) - rows.min(0))[shared].max()) if shared.any() else 0.0


def _largest(rows: Array) -> float:
    return float(np.nan_to_num(np.abs(rows)).max())


def show(console: Console, comparison: Comparison, steps: int, every: int) -> None:
    """Losses side by side, the parameters at the end where they are few, and the verdict."""
    traces = comparison.traces
    table = _table("step", *traces, "difference")
    last = max(comparison.parameters)
    for step, apart in comparison.parameters.items():
        if step % every and step != last:
            continue
        table.add_row(f"{step:,}", *(f"{trace.losses[step]:.6g}" for trace in traces.values()), f"{apart:.1e}")
    table.add_section()
    table.add_row("seconds", *(f"{trace.seconds:.2f}" for trace in traces.values()), "", style="dim")
    console.print("loss after each number of steps, and the largest difference of the parameters there:")
    console.print(table)
    if last < steps:
        console.print(f"the Lightning run diverged after {last:,} of {steps:,} steps, and there the others end too")
    final = traces["Lightning"].parameters[last]
    if sum(value.size for value in final.values()) <= 6:
        ends = _table(f"after {last:,}", *traces)
        for name, value in final.items():
            for index in np.ndindex(value.shape):
                cell = name if value.size == 1 else f"{name}{list(index)}"
                ends.add_row(cell, *(f"{trace.parameters[last][name][index]:.10g}" for trace in traces.values()))
        console.print(ends)
    console.print(comparison.verdict(), style="green" if comparison.part_at is None else "red", soft_wrap=True)


def _table(*headers: str) -> Table:
    return Table(*(Column(header, justify="right") for header in headers))


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
    with exit_on_error():
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
