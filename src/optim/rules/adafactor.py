"""Adafactor: Adam's size of the gradients, kept as a row and a column of each matrix, and steps relative to it."""

from src.config.domains import NOT_NEGATIVE, POSITIVE, Domain
from src.optim.rules.rule import Acting, Numbers, Scalars, Shape, State, Tensor, TorchRule, decayed, power, shrink


class Adafactor(TorchRule):
    """`w <- w - α u / max(1, rms(u) / d)`, with `u = g / √v̂` and `α = max(ε₂, rms(w)) min(a, 1/√t)`.

    Shazeer and Stern 2018, algorithms 4 to 6; rms is the root mean square over a parameter. Of a matrix `v̂ = r cᵀ / r̄`,
    with `r <- β r + (1 - β) mean(g², columns)`, `c <- β c + (1 - β) mean(g², rows)`, r̄ the mean of r; of a vector
    `v̂ <- β v̂ + (1 - β) g²`; and `1 - β = t^γ`, γ the beta2_decay. As in torch ε₁ bounds r̄ and √v̂ from below, and weight
    decay is decoupled.
    """

    target = "torch.optim.Adafactor"
    numbers = {
        "lr": POSITIVE,
        "beta2_decay": Domain(high=0, high_included=True),
        "d": Domain(1, low_included=True),
        "weight_decay": NOT_NEGATIVE,
    }
    settings = ("eps",)
    always = frozenset({"decoupled_weight_decay"})
    slots = {"row_var": 0.0, "col_var": 0.0, "variance": 0.0}
    element_wise = False

    def slot_shape(self, slot: str, shape: Shape) -> Shape | None:
        if len(shape) < 2:
            return shape if slot == "variance" else None
        return {"row_var": (*shape[:-1], 1), "col_var": (*shape[:-2], 1, shape[-1])}.get(slot)

    def update(self, w: Tensor, g: Tensor, state: State, c: Scalars, on: Acting) -> None:
        eps1, eps2 = self.given["eps"]
        eps1 = _eps(w) if eps1 is None else eps1
        rate = _rms(w).clamp_(min=eps2).mul_(c["most"])
        g = decayed(w, g, c, on)
        squares = g.square()
        if "variance" in state:
            size = state["variance"].lerp_(squares, c["new"])
        else:
            row = state["row_var"].lerp_(squares.mean(-1, keepdim=True), c["new"])
            # a copy whose columns are rows: numbers side by side are added up in the same order in every stack
            column = state["col_var"].lerp_(squares.mT.contiguous().mean(-1, keepdim=True).mT, c["new"])
            size = (row * column).div_(row.mean(-2, keepdim=True).clamp_(min=eps1))
        step = size.clamp(min=eps1 * eps1).rsqrt_().mul_(g)
        w.addcmul_(step, rate.div_(_rms(step).div_(c["d"]).clamp_(min=1)), value=-1)

    def rates(self, n: Numbers, t: Tensor, kept: Scalars) -> Scalars:
        most = n["lr"].minimum(1 / t.sqrt())
        return {"most": most, "new": power(t, n["beta2_decay"]), "shrink": shrink(n)}


def _rms(x: Tensor) -> Tensor:
    """The root mean square of each member's, `[P, 1, ...]`."""
    return x.reshape(len(x), -1).square().mean(1).sqrt_().view(-1, *(1,) * (x.dim() - 1))


def _eps(x: Tensor) -> float:
    import torch  # here, as it is for those alone who train

    return torch.finfo(x.dtype).eps
