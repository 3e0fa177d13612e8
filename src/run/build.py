"""From checked configs to what trains them: data, models, stepper, loop, callbacks, loggers, Trainer. Only here."""

import json
import logging
import math
import os
import re
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import lightning as L
import torch
from hydra.utils import instantiate
from lightning.pytorch.callbacks import Callback, ProgressBar
from lightning.pytorch.callbacks import Checkpoint as LightningCheckpoint
from lightning.pytorch.loggers import Logger
from torch import Tensor, nn

from src import models
from src.config.classes import import_class
from src.config.schema import TENSORBOARD, Config, flat
from src.data import Problem
from src.data.problem import check_batch_size
from src.engine.checkpoint import lineage
from src.engine.curves import Curves
from src.engine.device_data import DeviceData
from src.engine.divergence import Divergence
from src.engine.early_stopping import EarlyStopping
from src.engine.gradients import Treatment
from src.engine.loop import Loop, Marks
from src.engine.rule_stepper import RuleStepper
from src.engine.stepper import Stepper
from src.engine.torch_stepper import TorchStepper
from src.engine.watchers import Watcher
from src.errors import LabError, one_line
from src.losses.squared_error import loss_of
from src.models import Linear
from src.models.build import build
from src.models.stack import flatten, without_member_axis
from src.models.stack import stack as joined
from src.optim.build import build_optimizer, check_keys, takes_member_axis
from src.optim.rules import rule_of
from src.optim.stacked_rule import StackedRule, lone_group
from src.optim.stacked_schedule import StackedSchedule
from src.run.exact import answer
from src.theory import Answer, Exact

BATCHING = ("batch_size", "shuffle_seed")


@dataclass(frozen=True)
class RunSpec:
    """A run that is asked for.

    Attributes:
        config: checked.
        directory: of the run.
        command: what was typed, for the record, and to go on with.
    """

    config: Config
    directory: Path
    command: str = ""


@dataclass(frozen=True)
class Member:
    """A run that is ready.

    Attributes:
        spec: what was asked for.
        problem: its data.
        model: at its start, parameters `[1, I, O]`.
        answer: what theory knows.
        about: what its checkpoints keep of it.
        seconds: that building it took.
    """

    spec: RunSpec
    problem: Problem
    model: nn.Module
    answer: Answer
    about: Mapping[str, Any]
    seconds: float

    @property
    def config(self) -> Config:
        """Of the run."""
        return self.spec.config


# --- members ---------------------------------------------------------------------------------------------------------


def build_members(
    specs: Sequence[RunSpec], resumed: Mapping[str, Any] | None = None, start: Mapping[str, Any] | None = None
) -> list[Member | LabError]:
    """Every run that can be built; of the others the reason. All that share data have one copy of them.

    Args:
        specs: of the runs.
        resumed: the checkpoint that a run alone goes on from.
        start: the one that holds where its descent started, for theory.
    """
    problems: dict[str, Problem | LabError] = {}
    solved: dict[int, dict[Any, Exact]] = {}
    built = list[Member | LabError]()
    for spec in specs:
        try:
            built.append(_member(spec, problems, solved, resumed, start))
        except LabError as error:
            built.append(error)
    sizes = [None if isinstance(one, LabError) else _sizes(one.problem) for one in built]
    first = next((size for size in sizes if size is not None), None)
    for index, size in enumerate(sizes):
        if size is not None and size != first:
            built[index] = LabError(f"its data have other sizes than its stack's: {size}, not {first}")
    return built


def _member(
    spec: RunSpec,
    problems: MutableMapping[str, Problem | LabError],
    solved: MutableMapping[int, dict[Any, Exact]],
    resumed: Mapping[str, Any] | None,
    start: Mapping[str, Any] | None,
) -> Member:
    began, config = time.perf_counter(), spec.config
    section = {key: value for key, value in config.data.arguments().items() if key not in BATCHING}
    name = json.dumps([section, config.model.dtype], sort_keys=True)
    if name not in problems:
        try:
            problems[name] = build_problem(config)
        except LabError as error:
            problems[name] = error
    problem = problems[name]
    if isinstance(problem, LabError):
        raise problem
    check_batch_size(config.data.batch_size, len(problem.train))
    _check_watched(config, problem)
    model = build_model(config, problem)
    about = {"problem": problem.describe(), "model": config.model.arguments(), **lineage(config, resumed)}
    known = answer(config, problem, model, start, solved.setdefault(id(problem), {}))
    return Member(spec, problem, model, known, about, time.perf_counter() - began)


def _sizes(problem: Problem) -> tuple[int, ...]:
    """What a stack cannot mix: inputs, outputs and the rows of each part."""
    parts = (problem.train, problem.val, problem.test)
    return problem.inputs, problem.outputs, *(0 if part is None else len(part) for part in parts)


def _check_watched(config: Config, problem: Problem) -> None:
    """Refuse early stopping by a loss that there is not."""
    stops = [part for part in config.callbacks.values() if part and part.target_.endswith(".EarlyStopping")]
    monitors = [str(part.arguments().get("monitor", "val/loss")) for part in stops]
    if problem.val is None and any(monitor.startswith("val/") for monitor in monitors):
        raise LabError("callbacks.early_stopping watches val/loss, but there are no validation rows: set data.val")


def build_problem(config: Config) -> Problem:
    """Draw or read the data."""
    section = {key: value for key, value in config.data.arguments().items() if key not in BATCHING}
    with _fitting_memory("data"):
        problem = instantiate(section, _convert_="all").problem()
    unit = problem.scaling.loss_scale() if problem.scaling else torch.ones(1)
    if not bool((unit.isfinite() & (unit > 0)).all()):
        raise LabError("the target's numbers are so large or small that their squares overflow or vanish: rescale it")
    dtype = getattr(torch, config.model.dtype)
    for part in (problem.train, problem.val, problem.test):
        if part is not None and not bool(
            part.inputs.to(dtype).isfinite().all() and part.targets.to(dtype).isfinite().all()
        ):
            raise LabError(
                f"the data have numbers that are too large for {config.model.dtype}: make those of the data group "
                "smaller, or say model.dtype=float64, or for a table data.standardize=true"
            )
    return problem


@contextmanager
def _fitting_memory(what: str) -> Iterator[None]:
    """Tell in a sentence that something is too large for this machine."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not re.search("alloc|memory|overflow", str(error)):
            raise
        raise LabError(f"the {what} does not fit into memory: make the numbers of the {what} group smaller") from None


def build_model(config: Config, problem: Problem) -> nn.Module:
    """One member, its parameters `[1, I, O]`, or `[I, O]` where the optimizer takes only matrices."""
    with _fitting_memory("model"):
        model = build(config.model.arguments(), problem.inputs, problem.outputs)
    if isinstance(model, models.Custom):
        return model
    return model if takes_member_axis(config.optimizer.target_, config.optimizer.rule) else without_member_axis(model)


# --- stepper and loop ------------------------------------------------------------------------------------------------


def build_torch_stepper(config: Config, problem: Problem, model: nn.Module) -> TorchStepper:
    """The one run, stepped by its optimizer's own class."""
    knobs, optimizer, device = config.trainer, config.optimizer, device_of(config)
    model.to(device)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    schedule = config.scheduler.arguments() if config.scheduler else None
    rank, world = 0, 1
    if knobs.strategy == "ddp":
        rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    return TorchStepper(
        model,
        build_optimizer(optimizer.arguments(), schedule, trained, knobs.create_graph, optimizer.rule),
        loss_of(config.model.loss),
        _data(config, [problem], [0], [config.data.shuffle_seed], device, rank=rank, world=world),
        by_hand=config.model.gradient == "by_hand",
        treatment=Treatment(
            knobs.zero_grad_every_n_steps, knobs.gradient_clip_val, knobs.gradient_clip_algorithm == "norm"
        ),
        create_graph=knobs.create_graph,
    )


def build_rule_stepper(members: Sequence[Member]) -> RuleStepper:
    """Runs of one program, stepped together by the rule of their optimizer's class.

    Raises:
        LabError: the optimizer or the schedule refuses a number.
    """
    config, size = members[0].config, len(members)
    members = members if size > 1 else [members[0]] * 2  # see RuleStepper
    configs, knobs, device = [one.config for one in members], config.trainer, device_of(config)
    model = joined([one.model for one in members]).to(device)
    flat, optimizer = flatten(model).detach(), config.optimizer
    given = [c.optimizer.arguments() for c in configs]
    try:
        schedule = None
        if config.scheduler is not None:
            sections = [c.scheduler.arguments() for c in configs if c.scheduler is not None]
            groups = [lone_group(optimizer.target_, arguments) for arguments in given]
            schedule = StackedSchedule(config.scheduler.target_, sections, groups)
        rule = rule_of(optimizer.target_, optimizer.rule)
        update = StackedRule(flat, optimizer.target_, given, schedule, rule)
    except ValueError as error:
        raise LabError(one_line(error)) from None
    problems, which = list[Problem](), list[int]()
    places: dict[int, int] = {}
    for one in members:
        place = places.setdefault(id(one.problem), len(problems))
        if place == len(problems):
            problems.append(one.problem)
        which.append(place)
    bias = (model.bias is not None) if isinstance(model, Linear) else None
    data = _data(config, problems, which, [c.data.shuffle_seed for c in configs], device, condense=bias)
    limits = [c.trainer.gradient_clip_val for c in configs]
    clip = None
    if limits[0] is not None:
        clip = torch.tensor([math.inf if one is None else one for one in limits], dtype=torch.float64)
        clip = clip.to(device, flat.dtype)
    treatment = Treatment(knobs.zero_grad_every_n_steps, clip, knobs.gradient_clip_algorithm == "norm")
    return RuleStepper(size, model, flat, update, loss_of(config.model.loss), data, treatment)


def _data(
    config: Config, problems: Sequence[Problem], which: Sequence[int], seeds: Sequence[int], device: torch.device,
    **more: Any,
) -> DeviceData:  # fmt: skip
    size = config.data.batch_size
    check_batch_size(size, len(problems[0].train))
    number = len(problems[0].train) if size == "full" else int(size)
    loss, dtype = loss_of(config.model.loss), getattr(torch, config.model.dtype)
    return DeviceData(problems, which, seeds, number, loss, dtype, device, **more)


def build_loop(
    stepper: Stepper,
    members: Sequence[Member],
    ids: Sequence[str],
    marks: Marks,
    *,
    leave: Callable[[Loop], None] = lambda loop: None,
    tell: Callable[[int], None] = lambda steps: None,
    curves: Curves | None = None,
) -> Loop:
    """Control of these members."""
    configs, scalings, device = [m.config for m in members], [m.problem.scaling for m in members], stepper.data.device
    factors = [c.trainer.divergence_factor for c in configs]
    units = [1.0 if scaling is None else float(scaling.loss_scale()[0]) for scaling in scalings]

    def tensor(values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float64, device=device)

    spread = torch.cat([target_spread(m.problem, m.config.model.loss) for m in members]).to(device)
    divergence = Divergence.of(tensor([math.inf if one is None else one for one in factors]), spread)
    return Loop(stepper, ids, marks, divergence, tensor(units), scalings, leave, tell, curves)


def build_marks(config: Config, parts: Sequence[Any]) -> Marks:
    """When something happens along a run with these parts."""
    knobs, checkpoint = config.trainer, config.callbacks.get("checkpoint")
    kept = checkpoint.arguments() if checkpoint is not None else {"monitor": None}
    monitor = kept.get("monitor", "val/loss")
    mode: Literal["min", "max"] = kept.get("mode") or "min"
    return Marks(
        knobs.max_steps,
        knobs.val_every_n_steps,
        knobs.log_every_n_steps,
        [part for part in parts if isinstance(part, Watcher)],
        None if monitor is None else (monitor, mode),
        next((part for part in parts if isinstance(part, EarlyStopping)), None),
    )


def target_spread(problem: Problem, reduction: str) -> Tensor:
    """The loss `[1]` of predicting every target's mean over the training rows; a surface has no targets, but unit 1."""
    if reduction == "value":
        return torch.ones(1, dtype=torch.float64)
    targets = problem.train.targets.double()
    squares = (targets - targets.mean(0)).square()
    return (squares.mean() if reduction == "mean" else squares.sum())[None]


# --- what listens ----------------------------------------------------------------------------------------------------


def build_parts(config: Config) -> list[Any]:
    """What `callbacks` names and is not null: callbacks of Lightning, watchers, early stopping."""
    kinds = (Callback, Watcher, EarlyStopping)
    return [_part(part.arguments(), f"callbacks.{name}", kinds) for name, part in config.callbacks.items() if part]


def build_loggers(config: Config, directory: Path, again_from: int | None = None) -> list[Logger]:
    """The loggers that are not null.

    Args:
        config: of the run.
        directory: of the run.
        again_from: the step after which what TensorBoard's old file there holds comes again, and is to be hidden.
    """
    directory.mkdir(parents=True, exist_ok=True)
    built = []
    for name, part in config.logger.items():
        if part is not None:
            more = {} if again_from is None or part.target_ != TENSORBOARD else {"purge_step": again_from + 1}
            built.append(_part({**part.arguments(), **more}, f"logger.{name}", (Logger,)))
    return built


def _part(section: Mapping[str, Any], key: str, kinds: tuple[type, ...]) -> Any:
    """A callback, watcher or logger built from its section."""
    path = section["_target_"]
    factory = import_class(path, f"{key}._target_", kinds)
    check_keys(factory, {name: value for name, value in section.items() if name != "_target_"}, key, 0)
    try:
        built = factory(**{name: value for name, value in section.items() if name != "_target_"})
        if isinstance(built, Logger) and hasattr(built, "experiment"):
            _ = built.experiment  # its writer is built when it is first asked for
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


def build_trainer(
    config: Config, directory: Path, callbacks: Sequence[Callback] = (), loggers: Sequence[Logger] = ()
) -> L.Trainer:
    """The Trainer: `max_steps` optimizer steps, a validation at the end of every pass of the loader.

    Raises:
        LabError: the device that was asked for is not there.
    """
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    check_devices(config)
    knobs = config.trainer
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return L.Trainer(
            accelerator="cuda" if on_gpu(config) else "cpu",
            devices=knobs.devices,
            strategy=knobs.strategy,
            max_steps=knobs.max_steps,
            max_epochs=-1,
            callbacks=list(callbacks),
            logger=list(loggers) or False,
            profiler=knobs.profiler,
            default_root_dir=directory,
            enable_checkpointing=any(isinstance(callback, LightningCheckpoint) for callback in callbacks),
            enable_progress_bar=any(isinstance(callback, ProgressBar) for callback in callbacks),
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
        )


def on_gpu(config: Config) -> bool:
    """Whether this run goes to CUDA: asked for, or there by itself in the number that is asked for."""
    asked = config.trainer.accelerator
    return asked in ("gpu", "cuda") or (asked == "auto" and torch.cuda.device_count() >= config.trainer.devices)


def device_of(config: Config) -> torch.device:
    """Where this process trains."""
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0))) if on_gpu(config) else torch.device("cpu")


def check_devices(config: Config) -> None:
    """Refuse GPUs that are not there.

    Raises:
        LabError: they are not.
    """
    asked, count = config.trainer.accelerator, torch.cuda.device_count()
    if asked in ("gpu", "cuda") and count == 0:
        raise LabError(f"trainer.accelerator={asked}: there is no GPU here; trainer=default takes whatever there is")
    if asked in ("gpu", "cuda") and count < config.trainer.devices:
        raise LabError(f"trainer.devices={config.trainer.devices}: there are only {count} GPUs here")


def hyperparameters(config: Config) -> dict[str, Any]:
    """What loggers show of a config: keys joined by dots; what is no number, text or flag as text."""
    shown = {key: value for key, value in flat(config.decisive()).items() if value != {}}
    return {
        key: value if isinstance(value, int | float | str | bool) else str(value)
        for key, value in shown.items()
        if key.rpartition(".")[2] != "_partial_"
    }
