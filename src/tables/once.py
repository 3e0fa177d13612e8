"""A file that several data sets are made of, read once: those of a sweep's seeds differ in how its rows are split.

Nothing here imports polars before a table is read, nor torch: a finished sweep does without.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.config.data import Data
from src.config.table_path import expanded

if TYPE_CHECKING:
    from src.tables.reading import Reading, ReadTable

INDIFFERENT = ("batch_size", "shuffle_seed", "write_split")
"""Keys of a section that do not change what is read."""

_read: "dict[Any, ReadTable] | None" = None


def identity(section: Data, *, seed: bool = True) -> str:
    """A text that is the same for sections that give the same problem; without `seed`, but for how rows are split."""
    left_out = INDIFFERENT if seed else (*INDIFFERENT, "seed")
    keys = {key: value for key, value in section.arguments().items() if key not in left_out}
    file = _stamp(keys["path"]) if isinstance(keys.get("path"), str) else None
    return json.dumps([keys, file], sort_keys=True, default=str)


def _stamp(path: str | Path) -> tuple[str, int, int]:
    """What tells a file from what it was before: where it is, when it changed, and its size."""
    try:
        state = expanded(path).stat()
    except OSError:  # whoever reads it will tell
        return str(path), 0, 0
    return str(expanded(path).resolve()), state.st_mtime_ns, state.st_size


@contextmanager
def reading_once(sections: Iterable[Data]) -> Iterator[None]:
    """Within it a file is read again only once it has changed; at the end none is in memory any more.

    Args:
        sections: what is built here. One problem alone may have no room for the file beside it, so then none is kept.
    """
    global _read
    outer, several = _read, len({identity(section) for section in sections}) > 1
    _read = {} if several and outer is None else outer
    try:
        yield
    finally:
        _read = outer


def read_table(path: str | Path, how: "Reading | None" = None) -> "ReadTable":
    """As `src.tables.reading.read_table`."""
    from src.tables import reading

    if _read is None:
        return reading.read_table(path, how)
    key = _stamp(path), how
    if key not in _read:
        _read[key] = reading.read_table(path, how)
    return _read[key]
