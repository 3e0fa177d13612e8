"""The four textbook optimizers, as their formulas stand: all state starts at 0, nothing is corrected for it.

`g` is the gradient, `a` the learning rate `lr`, `w` a parameter of any shape; every operation is element-wise.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


class _Textbook(Optimizer):
    """Steps every parameter with a gradient by `_update`; `slots` names the state that starts at 0."""

    slots: tuple[str, ...] = ()

    def __init__(self, params: Iterable[Any], lr: float, **numbers: float) -> None:
        if not lr > 0:
            raise ValueError(f"lr must be above 0, not {lr}")
        for name, value in numbers.items():
            if name == "eps" and not value >= 0:
                raise ValueError(f"eps must not be negative, not {value}")
            if name != "eps" and not 0 <= value < 1:
                raise ValueError(f"{name} must be from 0 to below 1, not {value}")
        super().__init__(params, {"lr": lr, **numbers})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update of every parameter; a closure, where given, computes loss and gradients first."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for w in group["params"]:
                if w.grad is None:
                    continue
                state = self.state[w]
                for slot in self.slots:
                    if slot not in state:
                        state[slot] = torch.zeros_like(w)
                self._update(w, w.grad, state, group)
        return loss

    def _update(self, w: Tensor, g: Tensor, state: dict[str, Tensor], group: dict[str, Any]) -> None:
        raise NotImplementedError


class TextbookMomentum(_Textbook):
    """`v <- (1 - β) g + β v;  w <- w - a v`.

    An exponential average of gradients (Polyak 1964, with the gradient weighted by 1 - β). It is not torch's
    `SGD(momentum=β, dampening=β)`, which takes the first gradient whole.

    Args:
        params: what to update.
        lr: a.
        beta: β, in [0, 1).
    """

    slots = ("v",)

    def __init__(self, params: Iterable[Any], lr: float, beta: float = 0.2) -> None:
        super().__init__(params, lr, beta=beta)

    def _update(self, w: Tensor, g: Tensor, state: dict[str, Tensor], group: dict[str, Any]) -> None:
        v = state["v"].mul_(group["beta"]).add_(g, alpha=1 - group["beta"])
        w.sub_(v, alpha=group["lr"])


class TextbookAdaGrad(_Textbook):
    """`s <- s + g²;  w <- w - a g / (√s + ε)` (Duchi, Hazan, Singer 2011, algorithm 1). The same as torch's Adagrad.

    Args:
        params: what to update.
        lr: a.
        eps: ε.
    """

    slots = ("s",)

    def __init__(self, params: Iterable[Any], lr: float, eps: float = 1e-7) -> None:
        super().__init__(params, lr, eps=eps)

    def _update(self, w: Tensor, g: Tensor, state: dict[str, Tensor], group: dict[str, Any]) -> None:
        s = state["s"].addcmul_(g, g)
        w.addcdiv_(g, s.sqrt().add_(group["eps"]), value=-group["lr"])


class TextbookRMSProp(_Textbook):
    """`s <- α s + (1 - α) g²;  w <- w - a g / (√s + ε)` (Hinton 2012, lecture 6e). The same as torch's RMSprop.

    Args:
        params: what to update.
        lr: a.
        alpha: α, in [0, 1).
        eps: ε.
    """

    slots = ("s",)

    def __init__(self, params: Iterable[Any], lr: float, alpha: float = 0.8, eps: float = 1e-7) -> None:
        super().__init__(params, lr, alpha=alpha, eps=eps)

    def _update(self, w: Tensor, g: Tensor, state: dict[str, Tensor], group: dict[str, Any]) -> None:
        s = state["s"].mul_(group["alpha"]).addcmul_(g, g, value=1 - group["alpha"])
        w.addcdiv_(g, s.sqrt().add_(group["eps"]), value=-group["lr"])


class TextbookAdam(_Textbook):
    """`v <- β₁ v + (1 - β₁) g;  s <- β₂ s + (1 - β₂) g²;  w <- w - a v / (√s + ε)`.

    Adam (Kingma and Ba 2015, algorithm 1) without its bias correction, so not torch's Adam.

    Args:
        params: what to update.
        lr: a.
        beta1: β₁, in [0, 1).
        beta2: β₂, in [0, 1).
        eps: ε.
    """

    slots = ("v", "s")

    def __init__(
        self, params: Iterable[Any], lr: float, beta1: float = 0.8, beta2: float = 0.8, eps: float = 1e-7
    ) -> None:
        super().__init__(params, lr, beta1=beta1, beta2=beta2, eps=eps)

    def _update(self, w: Tensor, g: Tensor, state: dict[str, Tensor], group: dict[str, Any]) -> None:
        v = state["v"].mul_(group["beta1"]).add_(g, alpha=1 - group["beta1"])
        s = state["s"].mul_(group["beta2"]).addcmul_(g, g, value=1 - group["beta2"])
        w.addcdiv_(v, s.sqrt().add_(group["eps"]), value=-group["lr"])
