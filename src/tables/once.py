"""A file that several data sets are made of, read once: those of a sweep's seeds differ in how its rows are split."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.config.table_path import expanded

if TYPE_CHECKING:
    from src.tables.reading import Reading, ReadTable

_read: "dict[Any, ReadTable] | None" = None


@contextmanager
def reading_once() -> Iterator[None]:
    """Within it a file is read again only once it has changed; at the end none is in memory any more."""
    global _read
    outer, _read = _read, {} if _read is None else _read
    try:
        yield
    finally:
        _read = outer


def read_table(path: str | Path, how: "Reading | None" = None) -> "ReadTable":
    """As `src.tables.reading.read_table`."""
    from src.tables import reading  # it imports polars, which a finished sweep does without

    if _read is None:
        return reading.read_table(path, how)
    key = stamp(path), how
    if key not in _read:
        _read[key] = reading.read_table(path, how)
    return _read[key]


def stamp(path: str | Path) -> tuple[str, int, int]:
    """What tells a file from what it was before: where it is, when it changed, and its size."""
    try:
        state = expanded(path).stat()
    except OSError:  # whoever reads it will tell
        return str(path), 0, 0
    return str(expanded(path).resolve()), state.st_mtime_ns, state.st_size
