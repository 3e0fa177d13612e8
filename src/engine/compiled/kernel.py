"""The source of a stack's steps, and its call: numbers of the stack in, the same numbers some steps later."""

import ctypes
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from src.engine.compiled.compiler import library
from src.losses.loss import Loss
from src.models.model import InC

HERE = Path(__file__).parent
LOSSES = HERE.parents[1] / "losses" / "losses.h"
VECTOR = 64
"""Bytes of the widest vector."""
WORK = 2**18
"""Run-steps times parameters that a thread has to have: some 0.1 ms, twice what it takes to wake one."""

JOB = {
    "first": ("int64_t", "number of the first step"),
    "steps": ("int64_t", "K"),
    "members": ("int64_t", "P"),
    "rows": ("int64_t", "of a data set"),
    "zero_every": ("int64_t", "steps gradients are zeroed; 0: never"),
    "flat": ("real *", "parameters [P, N], changed"),
    "slots": ("real **", "of the rule's state, [P, N] each, changed"),
    "before": ("real *", "the gradient of the step before [P, N], where they add up, changed"),
    "scalars": ("const real **", "of the rule, [K or 1, P or 1] each"),
    "down": ("const int64_t *", "of each scalar: numbers to the next step; 0: it stays the same"),
    "across": ("const int64_t *", "of each scalar: numbers to the next member; 0: it is that of all"),
    "inputs": ("const real *", "[D, rows, ...], as the template has them"),
    "targets": ("const real *", "[D, rows, O]"),
    "which": ("const int64_t *", "of D each member sees, [P]"),
    "order": ("const int64_t *", "rows in the order of the steps [S, numbers]; NULL: every step sees all (ROWS)"),
    "orders": ("const int64_t *", "which of S is each member's, [P]"),
    "begins": ("const int64_t *", "where the rows of each step begin in an order, and its length, [K + 1]"),
    "limits": ("const real *", "of gradients, [P]; NULL: none"),
    "losses": ("real *", "filled, [K, P]"),
}
"""`struct job`, what a call works on: every field's type in C, and what it is."""


class _Job(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p if "*" in kind else ctypes.c_int64) for name, (kind, _) in JOB.items()]


def width(side: int, dtype: torch.dtype) -> int:
    """How many numbers a vector holds: a power of 2, at least 4, no more than are needed."""
    numbers = 4
    while numbers < side and 2 * numbers * dtype.itemsize <= VECTOR:
        numbers *= 2
    return numbers


def source(model: InC, loss: Loss, rule: str, dtype: torch.dtype, **defined: int) -> str:
    """All of it: what is defined, the templates, the rule, the steps.

    Args:
        model: the template.
        loss: a function of losses.h has its name.
        rule: see `rule_source`.
        dtype: of all numbers.
        defined: what else is: `N`, `SLOTS`, `SCALARS`, `ROWS` (0: batches), `MEAN_OF` (numbers of a row in the mean;
            0: a sum), `BY_NORM` (of clipping).
    """
    single = dtype == torch.float32
    numbers = {
        "REAL": "float" if single else "double",
        "INTEGER": "int32_t" if single else "int64_t",
        "SINGLE": int(single),
        "WIDTH": width(model.side, dtype),
        "LOSS": loss.name,
        **{name.upper(): f"(real){getattr(loss, name)}" for name in loss.in_c or ()},
        **model.sizes,
        **defined,
    }
    defines = "".join(f"#define {name} {value}\n" for name, value in numbers.items())
    fields = "".join(f"    {kind} {name}; /* {about} */\n" for name, (kind, about) in JOB.items())
    job = f"struct job {{\n{fields}}};\n"
    files = [HERE / "vector.h", LOSSES, model.file, HERE / "rows.h", HERE / "operations.h"]
    vector, *rest = (file.read_text() for file in files)
    return "\n".join([defines, vector, job, *rest, rule, (HERE / "steps.c").read_text()])


class Kernel:
    """Compiled steps of members.

    Args:
        text: see `source`.
        lanes: members that are stepped side by side.

    Raises:
        NotCompiledError: it could not be.
    """

    def __init__(self, text: str, lanes: int) -> None:
        self._take, self._lanes = library(text).take, lanes
        self._take.argtypes, self._take.restype = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64], None

    def __call__(self, **given: int | Tensor | list[Tensor] | None) -> None:
        """Take steps, with at most as many threads as torch has.

        Args:
            given: all of `JOB` but for `down` and `across`; tensors other than scalars are contiguous.
        """
        scalars, flat, losses = given["scalars"], given["flat"], given["losses"]
        assert isinstance(scalars, list)
        assert isinstance(flat, Tensor)
        assert isinstance(losses, Tensor)
        given["down"] = _strides(scalars, 0)
        given["across"] = _strides(scalars, 1)
        words = {name: _word(value) for name, value in given.items()}
        job = _Job(**words)
        job.kept = given, words  # as long as a thread works on them, even if nobody waits for it any more

        def part(first: int, end: int) -> None:
            self._take(ctypes.addressof(job), first, end)

        groups = -(-len(flat) // self._lanes)
        threads = max(1, min(torch.get_num_threads(), groups, losses.numel() * flat.shape[1] // WORK))
        cuts = [min(groups * k // threads * self._lanes, len(flat)) for k in range(threads + 1)]
        if threads == 1:
            part(*cuts)
        else:  # ctypes lets go of the interpreter's lock
            list(_pool(threads).map(part, cuts[:-1], cuts[1:]))


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # where its threads are not


def _strides(scalars: Sequence[Tensor], axis: int) -> Tensor:
    return torch.tensor([one.stride(axis) if one.shape[axis] > 1 else 0 for one in scalars], dtype=torch.int64)


def _word(value: int | Tensor | list[Tensor] | None) -> Any:
    """What C is told: a number, where numbers lie, or where it is said where they lie."""
    if isinstance(value, list):
        return ctypes.cast((ctypes.c_void_p * len(value))(*(one.data_ptr() for one in value)), ctypes.c_void_p)
    return value.data_ptr() if isinstance(value, Tensor) else value
