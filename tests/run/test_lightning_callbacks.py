"""Lightning's own callbacks count batches: here a batch is an optimizer step to them, or they are refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim.swa_utils import SWALR

from src.errors import LabError
from tests.run.reading import assert_same, kept, outcome, refused, rows

Train = Callable[..., Any]

X, Y = [0.0, 1.0, 2.0, 4.0], [1.0, 2.0, 2.0, 5.0]
POINTS = ["data=points", f"data.x={X}", f"data.y={Y}", "model.dtype=float64", "optimizer.lr=0.05"]


def lightnings(name: str, **arguments: Any) -> list[str]:
    """The words that add a callback of Lightning's own."""
    words = [f"+callbacks.{name}.{key}={value}" for key, value in arguments.items()]
    return [f"+callbacks.{name}._target_=lightning.pytorch.callbacks.{name}", *words]


class Bare:
    """Gradient descent on the points in a bare loop, from the weights that a run of this config starts with."""

    def __init__(self, train: Train, tmp_path: Path, lr: float = 0.05) -> None:
        # one step at a rate too small to move anything shows where a run starts
        train("start", *POINTS, "trainer.max_steps=1", "optimizer.lr=1e-300")
        state = kept(tmp_path / "start")["state_dict"]
        self.parameters = [state[f"model.{name}"].clone().requires_grad_() for name in ("weight", "bias")]
        self.optimizer = torch.optim.SGD(self.parameters, lr=lr)
        self.inputs, self.targets = (torch.tensor(v, dtype=torch.float64)[None, :, None] for v in (X, Y))

    def step(self) -> list[torch.Tensor]:
        """One step; copies of weight and bias after it."""
        self.optimizer.zero_grad()
        weight, bias = self.parameters
        (self.inputs @ weight + bias - self.targets).square().mean().backward()
        self.optimizer.step()
        return [parameter.detach().clone() for parameter in self.parameters]


def learned(directory: Path) -> list[float]:
    parameters = outcome(directory)["parameters"]
    return [parameters["weight"][0][0], parameters["bias"][0]]


# --- those that count steps ---


@pytest.mark.parametrize("batch_size", ["full", "3"])
def test_model_checkpoint_saves_every_n_optimizer_steps(train: Train, tmp_path: Path, batch_size: str) -> None:
    words = ["data.rows=20", f"data.batch_size={batch_size}"]
    saving = lightnings("ModelCheckpoint", every_n_train_steps=30, save_top_k=-1, dirpath=tmp_path / "saved")
    train("run", *words, *saving, "trainer.max_steps=300")
    saved = [torch.load(path, weights_only=True) for path in (tmp_path / "saved").glob("*.ckpt")]
    by_step = {checkpoint["global_step"]: checkpoint["state_dict"] for checkpoint in saved}
    assert sorted(by_step) == list(range(30, 301, 30))
    train("short", *words, "trainer.max_steps=60")
    assert_same(dict(by_step[60]), dict(kept(tmp_path / "short")["state_dict"]))


def test_model_checkpoint_changes_no_number(train: Train, tmp_path: Path) -> None:
    saving = lightnings("ModelCheckpoint", every_n_train_steps=7, dirpath=tmp_path / "saved")
    words = ["data.rows=20", "data.batch_size=3", "trainer.val_every_n_steps=20", "trainer.max_steps=50"]
    one, other = train("without", *words), train("with", *words, *saving)
    assert other.metrics == one.metrics
    assert (tmp_path / "with" / "metrics.csv").read_text() == (tmp_path / "without" / "metrics.csv").read_text()
    (saved,) = (tmp_path / "saved").glob("*.ckpt")
    assert torch.load(saved, weights_only=True)["global_step"] == 49


def test_learning_rate_monitor_logs_the_rate_of_a_step(train: Train, tmp_path: Path) -> None:
    monitor = lightnings("LearningRateMonitor", logging_interval="step")
    words = ["logger=csv", "data.rows=20", "scheduler=exponential", "scheduler.gamma=0.99", "trainer.max_steps=300"]
    train("run", *words, *monitor)
    logged = rows(tmp_path / "run" / "csv" / "metrics.csv")
    rates = {step: values["lr-SGD"] for step, values in logged if "lr-SGD" in values}
    # Lightning logs at least every 50 batches
    assert len(rates) >= 6
    assert rates == pytest.approx({step: 0.1 * 0.99**step for step in rates}, rel=1e-9)


@pytest.mark.parametrize("block_size", [1, 500])
def test_an_average_of_weights_is_over_every_step(train: Train, tmp_path: Path, block_size: int) -> None:
    """Lightning's first update copies; each later one is `e <- d e + (1 - d) w`, after every optimizer step."""
    average = lightnings("EMAWeightAveraging", decay=0.9)
    words = ["trainer.max_steps=40", f"trainer.block_size={block_size}"]
    result = train("run", *POINTS, *words, *average)
    bare = Bare(train, tmp_path)
    expected = bare.step()
    for _ in range(39):
        expected = [0.9 * e + 0.1 * w for e, w in zip(expected, bare.step(), strict=True)]
    numbers = [tensor.item() for tensor in expected]
    assert learned(tmp_path / "run") == pytest.approx(numbers, rel=1e-9)
    loss = (bare.inputs @ expected[0] + expected[1] - bare.targets).square().mean().item()
    assert result.metrics["train/loss"] == pytest.approx(loss, rel=1e-9)
    saved = kept(tmp_path / "run")["state_dict"]
    assert [saved[f"model.{name}"].item() for name in ("weight", "bias")] == pytest.approx(numbers, rel=1e-9)


def test_an_average_of_weights_goes_on_from_a_checkpoint(train: Train, tmp_path: Path) -> None:
    average = lightnings("EMAWeightAveraging", decay=0.9)
    words = [*POINTS, *average, "trainer.block_size=7", "trainer.val_every_n_steps=10"]
    train("whole", *words, "trainer.max_steps=40")
    crash = ["+callbacks.crash._target_=tests.own.Crash", "+callbacks.crash.at=30"]
    with pytest.raises(LabError, match="power cut"):
        train("crashed", *words, "callbacks.checkpoint.every_n_steps=24", "trainer.max_steps=40", *crash)
    last = tmp_path / "crashed" / "checkpoints" / "last.ckpt"
    assert kept(tmp_path / "crashed")["global_step"] == 24
    train("resumed", f"ckpt_path={last}", "callbacks.crash=null")
    assert learned(tmp_path / "resumed") == learned(tmp_path / "whole")


def test_stochastic_weight_averaging_is_refused_or_has_its_rate(train: Train, tmp_path: Path) -> None:
    """Lightning swaps the schedule for torch's SWALR and steps it after an epoch: here, a validation interval.

    From the second epoch on it averages the weights that an epoch starts with, and a run ends in the average.
    """
    swa = {"swa_lrs": 0.2, "swa_epoch_start": 2, "annealing_epochs": 3, "annealing_strategy": "linear"}
    words = [*POINTS, *lightnings("StochasticWeightAveraging", **swa), "trainer.val_every_n_steps=10"]
    refusal = refused(lambda: train("run", *words, "trainer.max_steps=60"))
    if refusal is not None:
        assert "StochasticWeightAveraging" in refusal
        return
    bare, starts, schedule = Bare(train, tmp_path), list[list[torch.Tensor]](), None
    for epoch in range(6):
        if epoch == 1:
            bare.optimizer.param_groups[0]["initial_lr"] = 0.2
            schedule = SWALR(bare.optimizer, swa_lr=0.2, anneal_epochs=3, anneal_strategy="linear", last_epoch=-1)
        if epoch >= 1:
            starts.append([parameter.detach().clone() for parameter in bare.parameters])
        for _ in range(10):
            bare.step()
        if schedule is not None:
            schedule.step()
    expected = [torch.stack(pieces).mean().item() for pieces in zip(*starts, strict=True)]
    assert learned(tmp_path / "run") == pytest.approx(expected, rel=1e-9)


# --- those that cannot work ---

REFUSED = {
    "GradientAccumulationScheduler": {"scheduling": "{0:2}"},
    "LearningRateFinder": {},
    "BatchSizeFinder": {},
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("batch_size", ["full", "8"])
def test_what_cannot_work_is_refused(train: Train, tmp_path: Path, name: str, batch_size: str) -> None:
    words = ["data.rows=20", f"data.batch_size={batch_size}", "trainer.max_steps=4"]
    with pytest.raises(LabError, match=name):
        train("run", *words, *lightnings(name, **REFUSED[name]))
    assert not (tmp_path / "run" / "metrics.csv").exists()


# --- those that nobody knows ---


def told(text: str) -> list[str]:
    return [line for line in text.splitlines() if "slow" in line]


@pytest.mark.parametrize("first", [0, 13])
def test_an_unknown_callback_sees_every_step(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str], first: int
) -> None:
    """After a resume too; one line says what it costs, and that line names it."""
    seen = tmp_path / "seen"
    words = ["data.rows=20", "+callbacks.mine._target_=tests.run.own.Batches", f"+callbacks.mine.path={seen}"]
    words += ["trainer.val_every_n_steps=10", "trainer.block_size=7"]
    if first:
        train("first", *words, f"trainer.max_steps={first}")
        words = [f"ckpt_path={tmp_path / 'first' / 'checkpoints' / 'last.ckpt'}"]
        seen.unlink()
        capsys.readouterr()
    train("run", *words, "trainer.max_steps=25")
    assert list(map(int, seen.read_text().split())) == list(range(first + 1, 26))
    (line,) = told(capsys.readouterr().err)
    assert "callbacks.mine" in line or "Batches" in line


def test_an_unknown_callback_changes_no_number(train: Train, tmp_path: Path) -> None:
    words = ["data.rows=20", "data.batch_size=3", "optimizer=adam", "trainer.max_steps=50", "trainer.block_size=7"]
    mine = ["+callbacks.mine._target_=tests.run.own.Batches", f"+callbacks.mine.path={tmp_path / 'seen'}"]
    train("without", *words)
    train("with", *words, *mine)
    assert_same(dict(kept(tmp_path / "with")["state_dict"]), dict(kept(tmp_path / "without")["state_dict"]))
    assert (tmp_path / "with" / "metrics.csv").read_text() == (tmp_path / "without" / "metrics.csv").read_text()


def test_the_laboratorys_own_callbacks_keep_their_blocks(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["callbacks=[early_stopping,time_limit,learning_rate,gradient_norm,parameters,sharpness]"]
    train("run", "data.rows=20", *words, "trainer.max_steps=20")
    assert told(capsys.readouterr().err) == []
