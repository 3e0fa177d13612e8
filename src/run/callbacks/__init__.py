"""What happens along a run: the bar, the checkpoints, and what can be watched."""

from src.engine.early_stopping import EarlyStopping
from src.engine.watchers import GradientNorm, LearningRate, Parameters
from src.run.callbacks.checkpoint import Checkpoint
from src.run.callbacks.endings import TimeLimit
from src.run.callbacks.monitors import FittedLine, Histograms
from src.run.callbacks.progress import ProgressBar
from src.run.callbacks.sharpness import Sharpness

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
