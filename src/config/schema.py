"""The typed config: what is allowed, and the sentence for what is not.

Never imports torch, so that a mistake answers in under a second. Hydra composes (`src/config/compose.py`), the schema
below checks, and every section keeps the `_target_` that `src/run/build.py` builds from it.
"""

import hashlib
import json
import re
from functools import lru_cache
from typing import Annotated, Any, Literal

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import (
    BeforeValidator,
    Field,
    NonNegativeInt,
    PositiveInt,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from src.config.data import AnyData, Noise, Table
from src.config.losses import AnyLoss, Value
from src.config.models import AnyModel, Surface
from src.config.section import ClassPath, NotNegative, Number, Open, Positive, Section, Seed, shown
from src.config.sentences import message, missing_keys, unresolved, wrong_values
from src.config.table_path import expanded
from src.errors import LabError


class Optimizer(Open):
    """How it learns: a class and its numbers."""

    target_: ClassPath = Field(alias="_target_")
    partial_: Literal[True] = Field(True, alias="_partial_")
    lr: Positive | None = None
    rule: ClassPath | None = None
    """A Rule of the user's own by which members of this class are trained in stacks: see src/optim/rules/rule.py."""

    def arguments(self) -> dict[str, Any]:
        """What the class is given, beside Hydra's own keys: no `rule`, and no `lr` where there is none."""
        whole = super().arguments()
        return {key: value for key, value in whole.items() if key != "rule" and (key != "lr" or value is not None)}


MONITORING = (
    "src.run.callbacks.checkpoint.Checkpoint",
    "src.engine.early_stopping.EarlyStopping",
    "lightning.pytorch.callbacks.EarlyStopping",
)
"""Callbacks that act on a metric."""
METRICS = ("train/loss", "val/loss", "val/accuracy")
"""What there is at a validation; an accuracy with a loss for classes."""
TENSORBOARD = "lightning.pytorch.loggers.TensorBoardLogger"


def _steps(value: Any) -> Any:
    if type(value) is int and value > 0:
        return value
    raise ValueError("must be a number of steps above 0")


STEPS = TypeAdapter[Any](Annotated[int, BeforeValidator(_steps)])
MODE = TypeAdapter[Any](Literal["min", "max"])
RUNS = TypeAdapter[Any](Literal["best", "all"])
COMMON_KEYS: dict[str, TypeAdapter[Any]] = {
    **dict.fromkeys(("max_lr", "gamma", "factor", "tolerance"), TypeAdapter(Positive)),
    **dict.fromkeys(("eta_min", "min_lr"), TypeAdapter(NotNegative)),
    **dict.fromkeys(("step_size", "T_max", "total_steps", "max_products"), TypeAdapter(PositiveInt)),
    **dict.fromkeys(("warmup_steps", "patience", "most"), TypeAdapter(NonNegativeInt)),
    "min_delta": TypeAdapter(Number),
    "stopping_threshold": TypeAdapter(Number | None),
}
"""Keys that mean the same in every schedule and callback of torch, Lightning and this project."""


class Part(Open):
    """A class and whatever it takes: a schedule, a callback, a logger."""

    target_: ClassPath = Field(alias="_target_")

    @model_validator(mode="after")
    def _keys(self) -> "Part":
        for key, value in (self.model_extra or {}).items():
            try:
                if (kind := self._kind_of(key)) is not None:
                    kind.validate_python(value, strict=True)
            except ValidationError as error:
                raise ValueError(f".{key}={shown(value)}: {message(error.errors()[0])}") from None
        return self

    def _kind_of(self, key: str) -> TypeAdapter[Any] | None:
        """What a key of this class has to be, where not only the class knows."""
        if key.startswith("every_n"):
            return STEPS
        if key == "mode" and self.target_ in MONITORING:
            return MODE
        if key == "runs" and self.target_ == TENSORBOARD:
            return RUNS
        return COMMON_KEYS.get(key) if self.target_.startswith(("torch.", "lightning.", "src.")) else None

    @property
    def runs(self) -> str | None:
        """Of TensorBoard's logger, which runs of a sweep have it: `best` or `all`; None where nothing is said of it."""
        return (self.model_extra or {}).get("runs") if self.target_ == TENSORBOARD else None

    def arguments(self) -> dict[str, Any]:
        """Without what is said to a sweep, not to the class."""
        section = super().arguments()
        return {key: value for key, value in section.items() if key != "runs" or self.target_ != TENSORBOARD}


class Scheduler(Part):
    """How the learning rate changes with the steps."""

    partial_: Literal[True] = Field(True, alias="_partial_")


class Trainer(Section):
    """How long, how often, where."""

    accelerator: Literal["auto", "cpu", "gpu", "cuda"]
    devices: PositiveInt
    strategy: Literal["auto", "ddp"]
    threads: PositiveInt
    stepper: Literal["auto", "torch", "rules", "compiled"]
    max_steps: PositiveInt
    val_every_n_steps: PositiveInt
    log_every_n_steps: PositiveInt
    block_size: PositiveInt
    zero_grad_every_n_steps: Annotated[int, Field(ge=0)]
    gradient_clip_val: Positive | None
    gradient_clip_algorithm: Literal["norm", "value"]
    divergence_factor: Positive | None
    create_graph: bool
    profiler: Literal["simple", "advanced", "pytorch"] | None

    @model_validator(mode="after")
    def _devices(self) -> "Trainer":
        if self.devices > 1 and self.strategy != "ddp":
            raise ValueError(f"trainer.devices={self.devices} needs trainer=ddp: more processes share every batch")
        return self


LARGEST_FLOAT32 = (2 - 2**-23) * 2.0**127
WATCHING = re.compile(r"src\.(engine\.watchers|run\.callbacks)\.(?!time_limit\.)")
"""How the names of callbacks begin that only watch; any other may stop a run or change it."""


class Config(Section):
    """One run, checked."""

    seed: Seed
    ckpt_path: str | None
    check_gradients: bool = False
    confirm_seeds: NonNegativeInt = 0
    data: AnyData
    model: AnyModel
    loss: AnyLoss
    optimizer: Optimizer
    scheduler: Scheduler | None
    trainer: Trainer
    logger: dict[str, Part | None]
    callbacks: dict[str, Part | None]

    @model_validator(mode="after")
    def _monitors(self) -> "Config":
        parts = {name: part for name, part in self.callbacks.items() if part}
        # a user's own callback may log metrics of its own
        own = any(not part.target_.startswith(("src.", "lightning.")) for part in parts.values())
        for name, part in parts.items():
            monitor = (part.model_extra or {}).get("monitor")
            optional = part.target_ == "src.run.callbacks.checkpoint.Checkpoint"
            if part.target_ not in MONITORING or (optional and monitor is None):
                continue
            if not isinstance(monitor, str) or not (own or monitor in METRICS):
                raise ValueError(
                    f"callbacks.{name}.monitor={shown(monitor)}: must be train/loss, val/loss or val/accuracy"
                )
            if monitor == "val/accuracy" and (part.model_extra or {}).get("mode") != "max":
                raise ValueError(
                    f"callbacks.{name}.monitor={monitor} is best where it is highest: say callbacks.{name}.mode=max"
                )
            if not optional and monitor.startswith("val/") and not self.data.validates():
                needs = "needs validation rows: set data.val, or monitor=train/loss"
                raise ValueError(f"callbacks.{name}.monitor={monitor} {needs}")
        return self

    @model_validator(mode="after")
    def _fits_data(self) -> "Config":
        surface, noise = isinstance(self.model, Surface), isinstance(self.data, Noise)
        if surface and not noise:
            raise ValueError("model=surface fits no data: say data=noise, which is the noise of its gradient")
        if noise and not surface:
            raise ValueError("data=noise is the noise of a surface's gradient: say model=surface, or other data")
        if surface != isinstance(self.loss, Value):
            raise ValueError("loss=value belongs to model=surface, and to no other model: leave loss= out")
        return self

    @model_validator(mode="after")
    def _fits_dtype(self) -> "Config":
        lr = self.optimizer.lr
        if self.model.dtype == "float32" and lr is not None and lr > LARGEST_FLOAT32:
            raise ValueError(f"optimizer.lr={lr:g} is more than float32 holds")
        return self

    def decisive(self) -> dict[str, Any]:
        """The part of the config that decides the numbers: not where they are logged, nor how they are cut."""
        parts = {name: part for name, part in self.callbacks.items() if part and not WATCHING.match(part.target_)}
        indifferent = {"accelerator", "threads", "log_every_n_steps", "block_size", "profiler"}
        if self.trainer.stepper == "auto":  # what it comes to is kept by the sweep
            indifferent.add("stepper")
        return {
            "data": self.data.model_dump(by_alias=True, exclude={"write_split"}),
            "model": self.model.arguments(),
            "loss": self.loss.arguments(),
            "optimizer": self.optimizer.arguments() | ({"rule": self.optimizer.rule} if self.optimizer.rule else {}),
            "scheduler": self.scheduler.arguments() if self.scheduler else None,
            "trainer": self.trainer.model_dump(exclude=indifferent),
            "callbacks": {name: part.arguments() for name, part in parts.items()},
        }

    def fingerprint(self, length: bool = True, curves: bool = False) -> str:
        """A hash of `decisive()`, the same for 1 and 1.0.

        Args:
            length: without it, that of any `max_steps`.
            curves: also of what is watched along the way, and how often.
        """

        def plain(value: Any) -> Any:
            if isinstance(value, dict):
                return {str(key): plain(inner) for key, inner in value.items()}
            if isinstance(value, list | tuple):
                return [plain(inner) for inner in value]
            whole = isinstance(value, float) and value.is_integer() and abs(value) < 2**53
            return int(value) if whole and not isinstance(value, bool) else value

        decisive = self.decisive()
        if not length:
            del decisive["trainer"]["max_steps"]
        if curves:
            watched = {name: part.arguments() for name, part in self.callbacks.items() if part}
            decisive["curves"] = [self.trainer.log_every_n_steps, watched]
        if (content := self.content()) is not None:
            decisive["content"] = content
        return digest(json.dumps(plain(decisive), sort_keys=True))

    def content(self) -> str | None:
        """A hash of the table that is read; None where there is none, or it is not there."""
        path = expanded(self.data.path) if isinstance(self.data, Table) else None
        try:
            state = path.stat() if path is not None else None
        except OSError:
            return None
        return None if state is None else _digest_of_file(str(path), state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=64)
def _digest_of_file(path: str, changed: int, size: int) -> str | None:
    """A hash of a file's bytes; read again once it has changed."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=8)).hexdigest()
    except OSError:
        return None


def flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    """Nested keys joined by dots; a list, and a section without keys, is a value."""
    if isinstance(tree, dict) and tree:
        return {key: value for name, inner in tree.items() for key, value in flat(inner, f"{prefix}{name}.").items()}
    return {prefix[:-1]: tree}


def digest(text: str) -> str:
    """A hash of 16 hexadecimal digits."""
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def check(composed: DictConfig) -> Config:
    """The composed config, checked by the schema.

    Raises:
        LabError: one sentence for every value that is not allowed.
    """
    job = OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])
    try:
        missing = sorted(OmegaConf.missing_keys(job))
        plain = OmegaConf.to_container(job, resolve=True) if not missing else {}
    except OmegaConfBaseException as error:
        raise LabError(unresolved(error)) from None
    if missing:
        raise LabError(missing_keys(missing))
    assert isinstance(plain, dict)
    return check_plain({str(key): value for key, value in plain.items()})


def check_plain(plain: dict[str, Any]) -> Config:
    """A config of plain values, nothing missing and nothing to be resolved, checked by the schema.

    Raises:
        WrongValuesError: one sentence for every value that is not allowed.
    """
    sections = plain | {"logger": plain.get("logger") or {}, "callbacks": plain.get("callbacks") or {}}
    try:
        return Config.model_validate(sections)
    except ValidationError as error:
        raise wrong_values(error, sections) from None
