"""Which stepper serves: it follows from the config and from whether there is a compiler, never from other members."""

from pathlib import Path

import pytest

from src.engine.choose_stepper import Choice, choose_stepper
from src.errors import LabError
from src.sweep.stacking import work_of
from tests.run.runs import members

NET = ["model=two_layer", "model.hidden=32", "data=teacher", "data.inputs=10", "data.batch_size=32"]
LONG = "trainer.max_steps=2000"
WIDE = ["model=two_layer", "model.hidden=100", "data=random", "data.inputs=1000", "data.outputs=10"]
MUON = "Muon looks at more than a number and its own state"


def chosen(tmp_path: Path, words: list[str], alone: bool = False) -> Choice:
    (spec,) = members(tmp_path, [], [words])
    return choose_stepper(spec.config, alone, None if alone else work_of(spec.config))


@pytest.fixture(autouse=True)
def compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("src.engine.choose_stepper.missing_compiler", lambda: "")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([*NET, LONG], Choice("compiled")),
        ([*NET, "trainer.max_steps=100"], Choice("rules")),  # compiling takes longer than the steps
        ([LONG], Choice("rules")),
        (["trainer.max_steps=30000"], Choice("compiled")),
        ([*WIDE, LONG], Choice("rules")),  # no cache, and no thread's own stack, holds it
        ([*NET, LONG, "optimizer=muon"], Choice("rules")),
        ([*NET, LONG, "trainer.stepper=rules"], Choice("rules")),
        (["trainer.stepper=compiled"], Choice("compiled")),
        (["trainer.stepper=compiled", "optimizer=muon", *NET], Choice("rules", MUON, chosen="compiled")),
        (["trainer.stepper=torch"], Choice("torch", "trainer.stepper=torch asks for it")),
        (["trainer.stepper=compiled", "callbacks=[time_limit]"],
         Choice("compiled", "the callback TimeLimit acts on one run", alone=True)),
        (["trainer.stepper=rules", "optimizer._target_=tests.optim.own.Plain"],
         Choice("class", "Plain has no per-member rule")),
    ],
)  # fmt: skip
def test_what_serves_a_run_of_a_sweep(tmp_path: Path, words: list[str], expected: Choice) -> None:
    assert chosen(tmp_path, words) == expected


def test_without_a_compiler_rules_serve_and_say_so_where_it_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("src.engine.choose_stepper.missing_compiler", lambda: "there is none")
    assert chosen(tmp_path, [*NET, LONG]) == Choice("rules")
    assert chosen(tmp_path, ["trainer.stepper=compiled"]) == Choice("rules", "there is none", chosen="compiled")
    assert chosen(tmp_path, ["trainer.stepper=compiled"], alone=True).stepper == "compiled"  # it is told as it begins


def test_a_run_by_itself_has_torchs_own_class_unless_it_asks_for_another(tmp_path: Path) -> None:
    assert chosen(tmp_path, [*NET, LONG], alone=True).stepper == "torch"
    for name in ("rules", "compiled"):
        asks = f"trainer.stepper={name} asks for it"
        assert chosen(tmp_path, [f"trainer.stepper={name}"], alone=True) == Choice(name, asks, alone=True)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["optimizer=lbfgs"], "LBFGS has no per-member rule; leave it out, and torch's own class takes the steps"),
        (["trainer=ddp"], "trainer=ddp shares the batches of one run; leave it out"),
        (["model=surface"], "there is no C of the model Surface; say trainer.stepper=rules, or leave it out"),
        ([*NET, "optimizer=muon"], f"{MUON}; say trainer.stepper=rules, or leave it out"),
        (["loss=custom", "loss._target_=tests.own.FullLoss"], "there is no C of the loss FullLoss"),
    ],
)
def test_a_run_by_itself_is_told_what_to_say_instead(tmp_path: Path, words: list[str], sentence: str) -> None:
    with pytest.raises(LabError, match=f"trainer.stepper=compiled: {sentence}"):
        chosen(tmp_path, [*words, "trainer.stepper=compiled"], alone=True)
