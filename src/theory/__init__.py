"""What can be known without training: where descent ends, how it gets there, how near it stays."""

from src.theory.decay import decay_of, fixed_point
from src.theory.floor import noise_floor
from src.theory.least_squares import Exact, solve
from src.theory.path import Method, Path
from src.theory.prediction import Answer

__all__ = ["Answer", "Exact", "Method", "Path", "decay_of", "fixed_point", "noise_floor", "solve"]
