"""What models are made of: parameters with a leading member axis, their starts, and an affine layer.

A parameter is `[P, I, O]` (a bias `[P, 1, O]`). `without_member_axis` makes it `[I, O]` for optimizers that take only
matrices; everything here works with both, because `batched` puts the axis back.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from src.config.models import Started
from src.errors import LabError
from src.seeds import stream


def batched(parameter: Tensor) -> Tensor:
    """The parameter with its member axis."""
    return parameter if parameter.dim() == 3 else parameter.unsqueeze(0)


def affine(inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`inputs [P, B, I] @ weight [P, I, O] + bias [P, 1, O]`: `[P, B, O]`."""
    weight = batched(weight)
    return torch.bmm(inputs, weight) if bias is None else torch.baddbmm(batched(bias), inputs, weight)


def affine_by_hand(inputs: Tensor, gradient: Tensor, bias: bool) -> tuple[Tensor, ...]:
    """Derivatives of a weight `[P, I, O]` and bias `[P, 1, O]`, from those of the layer's output `[P, B, O]`."""
    weight = torch.bmm(inputs.mT, gradient)
    return (weight, gradient.sum(1, keepdim=True)) if bias else (weight,)


def add_parameters(model: nn.Module, called: str, section: Started, shapes: Mapping[str, tuple[int, int, int]]) -> None:
    """Give a model of one member its parameters `[1, I, O]` at their start.

    Each is drawn in float32, from the stream (seed, "model." + its name): "torch" (uniform in ±1/√inputs of its layer,
    as `nn.Linear`), "uniform" (in [0, 1)) or "normal", the latter two times `scale`; or it is given, or zero.

    Args:
        model: it.
        called: what it is called in a sentence.
        section: says how it starts.
        shapes: I, O and the inputs of the layer by name; a bias has I = 1, and is None where the section has no biases.

    Raises:
        LabError: a given start of a parameter that there is not, or not of its shape.
    """
    names = [name for name in shapes if section.bias or not name.startswith("bias")]
    for name, value in section.values.items():
        if name not in names and value is not None:
            raise LabError(f"model.values.{name}: the {called} has {', '.join(names)}")
    for name, (rows, columns, inputs) in shapes.items():
        there = name in names
        value = _start(name, (rows, columns), inputs, section).to(getattr(torch, section.dtype)) if there else None
        model.register_parameter(name, None if value is None else nn.Parameter(value))


def _start(name: str, shape: tuple[int, int], inputs: int, section: Started) -> Tensor:
    given = section.values.get(name)
    if given is not None:
        return _given(name, shape, given)
    if section.start == "zeros":
        return torch.zeros(1, *shape)
    # all in place, as products of new tensors have the meta device import torch's compiler, which takes a second
    generator = stream(section.seed, f"model.{name}")
    if section.start == "normal":
        return torch.randn(1, *shape, generator=generator, dtype=torch.float32).mul_(section.scale)
    uniform = torch.rand(1, *shape, generator=generator, dtype=torch.float32)
    return uniform.mul_(section.scale) if section.start == "uniform" else uniform.mul_(2).sub_(1).div_(inputs**0.5)


def _given(name: str, shape: tuple[int, int], given: Any) -> Tensor:
    try:
        value = torch.tensor(given, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        value = None
    if value is not None and value.dim() == 0:
        return value.expand(1, *shape).clone()
    # a flat list fills it row by row; a nested one must have its shape, lest a transposed one is taken for it
    if value is not None and (value.shape == shape or value.shape == (shape[0] * shape[1],)):
        return value.view(1, *shape)
    raise LabError(
        f"model.values.{name}={given}: must be a number, or {shape[0] * shape[1]} numbers in a list or in the shape "
        f"{list(shape)} (inputs, outputs)"
    )
