"""Descent Lab: a laboratory for gradient descent."""

import gc
import os
import sys

# MKL picks its kernels by where in memory a matrix begins, so a member's bits would depend on its place in a stack
os.environ.setdefault("MKL_CBWR", "AVX2,STRICT")
# what imports and configs are made of stays: to look for garbage among it took an eighth of every command's start
gc.set_threshold(20_000, 20, 20)

if sys.argv[:1] == ["-m"]:  # `python -m src.train`, while Python looks for the module
    from src.interrupts import listen

    listen()
