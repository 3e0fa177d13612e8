"""What differs between two records: `python -m tests.golden.compare OLD NEW`; exit status 1 if anything does."""

import argparse
import json
import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

MISSING = "(not there)"


class Difference(NamedTuple):
    """A value that is not the same in both.

    Attributes:
        path: where it is, "runs/0/result/metrics/val/loss".
        old: what it was.
        new: what it is.
    """

    path: str
    old: Any
    new: Any

    @property
    def relative(self) -> float:
        """`|new - old| / |old|` of two numbers; nan of anything else."""
        if not all(isinstance(value, int | float) for value in (self.old, self.new)):
            return math.nan
        return abs(self.new - self.old) / abs(self.old) if self.old else math.inf


def differences(old: Any, new: Any, path: str = "") -> Iterator[Difference]:
    """Every leaf that is not the same; nan is the same as nan."""
    if isinstance(old, list) and isinstance(new, list):
        old, new = (dict(enumerate(value)) for value in (old, new))
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            inner = f"{path}/{key}" if path else str(key)
            yield from differences(old.get(key, MISSING), new.get(key, MISSING), inner)
    elif old != new and not (old != old and new != new):
        yield Difference(path, old, new)


def told(case: str, found: list[Difference], most: int) -> str:
    """A case's differences, a line each, and the largest relative one."""
    lines = [f"{case}: {len(found)} differ"]
    for one in found[:most]:
        beside = "" if math.isnan(one.relative) else f"  ({one.relative:.1e})"
        lines.append(f"  {one.path}: {_short(one.old)} -> {_short(one.new)}{beside}")
    if len(found) > most:
        lines.append(f"  and {len(found) - most} more")
    largest = max((one.relative for one in found if not math.isnan(one.relative)), default=None)
    if largest is not None:
        lines.append(f"  largest relative difference {largest:.1e}")
    return "\n".join(lines)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--most", type=int, default=20, help="differences shown of a case")
    parser.add_argument("--only", default="", metavar="PATTERN", help="a regular expression, found in a case's name")
    asked = parser.parse_args()
    old, new = (json.loads(path.read_text(encoding="utf-8")) for path in (asked.old, asked.new))
    for one in differences(old["machine"], new["machine"], "machine"):
        print(f"{one.path}: {one.old} -> {one.new}")
    names = [name for name in dict.fromkeys([*old["cases"], *new["cases"]]) if re.search(asked.only, name)]
    differ = 0
    for name in names:
        found = list(differences(old["cases"].get(name, MISSING), new["cases"].get(name, MISSING)))
        if found:
            differ += 1
            print(told(name, found, asked.most))
    print(f"{len(names)} cases, {differ} differ")
    sys.exit(1 if differ else 0)


if __name__ == "__main__":
    main()
