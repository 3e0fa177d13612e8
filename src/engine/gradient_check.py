"""Whether a model's gradients are right: by hand, by autograd and by central differences, before anything trains."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from src.data.problem import Rows
from src.errors import LabError, one_line
from src.losses.squared_error import Loss
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


@dataclass(frozen=True)
class Agreement:
    """How far gradients agree.

    Attributes:
        largest: the largest relative difference.
        where: the coordinate or direction it is at, and the values there.
        kinks: coordinates left out because the loss has a kink right there (ReLU at 0), where it has no derivative.
        drowned: those left out because rounding is larger than what is to be compared.
        compared: coordinates and directions, over both points.
        by_hand: whether there was a gradient by hand to compare.
    """

    largest: float
    where: str
    kinks: int
    drowned: int
    compared: int
    by_hand: bool

    def sentence(self) -> str:
        """For the terminal."""
        ways = "by hand, by autograd and by central differences" if self.by_hand else "by autograd and differences"
        told = f"gradients {ways} differ by {self.largest:.1e} at most ({self.compared} compared"
        left = [f"{self.kinks} at kinks"] * (self.kinks > 0) + [f"{self.drowned} drowned in rounding"] * (
            self.drowned > 0
        )
        return f"{told}, {' and '.join(left)} left out)" if left else f"{told})"


def check_gradients(model: nn.Module, loss: Loss, rows: Rows, seed: int) -> Agreement:
    """Compare at the start and at a random point, in float64 whatever the model's dtype.

    A difference is relative to the largest of the two values and of the root mean square of its parameter's gradient.
    A coordinate whose difference rounding of the predictions drowns is not compared.

    Args:
        model: of one member; it is copied.
        loss: as it trains.
        rows: inputs `[N, I]`, targets `[N, O]`.
        seed: of the random point, the coordinates and the directions.

    Raises:
        LabError: they differ by more than `TOLERANCE`, or the model has no float64.
    """
    double = copy.deepcopy(model).double().eval()
    inputs, targets = rows.inputs[:ROWS].double()[None], rows.targets[:ROWS].double()[None]
    parameters = [p for p in double.parameters() if p.requires_grad]
    names = [name.removeprefix("module.") for name, p in double.named_parameters() if p.requires_grad]

    def predict() -> Tensor:
        return double(inputs)

    def value() -> Tensor:
        return loss.value(predict(), targets).sum()

    try:
        first, again = value(), value()
        steady = bool(first.isfinite()) and bool(first == again)
    except Exception as error:  # a user's class can raise anything
        raise LabError(f"check_gradients: the model cannot be computed in float64 ({one_line(error)})") from None
    if not steady:
        raise LabError(
            "check_gradients: the loss of the start is not finite, or two evaluations differ: a forward that draws "
            "random numbers in evaluation mode has no derivative to compare"
        )
    generator = stream(seed, "gradient check")
    found = []
    for point in ("at the start", "at a random point"):
        if point != "at the start":
            _move(parameters, generator)
        with torch.enable_grad():
            automatic = torch.autograd.grad(value(), parameters, allow_unused=True)
        gradients = [torch.zeros_like(p) if g is None else g for g, p in zip(automatic, parameters, strict=True)]
        hand = None
        if hasattr(double, "by_hand"):
            with torch.no_grad():
                made = double.by_hand(inputs, targets, loss)[1]  # type: ignore[operator]
            hand = [g.view_as(p) for g, p in zip(made, parameters, strict=True)]
        found.append(_Point(point, predict, targets, loss, parameters, names, gradients, hand).compare(generator))
    worst = max(found, key=lambda one: one.largest)
    whole = Agreement(
        worst.largest,
        worst.where,
        sum(one.kinks for one in found),
        sum(one.drowned for one in found),
        sum(one.compared for one in found),
        worst.by_hand,
    )
    if not whole.compared:
        left = f"{whole.kinks} derivatives are at kinks, {whole.drowned} drown in rounding"
        raise LabError(f"check_gradients: nothing can be compared: {left}")
    if not whole.largest <= TOLERANCE:
        raise LabError(f"check_gradients: {whole.where} (they may differ by {TOLERANCE:g})")
    return whole


@torch.no_grad()
def _move(parameters: Sequence[Tensor], generator: torch.Generator) -> None:
    """To a random point around the start, as far away as the start is large."""
    for p in parameters:
        size = float(p.square().mean().sqrt()) or 1.0
        p.add_(size * torch.randn(p.shape, generator=generator, dtype=torch.float64))


@dataclass
class _Point:
    """Values and gradients at one point."""

    point: str
    predict: Callable[[], Tensor]
    targets: Tensor
    loss: Loss
    parameters: Sequence[Tensor]
    names: Sequence[str]
    gradients: Sequence[Tensor]
    hand: Sequence[Tensor] | None

    @torch.no_grad()
    def compare(self, generator: torch.Generator) -> Agreement:
        """All that can be compared here."""
        self.largest, self.where, self.kinks, self.drowned, self.compared = 0.0, "", 0, 0, 0
        self.here = self.predict()
        self.scales = [float(g.square().mean().sqrt()) for g in self.gradients]
        if self.hand is not None:
            for name, ours, torchs, scale in zip(self.names, self.hand, self.gradients, self.scales, strict=True):
                apart = (ours - torchs).abs()
                relative = apart / torch.maximum(ours.abs(), torchs.abs()).clamp(min=max(scale, 1e-300))
                at = int(relative.nan_to_num(torch.inf).argmax())
                values = f"by hand {ours.view(-1)[at]:.6g}, by autograd {torchs.view(-1)[at]:.6g}"
                self._keep(float(relative.view(-1)[at]), f"{name}{_index(ours, at)}", values)
        total = sum(p.numel() for p in self.parameters)
        chosen = torch.arange(total)
        if total > COORDINATES:
            chosen = torch.randperm(total, generator=generator)[:COORDINATES].sort().values
        for flat in chosen.tolist():
            which = 0
            while flat >= self.parameters[which].numel():
                flat -= self.parameters[which].numel()
                which += 1
            self._coordinate(which, flat)
        for number in range(DIRECTIONS if total > COORDINATES else 0):
            draws = [torch.randn(p.shape, generator=generator, dtype=torch.float64) for p in self.parameters]
            norm = float(torch.stack([d.square().sum() for d in draws]).sum().sqrt())
            direction = [d / norm for d in draws]
            slope = float(sum((g * d).sum() for g, d in zip(self.gradients, direction, strict=True)))
            size = float(torch.stack([g.square().sum() for g in self.gradients]).sum() / total) ** 0.5
            self._difference(direction, slope, size, f"along random direction {number + 1}", 1.0)
        return Agreement(self.largest, self.where, self.kinks, self.drowned, self.compared, self.hand is not None)

    def _coordinate(self, which: int, flat: int) -> None:
        parameter = self.parameters[which]
        direction = [torch.zeros_like(p) for p in self.parameters]
        direction[which].view(-1)[flat] = 1.0
        slope, place = float(self.gradients[which].reshape(-1)[flat]), float(parameter.reshape(-1)[flat])
        name = f"{self.names[which]}{_index(parameter, flat)}"
        self._difference(direction, slope, self.scales[which], name, max(1.0, abs(place)))

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
            forward, backward = (self.loss.difference(*pair, self.targets)[0] / step for pair in pairs)
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
        moved = self.predict()
        for p, old in zip(self.parameters, before, strict=True):
            p.copy_(old)
        return moved

    def _keep(self, relative: float, name: str, values: str) -> None:
        if not relative <= self.largest:  # nor if it is no number
            self.largest = relative
            self.where = f"{self.point} the derivative by {name} is {values}: they differ by {relative:.1e}"


def _index(tensor: Tensor, flat: int) -> str:
    """The place of a flat index, without the member axis."""
    shape = tensor.shape[1:] if tensor.dim() == 3 else tensor.shape
    return str([int(i) for i in torch.unravel_index(torch.tensor(flat), shape)]) if shape.numel() > 1 else ""
