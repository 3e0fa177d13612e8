"""Is an optimizer sound? What `src.check` tries."""

from src.soundness.checks import CHECKS, outcome
from src.soundness.trial import Maker, Outcome

__all__ = ["CHECKS", "Maker", "Outcome", "outcome"]
