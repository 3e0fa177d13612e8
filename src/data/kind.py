"""What every kind of data of this project is."""

from abc import ABC, abstractmethod

from src.config.data import Data
from src.data.problem import Problem


class Kind(ABC):
    """Data as their section of the config says; a subclass narrows the section's type."""

    def __init__(self, section: Data) -> None:
        self.section = section

    @abstractmethod
    def problem(self) -> Problem:
        """Draw or read them."""
