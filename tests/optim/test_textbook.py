"""The textbook optimizers against their formulas in plain Python, and against torch where they are the same."""

import copy
import math
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.optim import Optimizer

from src.optim import TextbookAdaGrad, TextbookAdam, TextbookMomentum, TextbookRMSProp

STEPS = 50
Formula = Callable[..., Iterator[float]]


# --- the formulas of FACTS: a number w, its gradients, and the w after each step -------------------------------------


def momentum(w: float, gradients: list[float], lr: float, beta: float = 0.2) -> Iterator[float]:
    v = 0.0
    for g in gradients:
        v = (1 - beta) * g + beta * v
        w -= lr * v
        yield w


def adagrad(w: float, gradients: list[float], lr: float, eps: float = 1e-7) -> Iterator[float]:
    s = 0.0
    for g in gradients:
        s += g * g
        w -= lr * g / (math.sqrt(s) + eps)
        yield w


def rmsprop(w: float, gradients: list[float], lr: float, alpha: float = 0.8, eps: float = 1e-7) -> Iterator[float]:
    s = 0.0
    for g in gradients:
        s = alpha * s + (1 - alpha) * g * g
        w -= lr * g / (math.sqrt(s) + eps)
        yield w


def adam(
    w: float, gradients: list[float], lr: float, beta1: float = 0.8, beta2: float = 0.8, eps: float = 1e-7
) -> Iterator[float]:
    v = s = 0.0
    for g in gradients:
        v = beta1 * v + (1 - beta1) * g
        s = beta2 * s + (1 - beta2) * g * g
        w -= lr * v / (math.sqrt(s) + eps)
        yield w


FORMULAS: dict[type[Optimizer], Formula] = {
    TextbookMomentum: momentum,
    TextbookAdaGrad: adagrad,
    TextbookRMSProp: rmsprop,
    TextbookAdam: adam,
}
SHARES = st.floats(0, 0.99)
EPS = st.floats(1e-9, 1e-2)
NUMBERS: dict[type[Optimizer], dict[str, st.SearchStrategy[float]]] = {
    TextbookMomentum: {"beta": SHARES},
    TextbookAdaGrad: {"eps": EPS},
    TextbookRMSProp: {"alpha": SHARES, "eps": EPS},
    TextbookAdam: {"beta1": SHARES, "beta2": SHARES, "eps": EPS},
}


def stepped(kind: Callable[..., Optimizer], start: Tensor, gradients: list[Tensor], **numbers: Any) -> list[Tensor]:
    """The parameter after each step."""
    w = nn.Parameter(start.clone())
    optimizer, seen = kind([w], **numbers), []
    for gradient in gradients:
        w.grad = gradient.clone()
        optimizer.step()
        seen.append(w.detach().clone())
    return seen


def drawn(seed: int, count: int = STEPS) -> tuple[Tensor, list[Tensor]]:
    """A start `[1, 2, 3]` and gradients of its shape, of sizes from 1e-3 to 1e3."""
    rng = random.Random(seed)
    draws = [[rng.gauss(0, 1) * 10 ** rng.uniform(-3, 3) for _ in range(6)] for _ in range(count + 1)]
    start, *gradients = torch.tensor(draws, dtype=torch.float64).view(-1, 1, 2, 3)
    return start, gradients


@pytest.mark.parametrize("kind", FORMULAS)
@settings(max_examples=15, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**32), lr=st.floats(1e-4, 1))
def test_every_step_is_the_formula(kind: type[Optimizer], data: st.DataObject, seed: int, lr: float) -> None:
    numbers = data.draw(st.fixed_dictionaries({}, optional=NUMBERS[kind]))  # what is left out is at its default
    start, gradients = drawn(seed)
    steps = torch.stack(stepped(kind, start, gradients, lr=lr, **numbers)).flatten(1)
    for index, w in enumerate(start.flatten().tolist()):
        series = [gradient.flatten()[index].item() for gradient in gradients]
        expected = list(FORMULAS[kind](w, series, lr, **numbers))
        assert steps[:, index].tolist() == pytest.approx(expected, rel=1e-12, abs=1e-12 * max(1, *map(abs, series)))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("kind", "torchs"),
    [
        (TextbookAdaGrad, lambda params, lr: torch.optim.Adagrad(params, lr=lr, eps=1e-7)),
        (TextbookRMSProp, lambda params, lr: torch.optim.RMSprop(params, lr=lr, alpha=0.8, eps=1e-7)),
    ],
)
def test_two_of_them_are_torchs(kind: type[Optimizer], torchs: Callable[..., Optimizer], seed: int) -> None:
    start, gradients = drawn(seed)
    ours, theirs = (torch.stack(stepped(k, start, gradients, lr=0.1)) for k in (kind, torchs))
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_momentum_is_not_torchs_with_dampening() -> None:
    start, gradients = drawn(0, 1)
    (ours,) = stepped(TextbookMomentum, start, gradients, lr=0.1)
    (theirs,) = stepped(torch.optim.SGD, start, gradients, lr=0.1, momentum=0.2, dampening=0.2)
    # torch takes the first gradient whole; a state that starts at 0 takes 0.8 of it
    torch.testing.assert_close(ours - start, 0.8 * (theirs - start), rtol=1e-12, atol=1e-12)


def test_adam_is_not_torchs() -> None:
    start, gradients = drawn(0, 1)
    (ours,) = stepped(TextbookAdam, start, gradients, lr=0.1, eps=0.0)
    (theirs,) = stepped(torch.optim.Adam, start, gradients, lr=0.1, betas=(0.8, 0.8), eps=0.0)
    # g / |g| with bias correction, 0.2 g / sqrt(0.2 g^2) without
    torch.testing.assert_close(theirs - start, -0.1 * gradients[0].sign(), rtol=1e-9, atol=0)
    torch.testing.assert_close(ours - start, -0.1 * math.sqrt(0.2) * gradients[0].sign(), rtol=1e-9, atol=0)


@pytest.mark.parametrize("kind", FORMULAS)
def test_state_goes_through_a_checkpoint(kind: Callable[..., Optimizer]) -> None:
    start, gradients = drawn(3, 20)
    whole = stepped(kind, start, gradients, lr=0.1)[-1]
    w = nn.Parameter(start.clone())
    optimizer = kind([w], lr=0.1)
    for gradient in gradients[:10]:
        w.grad = gradient
        optimizer.step()
    kept = copy.deepcopy(optimizer.state_dict())
    again = kind([w], lr=0.5)
    again.load_state_dict(kept)
    for gradient in gradients[10:]:
        w.grad = gradient
        again.step()
    assert torch.equal(w, whole)


@pytest.mark.parametrize("kind", FORMULAS)
def test_a_closure_comes_first_and_its_loss_is_returned(kind: Callable[..., Optimizer]) -> None:
    w, idle = nn.Parameter(torch.tensor([3.0])), nn.Parameter(torch.tensor([7.0]))
    optimizer = kind([w, idle], lr=0.1)
    assert optimizer.step() is None
    assert w.item() == 3.0

    def closure() -> float:
        loss = w.square().sum()
        loss.backward()
        return loss.item()

    assert optimizer.step(closure) == 9.0
    assert w.grad == torch.tensor([6.0])
    assert w.item() == pytest.approx(next(FORMULAS[kind](3.0, [6.0], 0.1)), rel=1e-6)  # type: ignore[index]
    assert idle.item() == 7.0
    assert idle not in optimizer.state


@pytest.mark.parametrize("kind", FORMULAS)
def test_groups_have_numbers_of_their_own(kind: Callable[..., Optimizer]) -> None:
    pair = [nn.Parameter(torch.tensor([3.0], dtype=torch.float64)) for _ in range(2)]
    optimizer = kind([{"params": [pair[0]]}, {"params": [pair[1]], "lr": 0.01}], lr=0.1)
    for w in pair:
        w.grad = torch.tensor([6.0], dtype=torch.float64)
    optimizer.step()
    assert 3 - pair[0].item() == pytest.approx(10 * (3 - pair[1].item()), rel=1e-12)


@pytest.mark.parametrize(
    ("kind", "numbers", "message"),
    [
        *[(kind, {"lr": lr}, f"lr must be above 0, not {lr}") for kind in FORMULAS for lr in (0.0, -0.1, math.nan)],
        *[(TextbookMomentum, {"lr": 0.1, "beta": b}, "beta must be from 0 to below 1") for b in (-0.1, 1.0, math.nan)],
        *[(TextbookRMSProp, {"lr": 0.1, "alpha": a}, "alpha must be from 0 to below 1") for a in (-0.1, 1.0, 2.0)],
        (TextbookAdam, {"lr": 0.1, "beta1": 1.0}, "beta1 must be from 0 to below 1"),
        (TextbookAdam, {"lr": 0.1, "beta2": -1.0}, "beta2 must be from 0 to below 1"),
        *[(k, {"lr": 0.1, "eps": -1e-9}, "eps must not be negative") for k in list(FORMULAS)[1:]],
        (TextbookAdaGrad, {"lr": 0.1, "eps": math.nan}, "eps must not be negative"),
    ],
)
def test_numbers_that_cannot_be(kind: Callable[..., Optimizer], numbers: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind([nn.Parameter(torch.zeros(1))], **numbers)
