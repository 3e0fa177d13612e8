"""A run repeats itself, whatever its parts draw from, and whatever it goes back to when it has diverged."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from src.errors import LabError
from tests.run.reading import assert_same, kept, rows, state

Train = Callable[..., Any]

SOURCES = ["numpy", "python", "torch"]
SMALL = ["data.rows=20", "trainer.val_every_n_steps=10", "trainer.log_every_n_steps=1", "trainer.block_size=7"]


def noisy(kind: str, source: str) -> list[str]:
    """The words of an optimizer, or of a module, that draws from a global generator."""
    if kind == "optimizer":
        own = ["optimizer._target_=tests.run.own.Noisy", f"+optimizer.source={source}"]
    else:
        own = ["model=custom", "model._target_=tests.run.own.Jittering", f"+model.source={source}"]
    return [*SMALL, *own, "optimizer.lr=0.05"]


def stir(number: int) -> None:
    """Leave every global generator somewhere else."""
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)


def assert_repeats(tmp_path: Path, a: str, b: str) -> None:
    assert_same(state(tmp_path / a), state(tmp_path / b))
    assert rows(tmp_path / a / "metrics.csv") == rows(tmp_path / b / "metrics.csv")


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("kind", ["optimizer", "module"])
def test_a_run_with_noise_repeats_itself(train: Train, tmp_path: Path, kind: str, source: str) -> None:
    words = [*noisy(kind, source), "trainer.max_steps=40"]
    for number, name in enumerate(("one", "two")):
        stir(number)
        train(name, *words)
    assert_repeats(tmp_path, "one", "two")


@pytest.mark.parametrize("source", SOURCES)
def test_the_seed_decides_the_noise(train: Train, tmp_path: Path, source: str) -> None:
    """The noise is what the first step does beyond a step without: another seed's differs, wherever generators were."""
    words = [*noisy("optimizer", source), "data=points", "trainer.max_steps=1", "optimizer.lr=1.0"]
    words = [word for word in words if not word.startswith("data.rows")]
    moves = []
    for seed in (0, 1):
        stir(0)
        train(f"moved{seed}", *words, f"seed={seed}")
        stir(0)
        train(f"start{seed}", *words, f"seed={seed}", "optimizer._target_=torch.optim.SGD", "~optimizer.source")
        ends = [kept(tmp_path / f"{name}{seed}")["state_dict"]["model.bias"].item() for name in ("moved", "start")]
        moves.append(ends[0] - ends[1])
    assert moves[0] != pytest.approx(moves[1], rel=1e-3)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("kind", ["optimizer", "module"])
def test_a_run_leaves_the_callers_generators_alone(train: Train, kind: str, source: str) -> None:
    stir(5)
    before = random.getstate(), np.random.get_state(legacy=False), torch.get_rng_state()
    train("run", *noisy(kind, source), "trainer.max_steps=20")
    after = random.getstate(), np.random.get_state(legacy=False), torch.get_rng_state()
    assert before[0] == after[0]
    assert str(before[1]) == str(after[1])
    assert torch.equal(before[2], after[2])


@pytest.mark.parametrize("validation", [20, 23], ids=["at a validation", "inside a pass"])
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("kind", ["optimizer", "module"])
def test_a_resume_goes_on_in_the_same_noise(
    train: Train, tmp_path: Path, kind: str, source: str, validation: int
) -> None:
    words = [*noisy(kind, source), "trainer.max_steps=50"]
    stir(1)
    train("whole", *words)
    crash = ["+callbacks.crash._target_=tests.own.Crash", f"+callbacks.crash.at={validation + 9}"]
    stir(2)
    with pytest.raises(LabError, match="power cut"):
        train("crashed", *words, f"callbacks.checkpoint.every_n_steps={validation}", *crash)
    stir(3)
    train("resumed", f"ckpt_path={tmp_path / 'crashed' / 'checkpoints' / 'last.ckpt'}", "callbacks.crash=null")
    assert_repeats(tmp_path, "resumed", "whole")


@pytest.mark.parametrize("source", SOURCES)
def test_what_is_drawn_after_a_divergence_is_drawn_again(train: Train, tmp_path: Path, source: str) -> None:
    """A block that goes back goes back in the noise too, so that blocks change no number."""
    words = [*noisy("optimizer", source), "optimizer.lr=2.0", "trainer.max_steps=500"]
    for size in (1, 500):
        stir(size)
        train(f"blocks of {size}", *words, "trainer.val_every_n_steps=1000", f"trainer.block_size={size}")
    assert kept(tmp_path / "blocks of 1")["global_step"] < 500
    assert_repeats(tmp_path, "blocks of 1", "blocks of 500")


@pytest.mark.parametrize("block_size", [1, 7, 500])
def test_divergence_goes_back_in_buffers_too(train: Train, tmp_path: Path, block_size: int) -> None:
    """Running statistics, and the number of batches they are of: those of a run that took so many steps and no more."""
    words = ["data.rows=20", "model=custom", "model._target_=tests.run.own.Normed", "optimizer.lr=3.0"]
    words += ["data.batch_size=5", "trainer.val_every_n_steps=1000"]
    diverged = train("diverged", *words, "trainer.max_steps=500", f"trainer.block_size={block_size}")
    assert diverged.status == "diverged"
    short = train("short", *words, f"trainer.max_steps={diverged.steps}")
    (counted,) = (n for name, n in state(tmp_path / "short")["state_dict"].items() if name.endswith("batches_tracked"))
    assert int(counted) == diverged.steps > 1
    assert_same(state(tmp_path / "diverged"), state(tmp_path / "short"))
    assert diverged.metrics == short.metrics
