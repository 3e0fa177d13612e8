"""The typed config: what is allowed, and the sentence for what is not.

Never imports torch, so that a mistake answers in under a second. Hydra composes (`src/config/compose.py`), the schema
below checks, and every section keeps the `_target_` that `src/run/build.py` builds from it.
"""

import ast
import hashlib
import importlib.util
import json
import math
import os
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    NonNegativeInt,
    PositiveInt,
    Tag,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from src.config.surfaces import FUNCTIONS
from src.errors import LabError, nearest


def _share(value: Any) -> int | float:
    count = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    fraction = isinstance(value, float) and 0 <= value < 1
    if not (count or fraction):
        raise ValueError("must be a number of rows (0, 1, 2, ...) or a fraction of them (from 0.0 to below 1.0)")
    return value


def _batch_size(value: Any) -> int | Literal["full"]:
    if value == "full" or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return value
    raise ValueError("must be 'full' or a number of rows above 0")


def _finite(value: Any) -> Any:
    """Refuse numbers that are not finite wherever they hide in lists and mappings."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("must be finite")
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _finite(inner)
    return value


def _start(value: Any) -> Any:
    """The given start of a parameter: null, a number, or numbers in (nested) lists."""

    def numbers(inner: Any) -> bool:
        if isinstance(inner, list):
            return bool(inner) and all(numbers(one) for one in inner)
        return isinstance(inner, int | float) and not isinstance(inner, bool)

    if not (value is None or numbers(value)):
        raise ValueError("must be a number, a list of numbers, or null (as model.start says)")
    return value


def _place(value: Any) -> Any:
    """A place on a surface: null, or two numbers."""
    pair = isinstance(value, list) and len(value) == 2
    if value is None or (pair and all(isinstance(n, int | float) and not isinstance(n, bool) for n in value)):
        return value
    raise ValueError("must be two numbers, [x,y], or null (the function's own start)")


def _function(value: Any) -> Any:
    if isinstance(value, str) and value in FUNCTIONS:
        return value
    raise ValueError(f"must be one of {', '.join(FUNCTIONS)}{nearest(str(value), FUNCTIONS)}")


Share = Annotated[int | float, BeforeValidator(_share)]
BatchSize = Annotated[int | Literal["full"], BeforeValidator(_batch_size)]
Numbers = Annotated[Any, AfterValidator(_finite)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Number = Annotated[float, Field(allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # torch's generator on the CPU takes no more bits than that
Activation = Literal["relu", "tanh", "sigmoid", "identity"]


@cache
def _torch_names(module: str) -> set[str]:
    """The public classes of `torch.optim` or `torch.optim.lr_scheduler`, read from the source without importing it."""
    spec = importlib.util.find_spec("torch")
    if spec is None or not spec.submodule_search_locations:
        return set()
    where = Path(spec.submodule_search_locations[0], *module.split(".")[1:])
    path = where / "__init__.py" if where.is_dir() else where.with_suffix(".py")
    if not path.exists():
        return set()
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            names.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.ClassDef):
            names.add(node.name)
    return {name for name in names if name[0].isupper() and name != "Optimizer"}


def _class_path(value: str) -> str:
    module, _, name = value.rpartition(".")
    if not module or not all(part.isidentifier() for part in value.split(".")):
        raise ValueError("must be a class with its module, such as mypackage.MyClass")
    if module in ("torch.optim", "torch.optim.lr_scheduler"):
        names = _torch_names(module)
        if names and name not in names:
            raise ValueError(f"{module} has no {name}{nearest(name, names)}")
    return value


ClassPath = Annotated[str, AfterValidator(_class_path)]


class Section(BaseModel):
    """A part of the config; unknown keys and wrong types are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)

    def arguments(self) -> dict[str, Any]:
        """The section as a plain dictionary, `_target_` included, as `hydra.utils.instantiate` takes it."""
        return self.model_dump(by_alias=True)


class Open(Section):
    """A section that takes keys of the user's own; their numbers must be finite."""

    model_config = ConfigDict(extra="allow")

    __pydantic_extra__: dict[str, Numbers] = Field(init=False)


class Data(Section):
    """What is learned from."""

    target_: str = Field(alias="_target_")
    seed: Seed
    shuffle_seed: Seed
    batch_size: BatchSize


class Drawn(Data):
    """Data drawn afresh: `rows` for training, validation and test rows beside them."""

    rows: PositiveInt
    val: Share
    test: Share

    def validates(self) -> bool:
        """Whether there are validation rows."""
        return (self.val if isinstance(self.val, int) else round(self.val * self.rows)) > 0

    @model_validator(mode="after")
    def _batch_fits(self) -> "Drawn":
        if self.batch_size != "full" and self.batch_size > self.rows:
            raise ValueError(f"data.batch_size={self.batch_size} is more than the {self.rows} training rows")
        return self


class Line(Drawn):
    """A noisy line."""

    slope: Number
    intercept: Number
    noise: NotNegative
    low: Number
    high: Number
    spacing: Literal["even", "uniform", "normal"]

    @model_validator(mode="after")
    def _range(self) -> "Line":
        if self.low >= self.high:
            raise ValueError(f"data.low={self.low:g} must be below data.high={self.high:g}")
        return self


class Features(Drawn):
    """Several features with a chosen condition number."""

    inputs: PositiveInt
    condition_number: Annotated[float, Field(ge=1, le=1e10)]  # float32 data cannot hold a larger one
    weights: list[Number] | None
    intercept: Number
    noise: NotNegative

    @model_validator(mode="after")
    def _sizes(self) -> "Features":
        if self.weights is not None and len(self.weights) != self.inputs:
            raise ValueError(f"data.weights has {len(self.weights)} numbers for data.inputs={self.inputs}")
        if self.rows <= self.inputs:
            raise ValueError(
                f"data.rows={self.rows} must be more than data.inputs={self.inputs}: "
                "with fewer no Hessian has the condition number asked for"
            )
        return self


class Random(Drawn):
    """Nothing to learn."""

    inputs: PositiveInt
    outputs: PositiveInt


class Teacher(Drawn):
    """What a network makes."""

    inputs: PositiveInt
    hidden: PositiveInt
    outputs: PositiveInt
    activation: Activation
    noise: NotNegative


class Noise(Drawn):
    """The noise of a surface's gradient."""

    noise: NotNegative

    @model_validator(mode="after")
    def _several(self) -> "Noise":
        if self.noise and self.rows == 1:
            told = "rows of noise average to 0, so one row has none: say data.rows=1000 data.batch_size=1"
            raise ValueError(f"data.noise={self.noise:g}: {told}")
        return self


class Listed(Data):
    """Data that are there: split by a number of rows or by fractions."""

    train: Share | None
    val: Share
    test: Share

    def validates(self) -> bool:
        """Whether validation rows were asked for; how many there are is known when the rows are."""
        return self.val > 0

    @model_validator(mode="after")
    def _adds_up(self) -> "Listed":
        if self.train is not None and not self.train:
            raise ValueError(f"data.train={self.train:g} leaves no rows for training (null takes the rest)")
        shares = {"train": self.train, "val": self.val, "test": self.test}
        fractions = {name: share for name, share in shares.items() if isinstance(share, float)}
        told = " + ".join(f"data.{name}={share:g}" for name, share in fractions.items())
        total = sum(fractions.values())
        if self.train is None and total >= 1:
            raise ValueError(f"{told} leaves no rows for training: the fractions must add up to less than 1")
        if len(fractions) == 3 and not math.isclose(total, 1, abs_tol=1e-9):
            raise ValueError(f"{told} is {total:g}: the fractions must add up to 1 (data.train=null takes the rest)")
        if total > 1 + 1e-9:
            raise ValueError(f"{told} is {total:g}: the fractions must not add up to more than 1")
        return self


class Points(Listed):
    """Points listed in the config."""

    x: Numbers
    y: Numbers

    @model_validator(mode="after")
    def _same_length(self) -> "Points":
        for name, rows in (("x", self.x), ("y", self.y)):
            widths = {len(row) if isinstance(row, list) else -1 for row in rows} if isinstance(rows, list) else set()
            flat = [n for row in rows for n in (row if isinstance(row, list) else [row])] if widths else []
            numbers = all(isinstance(n, int | float) and not isinstance(n, bool) for n in flat)
            if len(widths) != 1 or 0 in widths or not numbers:
                told = f"data.{name}={shown(rows)}: must be a list of numbers, or a list of equally long lists of them"
                raise ValueError(told)
        if len(self.x) != len(self.y):
            raise ValueError(f"data.x has {len(self.x)} points and data.y has {len(self.y)}")
        if self.batch_size != "full" and self.batch_size > len(self.x):
            raise ValueError(f"data.batch_size={self.batch_size} is more than the {len(self.x)} points")
        return self


class Table(Listed):
    """The user's own file."""

    path: str
    target: str
    features: list[str] | None
    standardize: bool


class Diabetes(Listed):
    """The real data set."""

    features: list[str] | None
    standardize: bool


class Model(Section):
    """What learns."""

    target_: ClassPath = Field(alias="_target_")
    seed: Seed
    loss: Literal["mean", "sum", "value"]
    dtype: Literal["float32", "float64"]
    gradient: Literal["autograd", "by_hand"]


class Started(Model):
    """A model of this project, with its start."""

    loss: Literal["mean", "sum"]
    bias: bool
    start: Literal["torch", "zeros", "uniform", "normal"]
    scale: Number
    values: dict[str, Annotated[Numbers, AfterValidator(_start)]]


class Linear(Started):
    """See src/models/linear.py."""


class TwoLayer(Started):
    """See src/models/two_layer.py."""

    hidden: PositiveInt
    activation: Activation


class Surface(Model):
    """See src/models/surface.py."""

    loss: Literal["value"]
    function: Annotated[str, BeforeValidator(_function)]
    point: Annotated[list[Number] | None, BeforeValidator(_place)]


class CustomModel(Model, Open):
    """The user's own module; it takes every key that is not one of `Model`."""

    loss: Literal["mean", "sum"]

    @model_validator(mode="after")
    def _autograd(self) -> "CustomModel":
        if self.gradient == "by_hand":
            raise ValueError(f"model.gradient=by_hand needs a model of this project; {self.target_} has autograd only")
        return self


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


KNOWN: dict[str, TypeAdapter[Any]] = {
    **dict.fromkeys(("max_lr", "gamma", "factor", "tolerance"), TypeAdapter(Positive)),
    **dict.fromkeys(("eta_min", "min_lr"), TypeAdapter(NotNegative)),
    **dict.fromkeys(("step_size", "T_max", "total_steps", "max_products"), TypeAdapter(PositiveInt)),
    **dict.fromkeys(("warmup_steps", "patience", "most"), TypeAdapter(NonNegativeInt)),
    "min_delta": TypeAdapter(Number),
    "stopping_threshold": TypeAdapter(Number | None),
}
"""Keys of schedules and callbacks that mean the same in every class of torch, Lightning and this project."""


def _check_known(section: "Scheduler | Part") -> None:
    if not section.target_.startswith(("torch.", "lightning.", "src.")):
        return
    for key, value in (section.model_extra or {}).items():
        try:
            if key in KNOWN:
                KNOWN[key].validate_python(value, strict=True)
        except ValidationError as error:
            raise ValueError(f".{key}={shown(value)}: {_must(error.errors()[0]['msg'])}") from None


class Scheduler(Open):
    """How the learning rate changes with the steps."""

    target_: ClassPath = Field(alias="_target_")
    partial_: Literal[True] = Field(True, alias="_partial_")

    @model_validator(mode="after")
    def _keys(self) -> "Scheduler":
        _check_known(self)
        return self


class Trainer(Section):
    """How long, how often, where."""

    accelerator: Literal["auto", "cpu", "gpu", "cuda"]
    devices: PositiveInt
    strategy: Literal["auto", "ddp"]
    threads: PositiveInt
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


WATCHERS = (
    "src.run.callbacks.Checkpoint",
    "src.run.callbacks.EarlyStopping",
    "lightning.pytorch.callbacks.EarlyStopping",
)
"""Callbacks that act on a metric."""
TENSORBOARD = "lightning.pytorch.loggers.TensorBoardLogger"


class Part(Open):
    """A callback or a logger: a class and whatever it takes."""

    target_: ClassPath = Field(alias="_target_")

    @model_validator(mode="after")
    def _keys(self) -> "Part":
        _check_known(self)
        for key, value in (self.model_extra or {}).items():
            if key.startswith("every_n") and not (type(value) is int and value > 0):
                raise ValueError(f".{key}={shown(value)}: must be a number of steps above 0")
            if key == "mode" and self.target_ in WATCHERS and value not in ("min", "max"):
                raise ValueError(f".{key}={shown(value)}: must be 'min' or 'max'")
            if key == "runs" and self.target_ == TENSORBOARD and value not in ("best", "all"):
                raise ValueError(f".{key}={shown(value)}: must be 'best' or 'all'")
        return self

    @property
    def runs(self) -> str | None:
        """Of TensorBoard's logger, which runs of a sweep have it: `best` or `all`; None where nothing is said of it."""
        return (self.model_extra or {}).get("runs") if self.target_ == TENSORBOARD else None

    def arguments(self) -> dict[str, Any]:
        """Without what is said to a sweep, not to the class."""
        section = super().arguments()
        return {key: value for key, value in section.items() if key != "runs" or self.target_ != TENSORBOARD}


def _by_target(known: dict[str, str], other: str | None) -> Discriminator:
    def tag(value: Any) -> str | None:
        target = value.get("_target_") if isinstance(value, dict) else getattr(value, "target_", None)
        return known.get(target, other) if isinstance(target, str) else other

    return Discriminator(tag)


AnyData = Annotated[
    Annotated[Line, Tag("Line")]
    | Annotated[Features, Tag("Features")]
    | Annotated[Points, Tag("Points")]
    | Annotated[Random, Tag("Random")]
    | Annotated[Teacher, Tag("Teacher")]
    | Annotated[Noise, Tag("Noise")]
    | Annotated[Table, Tag("Table")]
    | Annotated[Diabetes, Tag("Diabetes")],
    _by_target(
        {
            f"src.data.{name}": name
            for name in ("Line", "Features", "Points", "Random", "Teacher", "Noise", "Table", "Diabetes")
        },
        None,
    ),
]
AnyModel = Annotated[
    Annotated[Linear, Tag("Linear")]
    | Annotated[TwoLayer, Tag("TwoLayer")]
    | Annotated[Surface, Tag("Surface")]
    | Annotated[CustomModel, Tag("Custom")],
    _by_target({f"src.models.{name}": name for name in ("Linear", "TwoLayer", "Surface")}, "Custom"),
]
_TAGS = {
    *("Line", "Features", "Points", "Random", "Teacher", "Noise", "Table", "Diabetes"),
    *("Linear", "TwoLayer", "Surface", "Custom"),
}


LARGEST_FLOAT32 = (2 - 2**-23) * 2.0**127
_NUMERIC = ("float_type", "int_type", "bool_type")


_WATCHING = (
    *("Checkpoint", "FittedLine", "GradientNorm", "Histograms", "LearningRate", "Parameters", "ProgressBar"),
    "Sharpness",
)
WATCHING = frozenset(f"src.run.callbacks.{name}" for name in _WATCHING)
"""Callbacks that only watch; any other may stop a run or change it."""


class Config(Section):
    """One run, checked."""

    seed: Seed
    ckpt_path: str | None
    check_gradients: bool = False
    confirm_seeds: NonNegativeInt = 0
    data: AnyData
    model: AnyModel
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
            optional = part.target_ == "src.run.callbacks.Checkpoint"
            if part.target_ not in WATCHERS or (optional and monitor is None):
                continue
            if not isinstance(monitor, str) or not (own or monitor in ("train/loss", "val/loss")):
                told = "must be train/loss or val/loss"
                raise ValueError(f"callbacks.{name}.monitor={shown(monitor)}: {told}")
            if not optional and monitor == "val/loss" and not self.data.validates():
                told = "needs validation rows: set data.val, or monitor=train/loss"
                raise ValueError(f"callbacks.{name}.monitor={monitor} {told}")
        return self

    @model_validator(mode="after")
    def _fits_data(self) -> "Config":
        surface, noise = isinstance(self.model, Surface), isinstance(self.data, Noise)
        if surface and not noise:
            raise ValueError("model=surface fits no data: say data=noise, which is the noise of its gradient")
        if noise and not surface:
            raise ValueError("data=noise is the noise of a surface's gradient: say model=surface, or other data")
        return self

    @model_validator(mode="after")
    def _fits_dtype(self) -> "Config":
        lr = self.optimizer.lr
        if self.model.dtype == "float32" and lr is not None and lr > LARGEST_FLOAT32:
            raise ValueError(f"optimizer.lr={lr:g} is more than float32 holds")
        return self

    def decisive(self) -> dict[str, Any]:
        """The part of the config that decides the numbers: not where they are logged, nor how they are cut."""
        parts = {name: part for name, part in self.callbacks.items() if part and part.target_ not in WATCHING}
        indifferent = {"accelerator", "threads", "log_every_n_steps", "block_size", "profiler"}
        return {
            "data": self.data.arguments(),
            "model": self.model.arguments(),
            "optimizer": self.optimizer.arguments() | ({"rule": self.optimizer.rule} if self.optimizer.rule else {}),
            "scheduler": self.scheduler.arguments() if self.scheduler else None,
            "trainer": self.trainer.model_dump(exclude=indifferent),
            "callbacks": {name: part.arguments() for name, part in parts.items()},
        }

    def fingerprint(self, length: bool = True) -> str:
        """A hash of `decisive()`, the same for 1 and 1.0; without `length` that of any `max_steps`."""

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
        if (content := self.content()) is not None:
            decisive["content"] = content
        return digest(json.dumps(plain(decisive), sort_keys=True))

    def content(self) -> str | None:
        """A hash of the table that is read; None where there is none, or it is not there."""
        path = self.data.path if isinstance(self.data, Table) else None
        try:
            state = os.stat(path) if path is not None else None
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


class WrongValuesError(LabError):
    """Values that are not allowed: `args` are the sentences, one for each."""

    def __str__(self) -> str:
        return "; ".join(self.args)


def wrong_values(error: ValidationError, given: dict[str, Any], prefix: str = "") -> WrongValuesError:
    """What pydantic found wrong with `given`, its keys told with `prefix` before them."""
    return WrongValuesError(*(prefix + _sentence(one, given) for one in _distinct(error.errors())))


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


def missing_keys(keys: Sequence[str]) -> str:
    """The sentence for keys that have to be said."""
    hint = {"data.path": "data.path=houses.csv", "data.target": "data.target=price"}
    return f"missing: {', '.join(keys)} (say {' '.join(hint.get(key, f'{key}=...') for key in keys)})"


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


def unresolved(error: OmegaConfBaseException) -> str:
    """A sentence for a value that OmegaConf cannot give: an interpolation that leads nowhere, say."""
    reason = str(error).partition("\n")[0]
    return f"{error.full_key}: {reason}" if error.full_key else reason


def shown(value: Any) -> str:
    """A value as it would be typed, cut when it is long."""
    if value is None or isinstance(value, bool):
        return str(value).lower().replace("none", "null")
    if isinstance(value, list):
        text = f"[{','.join(map(shown, value))}]"
    elif isinstance(value, dict):
        text = f"{{{','.join(f'{key}:{shown(inner)}' for key, inner in value.items())}}}"
    else:
        text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _must(message: str) -> str:
    """Pydantic's "Input should be ..." as "must be ..."."""
    message = message.removeprefix("Input ").removeprefix("should ")
    return message if message.startswith("must") else f"must {message}"


def _distinct(errors: Sequence[Any]) -> list[Any]:
    """Without those that repeat what is wrong with `seed`, which other seeds are taken from."""
    wrong = [error["input"] for error in errors if error["loc"] == ("seed",)]

    def repeats(error: Any) -> bool:
        where = error["loc"]
        return len(where) > 1 and str(where[-1]).endswith("seed") and error["input"] in wrong

    return [error for error in errors if not repeats(error)]


def _sentence(error: Any, config: dict[str, Any]) -> str:
    where = [str(part) for part in error["loc"] if str(part) not in _TAGS]
    path, given = ".".join(where), error["input"]
    section: Any = config
    for part in where[:-1]:
        section = section.get(part, {}) if isinstance(section, dict) else {}
    if error["type"] == "extra_forbidden":
        others = [key for key in section if key != where[-1]]
        return f"{path}: there is no such key{nearest(where[-1], others, '.'.join(where[:-1]))}"
    if error["type"] == "missing":
        return f"{path} is missing"
    if error["type"].startswith("union_tag") and isinstance(given, dict):
        known = "src.data.Line, Features, Points, Random, Teacher, Noise, Table or Diabetes"
        return f"{path}._target_={shown(given.get('_target_'))}: must be {known}"
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] in ("model_type", "dict_type") or error["type"].startswith("union_tag"):
        message = "must be a section of keys"
    elif error["type"] == "value_error" and isinstance(given, dict) and not message.startswith("must"):
        # a validator of a whole section says itself which key it means: in full, or from the section on
        return f"{path}{message}" if message.startswith(".") else message
    elif error["type"] != "value_error":
        message = _must(message)
    text = f"'{given}'" if isinstance(given, str) and error["type"] in _NUMERIC else shown(given)
    return f"{path}={text}: {message}"
