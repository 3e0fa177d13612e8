"""Optimizers of a user's own, each with a need of its own, and what is none."""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import StepLR

from src.config.domains import POSITIVE
from src.optim.rules import Rule


class Plain(Optimizer):
    """`w <- w - a g`."""

    def __init__(self, params: Iterable[Any], lr: float) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for w in group["params"]:
                w.add_(w.grad, alpha=-group["lr"])


class Rho(Plain):
    """Takes a number that it cannot do without."""

    def __init__(self, params: Iterable[Any], lr: float, rho: float) -> None:
        super().__init__(params, lr * rho)


class Sam(Optimizer):
    """Sharpness-aware descent (Foret et al. 2021, algorithm 1): a closure and, before the step, the gradient."""

    def __init__(self, params: Iterable[Any], lr: float, rho: float = 0.05) -> None:
        super().__init__(params, {"lr": lr, "rho": rho})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        assert closure is not None, "Sharpness Aware Minimization requires closure, but it was not provided"
        trained = [(w, group) for group in self.param_groups for w in group["params"]]
        norm = torch.stack([w.grad.norm() for w, _ in trained]).norm()
        starts = [w.clone() for w, _ in trained]
        for w, group in trained:
            w.add_(w.grad * group["rho"] / norm)
        with torch.enable_grad():
            closure()
        for (w, group), start in zip(trained, starts, strict=True):
            w.copy_(start).add_(w.grad, alpha=-group["lr"])


class ScheduleFree(Optimizer):
    """Schedule-Free SGD (Defazio et al. 2024, equations 2 to 4): parameters are y in training, x in evaluation."""

    def __init__(self, params: Iterable[Any], lr: float, beta: float = 0.9) -> None:
        super().__init__(params, {"lr": lr, "beta": beta, "k": 0, "training": False})

    def _move(self, training: bool, weight: Callable[[float], float]) -> None:
        with torch.no_grad():
            for group in self.param_groups:
                if group["training"] != training:
                    group["training"] = training
                    for w in group["params"]:
                        if "z" in self.state[w]:
                            w.lerp_(self.state[w]["z"], weight(group["beta"]))

    def train(self) -> None:
        self._move(True, lambda beta: 1 - beta)

    def eval(self) -> None:
        self._move(False, lambda beta: 1 - 1 / beta)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            if not group["training"]:
                raise RuntimeError("it must be in train mode")
            group["k"] += 1
            share, lr = 1 / group["k"], group["lr"]
            for y in group["params"]:
                z = self.state[y].setdefault("z", y.clone())
                y.lerp_(z, share).add_(y.grad, alpha=lr * (group["beta"] * (1 - share) - 1))
                z.add_(y.grad, alpha=-lr)


class Newton(Optimizer):
    """`w <- w - a g / (dg/dw)`: it differentiates the gradient."""

    def __init__(self, params: Iterable[Any], lr: float) -> None:
        super().__init__(params, {"lr": lr})

    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for w in group["params"]:
                (second,) = torch.autograd.grad(w.grad.sum(), w, retain_graph=True)
                with torch.no_grad():
                    w.sub_(group["lr"] * w.grad / second)


class Backward(Plain):
    """Goes backward through what the closure gives."""

    def step(self, closure: Any = None) -> Any:
        assert closure is not None, "no closure"
        closure().backward()
        super().step()


class Broken(Plain):
    """Its step always raises."""

    def step(self, closure: Any = None) -> Any:
        raise ArithmeticError("seven is not eight")


class NotFinite(Plain):
    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for w in group["params"]:
                w.mul_(torch.nan)


class NoOptimizer:
    """Has a step, but is no optimizer."""

    def __init__(self, params: Iterable[Any], lr: float) -> None:
        self.param_groups: list[Any] = []

    def step(self) -> None:
        pass


def plain(params: Iterable[Any], lr: float) -> Plain:
    """A function that makes an optimizer."""
    return Plain(params, lr)


def no_optimizer(params: Iterable[Any], lr: float) -> NoOptimizer:
    """A function that makes something else."""
    return NoOptimizer(params, lr)


def no_scheduler(optimizer: Optimizer) -> str:
    """A function that makes something else."""
    return "tomorrow"


class Fixed(Optimizer):
    """`w <- w - g / 10`, without a learning rate."""

    def __init__(self, params: Iterable[Any]) -> None:
        super().__init__(params, {})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for w in self.param_groups[0]["params"]:
            w.add_(w.grad, alpha=-0.1)


class Stepped(StepLR):
    """A schedule of one's own, whose numbers nobody else knows the meaning of."""


class GivesBack(Rule):
    """A rule that leaves its parameters as they are, and gives back what they should be."""

    numbers: ClassVar = {"lr": POSITIVE}

    def update(self, w, g, state, c, on):
        return w - c["lr"] * g


class Unnamed(Rule):
    """A rule that asks for a number that it has not named."""

    numbers: ClassVar = {"lr": POSITIVE}

    def update(self, w, g, state, c, on):
        w.addcmul_(g, c["rate"], value=-1)
