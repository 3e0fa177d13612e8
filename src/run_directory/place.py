"""Writing a file so that it is there whole, or not at all."""

import ctypes
import os
from contextlib import suppress
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


def settle_file(path: Path) -> None:
    """Wait until a file is on the disk.

    Raises:
        OSError: it cannot be written.
    """
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def settle(directory: Path) -> None:
    """Wait until all that was written there is on the disk, at once for thousands of files.

    Raises:
        OSError: it cannot be written.
    """
    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if syncfs is None:  # not Linux
        os.sync()
        return
    opened = os.open(directory, os.O_RDONLY)
    try:
        if syncfs(opened):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(directory))
    finally:
        os.close(opened)


def boot() -> str:
    """Which start of this machine it is; empty where it cannot be told."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""
