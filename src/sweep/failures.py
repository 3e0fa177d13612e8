"""What the command does and tells at the end of a sweep: what failed while the others went on, and a report."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from src.errors import LabError

if TYPE_CHECKING:
    from src.sweep.ledger import Ledger

FAILED: list[LabError] = []
"""Of this process."""

REPORTED: list[Path] = []
"""Sweep directories that are to have a report."""


def failures(ledger: "Ledger") -> str:
    """What failed and why: `3 of 40 runs failed: ...`; empty where nothing did."""
    reasons: dict[str, list[int]] = {}
    for entry in sorted(ledger.entries, key=lambda entry: entry.number):
        if entry.outcome is None and entry.failure is not None:
            reasons.setdefault(entry.failure, []).append(entry.number)
    number = sum(map(len, reasons.values()))
    causes = "; ".join(f"{reason} ({_numbers(numbers)})" for reason, numbers in list(reasons.items())[:5])
    more = f"; and {len(reasons) - 5} other reasons" if len(reasons) > 5 else ""
    again = "; fix that and try them again with hydra.launcher.retry_failed=true"
    return f"{number:,} of {len(ledger.entries):,} runs failed: {causes}{more}{again}" if number else ""


def _numbers(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:5]))
    return f"job{'s' * (len(numbers) > 1)} {shown}{', ...' if len(numbers) > 5 else ''}"
