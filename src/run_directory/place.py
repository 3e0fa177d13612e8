"""Writing a file so that it is there whole, or not at all."""

import os
from pathlib import Path

COLUMNS = "columns"
"""The folder of a sweep in which runs are kept without a directory each, see `src.run_directory.columns`."""


def place(path: Path, content: bytes, durable: bool = False) -> None:
    """Write a file beside its place, then put it there at once: a kill in the middle leaves the one before it.

    Args:
        path: of the file.
        content: of it.
        durable: wait until it is on the disk, so that even a power cut cannot take it.

    Raises:
        OSError: it cannot be written.
    """
    half = path.with_suffix(".part")
    with half.open("wb") as file:
        file.write(content)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    half.replace(path)
