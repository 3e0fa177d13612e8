"""A model of one member from the `model` section of a config."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from src.config.classes import import_class
from src.models.custom import Custom
from src.models.linear import Linear
from src.models.surface import Surface
from src.models.two_layer import TwoLayer

OWN: Mapping[str, type[nn.Module]] = {
    "src.models.Linear": Linear,
    "src.models.Surface": Surface,
    "src.models.TwoLayer": TwoLayer,
}
TRAINING = ("loss", "gradient")
"""Keys of the section that concern the training, not the model."""


def build(section: Mapping[str, Any], inputs: int, outputs: int) -> nn.Module:
    """The model, its parameters `[1, I, O]`; a user's own module is dressed as one by `Custom`.

    Raises:
        LabError: a class that cannot be imported or is no module, starts that do not fit.
    """
    keys = {key: value for key, value in section.items() if key not in TRAINING}
    dtype = getattr(torch, keys.pop("dtype"))
    target = keys.pop("_target_")
    if target in OWN:
        return OWN[target](inputs, outputs, dtype=dtype, **keys)
    kind, seed = import_class(target, "model._target_", nn.Module), keys.pop("seed")
    return Custom(kind, inputs, outputs, seed, dtype, keys)
