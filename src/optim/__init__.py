"""How it learns: any optimizer class, per-member rules of stacks, rules that are optimizers, schedules."""

import importlib
from typing import Any


def __getattr__(name: str) -> Any:
    """What configs name as `src.optim.NAME`, imported when it is asked for: who reads a rule does not import torch."""
    if name == "warmup_cosine":
        return importlib.import_module(f"{__name__}.schedules").warmup_cosine
    rule = getattr(importlib.import_module(f"{__name__}.rules"), "RULES", {}).get(f"{__name__}.{name}")
    if rule is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return type(rule)
