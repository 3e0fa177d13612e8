"""The one error that a user can cause, and how a command tells it."""

import difflib
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

# read before a command sets it for itself, to get Hydra's errors as exceptions
FULL_ERROR = os.environ.get("HYDRA_FULL_ERROR") == "1"


class LabError(Exception):
    """A mistake that a user can make; the message says what was given, what is accepted and what to do."""


def nearest(word: str, choices: Iterable[str], inside: str = "") -> str:
    """`"; did you mean adam?"` when one of `choices` is close to `word`, else an empty string.

    Args:
        word: what was given.
        choices: what is accepted.
        inside: the section that the choices are keys of, to be told with them.
    """
    close = difflib.get_close_matches(word, list(choices), n=5, cutoff=0.6)
    within = f"{inside}." if inside else ""
    return f"; did you mean {within}{min(close, key=lambda choice: _typos(word, choice))}?" if close else ""


def _typos(a: str, b: str) -> int:
    """How many letters were inserted, left out, replaced, or swapped with a neighbour, to get from one to the other.

    The optimal string alignment distance (Damerau 1964); among choices that share as many letters it finds adam for
    adma, where difflib alone finds adamax.
    """
    rows = [list(range(len(b) + 1))]
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            row.append(min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (x != y)))
            if i > 1 and j > 1 and x == b[j - 2] and y == a[i - 2]:
                row[-1] = min(row[-1], rows[-2][j - 2] + 1)
        rows.append(row)
    return rows[-1][-1]


@contextmanager
def told() -> Iterator[None]:
    """End a command with the sentence of a `LabError` on standard error and exit status 1, without a traceback.

    HYDRA_FULL_ERROR=1 keeps the traceback, as in any Hydra application.
    """
    try:
        yield
    except LabError as error:
        if FULL_ERROR:
            error.__suppress_context__ = False
            raise
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt as interrupt:
        print(str(interrupt) or "interrupted", file=sys.stderr)
        raise SystemExit(130) from None
