"""Adagrad and Adadelta: steps divided by the size of all gradients so far, or of the latest."""

from typing import Any

from src.config.domains import FRACTION, NOT_NEGATIVE, POSITIVE
from src.optim.rules.rule import Acting, Numbers, Scalars, State, Tensor, TorchRule, average, decayed


class Adagrad(TorchRule):
    """`g <- g + λ w;  s <- s + g²;  w <- w - a g / (√s + ε)`, a divided by `1 + (t - 1) lr_decay`.

    Duchi, Hazan, Singer 2011, algorithm 1.
    """

    target = "torch.optim.Adagrad"
    numbers = {
        "lr": POSITIVE,
        "lr_decay": NOT_NEGATIVE,
        "weight_decay": NOT_NEGATIVE,
        "initial_accumulator_value": NOT_NEGATIVE,
        "eps": POSITIVE,
    }
    slots = {"sum": "initial_accumulator_value"}
    eager = True

    def update(self, w: Tensor, g: Tensor, state: State, c: Scalars, on: Acting) -> None:
        g = decayed(w, g, c, on)
        s = state["sum"].addcmul_(g, g)
        w.addcdiv_(g * c["lr"], s.sqrt().add_(c["eps"]), value=-1)

    def rates(self, n: Numbers, t: Any, kept: Scalars) -> Scalars:
        return {"lr": n["lr"] / (1 + (t - 1) * n["lr_decay"])}


class Adadelta(TorchRule):
    """`g <- g + λ w;  v <- ρ v + (1 - ρ) g²;  d = √(u + ε) / √(v + ε) g;  u <- ρ u + (1 - ρ) d²;  w <- w - a d`.

    Zeiler 2012, algorithm 1, with a learning rate.
    """

    target = "torch.optim.Adadelta"
    numbers = {"lr": POSITIVE, "rho": FRACTION, "eps": POSITIVE, "weight_decay": NOT_NEGATIVE}
    slots = {"square_avg": 0.0, "acc_delta": 0.0}

    def update(self, w: Tensor, g: Tensor, state: State, c: Scalars, on: Acting) -> None:
        g = decayed(w, g, c, on)
        v, u = average(state["square_avg"], c["rho"], c["new"], g), state["acc_delta"]
        step = u.add(c["eps"]).sqrt_().div_(v.add(c["eps"]).sqrt_()).mul_(g)
        average(u, c["rho"], c["new"], step)
        w.addcmul_(step, c["lr"], value=-1)

    def constants(self, n: Numbers) -> Scalars:
        return {**super().constants(n), "new": 1 - n["rho"]}
