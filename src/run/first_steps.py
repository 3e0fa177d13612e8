"""The first steps of a stack of what is the user's own, held against those of runs by themselves, before it trains."""

import copy
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from typing import Literal

import torch
from torch import Tensor

from src.data.problem import Rows
from src.engine.choose_stepper import Choice
from src.engine.compiled.compiler import NotCompiledError
from src.engine.compiled_stepper import CompiledStepper
from src.engine.each_stepper import EachStepper
from src.engine.rule_stepper import RuleStepper
from src.errors import LabError, raised
from src.optim.stacked_class import Grain
from src.run.build import Member, build_each_stepper, build_rule_stepper, coarsest
from src.seeds import seeded

Dtype = Literal["float64", "float32"]
STEPS, ROWS = 3, 64
CLOSE: dict[Dtype, float] = {"float64": 1e-6, "float32": 1e-2}
"""How far they may end apart, as a share of how far they went: float32 rounds steps of 1e-5 to about that."""


def held(members: Sequence[Member], choice: Choice) -> Choice:
    """The choice of the stepper, or where these members do not step together as each would alone: one after another.

    A few steps of at most three of them, over a few rows, are taken together and alone, in float64 where they can.
    What is all of this project, and stepped by its rules, is held so by the tests.

    Raises:
        LabError: the optimizer or the schedule refuses a number.
    """
    config = members[0].config
    parts = (config.model.target_, config.loss.target_, config.optimizer.target_, config.optimizer.rule)
    own = [path for path in parts if path and not path.startswith(("src.", "torch.optim."))]
    if choice.stepper not in ("rules", "compiled", "class") or not (own or choice.stepper == "class"):
        return choice
    grain = None
    if choice.stepper == "class":
        found = coarsest(members)
        if (grain := found.grain) is None:
            return Choice("each", f"{choice.reason}, and {found.why}")
    whose = " and ".join(own or [config.optimizer.target_])
    few = [members[index] for index in sorted({0, min(1, len(members) - 1), len(members) - 1})]
    with seeded(config.model.seed, "first steps"), redirect_stdout(StringIO()):
        try:
            why = _apart(few, grain, "float64")
            if why is None and config.model.dtype != "float64":
                why = _apart(few, grain, config.model.dtype)
        except LabError:  # a number that is refused, say
            raise
        except Exception as error:  # a user's class can raise anything
            why = f"cannot be tried ({raised(error)})"
    return choice if why == "" else Choice("each", f"{whose} {why or 'takes no step'}")


def compiled(stepper: RuleStepper) -> CompiledStepper:
    """A stepper at its start as C, once its first steps are known to be those of the rules.

    Two members take them with copies, somewhat off their start: where a gradient is 0 but for rounding, an optimizer
    that goes by signs may go either way.

    Raises:
        NotCompiledError: it cannot be made, or makes something else.
    """
    made, which = CompiledStepper.of(stepper), sorted({0, stepper.size - 1})
    both, taken = (made.select(which), stepper.select(which)), list[tuple[Tensor, Tensor]]()
    noise = torch.randn(stepper.flat.shape[1:], generator=torch.Generator().manual_seed(0)).to(stepper.flat)
    for one in both:
        start = one.flat.add_(0.1 * noise * (one.flat.abs() + 0.1))[: one.size].clone()
        taken.append((one.step(0, STEPS + 1), one.flat[: one.size]))  # the first step of all is the rules' own
        if one.raised is not None:  # by a schedule of one's own, say, which will raise it again
            return made
    (losses, here), (expected, there) = taken
    dtype: Dtype = "float32" if there.dtype == torch.float32 else "float64"
    moved, rounding = (there - start).norm(dim=1), torch.finfo(there.dtype).eps * start.norm(dim=1)
    same = (here - there).norm(dim=1) <= CLOSE[dtype] * moved + 16 * rounding
    same &= ((losses - expected).abs() <= CLOSE[dtype] * expected.abs()).all(0)
    finite = there.isfinite().all(1) & expected.isfinite().all(0)
    if bool((same | ~finite).all()):
        return made
    raise NotCompiledError("its first steps are not those of the rules")


def _apart(members: Sequence[Member], grain: Grain | None, dtype: Dtype) -> str | None:
    """What these do otherwise together than alone, in words; empty: nothing; None: alone they take no step."""
    alone, together = build_each_stepper(_copies(members, dtype)), build_rule_stepper(_copies(members, dtype), grain)
    start, random, buffers = alone.parameters(), alone.random, _buffers(alone)
    steps = min(STEPS, members[0].config.trainer.max_steps)
    alone.train()
    alone.step(0, steps)
    if alone.raised is not None:
        return None
    now = alone.random
    if any(not torch.equal(was[key], own[key]) for was, own in zip(random, now, strict=True) for key in was):
        return "draws random numbers"
    if any(not torch.equal(*pair) for pair in zip(buffers, _buffers(alone), strict=True)):
        return "changes its buffers"
    if any(parameter.grad is None for one in alone.members for parameter in one.trained):
        return "leaves a parameter without a gradient"
    try:
        together.step(0, steps)
        if together.raised is not None:
            raise together.raised
        ends, losses = together.parameters(), together.losses("train")
    except Exception as error:  # a user's class can raise anything
        why, _, _ = raised(error).partition(". We don't support")  # what follows is for torch's authors
        return f"cannot be computed for many members at once ({why})"
    here, there, from_ = (_rows(values) for values in (ends, alone.parameters(), start))
    far, moved = (here - there).norm(dim=1), (there - from_).norm(dim=1)
    apart = far > CLOSE[dtype] * moved + 1e-12 * from_.norm(dim=1)
    expected = alone.losses("train")
    apart |= ((losses - expected).abs() > CLOSE[dtype] * expected.abs()).cpu()  # in evaluation mode
    finite = there.isfinite().all(1) & expected.isfinite().cpu()
    return "makes something else for many members at once" if bool((apart & finite).any()) else ""


def _copies(members: Sequence[Member], dtype: Dtype) -> list[Member]:
    """These with fewer rows, and models of their own."""
    problems = {id(one.problem): one.problem for one in members}
    for key, problem in problems.items():
        rows = Rows(problem.train.inputs[:ROWS], problem.train.targets[:ROWS])
        problems[key] = replace(problem, train=rows, val=None, test=None)
    copies = []
    for one in members:
        config, problem = one.config, problems[id(one.problem)]
        size = config.data.batch_size
        data = {"batch_size": size if size == "full" else min(int(size), len(problem.train))}
        update = {
            "data": config.data.model_copy(update=data),
            "model": config.model.model_copy(update={"dtype": dtype}),
        }
        spec = replace(one.spec, config=config.model_copy(update=update))
        model = copy.deepcopy(one.model).to(getattr(torch, dtype))
        copies.append(replace(one, spec=spec, problem=problem, model=model))
    return copies


def _buffers(alone: EachStepper) -> list[Tensor]:
    return [buffer.clone() for one in alone.members for buffer in one.module.buffers()]


def _rows(parameters: dict[str, Tensor]) -> Tensor:
    """All parameters of a member side by side, `[P, N]`."""
    return torch.cat([value.flatten(1) for value in parameters.values()], 1)
