"""From checked configs to what trains them: data, models, steppers, the loop. They are built nowhere else."""

import json
import math
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from src.config.schema import MONITORING, Config
from src.data.kept import problem_of
from src.data.problem import Problem, check_batch_size
from src.engine.captured_stepper import CapturedStepper, graphs_of
from src.engine.checkpoint import lineage
from src.engine.choose_stepper import Choice
from src.engine.device_data import DeviceData
from src.engine.devices import device_of
from src.engine.divergence import Divergence
from src.engine.each_stepper import EachStepper
from src.engine.early_stopping import EarlyStopping
from src.engine.gradients import Treatment
from src.engine.loop import Intervals, Loop
from src.engine.rule_stepper import RuleStepper
from src.engine.scores import exact_scores
from src.engine.stepper import Stepper
from src.engine.torch_stepper import TorchStepper
from src.engine.watchers import Watcher
from src.errors import LabError, one_line
from src.losses.build import build as built_loss
from src.losses.loss import Loss
from src.models.build import build as built_model
from src.models.member_axis import flatten, without_member_axis
from src.models.member_axis import stack as joined
from src.models.model import Model
from src.models.vmapped import Vmapped
from src.optim.build import asks_for_lowest_loss, build_optimizer, takes_member_axis, with_lowest_loss
from src.optim.rules import rule_of
from src.optim.stacked_class import GRAINS, Found, Grain, StackedClass, grain_of
from src.optim.stacked_rule import StackedRule, lone_group
from src.optim.stacked_schedule import StackedSchedule
from src.run.exact import answer
from src.run.resume import Resume
from src.run.trial import try_a_step
from src.seeds import seeded
from src.tables.account import Account
from src.tables.once import INDIFFERENT, reading_once
from src.theory import Answer, Exact


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
        loss: as it trains.
        optimizer: what its class is given.
        answer: what theory knows.
        about: what its checkpoints keep of it.
        exact_scores: of the exact answer, see `src.engine.scores`.
        seconds: that building it took.
    """

    spec: RunSpec
    problem: Problem
    model: Model
    loss: Loss
    optimizer: Mapping[str, Any]
    answer: Answer
    about: Mapping[str, Any]
    exact_scores: Mapping[str, float]
    seconds: float

    @property
    def config(self) -> Config:
        """The config of the run."""
        return self.spec.config

    @property
    def split(self) -> Account | None:
        """What became of the rows of a table, where it is to be written."""
        return self.problem.table if self.config.data.arguments().get("write_split") else None


# --- members ---------------------------------------------------------------------------------------------------------


@contextmanager
def building(config: Config) -> Iterator[None]:
    """The threads that a run asks for, and global random numbers of its own, which a user's module may draw from."""
    threads = torch.get_num_threads()
    torch.set_num_threads(config.trainer.threads)
    try:
        with seeded(config.model.seed, "building"):
            yield
    finally:
        torch.set_num_threads(threads)


def build_members(specs: Sequence[RunSpec], resume: Resume | None = None) -> list[Member | LabError]:
    """Build every run that can be built; of the others the reason. All that share data have one copy of them.

    Args:
        specs: of the runs.
        resume: what a run by itself goes on from.
    """
    problems: dict[str, Problem | LabError] = {}
    solved: dict[int, dict[Any, Exact | str]] = {}
    scored: dict[int, tuple[Exact, Mapping[str, float]]] = {}
    built = list[Member | LabError]()
    with reading_once(spec.config.data for spec in specs):
        for spec in specs:
            try:
                built.append(_member(spec, problems, solved, scored, resume))
            except LabError as error:
                built.append(error)
    sizes = [None if isinstance(one, LabError) else one.problem.sizes for one in built]
    first = next((size for size in sizes if size is not None), None)
    for index, size in enumerate(sizes):
        if size is not None and size != first:
            built[index] = LabError(f"its data have other sizes than its stack's: {size}, not {first}")
    return built


def _member(
    spec: RunSpec,
    problems: MutableMapping[str, Problem | LabError],
    solved: MutableMapping[int, dict[Any, Exact | str]],
    scored: MutableMapping[int, tuple[Exact, Mapping[str, float]]],
    resume: Resume | None,
) -> Member:
    began, config = time.perf_counter(), spec.config
    section = {key: value for key, value in config.data.arguments().items() if key not in INDIFFERENT}
    loss = build_loss(config)
    name = json.dumps([section, config.model.dtype, loss.targets], sort_keys=True)
    if name not in problems:
        try:
            problems[name] = build_problem(config, loss)
        except LabError as error:
            problems[name] = error
    problem = problems[name]
    if isinstance(problem, LabError):
        raise problem
    check_batch_size(config.data.batch_size, len(problem.train))
    _check_watched(config, problem, loss)
    model = build_model(config, problem)
    try_a_step(config, problem, model, loss)
    before = lineage(config, resume.checkpoint if resume else None)
    kept = {"section": config.loss.arguments(), "targets": loss.targets}
    about = {"problem": problem.describe(), "model": config.model.arguments(), "loss": kept, **before}
    start = resume.start if resume else None
    known = answer(config, problem, model, loss, start, solved.setdefault(id(problem), {}))
    scores: Mapping[str, float] = {}
    if known.exact is not None:
        if id(known.exact) not in scored:  # it is kept beside them, so that no other has its id
            scored[id(known.exact)] = known.exact, exact_scores(problem, known.exact, loss)
        scores = scored[id(known.exact)][1]
    optimizer = _with_lowest_loss(config, known, loss)
    return Member(spec, problem, model, loss, optimizer, known, about, scores, time.perf_counter() - began)


def _with_lowest_loss(config: Config, known: Answer, loss: Loss) -> dict[str, Any]:
    """The arguments of a run's optimizer, with the lowest loss where it asks for that.

    Raises:
        LabError: nobody knows it.
    """
    section, key = config.optimizer.arguments(), "optimizer.lowest_loss"
    if not asks_for_lowest_loss(section):
        return section
    if known.surface is not None:
        return with_lowest_loss(section, 0.0)
    if known.exact is None:
        why = known.silent.get("exact answer", "it has no exact answer")
        raise LabError(f"{key}=exact: the lowest loss is not known ({why}); say what it is, or may be: {key}=0")
    if loss.reduction == "sum" and config.data.batch_size != "full":
        raise LabError(f"{key}=exact is the sum over all rows, and a batch has fewer: model.loss=mean")
    return with_lowest_loss(section, known.exact.loss)


def _check_watched(config: Config, problem: Problem, loss: Loss) -> None:
    """Refuse early stopping, and a best state, by what there is not."""
    for name, part in config.callbacks.items():
        if part is None or part.target_ not in MONITORING:
            continue
        key, monitor = f"callbacks.{name}.monitor", str(part.arguments().get("monitor", "val/loss"))
        if monitor == "val/accuracy" and not loss.classifies:
            raise LabError(f"{key}=val/accuracy: this loss is not one for classes: say val/loss")
        if problem.val is None and monitor.startswith("val/") and part.target_.endswith(".EarlyStopping"):
            raise LabError(f"{key}={monitor}: there are no validation rows: set data.val")


def build_problem(config: Config, loss: Loss | None = None) -> Problem:
    """Draw or read the data, with targets as the loss takes them; it is built where it is not given.

    Raises:
        LabError: they do not fit into memory or into the run's dtype, or a file cannot be read.
    """
    loss = loss or build_loss(config)
    with _fitting_memory("data"):
        problem = problem_of(config.data, loss.targets)
    unit = problem.scaling.loss_scale() if problem.scaling else torch.ones(1)
    if not bool((unit.isfinite() & (unit > 0)).all()):
        raise LabError("the target's numbers are so large or small that their squares overflow or vanish: rescale it")
    dtype = getattr(torch, config.model.dtype)
    for name, part in (("train", problem.train), ("val", problem.val), ("test", problem.test)):
        if part is None:
            continue
        loss.check(part.targets, problem.targets, name)
        if not bool(part.inputs.to(dtype).isfinite().all() and part.targets.to(dtype).isfinite().all()):
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


def build_model(config: Config, problem: Problem) -> Model:
    """One member, its parameters `[1, I, O]`, or `[I, O]` where the optimizer takes only matrices."""
    with _fitting_memory("model"):
        model = built_model(config.model, problem.inputs, problem.outputs)
    return model if takes_member_axis(config.optimizer.target_, config.optimizer.rule) else without_member_axis(model)


def build_loss(config: Config) -> Loss:
    """What is made small.

    Raises:
        LabError: it cannot be built, or has no gradient by hand where one is asked for.
    """
    loss = built_loss(config.loss, config.model.loss)
    if config.model.gradient == "by_hand" and not loss.by_hand:
        raise LabError(f"model.gradient=by_hand: {config.loss.target_} has no derivative by hand, autograd only")
    return loss


# --- stepper and loop ------------------------------------------------------------------------------------------------


def build_stepper(members: Sequence[Member], choice: Choice) -> Stepper:
    """The stepper that was chosen for these members; for torch's own class there is one."""
    if choice.stepper == "torch":
        (one,) = members
        return build_torch_stepper(one)
    if choice.stepper == "each":
        return build_each_stepper(members)
    return build_rule_stepper(members, coarsest(members).grain if choice.stepper == "class" else None)


def coarsest(members: Sequence[Member]) -> Found:
    """How much of a stack one tensor of the class of these members' optimizers may hold."""
    dimensions = {p.dim() for p in members[0].model.parameters() if p.requires_grad}
    found = (grain_of(one.config.optimizer.target_, one.optimizer, dimensions) for one in members)
    return max(found, key=lambda one: (*GRAINS, None).index(one.grain))


def build_each_stepper(members: Sequence[Member]) -> EachStepper:
    """Runs of one program, stepped one after another by their optimizer's own class."""
    config, loss = members[0].config, members[0].loss
    problems, which = _distinct(members)
    seeds = [one.config.data.shuffle_seed for one in members]
    data = _data(config, loss, problems, which, seeds, device_of(config))
    steppers = [build_torch_stepper(one, data.select([index])) for index, one in enumerate(members)]
    return EachStepper.begin(steppers, data, [one.config.model.seed for one in members])


def _distinct(members: Sequence[Member]) -> tuple[list[Problem], list[int]]:
    """The different problems of members, and which each has."""
    distinct = {id(one.problem): one.problem for one in members}
    index = {key: number for number, key in enumerate(distinct)}
    return list(distinct.values()), [index[id(one.problem)] for one in members]


def build_torch_stepper(one: Member, data: DeviceData | None = None) -> TorchStepper:
    """The one run, stepped by its optimizer's own class.

    Args:
        one: it.
        data: what it sees, where that is a member's part of what a stack sees.
    """
    config, model, loss = one.config, one.model, one.loss
    knobs, optimizer, device = config.trainer, config.optimizer, device_of(config)
    model.to(device)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    schedule = config.scheduler.arguments() if config.scheduler else None
    rank, world = 0, 1
    if knobs.strategy == "ddp":
        rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    return TorchStepper(
        model,
        build_optimizer(one.optimizer, schedule, trained, knobs.create_graph, optimizer.rule),
        loss,
        data or _data(config, loss, [one.problem], [0], [config.data.shuffle_seed], device, rank=rank, world=world),
        by_hand=config.model.gradient == "by_hand",
        treatment=Treatment(
            knobs.zero_grad_every_n_steps, knobs.gradient_clip_val, knobs.gradient_clip_algorithm == "norm"
        ),
        create_graph=knobs.create_graph,
    )


def build_rule_stepper(members: Sequence[Member], grain: Grain | None = None) -> RuleStepper:
    """Runs of one program, stepped together.

    Args:
        members: of them.
        grain: at which their optimizer's class steps them; None: its rule does.

    Raises:
        LabError: the optimizer or the schedule refuses a number.
    """
    config, size = members[0].config, len(members)
    members = members if size > 1 else [members[0]] * 2  # see RuleStepper
    configs, knobs, device = [one.config for one in members], config.trainer, device_of(config)
    models = [one.model for one in members]
    model = (joined(models) if models[0].member_axis else Vmapped(models)).to(device)
    flat, optimizer = flatten(model).detach(), config.optimizer
    given = [one.optimizer for one in members]
    try:
        schedule = None
        if config.scheduler is not None:
            sections = [c.scheduler.arguments() for c in configs if c.scheduler is not None]
            groups = [lone_group(optimizer.target_, arguments) for arguments in given]
            schedule = StackedSchedule(config.scheduler.target_, sections, groups)
        shapes = [p.shape for p in models[0].parameters() if p.requires_grad]
        update: StackedRule | StackedClass
        if grain is None:
            rule = rule_of(optimizer.target_, optimizer.rule)
            update = StackedRule(flat, optimizer.target_, given, schedule, rule, shapes)
        else:
            update = StackedClass(flat, optimizer.target_, given, shapes, grain, schedule)
    except ValueError as error:
        raise LabError(one_line(error)) from None
    problems, which = _distinct(members)
    loss = members[0].loss
    bias = model.bias is not None if model.linear and loss.least_squares else None
    data = _data(config, loss, problems, which, [c.data.shuffle_seed for c in configs], device, condense=bias)
    limits = [c.trainer.gradient_clip_val for c in configs]  # all have one, or none has
    clip = None if limits[0] is None else torch.tensor(limits, dtype=torch.float64).to(device, flat.dtype)
    treatment = Treatment(knobs.zero_grad_every_n_steps, clip, knobs.gradient_clip_algorithm == "norm")
    axis = (1,) if models[0].member_axis and takes_member_axis(optimizer.target_, optimizer.rule) else ()
    stepper = RuleStepper(size, model, flat, update, loss, data, treatment, axis)
    graphs = graphs_of(device) if isinstance(update, StackedRule) else None
    if graphs is None:
        return stepper
    slow = "steps on the GPU are taken kernel by kernel, not as a graph of them"
    return CapturedStepper.of(stepper, graphs, lambda why: tell_once(f"{slow}: {why}"))


@cache
def tell_once(sentence: str) -> None:
    """Say it on standard error, to stacks that come after not again."""
    print(sentence, file=sys.stderr)


def _data(
    config: Config, loss: Loss, problems: Sequence[Problem], which: Sequence[int], seeds: Sequence[int],
    device: torch.device, **more: Any,
) -> DeviceData:  # fmt: skip
    size = config.data.batch_size
    number = len(problems[0].train) if size == "full" else int(size)
    return DeviceData(problems, which, seeds, number, loss, getattr(torch, config.model.dtype), device, **more)


def build_loop(
    stepper: Stepper,
    members: Sequence[Member],
    ids: Sequence[str],
    intervals: Intervals,
    leave: Callable[[Loop], None] = lambda loop: None,
    tell: Callable[[int], None] = lambda steps: None,
) -> Loop:
    """The loop over members `[P]`, with when a loss of theirs has diverged and the units of their data.

    Args:
        stepper: of the members.
        members: as they were built.
        ids: what each is called.
        intervals: when something happens.
        leave: takes the loop of those who have ended.
        tell: takes how many run-steps were taken, after every block.
    """
    configs, scalings, device = [m.config for m in members], [m.problem.scaling for m in members], stepper.data.device
    factors = [c.trainer.divergence_factor for c in configs]
    scales = [None if scaling is None else scaling.target_scale for scaling in scalings]
    units = [1.0 if s is None else m.loss.unit(s) or 1.0 for m, s in zip(members, scales, strict=True)]

    def tensor(values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float64, device=device)

    spread = torch.cat([m.loss.spread(m.problem.train.targets.double()) for m in members]).to(device)
    divergence = Divergence.of(tensor([math.inf if one is None else one for one in factors]), spread)
    return Loop(stepper, ids, intervals, divergence, tensor(units), scalings, leave, tell)


def build_intervals(config: Config, parts: Sequence[Any]) -> Intervals:
    """When something happens along a run with these parts."""
    knobs, checkpoint = config.trainer, config.callbacks.get("checkpoint")
    kept = checkpoint.arguments() if checkpoint is not None else {"monitor": None}
    monitor = kept.get("monitor", "val/loss")
    mode: Literal["min", "max"] = kept.get("mode") or "min"
    return Intervals(
        knobs.max_steps,
        knobs.val_every_n_steps,
        knobs.log_every_n_steps,
        [part for part in parts if isinstance(part, Watcher)],
        None if monitor is None else (monitor, mode),
        next((part for part in parts if isinstance(part, EarlyStopping)), None),
    )
