"""The one error that a user can cause, and how a command tells it."""

import difflib
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class LabError(Exception):
    """A mistake that a user can make; the message says what was given, what is accepted and what to do."""


def nearest(word: str, choices: Iterable[str]) -> str:
    """`"; did you mean adam?"` when one of `choices` is close to `word`, else an empty string."""
    close = difflib.get_close_matches(word, list(choices), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


@contextmanager
def told() -> Iterator[None]:
    """End a command with the sentence of a `LabError` on standard error and exit status 1, without a traceback."""
    try:
        yield
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise SystemExit(130) from None
