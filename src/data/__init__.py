"""What is learned from: data that are drawn and data that are listed; the LightningDataModule is in `module`."""

from src.data.drawn import Features, Line, Noise, Random, Teacher
from src.data.listed import Diabetes, Points, Table
from src.data.problem import Problem, Rows, Scaling

__all__ = [
    "Diabetes",
    "Features",
    "Line",
    "Noise",
    "Points",
    "Problem",
    "Random",
    "Rows",
    "Scaling",
    "Table",
    "Teacher",
]
