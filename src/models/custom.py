"""A module of the user's own, dressed as a model of one member."""

import inspect
from typing import Any

import torch
from torch import Tensor, nn

from src.errors import LabError, one_line
from src.seeds import seeded


class Custom(nn.Module):
    """Any `torch.nn.Module` that takes `[B, I]` to `[B, O]`.

    It draws its start from the global generators, as modules do; they are seeded for the purpose and put back.

    Raises:
        LabError: it is no module, does not take these keys, or its output has another shape.
    """

    def __init__(
        self, kind: Any, inputs: int, outputs: int, seed: int, dtype: torch.dtype, keys: dict[str, Any]
    ) -> None:
        super().__init__()
        if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
            raise LabError(f"model._target_={_name(kind)} is not a torch.nn.Module")
        taken = inspect.signature(kind).parameters
        sizes = {key: value for key, value in {"inputs": inputs, "outputs": outputs}.items() if key in taken}
        with seeded(seed, "model.custom"):
            try:
                self.module = kind(**sizes, **keys).to(dtype)
            except Exception as error:  # a user's class can raise anything
                raise LabError(f"model._target_={_name(kind)} cannot be built: {one_line(error)}") from None
            # here, because lazy layers draw their start when they first see rows
            made = self._tried(torch.zeros(2, inputs, dtype=dtype))
        if not any(parameter.requires_grad for parameter in self.module.parameters()):
            raise LabError(f"model._target_={_name(kind)} has no parameters to train")
        shape = list(made.shape) if isinstance(made, Tensor) else type(made).__name__
        if shape != [2, outputs]:
            raise LabError(f"model._target_={_name(kind)} makes {shape} of [2, {inputs}]; it must make [2, {outputs}]")

    def _tried(self, rows: Tensor) -> Any:
        """What it makes of a few rows, which leave nothing behind in running statistics."""
        try:
            with torch.no_grad():
                return self.module.eval()(rows)
        except Exception as error:  # a user's class can raise anything
            where = f"model._target_={_name(type(self.module))}"
            raise LabError(f"{where} cannot take inputs {list(rows.shape)}: {one_line(error)}") from None
        finally:
            self.module.train()

    def forward(self, inputs: Tensor) -> Tensor:
        """Predictions `[1, B, O]` for inputs `[1, B, I]`."""
        return self.module(inputs[0])[None]


def _name(kind: Any) -> str:
    return f"{kind.__module__}.{kind.__qualname__}" if isinstance(kind, type) else str(kind)
