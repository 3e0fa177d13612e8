"""What learns: models with a leading member axis, and their loss."""

from src.losses.squared_error import SquaredError, Value
from src.models.custom import Custom
from src.models.linear import Linear
from src.models.surface import Surface
from src.models.two_layer import TwoLayer

__all__ = ["Custom", "Linear", "SquaredError", "Surface", "TwoLayer", "Value"]
