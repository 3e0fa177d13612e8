"""What the schema cannot see of a sweep's jobs, found out before anything is written: classes, their numbers, devices.

Every distinct section is tried once, on a parameter that is thrown away.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger
from torch import nn

from src.config.classes import load
from src.config.schema import Config
from src.errors import LabError
from src.models.build import OWN
from src.optim.build import drive
from src.run.build import check_devices

Trial = tuple[str, Callable[[], Any]]


def mistakes(configs: Iterable[Config]) -> dict[str, int]:
    """What would fail in these runs before their first step, each with how many of them it concerns.

    A file that is not there is no mistake of the grid: its run fails, and can be tried again once it is.
    """
    known: dict[str, str | None] = {}
    found: dict[str, int] = {}
    for config in configs:
        for name, attempt in _trials(config):
            if name not in known:
                known[name] = _told(attempt)
            if told := known[name]:
                found[told] = found.get(told, 0) + 1
    return found


def _told(attempt: Callable[[], Any]) -> str | None:
    try:
        attempt()
    except LabError as error:
        return str(error)
    return None


def _trials(config: Config) -> Iterator[Trial]:
    """Of one run: a text that says what is tried, and the attempt."""
    optimizer, knobs = config.optimizer.arguments(), config.trainer
    schedule = config.scheduler.arguments() if config.scheduler else None
    yield (
        json.dumps([optimizer, schedule, knobs.create_graph], sort_keys=True, default=str),
        lambda: drive(optimizer, schedule, [nn.Parameter(torch.ones(4, 3))], knobs.create_graph),
    )
    yield json.dumps([knobs.accelerator, knobs.devices]), lambda: check_devices(config)
    if config.model.target_ not in OWN:
        yield f"model {config.model.target_}", lambda: load(config.model.target_, "model._target_", nn.Module)
    for section, parts, kind in (("callbacks", config.callbacks, Callback), ("logger", config.logger, Logger)):
        for name, part in parts.items():
            if part is not None and not part.target_.startswith(("src.", "lightning.")):
                key, path = f"{section}.{name}._target_", part.target_
                yield f"{key} {path}", lambda key=key, path=path, kind=kind: load(path, key, kind)  # type: ignore[misc]
