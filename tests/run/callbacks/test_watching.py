"""What is watched along a run, against values computed from the run's own data."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from src.run_directory import Result, read_profiles, read_rows

Train = Callable[..., Result]


def column(directory: Path, name: str) -> dict[int, float]:
    return {step: row[name] for step, row in read_rows(directory / "metrics.csv") if name in row}


def events(directory: Path) -> EventAccumulator:
    files = list(directory.glob("events.out.tfevents.*"))
    assert len(files) == 1
    return EventAccumulator(str(files[0]), size_guidance={"histograms": 0, "scalars": 0, "images": 0}).Reload()


def test_parameters_every_so_many_steps(train: Train, tmp_path: Path) -> None:
    """y = 2x through (1,2), (2,4), (3,6): w <- w - lr * mean(2 x (w x - y)) = w - 0.01 * 28/3 (w - 2)."""
    train("run", "experiment=proportional", "model.dtype=float64")
    expected = {step: 2 - (1 - 0.01 * 28 / 3) ** step for step in range(0, 101, 10)}
    assert column(tmp_path / "run", "weight") == pytest.approx(expected, rel=1e-12)


def test_parameters_leave_large_models_alone(train: Train, tmp_path: Path) -> None:
    train("run", "callbacks=parameters", "callbacks.parameters.most=1", "trainer.max_steps=50")
    assert column(tmp_path / "run", "weight") == {}


def test_gradient_norm_is_of_all_rows(train: Train, tmp_path: Path) -> None:
    """The gradient at w of the three points is 28/3 (w - 2), also where batches and clipping are on."""
    words = ["callbacks=[parameters,gradient_norm]", "callbacks.parameters.every_n_steps=7", "trainer.max_steps=30"]
    words += ["callbacks.gradient_norm.every_n_steps=7", "data.batch_size=2", "trainer.gradient_clip_val=0.5"]
    train("run", "experiment=proportional", "model.dtype=float64", *words)
    weight, norm = column(tmp_path / "run", "weight"), column(tmp_path / "run", "gradient_norm")
    assert list(norm) == [0, 7, 14, 21, 28, 30]
    assert norm == pytest.approx({step: abs(28 / 3 * (w - 2)) for step, w in weight.items()}, rel=1e-9)


def test_learning_rate_of_the_step_to_come(train: Train, tmp_path: Path) -> None:
    words = ["scheduler=exponential", "scheduler.gamma=0.9", "optimizer.lr=0.1", "trainer.max_steps=25"]
    train("run", "callbacks=learning_rate", *words)
    expected = {step: 0.1 * 0.9**step for step in (0, 10, 20, 25)}
    assert column(tmp_path / "run", "lr") == pytest.approx(expected, rel=1e-12)


def test_watching_changes_no_number(train: Train) -> None:
    words = ["data=teacher", "model=two_layer", "optimizer=adam", "data.batch_size=64", "trainer.max_steps=40"]
    alone = train("alone", *words)
    watch = "callbacks=[gradient_norm,histograms,learning_rate,parameters,fitted_line]"
    watched = train("watched", *words, watch, "callbacks.gradient_norm.every_n_steps=3", "logger=tensorboard")
    assert alone.metrics == watched.metrics


def test_tensorboard_has_curves_figures_and_hyperparameters(train: Train, tmp_path: Path) -> None:
    watch = ["callbacks=[histograms,fitted_line]", "callbacks.fitted_line.every_n_steps=50"]
    result = train("run", "experiment=noisy_line", "logger=tensorboard", *watch)
    seen = events(tmp_path / "run")
    curve = {event.step: event.value for event in seen.Scalars("train/loss")}
    written = column(tmp_path / "run", "train/loss")
    assert curve == pytest.approx(written, rel=1e-6)
    assert seen.Tags()["histograms"] == []  # single numbers have none
    assert [event.step for event in seen.Images("fitted_line")] == [0, 50, 100]
    lines = dict(read_profiles(tmp_path / "run"))
    low, high, *heights = lines[100]["fitted_line/y"]
    weight, bias = result.parameters["weight"][0][0], result.parameters["bias"][0]
    assert heights == pytest.approx(weight * np.linspace(low, high, 200) + bias, rel=1e-5)
    assert "_hparams_/session_start_info" in seen.summary_metadata
    final = {tag: seen.Scalars(tag)[-1].value for tag in ("final/train/loss", "final/val/loss", "final/test/loss")}
    assert final == pytest.approx({f"final/{key}": value for key, value in result.metrics.items()}, rel=1e-6)
    beside = yaml.safe_load((tmp_path / "run" / "hparams.yaml").read_text())
    assert beside["optimizer.lr"] == 0.01
    assert beside["data.seed"] == 42


def test_watching_a_module_with_dropout_changes_no_number(train: Train) -> None:
    words = [
        "data=teacher",
        "data.rows=40",
        "model=custom",
        "model._target_=tests.models.own.Dropping",
        "trainer.max_steps=30",
    ]
    assert train("alone", *words).metrics == train("watched", *words, "callbacks=gradient_norm").metrics
