"""Whether a model's gradients are right: by hand, by autograd and by central differences, before anything trains."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from src.data.problem import Rows
from src.errors import LabError, one_line
from src.losses.loss import Loss
from src.seeds import stream

TOLERANCE = 1e-6
COORDINATES = 100
"""Of a model with more parameters, so many are drawn."""
DIRECTIONS = 20
"""Random directions for a model with more parameters than that."""
ROWS = 10_000
"""Of a larger data set, the first so many are used."""
STEPS = (6e-6, 6e-7, 6e-8)
"""Lengths of a central difference; the cube root of rounding first, shorter ones to stay clear of a kink."""


class Agreement:
    """How far gradients agree, over all points that were looked at.

    Args:
        model: of one member, in float64.
        loss: as it trains.
        inputs: `[1, N, I]` float64.
        targets: `[1, N, O]` float64.

    Attributes:
        largest: the largest relative difference.
        where: the coordinate or direction it is at, and the values there.
        kinks: coordinates left out because the loss has a kink right there (ReLU at 0), where it has no derivative.
        drowned: those left out because rounding is larger than what is to be compared.
        compared: coordinates and directions that were compared.
        by_hand: whether there is a gradient by hand to compare.
    """

    def __init__(self, model: nn.Module, loss: Loss, inputs: Tensor, targets: Tensor) -> None:
        self.model, self.loss, self.inputs, self.targets = model, loss, inputs, targets
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.names = [name.removeprefix("module.") for name, p in model.named_parameters() if p.requires_grad]
        self.largest, self.where, self.kinks, self.drowned, self.compared = 0.0, "", 0, 0, 0
        self.by_hand = getattr(model, "by_hand", None) is not None
        self.point, self.here = "", targets
        self.gradients, self.scales = list[Tensor](), list[float]()

    def sentence(self) -> str:
        """What the terminal shows of it."""
        ways = "by hand, by autograd and by central differences" if self.by_hand else "by autograd and differences"
        sentence = f"gradients {ways} differ by {self.largest:.1e} at most ({self.compared} compared"
        left = [f"{self.kinks} at kinks"] * (self.kinks > 0) + [f"{self.drowned} drowned in rounding"] * (
            self.drowned > 0
        )
        return f"{sentence}, {' and '.join(left)} left out)" if left else f"{sentence})"

    def value(self) -> Tensor:
        """The loss at the parameters as they are."""
        return self.loss.value(self.model(self.inputs), self.targets).sum()

    def compare(self, point: str, generator: torch.Generator) -> None:
        """Compare all that can be compared at the parameters as they are; `point` says in words where that is."""
        self.point = point
        with torch.enable_grad():
            automatic = torch.autograd.grad(self.value(), self.parameters, allow_unused=True)
        self.gradients = [
            torch.zeros_like(p) if g is None else g for g, p in zip(automatic, self.parameters, strict=True)
        ]
        self.scales = [float(g.square().mean().sqrt()) for g in self.gradients]
        with torch.no_grad():
            if self.by_hand:
                self._compare_by_hand()
            self._compare_differences(generator)

    def _compare_by_hand(self) -> None:
        made = self.model.by_hand(self.inputs, self.targets, self.loss)[1]  # type: ignore[operator]
        for name, by_hand, automatic, scale in zip(self.names, made, self.gradients, self.scales, strict=True):
            ours = by_hand.view_as(automatic)
            relative = (ours - automatic).abs() / torch.maximum(ours.abs(), automatic.abs()).clamp(
                min=max(scale, 1e-300)
            )
            at = int(relative.nan_to_num(torch.inf).argmax())
            values = f"by hand {ours.view(-1)[at]:.6g}, by autograd {automatic.view(-1)[at]:.6g}"
            self._keep(float(relative.view(-1)[at]), f"{name}{_index(ours, at)}", values)

    def _compare_differences(self, generator: torch.Generator) -> None:
        self.here = self.model(self.inputs)
        ends = torch.tensor([p.numel() for p in self.parameters]).cumsum(0)
        total = int(ends[-1])
        chosen = torch.arange(total)
        if total > COORDINATES:
            chosen = torch.randperm(total, generator=generator)[:COORDINATES].sort().values
        for flat, which in zip(chosen.tolist(), torch.searchsorted(ends, chosen, right=True).tolist(), strict=True):
            self._coordinate(which, flat - int(ends[which]) + self.parameters[which].numel())
        for number in range(DIRECTIONS if total > COORDINATES else 0):
            draws = [torch.randn(p.shape, generator=generator, dtype=torch.float64) for p in self.parameters]
            norm = float(torch.stack([d.square().sum() for d in draws]).sum().sqrt())
            direction = [d / norm for d in draws]
            slope = float(sum((g * d).sum() for g, d in zip(self.gradients, direction, strict=True)))
            size = float(torch.stack([g.square().sum() for g in self.gradients]).sum() / total) ** 0.5
            self._difference(direction, slope, size, f"along random direction {number + 1}", 1.0)

    def _coordinate(self, which: int, flat: int) -> None:
        parameter = self.parameters[which]
        direction = [torch.zeros_like(p) for p in self.parameters]
        direction[which].view(-1)[flat] = 1.0
        slope, value = float(self.gradients[which].reshape(-1)[flat]), float(parameter.reshape(-1)[flat])
        name = f"{self.names[which]}{_index(parameter, flat)}"
        self._difference(direction, slope, self.scales[which], name, max(1.0, abs(value)))

    def _difference(self, direction: Sequence[Tensor], slope: float, scale: float, name: str, unit: float) -> None:
        """Hold `slope` against central differences: where the first disagrees, shorter ones stay clear of a kink."""
        best, shown, missed = torch.inf, 0.0, torch.inf
        gaps, found = list[float](), list[float]()
        for step in (length * unit for length in STEPS):
            above, below = self._moved(direction, step), self._moved(direction, -step)
            difference, noise = self.loss.difference(above, below, self.targets)
            numeric, noise = difference / (2 * step), noise / step
            size = max(abs(numeric), abs(slope), scale)
            if size and noise > TOLERANCE / 4 * size:
                continue
            found.append(numeric)
            apart = abs(numeric - slope) / size if size else 0.0
            pairs = ((above, self.here), (self.here, below))
            forward, backward = (self.loss.difference(a, b, self.targets)[0] / step for a, b in pairs)
            gaps.append(abs(forward - backward))
            if apart < best:
                best, shown, missed = apart, numeric, abs(numeric - slope)
            if best <= TOLERANCE / 10:
                break
        if not found:
            self.drowned += 1
            return
        # a derivative that is there is found by every length; beside a kink the shorter ones find another
        moving = len(found) > 1 and abs(found[-1] - found[-2]) > TOLERANCE * size
        # right at one, the slopes to both sides stay apart however near one looks, by more than what is to be explained
        split = len(gaps) > 1 and gaps[-1] > max(missed, 0.5 * gaps[0])
        if best > TOLERANCE and (moving or split):
            self.kinks += 1
        else:
            self._keep(best, name, f"by autograd {slope:.6g}, by central differences {shown:.6g}")
            self.compared += 1

    def _moved(self, direction: Sequence[Tensor], step: float) -> Tensor:
        before = [p.clone() for p in self.parameters]
        for p, d in zip(self.parameters, direction, strict=True):
            p.add_(d, alpha=step)
        moved = self.model(self.inputs)
        for p, old in zip(self.parameters, before, strict=True):
            p.copy_(old)
        return moved

    def _keep(self, relative: float, name: str, values: str) -> None:
        if not relative <= self.largest:  # nor if it is no number
            self.largest = relative
            self.where = f"{self.point} the derivative by {name} is {values}: they differ by {relative:.1e}"


def check_gradients(model: nn.Module, loss: Loss, rows: Rows, seed: int) -> Agreement:
    """Compare at the start and at a random point, in float64 whatever the model's dtype.

    A difference is relative to the largest of the two values and of the root mean square of its parameter's gradient.
    A coordinate whose difference rounding of the predictions drowns is not compared. `torch.autograd.gradcheck` takes
    one step length and one tolerance, and calls a kink of ReLU, or rounding of a large loss, a wrong gradient.

    Args:
        model: of one member; it is copied.
        loss: as it trains.
        rows: inputs `[N, I]`, targets `[N, O]`.
        seed: of the random point, the coordinates and the directions.

    Raises:
        LabError: they differ by more than `TOLERANCE`, or the model has no float64.
    """
    double = copy.deepcopy(model).double().eval()
    found = Agreement(double, loss, rows.inputs[:ROWS].double()[None], rows.targets[:ROWS].double()[None])
    try:
        first, again = found.value(), found.value()
        steady = bool(first.isfinite()) and bool(first == again)
    except Exception as error:  # a user's class can raise anything
        raise LabError(f"check_gradients: the model cannot be computed in float64 ({one_line(error)})") from None
    if not steady:
        raise LabError(
            "check_gradients: the loss of the start is not finite, or two evaluations differ: a forward that draws "
            "random numbers in evaluation mode has no derivative to compare"
        )
    generator = stream(seed, "gradient check")
    found.compare("at the start", generator)
    _move(found.parameters, generator)
    found.compare("at a random point", generator)
    if not found.compared:
        left = f"{found.kinks} derivatives are at kinks, {found.drowned} drown in rounding"
        raise LabError(f"check_gradients: nothing can be compared: {left}")
    if not found.largest <= TOLERANCE:
        raise LabError(f"check_gradients: {found.where} (they may differ by {TOLERANCE:g})")
    return found


@torch.no_grad()
def _move(parameters: Sequence[Tensor], generator: torch.Generator) -> None:
    """To a random point around the start, as far away as the start is large."""
    for p in parameters:
        size = float(p.square().mean().sqrt()) or 1.0
        p.add_(size * torch.randn(p.shape, generator=generator, dtype=torch.float64))


def _index(tensor: Tensor, flat: int) -> str:
    """A flat index as indices of `[I, O]`, without the member axis; nothing for a single number."""
    shape = tensor.shape[1:] if tensor.dim() == 3 else tensor.shape
    return str([int(i) for i in torch.unravel_index(torch.tensor(flat), shape)]) if shape.numel() > 1 else ""
