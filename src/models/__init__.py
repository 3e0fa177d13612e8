"""What learns: models with a leading member axis, and their loss."""

from src.models.custom import Custom
from src.models.linear import Linear
from src.models.loss import SquaredError
from src.models.two_layer import TwoLayer

__all__ = ["Custom", "Linear", "SquaredError", "TwoLayer"]
