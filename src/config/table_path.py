"""The file of a table, as far as can be said without opening it."""

import errno
import os
from pathlib import Path

from src.errors import LabError, nearest, one_line

TEXT = (".csv", ".tsv", ".txt", ".data", ".dat")
PARQUET = (".parquet", ".pq")
FEATHER = (".feather", ".arrow", ".ipc")
SPREADSHEETS = (".xlsx", ".xls", ".ods")
JSON = (".jsonl", ".ndjson", ".json")
TABLES = (*TEXT, *PARQUET, *FEATHER, *SPREADSHEETS, *JSON)
PACKED = (".gz", ".zip")
SEPARATORS = {",": ",", ";": ";", "|": "|", "tab": "\t", "\\t": "\t", "\t": "\t", "space": " ", " ": " "}
"""Between fields, by what may be typed for it; a space stands for any run of blanks."""
ACCEPTED = ".csv, .tsv, .txt, .data, .parquet, .feather, .xlsx, .xls, .ods, .json or .jsonl file, or one as .gz or .zip"


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
            raise LabError(f"data.path={path} is a directory: name a file in it (a {ACCEPTED})")
        if not path.is_file():
            raise LabError(f"data.path={path}: {_not_there(path)}")
    except OSError as error:  # a name that is too long, say
        raise LabError(f"data.path={path}: it cannot be read ({one_line(error)})") from None
    if path.suffix.lower() not in (*TABLES, *PACKED):
        raise LabError(f"data.path={path}: must be a {ACCEPTED}")
    return path


def _not_there(path: Path) -> str:
    try:
        path.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            return "it is a link that leads to itself"
    if path.is_symlink():
        return f"it is a link to {os.readlink(path)}, which is not there"
    tables = (other.name for other in path.parent.glob("*") if other.suffix.lower() in (*TABLES, *PACKED))
    return f"there is no such file{nearest(path.name, tables)}"
