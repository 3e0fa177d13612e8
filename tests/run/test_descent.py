"""A run: gradients that add up or are clipped, blocks that change no number, and divergence."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from src.config.compose import compose
from src.config.schema import check
from src.engine import checkpoint
from src.run.build import build_problem
from src.run_directory import Result
from tests.optim.bare import Loop, curve, loop, parameters, same

Train = Callable[..., Result]

DATA = ["data=features", "data.rows=30", "data.inputs=3", "model.dtype=float64"]
MODELS = {"linear": ["model=linear"], "two_layer": ["model=two_layer", "model.hidden=5", "model.activation=tanh"]}


ACCUMULATING = [*DATA, *MODELS["two_layer"], "data.batch_size=8", "optimizer.lr=0.05", "trainer.max_steps=20"]
ACCUMULATING += ["trainer.block_size=7", "trainer.log_every_n_steps=3"]


def close(result: Result, expected: Loop) -> None:
    """The same parameters and losses to 1e-12."""
    for name, value in parameters(result).items():
        torch.testing.assert_close(value, expected.parameters[name], rtol=1e-12, atol=1e-12)
    steps = {step: loss for step, loss in curve(result, "train/loss").items() if step < len(expected.losses)}
    assert steps == pytest.approx({step: expected.losses[step] for step in steps}, rel=1e-12)
    assert len(steps) > 1


# --- gradients -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gradient", ["autograd", "by_hand"])
@pytest.mark.parametrize("clip", ["norm", "value"])
@pytest.mark.parametrize("zero", [0, 1, 3])
def test_zeroing_and_clipping_are_torchs(train: Train, zero: int, clip: str, gradient: str) -> None:
    # gradients that are never zeroed are larger
    limit = {"norm": 3.0, "value": 1.5}[clip] * (1 if zero else 2)
    words = [f"trainer.gradient_clip_val={limit}", f"trainer.gradient_clip_algorithm={clip}"]
    result = train(
        "run", *words, *ACCUMULATING, f"trainer.zero_grad_every_n_steps={zero}", f"model.gradient={gradient}"
    )
    expected = loop(result)
    close(result, expected)
    assert max(expected.sizes) > limit > min(expected.sizes)  # some steps are clipped and some are not


@pytest.mark.parametrize("zero", [0, 3])
def test_gradients_add_up_until_they_are_zeroed(train: Train, zero: int) -> None:
    result = train("run", *ACCUMULATING, f"trainer.zero_grad_every_n_steps={zero}")
    expected = loop(result)
    close(result, expected)
    zeroed = loop(train("zeroed", *ACCUMULATING)).sizes
    assert expected.sizes[0] == zeroed[0]
    assert expected.sizes[2] > 1.5 * zeroed[2]


@pytest.mark.parametrize(
    "words",
    [
        ["optimizer=adam", "trainer.max_steps=10"],
        ["optimizer=muon", "trainer.max_steps=10"],
        # few steps: clipped gradients give it a wrong curvature, and far out it magnifies rounding
        ["optimizer=lbfgs", "optimizer.max_iter=2", "trainer.max_steps=2"],
    ],
)
def test_clipping_comes_before_any_optimizer(train: Train, words: list[str]) -> None:
    words = [*DATA, *words, "trainer.log_every_n_steps=1", "optimizer.lr=0.02", "trainer.gradient_clip_val=3.0"]
    result = train("run", *words)
    expected = loop(result)
    close(result, expected)
    assert max(expected.sizes) > 3.0


@pytest.mark.parametrize("optimizer", ["sgd", "muon"])
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("loss", ["mean", "sum"])
def test_a_gradient_by_hand_trains_as_autograd_does(train: Train, model: str, loss: str, optimizer: str) -> None:
    words = [*DATA, *MODELS[model], "data.batch_size=8", "trainer.max_steps=20", "trainer.log_every_n_steps=3"]
    result = train("run", *words, f"optimizer={optimizer}", f"model.loss={loss}", "model.gradient=by_hand",
                   "optimizer.lr=0.01")  # fmt: skip
    close(result, loop(result))


# --- blocks ----------------------------------------------------------------------------------------------------------

RUNS = {
    "sgd": ["optimizer.lr=0.3"],
    "adam": ["optimizer=adam", "model=two_layer", "model.hidden=4", "trainer.zero_grad_every_n_steps=3"],
    "lbfgs": ["optimizer=lbfgs", "optimizer.max_iter=2", "optimizer.lr=0.1"],
    "mini-batch": ["optimizer=momentum", "data.batch_size=7", "model=two_layer", "model.hidden=4"],
    "scheduler": ["optimizer=nesterov", "scheduler=cosine", "data.batch_size=7"],
    "plateau": ["optimizer=adam", "scheduler=plateau", "scheduler.patience=0", "scheduler.threshold=0.5"],
    "closure": ["optimizer._target_=tests.optim.own.Sam", "data.batch_size=7"],
    "modes": ["optimizer._target_=tests.optim.own.ScheduleFree", "trainer.gradient_clip_val=1.0"],
}


@pytest.mark.parametrize("name", RUNS)
def test_blocks_change_no_bit(train: Train, name: str) -> None:
    # 113 is prime
    words = ["data.rows=20", "trainer.max_steps=113", "trainer.val_every_n_steps=20", "trainer.log_every_n_steps=4"]
    results = [train(str(size), *words, *RUNS[name], f"trainer.block_size={size}") for size in (1, 7, 100)]
    first, *others = (parameters(result) for result in results)
    texts = [(result.directory / "metrics.csv").read_text() for result in results]
    assert all(same(first, other) for other in others)
    assert texts[0] == texts[1] == texts[2]
    assert list(curve(results[0], "val/loss")) == [20, 40, 60, 80, 100, 113]
    assert [step for step in curve(results[0], "train/loss") if step < 113] == list(range(0, 113, 4))
    for result in results:
        kept = checkpoint.read(result.directory / "checkpoints" / "last.ckpt")
        assert kept["global_step"] == result.steps == 113


# --- divergence ------------------------------------------------------------------------------------------------------


def first_above(losses: list[float], limit: float) -> int:
    """The first step whose loss is above the limit or not finite."""
    return next(step for step, loss in enumerate(losses) if not loss <= limit)


@pytest.mark.parametrize("factor", ["null", "1e8", "1e3"])
def test_a_diverged_run_ends_at_the_same_step_whatever_the_blocks(train: Train, factor: str) -> None:
    words = ["experiment=diverging", f"trainer.divergence_factor={factor}"]
    results = [train(str(size), *words, f"trainer.block_size={size}") for size in (1, 7, 100)]
    losses = loop(results[0]).losses
    # above the first loss times the factor; it is the larger of the two by far: 142 against a variance of 39
    limit = torch.finfo(torch.float32).max if factor == "null" else losses[0] * float(factor)
    step = first_above(losses, limit)
    assert step == 45 if factor == "null" else step < 20  # 45: FACTS, `diverging`
    assert [(result.status, result.steps) for result in results] == [("diverged", step)] * 3
    texts = [(result.directory / "metrics.csv").read_text() for result in results]
    assert texts[0] == texts[1] == texts[2]
    assert curve(results[0], "train/loss") == pytest.approx(dict(enumerate(losses[: step + 1])), rel=1e-5)
    # the parameters are those whose loss it was, not what the last step made of them
    expected = loop(results[0], step).parameters
    assert all(same(parameters(result), expected) for result in results)


@pytest.mark.parametrize(
    "words",
    [
        ["optimizer=momentum", "optimizer.lr=0.2"],
        ["optimizer=adam", "optimizer.lr=1e6"],
        ["data.batch_size=7", "scheduler=exponential", "scheduler.gamma=1.2", "optimizer.lr=0.01"],
        ["trainer.zero_grad_every_n_steps=0", "optimizer.lr=0.1"],
    ],
)
def test_state_of_a_diverged_run_is_of_its_last_step(train: Train, words: list[str]) -> None:
    words = ["experiment=diverging", "trainer.divergence_factor=1e4", *words]
    results = [train(str(size), *words, f"trainer.block_size={size}") for size in (1, 7, 100)]
    assert [result.status for result in results] == ["diverged"] * 3
    assert 0 < results[0].steps == results[1].steps == results[2].steps < 100
    kept = [checkpoint.read(result.directory / "checkpoints" / "last.ckpt") for result in results]
    for other in kept[1:]:
        assert _equal(kept[0]["state_dict"], other["state_dict"])
        assert _equal(kept[0]["optimizer_states"], other["optimizer_states"])
        assert _equal(kept[0]["lr_schedulers"], other["lr_schedulers"])
    assert same(parameters(results[0]), loop(results[0], results[0].steps).parameters)


def _equal(left: Any, right: Any) -> bool:
    """Nested values, tensors to the last bit."""
    if isinstance(left, Tensor):
        return torch.equal(left, right)
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(_equal(value, right[key]) for key, value in left.items())
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(_equal, left, right))
    return left == right


def test_the_first_loss_may_have_diverged_already(train: Train) -> None:
    # 1e30 squared is no float32
    result = train("run", "experiment=diverging", "model.values.weight=1e30")
    assert (result.status, result.steps, result.metrics["train/loss"]) == ("diverged", 0, None)
    assert parameters(result)["weight"].item() == pytest.approx(1e30)


def test_just_past_the_critical_rate_a_hundred_steps_are_not_divergence(train: Train) -> None:
    result = train("run", "experiment=diverging", "optimizer.lr=0.03")
    assert (result.status, result.steps) == ("completed", 100)
    assert curve(result, "train/loss")[99] == pytest.approx(6.6e6, rel=0.01)  # FACTS, `diverging`


def test_a_run_that_starts_close_to_the_minimum_has_not_diverged(train: Train) -> None:
    # a first loss of 1e-12 and, at a learning rate that is too large for a while, far above: but below the targets'
    words = ["data.noise=0.0", "model.values={weight:3.0,bias:1.000001}", "optimizer=adam", "optimizer.lr=0.5"]
    result = train("run", *words, "trainer.log_every_n_steps=1", "trainer.max_steps=20")
    losses = curve(result, "train/loss")
    assert max(losses.values()) > 1e8 * losses[0]
    assert result.status == "completed"


# --- modules of a user's own, and a start at the answer ---------------------------------------------------------------


def test_a_module_with_dropout_is_repeatable_and_evaluated_whole(train: Train) -> None:
    """Dropout draws from torch's global generator, so the run seeds it; final losses are without dropout."""
    words = ["data=teacher", "model=custom", "model._target_=tests.models.own.Dropping", "optimizer=adam"]
    words += ["data.rows=40", "trainer.max_steps=60", "trainer.log_every_n_steps=1"]
    torch.manual_seed(1)
    first = train("first", *words, "trainer.block_size=7")
    torch.manual_seed(2)
    state = torch.get_rng_state()
    second = train("second", *words, "trainer.block_size=100")
    assert torch.equal(torch.get_rng_state(), state)
    assert first.metrics == second.metrics
    last = first.directory / "checkpoints" / "last.ckpt"
    loaded = checkpoint.read(last)
    model = checkpoint.model_of(loaded)
    rows = build_problem(check(compose(["data=teacher", "data.rows=40", "logger=none"]))).train
    with torch.no_grad():
        loss = (model(rows.inputs[None])[0] - rows.targets).square().mean()
    assert first.metrics["train/loss"] == pytest.approx(float(loss), rel=1e-6)


def test_a_module_with_dropout_is_gone_on_from(train: Train, tmp_path: Path) -> None:
    words = ["data=teacher", "model=custom", "model._target_=tests.models.own.Dropping", "data.rows=40"]
    whole = train("whole", *words, "trainer.max_steps=40")
    train("half", *words, "trainer.max_steps=20")
    resumed = train("rest", f"ckpt_path={tmp_path / 'half' / 'checkpoints' / 'last.ckpt'}", "trainer.max_steps=40")
    assert resumed.metrics == whole.metrics


def test_a_start_at_the_answer_has_not_diverged(train: Train) -> None:
    """First loss and variance of the targets are both 0, so a loss of rounding size is above any multiple of them."""
    words = ["data.slope=0.0", "data.intercept=1.0", "data.noise=0.0", "model.values={weight:0,bias:1}"]
    assert train("run", *words, "optimizer=adamw", "trainer.max_steps=20").status == "completed"
