"""The four textbook optimizers, as their formulas stand: all state starts at 0, nothing is corrected for it."""

from src.config.domains import FRACTION, POSITIVE
from src.optim.rules.rule import Acting, Numbers, Rule, Scalars, State, Tensor, average


class TextbookMomentum(Rule):
    """`v <- (1 - β) g + β v;  w <- w - a v`.

    An exponential average of gradients (Polyak 1964, with the gradient weighted by 1 - β). It is not torch's
    `SGD(momentum=β, dampening=β)`, which takes the first gradient whole.
    """

    target = "src.optim.TextbookMomentum"
    numbers = {"lr": POSITIVE, "beta": FRACTION}
    defaults = {"beta": 0.2}
    slots = {"v": 0.0}
    linear_map = {"momentum": "beta", "dampening": "beta", "first_whole": False}

    def update(self, w: Tensor, g: Tensor, state: State, c: Scalars, on: Acting) -> None:
        v = state["v"].mul_(c["beta"]).addcmul_(g, c["new"])
        w.addcmul_(v, c["lr"], value=-1)

    def constants(self, n: Numbers) -> Scalars:
        return {**super().constants(n), "new": 1 - n["beta"]}


class TextbookAdaGrad(Rule):
    """`s <- s + g²;  w <- w - a g / (√s + ε)` (Duchi, Hazan, Singer 2011, algorithm 1). The same as torch's Adagrad."""

    target = "src.optim.TextbookAdaGrad"
    numbers = {"lr": POSITIVE, "eps": POSITIVE}
    defaults = {"eps": 1e-7}
    slots = {"s": 0.0}

    def update(self, w: Tensor, g: Tensor, state: State, c: Scalars, on: Acting) -> None:
        s = state["s"].addcmul_(g, g)
        w.addcdiv_(g * c["lr"], s.sqrt().add_(c["eps"]), value=-1)


class TextbookRMSProp(Rule):
    """`s <- α s + (1 - α) g²;  w <- w - a g / (√s + ε)` (Hinton 2012, lecture 6e). The same as torch's RMSprop."""

    target = "src.optim.TextbookRMSProp"
    numbers = {"lr": POSITIVE, "alpha": FRACTION, "eps": POSITIVE}
    defaults = {"alpha": 0.8, "eps": 1e-7}
    slots = {"s": 0.0}

    def update(self, w: Tensor, g: Tensor, state: State, c: Scalars, on: Acting) -> None:
        s = average(state["s"], c["alpha"], c["new"], g)
        w.addcdiv_(g * c["lr"], s.sqrt().add_(c["eps"]), value=-1)

    def constants(self, n: Numbers) -> Scalars:
        return {**super().constants(n), "new": 1 - n["alpha"]}


class TextbookAdam(Rule):
    """`v <- β₁ v + (1 - β₁) g;  s <- β₂ s + (1 - β₂) g²;  w <- w - a v / (√s + ε)`.

    Adam (Kingma and Ba 2015, algorithm 1) without its bias correction, so not torch's Adam.
    """

    target = "src.optim.TextbookAdam"
    numbers = {"lr": POSITIVE, "beta1": FRACTION, "beta2": FRACTION, "eps": POSITIVE}
    defaults = {"beta1": 0.8, "beta2": 0.8, "eps": 1e-7}
    slots = {"v": 0.0, "s": 0.0}

    def update(self, w: Tensor, g: Tensor, state: State, c: Scalars, on: Acting) -> None:
        v = state["v"].mul_(c["beta1"]).addcmul_(g, c["new1"])
        s = average(state["s"], c["beta2"], c["new2"], g)
        w.addcdiv_(v * c["lr"], s.sqrt().add_(c["eps"]), value=-1)

    def constants(self, n: Numbers) -> Scalars:
        return {**super().constants(n), "new1": 1 - n["beta1"], "new2": 1 - n["beta2"]}
