"""What happens along a run: the bar, the checkpoints, and what can be watched."""

from src.callbacks.checkpoint import Checkpoint
from src.callbacks.endings import EarlyStopping, TimeLimit
from src.callbacks.monitors import FittedLine, GradientNorm, Histograms, LearningRate, Parameters
from src.callbacks.progress import ProgressBar
from src.callbacks.sharpness import Sharpness

__all__ = [
    "Checkpoint",
    "EarlyStopping",
    "FittedLine",
    "GradientNorm",
    "Histograms",
    "LearningRate",
    "Parameters",
    "ProgressBar",
    "Sharpness",
    "TimeLimit",
]
