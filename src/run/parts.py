"""What `callbacks` and `logger` name, from their sections; what a stack has of it, without Lightning.

Its import takes longer than many a stack.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from src.config.classes import check_keys, import_class
from src.config.schema import Config
from src.engine.early_stopping import EarlyStopping
from src.engine.watchers import Watcher
from src.errors import LabError, one_line


@dataclass(eq=False)
class Checkpoint:
    """When the state is kept, and which is the best: what `callbacks.checkpoint` says, of a run or a stack.

    Attributes:
        every_n_steps: optimizer steps between two states of `last.ckpt`.
        monitor: the metric that `best.ckpt` is best by, such as val/loss; None for no `best.ckpt`.
        mode: whether "min" or "max" of it is best.
    """

    every_n_steps: int = 1000
    monitor: str | None = "val/loss"
    mode: Literal["min", "max"] = "min"


OF_A_STACK = {
    "src.run.callbacks.checkpoint.Checkpoint": f"{__name__}.Checkpoint",
    "src.run.callbacks.progress.ProgressBar": None,
}
"""What stands in a stack for callbacks that are Lightning's; a sweep has one bar for all its runs."""


def stack_parts(config: Config) -> list[Any]:
    """What `callbacks` names and is not null, of a run that `choose_stepper` does not leave alone."""
    sections = {name: part.arguments() for name, part in config.callbacks.items() if part}
    kinds, parts = (Watcher, EarlyStopping, Checkpoint), list[Any]()
    for name, section in sections.items():
        if path := OF_A_STACK.get(section["_target_"], section["_target_"]):
            parts.append(build_part(section | {"_target_": path}, f"callbacks.{name}", kinds))
    return parts


def build_part(section: Mapping[str, Any], key: str, kinds: tuple[type, ...], opened: bool = True) -> Any:
    """A callback, watcher or logger built from its section.

    Args:
        section: of the config, `_target_` included.
        key: what it is called in a sentence.
        kinds: what it may be.
        opened: make the writer of a logger, which it makes when it is first asked for.

    Raises:
        LabError: it cannot be built, or is something else.
    """
    path = section["_target_"]
    factory, arguments = import_class(path, f"{key}._target_", kinds), dict(section)
    del arguments["_target_"]
    check_keys(factory, arguments, key, 0)
    try:
        built = factory(**arguments)
        _ = opened and getattr(built, "experiment", None)
    except ModuleNotFoundError as error:
        extra = key.partition(".")[2]
        raise LabError(f"{key} needs another package: pip install 'descent-lab[{extra}]' ({error})") from None
    except LabError:
        raise
    except Exception as error:  # a user's class can raise anything
        raise LabError(f"{key} cannot be built: {one_line(error)}") from None
    if not isinstance(built, kinds):
        raise LabError(f"{key}._target_={path} is not a {kinds[0].__name__} of Lightning")
    return built


def cuts(config: Config, parts: Sequence[Any]) -> list[int]:
    """Intervals at whose multiples a block ends, for those who act there."""
    every = {getattr(part, "every_n_steps", None) or config.trainer.max_steps for part in parts}
    return sorted({config.trainer.val_every_n_steps, *every})
