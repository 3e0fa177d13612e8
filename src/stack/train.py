"""A stack from its members' configs to their run directories."""

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping
from torch import Tensor, nn

from src.answer import answer
from src.callbacks.every import EveryNSteps
from src.config import Config
from src.data import Problem
from src.data.problem import check_batch_size
from src.errors import LabError, one_line, unwritable
from src.models import Linear
from src.models.loss import loss_of
from src.models.stack import flatten
from src.models.stack import stack as joined
from src.optim.stacked import Stacked
from src.optim.stacked_schedules import stacked_schedule
from src.results import Result, RunDirectory
from src.run import (
    BATCHING,
    build_callbacks,
    build_model,
    build_problem,
    build_trainer,
    check_watched,
    fit,
    lineage,
    on_gpu,
    target_spread,
)
from src.stack.course import Course, Marks
from src.stack.descent import KEY, Ended, StackCheckpoint, StackDataModule, StackDescent
from src.stack.sight import Sight
from src.stack.stack import Common, Numbers, Stack
from src.stack.writing import Known, loops_of, write
from src.theory import Exact

Tell = Callable[[int, int], None]


@dataclass(frozen=True)
class Member:
    """A run of a sweep.

    Attributes:
        config: checked.
        directory: of the run.
        command: what was typed, for the record.
        finished: its result is there: it is trained along, for the others' sake, and nothing of it is written.
    """

    config: Config
    directory: Path
    command: str = ""
    finished: bool = False


@dataclass(frozen=True)
class _Built:
    """A member that is ready, and where it starts."""

    known: Known
    model: nn.Module


def train_stack(
    members: Sequence[Member], state: Path, tell: Tell = lambda runs, steps: None
) -> list[Result | LabError | None]:
    """Train members as one stack and write their run directories.

    Args:
        members: runs of one program (see `src.stack.program`).
        state: where the stack keeps its checkpoint, to go on from after a kill; deleted at the end.
        tell: takes how many runs have ended and how many run-steps were taken since it was last called.

    Returns:
        of each member its result, or why it failed; None of one that was finished.

    Raises:
        LabError: nothing can be written.
        KeyboardInterrupt: it was interrupted; what is finished is kept.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(members[0].config.trainer.threads)
    try:
        return _Training(members, state, tell).run()
    except OSError as error:
        raise LabError(unwritable(error)) from error
    finally:
        torch.set_num_threads(threads)


def rehearse(members: Sequence[Member], steps: int = 50) -> float:
    """Seconds that a step of this stack takes, the median of a few measurements; nothing is written.

    Raises:
        LabError: none of the members can be built.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(members[0].config.trainer.threads)
    try:
        training = _Training(members, Path(), lambda runs, steps: None)
        stack = training.course(list(training.build())).stack
        stack.descend(0, 2)
        taken = []
        for round_ in range(3):
            began = time.perf_counter()
            stack.descend(2 + round_ * steps, steps)
            taken.append((time.perf_counter() - began) / steps)
        return sorted(taken)[1]
    finally:
        torch.set_num_threads(threads)


class _Training:
    """One stack, from building it to its last member's end."""

    def __init__(self, members: Sequence[Member], state: Path, tell: Tell) -> None:
        self.members, self.state, self.tell = members, state, tell
        self.config = members[0].config
        self.outcomes: list[Result | LabError | None] = [None] * len(members)
        self.built: dict[int, _Built] = {}
        self.trainer: L.Trainer | None = None
        self._solved: dict[int, dict[Any, Exact]] = {}

    def run(self) -> list[Result | LabError | None]:
        """Build, fit, write."""
        built = self.build()
        kept = self._kept(built)
        ids = list(dict.fromkeys(kept["ids"])) if kept else list(built)
        if not ids:
            return self.outcomes
        try:
            self._fit(self.course(ids), kept is not None)
        except (OSError, KeyboardInterrupt):
            raise
        except Exception as error:  # what a stack stumbles over must not take the sweep with it
            reason = error if isinstance(error, LabError) else LabError(f"the stack failed: {one_line(error)}")
            for index, member in enumerate(self.members):
                if self.outcomes[index] is None and not member.finished:
                    self.outcomes[index] = reason
            self.state.unlink(missing_ok=True)
            return self.outcomes
        self.state.unlink(missing_ok=True)
        return self.outcomes

    # --- building ---

    def build(self) -> dict[int, _Built]:
        """Every member that can be built; of the others the reason is kept."""
        problems: dict[str, Problem | LabError] = {}
        for index, member in enumerate(self.members):
            try:
                self.built[index] = self._member(member, problems)
            except LabError as error:
                if not member.finished:
                    self.outcomes[index] = error
        if not self.built:
            return {}
        sizes = {index: _sizes(one.known.problem) for index, one in self.built.items()}
        first = next(iter(sizes.values()))
        for index in [index for index, size in sizes.items() if size != first]:
            self.outcomes[index] = LabError(f"its data have other sizes than its stack's: {sizes[index]}, not {first}")
            del self.built[index]
        return self.built

    def _member(self, member: Member, problems: dict[str, Problem | LabError]) -> _Built:
        began, config = time.perf_counter(), member.config
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
        check_watched(build_callbacks(config) if "early_stopping" in config.callbacks else [], problem)
        model = build_model(config, problem)
        known = Known(
            config,
            member.directory,
            member.command,
            problem,
            answer(config, problem, model, solved=self._solved.setdefault(id(problem), {})),
            {"problem": problem.describe(), "model": config.model.arguments(), **lineage(config, None)},
            time.perf_counter() - began,
        )
        return _Built(known, model)

    def _kept(self, built: dict[int, _Built]) -> dict[str, Any] | None:
        """The course that was written before a kill, if it is whole and these members'."""
        if not built or not self.state.is_file():
            return None
        try:
            kept: dict[str, Any] = torch.load(self.state, map_location="cpu", weights_only=True)[KEY]
        except Exception:  # cut short: the stack starts anew
            self.state.unlink()
            return None
        missing = {index for index in built if not self._over(index)} - set(kept["ids"])
        return kept if set(kept["ids"]) <= set(built) and not missing else None

    def _over(self, index: int) -> bool:
        """Whether a member's result is there."""
        member = self.members[index]
        return member.finished or RunDirectory(member.directory).finished

    def course(self, ids: Sequence[int]) -> Course:
        """The course of these members, at its start; one alone is taken twice.

        Raises:
            LabError: there is none, or the optimizer or schedule refuses a number.
        """
        if not ids:
            raise next(error for error in self.outcomes if isinstance(error, LabError))
        ids = ids if len(ids) > 1 else [ids[0]] * 2
        built = [self.built[index] for index in ids]
        configs = [one.known.config for one in built]
        device = torch.device("cuda", 0) if on_gpu(self.config) else torch.device("cpu")
        model = joined([one.model for one in built]).to(device)
        flat = flatten(model)
        try:
            optimizer = Stacked([flat], self.config.optimizer.target_, [c.optimizer.arguments() for c in configs])
            schedule = None
            if self.config.scheduler is not None:
                sections = [c.scheduler.arguments() for c in configs if c.scheduler is not None]
                schedule = stacked_schedule(optimizer, self.config.scheduler.target_, sections)
        except ValueError as error:
            raise LabError(one_line(error)) from None
        sight = self._sight(built, device)
        common = Common(
            sight.loss,
            self.config.trainer.zero_grad_every_n_steps,
            self.config.trainer.gradient_clip_algorithm == "norm",
        )
        stack = Stack(ids, model, optimizer, schedule, sight, common, _numbers(built, device))
        callbacks = build_callbacks(self.config)
        stops = any(isinstance(callback, EarlyStopping) for callback in callbacks)
        return Course(
            stack,
            self._marks(callbacks),
            [one.known.problem.scaling for one in built],
            self._stoppers(ids) if stops else None,
        )

    def _sight(self, built: Sequence[_Built], device: torch.device) -> Sight:
        """The data, every distinct set once."""
        problems, which = list[Problem](), list[int]()
        places: dict[int, int] = {}
        for one in built:
            problem = one.known.problem
            if id(problem) not in places:
                places[id(problem)] = len(problems)
                problems.append(problem)
            which.append(places[id(problem)])
        size, model = self.config.data.batch_size, built[0].model
        return Sight(
            problems,
            which,
            [one.known.config.data.shuffle_seed for one in built],
            len(problems[0].train) if size == "full" else int(size),
            (model.bias is not None) if isinstance(model, Linear) else None,
            loss_of(self.config.model.loss),
            getattr(torch, self.config.model.dtype),
            device,
        )

    def _stoppers(self, ids: Sequence[int]) -> list[EarlyStopping]:
        """Early stopping of each member's own, a member that is there twice having one."""
        each = {
            index: next(c for c in build_callbacks(self.members[index].config) if isinstance(c, EarlyStopping))
            for index in set(ids)
        }
        return [each[index] for index in ids]

    def _marks(self, callbacks: Sequence[Callback]) -> Marks:
        knobs, checkpoint = self.config.trainer, self.config.callbacks.get("checkpoint")
        kept = checkpoint.arguments() if checkpoint is not None else {}
        monitor = kept.get("monitor", "val/loss") if checkpoint is not None else None
        return Marks(
            knobs.max_steps,
            knobs.val_every_n_steps,
            knobs.log_every_n_steps,
            [callback for callback in callbacks if isinstance(callback, EveryNSteps)],
            None if monitor is None else (monitor, kept.get("mode", "min")),
        )

    # --- fitting ---

    def _fit(self, course: Course, resumed: bool) -> None:
        knobs, checkpoint = self.config.trainer, self.config.callbacks.get("checkpoint")
        self.state.parent.mkdir(parents=True, exist_ok=True)
        callbacks: list[Callback] = []
        cuts = [knobs.val_every_n_steps, *(watcher.every_n_steps for watcher in course.marks.watchers)]
        if checkpoint is not None:
            every = int(checkpoint.arguments().get("every_n_steps", 1000))
            callbacks.append(StackCheckpoint(self.state, every))
            cuts.append(every)
        module = StackDescent(course, self._end, lambda steps: self.tell(0, steps))
        self.trainer = build_trainer(self.config, self.state.parent, callbacks, [])
        data = StackDataModule(knobs.max_steps, knobs.block_size, sorted(set(cuts)))
        fit(self.trainer, module, data, str(self.state) if resumed else None, self.config.model.seed, lambda: "")

    def _end(self, ended: Ended) -> None:
        """Write the members that have ended, but for those whose results are there."""
        stack = ended.course.stack
        chosen: list[Known | None] = [None] * stack.members
        for place in stack.distinct:
            if not self._over(stack.ids[place]):
                chosen[place] = self.built[stack.ids[place]].known
        assert self.trainer is not None
        results = write(ended, chosen, loops_of(self.trainer), len(self.members))
        for place, one in zip((place for place, one in enumerate(chosen) if one is not None), results, strict=True):
            self.outcomes[stack.ids[place]] = one
        self.tell(len(results), 0)


def _sizes(problem: Problem) -> tuple[int, ...]:
    """What a stack cannot mix: inputs, outputs and the rows of each part."""
    parts = (problem.train, problem.val, problem.test)
    return problem.inputs, problem.outputs, *(0 if part is None else len(part) for part in parts)


def _numbers(built: Sequence[_Built], device: torch.device) -> Numbers:
    knobs = [one.known.config.trainer for one in built]
    clips = [one.gradient_clip_val for one in knobs]
    scalings = [one.known.problem.scaling for one in built]

    def tensor(values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float64, device=device)

    return Numbers(
        None if clips[0] is None else tensor([float(clip or math.inf) for clip in clips]),
        tensor([math.inf if one.divergence_factor is None else one.divergence_factor for one in knobs]),
        torch.cat([target_spread(one.known.problem, one.known.config.model.loss) for one in built]).to(device),
        tensor([1.0 if scaling is None else float(scaling.loss_scale()[0]) for scaling in scalings]),
        tensor([math.nan] * len(built)),
    )
