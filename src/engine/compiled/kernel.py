"""The source of a stack's steps, and its call: numbers of the stack in, the same numbers some steps later."""

import ctypes
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from src.engine.compiled.compiler import library
from src.losses.loss import Loss
from src.models.model import InC

HERE = Path(__file__).parent
VECTOR = 64
"""Bytes of the widest vector."""


class _Job(ctypes.Structure):
    """`struct job` of steps.c."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("first", "steps", "members", "rows", "zero_every")),
        *((name, ctypes.c_void_p) for name in (
            "flat", "slots", "before", "scalars", "strides", "inputs", "targets", "which", "order", "orders", "begins",
            "limits", "losses",
        )),
    ]  # fmt: skip


@dataclass(frozen=True)
class Steps:
    """What a call works on. All tensors are contiguous but for `scalars`; integers are int64.

    Attributes:
        first: number of the first step.
        flat: parameters `[P, N]`, changed.
        slots: of the rule's state, `[P, N]` each, changed.
        before: the gradient of the step before `[P, N]`, where they add up; changed.
        scalars: of the rule, `[K, P]` each, or `[1, P]` where they stay the same.
        inputs: `[D, rows, ...]`, as the template has them.
        targets: `[D, rows, O]`.
        which: of D each member sees, `[P]`.
        batches: rows in the order of the steps `[S, numbers]`, which of S is each member's `[P]`, and where the batch
            of each step begins `[K + 1]`; None: every step sees all rows.
        limits: of gradients, `[P]`; None: none.
        zero_every: steps.
        losses: filled, `[K, P]`.
    """

    first: int
    flat: Tensor
    slots: Sequence[Tensor]
    before: Tensor | None
    scalars: Sequence[Tensor]
    inputs: Tensor
    targets: Tensor
    which: Tensor
    batches: tuple[Tensor, Tensor, Tensor] | None
    limits: Tensor | None
    zero_every: int
    losses: Tensor


def width(model: InC, dtype: torch.dtype) -> int:
    """How many numbers a vector holds: a power of 2, no more than are needed."""
    lanes = 1
    while lanes < model.side and 2 * lanes * dtype.itemsize <= VECTOR:
        lanes *= 2
    return lanes


def source(model: InC, loss: Loss, rule: str, dtype: torch.dtype, **defined: int) -> str:
    """All of it: what is defined, the templates, the rule, the steps.

    Args:
        model: the template.
        loss: a function of losses.h has its name.
        rule: see `rule_source`.
        dtype: of all numbers.
        defined: what else is: `N`, `SLOTS`, `SCALARS`, `ROWS`, `MEAN`, `NUMBERS`, `BY_NORM`; see steps.c.
    """
    single = dtype == torch.float32
    numbers = {
        "REAL": "float" if single else "double",
        "INTEGER": "int32_t" if single else "int64_t",
        "SINGLE": int(single),
        "WIDTH": width(model, dtype),
        "LOSS": loss.name,
        **{name.upper(): getattr(loss, name) for name in loss.in_c or ()},
        **model.sizes,
        **defined,
    }
    losses = model.file.parent.parent / "losses" / "losses.h"
    files = [HERE / "vector.h", losses, model.file, HERE / "operations.h"]
    defines = "".join(f"#define {name} {value}\n" for name, value in numbers.items())
    return "\n".join([defines, *(file.read_text() for file in files), rule, (HERE / "steps.c").read_text()])


class Kernel:
    """Compiled steps of members.

    Args:
        text: see `source`.

    Raises:
        NotCompiledError: it could not be.
    """

    def __init__(self, text: str) -> None:
        self._take = library(text).take
        self._take.argtypes, self._take.restype = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64], None

    def __call__(self, one: Steps) -> None:
        """Take steps, with as many threads as torch has."""
        steps, members = one.losses.shape
        columns = [column if column.stride(1) == 1 else column.contiguous() for column in one.scalars]
        strides = torch.tensor([0 if len(c) == 1 else c.stride(0) for c in columns] or [0], dtype=torch.int64)
        slots, scalars = _pointers(one.slots), _pointers(columns)
        order, orders, begins = one.batches or (None, None, None)
        job = _Job(
            one.first, steps, members, one.inputs.shape[1], one.zero_every, _at(one.flat), ctypes.addressof(slots),
            _at(one.before), ctypes.addressof(scalars), _at(strides), _at(one.inputs), _at(one.targets),
            _at(one.which), _at(order), _at(orders), _at(begins), _at(one.limits), _at(one.losses),
        )  # fmt: skip
        where, threads = ctypes.addressof(job), min(torch.get_num_threads(), members)
        cuts = [members * k // threads for k in range(threads + 1)]
        if threads == 1:
            self._take(where, 0, members)
            return
        with ThreadPoolExecutor(threads) as pool:  # ctypes lets go of the interpreter's lock
            list(pool.map(self._take, [where] * threads, cuts[:-1], cuts[1:]))


def _at(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


def _pointers(tensors: Sequence[Tensor]) -> Any:
    return (ctypes.c_void_p * max(1, len(tensors)))(*map(_at, tensors))
