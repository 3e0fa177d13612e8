"""Descent Lab: a laboratory for gradient descent."""

import os

# MKL picks its kernels by where in memory a matrix begins, so a member's bits would depend on its place in a stack
os.environ.setdefault("MKL_CBWR", "AVX2,STRICT")
