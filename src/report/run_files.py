"""A run directory as it is shown: each of its files is read when it is asked for."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml
from numpy.typing import NDArray

from src.config import flat
from src.errors import LabError, one_line
from src.results import RunDirectory

Line = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Steps and values, `[N]` each."""
EVENTS = "events.out.tfevents.*"


@dataclass(frozen=True)
class Run:
    """A run directory; its files are read when they are asked for.

    Attributes:
        directory: of the run.
        sweep: what its sweep is called, where there are several.
    """

    directory: Path
    sweep: str = ""

    @property
    def name(self) -> str:
        """Of the directory, behind that of its sweep where there are several."""
        name = self.directory.resolve().name
        return f"{self.sweep}/{name}" if self.sweep else name

    @cached_property
    def result(self) -> dict[str, Any]:
        """What `result.json` holds.

        Raises:
            LabError: the run is unfinished, or the file is broken.
        """
        result = RunDirectory(self.directory).read_result()
        metrics = result.get("metrics")
        numbers = isinstance(metrics, dict) and all(one is None or _is_number(one) for one in metrics.values())
        if result["status"] not in ("completed", "diverged") or not numbers or not _is_number(result.get("steps")):
            raise LabError(
                f"{self.directory / 'result.json'} is broken (status, steps and metrics are not those of a run)"
            )
        return result

    @cached_property
    def curves(self) -> dict[str, Line]:
        """The columns of `metrics.csv`, each without its empty cells.

        Raises:
            LabError: it is not there, or not such a file.
        """
        path = RunDirectory(self.directory).curves_path
        try:
            table = pl.read_csv(path, infer_schema=False).cast(pl.Float64)
            steps = table["step"].to_numpy()
        except (OSError, pl.exceptions.PolarsError) as error:
            raise LabError(f"{path}: it cannot be read as the curves of a run ({briefly(error)})") from None
        if not (len(steps) and np.isfinite(steps).all() and (np.diff(steps) > 0).all()):
            what = "its steps do not ascend" if len(steps) else "it has no rows"
            raise LabError(f"{path}: it cannot be read as the curves of a run ({what})")
        lines = {}
        for name in table.columns[1:]:
            there = table[name].is_not_null().to_numpy()
            lines[name] = steps[there], table[name].drop_nulls().to_numpy()
        return lines

    @cached_property
    def config_text(self) -> str:
        """`.hydra/config.yaml` as it is; empty where there is none."""
        try:
            return (self.directory / ".hydra" / "config.yaml").read_text(encoding="utf-8")
        except (OSError, ValueError):
            return ""

    @cached_property
    def config(self) -> dict[str, str]:
        """The config as words: keys joined by dots, values as they are typed."""
        return {key: _word(value) for key, value in flat(_parsed(self.config_text)).items() if key and value != {}}

    @cached_property
    def choices(self) -> dict[str, str]:
        """The option of each group."""
        try:
            text = (self.directory / ".hydra" / "hydra.yaml").read_text(encoding="utf-8")
        except (OSError, ValueError):
            return {}
        chosen = _parsed(text)
        for key in ("hydra", "runtime", "choices"):
            chosen = chosen.get(key) if isinstance(chosen, dict) else None
        return {key: _word(value) for key, value in chosen.items()} if isinstance(chosen, dict) else {}

    @cached_property
    def words(self) -> dict[str, str]:
        """The overrides that it was started with, by key."""
        try:
            typed = _parsed((self.directory / ".hydra" / "overrides.yaml").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        whole = [word.lstrip("+").partition("=") for word in typed if isinstance(word, str)] if typed else []
        return {key: value for key, sign, value in whole if sign}

    def foreseen(self, name: str) -> Line | None:
        """A curve of theory, such as `predicted_loss`, as TensorBoard has it; None where there is none."""
        points: dict[int, float] = {}
        for path in sorted(self.directory.glob(EVENTS)):
            points |= dict(_scalars(path, f"theory/{name}"))
        if not points:
            return None
        steps = sorted(points)
        return np.array(steps, dtype=np.float64), np.array([points[step] for step in steps])


def briefly(error: BaseException) -> str:
    """What an exception says, without the values it lists and the advice to programmers that follows them."""
    return one_line(error).partition(": [")[0][:160]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _parsed(text: str) -> Any:
    """What YAML says; nothing where it is broken, for it is only shown."""
    try:
        return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError:
        return None


def _word(value: Any) -> str:
    """A value as it would be typed."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"[{','.join(map(_word, value))}]" if isinstance(value, list) else str(value)


def _scalars(path: Path, tag: str) -> Iterator[tuple[int, float]]:
    """The values of one curve in an event file; those that a crash cut off are left out.

    The format is TFRecord: the length in 8 bytes, its checksum in 4, the event, its checksum in 4.
    """
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from tensorboard.compat.proto.event_pb2 import Event

    try:
        data, place, sought = path.read_bytes(), 0, tag.encode()
    except OSError:
        return
    while place + 12 <= len(data):
        size = int.from_bytes(data[place : place + 8], "little")
        record = data[place + 12 : place + 12 + size]
        place += size + 16
        if sought not in record:
            continue
        try:
            event = Event.FromString(record)
        except DecodeError:
            return
        yield from ((event.step, value.simple_value) for value in event.summary.value if value.tag == tag)
