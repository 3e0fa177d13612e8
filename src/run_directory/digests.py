"""What a result stands for: digests of it and of the files beside it, which are kept in `result.json`.

Of columns of numbers it is one of the numbers, so that a run has the same whether it is kept in CSV files or in columns
of its sweep; of other files one of their bytes.
"""

import csv
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from src.errors import LabError
from src.run_directory.curves import PROFILE_COLUMNS, read_profiles, read_rows

Curves = Mapping[str, tuple[Sequence[int] | Any, Any]]
"""Of each curve its steps `[T]` and values there, `[T]`, or of profiles `[T, n]`."""
BEFORE = ',\n  "digest": "'
"""What stands between all else in a `result.json` and the digest of that."""


def _hash(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def signed(lines: Sequence[str]) -> str:
    """The text of a JSON object of these lines, a key each, and of the digest of all before it."""
    body = "{\n" + ",\n".join(lines)
    return f'{body}{BEFORE}{_hash(body.encode())}"\n}}\n'


def changed(text: str) -> bool:
    """Whether it is not what was signed; of what has no digest, as before there were any, nobody knows."""
    body, before, digest = text.rpartition(BEFORE)
    return bool(before) and digest != f'{_hash(body.encode())}"\n}}\n'


def of_columns(columns: Curves) -> str:
    """One of numbers: of every column that has any its name, steps and values, one NaN being as good as another."""
    found = hashlib.blake2b(digest_size=16)
    for name in sorted(columns):
        steps, values = columns[name]
        if len(steps):
            numbers = np.array(values, dtype=np.float64)
            numbers[np.isnan(numbers)] = np.nan
            found.update(f"{name} {numbers.shape}".encode())
            found.update(np.array(steps, dtype=np.int64).tobytes())
            found.update(numbers.tobytes())
    return found.hexdigest()


def of_run(curves: Curves, foreseen: Mapping[str, Any], texts: Mapping[str, str]) -> dict[str, str]:
    """Those of the files that will be written, by their names.

    Args:
        curves: those of `metrics.csv` and of profiles.
        foreseen: what theory foresees, (step, value) by (step, value).
        texts: of other files.
    """
    of_file = dict[str, dict[str, Any]]({"metrics.csv": {}})
    for name, (steps, values) in curves.items():
        profiles = np.ndim(values) > 1
        of_file.setdefault(f"{name.partition('/')[0]}.csv" if profiles else "metrics.csv", {})[name] = steps, values
    if foreseen:
        of_file["theory.csv"] = {name: tuple(zip(*line, strict=True)) for name, line in foreseen.items() if line}
    return {name: of_columns(own) for name, own in of_file.items()} | {
        name: _hash(text.encode()) for name, text in texts.items()
    }


def of_directory(directory: Path, names: Sequence[str] | None = None) -> dict[str, str]:
    """Those of the CSV files as they lie in a run directory, by their names.

    Args:
        directory: of the run.
        names: of the files; None: all. Of what is not there, or cannot be read, the digest is empty.
    """
    found = dict[str, str]()
    for name in sorted(path.name for path in directory.glob("*.csv")) if names is None else names:
        try:
            found[name] = _of_file(directory / name)
        except (OSError, ValueError, csv.Error, LabError):
            found[name] = ""
    return found


def _of_file(path: Path) -> str:
    content = path.read_bytes()
    head = content.split(b"\r\n", 1)[0].decode().split(",")
    if head[0] != "step":
        return _hash(content)
    columns = dict[str, tuple[list[int], list[Any]]]()
    profiles = tuple(head) == PROFILE_COLUMNS
    rows: Any = read_profiles(path.parent, only=path.name) if profiles else read_rows(path)
    for step, row in rows:
        for name, value in row.items():
            steps, values = columns.setdefault(name, ([], []))
            steps.append(step)
            values.append(value)
    return of_columns(columns)
