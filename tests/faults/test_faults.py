"""A handful of what `make faults` tries, on a run by itself: what was found to break, once each."""

import errno
import shutil
import sys
from collections.abc import Iterator

import pytest

from tests.faults.calls import tried_with
from tests.faults.server import Fault, serving
from tests.faults.subjects import FAILING, Tried, sort_of

pytestmark = pytest.mark.skipif(
    shutil.which("cc") is None or sys.platform != "linux", reason="the shim takes Linux, and a C compiler"
)


@pytest.fixture(scope="module")
def tried() -> Iterator[Tried]:
    with serving() as server:
        yield Tried(server, FAILING[0])


@pytest.mark.parametrize(
    ("kind", "name", "which", "fault"),
    [
        ("write", "events.out.tfevents", 5, Fault(error=errno.ENOSPC, how="for good")),
        ("rename", "metrics.part", 1, Fault(error=errno.EDQUOT)),
        ("rename", "last.part", -1, Fault(how="kill")),
    ],
    ids=["a full disk", "a new column", "all steps taken"],
)
def test_what_fails_is_told_in_a_sentence_and_the_same_command_ends_in_the_same_bits(
    tried: Tried, kind: str, name: str, which: int, fault: Fault
) -> None:
    calls = [
        number
        for number, (what, path) in enumerate(tried.straight.calls, 1)
        if what == kind and sort_of(path).startswith(name)
    ]
    at = Fault(calls[which], fault.error, fault.how)
    assert tried_with(tried, at)[1] == []
