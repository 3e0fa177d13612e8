"""What is watched along the way, of every member: a file a kind, in `conf/callbacks` by its name here."""

from src.engine.watchers.fitted_line import FittedLine
from src.engine.watchers.gradient_norm import GradientNorm
from src.engine.watchers.histograms import Histograms
from src.engine.watchers.learning_rate import LearningRate
from src.engine.watchers.parameters import Parameters
from src.engine.watchers.sharpness import Sharpness
from src.engine.watchers.update import Update
from src.engine.watchers.watcher import Watcher

__all__ = [
    "FittedLine",
    "GradientNorm",
    "Histograms",
    "LearningRate",
    "Parameters",
    "Sharpness",
    "Update",
    "Watcher",
]
