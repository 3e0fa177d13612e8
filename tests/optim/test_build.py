"""Optimizers as this project drives them against the same classes in a loop by hand, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from src.config.compose import CONF
from src.errors import LabError
from src.run.build import build_model, build_problem
from src.run_directory import Result
from tests.optim.bare import batches, configured, curve, loop, parameters, same

Train = Callable[..., Result]

OPTIMIZERS = sorted(p.stem for p in (CONF / "optimizer").glob("*.yaml") if "src.optim." not in p.read_text())
OWN_RULE = "textbook_momentum"
"""One for all that are rules of this project: the class of them is one."""
OWN = "optimizer._target_=tests.optim.own."
STEPPED = ["scheduler=step", "scheduler._target_=tests.optim.own.Stepped"]
# 30 rows in batches of 8: epochs of 4 steps whose last batch is smaller, cut into blocks that fit neither
DATA = ["data=features", "data.rows=30", "data.inputs=3"]
STEPS = ["trainer.max_steps=13", "trainer.val_every_n_steps=5", "trainer.block_size=4"]
MODELS = {"linear": ["model=linear"], "two_layer": ["model=two_layer", "model.hidden=5", "model.activation=tanh"]}


@pytest.mark.parametrize("batch_size", ["full", "8"])
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("optimizer", [*OPTIMIZERS, OWN_RULE])
def test_an_optimizer_is_that_of_a_loop_by_hand_to_the_last_bit(
    train: Train, optimizer: str, model: str, batch_size: str
) -> None:
    words = [f"optimizer={optimizer}", *MODELS[model], f"data.batch_size={batch_size}", *DATA, *STEPS]
    result = train("run", *words)
    expected = loop(result)
    assert result.steps == 13
    assert same(parameters(result), expected.parameters)
    assert curve(result, "train/loss")[10] == expected.losses[10]
    assert curve(result, "val/loss") == {**expected.validations, 13: curve(result, "val/loss")[13]}


@pytest.mark.parametrize("gradient", ["autograd", "by_hand"])
def test_what_a_linear_run_reports_is_what_it_keeps(train: Train, gradient: str) -> None:
    result = train("run", *DATA, *STEPS, "optimizer=muon", "data.batch_size=8", f"model.gradient={gradient}")
    kept = parameters(result)
    assert result.parameters["weight"] == kept["weight"].double().tolist()
    assert result.parameters["bias"] == kept["bias"].double()[0].tolist()


def test_torch_by_another_path_is_found_out_to_need_a_closure(train: Train) -> None:
    words = ["optimizer=lbfgs", *DATA, *STEPS]
    usual = train("usual", *words)
    other = train("other", *words, "optimizer._target_=torch.optim.lbfgs.LBFGS")
    assert same(_with_member_axis(other), parameters(usual))


def _with_member_axis(result: Result) -> dict[str, Tensor]:
    """The parameters of a run whose optimizer was given `[I, O]`."""
    return {name: value[None] for name, value in parameters(result).items()}


# --- a user's own class ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Plain", "plain"])
@pytest.mark.parametrize("batch_size", ["full", "8"])
def test_a_clone_of_sgd_is_sgd(train: Train, name: str, batch_size: str) -> None:
    words = ["model=two_layer", "model.hidden=5", *DATA, *STEPS, f"data.batch_size={batch_size}"]
    own, usual = train("own", *words, f"{OWN}{name}"), train("usual", *words)
    assert same(_with_member_axis(own), parameters(usual))


def test_a_step_that_needs_a_closure_and_the_gradient_before_it(train: Train) -> None:
    words = [*DATA, *STEPS, "model.dtype=float64", "optimizer.lr=0.1"]
    result = train("run", *words, f"{OWN}Sam", "+optimizer.rho=0.5", "data.batch_size=8", "data.shuffle_seed=1")
    losses, expected = _sharpness_aware(result, rho=0.5)
    for name, value in parameters(result).items():
        torch.testing.assert_close(value, expected[name], rtol=0, atol=1e-12)
    assert curve(result, "train/loss")[10] == pytest.approx(losses[10], rel=1e-12)
    # with rho = 0 it is descent itself, and elsewhere
    _, descent = _sharpness_aware(result, rho=0.0)
    assert not torch.allclose(expected["weight"], descent["weight"], atol=1e-3)


def _sharpness_aware(result: Result, rho: float) -> tuple[list[float], dict[str, Tensor]]:
    """Foret et al. 2021, equations 2 and 3: the gradient is taken at `w + rho g / |g|`."""
    config = configured(result)
    problem = build_problem(config)
    w = {name: p.detach() for name, p in build_model(config, problem).named_parameters()}
    losses = []

    def gradient(at: dict[str, Tensor], step: int) -> tuple[float, dict[str, Tensor]]:
        x, y = (rows[0] for rows in batches(config, problem, step))
        error = x @ at["weight"] + at["bias"] - y
        slope = 2 * error / error.numel()
        return float(error.square().mean()), {"weight": x.T @ slope, "bias": slope.sum(0, keepdim=True)}

    for step in range(config.trainer.max_steps):
        loss, g = gradient(w, step)
        norm = torch.cat([part.flatten() for part in g.values()]).norm()
        _, g = gradient({name: w[name] + rho * g[name] / norm for name in w}, step)
        w = {name: w[name] - 0.1 * g[name] for name in w}
        losses.append(loss)
    return losses, w


def test_an_optimizer_with_modes_is_trained_in_one_and_evaluated_and_kept_in_the_other(train: Train) -> None:
    words = ["data.rows=20", "model.dtype=float64", f"{OWN}ScheduleFree", "+optimizer.beta=0.8", "optimizer.lr=0.2"]
    steps = ["trainer.max_steps=30", "trainer.val_every_n_steps=10", "trainer.log_every_n_steps=1"]
    # the "best" by the largest loss is that of the first validation, in the middle of the training
    result = train("run", *words, *steps, "callbacks.checkpoint.mode=max")
    config = configured(result)
    problem = build_problem(config)
    assert problem.val is not None
    ys, xs = _schedule_free(result)

    def loss(rows: tuple[Tensor, Tensor], at: Tensor) -> float:
        return float((rows[0].double() * at[0] + at[1] - rows[1].double()).square().mean())

    train_rows = (problem.train.inputs, problem.train.targets)
    val_rows = (problem.val.inputs, problem.val.targets)
    trained = {step: loss(train_rows, y) for step, y in enumerate(ys[:30])}
    assert curve(result, "train/loss") == pytest.approx({**trained, 30: loss(train_rows, xs[30])}, rel=1e-10)
    assert curve(result, "val/loss") == pytest.approx({k: loss(val_rows, xs[k]) for k in (10, 20, 30)}, rel=1e-10)
    assert result.metrics["val/loss"] == pytest.approx(loss(val_rows, xs[30]), rel=1e-10)
    for name, step in (("best", 10), ("last", 30)):
        kept = torch.cat([value.flatten() for value in parameters(result, name).values()])
        torch.testing.assert_close(kept, xs[step], rtol=0, atol=1e-12)
        assert not torch.allclose(kept, ys[step], atol=1e-3)


def _schedule_free(result: Result) -> tuple[list[Tensor], list[Tensor]]:
    """Defazio et al. 2024, equations 2 to 4, with c = 1 / (t + 1): the sequences y (trained) and x (kept) of (w, b)."""
    config = configured(result)
    problem = build_problem(config)
    design = torch.cat([problem.train.inputs, torch.ones_like(problem.train.inputs)], 1).double()
    targets = problem.train.targets[:, 0].double()
    x = torch.cat([p.detach().flatten() for p in build_model(config, problem).parameters()])
    z, xs, ys = x, [x], [x]
    for t in range(30):
        z = z - 0.2 * 2 * design.T @ (design @ ys[-1] - targets) / len(targets)
        x = x + (z - x) / (t + 1)
        xs.append(x)
        ys.append(0.2 * z + 0.8 * x)
    return ys, xs


def test_an_optimizer_that_differentiates_the_gradient(train: Train) -> None:
    # one Newton step on a parabola ends in its minimum: y = 2x goes through all three points
    words = ["experiment=proportional", "model.dtype=float64", f"{OWN}Newton", "optimizer.lr=1.0"]
    result = train("run", *words, "trainer.create_graph=true", "trainer.max_steps=1")
    assert result.parameters["weight"][0][0] == pytest.approx(2, abs=1e-14)
    with pytest.raises(LabError, match=r"tests\.optim\.own\.Newton cannot take a step.*trainer\.create_graph=true"):
        train("without", *words, "trainer.max_steps=1")
    with pytest.raises(LabError, match=r"model\.gradient=autograd"):
        train("by_hand", *words, "trainer.max_steps=1", "trainer.create_graph=true", "model.gradient=by_hand")


# --- refused ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([f"{OWN}Broken"], r"own\.Broken cannot take a step: \w+ at own\.py:\d+: seven is not eight"),
        (
            [f"{OWN}Backward"],
            r"own\.Backward cannot take a step: \w+ at own\.py:\d+: no closure \(with a closure: .*not require grad",
        ),
        ([f"{OWN}GivesBack"], r"own\.GivesBack cannot take a step: TypeError: .* is to change w in place"),
        ([f"{OWN}Unnamed"], r"own\.Unnamed cannot take a step: KeyError at own\.py:\d+: 'rate'"),
        ([f"{OWN}Backward", "trainer.create_graph=true"], r"own\.Backward cannot take a step"),
        ([f"{OWN}NoOptimizer"], r"own\.NoOptimizer is not a torch\.optim\.\S+ or a src\.\S+\.Rule"),
        ([f"{OWN}no_optimizer"], r"own\.no_optimizer makes a NoOptimizer, not a torch\.optim\.Optimizer"),
        ([f"{OWN}torch"], r"own\.torch is not a class"),
        ([f"{OWN}Plane"], r"own\.Plane cannot be imported"),
        (
            ["optimizer._target_=tests.optim.nowhere.X"],
            r"nowhere\.X cannot be imported \(No module named 'tests\.optim\.nowhere'",
        ),
        (["optimizer=adam", f"{OWN}Plain"], r"Plain does not take betas, eps \(it takes lr\).*~optimizer\.betas"),
        ([f"{OWN}Plain", "+optimizer.rho=1"], r"Plain does not take rho \(it takes lr\): drop it with ~optimizer\."),
        ([f"{OWN}Rho"], r"Rho needs rho: add \+optimizer\.rho=\.\.\."),
        ([f"{OWN}Rho", "optimizer.lr=null"], r"Rho needs lr, rho: add optimizer\.lr=\.\.\. \+optimizer\.rho="),
        ([f"{OWN}Rho", "+optimizer.rho=high"], r"own\.Rho cannot be built: "),
        (["optimizer=adam", "optimizer.betas=[0.9,1.5]"], r"torch\.optim\.Adam cannot be built: .*1\.5"),
        (["optimizer=textbook_adam", "optimizer.beta1=1.0"], r"beta1 must be at least 0 and below 1, not 1\.0"),
        (["optimizer._target_=torch.optim.SparseAdam"], r"SparseAdam cannot take a step: .*dense"),
        (["optimizer=lbfgs", "trainer.zero_grad_every_n_steps=2"], r"trainer\.zero_grad_every_n_steps=1"),
        ([f"{OWN}Sam", "trainer.zero_grad_every_n_steps=0"], r"trainer\.zero_grad_every_n_steps=1"),
        ([*STEPPED, "scheduler.step_size=0"], r"own\.Stepped refuses its numbers: .*zero"),
        (
            ["scheduler=step", "scheduler._target_=tests.optim.own.no_scheduler"],
            r"does not take step_size",
        ),
        (
            ["scheduler=step", "scheduler._target_=torch.nn.Linear"],
            r"torch\.nn\.Linear is not a torch\.optim\.",
        ),
        (["scheduler=warmup_cosine", "trainer.max_steps=50"], r"warmup_steps=100 .*total_steps=50"),
        (
            ["scheduler=step", "~scheduler.step_size", "~scheduler.gamma"],
            r"StepLR needs step_size: add \+scheduler\.step_size",
        ),
        (
            [
                "scheduler=step",
                "~scheduler.step_size",
                "~scheduler.gamma",
                "scheduler._target_=tests.optim.own.no_scheduler",
            ],
            r"own\.no_scheduler makes a str, not an LRScheduler",
        ),
    ],
)
def test_what_cannot_be_served_is_refused_in_a_sentence(
    train: Train, tmp_path: Path, words: list[str], message: str
) -> None:
    with pytest.raises(LabError, match=message):
        train("run", *words)
    assert {path.name for path in tmp_path.glob("run/*")} <= {".hydra"}


def test_what_a_refusal_says_helps(train: Train) -> None:
    dropped = train("1", "optimizer=adam", f"{OWN}Plain", "~optimizer.betas", "~optimizer.eps", *STEPS)
    added = train("2", f"{OWN}Rho", "optimizer.lr=0.04", "+optimizer.rho=0.5", *STEPS)
    assert dropped.parameters == added.parameters  # a learning rate of 0.02 both


def test_a_module_that_raises_when_it_is_imported(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "raises_when_imported.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(LabError, match=r"raises_when_imported\.X cannot be imported .*division by zero"):
        train("run", "optimizer._target_=raises_when_imported.X")
