"""Which runs can share a stack, and how many: everything that changes the shape of a tensor or the program is the same.

Within a stack numbers may differ per member: those of the optimizer, its schedule and clipping, of the data that are
drawn, the start of the parameters, and all seeds.
"""

import json
import os
from collections.abc import Mapping
from typing import Any

from src.config.data import Noise, Points, Table
from src.config.schema import Config
from src.optim.build import numbers_of
from src.optim.rules import rule_of

FREE: Mapping[str, frozenset[str]] = {
    "src.data.Line": frozenset({"slope", "intercept", "noise", "low", "high", "spacing"}),
    "src.data.Features": frozenset({"condition_number", "weights", "intercept", "noise"}),
    "src.data.Teacher": frozenset({"hidden", "activation", "noise"}),
    "src.data.Noise": frozenset({"noise"}),
    "src.data.Points": frozenset({"x", "y"}),
}
"""Keys of drawn data that change numbers, not shapes."""

START = frozenset({"seed", "start", "scale", "values", "point", "gradient"})
"""Keys of a model that change where it starts, or how the same gradient is computed: a stack takes it by hand."""

CACHE = 2**22
"""Bytes that a step should not touch more of: beyond, it waits for memory."""
MOST = 4096
"""Members of a stack, at most."""


def program(config: Config) -> str:
    """What all members of a stack have in common, as a text; of a run that `choose_stepper` gives to rules."""
    schedule, optimizer = config.scheduler, config.optimizer
    rule = rule_of(optimizer.target_, optimizer.rule)
    assert rule is not None
    data = config.data.arguments()
    free = FREE.get(data["_target_"], frozenset()) | {"seed", "shuffle_seed"}
    points = [_shape(config.data.x), _shape(config.data.y)] if isinstance(config.data, Points) else []
    model = {key: value for key, value in config.model.arguments().items() if key not in START}
    trainer = config.trainer.model_dump(exclude={"divergence_factor", "gradient_clip_val"})
    return json.dumps(
        {
            "data": {key: value for key, value in data.items() if key not in free},
            "points": points,
            "model": model,
            "optimizer": [optimizer.target_, optimizer.rule, rule.program(numbers_of(optimizer.arguments()))],
            "scheduler": [schedule.target_, schedule.arguments().get("cycle_momentum")] if schedule else None,
            "trainer": trainer | {"clipped": config.trainer.gradient_clip_val is not None},
            "callbacks": {name: part.arguments() for name, part in config.callbacks.items() if part},
            "logger": sorted(name for name, part in config.logger.items() if part),
        },
        sort_keys=True,
    )


def _shape(points: Any) -> list[int]:
    return [len(points), *_shape(points[0])] if isinstance(points, list) else []


# --- how large -------------------------------------------------------------------------------------------------------


def most_members(config: Config, memory: int) -> int:
    """How many members like this one a stack should have: as fit into `memory` bytes and keep a step in the cache."""
    fit = memory // max(1, memory_of(config))
    return max(2, min(MOST, fit, CACHE // max(1, _touched(config))))


def memory_of(config: Config) -> int:
    """Bytes that one member takes while its stack is trained, roughly: state, its best, data, curves."""
    size = _bytes(config)
    inputs, outputs, rows = _sizes(config)
    drawn = int(1.5 * rows * (inputs + outputs)) * 4  # of its own, unless it shares its seed with others
    seen = 0 if _condensed(config) else drawn // 4 * size
    return 8 * _parameters(config) * size + drawn + 2 * seen + 3 * 8 * _points(config) + 4096


def disk_of(config: Config) -> int:
    """Bytes that a run directory takes, roughly: checkpoints with their state, curves, the config."""
    checkpoints = 2 * (9000 + 3 * _parameters(config) * _bytes(config))
    twice = any(part and part.runs != "best" for part in config.logger.values())  # for TensorBoard as well
    return checkpoints + (90 if twice else 30) * _points(config) + 30_000


def _points(config: Config) -> int:
    knobs = config.trainer
    return knobs.max_steps // knobs.log_every_n_steps + knobs.max_steps // knobs.val_every_n_steps + 2


def _bytes(config: Config) -> int:
    return 4 if config.model.dtype == "float32" else 8


def _condensed(config: Config) -> bool:
    return config.model.target_ == "src.models.Linear" and config.data.batch_size == "full"


def _sizes(config: Config) -> tuple[int, int, int]:
    """Inputs, outputs and training rows; of a table guessed from the size of its file."""
    data = config.data.arguments()
    if isinstance(config.data, Points):
        shapes = _shape(config.data.x), _shape(config.data.y)
        return (*(shape[1] if len(shape) > 1 else 1 for shape in shapes), shapes[0][0])  # type: ignore[return-value]
    if isinstance(config.data, Table):
        columns = len(config.data.features or range(10))
        numbers = os.path.getsize(config.data.path) // 8 if os.path.isfile(config.data.path) else 0
        return columns, 1, max(1, numbers // (columns + 1))
    if isinstance(config.data, Noise):
        return 2, 1, config.data.rows
    return data.get("inputs", 1), data.get("outputs", 1), data.get("rows", 500)


def _parameters(config: Config) -> int:
    inputs, outputs, _ = _sizes(config)
    hidden = config.model.arguments().get("hidden")
    return (inputs + 1) * outputs if hidden is None else (inputs + 1) * hidden + (hidden + 1) * outputs


def _touched(config: Config) -> int:
    """Bytes that one member's step reads and writes."""
    inputs, outputs, rows = _sizes(config)
    hidden = config.model.arguments().get("hidden", 0)
    state = 5 * _parameters(config)
    if _condensed(config):
        return _bytes(config) * (state + (inputs + 1) * (inputs + 1 + 2 * outputs))
    batch = rows if config.data.batch_size == "full" else int(config.data.batch_size)
    return _bytes(config) * (state + batch * (inputs + 4 * hidden + 3 * outputs))
