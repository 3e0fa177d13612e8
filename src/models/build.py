"""A model of one member from the `model` section of a config."""

from collections.abc import Mapping
from typing import Any

import torch
from hydra.utils import instantiate
from torch import nn

from src.load import load
from src.models.custom import Custom

OWN = ("src.models.Linear", "src.models.TwoLayer")
TRAINING = ("loss", "gradient")
"""Keys of the section that concern the training, not the model."""


def build(section: Mapping[str, Any], inputs: int, outputs: int) -> nn.Module:
    """The model, its parameters `[1, I, O]`; a user's own module is dressed as one by `Custom`.

    Raises:
        LabError: a class that cannot be imported or is no module, starts that do not fit.
    """
    keys = {key: value for key, value in section.items() if key not in TRAINING}
    dtype = getattr(torch, keys.pop("dtype"))
    if keys["_target_"] in OWN:
        return instantiate(keys, inputs=inputs, outputs=outputs, dtype=dtype, _convert_="all")
    kind, seed = load(keys.pop("_target_"), "model._target_", nn.Module), keys.pop("seed")
    return Custom(kind, inputs, outputs, seed, dtype, keys)
