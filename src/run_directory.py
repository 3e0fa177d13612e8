"""A run directory: its paths, and reading and writing of its files. It never imports torch."""

import csv
import json
import math
import os
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from src.config.overrides import quoted
from src.errors import LabError

Status = Literal["completed", "diverged", "cut"]
CLASS_COLUMNS = ("kind", "class", "x", "probability")
"""Of `classes.csv`: see `src.run.page_files`."""
FORESEEN = ("predicted_loss", "exact_loss", "noise_floor")
"""The columns of `theory.csv` after `step`."""
PROFILE_COLUMNS = ("step", "name", "low", "high", "numbers")
"""Of `histograms.csv` and the like: numbers at even places from `low` to `high`, with blanks between them."""
PREDICTION_COLUMNS = ("part", "target", "predicted", "actual")
"""Of `predictions.csv`: a row for each target of some rows of a part, `train` or `val`; of classes, which are names,
there is a fifth, the `probability` of the predicted one."""
MOST_ROWS = 500
"""Rows of a part that `predictions.csv` and `fit.csv` have at most; of more every so many."""

Value = float | Sequence[float]
"""What a curve has at a step: a number, or a profile, `[low, high, *numbers]`."""
Row = Mapping[str, Value]


@dataclass(frozen=True)
class Result:
    """How a run ended, and in what.

    Attributes:
        status: "completed", "diverged", or "cut": at a rung of a sweep, from which a later command lets it go on.
        reason: a sentence on why it ended there.
        steps: optimizer steps taken; of a diverged run, those before the loss that diverged.
        metrics: "train/loss", "val/loss", "test/loss" of the final parameters, and of classes "train/accuracy", of
            numbers in a table "train/rmse", "train/r2" and so on, see `src.engine.scores`; None where it is not finite.
        parameters: of a linear model, "weight" `[I][O]` and "bias" `[O]` in the units of the data; of a surface "point"
            `[2]`.
        exact: of a linear model, what it should have been; of a surface its minima: see
            `src.theory.prediction.Answer.as_json`.
        features: what the inputs are called.
        targets: what is predicted.
        truth: the same, as the data were made, where that is known.
        seconds: "fit" and "total".
        device: where it ran.
        stack_size: members trained together.
        stepper: "name" of what took the steps, see `src.engine.choose_stepper.Choice`, and the "reason";
            and the "chosen" one where that could not be made.
        cause: what ended it: see `src.engine.outcome.Cause`.
        seed: of the run.
        fingerprint: a hash of the config that decides the numbers.
        environment: versions, git commit, processor or card, command.
        directory: the run directory.
        loss: what the losses are: "name", the word of conf/loss or the class of one's own; "least_squares", whether
            squared errors; "reduction", "mean" or "sum"; "units", "data" (a table's own, too) or "standardized";
            "logarithm", whether they are of the targets' logarithm.
        table: what was done to a table: see `src.tables.account.Account`.
        classes: what the targets can be, in their order; none of numbers.
    """

    status: Status
    reason: str
    steps: int
    metrics: Mapping[str, float | None]
    parameters: Mapping[str, Any]
    features: Sequence[str]
    targets: Sequence[str]
    truth: Mapping[str, Any]
    exact: Mapping[str, Any]
    seconds: Mapping[str, float]
    device: str
    stack_size: int
    stepper: Mapping[str, str]
    cause: str
    seed: int
    fingerprint: str
    environment: Mapping[str, Any]
    directory: Path
    loss: Mapping[str, Any] = field(default_factory=dict)
    table: Mapping[str, Any] = field(default_factory=dict)
    classes: Sequence[str] = ()

    def outputs(self, number: int) -> Sequence[str]:
        """What so many outputs of a model are called: the targets, or where its classes have one each, those."""
        return self.targets if number == len(self.targets) else self.classes

    def as_json(self) -> dict[str, Any]:
        """What `result.json` holds: everything but where it is; what is not finite is null."""
        return _plain({name: getattr(self, name) for name in self.__dataclass_fields__ if name != "directory"})


LOSSES = {
    "squares": "the squared error",
    "huber": "Huber's loss",
    "logistic": "the logistic loss",
    "cross_entropy": "the cross-entropy",
    "poisson": "Poisson's loss, half the deviance",
}
"""Those of conf/loss, as they are called."""


def what_it_is(loss: Mapping[str, Any]) -> str:
    """A sentence on what a loss is; empty of the height of a surface, and of runs of before, whose results do not tell.

    Args:
        loss: as `Result.loss`.
    """
    name = loss.get("name", "")
    if not name or loss.get("reduction") == "value":
        return ""
    return f"the loss is {LOSSES.get(name, name)}, its {loss['reduction']} over rows"


def units(loss: Mapping[str, Any], targets: Sequence[str]) -> str:
    """A sentence on losses that are not in the units of the data; empty where they are.

    Args:
        loss: as `Result.loss`.
        targets: what they are called.
    """
    log = loss.get("logarithm")
    of = f"the logarithm of {' and '.join(targets)}" if log else "the target"
    if loss.get("units", "data") == "data":
        return f"losses and parameters are of {of}" if log else ""
    if loss["least_squares"]:
        return f"losses are over {len(targets)} standardized targets{f', {of}' if log else ''}: they have no unit"
    whose = f" of {of}" if log else ""
    return f"losses are in standardized units{whose} (data.standardize=false: in those of the table)"


def typed(path: Path) -> str:
    """A path as it would be typed from here."""
    whole, here = path.resolve(), Path.cwd()
    return str(whole.relative_to(here) if whole.is_relative_to(here) else whole)


def check_once(paths: Iterable[Path]) -> None:
    """Refuse a directory that is given twice: its runs would be compared with themselves.

    Raises:
        LabError: it names the directory.
    """
    seen = set[Path]()
    for path in paths:
        if path.resolve() in seen:
            raise LabError(f"{path} is given twice: give every directory once")
        seen.add(path.resolve())


def look_at(directory: Path, boards: Path | None, page: bool = False) -> str:
    """The commands that show a run or a sweep, in one line that can be typed from here; empty where there is none.

    Args:
        directory: of it.
        boards: where TensorBoard's files of it are; None: nowhere.
        page: whether it has its page already.
    """
    commands = [] if page else [[Path(sys.executable).name, "-m", "src.report", typed(directory)]]
    if boards is not None:
        there = typed(boards)
        commands.append(["tensorboard", "--logdir", there if there.startswith(("/", ".")) else Path(there).parts[0]])
    return f"look at it with {' or '.join(map(shlex.join, commands))}" if commands else ""


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class MetricsFile:
    """`metrics.csv`: a row per step, columns as they come. A row is written once a later step is recorded.

    The profiles among the values go into files beside it: `histograms/NAME` into `histograms.csv`.

    Args:
        path: of the file.
        carried: a run's file whose rows up to and including step `until` come first.
        until: the step it was gone on from.
        columns: that come first.
    """

    def __init__(
        self, path: Path, carried: Path | None = None, until: int = -1, columns: Sequence[str] = ("train/loss",)
    ) -> None:
        self.path = path
        self.columns = ["step", *columns]
        self._rows: dict[int, dict[str, Value]] = {}
        self._begun, self._until, self._profiles = False, -1, set[Path]()
        if carried is not None and carried.is_file():
            for step, values in read_rows(carried):
                if step <= until:
                    self.record(step, values)
        self._until = until

    def record(self, step: int, values: Row) -> Row:
        """Add values to the row of `step`, where those up to the step that a run went on from stay as they are.

        Returns:
            those that were taken.
        """
        row = self._rows.setdefault(step, {})
        if step <= self._until:
            values = {name: value for name, value in values.items() if name not in row}
        row.update(values)
        return values

    @property
    def pending(self) -> dict[int, dict[str, Value]]:
        """The rows that are not written yet, by step."""
        return self._rows

    def write(self, before: int | None = None) -> None:
        """Write the rows of steps below `before`, or all that are left.

        Rows are appended; a new column needs the whole file anew, which takes the place of the old one at once.
        """
        steps = sorted(step for step in self._rows if before is None or step < before)
        whole_rows = [(step, self._rows.pop(step)) for step in steps]
        write_profiles(self.path.parent, whole_rows, self._profiles)
        rows = [(step, numbers_of(row)) for step, row in whole_rows]
        fresh = [name for name in dict.fromkeys(key for _, row in rows for key in row) if name not in self.columns]
        whole = bool(fresh) or not self._begun
        if whole and self._begun:
            rows = [*read_rows(self.path), *rows]
        self.columns += fresh
        cells = ((str(step), *(repr(row[n]) if n in row else "" for n in self.columns[1:])) for step, row in rows)
        target = self.path.with_suffix(".part") if whole else self.path
        with target.open("w" if whole else "a", newline="", encoding="utf-8") as file:
            if whole:
                csv.writer(file).writerow(self.columns)
            file.write("".join(f"{','.join(line)}\r\n" for line in cells))
        target.replace(self.path)
        self._begun = True


def numbers_of(row: Row) -> dict[str, float]:
    """The values of a row that are no profiles."""
    return {name: value for name, value in row.items() if not isinstance(value, Sequence)}


def write_profiles(directory: Path, rows: Iterable[tuple[int, Row]], begun: set[Path]) -> None:
    """Add the profiles in these rows to their files.

    Args:
        directory: of the run.
        rows: each with its step.
        begun: the files that are there; others begin anew, and are added.

    Raises:
        OSError: a file cannot be written.
    """
    lines = dict[Path, list[str]]()
    for step, row in rows:
        for name, value in row.items():
            if isinstance(value, Sequence):
                stem, _, own = name.partition("/")
                cells = [repr(number).removesuffix(".0") for number in value[2:]]
                quoted = own.replace('"', '""')
                line = f'{step},"{quoted}",{value[0]!r},{value[1]!r},{" ".join(cells)}\r\n'
                lines.setdefault(directory / f"{stem}.csv", []).append(line)
    for path, body in lines.items():
        fresh = path not in begun
        target = path.with_suffix(".part") if fresh else path
        with target.open("w" if fresh else "a", newline="", encoding="utf-8") as file:
            file.write("".join([",".join(PROFILE_COLUMNS), "\r\n", *body] if fresh else body))
        target.replace(path)
        begun.add(path)


def read_profiles(directory: Path) -> list[tuple[int, dict[str, list[float]]]]:
    """What `write_profiles` wrote into a run directory, a name at a time.

    Raises:
        LabError: a file cannot be read as that.
    """
    found = list[tuple[int, dict[str, list[float]]]]()
    for path in sorted(directory.glob("*.csv")):
        try:
            with path.open(newline="", encoding="utf-8") as file:
                lines = csv.reader(file)
                if tuple(next(lines, ())) == PROFILE_COLUMNS:
                    for step, name, *numbers in lines:
                        profile = [float(number) for number in " ".join(numbers).split()]
                        found.append((int(step), {f"{path.stem}/{name}": profile}))
        except (OSError, ValueError, csv.Error) as error:
            raise LabError(f"{path}: it cannot be read as profiles of a run ({error})") from None
    return found


def write_rows(path: Path, curves: Mapping[str, tuple[Sequence[int], Sequence[Value]]]) -> None:
    """Write a `metrics.csv` at once, and the files of profiles, as `MetricsFile` does row by row.

    Args:
        path: of the file.
        curves: of each column its steps and values.
    """
    profiles = {name: curve for name, curve in curves.items() if any(isinstance(one, Sequence) for one in curve[1])}
    rows_of = [(step, {name: one}) for name, curve in profiles.items() for step, one in zip(*curve, strict=True)]
    write_profiles(path.parent, sorted(rows_of, key=lambda row: row[0]), set())
    columns = ["train/loss", *(name for name in curves if name != "train/loss" and name not in profiles)]
    rows: dict[int, list[str]] = {}
    for position, name in enumerate(columns):
        steps, values = curves.get(name, ((), ()))
        for step, value in zip(steps, map(repr, values), strict=True):
            row = rows.get(step)
            if row is None:
                row = rows[step] = [str(step), *[""] * len(columns)]
            row[position + 1] = value
    lines = [",".join(rows[step]) for step in sorted(rows)]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerow(["step", *columns])
        file.write("".join(f"{line}\r\n" for line in lines))


def read_rows(path: Path) -> list[tuple[int, dict[str, float]]]:
    """The rows of a `metrics.csv`, without empty cells.

    Raises:
        LabError: it is not such a file.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return [
                (int(row.pop("step")), {name: float(value) for name, value in row.items() if value})
                for row in csv.DictReader(file)
            ]
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise LabError(f"{path}: it cannot be read as the curves of a run ({error})") from None


@dataclass(frozen=True)
class RunDirectory:
    """Where the files of a run are."""

    path: Path

    @property
    def result_path(self) -> Path:
        """Written last: a directory without it holds an unfinished run."""
        return self.path / "result.json"

    @property
    def curves_path(self) -> Path:
        """`metrics.csv`: the curves, a row a step."""
        return self.path / "metrics.csv"

    @property
    def theory_path(self) -> Path:
        """`theory.csv`: what theory foresees of the loss; none where it has nothing to say."""
        return self.path / "theory.csv"

    @property
    def fit_path(self) -> Path:
        """`fit.csv`: what is drawn of data with one feature and one target, of a run that was trained alone."""
        return self.path / "fit.csv"

    @property
    def classes_path(self) -> Path:
        """`classes.csv`: the same of a target that is a class."""
        return self.path / "classes.csv"

    @property
    def predictions_path(self) -> Path:
        """`predictions.csv`: predicted beside actual values of some rows, of a run that was trained alone."""
        return self.path / "predictions.csv"

    @property
    def split_path(self) -> Path:
        """`split.csv`: which rows of a table were for what, with `data.write_split=true`."""
        return self.path / "split.csv"

    @property
    def way_path(self) -> Path:
        """`way.csv`: both parameters of a model that has two, of a run that was trained alone."""
        return self.path / "way.csv"

    @property
    def histograms_path(self) -> Path:
        """`histograms.csv`: of parameters and gradients, with `callbacks=histograms`."""
        return self.path / "histograms.csv"

    @property
    def checkpoints(self) -> Path:
        """The folder of `last.ckpt` and `best.ckpt`."""
        return self.path / "checkpoints"

    @property
    def last_checkpoint(self) -> Path:
        """Enough to go on from, bit for bit."""
        return self.checkpoints / "last.ckpt"

    def how_to_go_on(self, command: str) -> str:
        """What to say after an interrupted run's end; nothing where there is no checkpoint yet.

        Args:
            command: what was typed.
        """
        if not self.last_checkpoint.is_file() or not command:
            return ""
        words = shlex.split(command)
        if not any(word.startswith("hydra.run.dir=") for word in words):
            words.append(f"hydra.run.dir={quoted(str(self.path))}")
        return f"; go on with: {shlex.join(words)}"

    @property
    def finished(self) -> bool:
        """Whether the run in it has ended."""
        return self.result_path.is_file()

    def result(self) -> Result:
        """The result that is in it."""
        return Result(**self.read_result(), directory=self.path)

    def write_result(self, result: Result, durable: bool = True) -> None:
        """Write `result.json` atomically: it is there whole, or not at all.

        Args:
            result: what it holds.
            durable: wait until it is on the disk, so that even a power cut cannot take it.
        """
        temporary = self.result_path.with_suffix(".tmp")
        with temporary.open("w", encoding="utf-8") as file:
            pairs = (
                f"  {json.dumps(name)}: {json.dumps(value, allow_nan=False)}"
                for name, value in result.as_json().items()
            )
            file.write("{\n" + ",\n".join(pairs) + "\n}\n")
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(self.result_path)

    def read_result(self) -> dict[str, Any]:
        """What `result.json` holds.

        Raises:
            LabError: the run is unfinished, or the file is broken.
        """
        if not self.finished:
            raise LabError(f"{self.path} holds no finished run (there is no result.json)")
        try:
            result = json.loads(self.result_path.read_text(encoding="utf-8"))
            return {"status": result["status"], **result}
        except (ValueError, KeyError, TypeError) as error:
            raise LabError(f"{self.result_path} is broken ({error})") from None
