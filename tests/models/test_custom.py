"""A user's own module."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from src.config.models import CustomModel
from src.errors import LabError
from src.models.custom import Custom
from src.run.build import build_model, build_problem
from src.run_directory import Result
from tests.models import own
from tests.optim.bare import batches, configured, loop, parameters, same

Train = Callable[..., Result]

OWN = "model._target_=tests.models.own."
DATA = ["data=features", "data.rows=30", "data.inputs=3", "trainer.max_steps=13"]


def custom(kind: Any, seed: int = 0, dtype: torch.dtype = torch.float32, **keys: Any) -> Custom:
    section = CustomModel(
        target_=f"{kind.__module__}.{kind.__name__}", seed=seed, loss="mean", gradient="autograd",
        dtype="float64" if dtype == torch.float64 else "float32", **keys,
    )  # fmt: skip
    return Custom(kind, section, 3, 1)


@pytest.mark.parametrize("optimizer", ["adam", "textbook_rmsprop"])
@pytest.mark.parametrize("batch_size", ["full", "8"])
def test_it_is_trained_as_in_a_loop_by_hand(train: Train, optimizer: str, batch_size: str) -> None:
    words = ["model=custom", f"{OWN}Net", "+model.hidden=5", f"optimizer={optimizer}", f"data.batch_size={batch_size}"]
    result = train("run", *words, *DATA)
    assert same(parameters(result), loop(result).parameters)
    assert result.parameters == {}


def test_it_is_trained_as_torchs_own_layers_are(train: Train) -> None:
    words = ["model=custom", f"{OWN}Net", "optimizer.lr=0.1", "model.dtype=float64", "data.batch_size=8"]
    result = train("run", *words, *DATA)
    config = configured(result)
    problem = build_problem(config)
    start = [p.detach().clone() for p in build_model(config, problem).parameters()]
    for step in range(13):
        w1, b1, w2, b2 = (p.requires_grad_() for p in start)
        x, y = (rows[0] for rows in batches(config, problem, step))
        loss = F.mse_loss(F.linear(F.linear(x, w1, b1).tanh(), w2, b2), y)
        gradients = torch.autograd.grad(loss, (w1, b1, w2, b2))
        start = [(p - 0.1 * g).detach() for p, g in zip(start, gradients, strict=True)]
    for value, expected in zip(parameters(result).values(), start, strict=True):
        torch.testing.assert_close(value, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("kind", [own.Net, own.Lazy])
def test_its_start_is_a_function_of_the_seed_and_leaves_torchs_generator_alone(kind: type[nn.Module]) -> None:
    def start(seed: int) -> list[Tensor]:
        return [p.detach() for p in custom(kind, seed).parameters()]

    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = start(0)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    assert all(map(torch.equal, first, start(0)))
    assert not torch.equal(first[0], start(1)[0])


def test_trying_it_out_leaves_nothing_in_its_running_statistics() -> None:
    module = custom(own.Lazy).module
    assert module.norm.num_batches_tracked == 0
    assert torch.equal(module.norm.running_var, torch.ones(1))
    assert all(part.training for part in module.modules())


def test_its_train_need_not_give_it_back() -> None:
    assert custom(own.Quiet)(torch.zeros(1, 7, 3)).shape == (1, 7, 1)


def test_it_has_the_dtype_of_the_run() -> None:
    assert {p.dtype for p in custom(own.Net, dtype=torch.float64).parameters()} == {torch.float64}


def test_it_is_told_only_the_sizes_that_it_asks_for() -> None:
    assert custom(own.Fixed)(torch.zeros(1, 7, 3)).shape == (1, 7, 1)


@pytest.mark.parametrize(
    ("kind", "keys", "message"),
    [
        (
            own.Net,
            {"hiden": 5},
            r"Net does not take hiden \(it takes hidden\): drop .* ~model\.hiden; did you mean hidden\?",
        ),
        (own.Net, {"inputs": 5}, r"Net does not take inputs \(it takes hidden\): drop it with ~model\.inputs"),
        (own.Net, {"hidden": "wide"}, r"own\.Net cannot be built: "),
        (own.Raises, {}, r"own\.Raises cannot be built: ValueError at own\.py:\d+: seven is not eight"),
        (own.Wide, {}, r"own\.Wide cannot take inputs \[2, 3\]: .*shapes cannot be multiplied"),
        (own.Flat, {}, r"own\.Flat makes \[2\] of \[2, 3\] in evaluation mode; it must make \[2, 1\]"),
        (own.Several, {}, r"own\.Several makes tuple of \[2, 3\] in evaluation mode; it must make \[2, 1\]"),
        (own.Untrained, {}, r"own\.Untrained has no parameters to train"),
        (own.net, {}, r"is not a torch\.nn\.Module"),
    ],
)
def test_what_cannot_be_a_model_is_refused(kind: Any, keys: dict[str, Any], message: str) -> None:
    with pytest.raises(LabError, match=message):
        custom(kind, **keys)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([f"{OWN}Net", "model.gradient=by_hand"], r"model\.gradient=by_hand needs a model of this project"),
        ([f"{OWN}NOISE"], r"own\.NOISE is not a class"),
        ([f"{OWN}Nett"], r"own\.Nett cannot be imported"),
        (["model._target_=torch.optim.SGD"], r"torch\.optim\.SGD is not a torch\.nn\."),
        ([f"{OWN}Wide"], r"own\.Wide cannot take inputs \[2, 3\]"),
    ],
)
def test_what_a_run_cannot_train_is_refused(train: Train, words: list[str], message: str) -> None:
    with pytest.raises(LabError, match=message):
        train("run", "model=custom", *words, *DATA)
