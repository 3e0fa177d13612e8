"""The runs of a sweep directory that have ended, whatever of its files is whole."""

import json
from pathlib import Path
from typing import Any

import pytest

from src.errors import LabError
from src.sweep.ledger import FORMAT
from src.sweep.report_rows import ended_runs, is_sweep
from tests.report.sweeps import grid, run

JOBS = grid({("sgd", 0.1): [1.0, 2.0], ("adam", 0.1): [3.0, None]})


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """Four runs that have ended, one that has failed and one that is unfinished, without a `results.csv`."""
    for number, job in enumerate(JOBS):
        run(tmp_path / str(number), job)
    call = {"shared": [], "keys": ["optimizer"], "swept": [], "common": {}, "varying": [], "choices": {}}
    words = [*(job["words"] for job in JOBS), {"+optimizer.rho": "1"}, {"optimizer": "sgd"}]
    jobs: list[dict[str, Any]] = [
        {"number": n, "fingerprint": f"{n:0>16}", "swept": [f"{k}={v}" for k, v in of_one.items()], "call": 0}
        for n, of_one in enumerate(words)
    ]
    jobs[4]["failure"] = "no reason"
    kept = {"format": FORMAT, "calls": [call], "jobs": jobs, "stacks": {}}
    (tmp_path / "sweep.json").write_text(json.dumps(kept), encoding="utf-8")
    return tmp_path


def test_without_a_table_the_runs_own_results_are_taken(ledger: Path) -> None:
    assert is_sweep(ledger)
    rows, unfinished, remarks = ended_runs(ledger)
    assert [(row.name, row.status, row.metrics.get("val/loss")) for row in rows] == [
        *(("0", "completed", 1.0), ("1", "completed", 2.0), ("2", "completed", 3.0)),
        *(("3", "diverged", None), ("4", "failed", None)),
    ]
    assert rows[4].words == {"optimizer.rho": "1"}
    assert (unfinished, remarks) == (1, [])


def test_a_broken_table_is_told_and_made_good(ledger: Path) -> None:
    (ledger / "results.csv").write_text("job,status\n0,completed\n", encoding="utf-8")
    rows, _, (remark,) = ended_runs(ledger)
    assert len(rows) == 5
    assert remark.endswith("; the runs' own results are used instead")
    (ledger / "sweep.json").unlink()
    with pytest.raises(LabError, match=r"results\.csv cannot be read"):
        ended_runs(ledger)
