"""Functions of numbers side by side, against NumPy's in more digits."""

import ctypes
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.engine.compiled import kernel
from src.engine.compiled.compiler import library

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
NAMES = ("exponential", "activate_tanh", "activate_sigmoid")
IN_MORE: dict[str, Callable[[Any], Any]] = {
    "exponential": np.exp,
    "activate_tanh": np.tanh,
    "activate_sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}


def functions(single: bool) -> ctypes.CDLL:
    real, integer = ("float", "int32_t") if single else ("double", "int64_t")
    defined = {"REAL": real, "INTEGER": integer, "SINGLE": int(single), "WIDTH": 8}
    head = "".join(f"#define {name} {value}\n" for name, value in defined.items())
    each = "".join(
        f"void {name}_of(real *x, long n) {{ for (long k = 0; k < n; k += WIDTH) "
        f"*(vec *)(x + k) = {name}(*(vec *)(x + k)); }}\n"
        for name in NAMES
    )
    return library(head + (kernel.HERE / "vector.h").read_text() + each)


@pytest.mark.parametrize("single", [True, False])
def test_they_are_right_to_a_few_units_in_the_last_place(
    single: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESCENT_LAB_CACHE", str(tmp_path))
    dtype = np.float32 if single else np.float64
    edge = 87.0 if single else 708.0
    some = np.random.default_rng(0).uniform(-1, 1, 4096)
    grid = np.concatenate([some, some * 30, some * edge, [0.0, -0.0, 0.625, -0.625, 1e-30, -1e-30, 0.5, -0.5]])
    made = functions(single)
    for name in NAMES:
        x = grid.astype(dtype)
        expected = IN_MORE[name](x.astype(np.longdouble))
        getattr(made, f"{name}_of")(ctypes.c_void_p(x.ctypes.data), ctypes.c_long(len(x)))
        error = np.abs(x - expected) / np.maximum(np.abs(expected), np.finfo(dtype).tiny)
        assert error.max() <= 4 * np.finfo(dtype).eps, name
        ends = np.array([np.inf, -np.inf, np.nan, 2000, -2000, 0, 0, 0], dtype)
        with np.errstate(over="ignore"):
            wanted = IN_MORE[name](ends)
        getattr(made, f"{name}_of")(ctypes.c_void_p(ends.ctypes.data), ctypes.c_long(8))
        np.testing.assert_array_equal(ends, wanted, name)
