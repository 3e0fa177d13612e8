"""What every watcher is: curves of all members at the start, at multiples of an interval, at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor

if TYPE_CHECKING:
    from src.data.problem import Problem
    from src.engine.loop import Loop


class Watcher:
    """Records curves at the start, at every multiple of `every_n_steps` and at the end; blocks are cut there.

    Args:
        every_n_steps: optimizer steps.
    """

    before_a_block: ClassVar[bool] = False
    """Whether it looks before the next block rather than after the last, so that it sees what a validation changes."""
    of_a_step: ClassVar[bool] = False
    """Whether it asks for `loop.last_step`, which is kept of those steps alone after which such a watcher looks."""
    together: ClassVar[bool] = False
    """Whether its curves share a chart of TensorBoard's page Custom Scalars."""
    profiles: ClassVar[str] = ""
    """The file of its curves of profiles, which is what their names begin with, before a slash; empty: it has none."""

    def __init__(self, every_n_steps: int) -> None:
        self.every_n_steps = every_n_steps

    def curves(self, loop: Loop) -> Mapping[str, Tensor]:
        """Values by the name of the curve: numbers `[P]`, or profiles `[P, 2 + n]`.

        A profile is numbers at even places: the first and the last place, then the numbers. A value of NaN, or a
        profile that begins with one, is left out of the member's curve.
        """
        raise NotImplementedError

    def curves_of(self, parameters: int) -> int:
        """How many numbers are recorded of a model with so many, to plan memory and disk."""
        return 1

    def summary(self, name: str, profile: Sequence[float], problem: Problem, step: int) -> Any:
        """A profile of one member as TensorBoard shows it, a Summary; None: not at all."""
        return None


def summary_of(loop: Loop, index: int, name: str, profile: Sequence[float], step: int) -> Any:
    """A profile of a member as its watcher has TensorBoard show it, a Summary; None: not at all."""
    whose = (one for one in loop.intervals.watchers if one.profiles and name.startswith(f"{one.profiles}/"))
    watcher, problem = next(whose, None), loop.stepper.data.problems[index]
    return None if watcher is None else watcher.summary(name, profile, problem, step)
