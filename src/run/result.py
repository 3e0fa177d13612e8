"""The result of a run, from the loop in which it ended."""

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from src.engine.choose_stepper import Choice
from src.engine.devices import device_name
from src.engine.loop import Loop
from src.models.member_axis import member
from src.run.build import Member
from src.run.environment import environment
from src.run.reason import reason
from src.run_directory import Result, units


def shown_parameters(loop: Loop) -> dict[str, Tensor]:
    """The parameters `[P, I, O]` that results hold; none of a network."""
    return loop.parameters() if loop.stepper.module.shown else {}


def result(
    loop: Loop,
    index: int,
    one: Member,
    choice: Choice,
    seconds: Mapping[str, float],
    stack_size: int,
    parameters: Mapping[str, Tensor] | None = None,
) -> Result:
    """The result of one member.

    Args:
        loop: in which it ended.
        index: which of its members.
        one: as it was built.
        choice: of its stepper.
        seconds: "fit" and "total".
        stack_size: members trained together.
        parameters: of all members, where they are at hand: see `shown_parameters`.
    """
    assert loop.ended is not None
    config, ended, problem = one.config, loop.ended[index], one.problem
    values = shown_parameters(loop) if parameters is None else parameters
    own = {name: member(value, index) for name, value in values.items()}
    device = device_name(loop.stepper.data.device)
    final = {name: float(value[index]) for name, value in loop.final.items()}
    losses = what_losses_are(one)
    return Result(
        status="diverged" if ended.diverged else "cut" if ended.cause == "cut" else "completed",
        reason=reason(ended, config, one.answer, loop.intervals.stopping)
        + (f"; {said}" if (said := units(losses, problem.targets)) else ""),
        steps=ended.step,
        metrics={
            name: value if math.isfinite(value) else None
            for name, value in final.items()
            if not _undefined(name, value, final)
        },
        parameters={key: _nested(value, key) for key, value in own.items()},
        exact={**one.answer.as_json(own.get("point")), **one.exact_scores},
        features=list(problem.features),
        targets=list(problem.targets),
        truth={key: value.tolist() for key, value in problem.truth.items()} if own else {},
        seconds=seconds,
        device=device,
        stack_size=stack_size,
        stepper=choice.as_json(),
        cause=ended.cause,
        seed=config.seed,
        fingerprint=one.about["fingerprint"],
        environment={**environment(), "device": device, "command": one.spec.command},
        directory=one.spec.directory,
        loss=losses,
        table={} if problem.table is None else problem.table.as_json(),
        classes=list(problem.classes),
    )


def what_losses_are(one: Member) -> dict[str, Any]:
    """The facts that `Result.loss` holds."""
    return {
        "name": one.loss.name,
        "least_squares": one.loss.least_squares,
        "reduction": one.loss.reduction,
        "units": "data" if _in_units_of_the_data(one) else "standardized",
        "logarithm": one.problem.scaling is not None and one.problem.scaling.log_target,
    }


def _in_units_of_the_data(one: Member) -> bool:
    """Losses that know their unit are, and so are those of targets that are standardized by nothing."""
    scaling = one.problem.scaling
    if scaling is None or bool((scaling.target_scale == 1).all() and (scaling.target_mean == 0).all()):
        return True
    return one.loss.unit(scaling.target_scale) is not None


def _undefined(name: str, value: float, final: Mapping[str, float]) -> bool:
    """Whether it is an R² over targets that are constant."""
    part, _, metric = name.partition("/")
    return metric.startswith("r2") and math.isnan(value) and math.isfinite(final[f"{part}/loss"])


def _nested(value: Tensor, name: str) -> Any:
    return value[0].tolist() if name.startswith(("bias", "point")) else value.tolist()
