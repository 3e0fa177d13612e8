"""What can be known of a linear model without training: where descent ends, how it gets there, how near it stays."""

from src.theory.decay import fixed_point
from src.theory.exact import Exact, solve
from src.theory.floor import noise_floor
from src.theory.path import Method, Path

__all__ = ["Exact", "Method", "Path", "fixed_point", "noise_floor", "solve"]
