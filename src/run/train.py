"""A run, or a thousand, from checked configs to results. There is no other way to a result."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from lightning.pytorch.callbacks import Callback

from src.config.check_run import check_free
from src.engine import checkpoint as checkpoints
from src.engine.choice import Choice
from src.engine.gradient_check import check_gradients
from src.engine.loop import Loop
from src.engine.torch_stepper import TorchStepper
from src.errors import FULL_ERROR, LabError, one_line
from src.losses.squared_error import loss_of
from src.run import build
from src.run.build import Member, RunSpec
from src.run.fit import fit
from src.run.going_on import GoingOn
from src.run.hosting import hosted
from src.run.lightning_private import count
from src.run.member_files import write_members
from src.run.module import Descent, LabDataModule
from src.run.processes import check_shared, first_process, launch, launched
from src.run.result import result
from src.run.stack_file import StackFile, read_stack
from src.run.theory_files import write_fit, write_theory
from src.run_directory import Result, RunDirectory
from src.seeds import seeded

Tell = Callable[[int, int], None]
"""Takes how many runs have ended and how many run-steps were taken since it was last called."""


def quiet(runs: int, steps: int) -> None:
    """Tell nobody."""


def train(
    specs: Sequence[RunSpec], choice: Choice, *, kept: Path | None = None, tell: Tell = quiet
) -> list[Result | LabError]:
    """Train runs of one program together, and write their directories.

    Args:
        specs: any number of runs for rules; one for torch's own class, which has Lightning's events.
        choice: of the stepper.
        kept: where a stack keeps its checkpoint, to go on from after a kill; deleted at the end.
        tell: of progress.

    Returns:
        of each run its result, or why it failed.

    Raises:
        OSError: nothing can be written any more.
        KeyboardInterrupt: it was interrupted; it says how to go on.
        Exception: what a stack stumbled over, under HYDRA_FULL_ERROR=1.
    """
    config, threads = specs[0].config, torch.get_num_threads()
    torch.set_num_threads(config.trainer.threads)
    try:
        with seeded(config.model.seed, "building"):
            return _Training(specs, choice, kept, tell).outcomes_of_all()
    finally:
        torch.set_num_threads(threads)


class _Training:
    """Runs on their way from configs to results."""

    def __init__(self, specs: Sequence[RunSpec], choice: Choice, kept: Path | None, tell: Tell) -> None:
        self.specs, self.choice, self.kept, self.tell = specs, choice, kept, tell
        self.config, self.alone = specs[0].config, choice.stepper == "torch"
        self.began = time.perf_counter()
        self.outcomes: list[Result | LabError | None] = [None] * len(specs)
        self.members: dict[str, Member] = {}
        self.places = {spec.directory.name: index for index, spec in enumerate(specs)}

    def outcomes_of_all(self) -> list[Result | LabError]:
        """Build, fit, write."""
        try:
            if self.alone:
                self._train_alone(self.specs[0])
            else:
                self._train_stack()
        except (OSError, KeyboardInterrupt):
            raise
        except Exception as error:  # what a stack stumbles over must not take the sweep with it
            if (self.alone or FULL_ERROR) and not isinstance(error, LabError):
                raise
            self._fail(error if isinstance(error, LabError) else LabError(f"the stack failed: {one_line(error)}"))
        if self.kept is not None:
            self.kept.unlink(missing_ok=True)
        return [one if one is not None else LabError("it was not trained") for one in self.outcomes]

    def _fail(self, reason: LabError) -> None:
        self.outcomes = [reason if one is None else one for one in self.outcomes]

    # --- many: no events, and whoever ends is written at once ---

    def _train_stack(self) -> None:
        build.check_devices(self.config)
        built = build.build_members(self.specs)
        self.members = {one.spec.directory.name: one for one in built if isinstance(one, Member)}
        self.outcomes = [one if isinstance(one, LabError) else None for one in built]
        kept = read_stack(self.kept, self.members) if self.kept is not None else None
        ids = list(self.members)
        if not ids:
            return
        config, parts = self.config, build.build_parts(self.config)
        stepper = build.build_rule_stepper(list(self.members.values()))
        marks = build.build_marks(config, parts)
        loop = build.build_loop(
            stepper, list(self.members.values()), ids, marks, leave=self._leave, tell=lambda steps: self.tell(0, steps)
        )
        callbacks, cuts = list[Callback](), build.cuts(config, marks.watchers)
        checkpoint = config.callbacks.get("checkpoint")
        if checkpoint is not None and self.kept is not None:
            every = int(checkpoint.arguments().get("every_n_steps", 1000))
            callbacks.append(StackFile(self.kept, every))
            cuts = sorted({*cuts, every})
        if kept is not None:
            loop.load_state_dict(kept)
        module = Descent(loop, events=False)
        trainer = build.build_trainer(config, self.kept.parent if self.kept else Path(), callbacks)
        count(trainer, loop.step)
        data = LabDataModule(
            next(iter(self.members.values())).problem, config.trainer.max_steps, config.trainer.max_steps,
            config.trainer.block_size, cuts,
        )  # fmt: skip
        fit(trainer, module, data, None, config.model.seed, lambda: "")

    def _leave(self, loop: Loop) -> None:
        """Members that have ended: their last mark, where a run alone has one, their last losses, their files."""
        if loop.ended is not None and loop.ended[0].diverged:
            loop.validate()
            loop.decide()
        loop.finish()
        results = write_members(loop, [self.members[name] for name in loop.ids], self.choice, len(self.specs))
        for name, one in zip(loop.ids, results, strict=True):
            self.outcomes[self.places[name]] = one
        self.tell(len(results), 0)

    # --- one: with Lightning's events, for whoever listens ---

    def _train_alone(self, spec: RunSpec) -> None:
        config, where = spec.config, RunDirectory(spec.directory)
        check_free(spec.directory)
        going_on = GoingOn.of(spec)
        member, stepper = self._ready(going_on)
        if config.trainer.strategy == "ddp" and not launched():
            launch(config.trainer.devices, spec)
            self.outcomes[0] = where.result()
            return
        if config.check_gradients and first_process():
            loss = loss_of(config.model.loss)
            print(check_gradients(member.model, loss, member.problem.train, config.model.seed).sentence())
        where.path.mkdir(parents=True, exist_ok=True)
        module, trainer, data, theory = hosted(member, stepper, where, going_on)
        started, path = time.perf_counter(), None if going_on is None else going_on.path
        if going_on is None or not going_on.over:
            fit(trainer, module, data, path, config.model.seed, lambda: where.how_to_go_on(spec.command))
        if not module.loop.final:  # there was nothing left to do, and Lightning has not begun
            module.trainer = trainer
            module.begin()
            module.end()
        fitted = time.perf_counter() - started - (theory.seconds if theory else 0.0)
        seconds = {"fit": fitted, "total": time.perf_counter() - self.began}
        self.outcomes[0] = found = result(module.loop, 0, member, self.choice, seconds, 1)
        self.tell(1, module.loop.step)
        if first_process():
            if config.trainer.profiler:
                print(trainer.profiler.summary())  # type: ignore[attr-defined]
            write_theory(where.path, member.answer, config.trainer.max_steps)
            write_fit(where.path, member.problem, module.predict_rows)
            where.write_result(found)

    def _ready(self, going_on: GoingOn | None) -> tuple[Member, TorchStepper]:
        """The run built and checked, before anything is written."""
        config = self.config
        build.check_devices(config)
        resumed, start = (None, None) if going_on is None else (going_on.checkpoint, going_on.start)
        (member,) = build.build_members(self.specs, resumed, start)
        if isinstance(member, LabError):
            raise member
        stepper = build.build_torch_stepper(config, member.problem, member.model)
        if going_on is not None:
            model, driven = member.model, stepper.driven
            checkpoints.check_fits(going_on.checkpoint, config, model, driven, going_on.path, going_on.in_place)
        check_shared(config, member.model)
        return member, stepper
