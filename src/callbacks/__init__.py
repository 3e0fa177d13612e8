"""What happens along a run: the bar, the checkpoints, and what can be watched."""

from src.callbacks.checkpoint import Checkpoint
from src.callbacks.endings import TimeLimit
from src.callbacks.monitors import FittedLine, Histograms
from src.callbacks.progress import ProgressBar
from src.callbacks.sharpness import Sharpness
from src.engine.early_stopping import EarlyStopping
from src.engine.watchers import GradientNorm, LearningRate, Parameters

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
