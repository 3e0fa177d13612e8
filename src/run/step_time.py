"""How long a step of a stack takes, measured without training it."""

import statistics
import time
from collections.abc import Sequence
from contextlib import suppress

from src.engine.choose_stepper import Choice
from src.engine.compiled.compiler import NotCompiledError
from src.engine.rule_stepper import RuleStepper
from src.errors import LabError
from src.run.build import RunSpec, build_members, build_stepper, building
from src.run.first_steps import compiled, held


def rehearse(specs: Sequence[RunSpec], choice: Choice, steps: int = 50) -> float:
    """Seconds that a step of these runs as one stack takes, the median of a few measurements; nothing is written.

    Raises:
        LabError: none of them can be built.
    """
    with building(specs[0].config):
        built = build_members(specs)
        members = [one for one in built if not isinstance(one, LabError)]
        if not members:
            raise next(error for error in built if isinstance(error, LabError))
        choice, taken = held(members, choice), list[float]()
        stepper = build_stepper(members, choice)
        if choice.stepper == "compiled" and isinstance(stepper, RuleStepper):
            with suppress(NotCompiledError):  # it is told once it trains
                stepper = compiled(stepper)
        stepper.step(0, 2)
        for number in range(3):
            began = time.perf_counter()
            stepper.step(2 + number * steps, steps)
            taken.append((time.perf_counter() - began) / steps)
        return statistics.median(taken)
