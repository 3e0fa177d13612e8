"""Functions and losses of numbers side by side, against NumPy's in more digits."""

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
IN_MORE: dict[str, Callable[[Any], Any]] = {
    "exponential(x)": np.exp,
    "logarithm(x)": np.log,
    "activate_tanh(x)": np.tanh,
    "activate_sigmoid(x)": lambda x: 1 / (1 + np.exp(-x)),
    "logistic(&x, (vec[]){all(1)}, slope)": lambda x: np.logaddexp(0, -x),
    "poisson(&x, (vec[]){all(2)}, slope)": lambda x: np.exp(x) - 2 + 2 * (np.log(np.longdouble(2)) - x),
}


def functions(single: bool) -> ctypes.CDLL:
    real, integer = ("float", "int32_t") if single else ("double", "int64_t")
    defined = {"REAL": real, "INTEGER": integer, "SINGLE": int(single), "WIDTH": 8, "O": 1}
    head = "".join(f"#define {name} {value}\n" for name, value in defined.items())
    each = "".join(
        f"void f{k}(real *xs, long n) {{ vec slope[1]; for (long k = 0; k < n; k += WIDTH) "
        f"{{ vec x = *(vec *)(xs + k); *(vec *)(xs + k) = {call}; }} }}\n"
        for k, call in enumerate(IN_MORE)
    )
    return library(head + (kernel.HERE / "vector.h").read_text() + kernel.LOSSES.read_text() + each)


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
    for k, (name, in_more) in enumerate(IN_MORE.items()):
        x = grid.astype(dtype)
        if name.startswith("logarithm"):
            x = np.concatenate([np.exp(abs(grid)), np.exp(-abs(grid)), 1 + some[:8] / 1e4]).astype(dtype)
        expected = in_more(x.astype(np.longdouble))
        # where terms cancel, as of poisson beside its minimum, rounding is that of the terms
        size = np.maximum(np.abs(expected), 2 * (1 + abs(x)) if name.startswith("poisson") else np.finfo(dtype).tiny)
        getattr(made, f"f{k}")(ctypes.c_void_p(x.ctypes.data), ctypes.c_long(len(x)))
        assert (np.abs(x - expected) / size).max() <= 4 * np.finfo(dtype).eps, name
        ends = np.array([np.inf, -np.inf, np.nan, 2000, -2000, 0, 0, 0], dtype)
        if not name.startswith(("logarithm", "poisson")):
            with np.errstate(over="ignore", invalid="ignore"):
                wanted = in_more(ends)
            getattr(made, f"f{k}")(ctypes.c_void_p(ends.ctypes.data), ctypes.c_long(8))
            np.testing.assert_array_equal(ends, wanted, name)
