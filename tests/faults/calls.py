"""Every file operation can be the last, or fail: the n-th of a command, for n that cover each kind and each file."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from itertools import cycle

from tests.faults.server import HOW, Fault
from tests.faults.subjects import Tried, sort_of

FULL = (errno.ENOSPC, errno.EDQUOT)
ERRORS = {
    "open": (*FULL, errno.EACCES, errno.EMFILE, errno.EIO),
    "write": (*FULL, errno.EIO, errno.EFBIG),
    "rename": (*FULL, errno.EACCES, errno.EIO),
    "fsync": (*FULL, errno.EIO),
    "mkdir": (*FULL, errno.EACCES, errno.EIO),
    "unlink": (errno.EACCES, errno.EIO),
    "rmdir": (errno.EACCES, errno.EIO),
    "sendfile": (*FULL, errno.EIO),
    "truncate": (*FULL, errno.EIO),
    "read": (errno.EMFILE, errno.EACCES, errno.EIO),
}
"""What each kind can fail with."""


def faults(tried: Tried, most: int) -> Iterator[Fault]:
    """Of each kind of call and each file the first `most`, spread over all there are; what happens to them in turn."""
    places: dict[tuple[str, str], list[int]] = {}
    for number, (kind, path) in enumerate(tried.straight.calls, 1):
        places.setdefault((kind, sort_of(path)), []).append(number)
    hows = {kind: cycle(_ways(kind)) for kind in ERRORS}
    for (kind, _), numbers in sorted(places.items(), key=lambda item: item[1][0]):
        for number in _spread(numbers, most):
            error, how = next(hows[kind])
            yield Fault(number, error, how)


def tried_with(tried: Tried, fault: Fault) -> tuple[str, list[str]]:
    """Try a command with a fault: what was done in a word or two, and what was wrong, a line each."""
    what = "killed" if fault.how == "kill" else "short" if fault.how == "short" else "failed"
    tried.renew()
    try:
        ended = tried.server.run(tried.subject.typed(tried.directory), fault, tried.top)
        found = tried.wrong(ended)
    except TimeoutError as hangs:
        return what, [str(hangs)]
    hit = " ".join(ended.calls[fault.at - 1]) if len(ended.calls) >= fault.at else "no call"
    name = errno.errorcode.get(fault.error, "")
    return what, [f"call {fault.at} ({hit}) {what} {fault.how} {name}: {sentence}" for sentence in found]


def _ways(kind: str) -> list[tuple[int, str]]:
    """Every error once, then for good, and a kill between."""
    failing = [(error, how) for how in HOW[:2] for error in ERRORS[kind]]
    ways = [way for pair in zip(failing, cycle([(0, "kill")]), strict=False) for way in pair]
    return [*ways, (0, "short")] if kind in ("write", "sendfile") else ways


def _spread(numbers: list[int], most: int) -> list[int]:
    """At most so many of them, the first and the last among them."""
    if len(numbers) <= most:
        return numbers
    return sorted({numbers[round(place * (len(numbers) - 1) / (most - 1))] for place in range(most)})
