"""A run goes on by what its config says now, from what its checkpoint keeps; a command typed again goes on in place."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim import Optimizer

from src.errors import LabError
from src.run import run
from tests.run.own import Averaging
from tests.run.reading import assert_same, kept, outcome, refused, rows, state

Train = Callable[..., Any]
ROOT = Path(__file__).resolve().parents[2]

# --- every number of the config is applied anew ---

X, Y = [0.0, 1.0, 2.0, 4.0], [1.0, 2.0, 2.0, 5.0]
POINTS = ["data=points", f"data.x={X}", f"data.y={Y}", "model.dtype=float64", "trainer.log_every_n_steps=1"]
OWN = ["optimizer._target_=tests.run.own.Averaging", "+optimizer.beta1=0.9"]
CHANGES: dict[str, tuple[list[str], list[str], Callable[[list[torch.Tensor]], Optimizer]]] = {
    "weight decay is taken away": (
        ["+optimizer.weight_decay=0.5"],
        ["~optimizer.weight_decay"],
        lambda w: torch.optim.SGD(w, lr=0.1),
    ),
    "momentum is taken away": (
        ["optimizer=momentum", "optimizer.lr=0.02"],
        ["optimizer=sgd", "optimizer.lr=0.02"],
        lambda w: torch.optim.SGD(w, lr=0.02),
    ),
    "nesterov is taken away": (
        ["optimizer=nesterov"],
        ["optimizer=momentum"],
        lambda w: torch.optim.SGD(w, lr=0.02, momentum=0.9),
    ),
    "amsgrad is taken away": (
        ["optimizer=adam", "+optimizer.amsgrad=true"],
        ["~optimizer.amsgrad"],
        lambda w: torch.optim.Adam(w, lr=0.02),
    ),
    "a number that the group knows by another name": (
        OWN,
        ["optimizer.beta1=0.2"],
        lambda w: Averaging(w, lr=0.1, beta1=0.2),
    ),
    "a number that is back at its default": (
        ["optimizer._target_=tests.run.own.Averaging", "+optimizer.beta1=0.2"],
        ["~optimizer.beta1"],
        lambda w: Averaging(w, lr=0.1),
    ),
}


def numbers(optimizer: Optimizer) -> list[dict[str, Any]]:
    return [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]


def descend(checkpoint: dict[str, Any], make: Callable[[list[torch.Tensor]], Optimizer], steps: int) -> dict[str, Any]:
    """Go on from a checkpoint in a bare loop: the state is the checkpoint's, the numbers are the new optimizer's."""
    weight, bias = (checkpoint["state_dict"][f"model.{name}"].requires_grad_() for name in ("weight", "bias"))
    inputs, targets = (torch.tensor(values, dtype=torch.float64)[None, :, None] for values in (X, Y))
    optimizer = make([weight, bias])
    new = numbers(optimizer)
    optimizer.load_state_dict(checkpoint["optimizer_states"][0])
    for group, values in zip(optimizer.param_groups, new, strict=True):
        group.update(values)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = (inputs @ weight + bias - targets).square().mean()
        loss.backward()
        losses.append(loss.item())
        optimizer.step()
    return {"weight": weight.detach(), "bias": bias.detach(), "losses": losses, "numbers": new}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_resume_applies_every_number_of_the_config_anew(train: Train, tmp_path: Path, kind: str) -> None:
    before, after, make = CHANGES[kind]
    train("first", *POINTS, *before, "trainer.max_steps=20")
    last = tmp_path / "first" / "checkpoints" / "last.ckpt"
    train("second", f"ckpt_path={last}", *after, "trainer.max_steps=30")
    bare = descend(kept(tmp_path / "first"), make, 10)
    end = kept(tmp_path / "second")
    (group,) = end["optimizer_states"][0]["param_groups"]
    assert {key: group[key] for key in bare["numbers"][0]} == bare["numbers"][0]
    curve = {step: values["train/loss"] for step, values in rows(tmp_path / "second" / "metrics.csv")}
    assert [curve[step] for step in range(20, 30)] == pytest.approx(bare["losses"], rel=1e-12)
    for name in ("weight", "bias"):
        assert torch.allclose(end["state_dict"][f"model.{name}"], bare[name], rtol=1e-12, atol=0)


def test_a_number_that_the_state_does_not_know_is_no_traceback(train: Train, tmp_path: Path) -> None:
    """AMSGrad needs the largest second moments so far, which plain Adam has not kept."""
    train("first", *POINTS, "optimizer=adam", "trainer.max_steps=20")
    last = tmp_path / "first" / "checkpoints" / "last.ckpt"
    second = [f"ckpt_path={last}", "+optimizer.amsgrad=true", "trainer.max_steps=30"]
    refusal = refused(lambda: train("second", *second))
    if refusal is not None:
        assert "amsgrad" in refusal
    else:
        assert outcome(tmp_path / "second")["steps"] == 30
        assert kept(tmp_path / "second")["optimizer_states"][0]["param_groups"][0]["amsgrad"] is True


# --- early stopping and the best by the config of now ---

MOMENT = "callbacks.time_limit.duration={microseconds:1}"
"""Over with the first block, however fast the machine."""

PATIENT = [
    "data.rows=20",
    "callbacks=early_stopping",
    "callbacks.early_stopping.min_delta=1e6",  # nothing is ever better than the first validation
    "trainer.val_every_n_steps=10",
]


def test_patience_that_was_raised_is_what_a_resume_has(train: Train, tmp_path: Path) -> None:
    first = train("first", *PATIENT, "callbacks.early_stopping.patience=2", "trainer.max_steps=100")
    assert first.steps == 30
    last = tmp_path / "first" / "checkpoints" / "last.ckpt"
    second = train("second", f"ckpt_path={last}", "callbacks.early_stopping.patience=100", "trainer.max_steps=90")
    assert second.steps == 90
    assert "stopped early" not in second.reason


def test_patience_that_was_lowered_is_what_a_resume_has(train: Train, tmp_path: Path) -> None:
    train("first", *PATIENT, "callbacks.early_stopping.patience=100", "trainer.max_steps=50")
    last = tmp_path / "first" / "checkpoints" / "last.ckpt"
    second = train("second", f"ckpt_path={last}", "callbacks.early_stopping.patience=2", "trainer.max_steps=200")
    # four validations brought nothing before, so the next that brings nothing is one too many
    assert second.steps == 60
    assert "stopped early after 60 steps" in second.reason


def test_a_reason_of_the_run_before_is_not_told_again(train: Train, tmp_path: Path) -> None:
    first = train("first", *PATIENT, "callbacks.early_stopping.patience=2", "trainer.max_steps=100")
    assert "stopped early after 30 steps" in first.reason
    words = [
        "callbacks=[early_stopping,time_limit]",
        "callbacks.early_stopping.patience=100",
        MOMENT,
    ]
    last = tmp_path / "first" / "checkpoints" / "last.ckpt"
    second = train("second", f"ckpt_path={last}", *words, "trainer.block_size=5", "trainer.max_steps=200")
    assert 30 < second.steps < 200
    assert "time limit" in outcome(tmp_path / "second")["reason"]
    assert "early" not in outcome(tmp_path / "second")["reason"]


def test_the_best_is_by_the_metric_that_is_watched_now(train: Train, tmp_path: Path) -> None:
    # of this seed every validation loss is below every training loss, which falls from step to step
    words = ["data.rows=20", "seed=8", "optimizer.lr=0.02", "trainer.val_every_n_steps=10", "trainer.max_steps=60"]
    train("first", *words)
    last = tmp_path / "first" / "checkpoints" / "last.ckpt"
    second = ["callbacks.checkpoint.monitor=train/loss", "trainer.max_steps=90"]
    train("second", f"ckpt_path={last}", *second)
    curve = rows(tmp_path / "second" / "metrics.csv")
    train_losses = [values["train/loss"] for step, values in curve if "train/loss" in values]
    assert train_losses == sorted(train_losses, reverse=True)
    assert min(values["val/loss"] for step, values in curve if 0 < step <= 60 and "val/loss" in values) < min(
        train_losses
    )
    assert kept(tmp_path / "second", "best")["global_step"] == 90


def test_the_best_of_another_config_is_not_that_of_a_run_that_goes_on_with_changes(
    train: Train, tmp_path: Path
) -> None:
    words = ["data.rows=20", "optimizer.lr=0.02", "trainer.val_every_n_steps=10"]
    first = train("first", *words, "trainer.max_steps=30")
    last = tmp_path / "first" / "checkpoints" / "last.ckpt"
    second = train("second", f"ckpt_path={last}", "optimizer.lr=1000", "trainer.max_steps=31")
    assert second.metrics["val/loss"] > first.metrics["val/loss"]
    own, best = (kept(tmp_path / "second", name)["descent_lab"] for name in ("last", "best"))
    assert best["fingerprint"] == own["fingerprint"] == second.fingerprint


# --- a table that is no longer what it was ---


def table(path: Path, scale: float = 1.0, rows: int = 40) -> list[str]:
    """Write a table; what a run of it is told."""
    lines = [f"{i},{scale * (3 * i + 5 * (-1) ** i)}" for i in range(rows)]
    path.write_text("x,y\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return ["data=table", f"data.path={path}", "data.target=y", "trainer.val_every_n_steps=10", "optimizer.lr=0.05"]


@pytest.mark.parametrize(("scale", "count"), [(1.0, 60), (1000.0, 40)], ids=["grown", "in other units"])
def test_a_table_that_has_changed_is_not_gone_on_from(train: Train, tmp_path: Path, scale: float, count: int) -> None:
    words = table(tmp_path / "table.csv")
    train("first", *words, "trainer.max_steps=20")
    table(tmp_path / "table.csv", scale, count)
    last = tmp_path / "first" / "checkpoints" / "last.ckpt"
    with pytest.raises(LabError, match=r"(?s)(table|data).*changed|changed.*(table|data)"):
        train("second", f"ckpt_path={last}", "trainer.max_steps=40")
    assert not (tmp_path / "second" / "result.json").exists()


def test_a_table_that_has_changed_makes_another_fingerprint(train: Train, tmp_path: Path) -> None:
    words = [*table(tmp_path / "table.csv"), "trainer.max_steps=10"]
    train("old", *words)
    table(tmp_path / "table.csv", scale=1000.0)
    train("new", *words)
    table(tmp_path / "table.csv")
    train("again", *words)
    old, new, again = (outcome(tmp_path / name)["fingerprint"] for name in ("old", "new", "again"))
    assert old != new
    assert old == again


def test_a_run_with_other_categories_is_not_gone_on_from(train: Train, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("x,z,y\n" + "".join(f"{'aabb'[n % 4]},{n * n},{n}\n" for n in range(8)))
    words = ["data=table", f"data.path={path}", "data.target=y", "data.val=0", "data.test=1", "trainer.max_steps=2"]
    train("run", *words, "data.seed=0")
    on = [f"ckpt_path={tmp_path / 'run' / 'checkpoints' / 'last.ckpt'}", "trainer.max_steps=4"]
    # with this seed it is an a that is left out of the training rows
    with pytest.raises(
        LabError, match="other features: this run lacks x=a and this run has x=b besides; keep the data"
    ):
        train("on", *words, "data.seed=3", *on)
    with pytest.raises(LabError, match="was trained on other features: this run lacks z; keep the data group"):
        train("on", *words, "data.seed=0", "data.leave_out=[z]", *on)


def test_a_table_that_was_only_written_anew_is_gone_on_from(train: Train, tmp_path: Path) -> None:
    words = table(tmp_path / "table.csv")
    train("first", *words, "trainer.max_steps=25")
    table(tmp_path / "table.csv")
    os.utime(tmp_path / "table.csv", (0, 0))
    train("second", f"ckpt_path={tmp_path / 'first' / 'checkpoints' / 'last.ckpt'}", "trainer.max_steps=40")
    train("whole", *words, "trainer.max_steps=40")
    assert_same(state(tmp_path / "second"), state(tmp_path / "whole"))
    for key in ("parameters", "metrics", "fingerprint"):
        assert outcome(tmp_path / "second")[key] == outcome(tmp_path / "whole")[key]


# --- state of any shape ---


@pytest.mark.parametrize("validation", [20, 23], ids=["at a validation", "inside a pass"])
def test_state_in_lists_and_dicts_keeps_its_bits_and_dtypes(train: Train, tmp_path: Path, validation: int) -> None:
    words = ["data.rows=20", "model.dtype=float64", "optimizer._target_=tests.run.own.Remembering"]
    words += ["optimizer.lr=0.01", "trainer.val_every_n_steps=10"]
    train("first", *words, f"trainer.max_steps={validation}")
    last = tmp_path / "first" / "checkpoints" / "last.ckpt"
    second = train("second", f"ckpt_path={last}", "trainer.max_steps=50")
    whole = train("whole", *words, "trainer.max_steps=50")
    own = state(tmp_path / "whole")["optimizer_states"][0]["state"][0]
    assert {tensor.dtype for tensor in (*own["history"], own["inner"]["deeper"]["total"])} == {torch.float32}
    assert_same(state(tmp_path / "second"), state(tmp_path / "whole"))
    assert second.metrics == whole.metrics


# --- metrics.csv ---


@pytest.fixture
def truncated() -> Iterator[list[str]]:
    """Files called `metrics.csv` that were emptied while there was something in them.

    Python tells its audit hooks of every file that it opens, before it does; a hook cannot be taken out again.
    """
    emptied: list[str] = []
    listening = True

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if not listening or event not in ("open", "os.truncate") or isinstance(arguments[0], int):
            return
        path = Path(os.fsdecode(arguments[0]))
        emptying = event == "os.truncate" or bool((arguments[2] or 0) & os.O_TRUNC)
        if path.name == "metrics.csv" and emptying and path.exists() and path.stat().st_size:
            emptied.append(str(path))

    sys.addaudithook(hook)
    yield emptied
    listening = False


def test_a_column_that_comes_late_does_not_empty_the_curves(train: Train, tmp_path: Path, truncated: list[str]) -> None:
    """A kill just after the file was emptied would lose the curve; the new one must be written beside it."""
    words = ["data.rows=20", "trainer.val_every_n_steps=20", "trainer.block_size=5", "trainer.log_every_n_steps=1"]
    train("run", *words, "callbacks.checkpoint.every_n_steps=10", "trainer.max_steps=60")
    assert truncated == []
    curve = rows(tmp_path / "run" / "metrics.csv")
    assert [step for step, _ in curve] == list(range(61))
    assert [step for step, values in curve if "val/loss" in values] == [20, 40, 60]


@pytest.mark.parametrize(("before", "after"), [("full", "7"), ("full", "full"), ("7", "full"), ("7", "5")])
def test_the_step_of_a_resume_is_recorded_once(train: Train, tmp_path: Path, before: str, after: str) -> None:
    words = ["data.rows=40", "trainer.log_every_n_steps=10", "logger=csv"]
    train("first", *words, f"data.batch_size={before}", "trainer.max_steps=100")
    last = tmp_path / "first" / "checkpoints" / "last.ckpt"
    train("second", f"ckpt_path={last}", "logger=csv", f"data.batch_size={after}", "trainer.max_steps=120")
    own = rows(tmp_path / "second" / "metrics.csv")
    assert [step for step, _ in own] == list(range(0, 121, 10))
    logged = rows(tmp_path / "second" / "csv" / "metrics.csv")
    seen = [(step, values["train/loss"]) for step, values in logged if "train/loss" in values]
    assert [step for step, _ in seen] == [step for step, values in own if "train/loss" in values]
    assert dict(seen) == {step: values["train/loss"] for step, values in own if "train/loss" in values}


# --- how it ended ---


def test_a_time_limit_that_comes_with_the_last_step_has_cut_nothing(train: Train, tmp_path: Path) -> None:
    words = ["callbacks=time_limit", MOMENT, "data.rows=20"]
    result = train("run", *words, "trainer.max_steps=50", "trainer.block_size=50")
    assert result.steps == 50
    assert outcome(tmp_path / "run")["reason"].startswith("all 50 steps were taken")


# --- the way to go on that is printed ---


def test_the_way_to_go_on_that_is_printed_can_be_typed(tmp_path: Path) -> None:
    """In a folder whose name means something to the shell and to Hydra; the whole way there and back."""
    folder = tmp_path / "a b=c,d"
    folder.mkdir()
    words = ["logger=none", "callbacks.progress_bar=null", "data.rows=20", "callbacks.checkpoint.every_n_steps=100"]
    words += ["trainer.max_steps=100000000", "trainer.block_size=10", f"hydra.run.dir='{folder}/run'"]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": path, "COLUMNS": "1000"}
    last = folder / "run" / "checkpoints" / "last.ckpt"
    line = [sys.executable, "-m", "src.train", *words]
    with subprocess.Popen(
        line, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a suite in the background ignores it
    ) as first:  # fmt: skip
        until = time.monotonic() + 120
        while not last.is_file() and first.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        first.send_signal(signal.SIGINT)
        said = first.communicate(timeout=60)[1]
    found = re.search(r"go on with: (.*)", said)
    assert found, said
    step = torch.load(last, weights_only=True)["global_step"]
    typed = f"{found[1].strip()} trainer.max_steps={step + 20}"
    if "hydra.run.dir" not in typed:  # a run beside the old one; in place, the command is the run's own
        beside = f"hydra.run.dir='{folder}/next'"
        typed += f" {shlex.quote(beside)}"
    second = subprocess.run(
        ["bash", "-c", typed], cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert second.returncode == 0, f"{typed}\n{second.stderr}"
    (finished,) = folder.glob("*/result.json")
    assert outcome(finished.parent)["steps"] == step + 20


# --- in place: the same command typed again ---

SMALL = ["data.rows=40", "trainer.log_every_n_steps=1", "trainer.val_every_n_steps=10", "trainer.block_size=7"]
KINDS = {
    "sgd, full batch": [],
    "adam, mini-batches, two layers": ["optimizer=adam", "data.batch_size=16", "model=two_layer", "data=teacher"],
    "plateau": ["scheduler=plateau", "scheduler.patience=0", "scheduler.threshold=0.5"],
    "cosine": ["scheduler=cosine", "data.batch_size=7"],
    "early stopping": ["callbacks=early_stopping", "callbacks.early_stopping.patience=2"],
    "a csv logger": ["logger=csv"],
}


def crashing(tmp_path: Path, *words: str, at: int = 49, every: int = 30) -> list[str]:
    """The words of a run that crashes when they are typed for the first time."""
    crash = [f"+callbacks.crash.at={at}", f"+callbacks.crash.marker={tmp_path / 'crashed.once'}"]
    steps = ["trainer.max_steps=70", f"callbacks.checkpoint.every_n_steps={every}"]
    return [*SMALL, *words, *steps, "+callbacks.crash._target_=tests.run.own.CrashOnce", *crash]


def assert_same_run(a: Path, b: Path) -> None:
    for name in ("last", "best"):
        assert_same(state(a, name), state(b, name))
    assert (a / "metrics.csv").read_text(encoding="utf-8") == (b / "metrics.csv").read_text(encoding="utf-8")
    one, other = outcome(a), outcome(b)
    for key in ("status", "reason", "steps", "metrics", "parameters", "exact", "fingerprint", "seed"):
        assert one[key] == other[key], key


@pytest.mark.parametrize("every", [30, 35], ids=["at a validation", "inside a pass"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_command_typed_again_goes_on_in_place(train: Train, tmp_path: Path, kind: str, every: int) -> None:
    # what has crashed wrote rows of later steps than its checkpoint's
    words = crashing(tmp_path, *KINDS[kind], every=every)
    with pytest.raises(LabError, match="power cut"):
        train("run", *words)
    assert kept(tmp_path / "run")["global_step"] == every
    assert not (tmp_path / "run" / "result.json").exists()
    train("run", *words)
    train("whole", *words)
    assert_same_run(tmp_path / "run", tmp_path / "whole")


def test_a_logger_has_every_step_once_after_going_on_in_place(train: Train, tmp_path: Path) -> None:
    words = crashing(tmp_path, "logger=csv", every=35)
    with pytest.raises(LabError, match="power cut"):
        train("run", *words)
    train("run", *words)
    logged = rows(tmp_path / "run" / "csv" / "metrics.csv")
    assert [step for step, values in logged if "train/loss" in values] == list(range(71))
    assert [step for step, values in logged if "val/loss" in values] == list(range(10, 71, 10))


def test_it_goes_on_and_does_not_begin_anew(train: Train, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    words = crashing(tmp_path, "+callbacks.seen._target_=tests.run.own.Batches", f"+callbacks.seen.path={seen}")
    with pytest.raises(LabError, match="power cut"):
        train("run", *words)
    seen.unlink()
    train("run", *words)
    assert min(map(int, seen.read_text().split())) > 30


def test_a_run_that_crashes_twice_goes_on_twice(train: Train, tmp_path: Path) -> None:
    again = ["+callbacks.again._target_=tests.run.own.CrashOnce", "+callbacks.again.at=65"]
    words = [*crashing(tmp_path), *again, f"+callbacks.again.marker={tmp_path / 'crashed.twice'}"]
    for _ in range(2):
        with pytest.raises(LabError, match="power cut"):
            train("run", *words)
    assert kept(tmp_path / "run")["global_step"] == 60
    train("run", *words)
    train("whole", *words)
    assert_same_run(tmp_path / "run", tmp_path / "whole")


def test_a_run_that_crashed_before_its_first_checkpoint_begins_anew(train: Train, tmp_path: Path) -> None:
    words = crashing(tmp_path, at=25)
    with pytest.raises(LabError, match="power cut"):
        train("run", *words)
    assert not (tmp_path / "run" / "checkpoints" / "last.ckpt").exists()
    train("run", *words)
    train("whole", *words)
    assert_same_run(tmp_path / "run", tmp_path / "whole")


def test_a_run_that_went_on_from_another_goes_on_in_place(train: Train, tmp_path: Path) -> None:
    """Typed again, it goes on from its own checkpoint, not once more from the other run's."""
    train("first", *SMALL, "trainer.max_steps=15")
    last = tmp_path / "first" / "checkpoints" / "last.ckpt"
    words = [f"ckpt_path={last}", *crashing(tmp_path)]
    with pytest.raises(LabError, match="power cut"):
        train("run", *words)
    train("run", *words)
    train("whole", *words)
    assert_same_run(tmp_path / "run", tmp_path / "whole")


def test_a_finished_directory_is_refused(train: Train, tmp_path: Path) -> None:
    train("run", *SMALL, "trainer.max_steps=20")
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    with pytest.raises(LabError, match="already"):
        train("run", *SMALL, "trainer.max_steps=20")
    with pytest.raises(LabError, match="already"):
        train("run", *SMALL, "trainer.max_steps=30")
    assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()} == before


def test_another_config_in_place_is_refused_or_has_a_fingerprint_of_its_own(train: Train, tmp_path: Path) -> None:
    words = crashing(tmp_path)
    with pytest.raises(LabError, match="power cut"):
        train("run", *words, "optimizer.lr=0.1")
    old = train("old", *words, "optimizer.lr=0.1")
    new = train("new", *words, "optimizer.lr=0.05")
    refusal = refused(lambda: train("run", *words, "optimizer.lr=0.05"))
    if refusal is not None:
        assert "optimizer.lr" in refusal
        assert kept(tmp_path / "run")["global_step"] == 30
    else:
        assert len({outcome(tmp_path / "run")["fingerprint"], old.fingerprint, new.fingerprint}) == 3
        (group,) = kept(tmp_path / "run")["optimizer_states"][0]["param_groups"]
        assert group["lr"] == 0.05


def test_run_goes_on_in_place_as_the_command_does(tmp_path: Path) -> None:
    words = [*crashing(tmp_path), "logger=none", "callbacks.progress_bar=null", f"hydra.run.dir={tmp_path / 'run'}"]
    with pytest.raises(LabError, match="power cut"):
        run(words)
    assert run(words).steps == 70


# --- what fresh eyes found ---


def test_a_run_that_had_stopped_early_has_stopped_early(train: Train, tmp_path: Path) -> None:
    """A kill between the last checkpoint and the result leaves only the result to be written."""
    words = [
        *("callbacks=early_stopping", "callbacks.early_stopping.patience=2", "callbacks.early_stopping.min_delta=1e6"),
        *("trainer.val_every_n_steps=10", "trainer.max_steps=200"),
    ]
    whole = train("run", *words)
    curves = (whole.directory / "metrics.csv").read_text()
    assert whole.steps == 30
    (whole.directory / "result.json").unlink()
    again = train("run", *words)
    assert (again.steps, again.reason, again.metrics) == (whole.steps, whole.reason, whole.metrics)
    assert (whole.directory / "metrics.csv").read_text() == curves


def test_a_run_past_the_length_that_is_asked_for_is_refused(train: Train) -> None:
    whole = train("run", "trainer.max_steps=60")
    (whole.directory / "result.json").unlink()
    with pytest.raises(LabError, match="at step 60 already"):
        train("run", "trainer.max_steps=40")


def test_the_best_of_steps_that_come_again_is_not_believed(train: Train, tmp_path: Path) -> None:
    words = ["trainer.max_steps=100", "trainer.val_every_n_steps=10"]
    whole = train("run", *words)
    early = train("early", "trainer.max_steps=50", *words[1:])
    folder = whole.directory / "checkpoints"
    shutil.copy(early.directory / "checkpoints" / "last.ckpt", folder / "last.ckpt")  # as after a kill at step 100
    (whole.directory / "result.json").unlink()
    again = train("run", *words)
    assert again.metrics == whole.metrics
    best = torch.load(folder / "best.ckpt", weights_only=True)
    assert best["descent_lab"]["best"]["value"] == pytest.approx(whole.metrics["val/loss"])


def test_a_refused_config_leaves_the_old_one(train: Train, tmp_path: Path) -> None:
    whole = train("run", "trainer.max_steps=60")
    (whole.directory / "result.json").unlink()
    with pytest.raises(LabError, match=r"differs: optimizer.*ckpt_path="):
        train("run", "trainer.max_steps=60", "optimizer=adam")
    assert "Adam" not in (whole.directory / ".hydra" / "config.yaml").read_text()
    assert train("run", "trainer.max_steps=60").metrics == whole.metrics


def test_histograms_have_every_step_once(train: Train, tmp_path: Path) -> None:
    words = ["callbacks=histograms", "callbacks.histograms.every_n_steps=20", "data=teacher", "model=two_layer"]
    words += ["trainer.max_steps=80", "callbacks.checkpoint.every_n_steps=30"]
    whole = train("whole", *words)
    crash = ["+callbacks.crash._target_=tests.run.own.CrashOnce", "+callbacks.crash.at=50"]
    crash.append(f"+callbacks.crash.marker={tmp_path / 'crashed'}")
    with pytest.raises(LabError, match="power cut"):
        train("run", *words, *crash)
    train("run", *words, *crash)
    texts = [(tmp_path / name / "histograms.csv").read_text() for name in ("whole", "run")]
    assert texts[0] == texts[1]
    assert whole.steps == 80
