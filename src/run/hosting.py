"""What Lightning sees of a run alone: module, Trainer, data, callbacks, loggers."""

import sys

import lightning as L
from lightning.pytorch.callbacks import Callback

from src.engine.torch_stepper import TorchStepper
from src.run import build
from src.run.batch_counters import check_steps, tell_price
from src.run.build import Member
from src.run.callbacks.theory import Theory
from src.run.going_on import GoingOn
from src.run.module import Descent, LabDataModule
from src.run.processes import first_process
from src.run_directory import MetricsFile, RunDirectory


def hosted(
    member: Member, stepper: TorchStepper, where: RunDirectory, going_on: GoingOn | None
) -> tuple[Descent, L.Trainer, LabDataModule, Theory | None]:
    """Everything that Lightning sees of it; the first process alone writes and talks."""
    config, knobs, first = member.config, member.config.trainer, first_process()
    parts = build.build_parts(config)
    callbacks = [part for part in parts if isinstance(part, Callback)]
    slow, intervals = check_steps(callbacks), build.build_intervals(config, parts)
    again = int(going_on.checkpoint["global_step"]) if going_on and going_on.in_place else None
    loggers = build.build_loggers(config, where.path, again) if first else []
    theory = Theory(member.answer) if first and member.answer.exact is not None else None
    file = None if not first else going_on.file(where.curves_path) if going_on else MetricsFile(where.curves_path)
    loop = build.build_loop(stepper, [member], [where.path.name], intervals)
    module = Descent(
        loop, events=True, about=member.about, file=file, hyperparameters=build.hyperparameters(config),
        resumed=None if going_on is None else going_on.checkpoint, in_place=bool(going_on and going_on.in_place),
    )  # fmt: skip
    trainer = build.build_trainer(config, where.path, [*callbacks, *([theory] if theory else [])], loggers)
    data = LabDataModule(
        member.problem, knobs.max_steps, knobs.val_every_n_steps, 1 if slow else knobs.block_size,
        build.cuts(config, parts), validates=member.problem.val is not None,
    )  # fmt: skip
    if file is not None:
        tell_price(slow)
        if going_on is not None:
            going_on.carry_over(where, file, loggers, intervals.best_by)
        if warning := member.answer.warning():
            print(f"warning: {warning}", file=sys.stderr)
    return module, trainer, data, theory
