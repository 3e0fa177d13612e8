"""The result of a run, from the loop in which it ended."""

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from src.engine.choose_stepper import Choice
from src.engine.loop import Loop
from src.losses.loss import Loss
from src.models.member_axis import member
from src.run.build import Member
from src.run.devices import device_name
from src.run.environment import environment
from src.run.reason import reason
from src.run_directory import Result


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
    config, ended = one.config, loop.ended[index]
    values = shown_parameters(loop) if parameters is None else parameters
    own = {name: member(value, index) for name, value in values.items()}
    device = device_name(loop.stepper.data.device)
    losses = {name: float(loss[index]) for name, loss in loop.final.items()}
    return Result(
        status="diverged" if ended.diverged else "completed",
        reason=reason(ended, config, one.answer, loop.intervals.stopping) + _units(one),
        steps=ended.step,
        metrics={name: loss if math.isfinite(loss) else None for name, loss in losses.items()},
        parameters={key: _nested(value, key) for key, value in own.items()},
        exact=one.answer.as_json(own.get("point")),
        features=list(one.problem.features),
        targets=list(one.problem.targets),
        truth={key: value.tolist() for key, value in one.problem.truth.items()} if own else {},
        seconds=seconds,
        device=device,
        stack_size=stack_size,
        stepper={"name": choice.stepper, "reason": choice.reason},
        cause=ended.cause,
        seed=config.seed,
        fingerprint=one.about["fingerprint"],
        environment={**environment(), "device": device, "command": one.spec.command},
        directory=one.spec.directory,
    )


def _units(one: Member) -> str:
    """What to add where the losses of a standardized table are not in its units: a loss of the user's own."""
    scaling, converts = one.problem.scaling, type(one.loss).unit is not Loss.unit
    if scaling is None or converts or bool((scaling.target_scale == 1).all() and (scaling.target_mean == 0).all()):
        return ""
    return "; losses are in standardized units (data.standardize=false: in those of the table)"


def _nested(value: Tensor, name: str) -> Any:
    return value[0].tolist() if name.startswith(("bias", "point")) else value.tolist()
