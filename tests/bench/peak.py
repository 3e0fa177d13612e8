"""What this machine can do at most: multiplications with an addition a second, on all cores."""

import ctypes
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from src.engine.compiled.compiler import library
from tests.bench.measure import CORES, in_turn, timed

SOURCE = """
typedef float vector __attribute__((vector_size(64)));
#ifdef __AVX512F__
enum { SUMS = 10 };
#else
enum { SUMS = 5 };
#endif
/* sums in registers that do not wait for each other; how many additions were made, and out, lest they are left out */
double multiply_add(long rounds, float *out) {
    vector sums[SUMS], factor = (vector){0} + 0.999f, sum = {0};
    for (int k = 0; k < SUMS; k++) sums[k] = (vector){0} + (float)k;
    for (long round = 0; round < rounds; round++) {
#pragma GCC unroll 16
        for (int k = 0; k < SUMS; k++) sums[k] = sums[k] * factor + factor;
    }
    for (int k = 0; k < SUMS; k++) sum += sums[k];
    for (int k = 0; k < 16; k++) out[k] = sum[k];
    return 16.0 * SUMS * (double)rounds;
}
"""
ROUNDS, SIZE = 10_000_000, 1200
"""Of the loop below, and of the sides of matrices."""


def multiply_adds() -> float:
    """A second, of float32 numbers in registers.

    Raises:
        NotCompiledError: there is no compiler.
    """
    code = library(SOURCE).multiply_add
    code.restype = ctypes.c_double

    def rate(pool: ThreadPoolExecutor) -> float:
        began = time.perf_counter()
        made = sum(pool.map(lambda _: code(ctypes.c_long(ROUNDS), (ctypes.c_float * 16)()), range(CORES)))
        return made / (time.perf_counter() - began)

    with ThreadPoolExecutor(CORES) as pool:
        return max(rate(pool) for _ in range(8))


def matrix_multiply_adds() -> float:
    """A second, of products of large float64 matrices, by NumPy or torch, whichever is faster here."""
    matrix, before = np.random.default_rng(0).standard_normal((SIZE, SIZE)), torch.get_num_threads()
    tensor = torch.from_numpy(matrix)
    torch.set_num_threads(CORES)
    taken = in_turn(
        {"numpy": lambda: timed(lambda: matrix @ matrix), "torch": lambda: timed(lambda: tensor @ tensor)}, 5
    )
    torch.set_num_threads(before)
    return SIZE**3 / min(map(min, taken.values()))
