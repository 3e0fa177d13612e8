"""What a run leaves behind, read from its files as anybody could, and what it says where it leaves nothing."""

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from src.errors import LabError


def outcome(directory: Path) -> dict[str, Any]:
    """`result.json`."""
    return json.loads((directory / "result.json").read_text(encoding="utf-8"))


def rows(path: Path) -> list[tuple[int, dict[str, float]]]:
    """Steps and values of a `metrics.csv`, without empty cells."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            (int(row.pop("step")), {name: float(value) for name, value in row.items() if value})
            for row in csv.DictReader(file)
        ]


def kept(directory: Path, name: str = "last") -> dict[str, Any]:
    """`checkpoints/last.ckpt`, or another."""
    return torch.load(directory / "checkpoints" / f"{name}.ckpt", weights_only=True)


def state(directory: Path, name: str = "last") -> dict[str, Any]:
    """What going on depends on: weights and buffers, the optimizer's state, the schedule's."""
    checkpoint = kept(directory, name)
    return {key: checkpoint[key] for key in ("state_dict", "optimizer_states", "lr_schedulers", "global_step")}


def assert_same(a: Any, b: Any) -> None:
    """The same bits, dtypes and nesting."""
    if isinstance(a, torch.Tensor):
        assert isinstance(b, torch.Tensor)
        assert a.dtype == b.dtype, f"{a.dtype} is not {b.dtype}"
        assert torch.equal(a, b), f"{a} is not {b}"
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), f"{list(a)} are not {list(b)}"
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, Sequence) and not isinstance(a, str):
        assert type(a) is type(b), f"{a} is not of the type of {b}"
        assert len(a) == len(b), f"{len(a)} entries are not {len(b)}"
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    else:
        assert a == b, f"{a} is not {b}"


def refused(attempt: Callable[[], Any]) -> str | None:
    """The sentence that refuses an attempt; None: it is allowed."""
    try:
        attempt()
    except LabError as error:
        return str(error)
    return None
