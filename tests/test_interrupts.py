"""Ctrl-C: noted while it is held, raised where it is not, at once the second time."""

import subprocess
import sys

import pytest

BEGIN = """
import os, signal, sys, time
from src import interrupts
from src.errors import exit_on_error
from src.interrupts import asked, held
interrupts.PATIENCE, interrupts.LIMIT = {patience}, {limit}
def press(number=signal.SIGINT): os.kill(os.getpid(), number)
def spin():
    while True: pass
with exit_on_error():
    {body}
"""
AGAIN = "interrupted again, and ended at once: what was written is kept\n"
WAITED = "interrupted, and ended after 0.2 seconds of waiting: what was written is kept\n"


@pytest.mark.parametrize(
    ("body", "said", "told", "status"),
    [
        ("press(); print('never')", "", "interrupted\n", 130),
        ("press(signal.SIGTERM); print('never')", "", "interrupted\n", 143),
        # a block, whose end is waited for
        ("with held(): press(); print(int(asked()))", "2\n", "interrupted\n", 130),
        ("with held(): press(); press(); print('never')", "", AGAIN, 130),
        # a block that takes too long, and what never ends
        ("with held(): press(); spin()", "", "interrupted\n", 130),
        ("with held():\n        press()\n        try: spin()\n        finally: spin()", "", WAITED, 130),
        ("try: press()\n    finally: press()", "", AGAIN, 130),
    ],
)
def test_a_command_that_is_interrupted(body: str, said: str, told: str, status: int) -> None:
    script = BEGIN.format(body=body, patience=0.1, limit=0.2 if told == WAITED else 60)
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (ended.stdout, ended.stderr, ended.returncode) == (said, told, status)


def test_before_a_command_listens_it_ends_without_a_traceback() -> None:
    script = "import sys; sys.argv = ['-m']; import src; raise KeyboardInterrupt"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert ended.stderr == "interrupted\n"
    assert ended.returncode != 0
