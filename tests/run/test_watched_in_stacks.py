"""What is watched and logged of a member of a stack, against the run by itself."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from src.engine.choose_stepper import choose_stepper
from src.errors import LabError
from src.run.train import train
from src.run_directory import Result, read_profiles, read_rows
from tests.run.runs import alone, members, numbers

EVERYTHING = ["callbacks=[sharpness,histograms,fitted_line,update,gradient_norm]", "callbacks.checkpoint=null"]
EVERYTHING += [f"callbacks.{name}.every_n_steps=10" for name in ("sharpness", "histograms", "fitted_line")]
JOBS = [["model.seed=1"], ["model.seed=2", "optimizer.lr=0.004"]]


def watched(directory: Path) -> dict[tuple[int, str], Any]:
    """All curves and profiles, by step and name."""
    rows: list[tuple[int, dict[str, Any]]] = [*read_rows(directory / "metrics.csv"), *read_profiles(directory)]
    return {(step, name): value for step, row in rows for name, value in row.items()}


def logged(directory: Path) -> dict[tuple[int, str], float]:
    """What Lightning's CSVLogger has, by step and name."""
    table = pl.read_csv(directory / "csv" / "metrics.csv", infer_schema_length=None)
    points = table.unpivot(index="step", on=[name for name in table.columns if name != "step"]).drop_nulls()
    return {(step, name): float(value) for step, name, value in points.iter_rows()}


@pytest.mark.parametrize(
    ("words", "stepper", "number"),
    [
        (["experiment=noisy_line", "optimizer=momentum"], "rules", 6),
        (["data=teacher", "data.rows=40", "model=custom", "model._target_=tests.models.own.Net"], "rules", 7),
        (["data=teacher", "data.rows=40", "model=two_layer", "trainer.create_graph=true"], "each", 7),
    ],
    ids=["a line", "a module of one's own", "one after another"],
)
def test_it_is_that_of_the_lone_run(tmp_path: Path, words: list[str], stepper: str, number: int) -> None:
    """To rounding; and the same bits in a stack of one as in one of two."""
    shared = [*words, *EVERYTHING, "model.dtype=float64", "trainer.max_steps=20", "logger=csv"]
    choice = choose_stepper(members(tmp_path / "plan", shared, JOBS)[0].config)
    assert choice.stepper == stepper
    train(members(tmp_path / "two", shared, JOBS), choice)
    train(members(tmp_path / "one", shared, JOBS[:1]), choice)
    assert numbers(tmp_path / "one" / "0") == numbers(tmp_path / "two" / "0")
    lone = alone(tmp_path / "lone", shared, JOBS[0]).directory
    for read in (watched, logged):
        here, known = read(tmp_path / "two" / "0"), read(lone)
        assert here.keys() == known.keys()
        assert len({name.partition("/")[0] for _, name in known}) >= number
        for key, value in known.items():
            assert here[key] == pytest.approx(value, rel=1e-8, abs=1e-11), key


def test_tensorboard_shows_the_profiles_of_every_member(tmp_path: Path) -> None:
    shared = ["data=teacher", "data.rows=40", "model=two_layer", "callbacks=histograms", "trainer.max_steps=5"]
    shared += ["model.dtype=float64", "logger.tensorboard.runs=all"]
    train(members(tmp_path / "two", shared, JOBS), choose_stepper(members(tmp_path, shared, JOBS)[0].config))
    alone(tmp_path / "lone", shared, JOBS[1])
    here, known = (
        EventAccumulator(str(tmp_path / place), size_guidance={"histograms": 0}).Reload()
        for place in ("two/1", "lone/0")
    )
    tags = known.Tags()["histograms"]
    assert here.Tags()["histograms"] == tags == [f"{k}/{n}" for n in ("weight1", "bias1", "weight2") for k in KINDS]
    for tag in tags:
        for one, other in zip(here.Histograms(tag), known.Histograms(tag), strict=True):
            assert (one.step, one.histogram_value.bucket) == (other.step, other.histogram_value.bucket)
    assert known.Histograms(tags[0])[0].histogram_value.num == 10 * 32


KINDS = ("parameters", "gradients")


def test_a_logger_that_fails_takes_its_run_with_it_and_no_other(tmp_path: Path) -> None:
    """A folder stands where one of them would write its file."""
    some = members(tmp_path, ["logger=csv", "trainer.max_steps=5"], JOBS)
    (tmp_path / "1" / "csv" / "metrics.csv").mkdir(parents=True)
    first, second = train(some, choose_stepper(some[0].config))
    assert isinstance(first, Result)
    assert isinstance(second, LabError)
    assert str(second).startswith("a logger failed: IsADirectoryError")
    assert not (tmp_path / "1" / "result.json").exists()
