"""What the models are made of: parameters with a leading member axis, their starts, and an affine layer.

A parameter is `[P, I, O]` (a bias `[P, 1, O]`). `without_member_axis` makes it `[I, O]` for optimizers that take only
matrices; everything here works with both, because `batched` puts the axis back.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from src.errors import LabError
from src.seeds import stream

Values = Mapping[str, Any] | None


def batched(parameter: Tensor) -> Tensor:
    """The parameter with its member axis."""
    return parameter if parameter.dim() == 3 else parameter.unsqueeze(0)


def affine(inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`inputs [P, B, I] @ weight [P, I, O] + bias [P, 1, O]`: `[P, B, O]`."""
    return torch.bmm(inputs, weight) if bias is None else torch.baddbmm(bias, inputs, weight)


def affine_by_hand(inputs: Tensor, gradient: Tensor, bias: bool) -> tuple[Tensor, ...]:
    """Derivatives of a weight `[P, I, O]` and bias `[P, 1, O]`, from those of the layer's output `[P, B, O]`."""
    weight = torch.bmm(inputs.mT, gradient)
    return (weight, gradient.sum(1, keepdim=True)) if bias else (weight,)


def initial(
    name: str, shape: tuple[int, int], fan_in: int, seed: int, how: str, scale: float, values: Values
) -> Tensor:
    """One member's start of the parameter `name`, `[1, *shape]`, from a stream of its own.

    Args:
        name: of the parameter; its stream is (seed, "model." + name).
        shape: `(I, O)`, or `(1, O)` for a bias.
        fan_in: inputs of the layer.
        seed: of the model.
        how: "torch" (uniform in ±1/√fan_in, as `nn.Linear`), "zeros", "uniform" (in [0, 1)) or "normal".
        scale: times the uniform or normal draw.
        values: starts given by name, a number, a list, or a list of lists of the shape.

    Raises:
        LabError: a given value does not have the shape.
    """
    given = (values or {}).get(name)
    if given is not None:
        return _given(name, shape, given)
    if how == "zeros":
        return torch.zeros(1, *shape)
    generator = stream(seed, f"model.{name}")
    if how == "normal":
        return scale * torch.randn(1, *shape, generator=generator, dtype=torch.float32)
    uniform = torch.rand(1, *shape, generator=generator, dtype=torch.float32)
    return scale * uniform if how == "uniform" else (2 * uniform - 1) / fan_in**0.5


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


def check_names(values: Values, names: Sequence[str], model: str) -> None:
    """Refuse starts for parameters that the model does not have.

    Raises:
        LabError: it has no such parameter.
    """
    for name, value in (values or {}).items():
        if name not in names and value is not None:
            raise LabError(f"model.values.{name}: the {model} has {', '.join(names)}")


def parameter(tensor: Tensor, dtype: torch.dtype) -> nn.Parameter:
    """As a parameter of this dtype; the draw was made in float32."""
    return nn.Parameter(tensor.to(dtype))
