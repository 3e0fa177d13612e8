"""Ctrl-C, and SIGTERM: a command ends where its work can be kept, in one line; asked a second time it ends at once.

An interrupt that is raised wherever Python happens to be is lost in a destructor or a callback, or leaves half of what
was done there. So while a training is under way it is only noted, and the training ends after its block of steps, with
a checkpoint; one that takes long is interrupted where it is.
"""

import _thread
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType, TracebackType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
PATIENCE = 1.0
"""Seconds that a block has to end."""
LIMIT = 20.0
"""Seconds after which the command is ended: what it waits for does not come."""


@dataclass
class _State:
    """What there is one of in a process.

    Attributes:
        asked: the signal that asked it to end; 0: none.
        holding: how many trainings note it only.
        overdue: whether the next signal is this module's own, to interrupt a block.
        command: whether this process is a command and nothing else.
    """

    asked: int = 0
    holding: int = 0
    overdue: bool = False
    command: bool = False


_state = _State()


def asked() -> int:
    """The signal that has asked this command to end; 0: none has."""
    return _state.asked


def stop_if_asked() -> None:
    """End here, if this command was asked to.

    Raises:
        KeyboardInterrupt: so it was.
    """
    if _state.asked:
        raise KeyboardInterrupt


def listen() -> None:
    """Be a command's process from here on, also while it imports, and before it says what it is at."""
    _state.command, sys.excepthook = True, _told
    for number in SIGNALS:
        signal.signal(number, _hear)


def _told(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


@contextmanager
def heard() -> Iterator[None]:
    """Listen to the end of a command; where somebody else does, such as one that ignores Ctrl-C, that stays so."""
    here = threading.current_thread() is threading.main_thread()
    if not here or signal.getsignal(signal.SIGINT) not in (signal.default_int_handler, _hear):
        yield
        return
    before = {number: signal.signal(number, _hear) for number in SIGNALS}
    try:
        yield
    finally:
        if not _state.asked:  # else it is on its way out, where a second time is the last
            for number, handler in before.items():  # Python prints a traceback of an interrupt on its own way out
                signal.signal(number, signal.SIG_DFL if _state.command else handler)


@contextmanager
def held() -> Iterator[None]:
    """Only note it in here: `asked` is to be looked at now and then. At the end it is raised.

    Raises:
        KeyboardInterrupt: it was asked to end, or what is in here has not looked for too long.
    """
    _state.holding += 1
    try:
        yield
    finally:
        _state.holding -= 1
    stop_if_asked()


def _hear(number: int, frame: FrameType | None) -> None:
    if _state.overdue:
        _state.overdue = False
        if _state.holding:
            raise KeyboardInterrupt
    elif _state.asked:
        _end_at_once("interrupted again, and ended at once: what was written is kept")
    else:
        _state.asked = number
        _thread.start_new_thread(_watch, (number, threading.get_ident()))  # threading's own takes a lock of threads
        if not _state.holding:
            raise KeyboardInterrupt


def _watch(number: int, main: int) -> None:
    """See to it that the command ends."""
    time.sleep(PATIENCE)
    if _state.holding:
        _state.overdue = True
        signal.pthread_kill(main, number)
    time.sleep(LIMIT - PATIENCE)
    _end_at_once(f"interrupted, and ended after {LIMIT:g} seconds of waiting: what was written is kept")


def _end_at_once(told: str) -> None:
    with suppress(OSError, AttributeError, ValueError):
        show = "\r\x1b[K\x1b[?25h" if os.isatty(2) else ""  # where the bar was, and with the cursor that it has hidden
        sys.stderr.flush()
        os.write(2, f"{show}{told}\n".encode())
    os._exit(128 + _state.asked)
