"""A model, a loss and a kind of data of the user's own: one file each, trained alone, in sweeps, and reported."""

import csv
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from src.errors import LabError
from src.report.__main__ import report
from src.run.build import build_model, build_problem
from src.run_directory import Result
from src.sweep.stacking import most_members, size_of
from tests.optim.bare import batches, configured, parameters
from tests.run.runs import members
from tests.sweep.conftest import Multirun, multirun

__all__ = ["multirun"]

Train = Callable[..., Result]

DATA = """
import torch
from src.data.kind import Kind
from src.data.problem import Problem, Rows

class Slope:
    def __init__(self, seed, turns, rows=40):
        self.seed, self.turns, self.rows = seed, turns, rows

    def problem(self):
        generator = torch.Generator().manual_seed(self.seed)
        x = torch.randn(self.rows + 10, 2, generator=generator)
        y = torch.stack([self.turns * x[:, 0] - x[:, 1], x[:, 1]], 1)
        return Problem(Rows(x[:-10], y[:-10]), Rows(x[-10:], y[-10:]), None, ["a", "b"], ["c", "d"])

def slope(turns):
    return Slope(0, turns).problem()

def growing(turns, seed=0):
    return Slope(seed, turns, 40 + 2 * (seed // 2)).problem()

def flat(turns):
    rows = Rows(torch.ones(4), torch.ones(4, 1))
    return Problem(rows, None, None, ["a"], ["b"])

class Whole(Kind):
    def problem(self):
        return slope(self.section.turns)

class Breaks(Kind):
    def problem(self):
        return 1 / 0

def nothing():
    return 3
"""
LOSS = """
from src.losses.loss import Loss
from src.losses.squared_error import SquaredError

class Absolute(Loss):
    def each(self, predictions, targets):
        return (predictions - targets).abs()

class Broken(Loss):
    def each(self, predictions, targets):
        return predictions / (1 // 0)

class Worst(Loss):
    def each(self, predictions, targets):
        return (predictions - targets).abs().amax(2)

class Quartic(SquaredError):
    def value(self, predictions, targets, rows=None):
        return (predictions - targets).pow(4).mean((1, 2))

class QuarticOfEach(SquaredError):
    def each(self, predictions, targets):
        return (predictions - targets).pow(4)

def absolute(predictions, targets, times=1.0):
    return times * (predictions - targets).abs().mean()

def several(predictions, targets):
    return predictions - targets
"""
MODEL = """
import torch
from torch import nn
from src.models.linear import Linear
from src.models.model import Model

class Cube(Linear):
    def forward(self, inputs):
        return super().forward(inputs) ** 3

class CubeByHand(Cube):
    def by_hand(self, inputs, targets, loss, rows=None):
        losses, slopes = loss.derivative(self(inputs), targets, rows)
        slopes = 3 * slopes * Linear.forward(self, inputs) ** 2
        return losses, (inputs.mT @ slopes, slopes.sum(1, keepdim=True))

class Scaled(Linear):
    def __init__(self, section, inputs, outputs):
        super().__init__(section, inputs, outputs)
        self.largest = float(self.weight.detach().abs().max())

class Net(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.layer = nn.Linear(inputs, outputs)

    def forward(self, rows):
        return self.layer(rows)

class Factor(Model):
    def __init__(self, section, inputs, outputs):
        super().__init__()
        self.factor = nn.Parameter(torch.full((1, 1, outputs), section.model_extra["first"], dtype=torch.float32))

    def forward(self, inputs):
        return inputs[..., :1] * self.factor

    def by_hand(self, inputs, targets, loss, rows=None):
        losses, slopes = loss.derivative(self(inputs), targets, rows)
        return losses, ((slopes * inputs[..., :1]).sum(1, keepdim=True),)
"""
WATCHER = """
from src.engine.watchers import LearningRate

class Halves(LearningRate):
    def curves(self, loop):
        return {name: value / 2 for name, value in super().curves(loop).items()}

    def curves_of(self, parameters):
        return 1000
"""
LINE = ["data.rows=30", "data.val=10", "trainer.max_steps=20", "trainer.val_every_n_steps=10"]
OWN = "loss=custom", "loss._target_=mine.loss.Absolute"
ALL = (
    *("data=custom", "data._target_=mine.data.Slope", "+data.turns=2.0"),
    *("model=custom", "model._target_=mine.model.Net", *OWN, "trainer.max_steps=20", "trainer.val_every_n_steps=10"),
)


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package `mine`, where a command starts."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for name, text in {"__init__": "", "data": DATA, "loss": LOSS, "model": MODEL, "watcher": WATCHER}.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "mine"]:
        del sys.modules[name]


def bare(result: Result, loss: Callable[..., torch.Tensor], steps: int, lr: float) -> dict[str, torch.Tensor]:
    """Descent over the run's rows by a loop of torch's own, from the run's start."""
    config = configured(result)
    problem = build_problem(config)
    model = build_model(config, problem)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for step in range(steps):
        x, y = batches(config, problem, step)
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()
    return {name: p.detach() for name, p in model.named_parameters()}


def rows(directory: Path) -> list[dict[str, str]]:
    with (directory / "results.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


# --- losses ---


@pytest.mark.parametrize(
    "words",
    [OWN, ("loss=custom", "loss._target_=torch.nn.L1Loss"), ("loss=custom", "loss._target_=mine.loss.absolute")],
)
def test_a_loss_of_ones_own_is_descended(train: Train, words: tuple[str, ...]) -> None:
    result = train("run", *LINE, *words, "optimizer.lr=0.1", "model.dtype=float64")
    expected = bare(result, F.l1_loss, 20, 0.1)
    for name, value in parameters(result).items():
        torch.testing.assert_close(value, expected[name], rtol=0, atol=1e-14)


def test_its_numbers_and_its_sum_are_its_arguments(train: Train) -> None:
    result = train("run", *LINE, "loss=custom", "loss._target_=torch.nn.HuberLoss", "+loss.delta=0.3", "model.loss=sum")
    expected = bare(result, lambda p, y: F.huber_loss(p, y, reduction="sum", delta=0.3), 20, 0.1)
    for name, value in parameters(result).items():
        torch.testing.assert_close(value, expected[name])


def test_a_linear_model_with_another_loss_is_not_least_squares(
    train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    result = train("run", *LINE, *OWN, "optimizer.lr=100")
    told = {"exact answer": "Absolute does not say that it is convex"}
    assert result.exact == {"not_applicable": told}
    assert not (result.directory / "theory.csv").exists()
    assert "critical" not in capsys.readouterr().out
    page = report([result.directory])[0]
    assert "way over the loss" not in page.read_text(encoding="utf-8")


def test_a_subclass_of_a_loss_states_its_facts_anew(train: Train, multirun: Multirun, tmp_path: Path) -> None:
    words = [*LINE, "model.dtype=float64", "loss=custom"]
    for name in ("Quartic", "QuarticOfEach"):
        own = [*words, f"loss._target_=mine.loss.{name}"]
        result = train(name, *own, "optimizer.lr=0.001")
        assert result.exact == {"not_applicable": {"exact answer": f"{name} does not say that it is convex"}}
        expected = bare(result, lambda p, y: (p - y).pow(4).mean(), 20, 0.001)
        for key, value in parameters(result).items():
            torch.testing.assert_close(value, expected[key], rtol=0, atol=1e-14)
        assert multirun(f"{name}s", *own, "optimizer.lr=0.001,0.0001") == 0
        member = json.loads((tmp_path / f"{name}s" / "0" / "result.json").read_text())
        assert (member["stack_size"], member["exact"]) == (2, result.exact)
        assert member["metrics"] == pytest.approx(result.metrics, rel=1e-9)


@pytest.mark.parametrize(("name", "stepper"), [("Cube", "rules"), ("CubeByHand", "rules")])
def test_a_subclass_of_a_model_states_its_facts_anew(
    train: Train, multirun: Multirun, tmp_path: Path, name: str, stepper: str
) -> None:
    words = [*LINE, "model.dtype=float64", f"model._target_=mine.model.{name}"]
    result = train("run", *words, "optimizer.lr=0.001")
    assert result.exact == {"not_applicable": {"exact answer": "only model=linear has one"}}
    assert result.parameters == {}  # of no line: no page draws the way over the squared error of one
    assert "way over the loss" not in report([result.directory])[0].read_text(encoding="utf-8")
    assert multirun("sweep", *words, "optimizer.lr=0.001,0.0001") == 0
    member = json.loads((tmp_path / "sweep" / "0" / "result.json").read_text())
    assert (member["stepper"]["name"], member["exact"]) == (stepper, result.exact)
    assert member["metrics"] == pytest.approx(result.metrics, rel=1e-9)


@pytest.mark.parametrize("size", ["full", "7"])
def test_a_loss_written_per_member_stacks(train: Train, multirun: Multirun, tmp_path: Path, size: str) -> None:
    words = [*LINE, *OWN, "model.dtype=float64", f"data.batch_size={size}"]
    assert multirun("sweep", *words, "optimizer.lr=0.01,0.1") == 0
    for number, lr in enumerate(("0.01", "0.1")):
        alone = train(f"alone{number}", *words, f"optimizer.lr={lr}")
        member = json.loads((tmp_path / "sweep" / str(number) / "result.json").read_text())
        assert member["stepper"]["name"] == "rules"
        assert member["metrics"] == pytest.approx(alone.metrics, rel=1e-9)
        assert member["exact"] == alone.exact


def test_of_a_standardized_table_the_units_of_a_loss_of_ones_own_are_told(train: Train) -> None:
    told = "losses are in standardized units (data.standardize=false: in those of the table)"
    result = train("own", "data=diabetes", "loss=custom", "loss._target_=mine.loss.Absolute", "trainer.max_steps=5")
    assert result.reason.endswith(f"; {told}")
    assert "standardized" not in train("squares", "data=diabetes", "trainer.max_steps=5").reason
    plain = train("plain", "data=diabetes", "data.standardize=false", *OWN, "trainer.max_steps=5", "optimizer.lr=1e-9")
    assert "standardized" not in plain.reason


def test_a_function_stacks_as_well(train: Train, multirun: Multirun, tmp_path: Path) -> None:
    words = [*LINE, "loss=custom", "loss._target_=torch.nn.L1Loss", "model.dtype=float64"]
    assert multirun("sweep", *words, "optimizer.lr=0.01,0.1") == 0
    alone = train("alone", *words, "optimizer.lr=0.1")
    member = json.loads((tmp_path / "sweep" / "1" / "result.json").read_text())
    assert (member["stepper"]["name"], member["stack_size"]) == ("rules", 2)
    assert member["metrics"] == pytest.approx(alone.metrics, rel=1e-9)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("loss._target_=mine.loss.Absolut",), r"loss\._target_=mine\.loss\.Absolut cannot be imported"),
        (
            ("loss._target_=mine.loss.Absolute", "+loss.delta=1"),
            r"Absolute does not take delta \(it takes nothing\): .* ~loss",
        ),
        (
            ("loss._target_=mine.loss.several",),
            r"mine\.loss\.several gives \[30, 1\] of predictions and .*, not one number",
        ),
        (
            ("loss._target_=mine.loss.absolute", "model.loss=sum"),
            r"model\.loss=sum: mine\.loss\.absolute has no argument",
        ),
        (("loss._target_=mine.loss.absolute", "+loss.time=2"), r"absolute does not take time .*; did you mean times\?"),
        (
            ("loss._target_=mine.loss.Broken",),
            r"mine\.loss\.Broken cannot take predictions and .* \[1, 30, 1\]: ZeroDivisionError at loss\.py:\d+: ",
        ),
        (("loss._target_=mine.loss.Absolute", "model.gradient=by_hand"), r"by_hand: mine\.loss\.Absolute has no deriv"),
    ],
)
def test_what_cannot_be_a_loss_is_refused(train: Train, words: tuple[str, ...], told: str) -> None:
    with pytest.raises(LabError, match=told):
        train("run", *LINE, "loss=custom", *words)


def test_its_gradient_is_checked_by_differences(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    train("run", *LINE, *OWN, "check_gradients=true")
    assert "gradients by hand, by autograd and by central differences differ by" in capsys.readouterr().out


# --- data and models ---


def test_a_stack_over_data_of_ones_own_is_planned_with_their_size(tmp_path: Path) -> None:
    own = ["data=custom", "data._target_=mine.data.Slope", "+data.turns=2.0", "+data.rows=100000"]
    (spec,) = members(tmp_path, own, [[]])
    assert size_of(spec.config)[1:4] == (2, 2, 100_000)
    assert most_members(spec.config, 2**30) < 2**30 / (100_000 * 4 * 4)


def test_data_whose_sizes_depend_on_the_seed_train_apart(multirun: Multirun, tmp_path: Path) -> None:
    words = ["data=custom", "data._target_=mine.data.growing", "+data.turns=2.0"]
    assert multirun("sweep", *words, "seed=0,1,2,3,4", "data.shuffle_seed=7") == 0
    found = [json.loads((tmp_path / "sweep" / str(number) / "result.json").read_text()) for number in range(5)]
    assert [one["stack_size"] for one in found] == [2, 2, 2, 2, 1]
    assert {one["stepper"]["name"] for one in found} == {"rules"}


def test_data_of_ones_own_are_given_their_keys(train: Train) -> None:
    result = train(
        "run", "data=custom", "data._target_=mine.data.Slope", "+data.turns=2.0", "optimizer=adam", "optimizer.lr=0.1"
    )
    assert (result.features, result.targets) == (["a", "b"], ["c", "d"])
    assert torch.tensor(result.exact["weight"]) == pytest.approx(torch.tensor([[2.0, 0.0], [-1.0, 1.0]]), abs=1e-5)
    by_function = train(
        "other", "data=custom", "data._target_=mine.data.slope", "+data.turns=2.0", "optimizer=adam", "optimizer.lr=0.1"
    )
    assert by_function.metrics == result.metrics


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("data._target_=mine.data.Slope",), r"Slope needs turns: add \+data\.turns=\.\.\."),
        (
            ("data._target_=mine.data.Slope", "+data.turns=1", "+data.row=9"),
            r"Slope does not take row \(it takes turns, rows\): drop it with ~data\.row; did you mean rows\?",
        ),
        (("data._target_=mine.data.nothing",), r"mine\.data\.nothing gives int; it must give a src\.data\.problem"),
        (("data._target_=mine.data.Whole",), r"mine\.data\.Whole needs turns: add \+data\.turns="),
        (
            ("data._target_=mine.data.Breaks",),
            r"Breaks cannot be built: ZeroDivisionError at data\.py:\d+: division by",
        ),
        (
            ("data._target_=mine.data.flat", "+data.turns=1"),
            r"has train inputs \[4\] and targets \[4, 1\]; .* \[rows, 1\]",
        ),
    ],
)
def test_what_cannot_be_data_is_refused(train: Train, words: tuple[str, ...], told: str) -> None:
    with pytest.raises(LabError, match=told):
        train("run", "data=custom", *words)


def test_a_key_that_a_model_misses_in_its_section_is_named(train: Train) -> None:
    with pytest.raises(LabError, match=r"model\._target_=mine\.model\.Cube needs bias: add \+model\.bias=\.\.\."):
        train("run", "model=custom", "model._target_=mine.model.Cube")


def test_a_model_that_looks_at_its_numbers_while_it_is_built_is_planned(multirun: Multirun, tmp_path: Path) -> None:
    assert multirun("sweep", *LINE, "model._target_=mine.model.Scaled", "optimizer.lr=0.1,0.01") == 0
    member = json.loads((tmp_path / "sweep" / "0" / "result.json").read_text())
    assert (member["status"], member["stack_size"]) == ("completed", 2)
    (spec,) = members(tmp_path, ["model._target_=mine.model.Scaled"], [[]])
    assert size_of(spec.config).parameters == 2


# --- watchers ---


def test_a_watcher_of_ones_own_stacks_and_is_planned_for(train: Train, multirun: Multirun, tmp_path: Path) -> None:
    words = [*LINE, "+callbacks.mine._target_=mine.watcher.Halves", "+callbacks.mine.every_n_steps=5"]
    train("alone", *words, "optimizer.lr=0.1")
    assert multirun("sweep", *words, "optimizer.lr=0.1,0.01") == 0
    with (tmp_path / "sweep" / "1" / "metrics.csv").open(newline="", encoding="utf-8") as file:
        curve = [float(row["lr"]) for row in csv.DictReader(file) if row["lr"]]
    assert curve == [0.005] * 5
    with_it, without = members(tmp_path, LINE, [words[-2:], []])
    assert size_of(with_it.config).curves == size_of(without.config).curves + 1000 * (20 // 5 + 2)


def test_all_three_together_train_sweep_and_report(train: Train, multirun: Multirun, tmp_path: Path) -> None:
    alone = train("alone", *ALL, "optimizer.lr=0.1")
    assert multirun("sweep", *ALL, "optimizer.lr=0.1,0.01", "seed=0,1") == 0
    member: dict[str, Any] = json.loads((tmp_path / "sweep" / "0" / "result.json").read_text())
    assert member["metrics"] == alone.metrics
    assert len(rows(tmp_path / "sweep")) == 4
    assert "Absolute" in report([tmp_path / "sweep"])[0].read_text(encoding="utf-8")


def test_a_model_with_a_member_axis_and_a_gradient_by_hand_stacks(
    train: Train, multirun: Multirun, tmp_path: Path
) -> None:
    words = [*LINE, "model=custom", "model._target_=mine.model.Factor", "+model.first=0.5", *OWN]
    alone = train("alone", *words, "optimizer.lr=0.1")
    assert multirun("sweep", *words, "optimizer.lr=0.1,0.01") == 0
    member = json.loads((tmp_path / "sweep" / "0" / "result.json").read_text())
    assert member["stepper"]["name"] == "rules"
    assert member["metrics"] == pytest.approx(alone.metrics, rel=1e-5)
