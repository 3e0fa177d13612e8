"""The gradient check: it passes what is right and names what is wrong."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from src.data.problem import Rows
from src.engine.gradient_check import TOLERANCE, check_gradients
from src.errors import LabError
from src.losses.loss import Loss
from src.losses.squared_error import SquaredError
from src.models.linear import Linear
from src.models.two_layer import TwoLayer
from src.run_directory import Result
from tests.kinds import model_of

Train = Callable[..., Result]


def rows(inputs: int = 3, outputs: int = 2) -> Rows:
    generator = torch.Generator().manual_seed(0)
    return Rows(torch.randn(20, inputs, generator=generator), torch.randn(20, outputs, generator=generator))


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "identity"])
@pytest.mark.parametrize("hidden", [4, 40])
def test_right_ones_pass(reduction: str, activation: str, hidden: int) -> None:
    """With 4 hidden units every one of the 26 coordinates; with 40 of 242 a hundred, and 20 directions."""
    model = model_of(TwoLayer, 3, 2, hidden=hidden, activation=activation)
    found = check_gradients(model, SquaredError(reduction), rows(), seed=0)
    assert 0 < found.largest <= TOLERANCE
    assert found.by_hand
    assert found.compared + found.kinks == 2 * (26 if hidden == 4 else 120)


def test_at_a_kink_there_is_no_derivative() -> None:
    """Started at 0, every hidden unit of a ReLU network is right at its kink; with weights behind it, it shows."""
    model = model_of(TwoLayer, 3, 2, hidden=4, start="zeros", values={"weight2": 1.0, "bias2": 0.5})
    found = check_gradients(model, SquaredError(), rows(), seed=0)
    assert found.kinks >= 3 * 4
    assert "at kinks" in found.sentence()


class Wrong(Linear):
    """The factor 2 of the square is forgotten in one number."""

    share = 0.5

    def by_hand(self, inputs: Tensor, targets: Tensor, loss: Loss, rows: int | None = None):
        losses, (weight, bias) = super().by_hand(inputs, targets, loss, rows)
        weight = weight.clone()
        weight[0, 2, 1] *= self.share
        return losses, (weight, bias)


@pytest.mark.parametrize("share", [0.5, 1 - 1e-5])
def test_a_wrong_one_by_hand_is_named(share: float) -> None:
    model = model_of(Wrong, 3, 2)
    model.share = share
    with pytest.raises(LabError, match=r"the derivative by weight\[2, 1\] is by hand .*, by autograd"):
        check_gradients(model, SquaredError(), rows(), seed=0)


class Cube(torch.autograd.Function):
    """A function of a user's own whose backward is wrong."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, slope):
        return 2 * ctx.saved_tensors[0] ** 2 * slope


class Cubed(nn.Module):
    """Rows through a layer, then cubed, by a backward of the user's own."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layer = nn.Linear(inputs, outputs)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        return Cube.apply(self.dropout(self.layer(x)))


class Right(Cubed):
    """The same with torch's own power."""

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.layer(x)) ** 3


class Single(Cubed):
    """Insists on float32."""

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.float())


class Random(Cubed):
    """Drops numbers in evaluation mode too."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.dropout(self.layer(x), 0.5, True)


@pytest.mark.parametrize(("offset", "share"), [(1e3, 1e-5), (1e6, 1e-3), (0.0, 1e-5)])
def test_large_targets_do_not_hide_a_small_mistake(offset: float, share: float) -> None:
    class Slightly(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, slope):
            return slope * (1 + share)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 2, dtype=torch.float64)

        def forward(self, x: Tensor) -> Tensor:
            return Slightly.apply(self.layer(x))

    data = rows()
    with pytest.raises(LabError, match=r"by autograd .* by central differences"):
        check_gradients(Net(), SquaredError(), Rows(data.inputs, data.targets + offset), seed=0)


def test_before_a_run(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    result = train("run", "experiment=noisy_line", "check_gradients=true", "trainer.max_steps=2")
    told = capsys.readouterr().out
    (difference,) = re.findall(r"^gradients by hand, .* differ by (\S+) at most \(4 compared\)", told)
    assert 0 < float(difference) < 1e-8
    assert result.fingerprint == train("plain", "experiment=noisy_line", "trainer.max_steps=2").fingerprint


def test_a_model_of_the_user_s_own(train: Train, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["data=features", "model=custom", "check_gradients=true", "trainer.max_steps=2", "optimizer.lr=1e-3"]
    train("right", *words, "model._target_=tests.engine.test_gradient_check.Right")
    assert "gradients by autograd and differences differ by" in capsys.readouterr().out
    with pytest.raises(LabError, match=r"by layer\.weight\[.*\] is by autograd .*, by central differences"):
        train("wrong", *words, "model._target_=tests.engine.test_gradient_check.Cubed")
    assert not (tmp_path / "wrong").exists()
    with pytest.raises(LabError, match="cannot be computed in float64"):
        train("single", *words, "model._target_=tests.engine.test_gradient_check.Single")
    with pytest.raises(LabError, match="two evaluations differ"):
        train("random", *words, "model._target_=tests.engine.test_gradient_check.Random")


def test_matrices_without_a_member_axis(train: Train) -> None:
    train("run", "data=features", "optimizer=muon", "check_gradients=true", "trainer.max_steps=2")


def test_a_point_where_the_gradient_vanishes() -> None:
    """At the exact answer there is only rounding to compare."""
    data = rows(1, 1)
    exact = model_of(Linear, 1, 1, values={"weight": 2.0, "bias": 1.0}, dtype=torch.float64)
    found = check_gradients(exact, SquaredError(), Rows(data.inputs, 2 * data.inputs + 1), seed=0)
    assert found.largest <= TOLERANCE
