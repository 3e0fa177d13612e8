"""Gradients of a step: by autograd, by hand, or of a linear model on all its rows at once; added up and clipped."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from src.engine.device_data import DeviceData
from src.errors import LabError
from src.losses.loss import Loss

Gradients = Sequence[Tensor | None]
"""Of each parameter, `[P, ...]`; None where the loss does not depend on it."""

LARGEST_HISTORY = 2**22
"""Residuals that are kept at once before their losses are computed."""


@dataclass(frozen=True)
class Treatment:
    """What happens to gradients between the loss and the optimizer.

    Attributes:
        zero_every: steps; they add up in between. 0: they are never zeroed.
        clip: the largest norm or absolute value: of the one member, or of each `[P]`; None: any.
        by_norm: rather than by value.
    """

    zero_every: int = 1
    clip: float | Tensor | None = None
    by_norm: bool = True

    def check_sums(self, path: str) -> None:
        """Refuse gradients that add up for an optimizer at `path` that asks for the loss beside its gradient.

        Raises:
            LabError: they do.
        """
        if self.zero_every != 1:
            raise LabError(
                f"{path} needs the loss that its gradient is of, so gradients cannot add up: "
                "trainer.zero_grad_every_n_steps=1"
            )

    @property
    def nothing(self) -> bool:
        """Whether it leaves gradients as they are."""
        return self.zero_every == 1 and self.clip is None

    def __call__(self, gradients: Gradients, before: Gradients, step: int) -> Gradients:
        """Gradients as the optimizer sees them.

        Args:
            gradients: of this step.
            before: what the optimizer saw in the step before.
            step: number of this one.
        """
        if self.zero_every != 1 and not (self.zero_every and step % self.zero_every == 0):
            gradients = [g if g is None or old is None else old + g for g, old in zip(gradients, before, strict=True)]
        return gradients if self.clip is None else clipped(gradients, self.clip, self.by_norm)


def norms(gradients: Gradients, members: int) -> Tensor:
    """The norm `[P]` of every member's gradient over all parameters."""
    squares = [g.reshape(members, -1).square().sum(1) for g in gradients if g is not None]
    return torch.stack(squares).sum(0).sqrt()


def clipped(gradients: Gradients, limit: float | Tensor, by_norm: bool) -> Gradients:
    """Every member's own gradient scaled to this norm, or its numbers cut to this absolute value, if it is above.

    Args:
        gradients: of one member in any shapes, or of `P` members, `[P, ...]` each.
        limit: of the one, or of each `[P]`.
        by_norm: rather than by value.
    """
    members = limit.numel() if isinstance(limit, Tensor) else 1

    def spread(value: Tensor, gradient: Tensor) -> Tensor:
        return value.view(()) if members == 1 else value.view(-1, *[1] * (gradient.dim() - 1))

    if not by_norm:
        if isinstance(limit, Tensor):
            bounds = [None if g is None else spread(limit, g) for g in gradients]
            return [
                g if g is None or bound is None else g.clamp(-bound, bound)
                for g, bound in zip(gradients, bounds, strict=True)
            ]
        return [g if g is None else g.clamp(-limit, limit) for g in gradients]
    factor = (limit / (norms(gradients, members) + 1e-6)).clamp(max=1.0)
    return [g if g is None else g * spread(factor, g) for g in gradients]


class OnRows:
    """Losses and gradients on the rows of each step's batch.

    Args:
        data: of the members.
        receive: takes the gradients of a step and its number.
    """

    def __init__(self, data: DeviceData, receive: Callable[[Gradients, int], None]) -> None:
        self.data, self.receive = data, receive
        self.first, self.history = 0, list[Tensor]()

    def start(self, first: int, count: int) -> int:
        """Gather the batches of at most so many steps."""
        self.first, self.history = first, []
        self.batches = self.data.batches(first, count)
        return len(self.batches)

    def __call__(self, k: int) -> Tensor:
        """Losses `[P]` of step `first + k`; asked again in the same step, it keeps the first."""
        losses, gradients = self.compute(*self.batches[k])
        self.receive(gradients, self.first + k)
        if len(self.history) == k:
            self.history.append(losses)
        return losses

    def loss_of(self, k: int) -> Tensor:
        """Of step `first + k`, the latest, `[P]`."""
        return self.history[k]

    def losses(self) -> Tensor:
        """Of the steps that were taken, `[K, P]`."""
        return torch.stack(self.history) if self.history else torch.empty(0, 1)

    def compute(self, inputs: Tensor, targets: Tensor, rows: int | None = None) -> tuple[Tensor, Gradients]:
        """Losses `[P]` and the gradient of each parameter.

        With `rows`, these are a shard of a batch of so many rows, and the result is the whole batch's in every process.
        """
        raise NotImplementedError


class Autograd(OnRows):
    """torch's own.

    Args:
        data: of the one member.
        receive: takes the gradients of a step and its number.
        model: whose parameters.
        loss: as it trains.
        create_graph: keep the graph of the gradients, for optimizers that differentiate them.
        plain: nothing is done to gradients: they go straight to the parameters.
    """

    def __init__(
        self,
        data: DeviceData,
        receive: Callable[[Gradients, int], None],
        model: nn.Module,
        loss: Loss,
        *,
        create_graph: bool = False,
        plain: bool = False,
    ) -> None:
        super().__init__(data, receive)
        self.loss, self.create_graph, self.plain = loss, create_graph, plain and not create_graph
        self.trained = [p for p in model.parameters() if p.requires_grad]
        self._forward = model.forward  # straight there: Module's own call costs in the inner loop
        self._ones = torch.ones(1, dtype=self.trained[0].dtype, device=self.trained[0].device)

    def __call__(self, k: int) -> Tensor:
        """Losses `[1]` of step `first + k`."""
        inputs, targets, rows = self.batches[k]
        if not self.plain or rows is not None:
            with torch.enable_grad():
                return super().__call__(k)
        for parameter in self.trained:
            parameter.grad = None
        losses = self.loss.value(self._forward(inputs), targets)
        losses.backward(self._ones)  # torch's quickest way
        losses = losses.detach()
        if len(self.history) == k:
            self.history.append(losses)
        return losses

    def compute(self, inputs: Tensor, targets: Tensor, rows: int | None = None) -> tuple[Tensor, Gradients]:
        """Losses `[1]` and the gradient of each parameter."""
        value = self.loss.value(self._forward(inputs), targets, rows)
        gradients = torch.autograd.grad(
            value, self.trained, torch.ones_like(value), create_graph=self.create_graph, allow_unused=True
        )
        return summed(value.detach(), gradients, self.trained, rows)


class ByHand(OnRows):
    """As the model's formula says.

    Args:
        data: of the members.
        receive: takes the gradients of a step and its number.
        model: has `by_hand`.
        loss: as they train.
    """

    def __init__(
        self, data: DeviceData, receive: Callable[[Gradients, int], None], model: nn.Module, loss: Loss
    ) -> None:
        super().__init__(data, receive)
        self.model, self.loss = model, loss
        self.trained = [p for p in model.parameters() if p.requires_grad]
        self._matrices = self.trained[0].dim() == 2

    @torch.no_grad()
    def compute(self, inputs: Tensor, targets: Tensor, rows: int | None = None) -> tuple[Tensor, Gradients]:
        """Losses `[P]` and the gradient of each parameter."""
        losses, gradients = self.model.by_hand(inputs, targets, self.loss, rows)  # type: ignore[operator]
        if self._matrices:
            gradients = [gradient[0] for gradient in gradients]
        return summed(losses, gradients, self.trained, rows)


def summed(
    losses: Tensor, gradients: Gradients, parameters: Sequence[Tensor], rows: int | None
) -> tuple[Tensor, Gradients]:
    """Shards' losses and gradients added up over the processes, in one message; unchanged where there are no shards."""
    if rows is None:
        return losses, gradients
    pieces = [losses, *(torch.zeros_like(p) if g is None else g for g, p in zip(gradients, parameters, strict=True))]
    flat = torch.cat([piece.reshape(-1) for piece in pieces])
    torch.distributed.all_reduce(flat)
    whole = [part.view_as(piece) for part, piece in zip(flat.split([p.numel() for p in pieces]), pieces, strict=True)]
    return whole[0], whole[1:]


class OfSquares:
    """Of linear models on all rows under squared error, from `|R t - z|² + rest`: see `src.engine.condensed_data`.

    Args:
        data: of the members, condensed.
        flat: their parameters `[P, N]`.
    """

    def __init__(self, data: DeviceData, flat: Tensor) -> None:
        condensed = data.condensed("train")
        assert condensed is not None
        self.condensed, self._shape = condensed, (len(flat), *condensed.offset.shape[1:])
        self._theta, self.out = flat.detach().view(self._shape), torch.empty_like(flat)
        self._into, self._twice = self.out.view(self._shape), 2 * condensed.factor.mT
        self._most = max(1, LARGEST_HISTORY // flat.numel())

    def start(self, first: int, count: int) -> int:
        """Make room for the residuals of at most so many steps."""
        ready, self._taken = min(count, self._most), 0
        self._residuals = torch.empty((ready, *self._shape), dtype=self._theta.dtype, device=self._theta.device)
        self._each = self._residuals.unbind(0)
        return ready

    def __call__(self, k: int) -> Tensor:
        """The gradient `[P, N]` of step `first + k`, in the same tensor as that of the step before."""
        torch.baddbmm(self.condensed.offset, self.condensed.factor, self._theta, out=self._each[k])
        torch.bmm(self._twice, self._each[k], out=self._into)
        self._taken = k + 1
        return self.out

    def loss_of(self, k: int) -> Tensor:
        """Of step `first + k`, the latest, `[P]`."""
        return self.condensed.losses(self._each[k][None])[0]

    def losses(self) -> Tensor:
        """Of the steps that were taken, `[K, P]`."""
        return self.condensed.losses(self._residuals[: self._taken])
