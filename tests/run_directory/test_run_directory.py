"""A run directory: what is written can be read again, strictly, and what is broken is told."""

import json
import math
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.errors import LabError
from src.run_directory import (
    MetricsFile,
    Result,
    RunDirectory,
    look_at,
    read_profiles,
    read_rows,
    write_rows,
)

Train = Callable[..., Result]

CONTRACT = {
    *("status", "steps", "metrics", "parameters", "seconds", "device", "stack_size", "seed", "fingerprint"),
    *("reason", "truth", "exact", "features", "targets", "environment", "stepper", "cause", "loss", "table", "classes"),
}


def strict(text: str) -> Any:
    """JSON as its standard has it: NaN and Infinity, which Python writes and reads by default, are refused."""

    def refuse(constant: str) -> NoReturn:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def a_result(directory: Path, **changes: Any) -> Result:
    result = Result(
        status="completed",
        reason="all 10 steps were taken",
        steps=10,
        metrics={"train/loss": 0.5, "val/loss": None},
        parameters={"weight": [[1.5]], "bias": [0.25]},
        features=["x"],
        targets=["y"],
        truth={"weight": [[2.0]], "bias": [1.0]},
        stepper={"name": "torch", "reason": ""},
        cause="all_steps",
        exact={},
        seconds={"fit": 0.125, "total": 0.5},
        device="cpu",
        stack_size=1,
        seed=0,
        fingerprint="0123456789abcdef",
        environment={"python": "3"},
        directory=directory,
    )
    return replace(result, **changes)


# --- result.json ---


def test_a_run_is_written_and_read_again(train: Train) -> None:
    result = train("run", "trainer.max_steps=10", "seed=3")
    written = strict((result.directory / "result.json").read_text(encoding="utf-8"))
    assert written.keys() == CONTRACT | {"files", "digest"}
    assert RunDirectory(result.directory).read_result() == result.as_json()
    assert written["files"].keys() == {path.name for path in result.directory.glob("*.csv")}
    assert (written["status"], written["steps"], written["seed"], written["stack_size"]) == ("completed", 10, 3, 1)
    assert written["metrics"].keys() == {"train/loss", "val/loss", "test/loss"}
    assert written["truth"] == {"weight": [[3.0]], "bias": [1.0]}  # slope and intercept of conf/data/line.yaml
    assert 0 < written["seconds"]["fit"] < written["seconds"]["total"]
    assert "seed=3" in written["environment"]["command"]


def test_a_diverged_run_is_strict_json(train: Train) -> None:
    words = ["experiment=diverging", "trainer.divergence_factor=null", "callbacks=[parameters]"]
    result = train("run", *words)
    written = strict((result.directory / "result.json").read_text(encoding="utf-8"))
    assert written["status"] == "diverged"
    assert written["metrics"]["train/loss"] is None
    assert "inf" in (result.directory / "metrics.csv").read_text()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=8,
    )
)
@settings(max_examples=50, deadline=None)
def test_whatever_is_in_a_result_is_strict_json(value: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        directory = RunDirectory(Path(folder))
        result = a_result(directory.path, parameters={"weight": value})
        directory.write_result(result)
        strict(directory.result_path.read_text(encoding="utf-8"))
        assert directory.read_result() == result.as_json()


def test_what_is_not_finite_is_null(tmp_path: Path) -> None:
    numbers = [[float("nan")], (float("inf"), 1.0), -float("inf")]
    assert a_result(tmp_path, parameters={"weight": numbers}).as_json()["parameters"] == {
        "weight": [[None], [None, 1.0], None]
    }


def test_a_result_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    with pytest.raises(TypeError):
        directory.write_result(a_result(tmp_path, parameters={"weight": object()}))
    assert not directory.finished
    directory.write_result(a_result(tmp_path))
    assert directory.finished
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", "null", "3", '"status"', '{"steps": 3}', "\x00"])
def test_a_broken_result_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(LabError, match=r"result\.json is broken"):
        RunDirectory(tmp_path).read_result()


def test_an_unfinished_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="holds no finished run"):
        RunDirectory(tmp_path).read_result()


# --- metrics.csv ---

Rows = dict[int, dict[str, float]]
NAMES = ["train/loss", "val/loss", "lr", "weight[0, 1]", 'a "quoted", name']
ROW = st.dictionaries(st.sampled_from(NAMES), st.floats(allow_nan=False), min_size=1, max_size=3)


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_rows_are_merged_by_step_whenever_they_are_written(data: st.DataObject) -> None:
    """As a run does it: steps grow, and what is before the current step is written now and then."""
    expected: Rows = {}
    with tempfile.TemporaryDirectory() as folder:
        curves, step = MetricsFile(Path(folder) / "metrics.csv"), 0
        for _ in range(data.draw(st.integers(0, 12), label="records")):
            step += data.draw(st.integers(0, 3), label="steps")
            values = data.draw(ROW)
            curves.record(step, values)
            expected.setdefault(step, {}).update(values)
            if data.draw(st.booleans(), label="write"):
                curves.write(before=step)
                assert set(curves.pending) == {step}
        curves.write()
        assert not curves.pending
        assert read_rows(curves.path) == sorted(expected.items())


def test_a_column_that_comes_later_is_added_to_the_rows_before(tmp_path: Path) -> None:
    curves = MetricsFile(tmp_path / "metrics.csv")
    for step in range(3):
        curves.record(step, {"train/loss": float(step)})
    curves.write()
    curves.record(3, {"val/loss": 0.1, "train/loss": 3.0})
    curves.write()
    lines = (tmp_path / "metrics.csv").read_text().splitlines()
    assert lines == ["step,train/loss,val/loss", "0,0.0,", "1,1.0,", "2,2.0,", "3,3.0,0.1"]


def test_an_old_curve_is_carried_over_up_to_a_step(tmp_path: Path) -> None:
    old = MetricsFile(tmp_path / "old.csv")
    for step in range(0, 50, 10):
        old.record(step, {"train/loss": 1.0 / (step + 1), "val/loss": float(step)})
    old.write()
    new = MetricsFile(tmp_path / "new.csv", carried=old.path, until=20)
    assert sorted(new.pending) == [0, 10, 20]
    new.record(20, {"lr": 0.5})
    new.record(30, {"train/loss": 7.0})
    new.write()
    assert read_rows(new.path)[:2] == read_rows(old.path)[:2]
    assert read_rows(new.path)[2:] == [
        (20, {"train/loss": 1.0 / 21, "val/loss": 20.0, "lr": 0.5}),
        (30, {"train/loss": 7.0}),
    ]
    assert len(read_rows(old.path)) == 5


def test_without_an_old_curve_nothing_is_carried_over(tmp_path: Path) -> None:
    assert MetricsFile(tmp_path / "new.csv", carried=tmp_path / "gone.csv", until=20).pending == {}


@pytest.mark.parametrize(
    "text",
    ["a,b\n1,2\n", "step,train/loss\nx,1\n", "step,train/loss\n1,x\n", "step,train/loss\n1,2,3\n", "step\n1.5\n"],
)
def test_broken_curves_are_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "metrics.csv").write_text(text)
    with pytest.raises(LabError, match="cannot be read as the curves of a run"):
        read_rows(tmp_path / "metrics.csv")


def test_curves_that_are_not_there_or_no_text(tmp_path: Path) -> None:
    (tmp_path / "bytes.csv").write_bytes(b"step,train/loss\n1,\xff\n")
    (tmp_path / "long.csv").write_text("step,train/loss\n1," + "1" * (1 << 24 | 1))  # more than csv takes for a field
    for name in ("gone.csv", "bytes.csv", "long.csv"):
        with pytest.raises(LabError, match=f"{name}: it cannot be read"):
            read_rows(tmp_path / name)


def test_rows_written_at_once_are_those_written_one_by_one(tmp_path):
    curves: dict[str, tuple[list[int], list[Any]]] = {
        "val/loss": ([10, 20], [0.1, math.inf]),
        "train/loss": ([0, 5, 10], [1.0, 1e-17, math.nan]),
        "odd, name": ([5], [2.5]),
        'histograms/of "a", b': ([0, 20], [[0.5, 1.5, 3.0, 0.25], [-math.inf, 1e300, math.nan]]),
    }
    write_rows(tmp_path / "at once.csv", curves)
    profiles = read_profiles(tmp_path)
    slowly = MetricsFile(tmp_path / "one by one.csv")
    for name, (steps, values) in curves.items():
        for step, value in zip(steps, values, strict=True):
            slowly.record(step, {name: value})
    slowly.write()
    name = 'histograms/of "a", b'
    assert repr(profiles) == repr([(step, {name: one}) for step, one in zip(*curves[name], strict=True)])
    assert repr(read_profiles(tmp_path)) == repr(profiles)
    at_once, one_by_one = (dict(read_rows(tmp_path / f"{name}.csv")) for name in ("at once", "one by one"))
    assert repr(at_once) == repr({step: {k: row[k] for k in at_once[step]} for step, row in one_by_one.items()})
    assert at_once.keys() == one_by_one.keys() == {0, 5, 10, 20}


def test_what_shows_a_run_can_be_typed_from_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.executable", "/usr/bin/python")
    run = Path("outputs/runs/my run")
    page = "look at it with python -m src.report 'outputs/runs/my run'"
    assert look_at(run.absolute(), None) == page
    assert look_at(run, run) == f"{page} or tensorboard --logdir outputs"
    assert look_at(run, Path("/elsewhere/a"), page=True) == "look at it with tensorboard --logdir /elsewhere/a"
    assert look_at(run, Path(), page=True) == "look at it with tensorboard --logdir ."
    assert look_at(run, None, page=True) == ""
