"""A module of the user's own, dressed as a model of one member."""

from typing import Any

import torch
from torch import Tensor

from src.config.classes import built
from src.config.models import Model as Section
from src.errors import LabError, one_line
from src.models.model import Model
from src.seeds import seeded


class Custom(Model):
    """Any `torch.nn.Module` that takes `[B, I]` to `[B, O]`; it is given its keys, `inputs` and `outputs`.

    It draws its start from the global generators, as modules do; they are seeded for the purpose and put back.

    Raises:
        LabError: it is no module, does not take these keys, or its output has another shape.
    """

    member_axis = False

    def __init__(self, kind: Any, section: Section, inputs: int, outputs: int) -> None:
        super().__init__()
        self._name = f"model._target_={section.target_}"
        dtype = getattr(torch, section.dtype)
        if not isinstance(kind, type):
            raise LabError(f"{self._name} is not a torch.nn.Module")
        with seeded(section.seed, "model.custom"):
            offered = {"inputs": inputs, "outputs": outputs}
            self.module = built(kind, self._name, section.model_extra or {}, offered).to(dtype)
            # here, because lazy layers draw their start when they first see rows
            made = self._tried(torch.zeros(2, inputs, dtype=dtype))
        if not any(parameter.requires_grad for parameter in self.module.parameters()):
            raise LabError(f"{self._name} has no parameters to train")
        shape = list(made.shape) if isinstance(made, Tensor) else type(made).__name__
        if shape != [2, outputs]:
            raise LabError(f"{self._name} makes {shape} of [2, {inputs}]; it must make [2, {outputs}]")

    def _tried(self, rows: Tensor) -> Any:
        """What it makes of a few rows, which leave nothing behind in running statistics."""
        try:
            with torch.no_grad():
                return self.module.eval()(rows)
        except Exception as error:  # a user's class can raise anything
            raise LabError(f"{self._name} cannot take inputs {list(rows.shape)}: {one_line(error)}") from None
        finally:
            self.module.train()

    def forward(self, inputs: Tensor) -> Tensor:
        """Predictions `[1, B, O]` for inputs `[1, B, I]`."""
        return self.module(inputs[0])[None]
