"""What ends a run before its last step."""

from collections.abc import Callable
from pathlib import Path

import pytest

from src.errors import LabError
from src.run_directory import Result, read_rows

Train = Callable[..., Result]


def test_early_stopping_at_a_target_loss(train: Train, tmp_path: Path) -> None:
    words = ["callbacks=early_stopping", "callbacks.early_stopping.stopping_threshold=0.05", "trainer.max_steps=2000"]
    result = train("run", *words, "trainer.val_every_n_steps=10", "optimizer.lr=0.02")
    rows = {step: row["val/loss"] for step, row in read_rows(tmp_path / "run" / "metrics.csv") if "val/loss" in row}
    first = next(step for step, loss in rows.items() if loss < 0.05)
    assert 10 < first == result.steps < 2000
    assert result.status == "completed"
    assert f"stopped early after {result.steps} steps" in result.reason


def test_early_stopping_when_nothing_improves(train: Train) -> None:
    words = [
        "callbacks=early_stopping",
        "callbacks.early_stopping.patience=3",
        "callbacks.early_stopping.min_delta=1e6",
    ]
    result = train("run", *words, "trainer.val_every_n_steps=10", "trainer.max_steps=500")
    # the first validation is the best so far, the next three are not better
    assert result.steps == 40


def test_early_stopping_on_the_training_loss_needs_no_validation_rows(train: Train) -> None:
    words = ["callbacks=early_stopping", "callbacks.early_stopping.monitor=train/loss", "data.val=0", "data.noise=0.0"]
    result = train("run", *words, "callbacks.early_stopping.stopping_threshold=1e-3", "trainer.max_steps=5000")
    assert result.metrics["train/loss"] is not None
    assert result.steps < 5000
    assert result.metrics["train/loss"] < 1e-3


def test_early_stopping_at_an_accuracy(train: Train, tmp_path: Path) -> None:
    watched = "callbacks.early_stopping.monitor=val/accuracy"
    words = ["data=iris", "callbacks=early_stopping", watched, "callbacks.early_stopping.mode=max"]
    enough = "callbacks.early_stopping.stopping_threshold=0.9"
    result = train("run", *words, enough, "trainer.val_every_n_steps=2", "optimizer.lr=0.1")
    rows = [row["val/accuracy"] for _, row in read_rows(tmp_path / "run" / "metrics.csv") if "val/accuracy" in row]
    assert len(rows) > 1
    assert max(rows[:-1]) <= 0.9 < rows[-1] == result.metrics["val/accuracy"]
    with pytest.raises(LabError, match="monitor=val/accuracy: this loss is not one for classes: say val/loss"):
        train("line", *words, "data=line", "loss=squares")


def test_a_target_loss_is_in_the_units_of_the_table(train: Train, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("x,y\n" + "\n".join(f"{i},{1000 * i + 500 * (-1) ** i}" for i in range(40)) + "\n")
    words = ["data=table", f"data.path={path}", "data.target=y", "callbacks=early_stopping", "trainer.max_steps=3000"]
    result = train("run", *words, "callbacks.early_stopping.stopping_threshold=1e6", "trainer.val_every_n_steps=5")
    assert result.metrics["val/loss"] is not None
    assert 1e5 < result.metrics["val/loss"] < 1e6
    assert result.steps < 3000


def test_a_time_limit(train: Train) -> None:
    words = ["callbacks=time_limit", "callbacks.time_limit.duration={seconds:1}"]
    result = train("run", *words, "trainer.max_steps=100000000", "trainer.block_size=50")
    assert result.status == "completed"
    assert 0 < result.steps < 100_000_000
    assert "time limit" in result.reason


@pytest.mark.parametrize("gradient", ["autograd", "by_hand"])
def test_divergence_keeps_the_curve_and_says_when(train: Train, tmp_path: Path, gradient: str) -> None:
    result = train("run", "experiment=diverging", f"model.gradient={gradient}")
    rows = read_rows(tmp_path / "run" / "metrics.csv")
    assert result.status == "diverged"
    assert rows[-1][0] == result.steps
    assert f"after {result.steps} steps" in result.reason
    limit = 1e8 * rows[0][1]["train/loss"]
    assert rows[-2][1]["train/loss"] < limit < rows[-1][1]["train/loss"]


def test_a_run_that_met_its_time_limit_is_gone_on_from(train: Train, tmp_path: Path) -> None:
    words = ["callbacks=time_limit", "callbacks.time_limit.duration={seconds:1}", "trainer.max_steps=100000000"]
    first = train("first", *words, "trainer.block_size=50")
    last = tmp_path / "first" / "checkpoints" / "last.ckpt"
    second = train(
        "second", f"ckpt_path={last}", "callbacks.time_limit.duration={hours:1}", f"trainer.max_steps={first.steps + 7}"
    )
    assert second.steps == first.steps + 7
    assert second.metrics["train/loss"] is not None


def test_a_stop_at_the_first_validation_is_told(train: Train) -> None:
    result = train("run", "callbacks=early_stopping", "callbacks.early_stopping.stopping_threshold=100")
    assert result.steps == 100
    assert result.reason.startswith("stopped early after 100 steps: Stopping threshold reached")


def test_a_leg_that_ends_anywhere_does_not_wear_out_patience(train: Train, tmp_path: Path) -> None:
    words = [
        "callbacks=early_stopping",
        "callbacks.early_stopping.patience=4",
        "callbacks.early_stopping.min_delta=1e6",
    ]
    whole = train("whole", *words, "trainer.val_every_n_steps=10", "trainer.max_steps=500")
    train("leg", *words, "trainer.val_every_n_steps=10", "trainer.max_steps=25")
    rest = train("rest", f"ckpt_path={tmp_path / 'leg' / 'checkpoints' / 'last.ckpt'}", "trainer.max_steps=500")
    assert rest.steps == whole.steps == 50


def test_the_loss_after_the_last_step_counts(train: Train) -> None:
    """FACTS: the loss after 45 steps is the first that is not finite."""
    words = ["experiment=diverging", "trainer.divergence_factor=null"]
    assert train("last", *words, "trainer.max_steps=45").status == "diverged"
    assert train("before", *words, "trainer.max_steps=44").status == "completed"


@pytest.mark.parametrize("block_size", [1, 500])
def test_a_tail_that_overflows_is_a_divergence(train: Train, block_size: int) -> None:
    """A learning rate that grows by 1.3 a step; past the divergence it would overflow inside the optimizer."""
    words = ["scheduler=exponential", "scheduler.gamma=1.3", "trainer.max_steps=500", "trainer.val_every_n_steps=1000"]
    result = train("run", *words, f"trainer.block_size={block_size}")
    assert (result.status, result.steps) == ("diverged", 19)


def test_the_best_is_carried_over(train: Train, tmp_path: Path) -> None:
    train("first", "trainer.max_steps=100", "trainer.val_every_n_steps=50")
    old = tmp_path / "first" / "checkpoints"
    # a rate at which nothing gets better any more
    train("second", f"ckpt_path={old / 'last.ckpt'}", "trainer.max_steps=120", "optimizer.lr=0.99")
    assert (tmp_path / "second" / "checkpoints" / "best.ckpt").is_file()


def test_lightnings_own_bar_may_be_used(train: Train) -> None:
    bar = "callbacks.progress_bar={_target_:lightning.pytorch.callbacks.TQDMProgressBar}"
    assert train("run", "trainer.max_steps=20", bar).steps == 20


def test_validation_rows_that_round_to_none(train: Train) -> None:
    with pytest.raises(LabError, match="no validation rows"):
        train("run", "data=points", "data.val=0.1", "callbacks=early_stopping")
