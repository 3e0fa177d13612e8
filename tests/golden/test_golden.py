"""A few of the recorded cases again: the same numbers on every machine, the same bits on the one of the record."""

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.golden.cases import Case, all_cases
from tests.golden.compare import differences
from tests.golden.record import RECORD, machine, record

CASES = all_cases()
QUICK = [case for case in CASES if case.quick]


@cache
def recorded() -> dict[str, Any]:
    return json.loads(RECORD.read_text(encoding="utf-8"))


def numbers(run: dict[str, Any]) -> dict[str, Any]:
    """What any machine computes to rounding: how the run ended, and in what."""
    result, curves = run["result"], run["curves"]
    kept = {key: result[key] for key in ("status", "steps", "metrics", "parameters")}
    return {**kept, "rows": curves["rows"], "last row": curves["last"]}


def bits(run: dict[str, Any]) -> dict[str, Any]:
    """What only the same processor and the same torch compute: the hashes of curves and checkpoints."""
    return {
        name: run["curves"]["hash"] if name == "curves" else value for name, value in run.items() if name != "result"
    }


def far(old: Any, new: Any, first_loss: float) -> bool:
    """Whether two leaves differ by more than rounding: 1e-6 of the value, or 1e-12 of the run's first loss."""
    if isinstance(old, int | float) and isinstance(new, int | float):
        return not math.isclose(old, new, rel_tol=1e-6, abs_tol=1e-12 * first_loss)
    return True


@pytest.mark.parametrize("case", QUICK, ids=lambda case: case.name)
def test_what_was_computed_is_computed(case: Case, tmp_path: Path) -> None:
    old, new = recorded()["cases"][case.name], record(case, tmp_path)
    assert old["words"] == new["words"]
    assert old["runs"].keys() == new["runs"].keys()
    for name, then in old["runs"].items():
        now, first_loss = new["runs"][name], then["curves"]["first"]["train/loss"]
        found = differences(numbers(then), numbers(now))
        assert [one for one in found if far(one.old, one.new, first_loss)] == []
        if recorded()["machine"] == machine():
            assert list(differences(bits(then), bits(now))) == []


def test_every_case_is_recorded() -> None:
    assert [case.name for case in CASES] == list(recorded()["cases"])
