"""Schedules that torch does not have in one piece."""

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


class WarmupCosine:
    """The factor on the learning rate after `step` steps: linearly up to 1, then down to 0 along half a cosine."""

    def __init__(self, warmup_steps: int, total_steps: int) -> None:
        self.warmup_steps, self.total_steps = warmup_steps, total_steps

    def __call__(self, step: int) -> float:
        """The factor for the step to come."""
        if step < self.warmup_steps:
            return (step + 1) / (self.warmup_steps + 1)
        done = (step - self.warmup_steps) / max(1, self.total_steps - self.warmup_steps)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def warmup_cosine(optimizer: Optimizer, warmup_steps: int, total_steps: int) -> LambdaLR:
    """A linear warm-up, then a cosine (Loshchilov and Hutter 2017, equation 5, with one cycle).

    Args:
        optimizer: whose learning rate is scheduled.
        warmup_steps: optimizer steps before the learning rate is reached; step k has its (k + 1) / (warmup_steps + 1).
        total_steps: optimizer steps until it is 0.

    Raises:
        ValueError: the warm-up is not shorter than the whole.
    """
    if not 0 <= warmup_steps < total_steps:
        raise ValueError(f"warmup_steps={warmup_steps} must be from 0 to below total_steps={total_steps}")
    return LambdaLR(optimizer, WarmupCosine(warmup_steps, total_steps))
