"""Per-member update rules: what an element-wise optimizer does to a parameter `[P, ...]` of `P` members in one go.

A rule describes a class of torch.optim or src.optim: which of its arguments may differ per member, what its state is,
and the formula, in torch's order of rounding. Nothing in it looks at another member's numbers, and only operations are
used that round a number alike wherever it stands in a tensor, so that a member's bits are the same in every stack.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

Numbers = Mapping[str, Any]
"""By argument: float64 `[P]`, or a tuple of two of them."""
Scalars = dict[str, Tensor]
"""By name: float64 `[P]` where it is computed, the parameter's dtype and `[P, 1, 1]` where it is used."""
State = dict[str, Tensor]
"""By torch's name of the slot: the shape and dtype of the parameter."""
Acting = frozenset[str]
"""Options that are on, and those numbers that can do anything at all: given, or not 0 by default."""

IMPLEMENTATION = frozenset({"foreach", "fused", "capturable", "differentiable"})
"""Arguments of torch's classes that choose a program for the same numbers: accepted, and of no effect here."""


def _nothing(n: Numbers) -> Scalars:
    return {}


def _learning_rate(n: Numbers, t: int, kept: Scalars) -> Scalars:
    return {"lr": n["lr"]}


@dataclass(frozen=True)
class Rule:
    """How members of one optimizer class are updated together.

    Attributes:
        update: changes the parameter and its state in place, from the gradient.
        numbers: arguments that may differ per member.
        pairs: the same, of two numbers each.
        options: arguments that must be the same in a stack.
        always: options that this class has on without an argument.
        slots: state of a parameter, and what it starts at: a value, or a number's name.
        only: the option or number that a slot goes with; a member whose number is 0 has no such slot in torch.
        alone: state of a member that is one number for all parameters; torch keeps it beside each.
        eager: torch makes the state before the first step.
        constants: what follows from the numbers without `lr`.
        rates: what follows from `lr`, the step (from 1) and what is kept. A rule that keeps nothing but powers is
            asked for `K` steps at once: steps `[K, 1]`, numbers `[P]` or `[K, P]`, powers `[len(bases), K, P]`.
        start: what is kept from step to step, `[P]`.
        bases: whose powers of the step are kept: `kept["bases"]` and `kept["powers"]`, both `[len(bases), P]`.
    """

    update: Callable[[Tensor, Tensor, State, Scalars, Acting], None]
    numbers: tuple[str, ...]
    pairs: tuple[str, ...] = ()
    options: tuple[str, ...] = ("maximize",)
    always: Acting = frozenset()
    slots: Mapping[str, float | str] = field(default_factory=dict)
    only: Mapping[str, str] = field(default_factory=dict)
    alone: tuple[str, ...] = ("step",)
    eager: bool = False
    constants: Callable[[Numbers], Scalars] = _nothing
    rates: Callable[[Numbers, Any, Scalars], Scalars] = _learning_rate
    start: Callable[[Numbers], Scalars] = _nothing
    bases: Callable[[Numbers], list[Tensor]] | None = None


def power(base: Tensor, exponent: Tensor | float) -> Tensor:
    """`base ** exponent` in float64, to the same bits wherever a number stands.

    torch's vectorised pow rounds otherwise than the scalar one that it takes for the end of a tensor; numbers that are
    not beside each other all go the scalar way.
    """
    apart = torch.stack([base, base], -1)[..., 0]
    if isinstance(exponent, Tensor):
        exponent = torch.stack([exponent, exponent], -1)[..., 0]
    return torch.pow(apart, exponent)


def count_dtype() -> torch.dtype:
    """Of the numbers that torch keeps one of beside a parameter (torch.optim.optimizer._get_scalar_dtype)."""
    return torch.float64 if torch.get_default_dtype() == torch.float64 else torch.float32


def _gradient(w: Tensor, g: Tensor, c: Scalars, on: Acting) -> Tensor:
    """`g`, or `-g` to maximize, `+ λ w` for a weight decay that is not decoupled."""
    if "maximize" in on:
        g = g.neg()
    if "weight_decay" not in on:
        return g
    if "decoupled_weight_decay" in on:
        w.mul_(c["shrink"])
        return g
    return torch.addcmul(g, w, c["weight_decay"])


def _average(a: Tensor, old: Tensor, new: Tensor, x: Tensor) -> Tensor:
    """`a <- old a + new x²` in place, rounded as torch rounds it.

    `a + new (x² - a)` would be a kernel less, but not torch's in float32: there 0.999 and 0.001 do not add up to 1.
    """
    return a.mul_(old).addcmul_(x * new, x)


# --- descent, with momentum ------------------------------------------------------------------------------------------


def sgd(w: Tensor, g: Tensor, state: State, c: Scalars, on: Acting) -> None:
    """`g <- g + λ w;  b <- μ b + (1 - τ) g, at first g;  w <- w - a b`, with nesterov `w <- w - a (g + μ b)`.

    Polyak 1964; Nesterov's as in Sutskever, Martens, Dahl, Hinton 2013. Where μ = 0, b = g, whatever τ.
    """
    g = _gradient(w, g, c, on)
    if "momentum" in on:
        b = state.get("momentum_buffer")
        if b is None:
            b = state["momentum_buffer"] = g.clone()
        elif "dampening" in on:
            b.mul_(c["momentum"]).addcmul_(g, c["new"])
        else:
            b.mul_(c["momentum"]).add_(g)
        g = torch.addcmul(g, b, c["momentum"]) if "nesterov" in on else b
    w.addcmul_(g, c["lr"], value=-1)


def _sgd_constants(n: Numbers) -> Scalars:
    new = torch.where(n["momentum"] == 0, 1.0, 1 - n["dampening"])
    return {"momentum": n["momentum"], "new": new, "weight_decay": n["weight_decay"]}


def asgd(w: Tensor, g: Tensor, state: State, c: Scalars, on: Acting) -> None:
    """`w <- (1 - λ η) w - η g;  ā <- ā + μ (w - ā)`, with `η = a / (1 + λ a t)^α` and `μ = 1 / max(1, t - t₀)`.

    Averaged descent: Polyak and Juditsky 1992, the step sizes of Bottou 2010. As in torch, t is that of the step before
    (η starts at a, μ at 1), and η and μ are rounded to float32.
    """
    g = _gradient(w, g, c, on)
    w.mul_(c["shrink"]).addcmul_(g, c["eta"], value=-1)
    state["ax"].lerp_(w, c["mu"])


def _asgd_start(n: Numbers) -> Scalars:
    return {"eta": n["lr"].to(count_dtype()), "mu": torch.ones_like(n["lr"], dtype=count_dtype())}


def _asgd_rates(n: Numbers, t: int, kept: Scalars) -> Scalars:
    eta, mu = kept["eta"].double(), kept["mu"].double()
    kept["eta"] = (n["lr"] / power(1 + n["lambd"] * n["lr"] * t, n["alpha"])).to(count_dtype())
    kept["mu"] = (t - n["t0"]).clamp_(min=1).reciprocal_().to(count_dtype())
    return {"eta": eta, "mu": mu, "shrink": 1 - n["lambd"] * eta}


def rprop(w: Tensor, g: Tensor, state: State, c: Scalars, on: Acting) -> None:
    """`s <- clamp(s f);  w <- w - s sign(g)`, f = η⁺ where g keeps its sign, η⁻ where it changes, else 1.

    Riedmiller and Braun 1993, without backtracking: where the sign changes, g counts as 0 in this step and the next.
    s starts at the learning rate.
    """
    g = _gradient(w, g, c, on)
    agree = g * state["prev"]
    changed = agree < 0
    factor = torch.where(agree > 0, c["plus"], torch.where(changed, c["minus"], 1.0))
    torch.clamp(state["step_size"].mul_(factor), c["least"], c["most"], out=state["step_size"])
    state["prev"].copy_(g).masked_fill_(changed, 0.0)
    w.addcmul_(state["prev"].sign(), state["step_size"], value=-1)


def _rprop_constants(n: Numbers) -> Scalars:
    (minus, plus), (least, most) = n["etas"], n["step_sizes"]
    return {"minus": minus, "plus": plus, "least": least, "most": most}


def _no_rates(n: Numbers, t: int, kept: Scalars) -> Scalars:
    return {}


# --- divided by the size of gradients --------------------------------------------------------------------------------


def adagrad(w: Tensor, g: Tensor, state: State, c: Scalars, on: Acting) -> None:
    """`g <- g + λ w;  s <- s + g²;  w <- w - a g / (√s + ε)`, a divided by `1 + (t - 1) lr_decay`.

    Duchi, Hazan, Singer 2011, algorithm 1.
    """
    g = _gradient(w, g, c, on)
    s = state["sum"].addcmul_(g, g)
    w.addcdiv_(g * c["lr"], s.sqrt().add_(c["eps"]), value=-1)


def _adagrad_rates(n: Numbers, t: int, kept: Scalars) -> Scalars:
    return {"lr": n["lr"] / (1 + (t - 1) * n["lr_decay"])}


def rmsprop(w: Tensor, g: Tensor, state: State, c: Scalars, on: Acting) -> None:
    """`g <- g + λ w;  v <- α v + (1 - α) g²;  b <- μ b + g / (√v + ε);  w <- w - a b`.

    Hinton 2012, lecture 6e; centered, `√(v - m²)` with the average m of g (Graves 2013, equations 38 to 45).
    """
    g = _gradient(w, g, c, on)
    v = _average(state["square_avg"], c["alpha"], c["new"], g)
    if "centered" in on:
        m = state["grad_avg"].lerp_(g, c["new"])
        v = torch.addcmul(v, m, m, value=-1)
    size = v.sqrt().add_(c["eps"])
    step = state["momentum_buffer"].mul_(c["momentum"]).addcdiv_(g, size) if "momentum" in on else g / size
    w.addcmul_(step, c["lr"], value=-1)


def _rmsprop_constants(n: Numbers) -> Scalars:
    shared = {name: n[name] for name in ("alpha", "eps", "momentum", "weight_decay")}
    return {**shared, "new": 1 - n["alpha"]}


def adadelta(w: Tensor, g: Tensor, state: State, c: Scalars, on: Acting) -> None:
    """`g <- g + λ w;  v <- ρ v + (1 - ρ) g²;  d = √(u + ε) / √(v + ε) g;  u <- ρ u + (1 - ρ) d²;  w <- w - a d`.

    Zeiler 2012, algorithm 1, with a learning rate.
    """
    g = _gradient(w, g, c, on)
    v, u = _average(state["square_avg"], c["rho"], c["new"], g), state["acc_delta"]
    step = u.add(c["eps"]).sqrt_().div_(v.add(c["eps"]).sqrt_()).mul_(g)
    _average(u, c["rho"], c["new"], step)
    w.addcmul_(step, c["lr"], value=-1)


def _adadelta_constants(n: Numbers) -> Scalars:
    return {"rho": n["rho"], "new": 1 - n["rho"], "eps": n["eps"], "weight_decay": n["weight_decay"]}


# --- both: the Adam family -------------------------------------------------------------------------------------------


def adam(w: Tensor, g: Tensor, state: State, c: Scalars, on: Acting) -> None:
    """`m <- β₁ m + (1 - β₁) g;  v <- β₂ v + (1 - β₂) g²;  w <- w - a m̂ / (√v̂ + ε)`, m̂ and v̂ over `1 - βᵗ`.

    Kingma and Ba 2015, algorithm 1. amsgrad: the largest v so far (Reddi, Kale, Kumar 2018, algorithm 2). Weight decay:
    `g + λ w`, or decoupled `w <- (1 - a λ) w` (Loshchilov and Hutter 2019, algorithm 2).
    """
    g = _gradient(w, g, c, on)
    m = state["exp_avg"].lerp_(g, c["new1"])
    v = _average(state["exp_avg_sq"], c["beta2"], c["new2"], g)
    if "amsgrad" in on:
        v = torch.maximum(state["max_exp_avg_sq"], v, out=state["max_exp_avg_sq"])
    w.addcdiv_(m * c["rate"], v.sqrt().div_(c["root"]).add_(c["eps"]), value=-1)


def _moments(n: Numbers) -> Scalars:
    beta1, beta2 = n["betas"]
    shared = {"eps": n["eps"], "weight_decay": n["weight_decay"]}
    return {**shared, "new1": 1 - beta1, "beta2": beta2, "new2": 1 - beta2}


def _both_betas(n: Numbers) -> list[Tensor]:
    return list(n["betas"])


def _shrink(n: Numbers) -> Tensor:
    """What a decoupled weight decay leaves of a parameter."""
    return 1 - n["lr"] * n["weight_decay"]


def _adam_rates(n: Numbers, t: int, kept: Scalars) -> Scalars:
    correction1, correction2 = (1 - kept["powers"]).unbind()
    return {"rate": n["lr"] / correction1, "root": correction2.sqrt_(), "shrink": _shrink(n)}


def adamax(w: Tensor, g: Tensor, state: State, c: Scalars, on: Acting) -> None:
    """`m <- β₁ m + (1 - β₁) g;  u <- max(β₂ u, |g| + ε);  w <- w - a / (1 - β₁ᵗ) m / u`.

    Kingma and Ba 2015, algorithm 2.
    """
    g = _gradient(w, g, c, on)
    m = state["exp_avg"].lerp_(g, c["new1"])
    u = state["exp_inf"].mul_(c["beta2"])
    torch.maximum(u, g.abs().add_(c["eps"]), out=u)
    w.addcdiv_(m * c["rate"], u, value=-1)


def _adamax_constants(n: Numbers) -> Scalars:
    beta1, beta2 = n["betas"]
    return {"new1": 1 - beta1, "beta2": beta2, "eps": n["eps"], "weight_decay": n["weight_decay"]}


def _adamax_rates(n: Numbers, t: int, kept: Scalars) -> Scalars:
    return {"rate": n["lr"] / (1 - kept["powers"][0])}


def nadam(w: Tensor, g: Tensor, state: State, c: Scalars, on: Acting) -> None:
    """Adam with `m̂ = (1 - μₜ) g / (1 - Πμ) + μₜ₊₁ m / (1 - μₜ₊₁ Πμ)`, `μₜ = β₁ (1 - 0.96^(ψ t) / 2)`.

    Dozat 2016, algorithm 2, with ψ the momentum_decay. torch keeps the product Πμ of all μ so far in float32.
    """
    g = _gradient(w, g, c, on)
    m = state["exp_avg"].lerp_(g, c["new1"])
    v = _average(state["exp_avg_sq"], c["beta2"], c["new2"], g)
    size = v.div(c["correction2"]).sqrt_().add_(c["eps"])
    w.addcdiv_(g * c["of_g"], size, value=-1).addcdiv_(m * c["of_m"], size, value=-1)


def _nadam_bases(n: Numbers) -> list[Tensor]:
    return [n["betas"][1], power(torch.full_like(n["momentum_decay"], 0.96), n["momentum_decay"])]


def _nadam_start(n: Numbers) -> Scalars:
    return {"mu_product": torch.ones_like(n["lr"], dtype=count_dtype())}


def _nadam_rates(n: Numbers, t: int, kept: Scalars) -> Scalars:
    beta1, lr = n["betas"][0], n["lr"]
    power2, decay = kept["powers"]
    mu, after = beta1 * (1 - 0.5 * decay), beta1 * (1 - 0.5 * (decay * kept["bases"][1]))
    kept["mu_product"] = kept["mu_product"] * mu.to(count_dtype())
    product = kept["mu_product"].double()
    return {
        "of_g": lr * (1 - mu) / (1 - product),
        "of_m": lr * after / (1 - product * after),
        "correction2": 1 - power2,
        "shrink": _shrink(n),
    }


def radam(w: Tensor, g: Tensor, state: State, c: Scalars, on: Acting) -> None:
    """Adam with `w <- w - a m̂ r / (√v̂ + ε)` where v can be trusted (`ρₜ > 5`), else `w <- w - a m̂`.

    Liu et al. 2020, algorithm 2; ε is added to √v before its correction, as torch does.
    """
    g = _gradient(w, g, c, on)
    m = state["exp_avg"].lerp_(g, c["new1"])
    v = _average(state["exp_avg_sq"], c["beta2"], c["new2"], g)
    # per member √v + ε or 1: what is added is ε or 1, and √v counts once or not at all
    w.addcdiv_(m * c["rate"], torch.addcmul(c["added"], v.sqrt(), c["trust"]), value=-1)


def _radam_rates(n: Numbers, t: int, kept: Scalars) -> Scalars:
    power2 = kept["powers"][1]
    correction1, correction2 = (1 - kept["powers"]).unbind()
    most = 2 / (1 - n["betas"][1]) - 1
    length = most - 2 * t * power2 / correction2
    trust = length > 5
    squared = (length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length) * correction2
    factor = torch.where(trust, squared.clamp_(min=0).sqrt_(), 1.0)
    return {
        "rate": n["lr"] / correction1 * factor,
        "added": torch.where(trust, n["eps"], 1.0),
        "trust": trust.double(),
        "shrink": _shrink(n),
    }


# --- src.optim.textbook ----------------------------------------------------------------------------------------------


def textbook_momentum(w: Tensor, g: Tensor, state: State, c: Scalars, on: Acting) -> None:
    """`v <- (1 - β) g + β v;  w <- w - a v`: see `src.optim.TextbookMomentum`."""
    v = state["v"].mul_(c["beta"]).addcmul_(g, c["new"])
    w.addcmul_(v, c["lr"], value=-1)


def textbook_adagrad(w: Tensor, g: Tensor, state: State, c: Scalars, on: Acting) -> None:
    """`s <- s + g²;  w <- w - a g / (√s + ε)`: see `src.optim.TextbookAdaGrad`."""
    s = state["s"].addcmul_(g, g)
    w.addcdiv_(g * c["lr"], s.sqrt().add_(c["eps"]), value=-1)


def textbook_rmsprop(w: Tensor, g: Tensor, state: State, c: Scalars, on: Acting) -> None:
    """`s <- α s + (1 - α) g²;  w <- w - a g / (√s + ε)`: see `src.optim.TextbookRMSProp`."""
    s = _average(state["s"], c["alpha"], c["new"], g)
    w.addcdiv_(g * c["lr"], s.sqrt().add_(c["eps"]), value=-1)


def textbook_adam(w: Tensor, g: Tensor, state: State, c: Scalars, on: Acting) -> None:
    """`v <- β₁ v + (1 - β₁) g;  s <- β₂ s + (1 - β₂) g²;  w <- w - a v / (√s + ε)`: see `src.optim.TextbookAdam`."""
    v = state["v"].mul_(c["beta1"]).addcmul_(g, c["new1"])
    s = _average(state["s"], c["beta2"], c["new2"], g)
    w.addcdiv_(v * c["lr"], s.sqrt().add_(c["eps"]), value=-1)


def _textbook_adam_constants(n: Numbers) -> Scalars:
    numbers = {name: n[name] for name in ("beta1", "beta2", "eps")}
    return {**numbers, "new1": 1 - n["beta1"], "new2": 1 - n["beta2"]}


_FAMILY: dict[str, Any] = {
    "numbers": ("lr", "eps", "weight_decay"),
    "pairs": ("betas",),
    "constants": _moments,
    "bases": _both_betas,
}
_MOMENTS = {"exp_avg": 0.0, "exp_avg_sq": 0.0}
_ADAM: dict[str, Any] = {
    **_FAMILY,
    "rates": _adam_rates,
    "slots": {**_MOMENTS, "max_exp_avg_sq": 0.0},
    "only": {"max_exp_avg_sq": "amsgrad"},
}

RULES: Mapping[str, Rule] = {
    "torch.optim.SGD": Rule(
        sgd,
        numbers=("lr", "momentum", "dampening", "weight_decay"),
        options=("nesterov", "maximize"),
        only={"momentum_buffer": "momentum"},
        alone=(),
        constants=_sgd_constants,
    ),
    "torch.optim.ASGD": Rule(
        asgd,
        numbers=("lr", "lambd", "alpha", "t0", "weight_decay"),
        slots={"ax": 0.0},
        alone=("step", "eta", "mu"),
        constants=lambda n: {"weight_decay": n["weight_decay"]},
        rates=_asgd_rates,
        start=_asgd_start,
    ),
    "torch.optim.Rprop": Rule(
        rprop,
        numbers=("lr",),
        pairs=("etas", "step_sizes"),
        slots={"prev": 0.0, "step_size": "lr"},
        constants=_rprop_constants,
        rates=_no_rates,
    ),
    "torch.optim.Adagrad": Rule(
        adagrad,
        numbers=("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps"),
        slots={"sum": "initial_accumulator_value"},
        eager=True,
        constants=lambda n: {"eps": n["eps"], "weight_decay": n["weight_decay"]},
        rates=_adagrad_rates,
    ),
    "torch.optim.RMSprop": Rule(
        rmsprop,
        numbers=("lr", "alpha", "eps", "weight_decay", "momentum"),
        options=("centered", "maximize"),
        slots={"square_avg": 0.0, "momentum_buffer": 0.0, "grad_avg": 0.0},
        only={"momentum_buffer": "momentum", "grad_avg": "centered"},
        constants=_rmsprop_constants,
    ),
    "torch.optim.Adadelta": Rule(
        adadelta,
        numbers=("lr", "rho", "eps", "weight_decay"),
        slots={"square_avg": 0.0, "acc_delta": 0.0},
        constants=_adadelta_constants,
    ),
    "torch.optim.Adam": Rule(adam, **_ADAM, options=("amsgrad", "maximize", "decoupled_weight_decay")),
    "torch.optim.AdamW": Rule(
        adam, **_ADAM, options=("amsgrad", "maximize"), always=frozenset({"decoupled_weight_decay"})
    ),
    "torch.optim.Adamax": Rule(
        adamax,
        numbers=("lr", "eps", "weight_decay"),
        pairs=("betas",),
        slots={"exp_avg": 0.0, "exp_inf": 0.0},
        constants=_adamax_constants,
        rates=_adamax_rates,
        bases=lambda n: [n["betas"][0]],
    ),
    "torch.optim.NAdam": Rule(
        nadam,
        **{**_FAMILY, "numbers": ("lr", "eps", "weight_decay", "momentum_decay"), "bases": _nadam_bases},
        options=("maximize", "decoupled_weight_decay"),
        slots=_MOMENTS,
        alone=("step", "mu_product"),
        rates=_nadam_rates,
        start=_nadam_start,
    ),
    "torch.optim.RAdam": Rule(
        radam, **_FAMILY, options=("maximize", "decoupled_weight_decay"), slots=_MOMENTS, rates=_radam_rates
    ),
    "src.optim.TextbookMomentum": Rule(
        textbook_momentum,
        numbers=("lr", "beta"),
        options=(),
        slots={"v": 0.0},
        alone=(),
        constants=lambda n: {"beta": n["beta"], "new": 1 - n["beta"]},
    ),
    "src.optim.TextbookAdaGrad": Rule(
        textbook_adagrad,
        numbers=("lr", "eps"),
        options=(),
        slots={"s": 0.0},
        alone=(),
        constants=lambda n: {"eps": n["eps"]},
    ),
    "src.optim.TextbookRMSProp": Rule(
        textbook_rmsprop,
        numbers=("lr", "alpha", "eps"),
        options=(),
        slots={"s": 0.0},
        alone=(),
        constants=lambda n: {"alpha": n["alpha"], "new": 1 - n["alpha"], "eps": n["eps"]},
    ),
    "src.optim.TextbookAdam": Rule(
        textbook_adam,
        numbers=("lr", "beta1", "beta2", "eps"),
        options=(),
        slots={"v": 0.0, "s": 0.0},
        alone=(),
        constants=_textbook_adam_constants,
    ),
}
"""By the dotted name of the class. Missing are those that take a parameter as a matrix or a whole."""
