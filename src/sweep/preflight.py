"""What the schema cannot see of a sweep's jobs, found out before anything is written: classes, their numbers, devices.

Every distinct section is tried once, on a parameter that is thrown away.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import nn

from src.config.classes import import_class
from src.config.schema import TENSORBOARD, Config
from src.engine.devices import check_devices
from src.engine.watchers import Watcher
from src.errors import LabError
from src.optim.build import build_optimizer, with_lowest_loss
from src.run.build import build_loss
from src.sweep.tables import check, is_table
from src.tables.once import identity

Attempt = Callable[[], Any]


def mistakes(configs: Iterable[Config], keep: bool = False) -> Counter[str]:
    """What would fail in these runs before their first step, each with how many of them it concerns.

    Args:
        configs: of the runs.
        keep: the rows of their tables, for the training in this process.
    """
    tried: dict[Hashable, str | None] = {}
    found = Counter[str]()
    for config in configs:
        for key, attempt in _attempts(config, keep):
            if key not in tried:
                tried[key] = _mistake(attempt)
            if sentence := tried[key]:
                found[sentence] += 1
    return found


def _mistake(attempt: Attempt) -> str | None:
    try:
        attempt()
    except LabError as error:
        return str(error)
    return None


def _attempts(config: Config, keep: bool) -> Iterator[tuple[Hashable, Attempt]]:
    """Of one run: what is tried, and the attempt. Jobs share sections that do not differ, so these are told by `id`."""
    trainer, model = config.trainer, config.model
    yield (id(config.optimizer), id(config.scheduler), trainer.create_graph), lambda: _optimizer(config)
    yield (trainer.accelerator, trainer.devices), lambda: check_devices(config)
    yield ("loss", id(config.loss), model.loss, model.gradient), lambda: build_loss(config)
    if is_table(config):
        table = ("table", identity(config.data), config.data.batch_size, model.dtype, config.loss.target_)
        yield table, lambda: check(config, keep)
    for group, path, base in (
        ("data", config.data.target_, object),
        ("model", model.target_, nn.Module),
    ):
        key = f"{group}._target_"
        yield (key, path), lambda path=path, key=key, base=base: import_class(path, key, base)  # type: ignore[misc]
    for section, parts in (("callbacks", config.callbacks), ("logger", config.logger)):
        for name, part in parts.items():
            if part is not None and not part.target_.startswith(("src.", "lightning.")):
                key, path = f"{section}.{name}._target_", part.target_
                yield (key, path), lambda key=key, path=path: _listener(path, key)  # type: ignore[misc]
    for name, part in config.logger.items():  # Lightning's: whether what they need is installed
        if part is not None and part.target_.startswith("lightning.") and part.target_ != TENSORBOARD:
            key, own = f"logger.{name}", part.arguments()
            yield (key, part.target_), lambda key=key, own=own: _logger(own, key)  # type: ignore[misc]


def _listener(path: str, key: str) -> None:
    """Import a callback or logger of the user's own; a watcher knows nothing of Lightning, which takes its time."""
    found, watches = import_class(path, key, object), key.startswith("callbacks.")
    if watches and isinstance(found, type) and issubclass(found, Watcher):
        return
    from lightning.pytorch.callbacks import Callback
    from lightning.pytorch.loggers import Logger

    import_class(path, key, (Callback, Watcher) if watches else Logger)


def _logger(section: Mapping[str, Any], key: str) -> None:
    from src.run.trainer import build_logger

    build_logger(section, key, opened=False)


def _optimizer(config: Config) -> None:
    schedule, optimizer = config.scheduler.arguments() if config.scheduler else None, config.optimizer
    section, tried = with_lowest_loss(optimizer.arguments()), [nn.Parameter(torch.ones(4, 3))]
    build_optimizer(section, schedule, tried, config.trainer.create_graph, optimizer.rule, stepped=False)
