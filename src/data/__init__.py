"""What is learned from: data that are drawn, data that are listed, and the LightningDataModule."""

from src.data.drawn import Features, Line, Random, Teacher
from src.data.listed import Diabetes, Points, Table
from src.data.module import LabDataModule
from src.data.problem import Problem, Rows, Scaling

__all__ = [
    "Diabetes",
    "Features",
    "LabDataModule",
    "Line",
    "Points",
    "Problem",
    "Random",
    "Rows",
    "Scaling",
    "Table",
    "Teacher",
]
