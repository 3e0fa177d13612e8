"""Whether an optimizer converges: on a bowl, a ravine, and mini-batches of noisy rows."""

import math
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
from src.theory import Exact, solve


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
    def exact(self) -> Exact:
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

Ending = int | Literal["slow", "diverged"]
Finding = tuple[Literal["held", "another lr", "failed", "yes", "no"], str]
"""What came of a check, and a sentence."""


def attempt(candidate: Candidate, problem: LeastSquares, patient: bool = True) -> Ending:
    """How many gradients it takes to meet the goal, in the slowest of the orders.

    Without patience it is given up at half the budget, where the second quarter has not brought the loss down by 1 %.
    """
    most = 0
    for order in (0, 1) if problem.noise else (0,):
        ended = _attempt(candidate, problem, order, patient)
        if not isinstance(ended, int):
            return ended
        most = max(most, ended)
    return most


def _attempt(candidate: Candidate, problem: LeastSquares, order: int, patient: bool) -> Ending:
    """Descend as a run does, and measure the parameters that are kept (Schedule-Free trains others)."""
    section = model_sections.Linear(
        target_=model_sections.Linear.kind, seed=0, loss="mean", dtype="float64", gradient="autograd", bias=True,
        start="zeros", scale=1.0, values=problem.start,
    )  # fmt: skip
    model: Model = Linear(section, 5, 1)
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
    rows = Rows(train.inputs.double()[None], train.targets.double()[None])
    data = DeviceData([problem.data], [0], [order], problem.batch_size, SquaredError(), torch.float64, CPU)
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
            return "diverged"
        if taken > problem.budget:
            break
        if taken - measured < (10 if problem.noise or taken > 20 else 1):
            continue
        measured = taken
        seen.append(excess())
        if not seen[-1] <= 1e8 * first:
            return "diverged"
        last = seen[-measurements:]
        if len(last) == measurements and sum(last) / len(last) <= goal:
            return taken
        if taken <= problem.budget / 4:
            quarter = min(seen)
        elif taken > problem.budget / 2 and not patient and min(seen) > 0.99 * quarter:
            break
    return "slow"


def converges(candidate: Candidate, problem: LeastSquares) -> Finding:
    """Whether some learning rate converges: a sound optimizer at a bad rate is not unsound."""
    budget, rate = f"{problem.budget:,} gradients", candidate.rate
    given = attempt(candidate, problem)
    if isinstance(given, int):
        return "held", f"{problem.asked} in {given:,} of {budget}{'' if rate is None else f', lr {rate:g}'}"
    why = "it diverges" if given == "diverged" else "it does not"
    if rate is None:
        return "failed", f"{problem.asked} in {budget}: {why}"
    highest = rate if given == "diverged" else math.inf
    for factor in FACTORS[1:]:
        lr = rate * factor
        if lr < highest:
            try:
                ended = attempt(candidate.giving(lr=lr), problem, patient=False)
            except Exception:  # at a rate that nobody asked for it may be refused, or overflow in any way
                ended = "slow"
            if isinstance(ended, int):
                return (
                    "another lr",
                    f"{problem.asked} in {ended:,} of {budget}, lr {lr:.3g}; at the {rate:g} given {why}",
                )
            highest = min(highest, lr if ended == "diverged" else math.inf)
    lowest, most = rate * min(FACTORS), rate * max(FACTORS)
    return (
        "failed",
        f"{problem.asked} in {budget}: {why} at lr {rate:g}, and at none from {lowest:.3g} to {most:.3g} is it met",
    )
