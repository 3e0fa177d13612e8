"""The Adam family: an average of gradients, divided by the size of the latest."""

from typing import Any, ClassVar

from src.config.domains import FRACTION, NOT_NEGATIVE, POSITIVE
from src.optim.rules.rule import (
    Acting,
    Numbers,
    Scalars,
    State,
    Tensor,
    TorchRule,
    average,
    count_dtype,
    decayed,
    power,
    shrink,
)


class Adam(TorchRule):
    """`m <- β₁ m + (1 - β₁) g;  v <- β₂ v + (1 - β₂) g²;  w <- w - a m̂ / (√v̂ + ε)`, m̂ and v̂ over `1 - βᵗ`.

    Kingma and Ba 2015, algorithm 1. amsgrad: the largest v so far (Reddi, Kale, Kumar 2018, algorithm 2). Weight decay:
    `g + λ w`, or decoupled `w <- (1 - a λ) w` (Loshchilov and Hutter 2019, algorithm 2).
    """

    target = "torch.optim.Adam"
    numbers = {"lr": POSITIVE, "eps": POSITIVE, "weight_decay": NOT_NEGATIVE}
    pairs = {"betas": (FRACTION, FRACTION)}
    options: ClassVar[tuple[str, ...]] = ("amsgrad", "maximize", "decoupled_weight_decay")
    slots = {"exp_avg": 0.0, "exp_avg_sq": 0.0, "max_exp_avg_sq": 0.0}
    only = {"max_exp_avg_sq": "amsgrad"}
    rests_as_adamw = True

    def update(self, w: Tensor, g: Tensor, state: State, c: Scalars, on: Acting) -> None:
        g = decayed(w, g, c, on)
        m = state["exp_avg"].lerp_(g, c["new1"])
        v = average(state["exp_avg_sq"], c["betas.1"], c["new2"], g)
        if "amsgrad" in on:
            v = state["max_exp_avg_sq"].clamp_min_(v)
        w.addcdiv_(m * c["rate"], v.sqrt().div_(c["root"]).add_(c["eps"]), value=-1)

    def constants(self, n: Numbers) -> Scalars:
        return {**super().constants(n), "new1": 1 - n["betas.0"], "new2": 1 - n["betas.1"]}

    def bases(self, n: Numbers) -> list[Tensor]:
        return [n["betas.0"], n["betas.1"]]

    def rates(self, n: Numbers, t: Any, kept: Scalars) -> Scalars:
        correction1, correction2 = (1 - kept["powers"]).unbind()
        return {"rate": n["lr"] / correction1, "root": correction2.sqrt_(), "shrink": shrink(n)}


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2)."""

    target = "torch.optim.AdamW"
    options = ("amsgrad", "maximize")
    always = frozenset({"decoupled_weight_decay"})


class Adamax(Adam):
    """`m <- β₁ m + (1 - β₁) g;  u <- max(β₂ u, |g| + ε);  w <- w - a / (1 - β₁ᵗ) m / u`.

    Kingma and Ba 2015, algorithm 2.
    """

    target = "torch.optim.Adamax"
    options = ("maximize",)
    slots = {"exp_avg": 0.0, "exp_inf": 0.0}

    def update(self, w: Tensor, g: Tensor, state: State, c: Scalars, on: Acting) -> None:
        g = decayed(w, g, c, on)
        m = state["exp_avg"].lerp_(g, c["new1"])
        u = state["exp_inf"].mul_(c["betas.1"]).clamp_min_(g.abs().add_(c["eps"]))
        w.addcdiv_(m * c["rate"], u, value=-1)

    def rates(self, n: Numbers, t: Any, kept: Scalars) -> Scalars:
        return {"rate": n["lr"] / (1 - kept["powers"][0])}


class NAdam(Adam):
    """Adam with `m̂ = (1 - μₜ) g / (1 - Πμ) + μₜ₊₁ m / (1 - μₜ₊₁ Πμ)`, `μₜ = β₁ (1 - 0.96^(ψ t) / 2)`.

    Dozat 2016, algorithm 2, with ψ the momentum_decay. torch keeps the product Πμ of all μ so far in float32.
    """

    target = "torch.optim.NAdam"
    numbers = {**Adam.numbers, "momentum_decay": NOT_NEGATIVE}
    options = ("maximize", "decoupled_weight_decay")
    alone = ("step", "mu_product")
    rests_as_adamw = True

    def update(self, w: Tensor, g: Tensor, state: State, c: Scalars, on: Acting) -> None:
        g = decayed(w, g, c, on)
        m = state["exp_avg"].lerp_(g, c["new1"])
        v = average(state["exp_avg_sq"], c["betas.1"], c["new2"], g)
        size = v.div(c["correction2"]).sqrt_().add_(c["eps"])
        w.addcdiv_(g * c["of_g"], size, value=-1).addcdiv_(m * c["of_m"], size, value=-1)

    def bases(self, n: Numbers) -> list[Tensor]:
        decay = n["momentum_decay"]
        return [n["betas.1"], power(decay.new_full(decay.shape, 0.96), decay)]

    def start(self, n: Numbers) -> Scalars:
        return {"mu_product": n["lr"].new_ones(n["lr"].shape, dtype=count_dtype())}

    def rates(self, n: Numbers, t: Any, kept: Scalars) -> Scalars:
        beta1, lr = n["betas.0"], n["lr"]
        power2, decay = kept["powers"]
        mu, after = beta1 * (1 - 0.5 * decay), beta1 * (1 - 0.5 * (decay * kept["bases"][1]))
        kept["mu_product"] = kept["mu_product"] * mu.to(count_dtype())
        product = kept["mu_product"].double()
        return {
            "of_g": lr * (1 - mu) / (1 - product),
            "of_m": lr * after / (1 - product * after),
            "correction2": 1 - power2,
            "shrink": shrink(n),
        }


class RAdam(Adam):
    """Adam with `w <- w - a m̂ r / (√v̂ + ε)` where v can be trusted (`ρₜ > 5`), else `w <- w - a m̂`.

    Liu et al. 2020, algorithm 2; ε is added to √v before its correction, as torch does.
    """

    target = "torch.optim.RAdam"
    options = ("maximize", "decoupled_weight_decay")
    rests_as_adamw = True

    def update(self, w: Tensor, g: Tensor, state: State, c: Scalars, on: Acting) -> None:
        g = decayed(w, g, c, on)
        m = state["exp_avg"].lerp_(g, c["new1"])
        v = average(state["exp_avg_sq"], c["betas.1"], c["new2"], g)
        # per member √v + ε or 1: what is added is ε or 1, and √v counts once or not at all
        w.addcdiv_(m * c["rate"], c["added"].addcmul(v.sqrt(), c["trust"]), value=-1)

    def rates(self, n: Numbers, t: Any, kept: Scalars) -> Scalars:
        power2 = kept["powers"][1]
        correction1, correction2 = (1 - kept["powers"]).unbind()
        most = 2 / (1 - n["betas.1"]) - 1
        length = most - 2 * t * power2 / correction2
        trust = length > 5
        squared = (length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length) * correction2
        factor = squared.clamp_(min=0).sqrt_().where(trust, 1.0)
        return {
            "rate": n["lr"] / correction1 * factor,
            "added": n["eps"].where(trust, 1.0),
            "trust": trust.double(),
            "shrink": shrink(n),
        }
