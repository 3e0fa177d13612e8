"""Which numbers a key takes: said by optimizer rules, read by whoever checks them, or says what to try next."""

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Domain:
    """The numbers that a key takes.

    Attributes:
        low: the lower end.
        high: the upper end.
        low_included: whether `low` itself is allowed.
        high_included: whether `high` itself is allowed.
        whole: whether only whole numbers are.
    """

    low: float = -math.inf
    high: float = math.inf
    low_included: bool = False
    high_included: bool = False
    whole: bool = False

    def __contains__(self, value: float) -> bool:
        """Whether it takes this number; none takes NaN or infinity."""
        low = self.low <= value if self.low_included else self.low < value
        high = value <= self.high if self.high_included else value < self.high
        return low and high and (not self.whole or value == int(value))

    def __str__(self) -> str:
        """In words that follow "must be"."""
        kind = ["a whole number"] * self.whole
        low = [f"{'at least' if self.low_included else 'above'} {self.low:g}"] * (self.low > -math.inf)
        high = [f"{'at most' if self.high_included else 'below'} {self.high:g}"] * (self.high < math.inf)
        return " and ".join([*kind, *low, *high]) or "a finite number"


NUMBER = Domain()
POSITIVE = Domain(0)
NOT_NEGATIVE = Domain(0, low_included=True)
FRACTION = Domain(0, 1, low_included=True)
"""From 0 to below 1: what an average keeps of its old value."""
SHRINKING = Domain(0, 1, high_included=True)
SHARE = Domain(0, 1, low_included=True, high_included=True)
COUNT = Domain(1, low_included=True, whole=True)
COUNT_OR_NONE = Domain(0, low_included=True, whole=True)

KEYS: Mapping[str, Domain] = {
    **dict.fromkeys(("max_lr", "gradient_clip_val"), POSITIVE),
    **dict.fromkeys(("eta_min", "min_lr"), NOT_NEGATIVE),
    **dict.fromkeys(("gamma", "factor"), SHRINKING),
    "pct_start": SHARE,
    **dict.fromkeys(("batch_size", "step_size", "T_max", "total_steps", "max_iter", "history_size"), COUNT),
    **dict.fromkeys(("warmup_steps", "patience"), COUNT_OR_NONE),
}
"""Of schedules, data and the trainer, by the last part of a key; an optimizer's stand with its rule."""
