"""The words of a command: read by Hydra's grammar, put in quotes for it, and joined for a shell."""

import re
import shlex
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType, ValueType
from hydra.errors import HydraException

from src.errors import LabError

TEXTS = (
    "ckpt_path",
    *(f"data.{key}" for key in ("path", "target", "features", "leave_out", "separator", "decimal", "encoding")),
)
"""Keys that are texts, or lists of texts, whatever is typed."""
SIGNS = ("data.separator", "data.decimal")
"""Keys whose values are signs, which Hydra's grammar takes for its own."""
ELEMENT = re.compile(r"""('(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")|[^][,'"]+""")
"""Of a value: what is in quotes, or a stretch without quotes, brackets and commas."""
NUMBER = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)=(-?(?:0|[1-9]\d{0,99})(\.\d+)?(e[+-]?\d+)?)", re.ASCII)
"""A key and a number, as most of the words of a sweep are: Hydra's parser takes thirty times as long as this."""


@cache
def _parser() -> OverridesParser:
    return OverridesParser.create()


def parsed(word: str) -> Override:
    """An override, read.

    Raises:
        LabError: it is not of Hydra's grammar.
    """
    if found := NUMBER.fullmatch(word):
        number = float(found[2]) if found[3] or found[4] else int(found[2])
        return Override(OverrideType.CHANGE, found[1], ValueType.ELEMENT, number, input_line=word)
    try:
        override = _parser().parse_override(word)
    except HydraException as error:
        reason = str(error).splitlines()[0].partition(" expecting ")[0]
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
    """Put in quotes what is to be a text and would be read as something else, or not at all.

    `data.target=1.50` is a column of that name, and so is `data.target=R&D Spend`; `data.separator=,` is a comma.
    """
    return [_quote_text(word, *word.lstrip("+").partition("=")[::2]) for word in words]


def _quote_text(word: str, key: str, value: str) -> str:
    if key in SIGNS and re.fullmatch(r"""[^\w'"]|\\t""", value):
        return f"{word[: -len(value)]}'{value}'"
    return _quote_unread(_quote_numbers(word)) if key in TEXTS else word


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


def _quote_unread(word: str) -> str:
    """Names that are not of Hydra's grammar, other scripts' say, alone, in a list or swept over."""
    key, _, value = word.partition("=")
    is_list, several = re.fullmatch(r"\[[^][]*\]", value), "," in value
    try:
        parsed(word)
    except LabError:
        if is_list or (several and not re.search(r"[][(){}$]", value)):
            value = ELEMENT.sub(lambda match: match[0] if match[1] else quoted(match[0].strip()), value)
        elif value and not several and "${" not in value:
            value = quoted(value)
    return f"{key}={value}" if value else word


def python_command(overrides: Sequence[str]) -> str:
    """The command that a shell would take for these overrides."""
    return shlex.join([Path(sys.executable).name, "-m", "src.train", *overrides])
