"""The run directories of members that have ended: the same files as a run by itself writes, but many at a time."""

import math
import shutil
import time
from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from src.engine.checkpoint import member_file, save
from src.engine.choose_stepper import Choice
from src.engine.loop import Loop
from src.engine.stepper import State
from src.run.build import Member
from src.run.callbacks.boards import TOGETHER
from src.run.result import result, shown_parameters
from src.run.tensorboard import Board, Clock, Curve, hyperparameters, hyperparameters_yaml, write_events
from src.run.theory_files import write_lines, write_split
from src.run_directory import Result, RunDirectory, write_rows
from src.theory.prediction import Line, lines

Columns = Mapping[str, tuple[list[int], Tensor]]
"""Of each curve its steps, and the values `[T, P]`."""


def write_members(loop: Loop, members: Sequence[Member], choice: Choice, size: int) -> list[Result]:
    """Write the directories of members that ended together; the result last, so that it stands for all.

    Args:
        loop: in which they ended.
        members: as they were built.
        choice: of their stepper.
        size: how many were trained together.

    Raises:
        OSError: a file cannot be written.
    """
    columns = loop.curves.columns()
    foreseen = [lines(one.answer, one.config.trainer.max_steps) for one in members]
    for index, (one, found) in enumerate(zip(members, foreseen, strict=True)):
        own = {name: (steps, values[:, index].tolist()) for name, (steps, values) in columns.items()}
        write_rows(RunDirectory(one.spec.directory).curves_path, own)
        write_lines(one.spec.directory, found)
        if (account := one.split) is not None:
            write_split(one.spec.directory, account)
    _write_boards(loop, members, columns, foreseen)
    if members[0].config.callbacks.get("checkpoint") is not None:
        state = loop.stepper.state(loop.step)
        for index, one in enumerate(members):
            _write_checkpoints(loop, index, one, state)
    parameters, results = shown_parameters(loop), []
    for index, one in enumerate(members):
        spent = float(loop.seconds[index])
        seconds = {"fit": spent, "total": spent + one.seconds}
        results.append(result(loop, index, one, choice, seconds, size, parameters))
        RunDirectory(one.spec.directory).write_result(results[-1], durable=False)
    return results


def _write_boards(
    loop: Loop, members: Sequence[Member], columns: Columns, foreseen: Sequence[Mapping[str, Line]]
) -> None:
    """The event files, and the hyperparameters beside them, of runs that TensorBoard shows each by itself."""
    if not any(part and part.runs != "best" for part in members[0].config.logger.values()):
        return
    boards = []
    for index, one in enumerate(members):
        losses = {f"final/{name}": float(loss[index]) for name, loss in loop.final.items()}
        finite = {name: loss for name, loss in losses.items() if math.isfinite(loss)}
        numbers = hyperparameters(one.config)
        boards.append(Board(one.spec.directory, loop.step, numbers, finite))
        (one.spec.directory / "hparams.yaml").write_text(hyperparameters_yaml(numbers), encoding="utf-8")
    drawn = [Curve(name, steps, values.numpy()) for name, (steps, values) in columns.items()]
    theory = _theory(foreseen)
    elapsed = float(loop.seconds.max())
    clock = Clock(time.time() - elapsed, elapsed / max(1, loop.step))
    write_events(boards, [*theory, *drawn], clock, TOGETHER if theory else None)


def _theory(foreseen: Sequence[Mapping[str, Line]]) -> list[Curve]:
    """What theory foresees of each, as the callback of a lone run writes it; not all members have every line."""
    of_each = [{name: dict(line) for name, line in found.items()} for found in foreseen]
    curves = []
    for name in dict.fromkeys(name for of_one in of_each for name in of_one):
        steps = sorted({step for of_one in of_each for step in of_one.get(name, {})})
        values = np.array([[of_one.get(name, {}).get(step, np.nan) for of_one in of_each] for step in steps])
        curves.append(Curve(f"theory/{name}", steps, values, ~np.isnan(values)))
    return curves


def _write_checkpoints(loop: Loop, index: int, one: Member, state: State) -> None:
    """`last.ckpt`, and `best.ckpt` where there is a best."""
    folder, best = RunDirectory(one.spec.directory).checkpoints, loop.best
    folder.mkdir(exist_ok=True)
    last = folder / "last.ckpt"
    save(last, member_file(loop, index, one.about, current=state))
    if best is None or not bool(best.value[index].isfinite()):
        return
    if int(best.state.step[index]) == loop.step:
        shutil.copyfile(last, folder / "best.ckpt")
    else:
        save(folder / "best.ckpt", member_file(loop, index, one.about, state=best.state))
