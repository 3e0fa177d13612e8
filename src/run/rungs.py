"""The rungs of a sweep: settings that are behind leave their stack there."""

import math
from collections.abc import Callable
from pathlib import Path

from src.compare.halving import End, Halving
from src.engine.loop import Loop
from src.run_directory import RunDirectory


class Rungs:
    """Lets members go that are cut at a rung, after what is decided at a validation there.

    Who has ended before is known by its result on disk, so that a stack that was killed decides as it did.

    Args:
        halving: which settings there are; members are called by the numbers of their runs.
        sweep: where the runs' directories are.
        before: is called before these are looked at.
    """

    def __init__(self, halving: Halving, sweep: Path, before: Callable[[], None]) -> None:
        self.halving, self.sweep, self.before = halving, sweep, before

    def __call__(self, loop: Loop) -> None:
        """At the end of the block that ends there; at the last step there is nothing to be saved."""
        if loop.over or loop.step not in self.halving.ahead or loop.step >= loop.intervals.max_steps:
            return
        self.before()
        losses = [loss if math.isfinite(loss) else math.inf for loss in loop.measured().tolist()]
        now = dict(zip(map(int, loop.ids), losses, strict=True))
        others = {run for runs in self.halving.everyone for run in runs} - now.keys()
        behind, going, racing = self.halving.behind(loop.step, now, self._ended(others))
        if behind:
            loop.let_go(["cut" if run in behind else None for run in now], [{"on": going, "of": racing}] * len(now))

    def _ended(self, runs: set[int]) -> dict[int, End]:
        found = {}
        for run in runs:
            where = RunDirectory(self.sweep / str(run))
            if where.finished:
                result = where.result()
                loss = result.metrics.get("val/loss", result.metrics.get("train/loss"))
                if loss is None or result.status == "diverged":
                    loss = math.inf
                found[run] = End(result.status == "cut", result.steps, loss)
        return found
