"""The file of a table, as far as can be said without opening it."""

import os
from pathlib import Path

from src.errors import LabError, nearest, one_line

SEPARATORS = {".csv": ",", ".tsv": "\t"}
PARQUET = (".parquet", ".pq")


def expanded(path: str | Path) -> Path:
    """Where a path of a table leads: `~` is the user's home."""
    return Path(os.path.expanduser(path))


def table_file(path: str | Path) -> Path:
    """The path of a table, `~` expanded.

    Raises:
        LabError: it is not there, a directory, of another kind, or cannot be looked for.
    """
    path = expanded(path)
    try:
        if path.is_dir():
            raise LabError(f"data.path={path} is a directory: name a .csv, .tsv or .parquet file in it")
        if not path.is_file():
            tables = (other.name for other in path.parent.glob("*") if other.suffix.lower() in (*SEPARATORS, *PARQUET))
            raise LabError(f"data.path={path}: there is no such file{nearest(path.name, tables)}")
    except OSError as error:  # a name that is too long, say
        raise LabError(f"data.path={path}: it cannot be read ({one_line(error)})") from None
    if path.suffix.lower() not in (*SEPARATORS, *PARQUET):
        raise LabError(f"data.path={path}: must be a .csv, .tsv or .parquet file")
    return path
