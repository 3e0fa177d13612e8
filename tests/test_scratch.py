"""Four ways to solve the same problem: they agree, and what is wrong in one of them is found."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from src import scratch
from src.scratch import follow, main, with_numpy


def words(text: str) -> list[str]:
    return text.split()


@pytest.mark.parametrize(
    "text",
    [
        "experiment=line trainer.max_steps=500",
        "experiment=noisy_line",
        "experiment=proportional",
        "experiment=diverging",
        "experiment=clipped",
        "experiment=accumulating",
        "experiment=random_two_layer trainer.max_steps=50",
        "experiment=teacher trainer.max_steps=300",
        "experiment=noisy_line optimizer=textbook_momentum",
        "experiment=noisy_line optimizer=textbook_adagrad",
        "experiment=noisy_line optimizer=textbook_rmsprop",
        "experiment=noisy_line optimizer=textbook_adam data.batch_size=30",
        "experiment=noisy_line optimizer=nesterov +optimizer.weight_decay=0.1",
        "experiment=noisy_line trainer.gradient_clip_val=3 trainer.gradient_clip_algorithm=value loss=huber",
        "experiment=noisy_line trainer.zero_grad_every_n_steps=3 model.loss=sum optimizer.lr=1e-4",
        "experiment=teacher optimizer=textbook_adam model.activation=tanh trainer.max_steps=200",
        "experiment=teacher optimizer=sgd model.activation=sigmoid model.bias=false trainer.max_steps=200",
        "data=diabetes trainer.max_steps=50",
        "data=points data.y=[0,1,0] loss=logistic optimizer=adam optimizer.lr=0.1 trainer.max_steps=30",
        "data=points data.y=[0,0,5] loss=poisson model.loss=sum optimizer.lr=1e-3 trainer.max_steps=30",
        "data=points data.y=[[1,0,0],[0,0,1],[0,1,0]] loss=cross_entropy model=two_layer trainer.max_steps=30",
    ],
)
def test_they_agree(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(words(text))
    out = capsys.readouterr().out
    assert "the four ways agree: " in out
    assert ("the Lightning run diverged after 11 of 100 steps" in out) == ("diverging" in text)


def test_squared_errors_of_ones_own_are_solved_too(capsys: pytest.CaptureFixture[str]) -> None:
    shown = []
    for name in ("src.losses.squared_error.SquaredError", "tests.own.OwnSquaredError"):
        main(words(f"model=linear trainer.max_steps=5 loss._target_={name}"))
        shown.append(capsys.readouterr().out.count("agree"))
    assert shown[0] == shown[1] > 0


def test_where_rounding_is_magnified_it_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """RMSprop divides by the size of a gradient that vanishes: targets moved in their last bit end elsewhere too."""
    with pytest.raises(SystemExit, match="1"):
        main(words("experiment=line optimizer=textbook_rmsprop trainer.max_steps=1000"))
    assert "This descent magnifies rounding" in capsys.readouterr().out


def test_they_are_shown_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    """FACTS: 3.92171 before the last update, w = 2.06683, b = 0.65558 after it."""
    main(words("experiment=noisy_line --every 99"))
    lines = capsys.readouterr().out.splitlines()
    (row,) = (line for line in lines if " 99 " in line)
    assert row.count("3.92171") == 4
    assert sum(line.count("2.0668") for line in lines) == 4
    assert sum(line.count("0.65557") for line in lines) == 4


def slightly_wrong(rule: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(rule)  # what numbers it takes is read off the rule
    def wrong(w: Any, g: Any, s: dict[str, Any], **numbers: Any) -> None:
        rule(w, g * (1 + 1e-10), s, **numbers)

    return wrong


def test_a_small_mistake_in_a_rule_is_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(scratch.RULES, "torch.optim.SGD", slightly_wrong(scratch.sgd))
    with pytest.raises(SystemExit, match="1"):
        main(words("experiment=noisy_line"))
    assert "do not agree from step 1 on" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["linear_by_hand", "two_layer_by_hand"])
def test_a_mistake_in_a_gradient_is_found(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = getattr(scratch, name)

    def wrong(*arguments: Any) -> Any:
        loss, gradient = right(*arguments)
        last = list(gradient)[-1]
        return loss, {**gradient, last: np.zeros_like(gradient[last])}

    monkeypatch.setattr(scratch, name, wrong)
    with pytest.raises(SystemExit, match="1"):
        main(["model=linear" if name == "linear_by_hand" else "model=two_layer", "trainer.max_steps=5"])
    assert "do not agree from step 1 on" in capsys.readouterr().out


def test_what_is_not_finite_must_not_be_so_anywhere() -> None:
    apart = scratch._apart
    assert apart(np.array([[np.inf, 1.0], [np.nan, 1.5]])) == 0.5
    assert apart(np.array([[np.inf], [1.0]])) == np.inf
    assert apart(np.array([[np.inf], [np.nan]])) == 0.0


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "optimizer=lbfgs",
            "optimizer._target_=torch.optim.LBFGS is not written by hand here; optimizer=sgd, momentum,",
        ),
        ("optimizer=adam +optimizer.amsgrad=true", "optimizer.amsgrad is not written by hand here; lr, betas,"),
        (
            "loss=custom loss._target_=torch.nn.L1Loss",
            "torch.nn.L1Loss is not written by hand here: loss=squares, huber, logistic",
        ),
        ("scheduler=cosine", "schedules are not written by hand here: scheduler=none"),
        ("model=custom model._target_=torch.nn.Linear", "torch.nn.Linear is not written by hand here"),
        ("optimizer.lrr=1", "optimizer.lrr: there is no such key"),
        ("seed=1,2", "seed=1,2: one problem at a time"),
        ("experiment=noisy_line --every 0 seed=1", "--every 0: must be a number of steps above 0"),
        ("ckpt_path=nowhere.ckpt", "the four ways start together"),
    ],
)
def test_what_it_does_not_do_is_said(text: str, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="1"):
        main(words(text))
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert sentence in error


def test_a_descent_is_a_function_to_read_and_to_call() -> None:
    """Three points of y = 2x by hand: w <- w - 0.01 · 2 · 14/3 (w - 2)."""
    x = np.array([[1.0], [2.0], [3.0]])
    task = scratch.Task(
        x, 2 * x, None, {"weight": np.array([[1.0]])}, None, "squares", {}, True, "torch.optim.SGD", {"lr": 0.01}
    )
    trace = follow(with_numpy(task), 3)
    exact = [2 - (1 - 0.01 * 2 * 14 / 3) ** k for k in range(4)]
    assert [float(w["weight"][0, 0]) for w in trace.parameters.values()] == pytest.approx(exact, rel=1e-14)
    assert list(trace.losses.values()) == pytest.approx([14 / 3 * (w - 2) ** 2 for w in exact], rel=1e-13)
