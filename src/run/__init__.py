"""A run, or a thousand, from a checked config to its results: what is built, what steps it, what is written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from src.run_directory import Result


def run(overrides: Sequence[str] = ()) -> Result:
    """Train one run, as `python -m src.train` with the same overrides does, without the shell.

    Args:
        overrides: such as `["optimizer=adam", "seed=3"]`.

    Raises:
        LabError: a mistake in them, told before anything is written.
    """
    from src.run.command import from_words  # it imports torch, which readers of a run's files do without

    return from_words(overrides)
