"""The words of a command: read by Hydra's grammar, put in quotes for it, and joined for a shell."""

import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Any, get_args

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from pydantic import BaseModel

from src.config.schema import Config
from src.errors import LabError

ELEMENT = re.compile(r"""('(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")|[^][,'"]+""")
"""Of a value: what is in quotes, or a stretch without quotes, brackets and commas."""


def parsed(word: str) -> Override:
    """An override, read.

    Raises:
        LabError: it is not of Hydra's grammar.
    """
    try:
        override = OverridesParser.create().parse_override(word)
    except HydraException as error:
        reason = str(error).splitlines()[0]
        key, equals, value = word.partition("=")
        hint = f"; write \"{key}='{value}'\"" if equals and value and value[0] not in "'\"[{(" else ""
        if re.match(r"\w+\(", value):
            hint = "; a range is interval(a,b), one by its logarithm tag(log,interval(a,b))"
        raise LabError(f"{word}: this is not key=value in Hydra's grammar ({reason}){hint}") from None
    if not override.key_or_group:
        raise LabError(f"{word}: there is no key before the =")
    return override


def quoted(value: str) -> str:
    """A value as Hydra's grammar takes it: in quotes where a plain word would be read otherwise."""
    if re.fullmatch(r"[\w./:+-]+", value, re.ASCII):
        return value
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", value)
    return f"'{escaped}'"


def quote_texts(words: Sequence[str]) -> list[str]:
    """Put in quotes what is to be a text and would be read as a number: `data.target=1.50` is a column of that name."""
    return [_quote_numbers(word) if is_text(word.partition("=")[0]) else word for word in words]


def _quote_numbers(word: str) -> str:
    def quote(match: re.Match[str]) -> str:
        element = match[0].strip()
        try:
            number = not match[1] and isinstance(parsed(f"element={element}").value(), int | float)
        except LabError:
            return match[0]
        return f"'{element}'" if number else match[0]

    key, equals, value = word.partition("=")
    return word if re.search("[({]", value) else key + equals + ELEMENT.sub(quote, value)


def is_text(key: str) -> bool:
    """Whether a key of the config is a text or a list of texts, in every section that has it."""
    return key.lstrip("+") in _texts()


@cache
def _texts() -> frozenset[str]:
    kinds: dict[str, set[bool]] = {}
    for key, annotation in _fields("", Config):
        inside = set(_parts(annotation))
        kinds.setdefault(key, set()).add(str in inside and inside <= {str, NoneType})
    return frozenset(key for key, texts in kinds.items() if texts == {True})


def _fields(prefix: str, section: type[BaseModel]) -> Iterator[tuple[str, Any]]:
    """Every field of a section and of those below it, of each kind that they can be of."""
    for name, field in section.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        yield key, field.annotation
        for part in _parts(field.annotation):
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield from _fields(f"{key}.", part)
    for kind in section.__subclasses__():
        yield from _fields(prefix, kind)


def _parts(annotation: Any) -> Iterator[Any]:
    """The types that an annotation is put together from."""
    inner = get_args(annotation)
    yield from (part for one in inner for part in _parts(one)) if inner else (annotation,)


def python_command(overrides: Sequence[str]) -> str:
    """The command that a shell would take for these overrides."""
    return shlex.join([Path(sys.executable).name, "-m", "src.train", *overrides])
