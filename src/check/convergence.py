"""Whether an optimizer converges: on a bowl, a ravine, and mini-batches of noisy rows."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor

from src.check.candidate import CPU, Candidate
from src.config import data as data_sections
from src.config import models as model_sections
from src.data.features import Features
from src.data.problem import Problem, Rows
from src.engine.device_data import DeviceData
from src.engine.torch_stepper import TorchStepper
from src.losses.squared_error import SquaredError
from src.models.linear import Linear
from src.models.member_axis import without_member_axis
from src.models.model import Model
from src.optim.build import takes_member_axis
from src.theory import solve
from src.theory.least_squares import LeastSquares as Solution


@dataclass(frozen=True, kw_only=True)
class LeastSquares:
    """200 rows of 5 features with a known answer, and when a descent on them is there.

    It starts where every direction of the Hessian has the same share of the excess loss, so that none can be left out.
    With noise the goal is to be met in each of two orders of batches, by ten measurements in a row on average, ten
    gradients apart: so that it is not by luck.

    Attributes:
        condition_number: of the Hessian.
        budget: gradients, which are as many as steps where a step takes one.
        goal: of the excess loss over all rows, as a share of that at the start, or with noise of the least loss.
        noise: deviation of the targets.
        batch_size: rows a step sees.
    """

    condition_number: float
    budget: int
    goal: float
    noise: float = 0.0
    batch_size: int = 200

    @cached_property
    def data(self) -> Problem:
        """The rows, all of them for training."""
        section = data_sections.Features(
            target_=data_sections.Features.kind, seed=0, shuffle_seed=0, batch_size="full", rows=200, val=0, test=0,
            inputs=5, condition_number=self.condition_number, weights=None, intercept=1.0, noise=self.noise,
        )  # fmt: skip
        return Features(section).problem()

    @cached_property
    def exact(self) -> Solution:
        """The exact answer."""
        return solve(self.data.train)

    @property
    def start(self) -> dict[str, Any]:
        """Values of a linear model whose excess loss is 1 in every direction of the Hessian."""
        at = self.exact.solution[:, 0] + self.exact.eigenvectors @ (2 / self.exact.eigenvalues).sqrt()
        return {"weight": at[1:].tolist(), "bias": float(at[0])}

    @property
    def asked(self) -> str:
        """The goal, in words."""
        share = f"{self.goal * 100:g} %"
        return f"loss down to {share}" if not self.noise else f"loss within {share} of the least"


BOWL = LeastSquares(condition_number=1, budget=500, goal=1e-3)
"""Equally steep everywhere."""

RAVINE = LeastSquares(condition_number=100, budget=2000, goal=1e-2)
"""A hundred times steeper across than along."""

NOISY = LeastSquares(condition_number=10, budget=1000, goal=0.1, noise=1.0, batch_size=20)
"""Mini-batches of noisy rows, whose gradients do not vanish at the answer; plain descent stays within 1 % of it."""

FACTORS = tuple(10**power for power in (0, -1, 1, -2, 2, -3, 3, -0.5, 0.5, -1.5, 1.5, -2.5, 2.5))
"""Times the learning rate given: what is tried in turn."""

ROUNDS = 5
"""Of the search between those: a fourth of a decade to either side of the best so far, then half of that each time."""

NEAR = 0.5
"""Of the excess loss at the start: where no rate has come below this, nothing is searched for between them."""

Finding = tuple[Literal["held", "another lr", "failed", "yes", "no"], str]
"""What came of a check, and a sentence."""


@dataclass(frozen=True)
class Ending:
    """Of a descent.

    Attributes:
        how: "there", "slow" or "diverged".
        taken: gradients until then.
        least: the smallest excess loss that was measured, as a share of that at the start.
    """

    how: Literal["there", "slow", "diverged"]
    taken: int = 0
    least: float = math.inf


def attempt(candidate: Candidate, problem: LeastSquares, patient: bool = True) -> Ending:
    """Descend in each of the orders until one does not meet the goal; the slowest, or that one.

    Without patience it is given up at half the budget, where the second quarter has not brought the loss down by 1 %.
    """
    endings = []
    for order in (0, 1) if problem.noise else (0,):
        endings.append(_attempt(candidate, problem, order, patient))
        if endings[-1].how != "there":
            return endings[-1]
    return max(endings, key=lambda ending: ending.taken)


def _attempt(candidate: Candidate, problem: LeastSquares, order: int, patient: bool) -> Ending:
    """Descend as a run does, and measure the parameters that are kept (Schedule-Free trains others)."""
    section = model_sections.Linear(
        target_=model_sections.Linear.kind, seed=0, loss="mean", dtype=candidate.dtype_name, gradient="autograd",
        bias=True, start="zeros", scale=1.0, values=problem.start,
    )  # fmt: skip
    model: Model = Linear(section, 5, 1)
    if "lowest_loss" in candidate.section:
        candidate = candidate.giving(lowest_loss=problem.exact.loss)
    if not takes_member_axis(candidate.path, candidate.rule):
        model = without_member_axis(model)
    forward, taken = model.forward, 0

    def counted(inputs: Tensor) -> Tensor:
        """A gradient goes through the model once."""
        nonlocal taken
        taken += torch.is_grad_enabled()
        return forward(inputs)

    model.forward = counted  # type: ignore[method-assign]
    built, train = candidate.build(list(model.parameters())), problem.data.train
    rows = Rows(train.inputs.to(candidate.dtype)[None], train.targets.to(candidate.dtype)[None])
    data = DeviceData([problem.data], [0], [order], problem.batch_size, SquaredError(), candidate.dtype, CPU)
    stepper = TorchStepper(model, built, SquaredError(), data, create_graph=candidate.create_graph)

    def excess() -> float:
        with stepper.evaluating(), torch.no_grad():
            errors = model(rows.inputs) - rows.targets
        return float(errors.square().mean()) - problem.exact.loss

    first, seen, measured, quarter = excess(), list[float](), 0, math.inf
    goal = problem.goal * (problem.exact.loss if problem.noise else first)
    measurements = 10 if problem.noise else 1
    built.train()
    for step in range(problem.budget):
        stepper.step(step, 1)
        if stepper.raised is not None:  # a user's class can raise anything once it has diverged
            if math.isfinite(excess()):
                raise stepper.raised
            return Ending("diverged")
        if taken > problem.budget:
            break
        if taken - measured < (10 if problem.noise or taken > 20 else 1):
            continue
        measured = taken
        seen.append(excess())
        if not seen[-1] <= 1e8 * first:
            return Ending("diverged")
        last = seen[-measurements:]
        if len(last) == measurements and sum(last) / len(last) <= goal:
            return Ending("there", taken, min(seen) / first)
        if taken <= problem.budget / 4:
            quarter = min(seen)
        elif taken > problem.budget / 2 and not patient and min(seen) > 0.99 * quarter:
            break
    return Ending("slow", taken, min(seen, default=math.inf) / first)


def converges(candidate: Candidate, problem: LeastSquares) -> Finding:
    """Whether some learning rate converges: a sound optimizer at a bad rate is not unsound.

    Decades around the rate given, then half decades, then ever finer around the one that came nearest: some classes
    (LAMB) have a window of a few percent.
    """
    budget, rate = f"{problem.budget:,} gradients", candidate.rate
    given = attempt(candidate, problem)
    if given.how == "there":
        at = "" if rate is None else f", lr {rate:g}"
        return "held", f"{problem.asked} in {given.taken:,} of {budget}{at}"
    why = "it diverges" if given.how == "diverged" else "it does not"
    if rate is None:
        return "failed", f"{problem.asked} in {budget}: {why}"
    tried = {rate: given}
    for lr, patient in _rates(rate, tried):
        if lr in tried or lr >= min((r for r, ending in tried.items() if ending.how == "diverged"), default=math.inf):
            continue
        try:
            tried[lr] = attempt(candidate.giving(lr=lr), problem, patient)
        except Exception:  # at a rate that nobody asked for it may be refused, or overflow in any way
            tried[lr] = Ending("slow")
        if tried[lr].how == "there":
            return "another lr", (
                f"{problem.asked} in {tried[lr].taken:,} of {budget}, lr {lr:.3g}; at the {rate:g} given {why}"
            )
    others = f"at none of {len(tried) - 1} others tried, {min(tried):.3g} to {max(tried):.3g}, is it met"
    nearest = min(tried, key=lambda lr: tried[lr].least)
    came = f" (nearest at {nearest:.3g})" if tried[nearest].least < 1 else ""
    return "failed", f"{problem.asked} in {budget}: {why} at lr {rate:g}, and {others}{came}"


def _rates(rate: float, tried: Mapping[float, Ending]) -> Iterator[tuple[float, bool]]:
    """What to try in turn, by what came of those before; and whether patiently."""
    yield from ((rate * factor, False) for factor in FACTORS[1:])
    width = 10**0.25
    for _ in range(ROUNDS):
        nearest = min(tried, key=lambda lr: tried[lr].least)
        if not tried[nearest].least < NEAR:
            return  # it comes nowhere near at any
        if nearest == max(tried):  # further still
            yield 10 * nearest, True
            continue
        yield from ((nearest / width, True), (nearest * width, True))
        width = math.sqrt(width)
