"""Muon: momentum, whose matrix is made orthogonal before it is taken as a step."""

from math import sqrt

from src.config.domains import FRACTION, NOT_NEGATIVE, POSITIVE
from src.optim.rules.rule import Acting, Numbers, Rule, Scalars, Shape, State, Tensor, decayed, shrink


class Muon(Rule):
    """`b <- μ b + (1 - μ) g;  w <- (1 - a λ) w - a r O(b)`, with nesterov `O((1 - μ) g + μ b)`.

    Jordan et al. 2024, kellerjordan.github.io/posts/muon. `O(U Σ Vᵀ)` is near `U Vᵀ`: five rounds (`ns_steps`) of the
    Newton-Schulz iteration `X <- p X + q X Xᵀ X + r X Xᵀ X Xᵀ X` from `X = b / |b|`. `r` is `√max(1, I / O)` of a
    parameter `[I, O]`, or with `adjust_lr_fn=match_rms_adamw` `0.2 √max(I, O)` (Liu et al. 2025, section 2.2).

    torch computes O in bfloat16. Here each of its products is summed in float64 and rounded to bfloat16 once, so that
    a member's bits are the same in every stack; torch sums in float32, and where that ends on the other side of a
    rounding boundary, its number is the neighbour, 2⁻⁸ of it away.
    """

    target = "torch.optim.Muon"
    numbers = {"lr": POSITIVE, "momentum": FRACTION, "weight_decay": NOT_NEGATIVE}
    settings = ("nesterov", "ns_coefficients", "eps", "ns_steps", "adjust_lr_fn")
    always = frozenset({"decoupled_weight_decay"})
    slots = {"momentum_buffer": 0.0}
    element_wise = False
    digits = 8

    def update(self, w: Tensor, g: Tensor, state: State, c: Scalars, on: Acting) -> None:
        g = decayed(w, g, c, on)
        b = state["momentum_buffer"].lerp_(g, c["new"])
        step = self._orthogonal(g.lerp(b, c["momentum"]) if self.given["nesterov"] else b)
        w.addcmul_(step.to(w.dtype), c["lr"] * self._ratio(tuple(w.shape[1:])), value=-1)

    def constants(self, n: Numbers) -> Scalars:
        return {**super().constants(n), "new": 1 - n["momentum"]}

    def rates(self, n: Numbers, t: Tensor, kept: Scalars) -> Scalars:
        return {"lr": n["lr"], "shrink": shrink(n)}

    def _ratio(self, shape: Shape) -> float:
        rows, columns = shape
        how = self.given["adjust_lr_fn"]
        return 0.2 * sqrt(max(rows, columns)) if how == "match_rms_adamw" else sqrt(max(1, rows / columns))

    def _orthogonal(self, x: Tensor) -> Tensor:
        """Of matrices `[P, I, O]`: float64, of numbers that bfloat16 has."""
        p, q, r = self.given["ns_coefficients"]
        x = _rounded(x.double())
        if tall := x.shape[1] > x.shape[2]:
            x = x.mT.contiguous()
        size = x.flatten(1).square().sum(1).float().sqrt_()  # float32 as in torch: beyond 1e19 it is infinite
        x = _rounded(x / _rounded(size.clamp_(min=self.given["eps"]).double())[:, None, None])
        for _ in range(self.given["ns_steps"]):
            gram = _rounded(x.bmm(x.mT))
            x = _rounded(x.baddbmm(_rounded(gram.baddbmm(gram, gram, beta=q, alpha=r)), x, beta=p))
        return x.mT if tall else x


def _rounded(x: Tensor) -> Tensor:
    """To the nearest numbers that bfloat16 has."""
    return x.bfloat16().to(x.dtype)
