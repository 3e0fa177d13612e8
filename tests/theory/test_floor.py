"""Where mini-batches settle, against many epochs of them."""

import numpy as np
import pytest

from src.data import Features, Rows
from src.theory import noise_floor, solve


def rows(count: int, outputs: int = 1) -> Rows:
    drawn = Features(
        seed=3, rows=count, val=0, test=0, inputs=3, condition_number=5, weights=None, intercept=0.5, noise=0.7
    )
    train = drawn.problem().train
    more = np.random.default_rng(0).normal(size=(count, outputs - 1)).astype("float32")
    return Rows(train.inputs, train.targets if outputs == 1 else train.targets.new_tensor(np.c_[train.targets, more]))


@pytest.mark.parametrize(
    ("count", "batch", "lr", "epochs", "outputs"),
    [(60, 6, 0.02, 2500, 1), (60, 6, 0.002, 3000, 1), (60, 20, 0.2, 4000, 1), (240, 6, 0.04, 600, 2)],
    ids=["in between", "the noise of an epoch cancels", "batches as if independent", "two targets"],
)
def test_shuffled_batches_settle_there(count: int, batch: int, lr: float, epochs: int, outputs: int) -> None:
    """To leading order: within 5 % of the excess, its statistical error included."""
    data = rows(count, outputs)
    exact = solve(data)
    design = np.c_[np.ones(count), data.inputs.double().numpy()]
    targets, best = data.targets.double().numpy(), exact.solution.numpy()
    hessian = 2 / (count * outputs) * design.T @ design
    rng, t, total, taken = np.random.default_rng(0), best.copy(), 0.0, 0
    for epoch in range(epochs):
        order = rng.permutation(count)
        for first in range(0, count, batch):
            if epoch > epochs // 10:
                total, taken = total + 0.5 * float(np.sum((t - best) * (hessian @ (t - best)))), taken + 1
            chosen = order[first : first + batch]
            error = design[chosen] @ t - targets[chosen]
            t = t - lr * 2 / (batch * outputs) * design[chosen].T @ error
    floor = noise_floor(data, exact, lr, batch)
    assert floor is not None
    assert floor - exact.loss == pytest.approx(total / taken, rel=0.05)


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
    assert noise_floor(data, exact, 0.1, 60) == exact.loss
