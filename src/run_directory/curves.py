"""The curves of a run as files: `metrics.csv`, the profiles beside it, `theory.csv`."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from src.errors import LabError

FORESEEN = ("predicted_loss", "exact_loss", "noise_floor")
"""The columns of `theory.csv` after `step`."""
PROFILE_COLUMNS = ("step", "name", "low", "high", "numbers")
"""Of `histograms.csv` and the like: numbers at even places from `low` to `high`, with blanks between them."""

Value = float | Sequence[float]
"""What a curve has at a step: a number, or a profile, `[low, high, *numbers]`."""
Row = Mapping[str, Value]
Line = Sequence[tuple[int, float]]
"""What theory foresees: values at ascending steps."""


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
            for step, values in read_rows(carried, until):
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
        whole_rows = [(step, self._rows[step]) for step in steps]
        write_profiles(self.path.parent, whole_rows, self._profiles)
        rows = [(step, numbers_of(row)) for step, row in whole_rows]
        fresh = [name for name in dict.fromkeys(key for _, row in rows for key in row) if name not in self.columns]
        whole = bool(fresh) or not self._begun
        if whole and self._begun:
            rows = [*read_rows(self.path), *rows]
        columns = [*self.columns, *fresh]
        cells = ((str(step), *(repr(row[n]) if n in row else "" for n in columns[1:])) for step, row in rows)
        target = self.path.with_suffix(".part") if whole else self.path
        with target.open("w" if whole else "a", newline="", encoding="utf-8") as file:
            if whole:
                csv.writer(file).writerow(columns)
            file.write("".join(f"{','.join(line)}\r\n" for line in cells))
        target.replace(self.path)
        self.columns, self._begun = columns, True
        for step in steps:  # they are there
            del self._rows[step]


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


def read_profiles(
    directory: Path, until: int | None = None, only: str = "*.csv"
) -> list[tuple[int, dict[str, list[float]]]]:
    """What `write_profiles` wrote into a run directory, a name at a time.

    Args:
        directory: of the run.
        until: the last step that is read; what follows may have been cut short when it was written.
        only: which files, as a pattern of their names.

    Raises:
        LabError: a file cannot be read as that.
    """
    found = list[tuple[int, dict[str, list[float]]]]()
    for path in sorted(directory.glob(only)):
        try:
            with path.open(newline="", encoding="utf-8") as file:
                lines = csv.reader(file)
                if tuple(next(lines, ())) == PROFILE_COLUMNS:
                    last = 0
                    for step, *cells in lines:
                        if until is not None and not last <= int(step) <= until:
                            break
                        name, *numbers = cells
                        profile = [float(number) for number in " ".join(numbers).split()]
                        found.append((last := int(step), {f"{path.stem}/{name}": profile}))
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


def read_rows(path: Path, until: int | None = None) -> list[tuple[int, dict[str, float]]]:
    """The rows of a `metrics.csv`, without empty cells.

    Args:
        path: of the file.
        until: the last step that is read; what follows may have been cut short when it was written.

    Raises:
        LabError: it is not such a file.
    """
    found = list[tuple[int, dict[str, float]]]()
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                step = int(row.pop("step"))
                if until is not None and (step > until or (found and step <= found[-1][0])):
                    break
                found.append((step, {name: float(value) for name, value in row.items() if value}))
        return found
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise LabError(f"{path}: it cannot be read as the curves of a run ({error})") from None


def write_theory(path: Path, found: Mapping[str, Line]) -> None:
    """Write `theory.csv`: a row a step, a cell empty where a line has no value there; no file of no line.

    Args:
        path: of the file.
        found: see `src.theory.prediction.lines`.

    Raises:
        OSError: it cannot be written.
    """
    if not found:
        return
    body = {step: f"{value!r},," for step, value in found.get(FORESEEN[0], ())}
    for step in {step for name in FORESEEN[1:] for step, _ in found.get(name, ())}:
        cells = (dict(found.get(name, ())).get(step) for name in FORESEEN)
        body[step] = ",".join("" if value is None else repr(value) for value in cells)
    rows = ["step," + ",".join(FORESEEN), *(f"{step},{body[step]}" for step in sorted(body))]
    path.write_bytes(("\r\n".join(rows) + "\r\n").encode())
