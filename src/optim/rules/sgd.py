"""Gradient descent, with momentum or without, and with averaging."""

from src.config.domains import FRACTION, NOT_NEGATIVE, POSITIVE
from src.optim.rules.rule import Acting, Numbers, Rule, Scalars, State, Tensor, TorchRule, count_dtype, decayed, power


class SGD(Rule):
    """`g <- g + λ w;  b <- μ b + (1 - τ) g, at first g;  w <- w - a b`, with nesterov `w <- w - a (g + μ b)`.

    Polyak 1964; Nesterov's as in Sutskever, Martens, Dahl, Hinton 2013. Where μ = 0, b = g, whatever τ.
    """

    target = "torch.optim.SGD"
    numbers = {"lr": POSITIVE, "momentum": FRACTION, "dampening": FRACTION, "weight_decay": NOT_NEGATIVE}
    options = ("nesterov", "maximize")
    only = {"momentum_buffer": "momentum"}
    linear_map = {"momentum": "momentum", "dampening": "dampening", "nesterov": "nesterov"}

    def update(self, w: Tensor, g: Tensor, state: State, c: Scalars, on: Acting) -> None:
        g = decayed(w, g, c, on)
        if "momentum" in on:
            b = state.get("momentum_buffer")
            if b is None:
                b = state["momentum_buffer"] = g.clone()
            elif "dampening" in on:
                b.mul_(c["momentum"]).addcmul_(g, c["new"])
            else:
                b.mul_(c["momentum"]).add_(g)
            g = g.addcmul(b, c["momentum"]) if "nesterov" in on else b
        w.addcmul_(g, c["lr"], value=-1)

    def constants(self, n: Numbers) -> Scalars:
        new = (1 - n["dampening"]).where(n["momentum"] != 0, 1.0)
        return {**super().constants(n), "new": new}


class ASGD(TorchRule):
    """`w <- (1 - λ η) w - η g;  ā <- ā + μ (w - ā)`, with `η = a / (1 + λ a t)^α` and `μ = 1 / max(1, t - t₀)`.

    Averaged descent: Polyak and Juditsky 1992, the step sizes of Bottou 2010. As in torch, t is that of the step before
    (η starts at a, μ at 1), and η and μ are rounded to float32.
    """

    target = "torch.optim.ASGD"
    numbers = {"lr": POSITIVE, "lambd": NOT_NEGATIVE, "alpha": FRACTION, "t0": POSITIVE, "weight_decay": NOT_NEGATIVE}
    slots = {"ax": 0.0}
    alone = ("step", "eta", "mu")
    decay = ("weight_decay", "lambd")

    def update(self, w: Tensor, g: Tensor, state: State, c: Scalars, on: Acting) -> None:
        g = decayed(w, g, c, on)
        w.mul_(c["shrink"]).addcmul_(g, c["eta"], value=-1)
        state["ax"].lerp_(w, c["mu"])

    def start(self, n: Numbers) -> Scalars:
        lr = n["lr"].to(count_dtype())
        return {"eta": lr, "mu": lr.new_ones(lr.shape)}

    def rates(self, n: Numbers, t: int, kept: Scalars) -> Scalars:
        eta, mu = kept["eta"].double(), kept["mu"].double()
        kept["eta"] = (n["lr"] / power(1 + n["lambd"] * n["lr"] * t, n["alpha"])).to(count_dtype())
        kept["mu"] = (t - n["t0"]).clamp_(min=1).reciprocal_().to(count_dtype())
        return {"eta": eta, "mu": mu, "shrink": 1 - n["lambd"] * eta}
