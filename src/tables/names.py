"""The names of columns: stripped, told apart, and made up where there are none."""

import re
from collections.abc import Sequence
from typing import NamedTuple


class Names(NamedTuple):
    """One name a column, those of them that are made up for want of one, and what was done, a line each."""

    names: list[str]
    unnamed: frozenset[str]
    told: tuple[str, ...] = ()


def numbered(width: int) -> Names:
    """The names of columns without a header."""
    return Names([f"c{number}" for number in range(1, width + 1)], frozenset())


def names_of(written: Sequence[str]) -> Names:
    """The names of a header; an empty one, or pandas' `Unnamed: 0`, is called by its position, c1."""
    bare = [re.sub(r"\s*[\r\n]\s*", " ", name.removeprefix("\ufeff").strip()) for name in written]
    given = {name for name in bare if name}
    names: dict[str, None] = {}  # in order, and quick to look up: there may be thousands
    unnamed: list[str] = []
    renamed: list[str] = []
    for position, name in enumerate(bare, 1):
        nameless = not name or re.fullmatch(r"Unnamed: \d+(_level_\d+)?", name)
        wanted = f"c{position}" if nameless else name
        new, count = wanted, 1
        while new in names or (new in given and (nameless or count > 1)):
            count += 1
            new = f"{wanted}_{count}"
        names[new] = None
        if nameless:
            unnamed.append(new)
        elif new != name:
            renamed.append(f"{name} is {new}")
    twice = f"columns of one name are told apart: {', '.join(renamed[:5])}{', ...' * (len(renamed) > 5)}"
    return Names([*names], frozenset(unnamed), (twice,) if renamed else ())
