"""RMSprop and Rprop: steps that depend on the sign of gradients rather than on their size."""

from src.config.domains import FRACTION, NOT_NEGATIVE, POSITIVE
from src.optim.rules.rule import Acting, Numbers, Scalars, State, Tensor, TorchRule, average, decayed


class RMSprop(TorchRule):
    """`g <- g + λ w;  v <- α v + (1 - α) g²;  b <- μ b + g / (√v + ε);  w <- w - a b`.

    Hinton 2012, lecture 6e; centered, `√(v - m²)` with the average m of g (Graves 2013, equations 38 to 45).
    """

    target = "torch.optim.RMSprop"
    numbers = {"lr": POSITIVE, "alpha": FRACTION, "eps": POSITIVE, "weight_decay": NOT_NEGATIVE, "momentum": FRACTION}
    options = ("centered", "maximize")
    slots = {"square_avg": 0.0, "momentum_buffer": 0.0, "grad_avg": 0.0}
    only = {"momentum_buffer": "momentum", "grad_avg": "centered"}

    def update(self, w: Tensor, g: Tensor, state: State, c: Scalars, on: Acting) -> None:
        g = decayed(w, g, c, on)
        v = average(state["square_avg"], c["alpha"], c["new"], g)
        if "centered" in on:
            m = state["grad_avg"].lerp_(g, c["new"])
            v = v.addcmul(m, m, value=-1)
        size = v.sqrt().add_(c["eps"])
        step = state["momentum_buffer"].mul_(c["momentum"]).addcdiv_(g, size) if "momentum" in on else g / size
        w.addcmul_(step, c["lr"], value=-1)

    def constants(self, n: Numbers) -> Scalars:
        return {**super().constants(n), "new": 1 - n["alpha"]}


class Rprop(TorchRule):
    """`s <- clamp(s f);  w <- w - s sign(g)`, f = η⁺ where g keeps its sign, η⁻ where it changes, else 1.

    Riedmiller and Braun 1993, without backtracking: where the sign changes, g counts as 0 in this step and the next.
    s starts at the learning rate.
    """

    target = "torch.optim.Rprop"
    numbers = {"lr": POSITIVE}
    pairs = {"etas": (FRACTION, POSITIVE), "step_sizes": (POSITIVE, POSITIVE)}
    slots = {"prev": 0.0, "step_size": "lr"}

    def update(self, w: Tensor, g: Tensor, state: State, c: Scalars, on: Acting) -> None:
        g = decayed(w, g, c, on)
        agree = g * state["prev"]
        changed = agree < 0
        factor = c["etas.1"].where(agree > 0, c["etas.0"].where(changed, 1.0))
        state["step_size"].mul_(factor).clamp_(c["step_sizes.0"], c["step_sizes.1"])
        state["prev"].copy_(g).masked_fill_(changed, 0.0)
        w.addcmul_(state["prev"].sign(), state["step_size"], value=-1)
