"""Where mini-batches settle, against many epochs of them."""

import numpy as np
import pytest

from src.data.features import Features
from src.data.problem import Rows
from src.theory import noise_floor, solve
from tests.kinds import data_of


def rows(count: int, outputs: int = 1) -> Rows:
    drawn = data_of(
        Features,
        seed=3,
        rows=count,
        val=0,
        test=0,
        inputs=3,
        condition_number=5,
        weights=None,
        intercept=0.5,
        noise=0.7,
    )
    train = drawn.problem().train
    more = np.random.default_rng(0).normal(size=(count, outputs - 1)).astype("float32")
    return Rows(train.inputs, train.targets if outputs == 1 else train.targets.new_tensor(np.c_[train.targets, more]))


@pytest.mark.parametrize(
    ("count", "batch", "lr", "epochs", "outputs"),
    [
        (60, 6, 0.02, 60, 1),
        (60, 6, 0.002, 300, 1),
        (60, 20, 0.2, 100, 1),
        (240, 6, 0.04, 30, 2),
        (60, 7, 0.01, 150, 1),
        (60, 50, 0.05, 500, 1),
        (60, 59, 0.002, 6000, 1),
        (240, 2, 0.1, 20, 1),
    ],
    ids=[
        *("in between", "the noise of an epoch cancels", "batches as if independent", "two targets"),
        *("a shorter last batch", "two batches", "a last batch of one row"),
        "small batches, whose noise grows with the distance",
    ],
)
def test_shuffled_batches_settle_there(count: int, batch: int, lr: float, epochs: int, outputs: int) -> None:
    """Within 5 % of the excess, its statistical error included."""
    data = rows(count, outputs)
    exact = solve(data)
    design = np.c_[np.ones(count), data.inputs.double().numpy()]
    targets, best = data.targets.double().numpy(), exact.solution.numpy()
    hessian = 2 / (count * outputs) * design.T @ design
    rng, repeats, excess = np.random.default_rng(0), 64, []
    t = np.broadcast_to(best, (repeats, *best.shape)).copy()
    for epoch in range(epochs):
        order = rng.permuted(np.tile(np.arange(count), (repeats, 1)), axis=1)
        for first in range(0, count, batch):
            if epoch > epochs // 5:
                excess.append(0.5 * float(np.sum((t - best) * (hessian @ (t - best)))) / repeats)
            x, y = design[order[:, first : first + batch]], targets[order[:, first : first + batch]]
            slope = 2 / (x.shape[1] * outputs) * (x @ t - y)
            t = t - lr * x.transpose(0, 2, 1) @ slope
    floor = noise_floor(data, exact, lr, batch)
    assert floor is not None
    assert floor - exact.loss == pytest.approx(np.mean(excess), rel=0.05)


def test_independent_batches_are_the_limit_of_a_long_epoch() -> None:
    """a tr(C)/4 above the exact loss (Mandt, Hoffman, Blei 2017), for rates that forget within an epoch."""
    data = rows(20_000)
    exact, lr = solve(data), 0.01
    design = np.c_[np.ones(20_000), data.inputs.double().numpy()]
    errors = design @ exact.solution.numpy() - data.targets.double().numpy()
    gradients = 2 * errors * design
    floor = noise_floor(data, exact, lr, 1)
    assert floor is not None
    assert floor - exact.loss == pytest.approx(lr / 4 * gradients.var(0).sum(), rel=0.03)


def test_a_sum_of_squares_is_a_mean_with_another_rate() -> None:
    data = rows(60)
    mean, total = noise_floor(data, solve(data), 0.03, 6), noise_floor(
        data, solve(data, reduction="sum"), 0.03 / 6, 6, "sum"
    )  # fmt: skip
    assert mean is not None
    assert total == pytest.approx(60 * mean, rel=1e-12)


def test_there_is_none_past_the_critical_rate_and_the_exact_loss_without_noise() -> None:
    data = rows(60)
    exact = solve(data)
    assert noise_floor(data, exact, 1.01 * exact.critical_lr, 6) is None
    assert noise_floor(data, exact, 0.9 * exact.critical_lr, 6) is None  # its noise grows with the distance
    assert noise_floor(data, exact, 0.1, 60) == exact.loss
    assert noise_floor(data, solve(data, reduction="sum"), 1e-4, 7, "sum") is None
