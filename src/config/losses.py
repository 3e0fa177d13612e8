"""The sections of `loss`, a kind each."""

from typing import Annotated

from pydantic import Field

from src.config.section import ByClassPath, ClassPath, Open, Positive, Section


class Loss(Section):
    """What is made small: a class and its numbers."""

    target_: ClassPath = Field(alias="_target_")


class SquaredError(Loss):
    """Of numbers."""

    kind = "src.losses.squared_error.SquaredError"


class Huber(Loss):
    """Of numbers among which some are far off."""

    kind = "src.losses.huber.Huber"

    delta: Positive


class Logistic(Loss):
    """Of two classes."""

    kind = "src.losses.logistic.Logistic"


class CrossEntropy(Loss):
    """Of classes."""

    kind = "src.losses.cross_entropy.CrossEntropy"


class Poisson(Loss):
    """Of counts."""

    kind = "src.losses.poisson.Poisson"


class Value(Loss):
    """Of a surface."""

    kind = "src.losses.value.Value"


class CustomLoss(Loss, Open):
    """The user's own; it takes every key, and says itself which numbers it allows."""


AnyLoss = Annotated[Loss, ByClassPath(CustomLoss)]
