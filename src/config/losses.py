"""The section of `loss`; a class says itself which numbers it allows."""

from pydantic import Field

from src.config.section import ClassPath, Open

VALUE = "src.losses.value.Value"


class Loss(Open):
    """What is made small: a class and its numbers."""

    target_: ClassPath = Field(alias="_target_")
