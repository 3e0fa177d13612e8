"""A run directory, written and read in one place."""

import csv
import importlib.metadata
import json
import math
import os
import platform
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from rich.table import Table
from rich.text import Text

from src.config.overrides import quoted
from src.errors import LabError

Status = Literal["completed", "diverged"]
FORESEEN = ("predicted_loss", "exact_loss", "noise_floor")
"""The columns of `theory.csv` after `step`."""
HISTOGRAM_COLUMNS = ("step", "name", "low", "high", "counts")
"""Of `histograms.csv`: counts of even bins from `low` to `high`, with blanks between them."""


@dataclass(frozen=True)
class Result:
    """How a run ended, and in what.

    Attributes:
        status: "completed" or "diverged".
        reason: a sentence on why it ended there.
        steps: optimizer steps taken; of a diverged run, those before the loss that diverged.
        metrics: "train/loss", "val/loss", "test/loss" of the final parameters; None where it is not finite.
        parameters: of a linear model, "weight" `[I][O]` and "bias" `[O]` in the units of the data; of a surface "point"
            `[2]`.
        exact: of a linear model, what it should have been; of a surface its minima: see `src.run.exact.Answer.as_json`.
        features: what the inputs are called.
        targets: what is predicted.
        truth: the same, as the data were made, where that is known.
        seconds: "fit" and "total".
        device: where it ran.
        stack_size: members trained together.
        stepper: "name" of what took the steps, torch or rules, and the "reason".
        cause: what ended it: see `src.engine.outcome.Cause`.
        seed: of the run.
        fingerprint: a hash of the config that decides the numbers.
        environment: versions, git commit, processor or card, command.
        directory: the run directory.
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

    def as_json(self) -> dict[str, Any]:
        """What `result.json` holds: everything but where it is; what is not finite is null."""
        return _plain({name: getattr(self, name) for name in self.__dataclass_fields__ if name != "directory"})


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class MetricsFile:
    """`metrics.csv`: a row per step, columns as they come. A row is written once a later step is recorded.

    Args:
        path: of the file.
        carried: a run's file whose rows up to and including step `until` come first.
        until: the step it was gone on from.
    """

    def __init__(self, path: Path, carried: Path | None = None, until: int = -1) -> None:
        self.path = path
        self.columns = ["step", "train/loss"]
        self._rows: dict[int, dict[str, float]] = {}
        self._written = self._until = -1
        if carried is not None and carried.is_file():
            for step, values in read_rows(carried):
                if step <= until:
                    self.record(step, values)
        self._until = until

    def record(self, step: int, values: Mapping[str, float]) -> Mapping[str, float]:
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
    def pending(self) -> dict[int, dict[str, float]]:
        """The rows that are not written yet, by step."""
        return self._rows

    def write(self, before: int | None = None) -> None:
        """Write the rows of steps below `before`, or all that are left.

        Rows are appended; a new column needs the whole file anew, which takes the place of the old one at once.
        """
        steps = sorted(step for step in self._rows if before is None or step < before)
        rows = [(step, self._rows.pop(step)) for step in steps]
        fresh = [name for name in dict.fromkeys(key for _, row in rows for key in row) if name not in self.columns]
        old: list[tuple[int, dict[str, float]]] = []
        if fresh or self._written < 0:
            old = list(read_rows(self.path)) if self._written >= 0 else []
            self.columns += fresh
        names = self.columns[1:]
        lines = (
            [str(step), *(repr(row[name]) if name in row else "" for name in names)] for step, row in [*old, *rows]
        )
        text = "".join(f"{','.join(line)}\r\n" for line in lines)
        if self._written >= 0 and not fresh:
            with self.path.open("a", newline="", encoding="utf-8") as file:
                file.write(text)
        else:
            half = self.path.with_suffix(".part")
            with half.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerow(self.columns)
                file.write(text)
            half.replace(self.path)
        self._written = max([self._written, 0, *steps])


def write_rows(path: Path, curves: Mapping[str, tuple[Sequence[int], Sequence[float]]]) -> None:
    """Write a `metrics.csv` at once, as `MetricsFile` does row by row.

    Args:
        path: of the file.
        curves: of each column its steps and values.
    """
    columns = ["train/loss", *(name for name in curves if name != "train/loss")]
    rows: dict[int, list[str]] = {}
    for place, name in enumerate(columns):
        steps, values = curves.get(name, ((), ()))
        for step, value in zip(steps, map(repr, values), strict=True):
            row = rows.get(step)
            if row is None:
                row = rows[step] = [str(step), *[""] * len(columns)]
            row[place + 1] = value
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
        """`metrics.csv`."""
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
    def histograms_path(self) -> Path:
        """`histograms.csv`, with `callbacks=histograms`."""
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
            file.write(json.dumps(result.as_json(), indent=2, allow_nan=False) + "\n")
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


@cache
def environment() -> dict[str, Any]:
    """What is needed to trust a number later: versions, the git commit of the source, the processor."""
    packages = ("torch", "lightning", "hydra-core", "numpy")
    return {
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in packages},
        "git": _git(),
        "platform": platform.platform(),
        "processor": _processor(),
    }


def _git() -> str | None:
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None  # git would look further up and find whatever repository this copy lies in
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return f"{line.partition(':')[2].strip()} ({os.cpu_count()} cores)"
    except OSError:
        pass
    return f"{platform.processor() or platform.machine()} ({os.cpu_count()} cores)"


def headline(result: Result) -> str:
    """How it ended, in one line, and what to do about it in a second one, where there is anything to do."""
    reason, _, advice = result.reason.partition("; ")
    line = f"{result.status}: {reason} ({result.seconds['fit']:.2f} s on {result.device})"
    return f"{line}\n{advice}" if advice else line


@dataclass(frozen=True)
class Compared:
    """A number of a run beside what it should have been.

    Attributes:
        name: of it.
        values: one a column; not a number where it is not finite, None where there is none.
    """

    name: str
    values: Sequence[float | None]


@dataclass(frozen=True)
class Comparison:
    """What was learned beside what is true and what is exact.

    Attributes:
        columns: headings, the first of which is what the run itself came to.
        parameters: weights and biases, or a place.
        losses: by the names of the metrics.
    """

    columns: Sequence[str]
    parameters: Sequence[Compared]
    losses: Sequence[Compared]


def comparison(result: Result) -> Comparison:
    """The numbers of the table that a run ends with."""
    surface = "nearest" in result.exact
    columns = [
        "learned",
        *(["true"] if result.truth else []),
        *(["exact", "error"] if "weight" in result.exact or surface else []),
    ]
    titles = {"learned": "reached", "exact": "nearest minimum", "error": "difference"} if surface else {}
    known = {"true": result.truth, "exact": {"point": result.exact["nearest"]} if surface else result.exact}
    others = {name: _numbers(result, values) for name, values in known.items()}
    parameters, losses = [], []
    for name, value in _numbers(result, result.parameters).items():
        cells = {"learned": value, **{column: numbers.get(name) for column, numbers in others.items()}}
        # one of many exact answers is no better than what was learned
        cells["error"] = _difference(value, cells.get("exact")) if result.exact.get("unique") or surface else None
        parameters.append(Compared(name, [cells[column] for column in columns]))
    for name, loss in result.metrics.items():
        exact = result.exact.get(name)
        cells = {"learned": math.nan if loss is None else loss, "exact": exact, "error": _difference(loss, exact)}
        losses.append(Compared(name, [cells.get(column) for column in columns]))
    return Comparison([titles.get(column, column) for column in columns], parameters, losses)


def summary(result: Result, most: int = 12) -> Table:
    """A short table: what was learned beside what is true and what is exact, and the losses."""
    compared, table = comparison(result), Table()
    table.add_column("")
    for column in compared.columns:
        table.add_column(column, justify="right")
    for row in compared.parameters[:most]:
        table.add_row(Text(row.name), *map(shown, row.values))
    if len(compared.parameters) > most:
        table.add_row(f"... {len(compared.parameters) - most} more in result.json")
    for row in compared.losses:
        table.add_row(row.name, *map(shown, row.values), style="dim")
    return table


def in_theory(result: Result) -> list[str]:
    """What theory says beside the table, in lines: of the learning rate, of mini-batches, and where it is silent."""
    exact, lines = result.exact, []
    if "nearest" in exact:
        places = ", ".join(f"({', '.join(map(_short, place))})" for place in exact["minima"])
        lines.append(f"f = {exact['formula']} ({exact['source']}): lowest, {_short(exact['train/loss'])}, at {places}")
        lines.append(f"distance from the nearest minimum: {_short(exact['distance'])}")
    if "weight" in exact:
        lines.append(
            f"Hessian: λmax {_short(exact['hessian_eigenvalues'][-1])}, "
            f"condition number {_short(exact['condition_number'])}"
        )
        ball = exact["heavy_ball"]
        formula, known = exact["critical_lr_formula"], exact["critical_lr"]
        critical = formula if known == 0 else f"{formula} = {_short(known)}"
        best = f"{_short(exact['optimal_lr'])} without momentum, {_short(ball['lr'])} with {_short(ball['momentum'])}"
        lines.append(f"gradient descent: critical learning rate {critical}, best {best}")
        if not exact["unique"]:
            size = len(exact["hessian_eigenvalues"])
            lines.append(
                f"the columns depend on each other (rank {exact['rank']} of {size}): "
                "of the many exact answers this is the one of least norm, in the coordinates that descent sees"
            )
        if "noise_floor" in exact:
            above = None if exact["noise_floor"] is None else exact["noise_floor"] - exact["train/loss"]
            lines.append(f"mini-batches at this learning rate keep the loss about {_short(above)} above the exact one")
    lines += [f"{what}: not applicable ({why})" for what, why in exact.get("not_applicable", {}).items()]
    return lines


def _short(value: float | None) -> str:
    return "unknown" if value is None or not math.isfinite(value) else f"{value:.4g}"


def shown(value: float | None) -> str:
    """A number as tables show it; nothing for None."""
    return "" if value is None else f"{value:.6g}" if math.isfinite(value) else "not finite"


def _difference(value: float | None, exact: float | None) -> float | None:
    return None if value is None or exact is None else value - exact


def _numbers(result: Result, values: Mapping[str, Any]) -> dict[str, float]:
    """Weights and biases by names that say which feature and target they belong to; a place by its coordinates."""
    place = zip(result.features, values.get("point", ()), strict=False)
    numbers = {name: math.nan if value is None else value for name, value in place}
    for name in ("weight", "bias"):
        several_rows, several = len(values.get(name, ())) > 1, len(result.targets) > 1
        for index, row in enumerate(values.get(name, ())):
            for output, value in enumerate(row if name == "weight" else [row]):
                if name == "weight":
                    places = [result.features[index]] * several_rows + [result.targets[output]] * several
                else:
                    places = [result.targets[index]] * several
                numbers[f"{name}[{', '.join(places)}]" if places else name] = math.nan if value is None else value
    return numbers
