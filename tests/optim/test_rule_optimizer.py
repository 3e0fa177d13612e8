"""Rules that are optimizers against their formulas in plain Python, and against torch where they are the same."""

import copy
import math
import random
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, ClassVar

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.optim import Optimizer

from src.optim.build import with_defaults
from src.optim.rule_optimizer import as_optimizer
from src.optim.rules import adafactor, muon, polyak, schedule_free, sign, textbook

TextbookMomentum, TextbookAdaGrad = as_optimizer(textbook.TextbookMomentum), as_optimizer(textbook.TextbookAdaGrad)
TextbookRMSProp, TextbookAdam = as_optimizer(textbook.TextbookRMSProp), as_optimizer(textbook.TextbookAdam)
Lion, Signum, Polyak = as_optimizer(sign.Lion), as_optimizer(sign.Signum), as_optimizer(polyak.Polyak)
ScheduleFreeSGD = as_optimizer(schedule_free.ScheduleFreeSGD)
ScheduleFreeAdamW = as_optimizer(schedule_free.ScheduleFreeAdamW)
STEPS = 50
Formula = Callable[..., Iterator[float]]


# --- the formulas as they are printed: a number w, its gradients, and the w after each step --------------------------


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


def lion(
    w: float, gradients: list[float], lr: float, betas: tuple[float, float] = (0.9, 0.99), weight_decay: float = 0.0
) -> Iterator[float]:
    m = 0.0
    for g in gradients:
        w -= lr * (math.copysign(1, betas[0] * m + (1 - betas[0]) * g) + weight_decay * w)
        m = betas[1] * m + (1 - betas[1]) * g
        yield w


def signum(
    w: float, gradients: list[float], lr: float, momentum: float = 0.9, weight_decay: float = 0.0
) -> Iterator[float]:
    m = 0.0
    for g in gradients:
        m = momentum * m + (1 - momentum) * g
        w -= lr * (math.copysign(1, m) + weight_decay * w)
        yield w


def averaged(
    y: float, gradients: list[float], lr: float, momentum: float = 0.9, weight_decay: float = 0.0,
    warmup_steps: int = 0, r: float = 0.0, weight_lr_power: float = 2.0, betas: tuple[float, float] | None = None,
    eps: float = 1e-8,
) -> Iterator[float]:  # fmt: skip
    """As in the paper, with all three sequences: equations 3 to 5, and algorithm 1 where there are betas."""
    x = z = y
    total = v = 0.0
    beta, beta2 = betas or (momentum, None)
    for t, g in enumerate(gradients, 1):
        a = lr * min(1.0, t / warmup_steps) if warmup_steps else lr
        weight = t**r * a**weight_lr_power
        total += weight
        if beta2 is not None:
            v = beta2 * v + (1 - beta2) * g * g
            g /= math.sqrt(v / (1 - beta2**t)) + eps
        z -= a * (g + weight_decay * y)
        x += weight / total * (z - x)
        y = (1 - beta) * z + beta * x
        yield y


def averaged_adamw(
    w: float, gradients: list[float], lr: float, betas: tuple[float, float] = (0.9, 0.999), **numbers: Any
) -> Iterator[float]:
    yield from averaged(w, gradients, lr, betas=betas, **numbers)


FORMULAS: dict[type[Optimizer], Formula] = {
    TextbookMomentum: momentum,
    TextbookAdaGrad: adagrad,
    TextbookRMSProp: rmsprop,
    TextbookAdam: adam,
    Lion: lion,
    Signum: signum,
    ScheduleFreeSGD: averaged,
    ScheduleFreeAdamW: averaged_adamw,
}
SHARES = st.floats(0, 0.99)
EPS = st.floats(1e-9, 1e-2)
INSIDE, DECAY = st.floats(0.05, 0.95), {"weight_decay": st.floats(0, 0.1)}
AVERAGING = {**DECAY, "warmup_steps": st.integers(0, 9), "r": st.floats(0, 2), "weight_lr_power": st.floats(0, 2)}
NUMBERS: dict[type[Optimizer], dict[str, st.SearchStrategy[Any]]] = {
    TextbookMomentum: {"beta": SHARES},
    TextbookAdaGrad: {"eps": EPS},
    TextbookRMSProp: {"alpha": SHARES, "eps": EPS},
    TextbookAdam: {"beta1": SHARES, "beta2": SHARES, "eps": EPS},
    Lion: {"betas": st.tuples(SHARES, SHARES), **DECAY},
    Signum: {"momentum": SHARES, **DECAY},
    ScheduleFreeSGD: {"momentum": INSIDE, **AVERAGING},
    ScheduleFreeAdamW: {"betas": st.tuples(INSIDE, SHARES), "eps": EPS, **AVERAGING},
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
    (ours,) = stepped(TextbookAdam, start, gradients, lr=0.1, eps=1e-14)
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
        *[
            (TextbookMomentum, {"lr": 0.1, "beta": b}, "beta must be at least 0 and below 1")
            for b in (-0.1, 1.0, math.nan)
        ],
        *[(TextbookRMSProp, {"lr": 0.1, "alpha": a}, "alpha must be at least 0 and below 1") for a in (-0.1, 1.0, 2.0)],
        (TextbookAdam, {"lr": 0.1, "beta1": 1.0}, "beta1 must be at least 0 and below 1"),
        (TextbookAdam, {"lr": 0.1, "beta2": -1.0}, "beta2 must be at least 0 and below 1"),
        *[(k, {"lr": 0.1, "eps": 0.0}, "eps must be above 0") for k in NUMBERS if "eps" in NUMBERS[k]],
        (Lion, {"lr": 0.1, "betas": (0.9, 1.0)}, "betas must be at least 0 and below 1, not 1.0"),
        (Lion, {"lr": 0.1, "betas": 0.9}, "betas must be two numbers, not 0.9"),
        (ScheduleFreeSGD, {"lr": 0.1, "warmup_steps": 1.5}, "warmup_steps must be a whole number and at least 0"),
        (Polyak, {"lowest_loss": "low"}, "lowest_loss must be a number, not low"),
        (TextbookAdaGrad, {"lr": 0.1, "eps": math.nan}, "eps must be above 0"),
    ],
)
def test_numbers_that_cannot_be(kind: Callable[..., Optimizer], numbers: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind([nn.Parameter(torch.zeros(1))], **numbers)


def test_schedule_free_evaluates_the_average_of_all_points() -> None:
    """With equal weights x is the mean of all z (Defazio et al. 2024, equation 5 with c = 1/t)."""
    start, gradients = drawn(5, 20)
    w = nn.Parameter(start.clone())
    optimizer: Any = ScheduleFreeSGD([w], lr=0.1, weight_lr_power=0.0)
    points = start - 0.1 * torch.stack(gradients).cumsum(0)
    for step, gradient in enumerate(gradients, 1):
        optimizer.train()
        w.grad = gradient
        optimizer.step()
        if step in (3, 20):
            optimizer.eval()
            optimizer.eval()  # a second time changes nothing
            torch.testing.assert_close(w.detach(), points[:step].mean(0), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("lr", [0.5, 1.0, 1.5])
def test_polyaks_step_brings_a_bowl_nearer_by_half_its_share(lr: float) -> None:
    """On ½ k |w|² + 3 the step is a/2 of the way, whatever k (Polyak 1987, section 5.3)."""
    pair = [nn.Parameter(torch.tensor([4.0, -2.0], dtype=torch.float64)), nn.Parameter(torch.ones(1, 1).double())]
    start = [p.detach().clone() for p in pair]
    optimizer = Polyak([{"params": [pair[0]]}, {"params": [pair[1]]}], lr=lr, lowest_loss=3.0)

    def closure() -> Tensor:
        loss = 3.0 + 7.0 / 2 * (pair[0].square().sum() + pair[1].square().sum())
        for p, gradient in zip(pair, torch.autograd.grad(loss, pair), strict=True):
            p.grad = gradient
        return loss

    for step in range(1, 6):
        optimizer.step(closure)
        for p, first in zip(pair, start, strict=True):
            torch.testing.assert_close(p.detach(), (1 - lr / 2) ** step * first, rtol=1e-12, atol=1e-12)
    with pytest.raises(ValueError, match="Polyak needs the loss: step\\(closure\\)"):
        optimizer.step()


def test_polyaks_step_stays_where_the_loss_is_at_its_lowest() -> None:
    w = nn.Parameter(torch.ones(2))
    optimizer = Polyak([w], lowest_loss=1.0)
    for loss, gradient in ((0.5, torch.ones(2)), (2.0, torch.zeros(2))):
        w.grad = gradient
        optimizer.step(partial(float, loss))
        assert torch.equal(w.detach(), torch.ones(2))


class Muon(muon.Muon):
    defaults: ClassVar = {**with_defaults("torch.optim.Muon", {}), "eps": 1e-7}


class Adafactor(adafactor.Adafactor):
    defaults: ClassVar = with_defaults("torch.optim.Adafactor", {})


@pytest.mark.parametrize(("kind", "torchs"), [(Muon, torch.optim.Muon), (Adafactor, torch.optim.Adafactor)])
def test_a_rule_that_sees_matrices_is_given_each(kind: Any, torchs: Callable[..., Optimizer]) -> None:
    draws = [torch.randn(6, *shape, generator=torch.Generator().manual_seed(0)) for shape in ((3, 4), (5, 2))]
    ours, theirs = ([nn.Parameter(draw[0].clone()) for draw in draws] for _ in range(2))
    pair = as_optimizer(kind)(ours, lr=0.05), torchs(theirs, lr=0.05)
    for step in range(1, 6):
        for optimizer, parameters in zip(pair, (ours, theirs), strict=True):
            for p, draw in zip(parameters, draws, strict=True):
                p.grad = draw[step].clone()
            optimizer.step()
    for mine, other in zip(ours, theirs, strict=True):  # Muon's numbers are bfloat16's: 2^-8 of 0.05 a step
        torch.testing.assert_close(mine, other, rtol=0, atol=1e-3 if kind is Muon else 1e-6)
        kept, torchs_own = (
            {name: v.shape for name, v in o.state[p].items()} for o, p in zip(pair, (mine, other), strict=True)
        )
        assert kept.items() <= torchs_own.items()
