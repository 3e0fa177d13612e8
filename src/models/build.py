"""A model of one member from the `model` section of a config."""

from torch import nn

from src.config.classes import building, import_class
from src.config.models import Model as Section
from src.models.custom import Custom
from src.models.model import Model


def build(section: Section, inputs: int, outputs: int) -> Model:
    """The model, its parameters `[1, I, O]`; a user's own module is dressed as one by `Custom`.

    Raises:
        LabError: a class that cannot be imported or is no module, starts that do not fit.
    """
    kind = import_class(section.target_, "model._target_", nn.Module)
    own = isinstance(kind, type) and issubclass(kind, Model)
    if not own:
        return Custom(kind, section, inputs, outputs)
    if section.kind:
        return kind(section, inputs, outputs)
    with building(f"model._target_={section.target_}", section):
        return kind(section, inputs, outputs)
