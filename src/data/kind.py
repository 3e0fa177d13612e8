"""What every kind of data of this project is."""

from abc import ABC, abstractmethod

from src.config.data import Data
from src.data.problem import Problem
from src.losses.loss import Targets


class Kind(ABC):
    """Data as their section of the config says; a subclass narrows the section's type.

    Args:
        section: of the config.
        targets_are: what the loss takes: columns of a table are read by it.
    """

    def __init__(self, section: Data, targets_are: Targets = "numbers") -> None:
        self.section, self.targets_are = section, targets_are

    @abstractmethod
    def problem(self) -> Problem:
        """Draw or read them."""
