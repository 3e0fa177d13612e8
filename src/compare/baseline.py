"""The runs of an earlier comparison beside those of a newcomer."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from src.compare.rows import Row, Words, number

NAME = "baseline.parquet"
"""Of the copy in the directory of a newcomer's sweep."""
NAMES = ("optimizer", "optimizer._target_")


def beside(own: Sequence[Row], others: Sequence[Row]) -> list[Row]:
    """An earlier comparison's runs as rows of the newcomer's sweep: numbered behind its own, in its words.

    `src.sweep.against` has refused what differs; here words that say the same are made the same. What has one value
    there and is not swept here tells nothing apart, and the other way round; an optimizer of the newcomer's name is
    told from it.

    Args:
        own: of the newcomer.
        others: of the earlier comparison, numbered from 0.
    """
    free = max((row.job for row in own), default=-1) + 1
    here, there = (values(row.words for row in of_one) for of_one in (own, others))
    dropped = {key for key, words in there.items() if key not in here and len(words) == 1}
    added = {key: words[0] for key, words in here.items() if key not in there and len(words) == 1}
    spelled = {(key, number(word)): word for key, words in here.items() for word in words if number(word) is not None}
    names = {row.words.get(key) for row in own for key in NAMES} - {None}
    found = []
    for row in others:
        words = {k: spelled.get((k, number(word)), word) for k, word in row.words.items() if k not in dropped} | added
        words |= {key: f"{words[key]} (baseline)" for key in NAMES if words.get(key) in names}
        confirms = None if row.confirms is None else row.confirms + free
        found.append(replace(row, job=row.job + free, words=words, confirms=confirms, name=f"baseline/{row.name}"))
    return found


def is_own(key: str) -> bool:
    """Whether a key, or what is added or taken away by it, belongs to one's own optimizer alone."""
    return key.lstrip("+~").partition(".")[0] == "optimizer"


def unlike(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """A sentence on where the runs of the two were trained; empty where that was alike.

    Args:
        then: versions and machine of the earlier comparison.
        now: those of the newcomer.
    """
    keys = [key for key in ("torch", "processor", "device") if then.get(key) != now.get(key)]
    apart = ", ".join(f"{key} {then.get(key)} (now {now.get(key)})" for key in keys)
    return f"{NAME} was trained with {apart}: last digits may differ, and seconds do" if then and now and apart else ""


def values(jobs: Iterable[Words]) -> dict[str, list[str]]:
    """The different words of each key that is not the optimizer's."""
    found: dict[str, dict[str, None]] = {}
    for words in jobs:
        for key, word in words.items():
            if not is_own(key):
                found.setdefault(key, {})[word] = None
    return {key: list(words) for key, words in found.items()}
