"""An earlier comparison's runs on the page of a newcomer's sweep."""

import json
import shutil
from pathlib import Path
from typing import Any

from src.compare import load
from src.report.export import exported
from src.report.findings import Findings, findings
from src.report.reading import Sweep, read
from tests.report.sweeps import grid, sweep

MINE = grid({("nadam", 0.1): [1.0, 2.0, 3.0], ("nadam", 0.2): [1.1, 2.2, None]}, exact={"train/loss": 0.25})
OTHERS = grid(
    {
        **{("sgd", 0.1): [1.5, 2.5, 3.5], ("sgd", 0.2): [1.2, 2.4, 3.1]},
        **{("adam", 0.1): [0.9, 1.9, 2.9], ("adam", 0.2): [1.0, 2.2, 3.3]},
    },
    exact={"train/loss": 0.25},
)


def fresh(jobs: list[dict[str, Any]], first: int) -> list[dict[str, Any]]:
    """A confirmation of the setting whose first job is `first`."""
    words = {**jobs[first]["words"], "seed": "7"}
    return [{**jobs[first], "words": words, "losses": [0.5, jobs[first]["losses"][1] + 0.3, 2.0], "confirms": first}]


def found(directory: Path) -> Findings:
    one = read(directory)
    assert isinstance(one, Sweep)
    return findings([one])


def test_the_page_is_that_of_all_trained_together(tmp_path: Path) -> None:
    """Tables, verdict and pictures; only the names of runs are others."""
    mine, others = MINE + fresh(MINE, 0), OTHERS + fresh(OTHERS, 3) + fresh(OTHERS, 6)
    config = {"config": "data:\n  batch_size: full\n  noise: 0.1\n"}
    mine, others = [job | config for job in mine], [job | config for job in others]
    behind = [job | ({"confirms": job["confirms"] + len(mine)} if "confirms" in job else {}) for job in others]
    together = sweep(tmp_path / "together", [*mine, *behind])
    here, old = sweep(tmp_path / "mine", mine), sweep(tmp_path / "old", others)
    exported([old]).write(here / "baseline.parquet")
    shutil.rmtree(old)
    known, page = found(together), found(here)
    assert [one.text for one in page.answers] == [one.text for one in known.answers]
    assert [(one.name, one.columns, one.rows) for one in page.tables] == [
        (t.name, t.columns, t.rows) for t in known.tables
    ]
    assert [picture.name for picture in page.charts] == [picture.name for picture in known.charts]
    assert set(page.remarks) - set(known.remarks) == {"14 of these runs are those of baseline.parquet"}
    assert page.answers[0].commands == known.answers[0].commands
    # out of it comes all of it again
    whole = exported([here])
    assert whole.runs.equals(load(str(here)).runs)
    assert whole.runs["confirms"].drop_nulls().to_list() == ["0", "baseline/3", "baseline/6"]


def test_an_export_without_curves_leaves_its_runs_out_of_what_is_shown_step_by_step(tmp_path: Path) -> None:
    here, old = (
        sweep(tmp_path / "mine", MINE),
        sweep(tmp_path / "old", [*OTHERS, {**OTHERS[0], "status": "unfinished"}]),
    )
    for path in old.glob("*/metrics.csv"):
        path.unlink()
    exported([old]).write(here / "baseline.parquet")
    (here / "sweep.json").write_text(json.dumps({"jobs": MINE}), encoding="utf-8")
    page = found(here)
    assert len(page.tables[0].rows) == 3
    assert "baseline.parquet: 1 more run has not ended, and is left out" in page.remarks
    assert [does for does, _ in page.answers[0].commands] == ["trains it"]  # those of a baseline cannot be confirmed
    told = [remark for remark in page.remarks if "step by step" in remark]
    assert told == [f"left out of what is shown step by step: {here / 'baseline.parquet'} holds no curves of its runs"]


def test_a_broken_export_leaves_the_newcomer_alone(tmp_path: Path) -> None:
    here = sweep(tmp_path / "mine", MINE)
    (here / "baseline.parquet").write_text("x", encoding="utf-8")
    page = found(here)
    assert len(page.tables[0].rows) == 1
    assert any("baseline.parquet cannot be read" in remark for remark in page.remarks)
