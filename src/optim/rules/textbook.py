"""The four textbook optimizers: see `src/optim/textbook.py`."""

from src.config.domains import FRACTION, POSITIVE
from src.optim.rules.rule import Acting, Numbers, Rule, Scalars, State, Tensor, average


class TextbookMomentum(Rule):
    """`v <- (1 - β) g + β v;  w <- w - a v`."""

    target = "src.optim.TextbookMomentum"
    numbers = {"lr": POSITIVE, "beta": FRACTION}
    slots = {"v": 0.0}
    linear_map = {"momentum": "beta", "dampening": "beta", "first_whole": False}

    def update(self, w: Tensor, g: Tensor, state: State, c: Scalars, on: Acting) -> None:
        v = state["v"].mul_(c["beta"]).addcmul_(g, c["new"])
        w.addcmul_(v, c["lr"], value=-1)

    def constants(self, n: Numbers) -> Scalars:
        return {**super().constants(n), "new": 1 - n["beta"]}


class TextbookAdaGrad(Rule):
    """`s <- s + g²;  w <- w - a g / (√s + ε)`."""

    target = "src.optim.TextbookAdaGrad"
    numbers = {"lr": POSITIVE, "eps": POSITIVE}
    slots = {"s": 0.0}

    def update(self, w: Tensor, g: Tensor, state: State, c: Scalars, on: Acting) -> None:
        s = state["s"].addcmul_(g, g)
        w.addcdiv_(g * c["lr"], s.sqrt().add_(c["eps"]), value=-1)


class TextbookRMSProp(Rule):
    """`s <- α s + (1 - α) g²;  w <- w - a g / (√s + ε)`."""

    target = "src.optim.TextbookRMSProp"
    numbers = {"lr": POSITIVE, "alpha": FRACTION, "eps": POSITIVE}
    slots = {"s": 0.0}

    def update(self, w: Tensor, g: Tensor, state: State, c: Scalars, on: Acting) -> None:
        s = average(state["s"], c["alpha"], c["new"], g)
        w.addcdiv_(g * c["lr"], s.sqrt().add_(c["eps"]), value=-1)

    def constants(self, n: Numbers) -> Scalars:
        return {**super().constants(n), "new": 1 - n["alpha"]}


class TextbookAdam(Rule):
    """`v <- β₁ v + (1 - β₁) g;  s <- β₂ s + (1 - β₂) g²;  w <- w - a v / (√s + ε)`."""

    target = "src.optim.TextbookAdam"
    numbers = {"lr": POSITIVE, "beta1": FRACTION, "beta2": FRACTION, "eps": POSITIVE}
    slots = {"v": 0.0, "s": 0.0}

    def update(self, w: Tensor, g: Tensor, state: State, c: Scalars, on: Acting) -> None:
        v = state["v"].mul_(c["beta1"]).addcmul_(g, c["new1"])
        s = average(state["s"], c["beta2"], c["new2"], g)
        w.addcdiv_(v * c["lr"], s.sqrt().add_(c["eps"]), value=-1)

    def constants(self, n: Numbers) -> Scalars:
        return {**super().constants(n), "new1": 1 - n["beta1"], "new2": 1 - n["beta2"]}
