"""The sentence for each value that is not allowed, made from what pydantic and OmegaConf found."""

from collections.abc import Sequence
from typing import Any

from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError

from src.config.section import shown
from src.errors import LabError, nearest

_NUMERIC = ("float_type", "int_type", "bool_type")


class WrongValuesError(LabError):
    """Values that are not allowed: `args` are the sentences, one for each."""

    def __str__(self) -> str:
        return "; ".join(self.args)


def wrong_values(error: ValidationError, given: dict[str, Any], prefix: str = "") -> WrongValuesError:
    """What pydantic found wrong with `given`, its keys with `prefix` before them."""
    return WrongValuesError(*(prefix + _sentence(one, given) for one in _distinct(error.errors())))


def missing_keys(keys: Sequence[str]) -> str:
    """The sentence for keys that have to be said."""
    hint = {"data.path": "data.path=houses.csv", "data.target": "data.target=price"}
    return f"missing: {', '.join(keys)} (say {' '.join(hint.get(key, f'{key}=...') for key in keys)})"


def unresolved(error: OmegaConfBaseException) -> str:
    """A sentence for a value that OmegaConf cannot give: an interpolation that leads nowhere, say."""
    reason = str(error).partition("\n")[0]
    return f"{error.full_key}: {reason}" if error.full_key else reason


def message(error: Any) -> str:
    """What pydantic says of a value: "Input should be ..." as "must be ..."."""
    text, kind = str(error["msg"]), error["type"]
    if kind in ("model_type", "dict_type") or kind.startswith("union_tag"):
        return "must be a section of keys"
    if kind == "value_error":
        return text.removeprefix("Value error, ")
    if kind == "string_type" and isinstance(error["input"], int | float):
        return f"must be a text; put it in quotes: '{shown(error['input'])}'"
    text = text.removeprefix("Input ").removeprefix("should ")
    return text if text.startswith("must") else f"must {text}"


def _distinct(errors: Sequence[Any]) -> list[Any]:
    """Without those that repeat what is wrong with `seed`, which other seeds are taken from."""
    wrong = [error["input"] for error in errors if error["loc"] == ("seed",)]

    def repeats(error: Any) -> bool:
        where = error["loc"]
        return len(where) > 1 and str(where[-1]).endswith("seed") and error["input"] in wrong

    return [error for error in errors if not repeats(error)]


def _sentence(error: Any, config: dict[str, Any]) -> str:
    where = [str(part) for part in error["loc"] if "." not in str(part)]  # class paths tell kinds apart
    path, given = ".".join(where), error["input"]
    section: Any = config
    for part in where[:-1]:
        section = section.get(part, {}) if isinstance(section, dict) else {}
    if error["type"] == "extra_forbidden":
        others = [key for key in section if key != where[-1]]
        return f"{path}: there is no such key{nearest(where[-1], others, '.'.join(where[:-1]))}"
    if error["type"] == "missing":
        return f"{path} is missing"
    if error["type"].startswith("union_tag") and isinstance(given, dict):
        target, known = given.get("_target_"), error["ctx"]["expected_tags"].replace("'", "").split(", ")[:-1]
        close = nearest(target, known) if isinstance(target, str) else ""
        return f"{path}._target_={shown(target)}: must be {', '.join(known)} or a class of your own{close}"
    found = message(error)
    if error["type"] == "value_error" and isinstance(given, dict) and not found.startswith("must"):
        # a validator of a whole section says itself which key it means: in full, or from the section on
        return f"{path}{found}" if found.startswith(".") else found
    text = f"'{given}'" if isinstance(given, str) and error["type"] in _NUMERIC else shown(given)
    return f"{path}={text}: {found}"
