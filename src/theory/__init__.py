"""What can be known without training: where descent ends, how it gets there, how near it stays."""

from src.theory.descent_path import Method, Path
from src.theory.exact import Exact
from src.theory.least_squares import LeastSquares, solve
from src.theory.newton import Minimum
from src.theory.noise_floor import noise_floor
from src.theory.prediction import Answer
from src.theory.separation import NoMinimum
from src.theory.weight_decay import decay_of, fixed_point

__all__ = [
    "Answer", "Exact", "LeastSquares", "Method", "Minimum", "NoMinimum", "Path", "decay_of", "fixed_point",
    "noise_floor", "solve",
]  # fmt: skip
