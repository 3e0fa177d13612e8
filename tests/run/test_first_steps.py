"""What looks as if it could be stepped together, and takes other steps than alone: found out before it trains."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from src.config.domains import POSITIVE
from src.engine import compiled_stepper
from src.engine.choose_stepper import Choice, choose_stepper
from src.engine.compiled_stepper import CompiledStepper
from src.engine.rule_stepper import RuleStepper
from src.errors import LabError
from src.optim.rules import Rule
from src.run.build import Member, build_members, build_rule_stepper
from src.run.first_steps import compiled, held
from src.run.train import tell_once
from tests.optim.own import Plain
from tests.run.runs import members, stacked

NET = ["data=teacher", "data.inputs=3", "data.rows=100", "data.batch_size=30", "model=two_layer", "logger=none"]


class ManyAreShort(Plain):
    """What has many numbers takes a step of a given length: so it is of no tensor of few, as are tried first."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for w in group["params"]:
                w.sub_(w.grad / (w.grad.norm() if w.numel() > 1000 else 1.0), alpha=group["lr"])


class Half(Rule):
    """Not what `Plain` does."""

    numbers = {"lr": POSITIVE}  # noqa: RUF012

    def update(self, w: Any, g: Any, state: Any, c: Any, on: Any) -> None:
        w.addcmul_(g, c["lr"], value=-0.5)


class Whole(Half):
    """What it does."""

    def update(self, w: Any, g: Any, state: Any, c: Any, on: Any) -> None:
        w.addcmul_(g, c["lr"], value=-1)


class Branches(nn.Module):
    """Goes one way or the other by what it has computed."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layer = nn.Linear(inputs, outputs)

    def forward(self, x: Any) -> Any:
        made = self.layer(x)
        return made if made.sum() > 0 else -made


OTHERWISE = "makes something else for many members at once"


@pytest.mark.parametrize(
    ("words", "before", "after"),
    [
        (["optimizer._target_=tests.optim.own.Plain"], "class", ""),
        ([f"optimizer._target_={__name__}.ManyAreShort"], "class", ""),
        ([f"optimizer._target_={__name__}.ManyAreShort", "model.hidden=400"], "class", OTHERWISE),
        (["optimizer._target_=tests.optim.own.Plain", f"optimizer.rule={__name__}.Whole"], "rules", ""),
        (["optimizer._target_=tests.optim.own.Plain", f"optimizer.rule={__name__}.Half"], "rules", OTHERWISE),
        (["optimizer=adam"], "rules", ""),
    ],
)
def test_what_steps_otherwise_than_alone_takes_its_steps_one_after_another(
    words: list[str], before: str, after: str, tmp_path: Path
) -> None:
    jobs = [["optimizer.lr=0.001"], ["optimizer.lr=1e-5", "seed=1"], ["optimizer.lr=0.001", "seed=2"]]
    specs = members(tmp_path, [*NET, *words], jobs)
    choice = choose_stepper(specs[0].config)
    assert choice.stepper == before
    built = [one for one in build_members(specs) if not isinstance(one, LabError)]
    start = [p.clone() for one in built for p in one.model.parameters()]
    random = torch.get_rng_state()
    found = held(built, choice)
    assert found == choice if not after else (found.stepper == "each" and after in found.reason)
    assert all(
        torch.equal(*pair) for pair in zip(start, (p for one in built for p in one.model.parameters()), strict=True)
    )
    assert torch.equal(torch.get_rng_state(), random)


def test_what_torch_cannot_compute_for_many_is_said_in_a_sentence(tmp_path: Path) -> None:
    specs = members(tmp_path, ["model=custom", f"model._target_={__name__}.Branches"], [[], ["seed=1"]])
    built = [one for one in build_members(specs) if not isinstance(one, LabError)]
    assert held(built, choose_stepper(specs[0].config)).reason.endswith("in some data-dependent control flow)")


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_compiled_code_that_is_wrong_takes_no_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shared = ["optimizer=momentum", "scheduler=step", "trainer.max_steps=30", "model.dtype=float64", "logger=none"]
    jobs = [["optimizer.lr=0.01"], ["optimizer.lr=0.003"], ["optimizer.lr=0.001"]]
    right = stacked(tmp_path / "rules", shared, jobs)
    source = compiled_stepper.rule_source

    def wrong(*given: Any) -> tuple[str, list[str]]:
        text, taken = source(*given)
        assert "g[i + l]" in text
        return text.replace("g[i + l]", "(g[i + l] * (real)0.999)"), taken

    assert isinstance(compiled(stepper(tmp_path / "well", shared, jobs)), CompiledStepper)
    monkeypatch.setattr(compiled_stepper, "rule_source", wrong)
    tell_once.cache_clear()
    found = stacked(tmp_path / "wrong", shared, jobs, choice=Choice("compiled"))
    assert (
        "stepped by rules, not by compiled code: its first steps are not those of the rules" in capsys.readouterr().err
    )
    assert [one.metrics for one in found] == [one.metrics for one in right]
    told = {"name": "rules", "reason": "its first steps are not those of the rules", "chosen": "compiled"}
    assert [one.stepper for one in found] == [told] * 3


def stepper(root: Path, shared: list[str], jobs: list[list[str]]) -> RuleStepper:
    return build_rule_stepper([one for one in build_members(members(root, shared, jobs)) if isinstance(one, Member)])
