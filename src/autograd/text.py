"""How numbers, vectors and matrices are written."""

from collections.abc import Sequence
from typing import TypeVar

from torch import Tensor

T = TypeVar("T")


def number_text(number: float, digits: int = 6) -> str:
    """Six digits that count, and no negative zero."""
    return f"{number + 0.0:.{digits}g}"


def tensor_text(value: Tensor, most: int = 4, digits: int = 6) -> str:
    """A number, a vector in a line or a matrix in lines; beyond `most` rows or columns, the first, the last and `…`."""
    if not value.dim():
        return number_text(float(value), digits)
    rows = [[number_text(number, digits) for number in row] for row in value.reshape(-1, value.shape[-1]).tolist()]
    rows = [_some(row, most, "…") for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        f"[{', '.join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))}]"
        for row in _some(rows, most, ["…".rjust(width) for width in widths])
    ]
    large = f" ({'×'.join(map(str, value.shape))})" if max(value.shape) > most else ""
    return (lines[0] if value.dim() == 1 else "[" + ",\n ".join(lines) + "]") + large


def _some(items: Sequence[T], most: int, gap: T) -> list[T]:
    return list(items) if len(items) <= most else [*items[: most - 2], gap, items[-1]]
