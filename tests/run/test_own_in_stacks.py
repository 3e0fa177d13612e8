"""What has no rule as members of a stack: against the same runs by themselves, and in other stacks."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from src.engine.choose_stepper import Choice, choose_stepper
from src.errors import LabError
from src.run.train import quiet, train
from src.run_directory import Result, RunDirectory, read_rows
from tests.optim.own import Plain
from tests.run.runs import alone, members, numbers

OWN = "optimizer._target_=tests.optim.own."
NET = ["data=teacher", "data.inputs=3", "data.rows=40", "model=two_layer", "model.hidden=4"]
SHARED = ["model.dtype=float64", "trainer.max_steps=60", "trainer.val_every_n_steps=20", "logger=none"]


class Dropped(nn.Module):
    """Draws from the global generator while it trains."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(inputs, 4), nn.Dropout(0.3), nn.Linear(4, outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Deep(nn.Module):
    """Three layers, two of which share their weights, with a buffer and a frozen parameter."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first, self.twice, self.last = nn.Linear(inputs, 5), nn.Linear(5, 5), nn.Linear(5, outputs)
        self.register_buffer("shift", torch.randn(5))
        self.frozen = nn.Parameter(torch.randn(outputs), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.twice(torch.tanh(self.first(x) + self.shift))
        return self.last(torch.tanh(self.twice(hidden))) + self.frozen


class Normed(nn.Sequential):
    """Keeps running statistics."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(nn.Linear(inputs, 4), nn.BatchNorm1d(4), nn.Linear(4, outputs))


class DecaysMatrices(Plain):
    """As many do: what is no matrix has no weight decay."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for w in group["params"]:
                w.add_(w.grad + 0.1 * w * (w.dim() > 1), alpha=-group["lr"])


MODULE = ["data=teacher", "data.inputs=3", "data.rows=40", "model=custom"]
CASES: dict[str, tuple[str, list[str]]] = {
    "an optimizer that looks at one number": ("class", [*NET, f"{OWN}Plain"]),
    "with mini-batches, clipped, on a schedule": (
        "class",
        [*NET, f"{OWN}Plain", "data.batch_size=7", "scheduler=cosine", "trainer.gradient_clip_val=0.5"],
    ),
    "with a plateau": ("class", [*NET, f"{OWN}Plain", "scheduler=plateau", "scheduler.patience=0"]),
    "one that evaluates other parameters than it trains": ("class", [*NET, f"{OWN}ScheduleFree"]),
    "torch's that looks at matrices": ("rules", ["data=features", "data.inputs=3", "data.rows=40", "optimizer=muon"]),
    "torch's that looks at tensors, and vectors among them": (
        "rules",
        [*MODULE, f"model._target_={__name__}.Deep", "optimizer=adafactor", "data.batch_size=16"],
    ),
    "one that takes a closure": ("each", [*NET, f"{OWN}Sam"]),
    "torch's that takes a closure": ("each", ["data=line", "optimizer=lbfgs"]),
    "a module that draws": ("each", ["data=line", "model=custom", f"model._target_={__name__}.Dropped"]),
    "a loss": ("rules", ["data=line", "loss=custom", "loss._target_=torch.nn.HuberLoss", "scheduler=plateau"]),
    "a module": ("rules", [*MODULE, f"model._target_={__name__}.Deep", "optimizer=adam", "data.batch_size=16"]),
    "a module, its optimizer and a loss": (
        "class",
        [*MODULE, f"model._target_={__name__}.Deep", f"{OWN}Plain", "loss=custom", "loss._target_=torch.nn.HuberLoss"],
    ),
    "one that tells matrices from vectors": (
        "class",
        [*MODULE, f"model._target_={__name__}.Deep", f"optimizer._target_={__name__}.DecaysMatrices"],
    ),
    "a module whose statistics move": ("each", [*MODULE, f"model._target_={__name__}.Normed"]),
}
JOBS = [["optimizer.lr=0.02"], ["optimizer.lr=0.05", "seed=1"], ["optimizer.lr=0.02", "seed=2"]]


def stacked(root: Path, shared: Sequence[str], jobs: Sequence[Sequence[str]]) -> list[Result | LabError]:
    specs = members(root, shared, jobs)
    (choice,) = {choose_stepper(spec.config) for spec in specs}
    return train(specs, choice, kept=root / "stack.ckpt", tell=quiet)


@pytest.mark.parametrize("case", CASES)
def test_a_member_is_the_lone_run_and_the_same_bits_in_any_stack(case: str, tmp_path: Path) -> None:
    stepper, words = CASES[case]
    shared = [*SHARED, *words]
    together = stacked(tmp_path / "together", shared, JOBS)
    stacked(tmp_path / "fewer", shared, [JOBS[2], JOBS[1]])
    for number, other in ((2, 0), (1, 1)):
        assert numbers(tmp_path / "together" / str(number)) == numbers(tmp_path / "fewer" / str(other))
    for number, (job, one) in enumerate(zip(JOBS, together, strict=True)):
        assert isinstance(one, Result), one
        assert one.stepper["name"] == stepper
        lone = alone(tmp_path / f"lone{number}", shared, job)
        here, there = (numbers(each.directory) for each in (one, lone))
        if stepper == "each":
            assert _of_the_run(here) == _of_the_run(there)
            continue
        assert one.metrics == pytest.approx(lone.metrics, rel=1e-9)
        for file, kept in there["checkpoints"].items():  # of the same layout, and evaluated or trained as there
            groups = [each["checkpoints"][file]["optimizer_states"][0]["param_groups"][0] for each in (here, there)]
            assert groups[0].get("training") == groups[1].get("training")
            assert _layout(here["checkpoints"][file]["optimizer_states"]) == _layout(kept["optimizer_states"])
        rows = [dict(read_rows(RunDirectory(each.directory).curves_path)) for each in (one, lone)]
        assert rows[0].keys() == rows[1].keys()


def _of_the_run(found: dict[str, Any]) -> dict[str, Any]:
    """Without rows of curves that were not in their file yet."""
    for kept in found["checkpoints"].values():
        del kept["descent_lab"]["pending"]
    return found


def _layout(value: object) -> object:
    """Names, types and shapes, without the numbers."""
    if isinstance(value, dict):
        return {key: _layout(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_layout(each) for each in value]
    if isinstance(value, tuple) and len(value) == 3:
        return value[:2]
    return type(value).__name__


@pytest.mark.parametrize("case", ["an optimizer that looks at one number", "one that takes a closure"])
def test_one_that_diverges_leaves_and_a_stack_that_was_stopped_goes_on(case: str, tmp_path: Path) -> None:
    shared = [*SHARED, *CASES[case][1], "callbacks.checkpoint.every_n_steps=10"]
    jobs = [*JOBS, ["optimizer.lr=1e30"]]
    whole = stacked(tmp_path / "whole", shared, jobs)
    assert [one.status for one in whole if isinstance(one, Result)] == [*["completed"] * 3, "diverged"]
    specs = members(tmp_path / "stopped", shared, jobs)
    taken = [0]

    def stop(ended: int, steps: int) -> None:
        taken[0] += steps
        if taken[0] > 120:
            raise KeyboardInterrupt

    choice = choose_stepper(specs[0].config)
    with pytest.raises(KeyboardInterrupt):
        train(specs, choice, kept=tmp_path / "stopped" / "stack.ckpt", tell=stop)
    assert (tmp_path / "stopped" / "stack.ckpt").is_file()
    left = [spec for spec in specs if not RunDirectory(spec.directory).finished]
    train(left, choice, kept=tmp_path / "stopped" / "stack.ckpt", tell=quiet)
    for number in range(len(jobs)):
        here, there = (numbers(tmp_path / which / str(number)) for which in ("stopped", "whole"))
        assert repr(here) == repr(there)  # a loss that is NaN equals nothing


class Refuses(nn.Linear):
    """Of seed 1 it breaks in its second step."""

    def __init__(self, inputs: int, outputs: int, breaks: bool = False) -> None:
        super().__init__(inputs, outputs)
        self.breaks, self.calls = breaks, 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += torch.is_grad_enabled()
        if self.breaks and self.calls > 30:
            raise ArithmeticError("seven is not eight")
        return super().forward(x)


class Breaks(Plain):
    """At a rate below 0.05 it breaks in its thirtieth step."""

    taken = 0

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        self.taken += 1
        if self.taken == 30 and self.param_groups[0]["lr"] < 0.05:
            raise ArithmeticError("seven is not eight")
        super().step()


@pytest.mark.parametrize(
    ("words", "bad", "stepper"),
    [
        (["model=custom", f"model._target_={__name__}.Refuses"], "+model.breaks=true", "each"),
        ([f"optimizer._target_={__name__}.Breaks"], "optimizer.lr=0.04", "class"),
    ],
)
def test_what_raises_fails_alone(words: list[str], bad: str, stepper: Any, tmp_path: Path) -> None:
    shared = [*SHARED, "data=line", *words]
    specs = members(tmp_path, shared, [[], [bad], ["seed=3"]])
    ends = train(specs, Choice(stepper, "it is one's own"), kept=tmp_path / "stack.ckpt", tell=quiet)
    assert [type(end) for end in ends] == [Result, LabError, Result]
    assert "seven is not eight" in str(ends[1])
