"""The run directories of members that have ended: the same files as a lone run writes, without its writers' cost."""

import io
import math
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor

from src.answer import Answer
from src.callbacks.boards import TOGETHER
from src.checkpoint import CHECKPOINT_KEY
from src.config import Config
from src.data import Problem
from src.models.stack import member
from src.optim.stacked import plain
from src.results import Result, RunDirectory, write_rows
from src.run import TOLD, ending, hyperparameters, result, stopped_early
from src.seeds import stream
from src.stack.course import Course, reported
from src.stack.descent import Ended
from src.stack.events import Board, Clock, Curve, hyperparameters_yaml, write_events
from src.stack.state import State, gradients_of, optimizer_state, parameters_of, schedule_state
from src.theory_files import Line, lines, write_lines

Curved = Mapping[str, tuple[list[int], Tensor]]
"""Of each curve its steps, and the values `[T, P]`."""


@dataclass(frozen=True)
class Known:
    """What is known of a member before it is trained.

    Attributes:
        config: of its run.
        directory: where it is written.
        command: what was typed.
        problem: its data.
        answer: what theory knows.
        about: what its checkpoints keep.
        seconds: that building it took.
    """

    config: Config
    directory: Path
    command: str
    problem: Problem
    answer: Answer
    about: Mapping[str, Any]
    seconds: float


def write(ended: Ended, known: Sequence[Known | None], loops: Mapping[str, Any], size: int) -> list[Result]:
    """Write the directories of members that ended together; the result last, so that it stands for all.

    Args:
        ended: they.
        known: of each `[P]`; None: it is not written.
        loops: Lightning's part of a checkpoint.
        size: members of the stack at its start.

    Raises:
        OSError: a file cannot be written.
    """
    course, step = ended.course, ended.step
    some = [(index, one) for index, one in enumerate(known) if one is not None]
    if not some:
        return []
    curves = course.history.curves()
    foreseen = [lines(one.answer, one.config.trainer.max_steps) for _, one in some]
    for (index, one), found in zip(some, foreseen, strict=True):
        _write_curves(one.directory, curves, index)
        write_lines(one.directory, found)
    _write_boards(ended, some, curves, foreseen)
    for index, one in some:
        if one.config.callbacks.get("checkpoint") is not None:
            _write_checkpoints(course, index, one, step, loops, curves)
    parameters = reported(course.stack, course.scalings) if isinstance(course.stack.model, TOLD) else {}
    results = []
    for index, one in some:
        values = {name: member(value, index) for name, value in parameters.items()}
        outcome = _result(ended, index, one, values, size)
        RunDirectory(one.directory).write_result(outcome, durable=False)
        results.append(outcome)
    return results


def _write_curves(directory: Path, curves: Curved, index: int) -> None:
    own = {name: (steps, values[:, index].tolist()) for name, (steps, values) in curves.items()}
    write_rows(RunDirectory(directory).curves_path, own)


def _write_boards(
    ended: Ended, some: Sequence[tuple[int, Known]], curves: Curved, foreseen: Sequence[Mapping[str, Line]]
) -> None:
    """The event files, and the hyperparameters beside them, of runs that TensorBoard shows each by itself."""
    if not any(part and part.runs != "best" for part in some[0][1].config.logger.values()):
        return
    boards = []
    for index, one in some:
        losses = {f"final/{name}": float(loss[index]) for name, loss in ended.final.items()}
        finite = {name: loss for name, loss in losses.items() if math.isfinite(loss)}
        numbers = hyperparameters(one.config)
        boards.append(Board(one.directory, ended.step, numbers, finite))
        (one.directory / "hparams.yaml").write_text(hyperparameters_yaml(numbers), encoding="utf-8")
    where = [index for index, _ in some]
    drawn = [Curve(name, steps, values[:, where].numpy()) for name, (steps, values) in curves.items()]
    theory = _theory(foreseen)
    elapsed = float(ended.course.seconds.max())
    clock = Clock(time.time() - elapsed, elapsed / max(1, ended.step))
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


def _write_checkpoints(
    course: Course, index: int, one: Known, step: int, loops: Mapping[str, Any], curves: Curved
) -> None:
    folder = RunDirectory(one.directory).checkpoints
    folder.mkdir(exist_ok=True)
    best = None if course.best is None else float(course.best.value[index])
    best = None if best is None or best != best else best
    whole = _checkpoint(course, index, one, step, loops, best, _row(curves, index, step))
    _save(whole, folder / "last.ckpt")
    if best is None:
        return
    assert course.best is not None
    state = course.best.state
    then = int(state.tensors["step"][index])
    if then == step:
        shutil.copyfile(folder / "last.ckpt", folder / "best.ckpt")
    else:
        whole = _checkpoint(course, index, one, then, loops, best, _row(curves, index, then), state)
        _save(whole, folder / "best.ckpt")


def _save(whole: Mapping[str, Any], path: Path) -> None:
    """Write a checkpoint; a disk that is full is an `OSError`, which torch would make a RuntimeError of."""
    buffer = io.BytesIO()
    torch.save(whole, buffer)
    path.write_bytes(buffer.getbuffer())


def _row(curves: Curved, index: int, step: int) -> dict[int, dict[str, float]]:
    """What a run alone has recorded at a step when it saves there, and not written yet."""
    found = {
        name: float(values[steps.index(step), index])
        for name, (steps, values) in curves.items()
        if name not in ("train/loss", "lr") and steps[-1] >= step and step in steps
    }
    return {step: found} if found else {}


def _checkpoint(
    course: Course,
    index: int,
    one: Known,
    step: int,
    loops: Mapping[str, Any],
    best: float | None,
    row: Mapping[int, Mapping[str, float]],
    state: State | None = None,
) -> dict[str, Any]:
    """What `Trainer.save_checkpoint` would have written for the run alone."""
    stack = course.stack
    progress = loops["loops"]["fit_loop"]["epoch_loop.manual_optimization.optim_step_progress"]
    for part in ("total", "current"):
        progress[part] = {"ready": step, "completed": step}
    callbacks: dict[str, Any] = {"Checkpoint": {"best": best}}
    if course.stoppers is not None:
        stopper = course.stoppers[index]
        then = course.best.stoppers if state is not None and course.best is not None else None
        callbacks[stopper.state_key] = stopper.state_dict() if then is None else then[index]
    schedule = schedule_state(stack, index, state)
    first_loss = stack.numbers.first_loss[index].to(stack.flat.dtype)
    return {
        **loops,
        "epoch": max(0, -(-step // course.marks.val_every) - 1),
        "global_step": step,
        "state_dict": {f"model.{name}": value for name, value in parameters_of(stack, index, state).items()},
        "callbacks": callbacks,
        "optimizer_states": [optimizer_state(stack, index, state)],
        "lr_schedulers": [] if schedule is None else [schedule],
        CHECKPOINT_KEY: {
            **one.about,
            "first_loss": None if bool(first_loss.isnan()) else [float(first_loss)],
            "pending": [row],
            "gradients": gradients_of(stack, index, state),
            "random": [stream_state(one.config.model.seed)],
            "optimizer": {"path": stack.optimizer.path, "arguments": plain(one.config.optimizer.arguments())},
            "schedule": dict(one.config.scheduler.arguments()) if one.config.scheduler else None,
        },
    }


def stream_state(seed: int) -> Tensor:
    """The state of torch's global generator at the start of a lone run; nothing in a stack draws from it."""
    return torch.Generator().manual_seed(stream(seed, "training").initial_seed()).get_state()


def loops_of(trainer: L.Trainer) -> dict[str, Any]:
    """Lightning's own part of a checkpoint."""
    whole = trainer._checkpoint_connector.dump_checkpoint(weights_only=True)
    kept = {name: whole[name] for name in ("epoch", "global_step", "pytorch-lightning_version")}
    return {**kept, "loops": trainer._checkpoint_connector._get_loops_state_dict()}


def _result(ended: Ended, index: int, one: Known, parameters: Mapping[str, Tensor], size: int) -> Result:
    course, step = ended.course, ended.step
    stopper = None if course.stoppers is None else course.stoppers[index]
    early = stopped_early(stopper, step) if stopper is not None and step < one.config.trainer.max_steps else None
    spent = float(course.seconds[index])
    return result(
        one.config,
        one.problem,
        one.answer,
        directory=one.directory,
        ended=ending(one.config, step, one.answer, diverged_at=step if ended.diverged[index] else None, stopped=early),
        steps=step,
        losses={name: float(loss[index]) for name, loss in ended.final.items()},
        parameters=parameters,
        seconds={"fit": spent, "total": spent + one.seconds},
        device=course.stack.flat.device,
        fingerprint=one.about["fingerprint"],
        command=one.command,
        stack_size=size,
    )
