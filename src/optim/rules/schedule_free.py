"""Schedule-Free descent: an average of the parameters takes the place of a schedule, and is what is evaluated."""

from src.config.domains import COUNT_OR_NONE, FRACTION, NOT_NEGATIVE, POSITIVE, Domain
from src.optim.rules.rule import PARAMETER, Acting, Numbers, Rule, Scalars, State, Tensor, average, decayed, power

INSIDE = Domain(0, 1)


class _ScheduleFree(Rule):
    """`y = (1 - β) z + β x;  z <- z - a d(y);  x <- (1 - c) x + c z`, along a direction d.

    Defazio et al. 2024, equations 3 to 5. Trained is y, evaluated is x, kept are y and z. `c = v / Σv` with
    `v = tʳ (the largest a so far)^p`, p the weight_lr_power; a grows to the learning rate in warmup_steps.
    """

    slots = {"z": PARAMETER}
    beta: str
    """The name of β."""

    def moved(self, y: Tensor, z: Tensor, direction: Tensor, c: Scalars) -> None:
        y.lerp_(z, c["share"]).addcmul_(direction, c["ahead"], value=-1)
        z.addcmul_(direction, c["lr"], value=-1)

    def switch(self, w: Tensor, state: State, c: Scalars, evaluated: bool) -> None:
        w.lerp_(state["z"], c["to_x"] if evaluated else c["to_y"])

    def constants(self, n: Numbers) -> Scalars:
        beta = n[self.beta]
        return {**super().constants(n), "to_x": 1 - 1 / beta, "to_y": 1 - beta}

    def start(self, n: Numbers) -> Scalars:
        nothing = n["lr"].new_zeros(n["lr"].shape)
        return {"weight_sum": nothing, "lr_max": nothing}

    def rates(self, n: Numbers, t: int, kept: Scalars) -> Scalars:
        lr = n["lr"] * (t / n["warmup_steps"]).clamp(max=1)
        kept["lr_max"] = lr.maximum(kept["lr_max"])
        weight = power(lr.new_full(lr.shape, t), n["r"]) * power(kept["lr_max"], n["weight_lr_power"])
        kept["weight_sum"] = kept["weight_sum"] + weight
        share = (weight / kept["weight_sum"]).where(kept["weight_sum"] != 0, 0.0)
        return {"lr": lr, "share": share, "ahead": lr * (1 - n[self.beta] * (1 - share))}


AVERAGING = {"warmup_steps": COUNT_OR_NONE, "r": NOT_NEGATIVE, "weight_lr_power": NOT_NEGATIVE}
DEFAULTS = {"weight_decay": 0.0, "warmup_steps": 0, "r": 0.0, "weight_lr_power": 2.0}


class ScheduleFreeSGD(_ScheduleFree):
    """`d = g + λ y`, β the momentum: see `_ScheduleFree`."""

    target = "src.optim.ScheduleFreeSGD"
    numbers = {"lr": POSITIVE, "momentum": INSIDE, "weight_decay": NOT_NEGATIVE, **AVERAGING}
    defaults = {"momentum": 0.9, **DEFAULTS}
    beta = "momentum"

    def update(self, w: Tensor, g: Tensor, state: State, c: Scalars, on: Acting) -> None:
        self.moved(w, state["z"], decayed(w, g, c, on), c)


class ScheduleFreeAdamW(_ScheduleFree):
    """`v <- β₂ v + (1 - β₂) g²;  d = g / (√(v / (1 - β₂ᵗ)) + ε) + λ y`, β the first beta: see `_ScheduleFree`."""

    target = "src.optim.ScheduleFreeAdamW"
    numbers = {"lr": POSITIVE, "eps": POSITIVE, "weight_decay": NOT_NEGATIVE, **AVERAGING}
    pairs = {"betas": (INSIDE, FRACTION)}
    defaults = {"betas": (0.9, 0.999), "eps": 1e-8, **DEFAULTS}
    always = frozenset({"decoupled_weight_decay"})
    slots = {"z": PARAMETER, "exp_avg_sq": 0.0}
    beta = "betas.0"

    def update(self, w: Tensor, g: Tensor, state: State, c: Scalars, on: Acting) -> None:
        v = average(state["exp_avg_sq"], c["betas.1"], c["new2"], g)
        direction = g / v.div(c["correction2"]).sqrt_().add_(c["eps"])
        if "weight_decay" in on:
            direction.addcmul_(w, c["weight_decay"])
        self.moved(w, state["z"], direction, c)

    def constants(self, n: Numbers) -> Scalars:
        return {**super().constants(n), "new2": 1 - n["betas.1"]}

    def bases(self, n: Numbers) -> list[Tensor]:
        return [n["betas.1"]]

    def rates(self, n: Numbers, t: int, kept: Scalars) -> Scalars:
        return {**super().rates(n, t, kept), "correction2": 1 - kept["powers"][0]}
