"""Sizes and times as they are shown."""

import pytest

from src.sweep.dry_run import size
from src.sweep.summary import duration


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 B"), (999, "999 B"), (1536, "1.5 KiB"), (3 * 2**20, "3 MiB"), (2**50, "1.02e+03 TiB")]
)
def test_bytes(number: int, text: str) -> None:
    assert size(number) == text


@pytest.mark.parametrize(("seconds", "text"), [(0.034, "0.034 s"), (42, "42 s"), (150, "2.5 min"), (9000, "2.5 h")])
def test_seconds(seconds: float, text: str) -> None:
    assert duration(seconds) == text
