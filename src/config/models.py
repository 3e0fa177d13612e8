"""The sections of `model`, one for each kind in `src/models`; never imports torch."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PositiveInt, model_validator

from src.config.section import Activation, ByClassPath, ClassPath, Number, Numbers, Open, Section, Seed
from src.config.surfaces import FUNCTIONS
from src.errors import nearest


def _start(value: Any) -> Any:
    """The given start of a parameter: null, a number, or numbers in (nested) lists."""

    def numbers(inner: Any) -> bool:
        if isinstance(inner, list):
            return bool(inner) and all(numbers(one) for one in inner)
        return isinstance(inner, int | float) and not isinstance(inner, bool)

    if not (value is None or numbers(value)):
        raise ValueError("must be a number, a list of numbers, or null (as model.start says)")
    return value


def _place(value: Any) -> Any:
    """A place on a surface: null, or two numbers."""
    pair = isinstance(value, list) and len(value) == 2
    if value is None or (pair and all(isinstance(n, int | float) and not isinstance(n, bool) for n in value)):
        return value
    raise ValueError("must be two numbers, [x,y], or null (the function's own start)")


def _function(value: Any) -> Any:
    if isinstance(value, str) and value in FUNCTIONS:
        return value
    raise ValueError(f"must be one of {', '.join(FUNCTIONS)}{nearest(str(value), FUNCTIONS)}")


class Model(Section):
    """What learns; `loss` is how the losses of rows become one: their mean, their sum, or the surface's own value."""

    free = frozenset({"seed", "gradient"})

    target_: ClassPath = Field(alias="_target_")
    seed: Seed
    loss: Literal["mean", "sum", "value"]
    dtype: Literal["float32", "float64"]
    gradient: Literal["autograd", "by_hand"]


class Started(Model):
    """A model of parameters by name, and how they start."""

    free = Model.free | {"start", "scale", "values"}

    loss: Literal["mean", "sum"]
    bias: bool
    start: Literal["torch", "zeros", "uniform", "normal"]
    scale: Number
    values: dict[str, Annotated[Numbers, AfterValidator(_start)]]


class Linear(Started):
    """`x W + b`."""

    kind = "src.models.linear.Linear"


class TwoLayer(Started):
    """`f(x W1 + b1) W2 + b2`."""

    kind = "src.models.two_layer.TwoLayer"

    hidden: PositiveInt
    activation: Activation


class Surface(Model):
    """A point that goes down a known function."""

    kind = "src.models.surface.Surface"
    free = Model.free | {"point"}

    loss: Literal["value"]
    function: Annotated[str, BeforeValidator(_function)]
    point: Annotated[list[Number] | None, BeforeValidator(_place)]


class CustomModel(Model, Open):
    """The user's own module; it takes every key that is not one of `Model`."""

    loss: Literal["mean", "sum"]

    @model_validator(mode="after")
    def _autograd(self) -> "CustomModel":
        if self.gradient == "by_hand":
            raise ValueError(f"model.gradient=by_hand needs a model of this project; {self.target_} has autograd only")
        return self


AnyModel = Annotated[Model, ByClassPath(CustomModel)]
