"""A loss from the `loss` section of a config: this project's, or one of the user's own."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from src.config.classes import built, check_keys, import_class
from src.config.losses import Loss as Section
from src.errors import LabError
from src.losses.loss import Loss


class Custom(Loss):
    """A function of predictions and targets `[B, O]` that gives one number; of several members by `torch.vmap`."""

    per_member = False

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor], path: str, reduction: str) -> None:
        super().__init__(reduction)
        self.function, self.path = function, path
        self.name = path.rpartition(".")[2]

    def value(self, predictions: Tensor, targets: Tensor, rows: int | None = None) -> Tensor:
        """Losses `[P]`.

        Raises:
            LabError: the function gives something else than one number.
        """
        if len(predictions) > 1:
            made: Tensor = torch.vmap(self._one)(predictions, targets)
            return made
        return self._one(predictions[0], targets[0])[None]

    def _one(self, predictions: Tensor, targets: Tensor) -> Tensor:
        made: Any = self.function(predictions, targets)
        if not isinstance(made, Tensor) or made.numel() != 1:
            given = list(made.shape) if isinstance(made, Tensor) else type(made).__name__
            raise LabError(
                f"loss._target_={self.path} gives {given} of predictions and targets {list(targets.shape)}, not one "
                "number: average or add up its numbers, in torch"
            )
        return made.reshape(())


def build(section: Section, reduction: str) -> Loss:
    """The loss. A class is called with its keys, and `reduction` where it takes it; a function is a loss with them.

    Args:
        section: of the config.
        reduction: `model.loss`.

    Raises:
        LabError: it cannot be imported or built, or knows no sum.
    """
    name, keys = section.target_, {key: value for key, value in section.arguments().items() if key != "_target_"}
    kind = import_class(name, "loss._target_", object)
    if isinstance(kind, type):
        made = built(kind, f"loss._target_={name}", keys, {"reduction": reduction})
    else:
        check_keys(kind, keys, "loss", 2)
        made = partial(kind, **keys)
    if getattr(made, "reduction", "mean") != reduction:
        raise LabError(
            f"model.loss={reduction}: {name} has no argument reduction, so it is what it is: say model.loss=mean"
        )
    if isinstance(made, nn.Module) and (own := [key for key, p in made.named_parameters() if p.requires_grad]):
        raise LabError(
            f"loss._target_={name} has parameters ({', '.join(own)}), which nothing trains: give a model them"
        )
    return made if isinstance(made, Loss) else Custom(made, name, reduction)
