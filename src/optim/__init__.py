"""How it learns: any optimizer class, per-member rules of stacks, the textbook optimizers, schedules."""

import importlib
from typing import Any

_NAMED_IN_CONFIGS = {
    **dict.fromkeys(("TextbookAdaGrad", "TextbookAdam", "TextbookMomentum", "TextbookRMSProp"), "textbook"),
    "warmup_cosine": "schedules",
}
"""What configs name as `src.optim.NAME`, and the file that it is in."""


def __getattr__(name: str) -> Any:
    """Imported when it is asked for: whoever reads a rule's domains does not import torch."""
    if name not in _NAMED_IN_CONFIGS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_NAMED_IN_CONFIGS[name]}"), name)
