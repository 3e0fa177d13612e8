"""What every test shares: one thread, and a run in a directory of its own."""

import gc
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

# as many workers as cores run the tests, so none may take more than one; commands that tests start inherit it
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1", POLARS_MAX_THREADS="1")
# what commands keep between them is not the user's own here, nor that of the tests before
CACHE = tempfile.TemporaryDirectory(prefix="descent-lab-")
os.environ["DESCENT_LAB_CACHE"] = CACHE.name

import pytest
import torch

from src.run import run
from src.run_directory import Result

torch.set_num_threads(1)

LONG_TESTS = bool(os.environ.get("LONG_TESTS"))
"""Whether `make test-long` has asked for more examples, and for the tests that are marked `long`."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = [] if LONG_TESTS else [item for item in items if item.get_closest_marker("long")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def pytest_collection_finish() -> None:
    """Have the garbage collector leave alone what stays to the end: going through it took a fifth of the time."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def train(tmp_path: Path) -> Callable[..., Result]:
    """`train("name", "optimizer=adam", ...)`: a run in `tmp_path/name`, without a bar and without TensorBoard."""

    def _train(name: str, *overrides: str) -> Result:
        quiet = ["logger=none"] if not any(word.startswith("logger") for word in overrides) else []
        return run([*quiet, "callbacks.progress_bar=null", *overrides, f"hydra.run.dir={tmp_path / name}"])

    return _train
