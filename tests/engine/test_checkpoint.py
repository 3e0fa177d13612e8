"""A run that was stopped and gone on from ends in the same bits as the run that never was."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from src.engine import checkpoint as checkpoints
from src.errors import LabError
from src.run_directory import Result, RunDirectory, read_rows
from src.run_directory.checkpoint_file import save

Train = Callable[..., Result]

SMALL = ["data.rows=40", "trainer.log_every_n_steps=1", "trainer.val_every_n_steps=20", "trainer.block_size=7"]
KINDS = {
    "sgd, full batch": [],
    "sgd, mini-batches": ["data.batch_size=7"],
    "adam, mini-batches, two layers": ["optimizer=adam", "data.batch_size=16", "model=two_layer", "data=teacher"],
    "momentum, step schedule": ["optimizer=momentum", "scheduler=step", "scheduler.step_size=25"],
    "plateau": ["scheduler=plateau", "scheduler.patience=0", "scheduler.threshold=0.5"],
    "cosine": ["scheduler=cosine"],
    "lbfgs": ["optimizer=lbfgs", "optimizer.max_iter=2", "data=teacher", "model=two_layer"],
    "muon": ["optimizer=muon", "data=teacher", "model=two_layer"],
    "nadam in float64": ["optimizer=nadam", "model.dtype=float64"],
    "gradients that add up": ["optimizer.lr=0.001", "trainer.zero_grad_every_n_steps=8"],
    "gradients never zeroed": ["optimizer.lr=0.001", "trainer.zero_grad_every_n_steps=0"],
    "early stopping": ["callbacks=early_stopping", "callbacks.early_stopping.patience=2"],
}


def state(directory: Path) -> dict[str, Any]:
    """What going on depends on: weights, the optimizer's state, the schedule's."""
    loaded = checkpoints.read(directory / "checkpoints" / "last.ckpt")
    return {key: loaded[key] for key in ("state_dict", "optimizer_states", "lr_schedulers", "global_step")}


def assert_same(a: Any, b: Any) -> None:
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b)
    elif isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    else:
        assert a == b


@pytest.mark.parametrize("validation", [30, 40], ids=["inside a pass", "at a validation"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_crashed_ends_in_the_same_bits(train: Train, tmp_path: Path, kind: str, validation: int) -> None:
    words = [*SMALL, *KINDS[kind], "trainer.max_steps=90", f"callbacks.checkpoint.every_n_steps={validation}"]
    whole = train("whole", *words)
    crash = ["+callbacks.crash._target_=tests.own.Crash", f"+callbacks.crash.at={validation + 9}"]
    with pytest.raises(LabError, match="power cut"):
        train("crashed", *words, *crash)
    assert not RunDirectory(tmp_path / "crashed").finished
    assert state(tmp_path / "crashed")["global_step"] == validation
    last = tmp_path / "crashed" / "checkpoints" / "last.ckpt"
    resumed = train("resumed", f"ckpt_path={last}", "callbacks.crash=null")
    assert resumed.steps == whole.steps
    assert resumed.metrics == whole.metrics
    assert_same(state(tmp_path / "resumed"), state(tmp_path / "whole"))
    assert read_rows(tmp_path / "resumed" / "metrics.csv") == read_rows(tmp_path / "whole" / "metrics.csv")


def test_a_longer_run_goes_on_from_a_finished_one(train: Train, tmp_path: Path) -> None:
    train("short", *SMALL, "trainer.max_steps=33", "data.batch_size=7")
    short = tmp_path / "short" / "checkpoints" / "last.ckpt"
    longer = train("longer", f"ckpt_path={short}", "trainer.max_steps=57")
    whole = train("whole", *SMALL, "trainer.max_steps=57", "data.batch_size=7")
    assert longer.parameters == whole.parameters
    assert longer.fingerprint == whole.fingerprint
    steps = [step for step, _ in read_rows(tmp_path / "longer" / "metrics.csv")]
    assert steps == list(range(58))


def test_the_overrides_win_over_the_checkpoint(train: Train, tmp_path: Path) -> None:
    train("first", *SMALL, "trainer.max_steps=20", "optimizer.lr=0.1")
    first = tmp_path / "first" / "checkpoints" / "last.ckpt"
    train("second", f"ckpt_path={first}", "trainer.max_steps=30", "optimizer.lr=0.025")
    assert state(tmp_path / "second")["optimizer_states"][0]["param_groups"][0]["lr"] == 0.025


def test_a_run_whose_numbers_changed_on_the_way_has_a_fingerprint_of_its_own(train: Train, tmp_path: Path) -> None:
    train("first", *SMALL, "trainer.max_steps=20", "optimizer.lr=0.1")
    first = tmp_path / "first" / "checkpoints" / "last.ckpt"
    second = train("second", f"ckpt_path={first}", "trainer.max_steps=30", "optimizer.lr=0.025")
    scratch = train("scratch", *SMALL, "trainer.max_steps=30", "optimizer.lr=0.025")
    third = train("third", f"ckpt_path={tmp_path / 'second' / 'checkpoints' / 'last.ckpt'}", "trainer.max_steps=40")
    assert len({run.fingerprint for run in (second, scratch, third)}) == 3


def test_best_is_the_lowest_validation_loss(train: Train, tmp_path: Path) -> None:
    # at this rate Adam overshoots and comes back, so the best validation is not the last
    train("run", *SMALL, "optimizer=adam", "optimizer.lr=1.0", "trainer.max_steps=80", "trainer.val_every_n_steps=4")
    rows = {step: row["val/loss"] for step, row in read_rows(tmp_path / "run" / "metrics.csv") if "val/loss" in row}
    best = checkpoints.read(tmp_path / "run" / "checkpoints" / "best.ckpt")
    assert best["global_step"] == min(rows, key=lambda step: rows[step])
    assert len(set(rows.values())) > 1


def test_without_validation_rows_there_is_no_best(train: Train, tmp_path: Path) -> None:
    train("run", *SMALL, "data.val=0", "trainer.max_steps=20")
    assert sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir()) == ["last.ckpt"]


@pytest.fixture
def finished(train: Train, tmp_path: Path) -> Path:
    train("finished", *SMALL, "trainer.max_steps=20")
    return tmp_path / "finished" / "checkpoints" / "last.ckpt"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["trainer.max_steps=20"], "is at step 20 already: say trainer.max_steps= above that"),
        (["trainer.max_steps=40", "model=two_layer"], "is from another model"),
        (["trainer.max_steps=40", "model.dtype=float64"], "is from another model"),
        (["trainer.max_steps=40", "optimizer=adam"], "torch.optim.SGD, which torch.optim.Adam cannot go on from"),
        (["trainer.max_steps=40", "scheduler=cosine"], "another schedule"),
    ],
)
def test_what_cannot_be_gone_on_from(train: Train, finished: Path, tmp_path: Path, words: list[str], sentence: str):
    with pytest.raises(LabError, match=sentence):
        train("next", f"ckpt_path={finished}", *words)
    assert not (tmp_path / "next" / "metrics.csv").exists()


def test_a_schedule_of_another_length_is_refused(train: Train, tmp_path: Path) -> None:
    train("first", *SMALL, "trainer.max_steps=20", "scheduler=one_cycle")
    first = tmp_path / "first" / "checkpoints" / "last.ckpt"
    with pytest.raises(LabError, match=r"another schedule \(total_steps\).*depends on the length"):
        train("second", f"ckpt_path={first}", "trainer.max_steps=40")


@pytest.mark.parametrize("keep", [0, 100, 0.5, 0.99])
def test_a_checkpoint_cut_short(train: Train, finished: Path, keep: float) -> None:
    whole = finished.read_bytes()
    finished.write_bytes(whole[: int(keep * len(whole)) if isinstance(keep, float) else keep])
    with pytest.raises(LabError, match="cut short or no checkpoint"):
        train("next", f"ckpt_path={finished}", "trainer.max_steps=40")


def test_a_checkpoint_of_something_else(tmp_path: Path) -> None:
    save(tmp_path / "other.ckpt", {"state_dict": {}})
    with pytest.raises(LabError, match="not a checkpoint of Descent Lab"):
        checkpoints.read(tmp_path / "other.ckpt")


def test_a_damaged_checkpoint(finished: Path) -> None:
    whole = finished.read_bytes()
    for place in range(0, len(whole), 101):
        finished.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(LabError, match=r"it is damaged|it is cut short or no checkpoint"):
            checkpoints.read(finished)
    finished.write_bytes(whole)
    assert torch.load(finished, weights_only=True).keys() == checkpoints.read(finished).keys()  # others read it too


def test_a_run_whose_checkpoint_will_not_be_read_is_told_before(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train("run", *SMALL, "optimizer._target_=tests.check.test_checks.Keeps", "trainer.max_steps=20")
    warning = "Keeps keeps objects in its state (collections.deque), and of a checkpoint only tensors and plain values"
    assert warning in capsys.readouterr().err
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    with pytest.raises(LabError, match=r"it holds objects \(collections.deque\), and only tensors"):
        train("next", f"ckpt_path={last}", "trainer.max_steps=40")
