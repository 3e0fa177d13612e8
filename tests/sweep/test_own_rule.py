"""A rule of a user's own in one Python file, as the optimizer or beside a class: it trains, stacks, is foreseen."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from src.errors import LabError
from src.optim.rules import rule_of
from src.run_directory import Result, read_rows
from tests.sweep.conftest import Multirun

Train = Callable[..., Result]

PYTHON = """
import torch
from torch.optim import Optimizer

from src.config.domains import FRACTION, POSITIVE
from src.optim.rules import Rule
from src.optim.rules.sgd import SGD


class HeavyBall(Optimizer):
    def __init__(self, params, lr, beta=0.5):
        super().__init__(params, {"lr": lr, "beta": beta})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for w in group["params"]:
                v = self.state[w].setdefault("v", torch.zeros_like(w)).mul_(group["beta"]).add_(w.grad)
                w.sub_(v, alpha=group["lr"])


class HeavyBallRule(Rule):
    numbers = {"lr": POSITIVE, "beta": FRACTION}
    slots = {"v": 0.0}
    linear_map = {"momentum": "beta"}

    def update(self, w, g, state, c, on):
        w.addcmul_(state["v"].mul_(c["beta"]).add_(g), c["lr"], value=-1)


class Unforeseen(HeavyBallRule):
    linear_map = None


class Sign(SGD):
    def update(self, w, g, state, c, on):
        w.addcmul_(g.sign(), c["lr"], value=-1)


class SignDescent(torch.optim.SGD):
    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for w in group["params"]:
                w.sub_(w.grad.sign(), alpha=group["lr"])


class Short(Rule):
    numbers = {"lr": POSITIVE}


class OfAnother(HeavyBallRule):
    numbers = {**HeavyBallRule.numbers, "rho": FRACTION}
"""
YAML = """
_target_: {package}.HeavyBall
_partial_: true
lr: 0.1
beta: 0.5
rule: {package}.HeavyBallRule
"""
DATA = ("data=features", "data.rows=40", "data.inputs=3", "data.noise=0.1", "model.dtype=float64")


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """The words that choose the optimizer of a package that was not there before."""
    (tmp_path / "package_of_mine.py").write_text(PYTHON)
    options = tmp_path / "myconf" / "optimizer"
    options.mkdir(parents=True)
    (options / "mine.yaml").write_text(YAML.format(package="package_of_mine"))
    monkeypatch.syspath_prepend(tmp_path)
    rule_of.cache_clear()
    target, rule = (f"{key}=package_of_mine.HeavyBall" for key in ("optimizer._target_", "optimizer.rule"))
    return target, f"{rule}Rule", *DATA


def _results(sweep: Path) -> list[dict[str, Any]]:
    return [json.loads((sweep / str(k) / "result.json").read_text()) for k in range(len(list(sweep.glob("[0-9]*"))))]


def test_a_rule_is_an_optimizer_that_trains_alone_and_stacks_and_is_foreseen(
    own: tuple[str, ...], multirun: Multirun, train: Train, tmp_path: Path
) -> None:
    own = ("optimizer._target_=package_of_mine.HeavyBallRule", *DATA)
    jobs = [(rate, beta) for rate in (0.02, 0.1) for beta in (0.5, 0.9)]
    swept = ("optimizer.lr=0.02,0.1", "+optimizer.beta=0.5,0.9", "trainer.log_every_n_steps=1")
    assert multirun("sweep", *own, *swept, "hydra.sweeper.report=true") == 0
    assert "HeavyBall" in (tmp_path / "sweep" / "report.html").read_text()
    results = _results(tmp_path / "sweep")
    for k in (0, 3):
        (rate, beta), stacked = jobs[k], results[k]
        words = (*own, f"optimizer.lr={rate}", f"+optimizer.beta={beta}", "trainer.max_steps=20")
        alone = train(f"lone{k}", *words, "trainer.val_every_n_steps=10", "trainer.log_every_n_steps=1")
        assert stacked["stack_size"] == len(jobs)
        assert stacked["metrics"] == pytest.approx(alone.metrics, rel=1e-9)
        # torch's SGD has the same formula, and is foreseen by the same map
        known = train(f"sgd{k}", *DATA, "optimizer=momentum", f"optimizer.momentum={beta}", *words[-3:-2], words[-1])
        assert alone.metrics["train/loss"] == pytest.approx(known.metrics["train/loss"], rel=1e-9)
        for exact in (alone.exact, stacked["exact"]):
            assert exact["critical_lr_formula"] == f"2(1 + {beta})/λmax"
            assert exact["critical_lr"] == known.exact["critical_lr"]
        run = tmp_path / "sweep" / str(k)
        predicted = {step: row["predicted_loss"] for step, row in read_rows(run / "theory.csv") if step < 20}
        taken = {step: row["train/loss"] for step, row in read_rows(run / "metrics.csv") if step in predicted}
        assert len(taken) > 10
        assert taken == pytest.approx(predicted, rel=1e-9)


def test_a_lone_run_goes_on_from_a_stack_by_the_class(
    own: tuple[str, ...], multirun: Multirun, train: Train, tmp_path: Path
) -> None:
    assert multirun("sweep", *own, "optimizer.lr=0.05,0.1", "scheduler=exponential", "scheduler.gamma=0.9") == 0
    assert {result["stack_size"] for result in _results(tmp_path / "sweep")} == {2}
    last = tmp_path / "sweep" / "1" / "checkpoints" / "last.ckpt"
    longer = train("longer", f"ckpt_path={last}", "trainer.max_steps=35")
    straight = train("straight", *own, "trainer.max_steps=35", "scheduler=exponential", "scheduler.gamma=0.9")
    assert longer.metrics["train/loss"] == pytest.approx(straight.metrics["train/loss"], rel=1e-9)


def test_a_rule_without_a_linear_map_leaves_theory_silent(own: tuple[str, ...], train: Train, tmp_path: Path) -> None:
    words = (f"hydra.searchpath=[file://{tmp_path / 'myconf'}]", "optimizer=mine", *DATA, "trainer.max_steps=3")
    assert train("foreseen", *words).exact["critical_lr_formula"] == "2(1 + 0.5)/λmax"
    exact = train("silent", *words, "optimizer.rule=package_of_mine.Unforeseen").exact
    assert exact["not_applicable"] == {
        "path and steps": "HeavyBall's steps are not known to be one linear map of the parameters"
    }


def test_a_rule_that_changes_the_formula_of_another_states_its_linear_map_anew(
    own: tuple[str, ...], multirun: Multirun, train: Train, tmp_path: Path
) -> None:
    target, rule = "optimizer._target_=package_of_mine.SignDescent", "optimizer.rule=package_of_mine.Sign"
    alone = train("run", target, rule, *DATA, "optimizer.lr=0.01", "trainer.max_steps=20")
    assert multirun("sweep", target, rule, *DATA, "optimizer.lr=0.01,0.02") == 0
    stacked = _results(tmp_path / "sweep")[0]
    assert (stacked["stack_size"], stacked["metrics"]) == (2, pytest.approx(alone.metrics, rel=1e-9))
    for exact in (alone.exact, stacked["exact"]):
        assert exact["not_applicable"] == {
            "path and steps": "SignDescent's steps are not known to be one linear map of the parameters"
        }


def test_a_number_that_its_rule_lacks_is_named(
    own: tuple[str, ...], multirun: Multirun, train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(LabError, match=r"HeavyBallRule needs beta: add \+optimizer\.beta=\.\.\."):
        train("none", "optimizer._target_=package_of_mine.HeavyBallRule", *DATA)
    with pytest.raises(
        LabError, match=r"HeavyBallRule cannot be built: ValueError: beta must be at least 0 and below 1, not 1"
    ):
        train("none", "optimizer._target_=package_of_mine.HeavyBallRule", *DATA, "+optimizer.beta=1")
    words = (own[0], "optimizer.rule=package_of_mine.Short", *DATA, "+optimizer.beta=0.5", "optimizer.lr=0.1,0.2")
    assert multirun("sweep", *words) == 0
    why = "2 runs are stepped by the class itself: HeavyBall's rule Short does not take beta (it takes lr)"
    assert why in " ".join(capsys.readouterr().out.split())


def test_a_rule_of_another_class_is_refused(
    own: tuple[str, ...], multirun: Multirun, capfd: pytest.CaptureFixture[str]
) -> None:
    assert multirun("sweep", *own, "optimizer.rule=package_of_mine.OfAnother", "optimizer.lr=0.1,0.2") == 1
    assert "HeavyBall keeps no rho in its parameter groups, of which its rule makes use" in capfd.readouterr().err
    assert multirun("none", *own, "optimizer.rule=package_of_mine.Missing", "optimizer.lr=0.1,0.2") == 1
    assert "optimizer.rule=package_of_mine.Missing cannot be imported" in capfd.readouterr().err


def test_polyaks_step_is_told_the_lowest_loss_where_it_is_known(
    multirun: Multirun, train: Train, tmp_path: Path
) -> None:
    words = ("optimizer=polyak", *DATA, "trainer.max_steps=60")
    alone = train("run", *words, "optimizer.lr=1.5")
    assert multirun("sweep", *words, "optimizer.lr=1.0,1.5") == 0
    for metrics in (alone.metrics, _results(tmp_path / "sweep")[1]["metrics"]):
        assert metrics["train/loss"] == pytest.approx(alone.exact["train/loss"], rel=1e-6)
    for more, message in (
        (("model=two_layer",), "the lowest loss is not known .*; say what it is, or may be: optimizer.lowest_loss=0"),
        (("model.loss=sum", "data.batch_size=8"), "is the sum over all rows, and a batch has fewer: model.loss=mean"),
        (("trainer.zero_grad_every_n_steps=2",), "needs the loss that its gradient is of, so gradients cannot add up"),
    ):
        with pytest.raises(LabError, match=message):
            train("none", *words, *more)
