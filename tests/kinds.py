"""Data and models as a test wants them: what it does not say is as conf/ has it."""

from typing import Any, TypeVar

import torch
import yaml

from src.config import data as data_sections
from src.config import models as model_sections
from src.config.compose import CONF
from src.data.kind import Kind
from src.models.model import Model

K = TypeVar("K", bound=Kind)
M = TypeVar("M", bound=Model)

ALWAYS: dict[str, dict[str, Any]] = {
    "data": {"seed": 0, "shuffle_seed": 0, "batch_size": "full"},
    "model": {"seed": 0, "loss": "mean", "dtype": "float32", "gradient": "autograd"},
}


def _section(kind: type, group: str, sections: Any, keys: dict[str, Any]) -> Any:
    """The section of a kind, which need not be one that the schema allows."""
    name = keys.get("name", kind.__module__.rpartition(".")[2])
    said = yaml.safe_load((CONF / group / f"{name}.yaml").read_text(encoding="utf-8"))
    said = {key: value for key, value in said.items() if key != "defaults"}
    return getattr(sections, kind.__name__).model_construct(**{**ALWAYS[group], **said, **keys})


def data_of(kind: type[K], **keys: Any) -> K:
    """Data with these keys."""
    return kind(_section(kind, "data", data_sections, keys))


def changed(one: K, **keys: Any) -> K:
    """The same data with other values of some keys."""
    return type(one)(one.section.model_copy(update=keys))


def model_of(kind: type[M], inputs: int, outputs: int, dtype: torch.dtype = torch.float32, **keys: Any) -> M:
    """A model of one member with these keys."""
    declared = next(one for one in kind.__mro__ if hasattr(model_sections, one.__name__))
    section = _section(declared, "model", model_sections, {"dtype": str(dtype)[6:], **keys})
    return kind(section, inputs, outputs)
