"""Every experiment, run in full, against numbers from elsewhere: closed forms, plain loops, and certified values.

"Certified" are numbers that were computed for these experiments apart from this project. Loops and closed forms below
are float64 numpy on the run's own data.
"""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from src.config.compose import CONF, compose
from src.config.models import Linear
from src.config.schema import Config, check
from src.data.problem import Problem
from src.run import run
from src.run.build import build_model, build_problem
from src.run_directory import Result, RunDirectory, read_rows

Array = np.ndarray[Any, Any]
Experiment = Callable[..., Result]

NAMES = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """`experiment("line", "seed=3")`: the run, with every default on but the bar; each is run once."""

    @cache
    def _run(name: str, *words: str) -> Result:
        directory = tmp_path_factory.mktemp(name) / "run"
        return run([f"experiment={name}", *words, "callbacks.progress_bar=null", f"hydra.run.dir={directory}"])

    return _run


@dataclass(frozen=True)
class Setting:
    """What a run starts from: the config, the drawn data `[N, I]`, `[N, O]`, and the start of every parameter."""

    config: Config
    problem: Problem
    start: dict[str, Array]

    @property
    def x(self) -> Array:
        return self.problem.train.inputs.double().numpy()

    @property
    def y(self) -> Array:
        return self.problem.train.targets.double().numpy()


@cache
def setting(name: str, *words: str) -> Setting:
    config = check(compose([f"experiment={name}", *words, "logger=none"]))
    problem = build_problem(config)
    model = build_model(config, problem)
    return Setting(config, problem, {k: v.detach()[0].double().numpy() for k, v in model.named_parameters()})


def curve(result: Result, column: str = "train/loss") -> dict[int, float]:
    return {step: row[column] for step, row in read_rows(result.directory / "metrics.csv") if column in row}


class Quadratic:
    """Mean squared error of a linear model: Hessian H, minimum t*, and where descent is after k steps."""

    def __init__(self, from_: Setting) -> None:
        bias = "bias" in from_.start
        self.x = np.hstack([from_.x, np.ones((len(from_.x), 1))]) if bias else from_.x
        self.y, self.lr = from_.y, float(from_.config.optimizer.lr or 0)
        self.first = np.vstack([from_.start["weight"], *([from_.start["bias"]] if bias else [])])
        self.hessian = 2 * self.x.T @ self.x / len(self.x)
        self.best = np.linalg.lstsq(self.x, self.y, rcond=None)[0]

    def after(self, steps: int) -> Array:
        """t_k = t* + (I - aH)^k (t_0 - t*), by the eigenvectors of H."""
        rates, vectors = np.linalg.eigh(self.hessian)
        shrunk = (1 - self.lr * rates) ** steps
        return self.best + vectors @ (shrunk[:, None] * (vectors.T @ (self.first - self.best)))

    def gradient(self, t: Array) -> Array:
        return 2 * self.x.T @ (self.x @ t - self.y) / len(self.x)

    def loss(self, t: Array) -> float:
        return float(np.square(self.x @ t - self.y).mean())


def learned(result: Result) -> Array:
    """Weight and bias of a linear model with one target, below each other."""
    bias = [result.parameters["bias"]] if "bias" in result.parameters else []
    return np.array([*result.parameters["weight"], *bias])


def is_plain(name: str) -> bool:
    """A linear model, full batches, SGD with nothing but a learning rate: the closed form holds."""
    config = setting(name).config
    sgd = config.optimizer.target_ == "torch.optim.SGD" and not config.optimizer.model_extra
    knobs = config.trainer
    ordinary = knobs.gradient_clip_val is None and knobs.zero_grad_every_n_steps == 1
    full = config.data.batch_size == "full" and config.model.loss == "mean"
    return isinstance(config.model, Linear) and sgd and ordinary and full and config.scheduler is None


PLAIN = [name for name in NAMES if is_plain(name)]


# --- what every run leaves behind ---


@pytest.mark.parametrize("name", NAMES)
def test_every_experiment_leaves_a_whole_run_directory(experiment: Experiment, name: str) -> None:
    result = experiment(name)
    there = {str(path.relative_to(result.directory)) for path in result.directory.rglob("*") if path.is_file()}
    events = {path for path in there if path.startswith("events.out.tfevents.")}
    hydra = {f".hydra/{file}.yaml" for file in ("config", "overrides", "hydra")}
    best = {"checkpoints/best.ckpt"} if setting(name).config.data.validates() else set()
    assert len(events) == 1
    assert hydra | best | {"result.json", "metrics.csv", "checkpoints/last.ckpt"} <= there
    assert RunDirectory(result.directory).read_result() == result.as_json()
    assert result.status == ("diverged" if name == "diverging" else "completed")


@pytest.mark.parametrize("name", NAMES)
def test_steps_are_counted_alike_everywhere(experiment: Experiment, name: str) -> None:
    result, knobs = experiment(name), setting(name).config.trainer
    checkpoint = torch.load(result.directory / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == result.steps
    if result.status == "completed":
        assert result.steps == knobs.max_steps
    # the loss of the final parameters is known at the end where every step sees every row
    last = {result.steps} if setting(name).config.data.batch_size == "full" else set()
    assert set(curve(result)) == set(range(0, result.steps, knobs.log_every_n_steps)) | last
    validated = set(range(knobs.val_every_n_steps, result.steps + 1, knobs.val_every_n_steps))
    assert set(curve(result, "val/loss")) - {result.steps} == (
        validated - {result.steps} if setting(name).config.data.validates() else set()
    )
    with (result.directory / "metrics.csv").open(newline="", encoding="utf-8") as file:
        assert next(csv.reader(file))[:2] == ["step", "train/loss"]


@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_is_the_same_again(experiment: Experiment, name: str) -> None:
    words = () if setting(name).config.trainer.max_steps <= 500 else ("trainer.max_steps=500",)
    result, again = experiment(name, *words), experiment(name, *words, "trainer.block_size=77")
    assert again.metrics == result.metrics
    assert again.parameters == result.parameters
    assert again.fingerprint == result.fingerprint
    assert read_rows(again.directory / "metrics.csv") == read_rows(result.directory / "metrics.csv")


# --- linear models, full batches, plain SGD: the closed form ---


def test_the_closed_form_covers_what_it_should() -> None:
    assert set(PLAIN) >= {"line", "line_short", "line_long", "noisy_line", "proportional", "diverging"}
    assert not {"clipped", "accumulating", "teacher", "random_two_layer"} & set(PLAIN)


def assert_closed_form(result: Result, from_: Setting, tolerance: float) -> None:
    form = Quadratic(from_)
    np.testing.assert_allclose(learned(result), form.after(result.steps), rtol=tolerance, atol=tolerance)
    have = curve(result)
    expected = {step: form.loss(form.after(step)) for step in have}
    assert have == pytest.approx(expected, rel=tolerance, abs=tolerance * expected[0])
    final = form.loss(form.after(result.steps))
    assert result.metrics["train/loss"] == pytest.approx(final, rel=tolerance, abs=tolerance * expected[0])


@pytest.mark.parametrize("name", PLAIN)
def test_descent_is_the_closed_form(experiment: Experiment, name: str) -> None:
    assert_closed_form(experiment(name), setting(name), tolerance=1e-4)


@pytest.mark.parametrize("name", PLAIN)
def test_descent_in_float64_is_the_closed_form_to_rounding(experiment: Experiment, name: str) -> None:
    steps = min(5000, setting(name).config.trainer.max_steps)
    words = ("model.dtype=float64", "model.gradient=by_hand", f"trainer.max_steps={steps}")
    assert_closed_form(experiment(name, *words), setting(name, *words), tolerance=1e-9)


@pytest.mark.parametrize(
    ("name", "seed"), [*((name, seed) for name in ("line", "line_short") for seed in (1, 2)), ("line_long", 1)]
)
def test_lines_of_other_seeds(experiment: Experiment, name: str, seed: int) -> None:
    words = (f"seed={seed}", "model.gradient=by_hand")
    assert_closed_form(experiment(name, *words), setting(name, *words), tolerance=1e-4)
    other = setting(name)
    assert not np.array_equal(setting(name, *words).x, other.x)
    assert not np.array_equal(setting(name, *words).start["weight"], other.start["weight"])


def test_line_short_has_not_converged(experiment: Experiment) -> None:
    """3 and 0.8 are the truth; certified over 20 seeds is a slope of 2.13 to 2.20 after 500 steps."""
    weight, bias = learned(experiment("line_short"))[:, 0]
    assert weight < 2.5 < 3.0
    assert bias > 1.1 > 0.8


@pytest.mark.parametrize("name", ["line", "line_short", "line_long"])
def test_lines_start_and_are_drawn_as_they_say(name: str) -> None:
    from_ = setting(name)
    slope, intercept = {"line": (3.0, 1.0)}.get(name, (3.0, 0.8))
    assert len(from_.x) == {"line_long": 50}.get(name, 500)
    assert from_.x.min() >= 0
    assert from_.x.max() < 1
    np.testing.assert_allclose(from_.y, slope * from_.x + intercept, rtol=1e-6)  # drawn in float32
    weight, bias = from_.start["weight"].item(), from_.start["bias"].item()
    low = -1.0 if name == "line_long" else 0.0  # torch starts one feature in ±1
    assert low <= weight < 1
    assert bias == 0.0 if name == "line_short" else low <= bias < 1
    assert weight != bias


def test_line_keeps_its_parameters_every_50_steps(experiment: Experiment) -> None:
    form, result = Quadratic(setting("line")), experiment("line")
    assert list(curve(result, "weight")) == list(range(0, 2001, 50))
    for column, row in (("weight", 0), ("bias", 1)):
        expected = {step: float(form.after(step)[row, 0]) for step in range(0, 2001, 50)}
        assert curve(result, column) == pytest.approx(expected, rel=1e-4, abs=1e-4)


# --- the noisy line and what is made of it ---


def test_noisy_line_certified(experiment: Experiment) -> None:
    result = experiment("noisy_line")
    assert learned(result)[:, 0] == pytest.approx([2.06683, 0.65558], abs=5e-6)
    assert curve(result)[99] == pytest.approx(3.92171, abs=5e-6)


def test_noisy_line_data_certified() -> None:
    """x evenly from 0 to 10, y = 2x + 1 + 2ε with ε the first draws of a generator seeded 42."""
    from_ = setting("noisy_line")
    noise = torch.randn(100, 1, generator=torch.Generator().manual_seed(42)).double().numpy()
    x = np.linspace(0, 10, 100)[:, None]
    np.testing.assert_allclose(from_.x, x, rtol=1e-6)
    np.testing.assert_allclose(from_.y, 2 * x + 1 + 2 * noise, rtol=1e-5, atol=1e-5)
    form = Quadratic(from_)
    eigenvalues = np.linalg.eigvalsh(form.hessian)
    assert form.best[:, 0] == pytest.approx([1.98821, 1.17848], abs=5e-6)
    assert form.loss(form.best) == pytest.approx(3.85161, abs=5e-6)
    assert eigenvalues == pytest.approx([0.496398, 68.50697], rel=1e-6)
    assert eigenvalues[1] / eigenvalues[0] == pytest.approx(138.008, rel=1e-5)
    assert 2 / eigenvalues[1] == pytest.approx(0.0291941, rel=1e-5)


def test_diverging_stops_where_the_closed_form_passes_the_limit(experiment: Experiment) -> None:
    """Diverged is a loss above 1e8 times the larger of the first loss and the targets' variance."""
    result, from_ = experiment("diverging"), setting("diverging")
    form = Quadratic(from_)
    limit = 1e8 * max(form.loss(form.first), float(from_.y.var()))
    assert result.steps == next(step for step in range(100) if form.loss(form.after(step)) > limit)
    assert f"after {result.steps} steps" in result.reason


def test_diverging_is_not_finite_at_step_45(experiment: Experiment) -> None:
    result = experiment("diverging", "trainer.divergence_factor=null")
    assert result.status == "diverged"
    assert result.steps == 45  # certified
    losses = curve(result)
    assert not np.isfinite(losses[45])
    assert np.isfinite([losses[step] for step in range(45)]).all()


def test_just_past_the_critical_rate_100_steps_do_not_diverge(experiment: Experiment) -> None:
    result = experiment("diverging", "optimizer.lr=0.03")
    assert (result.status, result.steps) == ("completed", 100)
    assert curve(result)[99] == pytest.approx(6.6e6, rel=0.01)  # certified


def descend(from_: Setting, steps: int, change: Callable[[Array, Array], Array]) -> tuple[Array, list[float]]:
    """A plain loop: parameters after these steps and the loss before each, `change(gradient, before)` being applied."""
    form = Quadratic(from_)
    t, applied, losses = form.first, np.zeros_like(form.first), []
    for _ in range(steps):
        losses.append(form.loss(t))
        applied = change(form.gradient(t), applied)
        t = t - form.lr * applied
    return t, losses


def clip(gradient: Array, before: Array) -> Array:
    """To a norm of 20, as torch.nn.utils.clip_grad_norm_ does it."""
    return gradient * min(1.0, 20.0 / (float(np.linalg.norm(gradient)) + 1e-6))


def accumulate(gradient: Array, before: Array) -> Array:
    """Gradients that are never zeroed add up."""
    return before + gradient


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "change"), [("clipped", clip), ("accumulating", accumulate)])
def test_clipped_and_accumulating_are_plain_loops(
    experiment: Experiment, name: str, change: Callable[[Array, Array], Array], dtype: str
) -> None:
    tolerance = {"float32": 2e-4, "float64": 1e-9}[dtype]
    result, from_ = experiment(name, f"model.dtype={dtype}"), setting(name, f"model.dtype={dtype}")
    expected, losses = descend(from_, 100, change)
    np.testing.assert_allclose(learned(result), expected, rtol=tolerance, atol=tolerance)
    have = curve(result)
    assert [have[step] for step in range(100)] == pytest.approx(losses, rel=tolerance, abs=tolerance)
    ordinary, _ = descend(from_, 100, lambda gradient, _: gradient)
    assert np.abs(learned(result) - ordinary).max() > 10 * tolerance  # so that it is told apart from doing nothing


def test_proportional_is_a_loop_over_three_points(experiment: Experiment) -> None:
    points, w, losses = [(1.0, 2.0), (2.0, 4.0), (3.0, 6.0)], 1.0, []
    for _ in range(100):
        losses.append(sum((w * x - y) ** 2 for x, y in points) / 3)
        w -= 0.01 * sum(2 * x * (w * x - y) for x, y in points) / 3
    result = experiment("proportional", "model.dtype=float64")
    assert learned(result).item() == pytest.approx(w, rel=1e-12)
    have = curve(result)
    assert [have[step] for step in range(100)] == pytest.approx(losses, rel=1e-9, abs=1e-12)


# --- two layers ---


def backpropagate(from_: Setting, steps: int) -> tuple[list[float], tuple[Array, Array]]:
    """Sum of squares of a ReLU network without biases: the loss before each step, and the last weights."""
    x, y, lr = from_.x, from_.y, float(from_.config.optimizer.lr or 0)
    w1, w2 = from_.start["weight1"].copy(), from_.start["weight2"].copy()
    losses = []
    for _ in range(steps):
        hidden = x @ w1
        positive = np.maximum(hidden, 0)
        error = positive @ w2 - y
        losses.append(float(np.square(error).sum()))
        slope1, slope2 = x.T @ ((2 * error @ w2.T) * (hidden > 0)), positive.T @ (2 * error)
        w1, w2 = w1 - lr * slope1, w2 - lr * slope2
    return losses, (w1, w2)


def test_random_two_layer_is_backpropagation(experiment: Experiment) -> None:
    result, from_ = experiment("random_two_layer", "trainer.max_steps=100"), setting("random_two_layer")
    losses, weights = backpropagate(from_, 100)
    have = curve(result)
    assert [have[step] for step in range(100)] == pytest.approx(losses, rel=1e-9)
    state = torch.load(result.directory / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    for name, weight in zip(("model.weight1", "model.weight2"), weights, strict=True):
        np.testing.assert_allclose(state[name][0].numpy(), weight, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("seed", [0, 1])
def test_random_two_layer_certified(experiment: Experiment, seed: int) -> None:
    """It starts near 3e7, is below 5e3 after 100 steps and below 1e-2 after 500."""
    losses = curve(experiment("random_two_layer", *([f"seed={seed}"] if seed else [])))
    assert 2e7 < losses[0] < 4e7
    assert losses[100] < 5e3
    assert losses[500] < 1e-2


def test_random_two_layer_is_standard_normal() -> None:
    from_ = setting("random_two_layer")
    assert (from_.x.shape, from_.y.shape) == ((64, 1000), (64, 10))
    assert {name: value.shape for name, value in from_.start.items()} == {"weight1": (1000, 100), "weight2": (100, 10)}
    for draw in (from_.x, from_.start["weight1"]):  # of n draws the mean has deviation 1/√n, the variance √(2/n)
        assert abs(draw.mean()) < 5 / draw.size**0.5
        assert abs(draw.var() - 1) < 5 * (2 / draw.size) ** 0.5


def test_the_student_learns_from_the_teacher(experiment: Experiment) -> None:
    """The noise has variance 0.01; a student that knew nothing would stay at the targets' variance."""
    result, val = experiment("teacher"), setting("teacher").problem.val
    assert val is not None
    variance = float(val.targets.double().var())
    assert result.metrics["val/loss"] is not None
    assert 0.005 < result.metrics["val/loss"] < 0.1 * variance
