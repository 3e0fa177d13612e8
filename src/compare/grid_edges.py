"""Where the best of a grid lies at an end of what was tried, and which range would tell."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from src.compare.rows import number
from src.config.domains import KEYS, POSITIVE, Domain
from src.optim import rules


@dataclass(frozen=True)
class Edge:
    """A winner's number that is the smallest or the largest of those tried.

    Attributes:
        key: of the config.
        value: as it was typed.
        end: at which end it lies.
        tried: how many different numbers there were.
        search: the range to try next, in Hydra's grammar.
    """

    key: str
    value: str
    end: Literal["smallest", "largest"]
    tried: int
    search: str


DOMAINS: Mapping[str, Domain] = {**KEYS, **rules.DOMAINS}
"""By the last part of a key."""

UNLIMITED = ("batch_size", "gradient_clip_val")
"""Keys whose word that is no number (full, null) lies beyond every number."""


def edges(best: Mapping[str, str], tried: Sequence[Mapping[str, str]], keys: Sequence[str]) -> tuple[Edge, ...]:
    """Those of `keys` for which `best` lies at an end of `tried`, where there is something left to try beyond.

    Args:
        best: the winning words.
        tried: the words of all settings, the winning ones included.
        keys: which of them are tuned.
    """
    found = (_edge(key, best[key], [words[key] for words in tried if key in words]) for key in keys if key in best)
    return tuple(edge for edge in found if edge is not None)


def _edge(key: str, text: str, texts: Sequence[str]) -> Edge | None:
    value, numbers = number(text), sorted({one for one in map(number, texts) if one is not None})
    if value is None or len(numbers) < 2 or value not in (numbers[0], numbers[-1]):
        return None
    name = key.rpartition(".")[2]
    domain = _domain(name, texts, numbers)
    smallest = value == numbers[0]
    if smallest:
        left = value > domain.low
    else:
        left = value < domain.high and not (name in UNLIMITED and any(number(one) is None for one in texts))
    if not left:
        return None
    search = _range(value, numbers, domain)
    return Edge(key, text, "smallest" if smallest else "largest", len(numbers), search)


def _domain(name: str, texts: Sequence[str], numbers: Sequence[float]) -> Domain:
    """That of the key, unless what was tried shows that it means another thing here; else what that suggests.

    That is none below 0 where none was, and whole ones where all were typed as such.
    """
    domain = DOMAINS.get(name)
    if domain is not None and domain.low <= numbers[0] and numbers[-1] <= domain.high:
        return domain
    whole = all(text.lstrip("+-").isdecimal() for text in texts)
    if numbers[0] < 0:
        return Domain(whole=whole)
    return Domain(0, low_included=whole or numbers[0] == 0, whole=whole)


def by_logarithm(numbers: Sequence[float], domain: Domain = POSITIVE) -> bool:
    """Whether sorted numbers are spaced more evenly in their logarithm; of two, whether one is twice the other."""
    if numbers[0] <= 0:
        return False
    if len(numbers) == 2:
        return math.isinf(domain.high) and numbers[1] >= 2 * numbers[0]
    return _unevenness([math.log(one) for one in numbers]) < _unevenness(numbers)


def _unevenness(numbers: Sequence[float]) -> float:
    """Deviation of the gaps over their mean."""
    gaps = [after - before for before, after in pairwise(numbers)]
    mean = sum(gaps) / len(gaps)
    return math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) / mean


def _range(value: float, numbers: Sequence[float], domain: Domain) -> str:
    """As wide as what was tried, around `value`, inside the domain."""
    log = by_logarithm(numbers, domain)
    if log:
        half = math.sqrt(numbers[-1] / numbers[0])
        low, high = value / half, value * half
    else:
        half = (numbers[-1] - numbers[0]) / 2
        low, high = value - half, value + half
    # an end that is not allowed itself is approached to a tenth of the distance
    if low <= domain.low:
        low = domain.low if domain.low_included else domain.low + (value - domain.low) / 10
    if high >= domain.high:
        high = domain.high if domain.high_included else domain.high - (domain.high - value) / 10
    if domain.whole:
        low, high = min(round(low), round(value) - 1), max(round(high), round(value) + 1)
        low = max(low, domain.low)
    tags = [*(["int"] if domain.whole else []), *(["log"] if log and low > 0 else [])]
    interval = f"interval({_rounded(low, domain)},{_rounded(high, domain)})"
    return f"tag({','.join(tags)},{interval})" if tags else interval


def _rounded(value: float, domain: Domain) -> str:
    """To 3 digits; near an upper end of 1, of the distance to it."""
    if domain.whole:
        return str(int(value))
    if domain.high == 1 and value > 0.5:
        return f"{1 - float(f'{1 - value:.3g}'):.12g}"
    return f"{float(f'{value:.3g}'):g}"
