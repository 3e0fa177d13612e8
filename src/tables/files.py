"""From a path to the file that has the table: unpacked, and known to be no picture."""

import gzip
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePath

from src.config.table_path import FEATHER, PARQUET, SPREADSHEETS, TABLES, table_file
from src.errors import LabError, one_line

OTHER_KINDS = {
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"%PDF": "a PDF",
    b"\x7fELF": "a program",
    b"MZ\x90": "a program",
    b"SQLite format 3": "an SQLite database",
    b"PAR1": "a Parquet file: call it .parquet",
    b"ARROW1": "a feather file: call it .feather",
    b"PK\x03\x04": "a zip file or a spreadsheet: call it .zip or .xlsx",
    b"\xd0\xcf\x11\xe0": "an old Office file: call it .xls if it is a spreadsheet",
    b"\x1f\x8b": "compressed: call it .gz",
    b"version https://git-lfs": "what Git LFS leaves in the place of a large file: say git lfs pull",
    b"<!doctype html": "a web page: download the file that it shows",
    b"<html": "a web page: download the file that it shows",
    b"<?xml": "XML: save it as .csv",
}
"""What a file that is no text begins with; what may be in any case is in lower case."""
OWN = {PARQUET: b"PAR1", FEATHER: b"ARROW1"}


@dataclass(frozen=True)
class File:
    """A file that has a table.

    Attributes:
        suffix: of its kind, in lower case.
        source: its path, or its bytes where it was packed.
        told: what was done, a line each.
    """

    suffix: str
    source: Path | bytes
    told: tuple[str, ...] = ()

    def head(self, size: int) -> bytes:
        """The first bytes."""
        if isinstance(self.source, bytes):
            return self.source[:size]
        with self.source.open("rb") as file:
            return file.read(size)

    def content(self) -> bytes:
        """All of it."""
        return self.source if isinstance(self.source, bytes) else self.source.read_bytes()


def opened(path: str | Path) -> File:
    """The file of a table, taken out of a .gz or .zip.

    Raises:
        LabError: it is not there, cannot be unpacked, is empty or no table; a zip file has several, or none.
        OSError: it cannot be read.
    """
    path = table_file(path)
    file = File(path.suffix.lower(), path)
    try:
        if file.suffix == ".gz":
            inner = PurePath(path.stem).suffix.lower()
            file = File(inner if inner in TABLES else ".txt", gzip.decompress(path.read_bytes()))
        elif file.suffix == ".zip":
            file = _unzipped(path)
    except (EOFError, zlib.error, zipfile.BadZipFile, gzip.BadGzipFile, NotImplementedError, RuntimeError) as error:
        raise LabError(f"data.path={path}: it cannot be unpacked ({one_line(error)})") from None
    _check_kind(file, path)
    return file


def _unzipped(path: Path) -> File:
    """The one table of a zip file; a readme may stand beside it."""
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX/")]
        tables = [name for name in names if PurePath(name).suffix.lower() in TABLES]
        tables = [name for name in tables if PurePath(name).suffix.lower() != ".txt"] or tables
        if len(tables) != 1:
            what = "has several tables" if tables else "has no table"
            listed = ", ".join((tables or names)[:8]) + (", ..." if len(tables or names) > 8 else "")
            raise LabError(f"data.path={path}: it {what} ({listed}); unpack it and name one")
        told = (f"read {tables[0]} of {path.name}",) if len(names) > 1 else ()
        return File(PurePath(tables[0]).suffix.lower(), archive.read(tables[0]), told)


def _check_kind(file: File, path: Path) -> None:
    head = file.head(100)
    if not head:
        raise LabError(f"data.path={path}: the file is empty")
    own = any(file.suffix in kind and head.startswith(start) for kind, start in OWN.items())
    if file.suffix in SPREADSHEETS or own:
        return
    for start, what in OTHER_KINDS.items():
        if head.startswith(start) or head.lstrip().lower().startswith(start):
            raise LabError(f"data.path={path}: it is not a table but {what}")
