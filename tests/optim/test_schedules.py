"""Schedules as this project drives them against torch's own in a loop by hand."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from src.config.compose import CONF
from src.errors import LabError
from src.optim import warmup_cosine
from src.run_directory import Result
from tests.optim.bare import curve, loop, parameters, same

Train = Callable[..., Result]

SCHEDULERS = sorted(path.stem for path in (CONF / "scheduler").glob("*.yaml"))
# numbers that make a schedule act within 25 steps
NUMBERS = {
    "exponential": ["scheduler.gamma=0.9"],
    "plateau": ["scheduler.patience=0", "scheduler.threshold=0.5"],
    "step": ["scheduler.step_size=4"],
    "warmup_cosine": ["scheduler.warmup_steps=6"],
}
STEPS = ["trainer.max_steps=25", "trainer.val_every_n_steps=5", "trainer.block_size=4"]
WATCHED = ["callbacks=[learning_rate]", "callbacks.learning_rate.every_n_steps=3"]
MODELS = {
    "linear": ["model=linear", "optimizer=momentum"],
    "two_layer": ["model=two_layer", "model.hidden=5", "data.batch_size=8", "optimizer=adam"],
}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_schedule_is_that_of_a_loop_by_hand_to_the_last_bit(train: Train, scheduler: str, model: str) -> None:
    words = ["data=features", "data.rows=30", "data.inputs=3", *MODELS[model], *STEPS]
    result = train("run", *words, *WATCHED, f"scheduler={scheduler}", *NUMBERS.get(scheduler, []))
    expected = loop(result)
    assert same(parameters(result), expected.parameters)
    steps = [*range(0, 25, 3), 25]
    assert {step: rate for step, rate in curve(result, "lr").items() if step in steps} == {
        step: expected.rates[step] for step in steps
    }
    assert (len(set(expected.rates)) > 1) == (scheduler != "none")


def test_the_rate_recorded_at_a_validation_is_that_of_the_step_to_come(train: Train) -> None:
    words = ["scheduler=plateau", *NUMBERS["plateau"], *STEPS, *WATCHED, "callbacks.learning_rate.every_n_steps=5"]
    result = train("run", *words)
    expected = loop(result).rates
    assert curve(result, "lr") == {step: expected[step] for step in range(0, 26, 5)}


def test_a_plateau_without_validation_rows_is_one_of_the_training_loss(train: Train) -> None:
    words = ["data.val=0", "scheduler=plateau", *NUMBERS["plateau"], *STEPS, "optimizer.lr=0.5"]
    result = train("run", *words, *WATCHED, "callbacks.learning_rate.every_n_steps=1", "callbacks.checkpoint=null")
    losses = curve(result, "train/loss")
    assert losses[20] > 0.5 * losses[10]
    assert curve(result, "lr")[25] < 0.5


@pytest.mark.parametrize(("warmup", "total"), [(0, 10), (4, 10), (9, 10)])
def test_warmup_cosine_is_its_formula(warmup: int, total: int) -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.3)
    schedule, rates = warmup_cosine(optimizer, warmup, total), []
    for _ in range(total):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    up = [0.3 * (step + 1) / (warmup + 1) for step in range(warmup)]
    # Loshchilov and Hutter 2017, equation 5, with eta_min = 0
    down = [0.15 * (1 + math.cos(math.pi * step / (total - warmup))) for step in range(total - warmup)]
    assert rates == pytest.approx([*up, *down], rel=1e-14)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0, abs=1e-16)


@pytest.mark.parametrize("warmup", [-1, 10, 11])
def test_a_warmup_must_be_shorter_than_the_whole(warmup: int) -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.3)
    with pytest.raises(ValueError, match=f"warmup_steps={warmup} must be from 0 to below total_steps=10"):
        warmup_cosine(optimizer, warmup, 10)


def test_an_optimizer_without_a_learning_rate_has_no_schedule(train: Train) -> None:
    words = ["optimizer._target_=tests.optim.own.Fixed", "~optimizer.lr", "scheduler=exponential", *STEPS]
    with pytest.raises(LabError, match="Fixed has no lr for a schedule to change: scheduler=none"):
        train("run", *words)
