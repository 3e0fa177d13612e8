"""Lion and Signum: steps of one length in every number, by the sign of an average of gradients."""

from src.config.domains import FRACTION, NOT_NEGATIVE, POSITIVE
from src.optim.rules.rule import Acting, Numbers, Rule, Scalars, State, Tensor, decayed, shrink


class Lion(Rule):
    """`w <- (1 - a λ) w - a sign(β₁ m + (1 - β₁) g);  m <- β₂ m + (1 - β₂) g`.

    Chen et al. 2023, algorithm 2, with the weight decay times the learning rate.
    """

    target = "src.optim.Lion"
    numbers = {"lr": POSITIVE, "weight_decay": NOT_NEGATIVE}
    pairs = {"betas": (FRACTION, FRACTION)}
    defaults = {"betas": (0.9, 0.99), "weight_decay": 0.0}
    always = frozenset({"decoupled_weight_decay"})
    slots = {"exp_avg": 0.0}

    def update(self, w: Tensor, g: Tensor, state: State, c: Scalars, on: Acting) -> None:
        g, m = decayed(w, g, c, on), state["exp_avg"]
        w.addcmul_((m * c["betas.0"]).addcmul_(g, c["new1"]).sign_(), c["lr"], value=-1)
        m.mul_(c["betas.1"]).addcmul_(g, c["new2"])

    def constants(self, n: Numbers) -> Scalars:
        return {**super().constants(n), "new1": 1 - n["betas.0"], "new2": 1 - n["betas.1"]}

    def rates(self, n: Numbers, t: object, kept: Scalars) -> Scalars:
        return {"lr": n["lr"], "shrink": shrink(n)}


class Signum(Rule):
    """`m <- β m + (1 - β) g;  w <- (1 - a λ) w - a sign(m)`; with β = 0 sign descent.

    Bernstein, Wang, Azizzadenesheli, Anandkumar 2018, algorithm 2, with the weight decay of their experiments.
    """

    target = "src.optim.Signum"
    numbers = {"lr": POSITIVE, "momentum": FRACTION, "weight_decay": NOT_NEGATIVE}
    defaults = {"momentum": 0.9, "weight_decay": 0.0}
    always = frozenset({"decoupled_weight_decay"})
    slots = {"momentum_buffer": 0.0}
    only = {"momentum_buffer": "momentum"}

    def update(self, w: Tensor, g: Tensor, state: State, c: Scalars, on: Acting) -> None:
        g = decayed(w, g, c, on)
        if "momentum" in on:
            g = state["momentum_buffer"].mul_(c["momentum"]).addcmul_(g, c["new"])
        w.addcmul_(g.sign(), c["lr"], value=-1)

    def constants(self, n: Numbers) -> Scalars:
        return {**super().constants(n), "new": 1 - n["momentum"]}

    def rates(self, n: Numbers, t: object, kept: Scalars) -> Scalars:
        return {"lr": n["lr"], "shrink": shrink(n)}
