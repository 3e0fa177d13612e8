"""A run by itself that rules, or C, step as a stack of one: torch's numbers but for rounding, and its checkpoints."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from src.errors import LabError
from tests.run.reading import assert_same, outcome, rows, state

Train = Callable[..., Any]
NET = ["data=teacher", "data.rows=48", "data.inputs=4", "data.hidden=3", "model=two_layer", "model.hidden=6"]
PLATEAU = ["scheduler=plateau", "scheduler.patience=0", "scheduler.threshold=0.5"]
CASES = {
    "compiled": [
        *("optimizer=schedule_free_adamw", *NET, "data.batch_size=10", "trainer.zero_grad_every_n_steps=3"),
        "callbacks.checkpoint.monitor=null",  # a best state begins anew, and to save one rounds
    ],
    "rules": ["optimizer=nadam", *PLATEAU],
}
SHARED = [
    "model.dtype=float64", "trainer.max_steps=40", "trainer.val_every_n_steps=10", "trainer.log_every_n_steps=1",
    "trainer.block_size=7", "callbacks.checkpoint.every_n_steps=20",
]  # fmt: skip
CRASH = ["+callbacks.crash._target_=tests.own.Crash", "+callbacks.crash.at=25"]


@pytest.mark.parametrize("name", ["compiled", pytest.param("rules", marks=pytest.mark.long)])
def test_it_ends_as_torchs_own_and_each_goes_on_from_the_others_checkpoint(
    tmp_path: Path, train: Train, name: str
) -> None:
    if name == "compiled" and shutil.which("cc") is None:
        pytest.skip("there is no C compiler")
    words, own = [*CASES[name], *SHARED], f"trainer.stepper={name}"
    ours, theirs = train("ours", *words, own), train("theirs", *words)
    assert (ours.stepper["name"], theirs.stepper["name"]) == (name, "torch")
    for (step, mine), (other, expected) in zip(
        *(rows(tmp_path / n / "metrics.csv") for n in ("ours", "theirs")), strict=True
    ):
        assert (step, mine) == (other, pytest.approx(expected, rel=1e-9))
    for before, asked in (("cut", own), ("cut_by_torch", "trainer.stepper=auto")):
        with pytest.raises(LabError, match="power cut"):
            train(before, *words, asked, *CRASH)
    last = {before: f"ckpt_path={tmp_path / before}/checkpoints/last.ckpt" for before in ("cut", "cut_by_torch")}
    goes_on = "callbacks.crash=null"
    train("again", last["cut"], goes_on)
    assert_same(state(tmp_path / "again"), state(tmp_path / "ours"))
    assert outcome(tmp_path / "again")["metrics"] == ours.metrics
    for which, asked in (("cut_by_torch", own), ("cut", "trainer.stepper=auto")):
        found = train(f"on_from_{which}", last[which], asked, goes_on)
        assert found.metrics == pytest.approx(theirs.metrics, rel=1e-9), which


def test_it_has_lightnings_events(tmp_path: Path, train: Train) -> None:
    """Early stopping, callbacks that act on one run, a way that is written step by step, predictions."""
    words = [*SHARED, "callbacks=[early_stopping,time_limit,gradient_norm]", "callbacks.early_stopping.patience=1"]
    words.append("callbacks.early_stopping.min_delta=10")
    ours, theirs = train("ours", *words, "trainer.stepper=rules"), train("theirs", *words)
    assert (ours.steps, ours.reason) == (theirs.steps, theirs.reason)
    assert 10 < ours.steps < 40
    for name in ("metrics.csv", "way.csv"):
        for (step, mine), (other, expected) in zip(
            *(rows(tmp_path / n / name) for n in ("ours", "theirs")), strict=True
        ):
            assert (step, mine) == (other, pytest.approx(expected, rel=1e-9))
    tables = [(tmp_path / which / "predictions.csv").read_text().splitlines() for which in ("ours", "theirs")]
    assert [len(table) for table in tables] == [len(tables[0])] * 2


def test_what_does_not_step_in_a_stack_as_alone_is_refused(train: Train) -> None:
    with pytest.raises(LabError, match=r"trainer\.stepper=rules: .*Dropping draws random numbers; leave it out"):
        train("ours", "model=custom", "model._target_=tests.models.own.Dropping", *SHARED, "trainer.stepper=rules")
