"""Polyak's step: as long as the distance from the lowest loss asks for."""

from src.config.domains import NUMBER, POSITIVE
from src.optim.rules.rule import Acting, Rule, Scalars, State, Tensor


class Polyak(Rule):
    """`w <- w - a (f - f*) / |g|² g`, with the loss f at w and the lowest loss f*; no step where f is below it.

    Polyak 1987, section 5.3, equation 3: on a convex loss it comes nearer to every minimum for any a between 0 and 2,
    and a = 1 promises most. f* is 0 where a model can be without error. On mini-batches f is that of the batch, whose
    own minimum may lie below f* (Loizou et al. 2021).
    """

    target = "src.optim.Polyak"
    numbers = {"lr": POSITIVE, "lowest_loss": NUMBER}
    defaults = {"lr": 1.0, "lowest_loss": 0.0}
    needs_loss = True

    def update(self, w: Tensor, g: Tensor, state: State, c: Scalars, on: Acting) -> None:
        excess, squared = (c["loss"] - c["lowest_loss"]).clamp_min_(0), g.square().sum(1, keepdim=True)
        w.addcmul_(g, (c["lr"] * excess / squared).where(squared > 0, 0.0), value=-1)
