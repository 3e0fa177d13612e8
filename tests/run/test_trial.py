"""What a module or a loss of the user's own would raise or spoil is told before training, or as the run's end."""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from src.errors import LabError
from src.models.linear import Linear
from src.predict import predict
from src.run.build import build_loss, build_members, build_model, build_problem
from src.run.trial import _better, try_a_step
from src.run_directory import Result
from tests.optim.bare import parameters, same
from tests.run.runs import members, train_alone, train_stack
from tests.sweep.conftest import Multirun, multirun

__all__ = ["multirun"]

Train = Callable[..., Result]

MODEL, LOSS = ("model=custom", "model._target_=tests.models.own."), ("loss=custom", "loss._target_=tests.losses.own.")
DATA = ["data=features", "data.rows=21", "data.inputs=3", "data.val=5", "data.test=0", "trainer.max_steps=12"]


def words(group: tuple[str, str], name: str, *more: str) -> list[str]:
    return [*DATA, group[0], group[1] + name, *more]


def refused(tmp_path: Path, given: list[str]) -> str:
    """The sentence of a run that cannot be built."""
    (found,) = build_members(members(tmp_path, given, [[]]))
    assert isinstance(found, LabError)
    return str(found)


class Late(Linear):
    """A model of this project's kind whose predictions lose their last axis once it is of several members."""

    def forward(self, inputs: Tensor) -> Tensor:
        made = super().forward(inputs)
        return made if len(self.weight) == 1 else made.squeeze(2)

    by_hand = Linear.by_hand


# --- models ---


@pytest.mark.parametrize(
    ("name", "more", "told"),
    [
        ("Squeezing", [], "own.Squeezing makes [21] of [21, 3] in training mode; it must make [21, 1]"),
        ("Squeezing", ["data.batch_size=8"], "makes [8] of [8, 3] in training mode; it must make [8, 1]"),
        ("Handed", ["+model.how=tuple"], "own.Handed makes tuple of [21, 3] in training mode"),
        ("Handed", ["+model.how=few"], "own.Handed makes [2, 1] of [21, 3] in training mode; it must make [21, 1]"),
        ("Handed", ["+model.how=detached"], "no parameter that is trained has a part in its predictions"),
        ("Handed", ["+model.how=long"], "makes torch.int64 on cpu; it must make torch.float32 on cpu"),
        ("Handed", ["+model.how=complex"], "makes torch.complex64 on cpu; it must"),
        ("Handed", ["+model.how=meta"], "makes torch.float32 on meta; it must make torch.float32 on cpu"),
        ("Handed", ["+model.how=parameter"], "own.Handed makes parameters while it trains"),
        ("Handed", ["+model.how='in place'"], "own.Handed changes its inputs in place"),
        ("Handed", ["+model.how=backward"], "own.Handed has no gradient: ArithmeticError at own.py:"),
        ("Extra", [], "own.Extra has extra state, which no checkpoint here keeps"),
        ("Unseen", [], "own.Unseen: no rows reach more.weight, more.bias in evaluation mode"),
        ("Normed", ["data.batch_size=1"], "own.Normed cannot train on a batch of 1 row: ValueError at own.py:"),
        ("Normed", ["data.batch_size=1"], "; give a batch more rows: data.batch_size"),
        (
            "Normed",
            ["data.batch_size=5"],
            "own.Normed cannot train on a batch of 1 row, the last of 21 rows in batches of 5: ValueError at own.py:",
        ),
        ("Normed", ["data.batch_size=5"], "; data.batch_size=6 ends in a batch of 3"),
    ],
)
def test_what_a_module_would_raise_or_spoil_is_told(tmp_path: Path, name: str, more: list[str], told: str) -> None:
    assert told in refused(tmp_path, words(MODEL, name, *more))


def test_a_last_batch_that_no_step_takes_is_not_tried(tmp_path: Path) -> None:
    given = words(MODEL, "Normed", "data.batch_size=5", "trainer.max_steps=4")
    assert train_alone(members(tmp_path, given, [[]])[0]).steps == 4


@pytest.mark.parametrize(("size", "total", "better"), [(5, 21, 6), (499, 500, 500), (2, 3, 3), (10, 91, 12), (7, 8, 8)])
def test_the_batch_size_that_is_told_has_a_longer_last_batch(size: int, total: int, better: int) -> None:
    last = total % better or better
    assert _better(size, total) == f"data.batch_size={better} ends in a batch of {last}"
    assert last > total % size
    nearer = [other for other in range(1, total + 1) if abs(other - size) < abs(better - size)]
    assert all((total % other or other) < max(other / 2, 2) for other in nearer)


def test_a_trial_leaves_module_data_and_random_numbers_as_they_are(tmp_path: Path) -> None:
    (spec,) = members(tmp_path, words(MODEL, "Counting", "data.batch_size=4"), [[]])
    problem = build_problem(spec.config)
    model, loss = build_model(spec.config, problem), build_loss(spec.config)
    before, rows, seen = copy.deepcopy(model.state_dict()), problem.train.inputs.clone(), model.module.seen  # type: ignore[union-attr]
    state = torch.get_rng_state()
    spoilt = build_members([spec])[0]
    assert isinstance(spoilt, LabError)  # 21 rows in batches of 4: so far as this it came
    with pytest.raises(LabError, match="the last of 21 rows in batches of 4"):
        try_a_step(spec.config, problem, model, loss)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.module.seen == seen  # type: ignore[union-attr]
    assert torch.equal(problem.train.inputs, rows)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["Squeezing", "+model.after=7"], r"own\.Squeezing makes \[21\] of \[21, 3\] in training mode"),
        (["Uncopied"], r"own\.Uncopied makes \[21\] of \[21, 3\] in training mode"),
    ],
)
def test_a_shape_that_changes_while_it_trains_is_the_runs_end(tmp_path: Path, more: list[str], told: str) -> None:
    with pytest.raises(LabError, match=told):
        train_alone(members(tmp_path, words(MODEL, *more), [[]])[0])


def test_in_a_sweep_it_is_the_end_of_that_run_only(multirun: Multirun, capsys: pytest.CaptureFixture[str]) -> None:
    given = words(MODEL, "Normed", "optimizer.lr=0.1", "data.batch_size=5,7")
    assert multirun("sweep", *given) == 1
    shown = " ".join(capsys.readouterr().err.split())
    assert "cannot train on a batch of 1 row, the last of 21 rows in batches of 5: ValueError at own.py:" in shown
    assert "Traceback" not in shown


def test_a_weight_with_two_names_is_gone_on_from_and_predicted_with(train: Train, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("a,b,y\n" + "".join(f"{k % 5},{k % 7},{k % 3}\n" for k in range(20)))
    given = ["data=table", f"data.path={table}", "data.target=y", MODEL[0], f"{MODEL[1]}Tied"]
    train("half", *given, "trainer.max_steps=5")
    resumed = train("resumed", f"ckpt_path={tmp_path / 'half' / 'checkpoints' / 'last.ckpt'}", "trainer.max_steps=9")
    assert same(parameters(resumed), parameters(train("whole", *given, "trainer.max_steps=9")))
    losses = predict(tmp_path / "resumed", [f"data.path={table}"]).scores
    parts = {"train": 14, "val": 3, "test": 3}
    expected = sum(float(resumed.metrics[f"{part}/loss"] or 0) * rows for part, rows in parts.items()) / 20
    assert losses["y"].mean_squared == pytest.approx(expected, rel=1e-5)


# --- losses ---


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("each_row", "own.each_row gives [21] of predictions and targets [21, 1], not one number"),
        ("number", "own.number gives float of predictions and targets [21, 1], not one number"),
        ("whole", "own.whole gives [1] torch.int64 of [1, 21, 1]; it must give one number a member, [1]"),
        ("Scalar", "own.Scalar gives [] torch.float32 of [1, 21, 1]; it must give one number a member, [1]"),
        ("detached", "own.detached does not depend on the predictions"),
        ("elsewhere", "own.elsewhere does not depend on the predictions"),
        ("changing", "own.changing changes its predictions or targets in place"),
        ("raising", "cannot take predictions and targets [1, 21, 1]: ArithmeticError at own.py:"),
        ("Weighted", "own.Weighted has parameters (weight), which nothing trains"),
    ],
)
def test_what_a_loss_would_raise_or_spoil_is_told(tmp_path: Path, name: str, told: str) -> None:
    assert told in refused(tmp_path, words(LOSS, name))


@pytest.mark.parametrize("kind", ["tests.losses.own.absolute", "tests.losses.own.Members", "torch.nn.MSELoss"])
def test_no_loss_sees_predictions_and_targets_of_different_shapes(tmp_path: Path, kind: str) -> None:
    (spec,) = members(tmp_path, [*DATA, "loss=custom", f"loss._target_={kind}"], [[]])
    loss, values = build_loss(spec.config), torch.zeros(1, 4, 1)
    for method in (loss.value, loss.derivative):
        method(values, values)
        with pytest.raises(LabError, match=r"is given predictions \[1, 4\] and targets \[1, 4, 1\]"):
            method(values[..., 0], values)


def test_what_is_wrong_of_several_members_alone_takes_its_steps_one_after_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [*DATA, "model._target_=tests.run.test_trial.Late"]
    for end in train_stack(members(tmp_path, given, [["optimizer.lr=0.1"], ["optimizer.lr=0.2"]]), tmp_path / "kept"):
        assert isinstance(end, Result)
        assert end.stepper["name"] == "each"
        assert "SquaredError is given predictions [2, 21] and targets [2, 21, 1]" in end.stepper["reason"]
    assert "2 runs take their steps one after another: tests.run.test_trial.Late cannot be" in capsys.readouterr().err


# --- whatever else they raise ---


@pytest.mark.parametrize("hook", ["on_train_start", "on_validation_end", "on_train_end", "state_dict"])
def test_what_a_callback_raises_is_a_sentence_with_its_line(train: Train, hook: str) -> None:
    more = ["+callbacks.mine._target_=tests.run.own.Stumbles", f"+callbacks.mine.hook={hook}"]
    with pytest.raises(LabError, match=r"^the run failed: ArithmeticError at own\.py:\d+: no such number") as caught:
        train("run", *DATA, *more)
    assert isinstance(caught.value.__cause__, ArithmeticError)
    with pytest.raises(LabError, match=r"^FileNotFoundError at own\.py:\d+: .*no such file"):
        train("other", *DATA, *more, "+callbacks.mine.missing=true")


def test_what_an_optimizer_raises_is_a_sentence_with_its_line(train: Train) -> None:
    with pytest.raises(LabError, match=r"^the run failed: ArithmeticError at own\.py:\d+: no such step"):
        train("run", *DATA, "optimizer._target_=tests.run.own.Falls")
