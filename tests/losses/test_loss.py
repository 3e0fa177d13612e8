"""What every loss says of itself, against torch, closed forms and numbers that others print."""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from src.errors import LabError
from src.losses.loss import Loss
from src.losses.squared_error import SquaredError
from tests.losses.drawn import DELTA, OF_TORCH, loss_of, targets_for
from tests.models.drawn import Case, cases

Way = Callable[[Case, int | None], tuple[Tensor, Sequence[Tensor]]]


def by_autograd(case: Case, rows: int | None) -> tuple[Tensor, Sequence[Tensor]]:
    model = case.whole
    losses = case.loss.value(model(case.inputs), case.targets, rows)
    return losses.detach(), torch.autograd.grad(losses.sum(), list(model.parameters()))


def by_hand(case: Case, rows: int | None) -> tuple[Tensor, Sequence[Tensor]]:
    with torch.no_grad():
        return case.whole.by_hand(case.inputs, case.targets, case.loss, rows)


# --- shards of a batch: losses and gradients of any cut add up to those of the whole ---


@pytest.mark.parametrize("way", [by_autograd, by_hand])
@settings(max_examples=40, deadline=None)
@given(case=cases(), data=st.data())
def test_shards_add_up_to_the_batch(way: Way, case: Case, data: st.DataObject) -> None:
    rows = case.inputs.shape[1]
    cuts = sorted(data.draw(st.lists(st.integers(0, rows), max_size=4)))  # twice the same: an empty shard
    losses, gradients = way(case, None)
    shards = [way(case.rows(slice(start, stop)), rows) for start, stop in pairwise([0, *cuts, rows])]
    torch.testing.assert_close(sum(loss for loss, _ in shards), losses, rtol=1e-12, atol=1e-12)
    for index, gradient in enumerate(gradients):
        torch.testing.assert_close(sum(part[index] for _, part in shards), gradient, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("way", [by_autograd, by_hand])
@settings(max_examples=15, deadline=None)
@given(case=cases())
def test_an_empty_shard_adds_nothing(way: Way, case: Case) -> None:
    losses, gradients = way(case.rows(slice(0, 0)), 5)
    assert not losses.count_nonzero()
    assert not any(gradient.count_nonzero() for gradient in gradients)


@pytest.mark.parametrize(("reduction", "expected"), [("mean", [12.5 / 4, 0.5]), ("sum", [12.5, 2.0])])
def test_a_loss_is_the_mean_or_the_sum_over_rows_and_outputs(reduction: str, expected: list[float]) -> None:
    # two members, two rows, two outputs
    predictions = torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[1.0, 1.0], [0.0, 0.0]]])
    targets = torch.tensor([[[1.0, 0.0], [0.5, 2.5]], [[0.0, 0.0], [0.0, 0.0]]])
    loss = SquaredError("sum" if reduction == "sum" else "mean")
    assert loss.value(predictions, targets).tolist() == loss.derivative(predictions, targets)[0].tolist() == expected
    theirs = [float(F.mse_loss(p, y, reduction=reduction)) for p, y in zip(predictions, targets, strict=True)]
    assert theirs == expected


# --- numbers ---


def near(value: float | list[float]) -> object:
    return pytest.approx(value, rel=1e-14, abs=0)


@pytest.mark.parametrize(
    ("name", "prediction", "target", "loss", "slope"),
    [
        ("squares", 1e4, 0, 1e8, 2e4),
        ("huber", 1e4, 0, DELTA * (1e4 - DELTA / 2), DELTA),
        ("huber", -0.1, 0, 0.005, -0.1),
        # right by far: exp(-40), to rounding of itself
        ("logistic", 40, 1, math.exp(-40), -math.exp(-40)),
        ("logistic", 1e4, 1, 0, 0),
        ("logistic", 1e4, 0, 1e4, 1),
        ("logistic", -1e4, 1, 1e4, -1),
        ("logistic", 0, 1, math.log(2), -0.5),
        ("poisson", 0, 0, 1, 1),
        ("poisson", -1e4, 2, 2 * (math.log(2) + 1e4) - 2, -2),
        ("poisson", 30, 1, math.exp(30) - 31, math.exp(30) - 1),
        ("poisson", 0, 1, 0, 0),  # nothing is as probable as a mean of what was counted
    ],
)
def test_value_and_slope_are_right_however_far_a_prediction_is(
    name: str, prediction: float, target: float, loss: float, slope: float
) -> None:
    p, y = (torch.full((1, 1, 1), value, dtype=torch.float64) for value in (prediction, target))
    found, derived = loss_of(name).derivative(p, y)
    assert (float(found), float(derived)) == (near(loss), near(slope))


def test_cross_entropy_is_right_however_far_a_prediction_is() -> None:
    loss = loss_of("cross_entropy", "sum")
    p = torch.tensor([[1e4, 0, -1e4], [0, 0, 0]], dtype=torch.float64)[None]
    for target, expected in (
        ([1, 0, 0], 0 + math.log(3)),
        ([0, 1, 0], 1e4 + math.log(3)),
        ([0, 0, 1], 2e4 + math.log(3)),
    ):
        y = torch.tensor([target, [1, 0, 0]], dtype=torch.float64)[None]
        found, slopes = loss.derivative(p, y)
        assert float(found) == near(expected)
        assert slopes[0, 0].tolist() == [1 - target[0], -target[1], -target[2]]
        assert slopes[0, 1].tolist() == near([1 / 3 - 1, 1 / 3, 1 / 3])


def test_losses_are_those_that_others_print() -> None:
    # the example of sklearn.metrics.log_loss: spam and ham, to the five places printed there
    ham = torch.tensor([0.1, 0.9, 0.8, 0.35], dtype=torch.float64)
    y = torch.tensor([1.0, 0, 0, 1], dtype=torch.float64)
    logits = (1 - ham).log() - ham.log()
    assert float(loss_of("logistic").value(logits.view(1, 4, 1), y.view(1, 4, 1))) == pytest.approx(0.21616, abs=5e-6)
    both, classes = torch.stack([ham.log(), (1 - ham).log()], 1), torch.stack([1 - y, y], 1)
    assert float(loss_of("cross_entropy").value(both[None], classes[None])) == pytest.approx(0.21616, abs=5e-6)
    # that of sklearn.metrics.mean_poisson_deviance
    y, mean = torch.tensor([2.0, 0, 1, 4]).double(), torch.tensor([0.5, 0.5, 2, 2]).double()
    half = float(loss_of("poisson").value(mean.log().view(1, 4, 1), y.view(1, 4, 1)))
    assert 2 * half == pytest.approx(1.4260, abs=5e-5)


@pytest.mark.parametrize("name", OF_TORCH)
def test_the_curvature_by_hand_is_that_of_autograd(name: str) -> None:
    generator = torch.Generator().manual_seed(1)
    for reduction in ("mean", "sum"):
        loss = loss_of(name, reduction)
        y = targets_for(loss, (2, 5, 3), generator)
        p = torch.randn(y.shape, generator=generator, dtype=torch.float64)
        found = loss.curvature(p, y)
        assert found.shape == (2, 5, 3, 3)
        torch.testing.assert_close(found, Loss.curvature(loss, p, y), rtol=1e-12, atol=1e-14)
        assert loss.convex is bool((torch.linalg.eigvalsh(found) > -1e-14).all())


@pytest.mark.parametrize("name", [name for name in OF_TORCH if name != "huber"])
def test_the_best_constant_has_no_slope_and_its_loss_is_the_spread(name: str) -> None:
    loss = loss_of(name)
    y = targets_for(loss, (1, 30, 3), torch.Generator().manual_seed(2))
    _, slopes = loss.derivative(loss.constant(y[0]).expand_as(y), y)
    assert float(slopes.sum(1).abs().max()) < 1e-15
    shares = y[0].mean(0)
    entropy = -(shares * shares.log())
    expected = {
        "squares": y[0].var(0, correction=0).mean(),
        "logistic": (entropy - (1 - shares) * (1 - shares).log()).mean(),
        "cross_entropy": entropy.sum(),
        "poisson": (torch.xlogy(y, y).mean(1)[0] + entropy).mean(),
    }[name]
    torch.testing.assert_close(loss.spread(y[0])[0], expected, rtol=1e-13, atol=0)


@pytest.mark.parametrize("name", ["logistic", "cross_entropy", "poisson"])
def test_of_targets_that_are_all_the_same_the_spread_is_nothing(name: str) -> None:
    y = torch.zeros(4, 3, dtype=torch.float64)
    y[:, 0] = name != "poisson"
    assert float(loss_of(name).spread(y)) == pytest.approx(0, abs=1e-300)


def test_probabilities_are_those_of_the_classes() -> None:
    p = torch.tensor([[0.0], [math.log(3)], [1e4], [-1e4], [-40]], dtype=torch.float64)
    found = loss_of("logistic").probabilities(p)
    assert found[:4].tolist() == [near([a, b]) for a, b in ([0.5, 0.5], [0.25, 0.75], [0, 1], [1, 0])]
    assert float(found[4, 1]) == near(math.exp(-40))
    three = torch.tensor([[0.0, math.log(2), math.log(5)], [1e4, 0, -1e4]], dtype=torch.float64)
    assert loss_of("cross_entropy").probabilities(three).tolist() == [near([1 / 8, 2 / 8, 5 / 8]), [1, 0, 0]]


# --- stacks ---


@pytest.fixture
def two_threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("name", OF_TORCH)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_member_has_the_same_bits_in_any_stack(name: str, dtype: torch.dtype, two_threads: None) -> None:
    """Kernels take the end of a tensor, and of a thread's part of it, apart, and some round otherwise there."""
    loss, generator = loss_of(name), torch.Generator().manual_seed(3)
    for rows, outputs in ((1, 1), (3, 1), (7, 3), (90, 10)):
        y = targets_for(loss, (41, rows, outputs), generator).to(dtype)
        p = (3 * torch.randn(y.shape, generator=generator)).to(dtype)
        whole = of_all(loss, p, y)
        for first, last in ((0, 2), (5, 8), (17, 36), (39, 41)):
            part = of_all(loss, p[first:last].clone(), y[first:last].clone())
            assert all(torch.equal(a, b[first:last]) for a, b in zip(part, whole, strict=True))


def of_all(loss: Loss, p: Tensor, y: Tensor) -> list[Tensor]:
    leaf = p.clone().requires_grad_()
    values = loss.value(leaf, y)
    return [*loss.derivative(p, y), values.detach(), *torch.autograd.grad(values.sum(), leaf)]


# --- targets ---


@pytest.mark.parametrize(
    ("name", "targets", "told"),
    [
        (
            "logistic",
            [[0.0], [2.0], [3.0]],
            r"the loss logistic takes 0 or 1; in 2 of 3 train rows y is not \(first 2\)",
        ),
        (
            "poisson",
            [[1.0], [-1.0]],
            r"poisson takes counts: 0, 1, 2 and so on; in 1 of 2 train rows y is not \(first -1\)",
        ),
        ("poisson", [[0.5]], r"in 1 of 1 train rows y is not \(first 0.5\)"),
        ("cross_entropy", [[1.0, 0], [1, 1]], r"a column a class, 1 in that of the row .* in 1 of 2 .* \(first 1, 1\)"),
        ("cross_entropy", [[0.0, 0]], r"y is not \(first 0, 0\)"),
    ],
)
def test_targets_that_a_loss_does_not_take_are_refused(name: str, targets: list[list[float]], told: str) -> None:
    with pytest.raises(LabError, match=told):
        loss_of(name).check(torch.tensor(targets), ["y"], "train")


@pytest.mark.parametrize("name", OF_TORCH)
def test_targets_that_it_takes_are_not(name: str) -> None:
    loss = loss_of(name)
    loss.check(targets_for(loss, (20, 3), torch.Generator().manual_seed(4)), ["y"], "train")


def test_another_formula_has_another_name_and_none_of_the_facts() -> None:
    class Mine(type(loss_of("logistic"))):  # type: ignore[misc]
        def each(self, predictions: Tensor, targets: Tensor) -> Tensor:
            return (predictions - targets).abs()

    one = Mine()
    assert (one.name, one.convex, one.targets, one.by_hand) == ("Mine", False, "numbers", False)
    p, y = torch.tensor([[[2.0], [-1.0]]]), torch.zeros(1, 2, 1)
    assert one.derivative(p, y)[1].flatten().tolist() == [0.5, -0.5]
    assert one.spread(torch.tensor([[0.0], [2.0]])).tolist() == [1.0]
