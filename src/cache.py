"""What takes long to find out, kept from one command to the next under the user's cache directory."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any


def folder() -> Path:
    """Where it is kept: `$DESCENT_LAB_CACHE`, else `descent-lab` among the user's caches.

    Raises:
        RuntimeError: the user has no home.
    """
    own, caches = os.environ.get("DESCENT_LAB_CACHE"), os.environ.get("XDG_CACHE_HOME")
    return Path(own) if own else (Path(caches) if caches else Path.home() / ".cache") / "descent-lab"


def remembered(name: str, facts: Sequence[Any], find: Callable[[], Any]) -> Any:
    """What `find` gives, or has given to the same facts before.

    A file that is damaged is written anew, one that cannot be written is not missed. Processes that find out the same
    at once each put a whole file there, the last of which stays.

    Args:
        name: of the question, and of its folder.
        facts: plain values, all that the answer follows from.
        find: the answer, of plain values.
    """
    digest = hashlib.blake2b(json.dumps(facts, default=str).encode(), digest_size=16).hexdigest()
    with suppress(OSError, ValueError, LookupError, TypeError, RuntimeError):
        return json.loads((folder() / name / f"{digest}.json").read_text(encoding="utf-8"))["answer"]
    answer = find()
    keep(f"{name}/{digest}.json", json.dumps({"answer": answer}).encode())
    return answer


def keep(name: str, content: bytes) -> None:
    """Put a file there whole; a cache that is full, or cannot be written, is not missed, and has no half of it.

    Args:
        name: of the file, below the cache's folder.
        content: of it.
    """
    with suppress(OSError, RuntimeError):  # there is no home, say
        path = folder() / name
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_suffix(f".{os.getpid()}")
        try:
            half.write_bytes(content)
            half.replace(path)
        finally:
            half.unlink(missing_ok=True)
