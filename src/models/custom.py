"""A module of the user's own, dressed as a model of one member."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from src.config.classes import built
from src.config.models import Model as Section
from src.errors import LabError, raised
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
        self._name, self._outputs = f"model._target_={section.target_}", outputs
        dtype = getattr(torch, section.dtype)
        if not isinstance(kind, type):
            raise LabError(f"{self._name} is not a torch.nn.Module")
        with seeded(section.seed, "model.custom"):
            offered = {"inputs": inputs, "outputs": outputs}
            self.module = built(kind, self._name, section.model_extra or {}, offered).to(dtype)
            # here, because lazy layers draw their start when they first see rows
            self._try(torch.zeros(1, 2, inputs, dtype=dtype))
        if any(type(one).get_extra_state is not nn.Module.get_extra_state for one in self.module.modules()):
            raise LabError(f"{self._name} has extra state, which no checkpoint here keeps: make it a buffer")
        lazy = [name for name, p in self.module.named_parameters() if is_lazy(p)]
        if lazy:
            raise LabError(f"{self._name}: no rows reach {', '.join(lazy)} in evaluation mode, so they have no sizes")
        if not any(parameter.requires_grad for parameter in self.module.parameters()):
            raise LabError(f"{self._name} has no parameters to train")

    def _try(self, rows: Tensor) -> None:
        """Predict a few rows in evaluation mode, which leaves nothing behind in running statistics."""
        try:
            self.module.eval()
            with torch.no_grad():
                self(rows)
        except LabError:
            raise
        except Exception as error:  # a user's class can raise anything
            raise LabError(f"{self._name} cannot take inputs {list(rows[0].shape)}: {raised(error)}") from None
        finally:
            self.module.train()

    def forward(self, inputs: Tensor) -> Tensor:
        """Predictions `[1, B, O]` for inputs `[1, B, I]`.

        Raises:
            LabError: the module makes another shape: a loss would stretch it to that of the targets.
        """
        made = self.module(inputs[0])
        if not isinstance(made, Tensor) or made.shape != (inputs.shape[1], self._outputs):
            shape = list(made.shape) if isinstance(made, Tensor) else type(made).__name__
            wanted, mode = [inputs.shape[1], self._outputs], "training" if self.module.training else "evaluation"
            raise LabError(
                f"{self._name} makes {shape} of {list(inputs[0].shape)} in {mode} mode; it must make {wanted}"
            )
        return made[None]
