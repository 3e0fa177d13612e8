"""Descent Lab: a laboratory for gradient descent."""

import gc
import os
import sys
from types import TracebackType

# MKL picks its kernels by where in memory a matrix begins, so a member's bits would depend on its place in a stack
os.environ.setdefault("MKL_CBWR", "AVX2,STRICT")
# what imports and configs are made of stays: to look for garbage among it took an eighth of every command's start
gc.set_threshold(20_000, 20, 20)


def _told(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """What Python does with an exception that nobody takes, but for Ctrl-C before a command listens for it."""
    if issubclass(kind, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


if sys.argv[:1] == ["-m"]:  # `python -m src.train`, while it looks for its module
    sys.excepthook = _told
