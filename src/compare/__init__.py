"""Optimizers compared by what their runs left: rows, winners (`selection`), pairs and problems (`contest`), the verdict
and its words (`verdict`, `sentences`); and runs and curves as frames for a notebook: `load`."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from src.compare.frames import Frames


def load(*paths: "str | Path") -> "Frames":
    """Sweeps as frames, in a notebook say: `runs`, a row a run, and `curves`, a row a recorded step, both of polars.

    Args:
        paths: directories of sweeps, or one .parquet that `python -m src.report export` has written.

    Raises:
        LabError: one of them is neither, or is given twice.

    Warns:
        UserWarning: some runs have not ended, or some files cannot be read.
    """
    from src.compare import frames  # polars takes a moment to import

    return frames.load(paths)
