"""The one error that a user can cause, and how a command tells it."""

import difflib
import errno
import os
import select
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from src.interrupts import asked, heard

# read before a command sets it for itself, to get Hydra's errors as exceptions
FULL_ERROR = os.environ.get("HYDRA_FULL_ERROR") == "1"
SOURCE, STANDARD = str(Path(__file__).resolve().parent), str(Path(os.__file__).parent)


class LabError(Exception):
    """A mistake that a user can make; the message says what was given, what is accepted and what to do."""


class OwnCheckpointError(LabError):
    """The checkpoint in a run's own directory cannot be read, or is of another run: without it the run begins anew."""


def nearest(word: str, choices: Iterable[str], inside: str = "") -> str:
    """`"; did you mean adam?"` when one of `choices` is close to `word`, else an empty string.

    Args:
        word: what was given.
        choices: what is accepted.
        inside: the section that the choices are keys of, which is said too.
    """
    close = difflib.get_close_matches(word, list(choices), n=5, cutoff=0.6)
    within = f"{inside}." if inside else ""

    def likeness(choice: str) -> float:
        # a little less for every letter too many or too few: adma is adam rather than adamax
        return difflib.SequenceMatcher(None, word, choice).ratio() - 0.05 * abs(len(choice) - len(word))

    return f"; did you mean {within}{max(close, key=likeness)}?" if close else ""


def one_line(error: BaseException) -> str:
    """What an exception says, without its line breaks; its name where it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__


def _not_the_users(path: str) -> bool:
    return "site-packages" in path or path.startswith((SOURCE, STANDARD, "<"))


def raised(error: BaseException | None, hides: Callable[[str], bool] = _not_the_users) -> str:
    """What was raised in a user's class, in one line, with the last line of theirs that it passed.

    Args:
        error: what was raised.
        hides: whether a source file, by its path, is none of the user's.
    """
    text = " ".join(str(error).split())
    frames = traceback.extract_tb(error.__traceback__) if error is not None else []
    own = [frame for frame in frames if not hides(frame.filename)]
    where = f" at {Path(own[-1].filename).name}:{own[-1].lineno}" if own else ""
    return f"{type(error).__name__}{where}{f': {text}' if text else ''}"


def unwritable(error: OSError) -> str:
    """The sentence for a file or directory that cannot be written."""
    where = os.fsdecode(error.filename) if error.filename else "the run directory"
    return f"{where} cannot be written ({error.strerror or error})"


@contextmanager
def exit_on_error() -> Iterator[None]:
    """End a command with the sentence of a `LabError` on standard error and exit status 1, without a traceback.

    HYDRA_FULL_ERROR=1 keeps the traceback, as in any Hydra application. Where nobody reads on, as `| head` does after
    its lines, it ends without a word. Ctrl-C ends it with a line, see `src.interrupts`.
    """
    with heard():
        try:
            yield
            sys.stdout.flush()
        except BrokenPipeError:
            if not _nobody_reads():
                raise
            raise SystemExit(1) from None
        except LabError as error:
            if FULL_ERROR:
                error.__suppress_context__ = False
                raise
            print(f"error: {error}", file=sys.stderr)
            raise SystemExit(1) from None
        except KeyboardInterrupt as interrupt:
            print(str(interrupt) or "interrupted", file=sys.stderr)
            raise SystemExit(128 + (asked() or signal.SIGINT)) from None


def _nobody_reads() -> bool:
    """Whether it is standard output whose reader is gone; what is left to write goes nowhere then."""
    try:
        output = sys.stdout.fileno()
        pipe = select.poll()
    except (OSError, AttributeError):  # a test's, or Windows
        return False
    pipe.register(output, 0)
    if gone := any(event & select.POLLERR for _, event in pipe.poll(0)):
        os.dup2(os.open(os.devnull, os.O_WRONLY), output)
    return gone


@contextmanager
def writing() -> Iterator[None]:
    """Tell a full disk, a run directory that cannot be written, or a file that a user's class misses, in a sentence."""
    try:
        yield
    except OSError as error:
        if type(error).__module__.startswith("hydra.") or isinstance(error, BrokenPipeError):
            raise  # a choice that is not there, or nobody reads on
        raise LabError(unwritable(error) if _of_the_run(error) else raised(error)) from error


def _of_the_run(error: OSError) -> bool:
    """Whether a full disk or the run directory is to blame, not a file of the user's own code."""
    from hydra.core.hydra_config import HydraConfig  # commands without Hydra do not wait for it

    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    if not error.filename or not HydraConfig.initialized():
        return False
    directory, failed = (
        Path(HydraConfig.get().runtime.output_dir).absolute(),
        Path(os.fsdecode(error.filename)).absolute(),
    )
    return failed.is_relative_to(directory) or directory.is_relative_to(failed)
