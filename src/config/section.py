"""What every section of a config is made of, and types of values that several of them hold; never imports torch."""

import ast
import importlib.util
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from src.errors import nearest


def _finite(value: Any) -> Any:
    """Refuse numbers that are not finite wherever they hide in lists and mappings."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("must be finite")
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _finite(inner)
    return value


Numbers = Annotated[Any, AfterValidator(_finite)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Number = Annotated[float, Field(allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # torch's generator on the CPU takes no more bits than that
Activation = Literal["relu", "tanh", "sigmoid", "identity"]


@cache
def _classes(module: str) -> set[str]:
    """The public classes of a module, `torch.optim` say, read from the source without importing it."""
    package, *inside = module.split(".")
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return set()
    where = Path(spec.submodule_search_locations[0], *inside)
    path = where / "__init__.py" if where.is_dir() else where.with_suffix(".py")
    if not path.exists():
        return set()
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            names.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.ClassDef):
            names.add(node.name)
    return {name for name in names if name[0].isupper() and name != "Optimizer"}


def _class_path(value: str) -> str:
    module, _, name = value.rpartition(".")
    if not module or not all(part.isidentifier() for part in value.split(".")):
        raise ValueError("must be a class with its module, such as mypackage.MyClass")
    if module in ("torch.optim", "torch.optim.lr_scheduler"):
        names = _classes(module)
        if names and name not in names:
            raise ValueError(f"{module} has no {name}{nearest(name, names)}")
    return value


ClassPath = Annotated[str, AfterValidator(_class_path)]


class Section(BaseModel):
    """A part of the config; unknown keys and wrong types are refused.

    Attributes:
        kind: of a kind of this project the class that it configures; the section is handed to it whole.
        free: keys whose values may differ within a stack: they change numbers, neither shapes nor the program.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)

    kind: ClassVar[str] = ""
    free: ClassVar[frozenset[str]] = frozenset()

    def arguments(self) -> dict[str, Any]:
        """The section as a plain dictionary, `_target_` included, as `hydra.utils.instantiate` takes it."""
        return self.model_dump(by_alias=True)


class Open(Section):
    """A section that takes keys of the user's own; their numbers must be finite."""

    model_config = ConfigDict(extra="allow")

    __pydantic_extra__: dict[str, Numbers] = Field(init=False)


@dataclass(frozen=True)
class ByClassPath:
    """Kinds of a section told apart by `_target_`: `Annotated[Data, ByClassPath(CustomData)]`.

    Attributes:
        custom: the section of any path that is no kind's.
    """

    custom: type[Section]

    def __get_pydantic_core_schema__(self, source: type[Section], handler: GetCoreSchemaHandler) -> CoreSchema:
        kinds = {one.kind: one for one in _below(source) if one.kind} | {"...": self.custom}

        def kind_of(value: Any) -> Any:
            path = value.get("_target_") if isinstance(value, dict) else getattr(value, "target_", None)
            return path if isinstance(path, str) and (path in kinds or _gone(path)) else "..."

        return core_schema.tagged_union_schema(
            {path: handler.generate_schema(one) for path, one in kinds.items()}, kind_of
        )


def _below(kind: type[Section]) -> Iterator[type[Section]]:
    for one in kind.__subclasses__():
        yield one
        yield from _below(one)


def _gone(path: str) -> bool:
    """Whether a class of this project is not there; those of others are not looked for."""
    module, _, name = path.rpartition(".")
    return path.startswith("src.") and name not in _classes(module)


def as_typed(value: Any) -> str:
    """A value as it would be typed."""
    if value is None or isinstance(value, bool):
        return str(value).lower().replace("none", "null")
    if isinstance(value, list):
        return f"[{','.join(map(as_typed, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{key}:{as_typed(inner)}' for key, inner in value.items())}}}"
    return str(value)


def shown(value: Any) -> str:
    """The same, cut when it is long."""
    text = as_typed(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
