"""What members that have ended leave: the same files as a run by itself, but many at a time, or all in columns."""

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from src.config.schema import TENSORBOARD
from src.engine.checkpoint import member_file
from src.engine.choose_stepper import Choice
from src.engine.curves import there
from src.engine.loop import Loop
from src.engine.stepper import State
from src.engine.watchers.watcher import summary_of
from src.errors import LabError, raised
from src.run.build import Member
from src.run.page_files import split_text
from src.run.result import result, shown_parameters
from src.run.tensorboard import TOGETHER, Board, Clock, Curve, hyperparameters, hyperparameters_yaml, write_events
from src.run_directory import Result
from src.run_directory.digests import of_run
from src.run_directory.ended import EndedRun, Points
from src.theory.prediction import Line, lines

if TYPE_CHECKING:
    from src.run_directory.columns import Gathering

Array = NDArray[Any]
Columns = Mapping[str, tuple[list[int], Tensor]]
"""Of each curve its steps, and the values `[T, P]`, of profiles `[T, P, n]`."""


def write_members(
    loop: Loop, members: Sequence[Member], choice: Choice, size: int, gathering: "Gathering | None" = None
) -> dict[Path, Result | LabError]:
    """Write members that ended together: a directory each, or what would be in it, to be kept in columns.

    Args:
        loop: in which they ended.
        members: as they were built.
        choice: of their stepper.
        size: how many were trained together.
        gathering: takes them in instead; None: each gets its directory.

    Returns:
        of each directory its result, or why its loggers have failed.

    Raises:
        OSError: a file cannot be written.
    """
    columns = loop.curves.columns()
    foreseen = [lines(one.answer, one.config.trainer.max_steps) for one in members]
    points = {name: there(name, values) for name, (_, values) in columns.items()}
    _write_boards(loop, members, columns, points, foreseen)
    arrays = {
        name: (np.array(steps), values.numpy(), points[name].numpy()) for name, (steps, values) in columns.items()
    }
    keeps_states = members[0].config.callbacks.get("checkpoint") is not None
    state = loop.stepper.state(loop.step) if keeps_states else None
    parameters = shown_parameters(loop)
    outcomes = dict[Path, Result | LabError]()
    for index, (one, found) in enumerate(zip(members, foreseen, strict=True)):
        curves = {name: _own(*of_all, index) for name, of_all in arrays.items()}
        own = {name: curve for name, curve in curves.items() if curve[0]}
        spent = float(loop.seconds[index])
        seconds = {"fit": spent, "total": spent + one.seconds}
        outcomes[one.spec.directory] = ended = result(loop, index, one, choice, seconds, size, parameters)
        texts = {} if one.split is None else {"split.csv": split_text(one.split)}
        texts["result.json"] = ended.as_text(of_run(own, found, texts))
        try:
            _log(loop, index, one, own)
        except Exception as error:  # a server that does not answer, and whatever a user's class raises
            outcomes[one.spec.directory] = LabError(f"a logger failed: {raised(error)}")
            del texts["result.json"]
        states = {} if state is None else _checkpoints(loop, index, one, state)
        whole = EndedRun(texts, own, found, states)
        if gathering is None:
            whole.write(one.spec.directory)
        elif "result.json" in texts:
            gathering.add(int(one.spec.directory.name), whole)
    return outcomes


def _own(steps: Array, values: Array, points: Array, index: int) -> Points:
    """One member's points of a curve: the steps and the values, numbers or profiles."""
    here = points[:, index]
    own = values[:, index]
    return (steps.tolist(), own) if here.all() else (steps[here].tolist(), own[here])


def _log(loop: Loop, index: int, one: Member, curves: Mapping[str, Points]) -> None:
    """Give a member to the loggers besides TensorBoard's."""
    if not any(part and part.target_ != TENSORBOARD for part in one.config.logger.values()):
        return
    from src.run.trainer import log_whole  # they are Lightning's

    rows = dict[int, dict[str, float]]()
    for name, (steps, values) in curves.items():
        for step, value in zip(steps, values.tolist(), strict=True):
            if not isinstance(value, list):
                rows.setdefault(step, {})[name] = value
    rows.setdefault(loop.step, {}).update(_final(loop, index))
    log_whole(one.config, rows, hyperparameters(one.config))


def _final(loop: Loop, index: int) -> dict[str, float]:
    """The final losses of a member as loggers have them, those that are finite."""
    losses = {f"final/{name}": float(loss[index]) for name, loss in loop.final.items()}
    return {name: loss for name, loss in losses.items() if math.isfinite(loss)}


def _write_boards(
    loop: Loop,
    members: Sequence[Member],
    columns: Columns,
    points: Mapping[str, Tensor],
    foreseen: Sequence[Mapping[str, Line]],
) -> None:
    """The event files, and the hyperparameters beside them, of runs that TensorBoard shows each by itself."""
    boards_of = [part for part in members[0].config.logger.values() if part and part.target_ == TENSORBOARD]
    if not any(part.runs != "best" for part in boards_of):
        return
    profiles = {name: column for name, column in columns.items() if column[1].dim() == 3}
    boards = []
    for index, one in enumerate(members):
        shown = [
            (step, summary_of(loop, index, name, profile, step))
            for name, (steps, values) in profiles.items()
            for step, profile in zip(*_own(np.array(steps), values.numpy(), points[name].numpy(), index), strict=True)
        ]
        summaries = [(step, summary) for step, summary in shown if summary is not None]
        numbers = hyperparameters(one.config)
        boards.append(Board(one.spec.directory, loop.step, numbers, _final(loop, index), summaries))
        (one.spec.directory / "hparams.yaml").write_text(hyperparameters_yaml(numbers), encoding="utf-8")
    drawn = [
        Curve(name, steps, values.numpy(), None if bool(points[name].all()) else points[name].numpy())
        for name, (steps, values) in columns.items()
        if name not in profiles
    ]
    theory = _theory(foreseen)
    elapsed = float(loop.seconds.max())
    clock = Clock(time.time() - elapsed, elapsed / max(1, loop.step))
    together = theory or any(watcher.together for watcher in loop.intervals.watchers)
    write_events(boards, [*theory, *drawn], clock, TOGETHER if together else None)


def _theory(foreseen: Sequence[Mapping[str, Line]]) -> list[Curve]:
    """What theory foresees of each, as the callback of a lone run writes it; not all members have every line."""
    of_each = [{name: dict(line) for name, line in found.items()} for found in foreseen]
    curves = []
    for name in dict.fromkeys(name for of_one in of_each for name in of_one):
        steps = sorted({step for of_one in of_each for step in of_one.get(name, {})})
        values = np.array([[of_one.get(name, {}).get(step, np.nan) for of_one in of_each] for step in steps])
        curves.append(Curve(f"theory/{name}", steps, values, ~np.isnan(values)))
    return curves


def _checkpoints(loop: Loop, index: int, one: Member, state: State) -> dict[str, Any]:
    """The last state as a checkpoint, and the best where there is one."""
    last, best = member_file(loop, index, one.about, current=state), loop.best
    if best is None or not bool(best.value[index].isfinite()):
        return {"last": last}
    at_the_end = int(best.state.step[index]) == loop.step
    return {"last": last, "best": last if at_the_end else member_file(loop, index, one.about, state=best.state)}
