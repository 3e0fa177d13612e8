"""Which runs can share a stack, and how they are cut: what changes a tensor's shape or the program is the same for all.

Within a stack numbers may differ per member: those of the optimizer, its schedule and clipping, the keys that sections
of data and models call free, and all seeds.
"""

import json
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import torch
from pydantic import TypeAdapter

from src.config.classes import built, import_class
from src.config.data import AnyData, Data
from src.config.schema import Config
from src.config.section import Section
from src.data.build import build as build_data
from src.data.build import takes_seed
from src.engine.choose_stepper import SHARED, Choice, Work
from src.engine.watchers import Watcher
from src.errors import LabError
from src.losses.build import build as build_loss
from src.losses.loss import Targets
from src.models.build import build as build_model
from src.models.model import Model
from src.optim.build import numbers_of
from src.optim.rules import rule_of
from src.sweep.tables import is_table, measured

RULES = Choice("rules")
CACHE = 2**22
"""Bytes that a step should not touch more of: beyond, it waits for memory."""
MOST = 4096
"""Members of a stack, at most."""
Kind = TypeVar("Kind")
ANY_DATA = TypeAdapter[Data](AnyData)


def _fixed(section: Section) -> dict[str, Any]:
    """The keys whose values all members have in common."""
    return {key: value for key, value in section.arguments().items() if key not in section.free}


def program(config: Config, choice: Choice = RULES) -> str:
    """What all members of a stack have in common, as a text; of a run that `choose_stepper` does not leave alone."""
    schedule, optimizer = config.scheduler, config.optimizer
    rule = rule_of(optimizer.target_, optimizer.rule) if choice.stepper in ("rules", "compiled") else None
    served = rule.program(numbers_of(optimizer.arguments())) if rule else choice.reason
    trainer = config.trainer.model_dump(exclude={"divergence_factor", "gradient_clip_val"})
    return json.dumps(
        {
            "data": _fixed(config.data),
            "sizes": _sizes_of(config),
            "model": _fixed(config.model),
            "loss": _fixed(config.loss),
            "optimizer": [optimizer.target_, optimizer.rule, served],
            "scheduler": [schedule.target_, schedule.arguments().get("cycle_momentum")] if schedule else None,
            "trainer": trainer | {"clipped": config.trainer.gradient_clip_val is not None},
            "callbacks": {name: part.arguments() for name, part in config.callbacks.items() if part},
            "logger": sorted(name for name, part in config.logger.items() if part),
        },
        sort_keys=True,
    )


def cut(runs: Sequence[Kind], most: int, pieces: int = 1) -> list[Sequence[Kind]]:
    """Runs of one program in equally large stacks: at most `most` in each, `pieces` of them or more if two fit each."""
    number = max(-(-len(runs) // most), min(pieces, len(runs) // 2), 1)
    ends = [len(runs) * piece // number for piece in range(number + 1)]
    return [runs[first:last] for first, last in pairwise(ends)]


# --- how large -------------------------------------------------------------------------------------------------------


class Size(NamedTuple):
    """What a run is made of.

    Attributes:
        number: bytes of one.
        inputs, outputs, rows: of the training data.
        parameters: numbers of the model.
        made: numbers that its layers make of one row.
        curves: numbers that its curves have at the end.
        condensed: all its rows are kept as a few numbers.
    """

    number: int
    inputs: int = 1
    outputs: int = 1
    rows: int = 1
    parameters: int = 0
    made: int = 0
    curves: int = 0
    condensed: bool = False


def size_of(config: Config) -> Size:
    """How large a run is."""
    parts = [part for part in config.callbacks.values() if part and part.target_ not in SHARED]
    knobs = config.trainer
    number = 4 if config.model.dtype == "float32" else 8
    try:
        inputs, outputs, rows, *_ = _sizes_of(config) if config.data.kind else _measured(config)
        model = _model(config, inputs, outputs)
        loss = build_loss(config.loss, config.model.loss)
        kinds = [(import_class(part.target_, "callbacks", object), numbers_of(part.arguments())) for part in parts]
        watchers = [built(kind, "callbacks", keys, {}) for kind, keys in kinds if _watches(kind)]
    except LabError:  # its run will tell
        return Size(number)
    shapes = [p.shape for p in model.parameters()]
    parameters = sum(shape.numel() for shape in shapes)
    curves = knobs.max_steps // knobs.log_every_n_steps + knobs.max_steps // knobs.val_every_n_steps + 2
    for watcher in watchers:
        curves += watcher.curves_of(parameters) * (knobs.max_steps // watcher.every_n_steps + 2)
    condensed = model.linear and loss.least_squares and config.data.batch_size == "full"
    made = sum(shape[-1:].numel() for shape in shapes)
    return Size(number, inputs, outputs, rows, parameters, made, curves, condensed)


def _model(config: Config, inputs: int, outputs: int) -> Model:
    """Built on torch's meta device, where it has shapes and no numbers; in earnest where its class cannot do without.

    Raises:
        LabError: it cannot be built.
    """
    try:
        with torch.device("meta"):
            return build_model(config.model, inputs, outputs)
    except LabError:
        return build_model(config.model, inputs, outputs)


def _watches(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Watcher)


def _sizes_of(config: Config) -> tuple[int, ...]:
    """Inputs, outputs and rows: of tables, of classes and of data that depend on the seed as they are, else as the
    config says.
    """
    try:
        if is_table(config):
            return measured(config).sizes
        if takes_seed(config.data) or build_loss(config.loss, config.model.loss).targets == "one_hot":
            return _measured(config)
    except LabError:  # its run will tell
        pass
    return config.data.sizes()


def _measured(config: Config) -> tuple[int, ...]:
    """As `Problem.sizes` of data that only they themselves know."""
    same = config.data.model_copy(update={"batch_size": "full", "shuffle_seed": 0})
    return _sizes(same.model_dump_json(by_alias=True), build_loss(config.loss, config.model.loss).targets)


@lru_cache(maxsize=2**14)
def _sizes(section: str, targets: Targets) -> tuple[int, ...]:
    return build_data(ANY_DATA.validate_json(section), targets).sizes


def most_members(config: Config, memory: int) -> int:
    """How many members like this one a stack should have: as fit into `memory` bytes and keep a step in the cache."""
    fit = memory // max(1, memory_of(config))
    return max(2, min(MOST, fit, CACHE // max(1, _touched(config))))


def memory_of(config: Config) -> int:
    """Bytes that one member takes while its stack is trained, roughly: state, its best, data, curves."""
    size = size_of(config)
    drawn = int(1.5 * size.rows * (size.inputs + size.outputs))  # of its own, unless it shares its seed with others
    seen = 0 if size.condensed else 2 * drawn * size.number
    return 8 * size.parameters * size.number + 4 * drawn + seen + 3 * 8 * size.curves + 4096


def disk_of(config: Config, few: bool = False) -> int:
    """Bytes that a run directory takes, roughly: checkpoints with their state, curves, the config; or, in few files,
    what is its share of them."""
    size = size_of(config)
    if few:
        return 2 * 3 * size.parameters * size.number + 10 * size.curves + 2000
    checkpoints = 2 * (9000 + 3 * size.parameters * size.number)
    twice = any(part and part.runs != "best" for part in config.logger.values())  # for a logger as well
    return checkpoints + (90 if twice else 30) * size.curves + 30_000


def work_of(config: Config) -> Work:
    """What one member's step computes with: of rows that are condensed as many as there are inputs, and the bias."""
    size, batch = size_of(config), config.data.batch_size
    rows = size.inputs + 1 if size.condensed else size.rows if batch == "full" else int(batch)
    return Work(size.parameters, rows, size.number)


def _touched(config: Config) -> int:
    """Bytes that one member's step reads and writes."""
    size = size_of(config)
    if size.condensed:
        return size.number * (5 * size.parameters + (size.inputs + 1) * (size.inputs + 1 + 2 * size.outputs))
    batch = size.rows if config.data.batch_size == "full" else int(config.data.batch_size)
    return size.number * (5 * size.parameters + batch * (size.inputs + size.outputs + 2 * size.made))
