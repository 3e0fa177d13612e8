"""How a run ended, as values; `src.run.reason` makes a sentence of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Cause = Literal["all_steps", "loss", "start", "threshold", "metric", "patience", "cut", "time_limit", "callback"]
"""All steps were taken; the loss diverged, or was not finite at the start; early stopping reached its target, met a
metric that is not finite or past its divergence threshold, or ran out of patience; it was behind at a rung; a time
limit; a callback."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        cause: what ended it.
        step: optimizer steps taken.
        values: what the sentence needs: `metric` and `best` of early stopping, `waited` validations; `before`, the loss
            before one that is not finite, in the data's units, where that had not grown; at a rung how many settings
            went `on`, `of` how many.
    """

    cause: Cause
    step: int
    values: Mapping[str, float] = field(default_factory=dict)

    @property
    def diverged(self) -> bool:
        """Whether it ended because its loss diverged."""
        return self.cause in ("loss", "start")
